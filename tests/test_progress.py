"""What a long step shows: a bar on a terminal, a line a minute elsewhere, and no colours."""

from __future__ import annotations

import io
import logging
import sys
import time

import pytest

from dast.progress import SECONDS_BETWEEN_LINES, Progress, SamplingProgress, duration


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(time, "monotonic", made)
    return made


def test_sampling_without_a_terminal_is_a_line_a_minute(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), SamplingProgress("rollouts", 4000, 1000, 500, 100) as progress:
        for _ in range(12):
            clock.now += SECONDS_BETWEEN_LINES / 4
            progress.advance_rollouts(100, 3000, 10)
    lines = [record.getMessage() for record in caplog.records]
    counted = "1,400 of 4,000 rollouts, 140 of 500 queries, 200 tokens/s, 1,000 kept from the store"
    assert lines[0] == f"rollouts: {counted}, 7/s, 6 min left"
    assert len(lines) == 3


def test_sampling_on_a_terminal_is_a_bar_without_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with SamplingProgress("rollouts", 40, 10, 8, 2) as progress:
        progress.advance_rollouts(30, 900, 6)
    shown = terminal.getvalue()
    assert "40/40" in shown
    assert "8 of 8 queries" in shown
    assert "10 kept from the store" in shown
    assert "\x1b[3" not in shown


def test_progress_of_other_steps_has_no_details(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), Progress("grading", 10, "rollouts") as progress:
        clock.now += SECONDS_BETWEEN_LINES
        progress.advance(5)
    assert [record.getMessage() for record in caplog.records] == ["grading: 5 of 10 rollouts, 0/s, 60 s left"]


@pytest.mark.parametrize(("seconds", "told"), [(7, "7 s"), (300, "5 min"), (9000, "2.5 h")])
def test_duration_is_told_in_fitting_units(seconds: float, told: str) -> None:
    assert duration(seconds) == told
