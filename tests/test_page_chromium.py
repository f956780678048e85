"""The report's page in a real browser: everything is drawn, nothing is asked for, tables sort, rollouts are browsed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages import report
from tests.chromium import INSTALL, Tab, found, visit
from tests.makers import ROOT
from tests.roundfiles import write_line

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(found() is None, reason=INSTALL),  # of no package index, so `make test-full` cannot install it
]

DRAWN = "document.documentElement.dataset.plots === 'done'"
STATES = "[...document.querySelectorAll('figure')].map((figure) => figure.dataset.state)"
INKED = """
[...document.querySelectorAll('figure')].map((figure) => figure.querySelectorAll('svg [role=graphics-symbol]').length)
"""
COLUMN = "[...document.querySelectorAll('#{section} tbody tr')].map((row) => row.children[{at}].textContent)"
CLICK = "document.querySelectorAll('#{section} thead button')[{at}].click()"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    write_line(folder / "metrics")
    templates = sorted((ROOT / ".dvc" / "plots").glob("*.json"))
    report.main(metrics=folder / "metrics", templates=templates, report=folder / "report", page=folder / "report.html")
    return folder / "report.html"


async def opened(tab: Tab, page: Path, width: int = 1280, **media: str) -> None:
    await tab.size(width, 900, **media)
    await tab.open(page)
    await tab.until(DRAWN)


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_page_draws_every_plot_says_nothing_and_asks_for_nothing(page: Path, width: int, scheme: str) -> None:
    async def act(tab: Tab) -> dict[str, Any]:
        await opened(tab, page, width, prefers_color_scheme=scheme)
        return {
            "states": await tab.evaluate(STATES),
            "marks": await tab.evaluate(INKED),
            "wide": await tab.evaluate("document.documentElement.scrollWidth"),
            "paper": await tab.evaluate("getComputedStyle(document.body).backgroundColor"),
            "console": tab.console,
            "requests": tab.requests,
        }

    seen = visit(act)
    assert seen["console"] == []
    assert seen["requests"] == [page.as_uri()]
    assert seen["states"] == ["drawn"] * 16
    assert all(count > 0 for count in seen["marks"])
    assert seen["wide"] <= width
    assert seen["paper"] == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(21, 24, 27)")


def test_page_tables_sort_by_level_and_figure_and_back(page: Path) -> None:
    async def act(tab: Tab) -> list[list[str]]:
        await opened(tab, page)
        orders = []
        for section, at in (("sets", 1), ("sets", 1), ("mix", 5)):
            await tab.evaluate(CLICK.format(section=section, at=at))
            orders.append(await tab.evaluate(COLUMN.format(section=section, at=at)))
        return orders

    levels = ["easy"] * 3 + ["medium"] * 3 + ["hard"] * 3 + ["unsolved"] * 3
    assert visit(act) == [levels, levels[::-1], ["6.5 %", "10.9 %", "34.8 %"]]


def test_page_rollouts_are_shown_by_what_is_asked(page: Path) -> None:
    async def act(tab: Tab) -> tuple[Any, Any]:
        await opened(tab, page)
        shown = "[...document.querySelectorAll('article:not([hidden])')].map((each) => ({...each.dataset}))"
        before = await tab.evaluate(shown)
        await tab.evaluate(
            "document.querySelector('select[name=level]').value = '';"
            "document.querySelector('select[name=verdict]').value = 'incorrect';"
            "document.getElementById('browse').dispatchEvent(new Event('change'))"
        )
        return before, await tab.evaluate(shown)

    before, after = visit(act)
    about = {"round": "r1", "source": "train"}
    assert before == [{**about, "level": "unsolved", "verdict": name} for name in ("correct",) * 2 + ("incorrect",) * 2]
    assert len(after) == 8
    assert {tuple(each.values()) for each in after} == {
        ("r1", "train", level, "incorrect") for level in ("easy", "medium", "hard", "unsolved")
    }


def test_page_printed_has_its_tables_open_and_no_menus(page: Path) -> None:
    async def act(tab: Tab) -> tuple[Any, Any, int]:
        await opened(tab, page)
        printed = await tab.send("Page.printToPDF")
        closed = await tab.evaluate(
            "document.querySelectorAll('details:not(.long):not(.plot details):not([open])').length"
        )
        await tab.send("Emulation.setEmulatedMedia", media="print")
        menu = await tab.evaluate("getComputedStyle(document.querySelector('nav')).display")
        return closed, menu, len(printed["data"])

    closed, menu, size = visit(act)
    assert (closed, menu) == (0, "none")
    assert size > 100_000


def test_page_a_plot_that_cannot_be_drawn_is_told_and_the_others_stand(page: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.html"
    broken.write_text(page.read_text().replace('"type":"line"', '"type":"nothing"', 1))

    async def act(tab: Tab) -> tuple[Any, list[str]]:
        await opened(tab, broken)
        return await tab.evaluate(STATES), tab.console

    states, console = visit(act)
    assert states.count("drawn") == 15
    assert states.count("failed") == 1
    assert console
