"""Near-duplicates are found exactly, and similarity sees the kind of problem rather than its numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dast.alike import NearDuplicates, Similarity, jaccard, triples, words
from dast.tiny.world import LEVELS, draw

TEXTS = st.lists(st.sampled_from(["Tom", "has", "9", "4", "coins.", "+", "x"]), max_size=9).map(" ".join)


def test_words_keep_numbers_signs_and_commands_and_no_marks() -> None:
    assert words(r"Tom has 3.5 coins, $\frac{x}{2}$.") == [
        *("tom", "has", "3.5", "coins", "$", "\\frac", "{", "x", "}", "{", "2", "}", "$"),
    ]


@given(texts=st.lists(TEXTS, max_size=12), text=TEXTS, threshold=st.floats(0.05, 1.0))
def test_near_duplicates_are_those_that_comparing_every_pair_finds(
    texts: list[str], text: str, threshold: float
) -> None:
    every = {index for index, other in enumerate(texts) if jaccard(triples(text), triples(other)) >= threshold}
    assert NearDuplicates(texts, threshold).of(text) == every


def test_near_duplicates_another_number_is_another_problem_and_other_spacing_none() -> None:
    near = NearDuplicates(["Tom has 9 coins. Sep triples. Oct loses 4. How many?"], 0.8)
    assert near.of("Tom  has 9 coins; Sep triples, Oct loses 4: how many")
    assert not near.of("Tom has 8 coins. Sep triples. Oct loses 4. How many?")


def test_near_duplicates_tiny_world_leaves_nearly_every_candidate() -> None:
    queries = [one.query for level in LEVELS["core"] for one in draw("core", level, "train", 40, 5, 1.0)]
    near = NearDuplicates(queries, 0.7)
    assert sum(len(near.of(query)) - 1 for query in queries) <= len(queries) // 100


def test_similarity_prefers_the_same_words_and_ignores_which_numbers() -> None:
    known = Similarity(["Tom has 9 coins.", "A train drives 60 miles.", "Tom sees 9 trains."])
    found = known.to("Tom has 8 coins.", range(3))
    assert found[0] == pytest.approx(1.0)
    assert found[0] > found[2] > found[1] > 0
    assert known.to("", range(3)) == {0: 0.0, 1: 0.0, 2: 0.0}
    many = Similarity([f"Tom has {'red ' * (place % 7)}coins and {place % 5 * 'blue '}hats." for place in range(200)])
    asked = "Tom has red coins and two blue blue caps."
    assert {place: many.to(asked, [place])[place] for place in range(200)} == many.to(asked, range(200))
    assert known.to("Tom has 8 coins.", [2]) == {2: found[2]}
