"""The report's page: whole, without a network, safe with strangers' text, and with sentences that the figures say."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from dast.report import leads
from dast.report.curves import thinned
from dast.report.metrics import gather, read_rounds
from dast.report.reading import browsed
from dast.smallfiles import read_csv, read_json, write_csv, write_json
from stages import report
from tests.makers import ROOT
from tests.roundfiles import write_line, write_round

TEMPLATES = sorted((ROOT / ".dvc" / "plots").glob("*.json"))


def page_of(folder: Path) -> str:
    """Runs the stage on `folder/metrics`; gives the page."""
    page = folder / "report.html"
    report.main(metrics=folder / "metrics", templates=TEMPLATES, report=folder / "report", page=page)
    return page.read_text(encoding="utf-8")


def data_of(page: str) -> dict[str, dict[str, object]]:
    """What the page's plots draw."""
    found = re.search(r'<script type="application/json" id="page-data">(.*?)</script>', page, re.DOTALL)
    assert found
    content: dict[str, dict[str, object]] = json.loads(found[1])
    return content


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("page")
    write_line(folder / "metrics")
    return page_of(folder)


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    return gather(read_rounds(folder), name, ())[1]


def test_page_has_every_section_and_leads_to_it(page: str) -> None:
    linked = re.findall(r'<a href="#([\w-]+)">', page)
    assert linked == re.findall(r'<section id="([\w-]+)"', page)
    assert {"accuracy", "moves", "allocation", "training", "audits", "rollouts"} <= set(linked)
    assert "Nothing yet" not in page


def test_page_asks_for_nothing_outside(page: str) -> None:
    markup = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    addresses = re.findall(r'(?:src|href|action|data|poster)="([^"]*)"', markup)
    assert all(address.startswith(("#", "data:")) for address in addresses)
    assert "@import" not in page
    assert "url(" not in markup
    assert re.search(r'http-equiv="Content-Security-Policy" content="default-src \'none\'', page)


def test_page_every_plot_has_its_place_its_rows_and_words_for_who_cannot_see_it(page: str) -> None:
    content = data_of(page)
    described = (
        r'<figure id="(plot-\d+)">\s*<figcaption>[^<]+</figcaption>\s*<div class="plot" role="img" aria-label="\w'
    )
    places = re.findall(described, page)
    assert places == sorted(content["plots"], key=lambda name: int(name[5:]))
    assert len(places) == 16
    for name, plot in content["plots"].items():
        assert isinstance(plot, dict)
        table = content["tables"][plot["table"]]
        assert isinstance(table, dict)
        assert table["rows"], name
        assert "<DVC" not in json.dumps(plot), name


def test_page_same_files_give_same_bytes(page: str, tmp_path: Path) -> None:
    write_line(tmp_path / "metrics")
    assert page_of(tmp_path) == page


def test_page_text_of_the_data_stays_text(tmp_path: Path) -> None:
    write_line(tmp_path / "metrics")
    path = tmp_path / "metrics" / "r1" / "rollouts.json"
    content = read_json(path)
    content["rollouts"][0] |= {"response": "</pre><script>alert(1)</script>", "query": '"><img src=x>'}
    write_json(path, content)
    accuracy = tmp_path / "metrics" / "r1" / "accuracy.csv"
    named = [{**row, "test_set": row["test_set"].replace("longer", "</script><b>*x*")} for row in read_csv(accuracy)]
    write_csv(accuracy, named)
    page = page_of(tmp_path)
    assert "<script>alert" not in page
    assert "<img src=x>" not in page
    assert "</script><b>" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "</script><b>*x*" in json.dumps(data_of(page))


def test_page_without_a_round_says_so(tmp_path: Path) -> None:
    (tmp_path / "metrics").mkdir()
    page = page_of(tmp_path)
    assert "No round has run yet." in page
    assert page.count("Nothing yet") == 13
    assert data_of(page)["plots"] == {}


