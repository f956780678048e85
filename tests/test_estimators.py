"""pass@k and maj@k, held against every subset of the rollouts; their mean and its error."""

from __future__ import annotations

import itertools
import math
import statistics
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dast.difficulty.estimators import (
    Tally,
    estimates,
    listed,
    maj_at_k,
    maj_at_ks,
    mean_and_error,
    pass_at_k,
    powers_up_to,
    tallies,
)
from dast.frames import frame
from dast.tables import GRADED
from tests.makers import graded_of, graded_row

answers = st.text("CCNab123", min_size=1, max_size=9)
"""What a query's rollouts answered: C is right, N is none, any other letter a wrong answer."""

counts = st.integers(1, 12).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))


def tally(said: str) -> Tally:
    wrong = Counter(letter for letter in said if letter not in "CN")
    return Tally(len(said), said.count("C"), tuple(sorted(wrong.values(), reverse=True)))


def share_won(drawn: tuple[str, ...]) -> float:
    votes = Counter(letter for letter in drawn if letter != "N")
    best = [letter for letter, count in votes.items() if count == max(votes.values())]
    return 1 / len(best) if "C" in best else 0.0


@given(counts, st.integers(1, 12))
def test_pass_at_k_equals_brute_force(count: tuple[int, int], k: int) -> None:
    n, c = count
    if n < k:
        assert pass_at_k(n, c, k) is None
        return
    drawn = list(itertools.combinations([True] * c + [False] * (n - c), k))
    assert pass_at_k(n, c, k) == pytest.approx(sum(map(any, drawn)) / len(drawn), abs=1e-12)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n - 1), st.integers(1, n))))
def test_pass_at_k_rises_with_c_and_k(case: tuple[int, int, int]) -> None:
    n, c, k = case
    here = pass_at_k(n, c, k)
    assert here is not None
    assert 0.0 <= here <= 1.0
    more = pass_at_k(n, c + 1, k)
    assert more is not None
    assert more >= here
    larger = pass_at_k(n, c, k + 1)
    assert larger is None if k == n else (larger is not None and larger >= here)


def test_pass_at_k_keeps_small_values() -> None:
    assert pass_at_k(100_000, 1, 1) == pytest.approx(1e-5, rel=1e-9)
    assert pass_at_k(4, 0, 4) == 0.0


@pytest.mark.parametrize("case", [(4, 5, 1), (4, -1, 1), (4, 2, 0)])
def test_pass_at_k_impossible_counts_are_refused(case: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="not defined"):
        pass_at_k(*case)


@given(answers, st.integers(1, 9))
def test_maj_at_k_equals_brute_force(said: str, k: int) -> None:
    if len(said) < k:
        assert maj_at_k(tally(said), k) is None
        return
    shares = [share_won(drawn) for drawn in itertools.combinations(said, k)]
    assert maj_at_k(tally(said), k) == pytest.approx(statistics.fmean(shares), abs=1e-12)


@given(answers)
def test_maj_at_1_is_pass_at_1(said: str) -> None:
    assert maj_at_k(tally(said), 1) == pytest.approx(said.count("C") / len(said), abs=1e-15)


@given(answers, st.integers(1, 9))
def test_maj_at_k_is_never_above_pass_at_k(said: str, k: int) -> None:
    voted, passed = maj_at_k(tally(said), k), pass_at_k(len(said), said.count("C"), k)
    assert (voted is None) == (passed is None)
    assert voted is None or passed is None or voted <= passed + 1e-12


def test_maj_at_k_known_cases() -> None:
    assert maj_at_k(tally("CCab"), 4) == 1.0
    assert maj_at_k(tally("CCaa"), 4) == 0.5
    assert maj_at_k(tally("Caabb"), 5) == 0.0
    assert maj_at_k(tally("Cab"), 3) == pytest.approx(1 / 3)
    assert maj_at_k(tally("CNNN"), 4) == 1.0
    assert maj_at_k(tally("NN"), 2) == 0.0
    # Of ten pairs: CC wins, two CN win, four Ca share, aa and two aN lose.
    assert maj_at_k(tally("CCaaN"), 2) == pytest.approx((1 + 4 * 0.5 + 2 * 1) / 10)


