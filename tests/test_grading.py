"""Verdicts: exact, safe, bounded, and the same whatever the order, the load or the number of workers.

Cases of our own making stand in cases/grading.jsonl, one a line: answer, predicted, verdict, why.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dast import frames, tables
from dast.equivalence import pool as pool_module
from dast.equivalence.pool import Pool
from dast.equivalence.quick import quick
from dast.errors import DataError, GradingError
from dast.grading import REFUSED, STANDARD, Attempt, Grade, Grader, grade_rollouts, refuse_ungraded
from dast.params.sections import BoxesDiffer, Grading
from dast.references import reference_faults

CASES = [
    json.loads(line)
    for name in ("grading.jsonl", "grading_more.jsonl")
    for line in (Path(__file__).parent / "cases" / name).read_text(encoding="utf-8").splitlines()
]
RECORDED = Path(__file__).parents[2] / "shared" / "data" / "gsm8k"
SLOW = ("(x+y+z+w)^{80}", "(x^2+y^2+z^2+w^2+2xy+2xz+2xw+2yz+2yw+2zw)^{40}")
ALGEBRA = (r"\frac{\sqrt{3}}{3}", r"\frac{1}{\sqrt{3}}")


def settings(timeout_s: float = 5.0) -> Grading:
    return STANDARD.model_copy(update={"timeout_s": timeout_s})


@pytest.fixture(scope="module")
def grader() -> Iterator[Grader]:
    with Grader(settings()) as opened:
        yield opened


@pytest.fixture(scope="module")
def golden(grader: Grader) -> list[Grade]:
    return grader.compare([(case["answer"], case["predicted"]) for case in CASES])


@pytest.mark.parametrize("number", range(len(CASES)))
def test_grade_golden_case_has_its_verdict(golden: list[Grade], number: int) -> None:
    assert golden[number].verdict == CASES[number]["verdict"], CASES[number]


def test_grade_golden_references_are_gradable_and_equal_themselves(grader: Grader) -> None:
    answers = sorted({case["answer"] for case in CASES if case["verdict"] != "ungraded"})
    assert reference_faults(answers, grader) == {}
    assert {grade.verdict for grade in grader.compare([(answer, answer) for answer in answers])} == {"correct"}


def test_grade_order_and_number_of_workers_change_nothing(golden: list[Grade], monkeypatch: pytest.MonkeyPatch) -> None:
    expected = {
        (case["answer"], case["predicted"]): grade
        for case, grade in zip(CASES, golden, strict=True)
        if quick(case["answer"], case["predicted"]) is None
    }
    pairs = list(expected)
    random.Random(0).shuffle(pairs)
    monkeypatch.setenv("DAST_WORKERS", "2")
    monkeypatch.setattr(pool_module, "_PAIRS_PER_WORKER", 1)
    with Grader(settings()) as other:
        assert other.compare(pairs[:12]) == [expected[pair] for pair in pairs[:12]]


@pytest.mark.parametrize(
    ("response", "finish", "predicted", "verdict", "reason"),
    [
        (r"so \boxed{18}", "stop", "18", "correct", None),
        ("A: 19", "stop", "19", "incorrect", None),
        ("", "stop", None, "no_answer", "empty_response"),
        (" \n", "recorded", None, "no_answer", "empty_response"),
        ("I do not know.", "stop", None, "no_answer", "none_stated"),
        ("16 - 3 = 13, so A:", "stop", "13", "incorrect", None),
        (r"it is \boxed{}, after 18", "stop", None, "no_answer", "none_stated"),
        ("9 * 2 = 18", "length", None, "no_answer", "cut_off"),
        ("A: 18", "length", None, "no_answer", "cut_off"),
        (r"\boxed{18} and", "length", "18", "correct", None),
        ("", "error", None, "ungraded", "engine_error"),
    ],
)
def test_grade_response_forms_have_verdict_and_reason(
    grader: Grader, response: str, finish: str, predicted: str | None, verdict: str, reason: str | None
) -> None:
    found = grader.grade([Attempt("18", response, finish)])
    assert [(grade.predicted, grade.verdict, grade.reason) for grade in found] == [(predicted, verdict, reason)]


@pytest.mark.parametrize(
    "answer", ["", " ", "3 +", r"\foo{3}", r"\frac{1}{0}", "9^{9^{9^9}}", "?", "5\x00", "(" * 9999]
)
def test_reference_useless_one_has_a_reason_and_is_never_incorrect(grader: Grader, answer: str) -> None:
    reason = reference_faults([answer], grader)[answer]
    if answer.strip("? "):
        assert reason.startswith("reference_")
        assert grader.compare([(answer, "3")]) == [Grade("3", "ungraded", reason)]


def test_grade_time_limit_costs_its_own_row_alone() -> None:
    with Grader(settings(timeout_s=1.0)) as short:
        found = short.compare([ALGEBRA, SLOW, (r"\sqrt{8}", r"2\sqrt{2}"), ("3", "3")])
        assert [(grade.verdict, grade.reason) for grade in found] == [
            ("correct", None),
            ("ungraded", "time_limit"),
            ("correct", None),
            ("correct", None),
        ]


def test_grade_what_nothing_proves_is_undecided_unless_a_tolerance_holds_it(grader: Grader) -> None:
    open_pair = (r"\ln\frac{\sqrt5+1}{2}", r"\frac12\ln\frac{3+\sqrt5}{2}")
    assert grader.compare([open_pair]) == [Grade(open_pair[1], "ungraded", "undecided")]
    answer, response = open_pair[0], rf"\boxed{{{open_pair[1]}}}"
    found = grader.grade([Attempt(answer, response), Attempt(answer, response, tolerance=0.01)])
    assert [(grade.verdict, grade.reason) for grade in found] == [
        ("ungraded", "undecided"),
        ("correct", "within_tolerance"),
    ]


@pytest.mark.parametrize(
    ("first", "verdict", "reason"),
    [
        (r"\frac{2^{20001}}{2^{20001}}", "ungraded", "too_large"),
        (r"\frac{2^{20001}}{2^{20001}}}$, $\boxed{2", "incorrect", REFUSED),
        (r"\frac{2}{2}", "correct", None),
        ("2", "incorrect", REFUSED),
    ],
)
def test_grade_boxes_that_cannot_be_compared_are_no_wrong_answer(first: str, verdict: str, reason: str | None) -> None:
    refusing = settings().model_copy(update={"boxes_differ": BoxesDiffer(training="refuse", evaluation="last")})
    with Grader(refusing) as strict:
        (grade,) = strict.grade([Attempt("1", rf"$\boxed{{{first}}}$, that is $\boxed{{1}}$")])
    assert (grade.predicted, grade.verdict, grade.reason) == ("1", verdict, reason)


def test_grade_wall_limit_is_final_after_one_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "_WALL_FACTOR", 0.005)
    with Pool(60.0) as impatient:
        assert impatient.compare([SLOW]) == [("ungraded", "wall_limit")]


def test_grade_killed_worker_is_replaced_and_its_row_graded() -> None:
    with Pool(5.0) as pool:
        pool.compare([ALGEBRA])
        for worker in pool._workers:
            os.kill(worker.process.pid, signal.SIGKILL)
        assert pool.compare([ALGEBRA]) == [("correct", None)]


def test_grade_context_leaves_no_worker_behind() -> None:
    with Pool(5.0) as pool:
        pool.compare([ALGEBRA])
        processes = [worker.process for worker in pool._workers]
    assert processes
    assert all(process.returncode is not None for process in processes)


def test_grade_process_that_dies_leaves_no_worker_behind() -> None:
    program = (
        "import os; from dast.equivalence.pool import Pool; pool = Pool(5.0); "
        f"pool.compare([{ALGEBRA!r}]); os.write(1, str(pool._workers[0].process.pid).encode()); os._exit(0)"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, cwd=Path(__file__).parents[1]
    )
    deadline = time.monotonic() + 5.0
    while _is_running(int(said.stdout)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _is_running(int(said.stdout))


def test_grading_import_needs_neither_torch_nor_sympy() -> None:
    program = (
        "import sys, dast.grading; sys.exit(any(name in sys.modules for name in ('torch', 'sympy', 'math_verify')))"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[1])


def test_grade_integers_start_no_worker() -> None:
    with Grader(settings()) as lazy:
        lazy.grade([Attempt(str(number), f"A: {number % 3}") for number in range(100)])
        assert lazy._pool._workers == []


@pytest.mark.parametrize("count", ["0", "-1", "many"])
def test_workers_variable_not_positive_is_refused(count: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAST_WORKERS", count)
    with pytest.raises(GradingError, match=f"DAST_WORKERS={count}: not a positive integer"):
        Grader(settings())


@pytest.mark.parametrize(
    "template",
    [
        "__import__('os').system('touch {path}')",
        r"\text{{__import__('os').system('touch {path}')}}",
        r"\mathrm{{__import__}}('os').system('touch {path}')",
        "(lambda: open('{path}', 'w'))()",
        "().__class__.__base__.__subclasses__()",
        "[open('{path}','w') for x in (1,)]",
        r"\operatorname{{exec}}(\text{{open('{path}','w')}})",
        r"x \text{{ and }} __import__('os').system('touch {path}')",
    ],
)
def test_grade_code_in_either_text_is_never_run(grader: Grader, tmp_path: Path, template: str) -> None:
    trap = tmp_path / "trap"
    code = template.format(path=trap)
    grader.grade([Attempt(r"\sqrt{2}", rf"\boxed{{{code}}}"), Attempt(code, r"\boxed{\sqrt{2}}"), Attempt("1", code)])
    assert not trap.exists()


@pytest.mark.parametrize(
    "act",
    [
        "import os; os.system('touch {path}')",
        "import subprocess; subprocess.run(['touch', '{path}'])",
        "open('{path}', 'w')",
        "import os; os.mkdir('{path}')",
        "import socket; socket.create_connection(('127.0.0.1', 9))",
    ],
)
def test_worker_process_can_touch_nothing(tmp_path: Path, act: str) -> None:
    trap = tmp_path / "trap"
    program = (
        "import sys; from dast.equivalence.worker import _refuse_acts; sys.addaudithook(_refuse_acts)\n"
        f"try:\n    {act.format(path=trap)}\nexcept PermissionError:\n    sys.exit(7)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[1])
    assert done.returncode == 7
    assert not trap.exists()


def test_loading_never_trusts_remote_code() -> None:
    root = Path(__file__).parents[1]
    files = [*(root / "dast").rglob("*.py"), *(root / "stages").glob("*.py")]
    assert [path for path in files if "trust_remote_code" in path.read_text(encoding="utf-8")] == []


HOSTILE = [
    "9^{9^{9^9}}",
    "1000000!",
    r"10^{10^{10}}",
    r"e^{e^{e^{e^{10}}}}",
    r"\sin(10^{9999})",
    "{" * 10_000 + "5" + "}" * 10_000,
    "(" * 10_000 + "5" + ")" * 10_000,
    "(" * 24 + "5" + ")" * 24,
    "-" * 10_000 + "5",
    r"\sqrt" * 200 + "2",
    "5" + "!" * 240,
    "x" + "^x" * 100,
    "1+" * 400 + "1",
    "x" * 1_000_000,
    "9" * 1_000_000,
    "5\x00",
    "\ud800",
    "\u202e5\u202c",
    "}{",
    r"\frac{1}{",
    r"\begin{pmatrix}" * 30,
    "1e999",
    "x_" * 100,
]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_grade_hostile_text_ends_as_a_verdict(grader: Grader, number: int) -> None:
    text = HOSTILE[number]
    start = time.monotonic()
    found = grader.grade([Attempt(r"\sqrt{2}", rf"\boxed{{{text}}}"), Attempt("5", f"A: {text}"), Attempt("5", text)])
    assert [grade.verdict in tables.VERDICTS for grade in found] == [True] * 3
    assert found[0].verdict != "correct"
    assert time.monotonic() - start < 20.0


texts = st.text(st.sampled_from("0123456789+-*/^_!%()[]{}|,.;=<> xyepi\\\u00a0\u2212$\x00\ud800"), max_size=40)


@given(texts, texts)
def test_quick_any_text_gives_a_verdict_and_never_an_error(reference: str, predicted: str) -> None:
    outcome = quick(reference, predicted)
    assert outcome is None or outcome[0] in tables.VERDICTS


@given(st.fractions(max_denominator=1000), st.fractions(max_denominator=1000))
def test_quick_fractions_are_equal_exactly_when_their_values_are(a: object, b: object) -> None:
    assert quick(str(a), str(b)) == (("correct" if a == b else "incorrect"), None)


@given(st.decimals(-(10**6), 10**6, places=4))
def test_quick_decimal_equals_its_fraction_and_not_its_neighbour(value: object) -> None:
    thousandths = round(float(str(value)) * 10_000)
    assert quick(str(value), rf"\frac{{{thousandths}}}{{10000}}") == ("correct", None)
    assert quick(str(value), rf"\frac{{{thousandths + 1}}}{{10000}}") == ("incorrect", None)


def rollouts_of(responses: list[tuple[str, str]]) -> pl.DataFrame:
    return frames.frame(
        tables.ROLLOUTS,
        [
            {
                "query_id": query_id,
                "rollout_id": f"r{index}",
                "step": "sample",
                "sample_index": index,
                "prompt_digest": "p",
                "settings_digest": "s",
                "policy": "base",
                "response": response,
                "n_prompt_tokens": None,
                "n_tokens": None,
                "n_hint_tokens": 0,
                "finish_reason": "stop",
            }
            for index, (query_id, response) in enumerate(responses)
        ],
    )


def answers_of(answers: dict[str, str]) -> pl.DataFrame:
    rows = [{"query_id": key, "answer": answer, "query": "?", "tolerance": None} for key, answer in answers.items()]
    return pl.DataFrame(rows, schema={name: tables.QUERIES.schema[name] for name in rows[0]})


def test_grade_rollouts_keeps_rows_and_fits_its_table(grader: Grader, tmp_path: Path) -> None:
    rollouts = rollouts_of([("q2", "A: 7"), ("q1", "A: 18"), ("q1", ""), ("q1", "A: 17")])
    answers = answers_of({"q1": "18", "q2": "8"}).with_columns(other=pl.lit(1))
    graded = grade_rollouts(rollouts, answers, grader)
    assert graded["verdict"].to_list() == ["incorrect", "correct", "no_answer", "incorrect"]
    assert graded["predicted"].to_list() == ["7", "18", None, "17"]
    frames.write(tables.GRADED, graded, tmp_path / "graded.parquet")
    assert frames.read(tables.GRADED, tmp_path / "graded.parquet").height == 4


def test_grade_rollouts_empty_table_stays_empty(grader: Grader) -> None:
    graded = grade_rollouts(rollouts_of([]), answers_of({"q": "1"}), grader)
    assert graded.schema == pl.Schema(tables.GRADED.schema)
    refuse_ungraded(graded, 0.0)


def test_grade_rollouts_unknown_query_is_refused(grader: Grader) -> None:
    answers = answers_of({"q1": "18"})
    with pytest.raises(DataError, match=r"2 queries are not among the queries \(first: q2\)"):
        grade_rollouts(rollouts_of([("q2", "1"), ("q1", "1"), ("q3", "1")]), answers, grader)


def test_refuse_ungraded_names_counts_and_reasons(grader: Grader) -> None:
    answers = answers_of({"q1": "18", "q2": "3 +"})
    graded = grade_rollouts(
        rollouts_of([("q1", "18"), ("q2", "1"), ("q1", "9^{9^9}"), ("q1", "A: 9^{9^9}")]), answers, grader
    )
    refuse_ungraded(graded, 0.5)
    with pytest.raises(
        GradingError, match=r"2 of 4 rollouts are ungraded.*(reference_unparseable|too_large): 1, .*: 1\)"
    ):
        refuse_ungraded(graded, 0.49)


@pytest.mark.skipif(not (RECORDED / "recorded_responses.jsonl").exists(), reason="the recorded responses are not there")
def test_grade_recorded_gsm8k_agrees_with_every_published_label() -> None:
    tests = [json.loads(line) for line in (RECORDED / "test.jsonl").read_text(encoding="utf-8").splitlines()]
    answers = {row["question"]: row["answer"].rpartition("####")[2].strip() for row in tests}
    lines = (RECORDED / "recorded_responses.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    with Grader(settings()) as fresh:
        grades = fresh.grade([Attempt(answers[row["question"]], row["response"], "recorded") for row in rows])
    verdicts = [grade.verdict == "correct" for grade in grades]
    assert [row["question"] for row, ours in zip(rows, verdicts, strict=True) if ours != row["is_correct"]] == []


def test_grading_page_example_says_what_it_gives() -> None:
    page = (Path(__file__).parents[1] / "docs" / "grading.md").read_text(encoding="utf-8")
    code = page.partition("```python\n")[2].partition("```")[0]
    body, _, last = code.strip().rpartition("\n")
    expression, _, shown = last.partition("  # ")
    names: dict[str, object] = {}
    exec(body, names)
    assert repr(eval(expression, names)) == shown


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
