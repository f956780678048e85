"""The report gathers the rounds' small files in the order rounds build on each other, and copes with missing ones."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from dast.params.project import load_yaml
from dast.report.ledger import HEADER
from dast.report.metrics import gather, read_rounds
from dast.report.plots import PLOTS, drawn
from dast.report.sections import sections_of
from dast.report.settings import differing, params_rows
from dast.report.summary import summary_text
from dast.report.writing import TABLES, write_report
from dast.smallfiles import read_csv, write_csv, write_json, write_text
from tests.makers import ROOT
from tests.roundfiles import LEVELS, MIX, write_base, write_line, write_round


def made(folder: Path) -> Path:
    """Writes the tables of `folder/metrics`; gives their folder."""
    rounds = read_rounds(folder / "metrics")
    write_report(rounds, sections_of(rounds), folder / "report")
    return folder / "report"


def summary(metrics: Path) -> str:
    return summary_text(sections_of(read_rounds(metrics)))


def names(metrics: Path) -> list[str]:
    return [entry.name for entry in read_rounds(metrics)]


def test_rounds_base_first_then_in_the_order_they_build(tmp_path: Path) -> None:
    write_base(tmp_path)
    write_round(tmp_path, "r1", "r3")
    write_round(tmp_path, "r3", "r2")
    write_round(tmp_path, "r2", "base")
    for name in ("r1", "r2", "r3"):
        path = tmp_path / name / "params.yaml"
        write_text(path, path.read_text().replace(f"levels: {name}", "levels: r2"))
    assert names(tmp_path) == ["base", "r2", "r3", "r1"]


def test_rounds_unrelated_ones_stand_in_natural_order(tmp_path: Path) -> None:
    for name in ("r10", "r2", "long"):
        write_json(tmp_path / name / "sample.json", {"n_rollouts": 1})
    assert names(tmp_path) == ["long", "r2", "r10"]


def test_rounds_circle_of_leftovers_still_lists_all(tmp_path: Path) -> None:
    for name, policy in (("a", "b"), ("b", "a")):
        write_text(tmp_path / name / "params.yaml", f"round: {{policy: {policy}}}\n")
    assert names(tmp_path) == ["a", "b"]


def test_rounds_no_folder_gives_none(tmp_path: Path) -> None:
    assert names(tmp_path / "nothing") == []


def test_gather_rounds_with_other_columns_keep_them_all(tmp_path: Path) -> None:
    write_csv(tmp_path / "r1" / "train.csv", [{"step": 1, "loss": 0.5}])
    write_csv(tmp_path / "r2" / "train.csv", [{"step": 1, "loss": 0.4, "reward": 0.1}])
    header, rows = gather(read_rounds(tmp_path), "train", ("step",))
    assert header == ["round", "step", "loss", "reward"]
    assert [row["reward"] for row in rows] == ["", "0.1"]


def test_report_whole_line_has_every_table_by_round(tmp_path: Path) -> None:
    write_line(tmp_path / "metrics")
    folder = made(tmp_path)
    levels = read_csv(folder / "levels.csv")
    assert [(row["round"], row["level"]) for row in levels] == [
        (name, level) for name in ("r1", "r2", "r3") for level in LEVELS
    ]
    assert {row["round"] for row in read_csv(folder / "accuracy.csv")} == {"base", "r1", "r2", "r3"}
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["r3"]["evaluate"]["in_domain"]["pass@1"] == 0.8
    assert "gate" not in summary["r3"]


def test_report_round_without_training_keeps_headers_and_says_so(tmp_path: Path) -> None:
    write_round(tmp_path / "metrics", "r1", "base", evaluated=False)
    folder = made(tmp_path)
    for name, (_, columns) in TABLES.items():
        header = (folder / f"{name}.csv").read_text().splitlines()[0].split(",")
        assert header[: len(columns) + 1] == ["round", *columns], name
    text = (folder / "summary.md").read_text()
    assert "## Accuracy by test set\n\nNothing yet." in text
    assert "| r1 | 920 | 21.7 % | 16.3 % | 27.2 % | 34.8 % |" in text


def test_report_nothing_at_all_writes_empty_tables(tmp_path: Path) -> None:
    (tmp_path / "metrics").mkdir()
    folder = made(tmp_path)
    assert (folder / "params.csv").read_text() == "param,changed\n"
    assert json.loads((folder / "summary.json").read_text()) == {}


def test_summary_states_accuracy_with_interval_luck_and_comparison(tmp_path: Path) -> None:
    write_line(tmp_path / "metrics")
    text = (made(tmp_path) / "summary.md").read_text()
    assert "| in_domain | in | r1 | 320 | 53.0 (48.0 to 58.0) | 50.0 (46.0 to 54.0) | 5.0 |" in text
    assert "| r1 | base | in_domain | pass@1 | +40.0 (+37.0 to +43.0) | 0.0005 | better | – |" in text
    assert "| r1 | base | in_domain | – | – | +50.0 (+47.0 to +53.0) better | – |" in text
    assert text.count("+50.0") == 3
    assert "| in_domain | r1 | sample | 1,280 | 41.2 | – | 2.5 % | 1.2 % | 0.0 % |" in text
    assert "| r2 | easy | 480 | 0 | 25.0 % | – | 96 | 24 | 5.0 % | 240 | 3.5 |" in text
    assert "| r2 | unsolved | 100 | 0 | 25.0 % | – | 96 | 24 | – | 50 | 3.5 |" in text


def test_summary_tells_formula_forecast_and_the_ladders_lengths(tmp_path: Path) -> None:
    write_line(tmp_path / "metrics")
    text = summary(tmp_path / "metrics")
    assert "- r1, r2, r3: `dast`: quotas by level" in text
    assert "| r1 | easy | 1,700 (200 to 1,800) → 8 |" in text
    assert "| r1 | hard | matched | 1,000 | 250 | 25.0 % | 250 | 7 | 31.5 |" in text


def test_ledger_has_each_stages_tokens_and_seconds_by_level(tmp_path: Path) -> None:
    write_line(tmp_path / "metrics")
    cost = {"n_rollouts": 10, "n_prompt_tokens": 90, "n_tokens": 40, "seconds": 2.5}
    write_json(tmp_path / "metrics" / "r2" / "evaluate.json", {"in_domain": {}, "ledger": {"easy": cost}})
    sampled = {"n_rollouts": 3680, "n_prompt_tokens": 9200, "n_tokens": 150_000, "seconds": 92.0}
    write_json(tmp_path / "metrics" / "r2" / "sample.json", sampled)
    folder = made(tmp_path)
    rows = [row for row in read_csv(folder / "ledger.csv") if row["round"] == "r2"]
    assert [(row["stage"], row["level"]) for row in rows] == [
        *(("sample", level) for level in LEVELS),
        ("evaluate", "easy"),
    ]
    easy = MIX["r2"][0]
    assert (rows[0]["n_rollouts"], float(rows[0]["seconds"])) == (str(4 * easy), pytest.approx(92 * easy / 920))
    assert sum(int(row["n_prompt_tokens"]) for row in rows[:4]) == 9200
    assert "| r2 | evaluate | 10 | 40 | 2.5 | easy 40 |" in (folder / "summary.md").read_text()


def test_ledger_without_levels_is_told_for_all_together(tmp_path: Path) -> None:
    write_json(tmp_path / "metrics" / "r1" / "sample.json", {"n_rollouts": 8, "n_tokens": 80, "seconds": 1.5})
    (row,) = read_csv(made(tmp_path) / "ledger.csv")
    assert row == {
        **dict.fromkeys(row, ""),
        **row,
        "level": "all",
        "n_rollouts": "8",
        "n_tokens": "80",
        "seconds": "1.5",
    }


def test_params_rows_mark_what_differs(tmp_path: Path) -> None:
    write_line(tmp_path)
    rows = {row["param"]: row for row in params_rows(read_rounds(tmp_path))}
    assert rows["sample.seed"] == {"param": "sample.seed", "r1": "11", "r2": "12", "r3": "13", "changed": "yes"}
    assert rows["sample.n_rollouts"]["changed"] == ""
    assert rows["prompt.base.system"]["r1"] == "null"
    told = {row["param"]: row for row in differing(read_rounds(tmp_path))}
    assert told["sample.seed"] == {"param": "sample.seed", "r1": "11", "r2": "12", "r3": "13"}
    assert not {name for name in told if name.startswith("round.")}


def test_report_same_files_give_same_bytes(tmp_path: Path) -> None:
    write_line(tmp_path / "metrics")
    first = {path.name: path.read_bytes() for path in made(tmp_path).iterdir()}
    assert first == {path.name: path.read_bytes() for path in made(tmp_path).iterdir()}


def test_plots_name_templates_and_columns_that_are_there() -> None:
    pipeline = load_yaml(ROOT / "dvc.yaml")
    templates = {path.stem for path in (ROOT / ".dvc" / "plots").glob("*.json")}
    named = [about for plot in pipeline["plots"] for about in plot.values()]
    assert {about["template"] for about in named} == templates
    columns = {"ledger": HEADER, **{name: table[1] for name, table in TABLES.items()}}
    for about in named:
        for axis in ("x", "y"):
            ((path, column),) = about[axis].items()
            assert column in ("round", *columns[Path(path).stem]), (path, column)


def test_plots_of_the_page_are_those_of_the_pipeline() -> None:
    pipeline = load_yaml(ROOT / "dvc.yaml")
    drawn_by_dvc = [
        (
            title,
            *next(iter(about["x"].items())),
            *next(iter(about["y"].items())),
            *(about[key] for key in ("x_label", "y_label", "template")),
        )
        for plot in pipeline["plots"]
        for title, about in plot.items()
    ]
    drawn_by_us = [
        (plot.title, table, plot.x, table, plot.y, plot.x_label, plot.y_label, plot.template)
        for plot in PLOTS
        for table in [f"data/report/{plot.table}.csv"]
    ]
    assert sorted(drawn_by_us) == sorted(drawn_by_dvc)


def test_plot_templates_take_their_data_and_title_from_dvc() -> None:
    for path in (ROOT / ".dvc" / "plots").glob("*.json"):
        template = json.loads(path.read_text(encoding="utf-8"))
        assert template["data"] == {"values": "<DVC_METRIC_DATA>"}, path.name
        assert template["title"]["text"] == "<DVC_METRIC_TITLE>", path.name


def test_plots_draw_every_round(tmp_path: Path) -> None:
    vl_convert = pytest.importorskip("vl_convert")
    write_line(tmp_path / "metrics")
    folder = made(tmp_path)
    for plot in load_yaml(ROOT / "dvc.yaml")["plots"]:
        ((title, about),) = plot.items()
        ((path, x),), ((_, y),) = about["x"].items(), about["y"].items()
        rows = [{**row, "rev": "workspace"} for row in read_csv(folder / Path(path).name)]
        text = (ROOT / ".dvc" / "plots" / f"{about['template']}.json").read_text(encoding="utf-8")
        fill = {"X": x, "Y": y, "X_LABEL": about["x_label"], "Y_LABEL": about["y_label"], "TITLE": title}
        for anchor, value in fill.items():
            text = text.replace(f"<DVC_METRIC_{anchor}>", value)
        svg = vl_convert.vegalite_to_svg({**json.loads(text), "data": {"values": rows}})
        shown = ("r2", "r3") if "transitions" in about["template"] else ("r1", "r2", "r3")
        assert f">{title}<" in svg
        assert f">{about['y_label']}<" in svg
        assert all(re.search(rf">[^<]*\b{name}\b[^<]*<", svg) for name in shown), title
        assert "NaN" not in svg, title


def test_plots_of_ten_rounds_stay_as_wide_as_a_window(tmp_path: Path) -> None:
    vl_convert = pytest.importorskip("vl_convert")
    folder = ROOT / "data" / "report"
    rows = {path.stem: read_csv(path) for path in folder.glob("*.csv")}
    last = {name: [row for row in table if row.get("round") == "r3"] for name, table in rows.items()}
    for number in range(4, 11):
        for name, table in last.items():
            rows[name] += [{**row, "round": f"r{number}"} for row in table]
    for plot, specification in drawn(rows, (ROOT / ".dvc" / "plots").glob("*.json")):
        values = [{**row, "rev": ""} for row in rows[plot.table]]
        svg = vl_convert.vegalite_to_svg({**specification, "data": {"values": values}})
        width = re.search(r'<svg [^>]*width="([0-9.]+)"', svg)
        assert width is not None
        assert float(width[1]) < 1300, plot.title
        assert re.search(r">[^<]*\br10\b[^<]*<", svg), plot.title


@pytest.mark.parametrize(("name", "group"), [("dast_accuracy", "all"), ("dast_accuracy_levels", "level")])
def test_accuracy_plots_draw_the_files_own_interval(name: str, group: str) -> None:
    vl_convert = pytest.importorskip("vl_convert")
    text = (ROOT / ".dvc" / "plots" / f"{name}.json").read_text(encoding="utf-8")
    template = json.loads(text.replace("<DVC_METRIC_X>", "round").replace("<DVC_METRIC_Y>", "estimate"))

    def rules(**changes: str) -> list[str]:
        row = {"rev": "workspace", "round": "r1", "test_set": "t", "domain": "in", "group": group, "value": "hard"}
        row |= {"measure": "pass@1", "estimate": "0.5", "se": "0.1", "low": "0.35", "high": "0.7", **changes}
        svg = vl_convert.vegalite_to_svg({**template, "data": {"values": [row]}})
        return re.findall(r"<line [^>]*rule mark[^>]*>", svg)

    assert len(rules()) == 1
    assert rules(se="0.2") == rules()
    assert rules() != rules(low="0.3")
    assert rules() != rules(high="0.8")
    assert not rules(low="", high="")


def test_summary_of_files_from_before_intervals_has_no_interval(tmp_path: Path) -> None:
    write_base(tmp_path)
    old = [
        {key: row[key] for key in row if key not in ("low", "high")}
        for row in read_csv(tmp_path / "base" / "accuracy.csv")
    ]
    write_csv(tmp_path / "base" / "accuracy.csv", old)
    assert "| in_domain | in | base | 320 | 13.0 | 10.0 | 5.0 |" in summary(tmp_path)


def test_summary_tells_what_training_shares_with_the_tests(tmp_path: Path) -> None:
    write_base(tmp_path)
    row = {"n_exact": 1, "n_shared": 12, "n_contaminated": 2}
    counts = {"n_texts": 920, "n_contaminated": 2, "tests": {"in_domain": row}}
    write_json(tmp_path / "base" / "prepare.json", {"contamination": counts})
    assert "| base | 920 | in_domain | 1 | 12 | 2 |" in summary(tmp_path)


def test_summary_tells_moves_beside_what_noise_alone_gives(tmp_path: Path) -> None:
    write_line(tmp_path)
    text = summary(tmp_path)
    assert "| r1 → r2 | changed level | 220 | 276 (264 to 288) | yes |" in text
    assert "| r1 → r2 | stopped being unsolved | 50 | 30 (26 to 34) | yes |" in text
    assert "Pairs to look at" not in text