def test_maj_at_k_large_counts_stay_exact() -> None:
    alone = Tally(400, 201, (199,))
    assert maj_at_k(alone, 400) == 1.0
    even = Tally(400, 200, (200,))
    assert maj_at_k(even, 399) == 0.5
    assert maj_at_ks(even, (1, 399, 401)) == (0.5, 0.5, None)


@pytest.mark.parametrize("case", [(Tally(3, 2, (2,)), 1), (Tally(3, -1, (2,)), 1), (Tally(3, 1, (1,)), 0)])
def test_maj_at_k_impossible_counts_are_refused(case: tuple[Tally, int]) -> None:
    with pytest.raises(ValueError, match="not defined"):
        maj_at_k(*case)


def test_tallies_class_wrong_answers_and_leave_ungraded_out() -> None:
    graded = graded_of({"q1": "CCaabNU", "q2": "UU", "q3": "C", "q4": "NNa"})
    found = tallies(graded, ["query_id"])
    assert found["query_id"].to_list() == ["q1", "q3", "q4"]
    assert listed(found) == [Tally(6, 2, (2, 1)), Tally(1, 1, ()), Tally(3, 0, (1,))]


def test_tallies_one_wrong_answer_in_two_spellings_is_one_vote() -> None:
    spelled = ("1/2", r"\frac{1}{2}", "0.5", "3")
    rows = [graded_row("q1", index, "incorrect", predicted=text) for index, text in enumerate(spelled)]
    assert listed(tallies(frame(GRADED, rows), ["query_id"])) == [Tally(4, 0, (3, 1))]


def test_tallies_unreadable_answers_are_keyed_by_their_text() -> None:
    hostile = ("(" * 5_000, "\x00", "9^{9^{9^9}}", "((((", "((((")
    rows = [graded_row("q1", index, "incorrect", predicted=text) for index, text in enumerate(hostile)]
    assert listed(tallies(frame(GRADED, rows), ["query_id"])) == [Tally(5, 0, (2, 1, 1, 1))]


@given(st.dictionaries(st.sampled_from(["q1", "q2", "q3"]), answers, min_size=1), st.integers(0, 99))
def test_tallies_do_not_depend_on_the_order(said: dict[str, str], seed: int) -> None:
    graded = graded_of(said)
    shuffled = graded.sample(fraction=1.0, shuffle=True, seed=seed)
    assert tallies(graded, ["query_id"]).equals(tallies(shuffled, ["query_id"]))
    assert listed(tallies(graded, ["query_id"])) == [tally(said[name]) for name in sorted(said)]


def test_estimates_count_the_queries_with_enough_rollouts() -> None:
    found = estimates([tally("CCab"), tally("Caab"), tally("CC")], [1, 2, 4, 8])
    assert list(found) == ["pass@1", "pass@2", "pass@4", "pass@8", "maj@2", "maj@4", "maj@8"]
    assert found["pass@1"] == {
        "n_queries": 3,
        "estimate": pytest.approx(1.75 / 3),
        "se": pytest.approx(statistics.stdev([0.5, 0.25, 1.0]) / math.sqrt(3)),
    }
    assert found["maj@4"] == {"n_queries": 2, "estimate": 0.5, "se": 0.5}
    assert found["maj@8"] == {"n_queries": 0, "estimate": None, "se": None}
    assert estimates([], []) == {}


def test_mean_and_error_equals_the_textbook() -> None:
    values = [0.0, 0.25, 1.0, 0.5]
    mean, error = mean_and_error(values)
    assert mean == pytest.approx(0.4375)
    assert error == pytest.approx(statistics.stdev(values) / math.sqrt(4))
    assert mean_and_error([]) == (None, None)
    assert mean_and_error([0.5]) == (0.5, None)


def test_powers_up_to_a_number_are_at_most_it() -> None:
    assert [powers_up_to(n) for n in (0, 1, 5, 8)] == [[], [1], [1, 2, 4], [1, 2, 4, 8]]