def test_page_round_without_training_draws_what_there_is(tmp_path: Path) -> None:
    write_round(tmp_path / "metrics", "r1", "base", evaluated=False)
    tables = {plot["table"] for plot in data_of(page_of(tmp_path))["plots"].values() if isinstance(plot, dict)}
    assert "levels" in tables
    assert not tables & {"training", "accuracy", "transitions"}


def test_rollouts_beyond_the_pages_room_are_counted_and_every_kind_keeps_one(tmp_path: Path) -> None:
    write_line(tmp_path)
    path = tmp_path / "r2" / "rollouts.json"
    content = read_json(path)
    content["rollouts"] = [{**row, "response": "x" * 90_000} for row in content["rollouts"]]
    write_json(path, content)
    found = browsed(read_rounds(tmp_path))
    assert found.n_kept == 48
    assert len(found.shown) < 48
    assert len({rollout.kind for rollout in found.shown}) == 24
    assert sum(len(rollout.response) for rollout in found.shown) < 1_200_000
    assert found.n_rollouts == 3 * 8 * 460
    assert [rollout.round for rollout in found.shown] == sorted(rollout.round for rollout in found.shown)


def test_curves_long_ones_are_thinned_and_keep_their_ends() -> None:
    curve = [{"round": name, "step": str(step)} for name in ("r1", "r2") for step in range(1000 if name == "r1" else 9)]
    kept = thinned(curve)
    steps = [int(row["step"]) for row in kept if row["round"] == "r1"]
    assert (len(steps), steps[0], steps[-1]) == (300, 0, 999)
    assert steps == sorted(set(steps))
    assert [row for row in kept if row["round"] == "r2"] == curve[1000:]


def test_leads_say_what_the_figures_say(tmp_path: Path) -> None:
    write_line(tmp_path)
    rounds = read_rounds(tmp_path)
    assert leads.accuracy(rows(tmp_path, "accuracy")).startswith(
        "Between base and r3, pass@1 went from 10.0 % (6.0 to 14.0) to 80.0 % (76.0 to 84.0) on in_domain; from"
    )
    assert leads.mix(rows(tmp_path, "levels")) == (
        "The policy never solved 320 of 920 queries (34.8 %) in r1, 60 of 920 queries (6.5 %) in r3."
    )
    assert leads.moves(rows(tmp_path, "transitions")).startswith(
        "From r1 to r2 220 of 920 queries changed level, where sampling noise alone gives 276 (264 to 288)."
    )
    assert leads.allocation(rows(tmp_path, "allocation")).startswith(
        "In r1 32 of the 320 unsolved queries got a correct response, for 2,560 of 7,360 rollouts; in r2 10 of the 100"
    )
    assert leads.ladder(rows(tmp_path, "ladder")).endswith("correctly by 25.0 % of 1,280 rollouts with `matched`.")
    assert leads.training(rounds).startswith("The loss went from 0.9 to 0.1 in r1 (sft, 120 steps)")
    assert leads.audits(rounds).startswith("A second way of comparing disagrees with the grader on 3 of the 114 pairs")
    assert "(62.0 % of its queries)" in leads.sets(rows(tmp_path, "build"), rows(tmp_path, "levels"))


def test_leads_within_noise_say_no_more_than_noise(tmp_path: Path) -> None:
    write_line(tmp_path)
    moved = rows(tmp_path, "transitions")
    even = [{**row, "expected": row["n_queries"]} for row in moved]
    assert "no more than noise alone gives: 220 (208 to 232)" in leads.moves(even)


def test_leads_without_figures_are_empty() -> None:
    tellers = (leads.accuracy, leads.mix, leads.moves, leads.pass_rates, leads.lengths, leads.allocation, leads.ladder)
    assert [tell([]) for tell in tellers] == [""] * 7
    assert [tell([]) for tell in (leads.training, leads.cost, leads.settings, leads.audits)] == [""] * 4
