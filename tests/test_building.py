"""SFT and DPO sets: what is kept, what is left out and why, and that row order does not matter."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from dast.building.candidates import drawn
from dast.building.figures import lucky_rate
from dast.building.sets import Built
from dast.frames import frame, write
from dast.grading import REFUSED
from dast.prompts import digest
from dast.tables import DPO, SFT
from tests.builders import LEVELS, build, rollouts, texts
from tests.makers import graded_table

HARD = [("q001", f"hard {i}", "correct") for i in range(6)]
WRONG = [("q001", f"wrong {i}", "incorrect") for i in range(2)]
ROWS = rollouts(
    *[("q000", f"easy {i}", "correct") for i in range(3)],
    *HARD,
    *WRONG,
    ("q001", " hard   0 ", "correct"),
    ("q002", "none", "no_answer"),
    ("q002", "broken", "ungraded"),
    ("q002", "bad", "incorrect"),
    ("q003", "no level", "correct"),
    ("q001", "cut", "correct", {"finish_reason": "length"}),
    ("q001", "hinted", "correct", {"step": "hinted", "n_hint_tokens": 3}),
    ("q001", "again and again and again and again and again and again", "correct"),
)


def adds_up(built: Built, n: int) -> bool:
    own = built.sft.filter(pl.col("round") == "r1", pl.col("origin") == "self").height
    return own + sum(built.left_out.values()) == n


def test_sft_keeps_the_levels_number_and_counts_the_rest() -> None:
    built = build(ROWS)
    assert dict(built.sft.group_by("query_id").len().iter_rows()) == {"q000": 1, "q001": 4}
    assert built.left_out == {
        "over_keep": 5,
        "duplicate": 1,
        "no_answer": 1,
        "ungraded": 1,
        "no_level": 1,
        "incorrect": 3,
        "truncated": 1,
        "repetition": 1,
    }
    assert adds_up(built, ROWS.height)


CASES = st.fixed_dictionaries(
    {
        "choose": st.sampled_from(["commonest", "diverse"]),
        "same_reasoning": st.sampled_from(["alike", "different"]),
        "truncated": st.sampled_from(["ignore", "leave_out"]),
        "equations": st.sampled_from(["ignore", "leave_out"]),
        "length": st.sampled_from([None, {"shortest": 0.5, "longest": 1.5}]),
        "hinted": st.fixed_dictionaries({"sft": st.booleans(), "dpo": st.booleans()}),
        "unfiltered": st.booleans(),
        "level_rates": st.sampled_from([None, {"easy": 0.5, "medium": 0.0, "hard": 0.25, "unsolved": 0.25}]),
        "reference_rate": st.sampled_from([0.0, 0.25, 1.0]),
        "max_rows": st.sampled_from([None, 1, 4]),
        "max_pairs": st.sampled_from([None, 2]),
        "pair_rule": st.sampled_from(["parallel", "random", "commonest_wrong", "nearest_length", "hardest"]),
        "reference_chosen": st.booleans(),
        "seed": st.integers(0, 3),
    }
)
ROLLOUTS = st.lists(
    st.tuples(
        st.sampled_from(list(LEVELS)),
        st.sampled_from(["1+1=2", "1+1=2 .", "1+1=3", "2*2=4; 1+1=2", "some words", "  ", "other longer words here"]),
        st.sampled_from(["correct", "correct", "incorrect", "no_answer", "ungraded"]),
        st.fixed_dictionaries(
            {
                "step": st.sampled_from(["sample", "more", "hinted"]),
                "finish_reason": st.sampled_from(["stop", "stop", "length", "error"]),
                "predicted": st.sampled_from(["4", "5", "5.0", None]),
                "reason": st.sampled_from([None, None, REFUSED]),
            }
        ),
    ),
    min_size=1,
    max_size=25,
)


@limits(max_examples=40, deadline=None)
@given(ROLLOUTS, CASES, st.integers(0, 9))
def test_sets_whatever_the_row_order_same_bytes_and_every_rollout_accounted_for(
    rows: list[tuple[str, str, str, dict[str, object]]], changes: dict[str, object], shuffle: int
) -> None:
    graded = rollouts(*rows)
    first = build(graded, **changes)
    second = build(graded.sample(fraction=1.0, shuffle=True, seed=shuffle), **changes)
    assert (first.left_out, first.levels, first.facts) == (second.left_out, second.levels, second.facts)
    assert adds_up(first, len(rows))
    with TemporaryDirectory() as name:
        assert written(first, Path(name)) == written(second, Path(name))


def written(built: Built, folder: Path) -> tuple[bytes, bytes]:
    write(SFT, built.sft, folder / "sft.parquet")
    write(DPO, built.dpo, folder / "dpo.parquet")
    return (folder / "sft.parquet").read_bytes(), (folder / "dpo.parquet").read_bytes()


def test_sft_prompt_is_the_plain_query_and_completion_the_response() -> None:
    (row,) = build(rollouts(("q000", " as  it\nwas ", "correct"))).sft.iter_rows(named=True)
    assert row["prompt"] == [{"role": "user", "content": "What is 0 + 4 - 0?"}]
    assert row["completion"] == [{"role": "assistant", "content": " as  it\nwas "}]
    assert row["origin"] == "self"


def test_sft_keeps_the_commonest_text_first_and_counts_it() -> None:
    often = [("q000", text, "correct") for text in ("the usual  way", "the usual way", "the usual way ")]
    built = build(rollouts(("q000", "once", "correct"), *often, ("q000", "twice", "correct")))
    (row,) = built.sft.iter_rows(named=True)
    assert row["n_alike"] == 3
    assert row["completion"][0]["content"].split() == ["the", "usual", "way"]


def test_sft_same_reasoning_is_kept_once_in_its_commonest_words_and_counted_together() -> None:
    rows = [("q001", "so 2+2 = 4", "correct"), ("q001", "thus 2 + 2=4", "correct"), ("q001", "thus 2 + 2=4", "correct")]
    graded = rollouts(*rows, ("q001", "4*1=4", "correct"))
    alike = build(graded)
    assert sorted(texts(alike)) == ["4*1=4", "thus 2 + 2=4"]
    assert sorted(alike.sft["n_alike"]) == [1, 3]
    assert alike.left_out == {"duplicate": 1, "same_reasoning": 1}
    assert build(graded, same_reasoning="different").sft.height == 3


def test_sft_reasoning_in_another_order_or_without_equations_stays() -> None:
    graded = rollouts(
        ("q001", "1+1=2; 2+2=4", "correct"), ("q001", "2+2=4; 1+1=2", "correct"), ("q001", "four", "correct")
    )
    assert build(graded).sft.height == 3


def test_sft_diverse_choice_takes_the_commonest_and_then_the_least_like() -> None:
    first = [("q000", "1+1=2; 2+2=4; 4+1=5", "correct")] * 3
    near = [("q000", "1+1=2; 2+2=4; 4+2=6", "correct")] * 2
    graded = rollouts(*first, *near, ("q000", "9-4=5", "correct"))
    keep = {"easy": 2, "medium": 2, "hard": 2, "unsolved": 2}
    assert "9-4=5" not in texts(build(graded, keep=keep))
    assert sorted(texts(build(graded, keep=keep, choose="diverse"))) == ["1+1=2; 2+2=4; 4+1=5", "9-4=5"]


def test_sft_diverse_choice_takes_hinted_responses_last() -> None:
    plain = [("q000", "1+1=2; 2+2=4", "correct")] * 2 + [("q000", "1+1=2; 2+2=4; 4+0=4", "correct")]
    graded = rollouts(*plain, ("q000", "9-5=4", "correct", {"step": "hinted", "n_hint_tokens": 2}))
    keep = {"easy": 2, "medium": 2, "hard": 2, "unsolved": 2}
    assert "9-5=4" not in texts(build(graded, keep=keep, choose="diverse"))


def test_sft_seed_decides_between_equally_common_responses() -> None:
    graded = rollouts(*[("q000", f"way {i}", "correct") for i in range(6)])
    assert len({tuple(texts(build(graded, seed=seed))) for seed in range(8)}) > 2


def test_sft_reference_rate_gives_that_share() -> None:
    built = build(ROWS, reference_rate=0.25)
    assert built.sft.filter(pl.col("origin") == "reference").height == round(5 / 3)
    alone = build(ROWS, reference_rate=1.0)
    assert set(alone.sft["origin"]) == {"reference"}
    assert alone.sft.height == 4
    assert adds_up(alone, ROWS.height)


def test_sft_level_rates_are_met_by_leaving_rows_out_and_reported() -> None:
    easy = [(f"q{i:03}", "easy way", "correct") for i in range(8)]
    hard = [(f"q{i:03}", f"hard {j}", "correct") for i in range(8, 10) for j in range(2)]
    levels: dict[str, str | None] = {f"q{i:03}": "easy" if i < 8 else "hard" for i in range(10)}
    rates = {"easy": 0.5, "medium": 0.0, "hard": 0.5, "unsolved": 0.0}
    built = build(rollouts(*easy, *hard), n=10, levels=levels, level_rates=rates)
    assert dict(built.sft.group_by("level").len().iter_rows()) == {"easy": 4, "hard": 4}
    assert built.left_out == {"over_mix": 4}
    assert built.facts["mix"]["levels"] == {"asked": rates, "got": {"easy": 0.5, "hard": 0.5}}
    assert [(row["asked_rate"], row["got_rate"]) for row in built.levels] == [
        (0.5, 0.5),
        (0.0, 0.0),
        (0.5, 0.5),
        (0.0, 0.0),
    ]


def test_sft_max_rows_keeps_the_mix_and_as_many_queries_as_can_be() -> None:
    graded = rollouts(*[(f"q{i:03}", f"way {j}", "correct") for i in range(9) for j in range(4)])
    levels: dict[str, str | None] = {f"q{i:03}": "easy" if i < 3 else "hard" for i in range(9)}
    keep = {"easy": 4, "medium": 4, "hard": 4, "unsolved": 4}
    built = build(graded, n=9, levels=levels, keep=keep, max_rows=9)
    assert sorted(built.sft["query_id"]) == sorted(levels)
    assert built.left_out == {"over_rows": 27}
    mixed = build(graded, n=9, levels=levels, keep=keep, max_rows=6, reference_rate=0.5)
    assert dict(mixed.sft.group_by("origin").len().iter_rows()) == {"reference": 3, "self": 3}
    assert dict(mixed.sft.group_by("level").len().iter_rows()) == {"easy": 2, "hard": 4}


def test_sft_hinted_response_comes_behind_plain_ones_and_counts_for_none() -> None:
    hint = {"step": "hinted", "n_hint_tokens": 2}
    graded = rollouts(
        *[("q000", "led", "correct", hint)] * 3, ("q000", "found", "correct"), ("q000", "found", "correct", hint)
    )
    built = build(graded)
    assert texts(built) == ["found"]
    assert built.sft["n_alike"].to_list() == [1]
    twins = rollouts(*[("q000", "found", "correct", hint)] * 5, ("q000", "found", "correct"))
    assert build(twins, hinted={"sft": False, "dpo": False}).sft["rollout_id"].to_list() == ["r005"]
    alone = rollouts(("q000", "led", "correct", hint))
    assert texts(build(alone)) == ["led"]
    assert build(alone, hinted={"sft": False, "dpo": False}).left_out == {"hinted": 1}


def test_accumulate_joins_earlier_rows_that_say_something_new() -> None:
    kept = rollouts(("q000", "1+1=2", "correct"), ("q001", "hard 0", "correct"), ("q001", "2*2=4", "correct"))
    first = build(kept, reference_rate=0.4).sft.with_columns(round=pl.lit("r0"))
    first = first.with_columns(rollout_id=pl.col("rollout_id") + "x")
    graded = rollouts(("q000", "now 1 + 1=2", "correct"), ("q001", "hard 0", "correct"))
    built = build(graded, previous=first, accumulate=True, levels={"q000": "easy", "q001": "medium"})
    earlier = built.sft.filter(pl.col("round") == "r0")
    assert [row["completion"][0]["content"] for row in earlier.iter_rows(named=True)] == ["2*2=4"]
    assert earlier["level"].to_list() == ["medium"]
    assert built.facts["earlier"] == {"n": 3, "no_query": 0, "repeated": 2, "kept": 1}
    assert set(built.sft["origin"]) == {"self"}
    assert build(graded, previous=first).sft.height == 2


def test_unfiltered_control_keeps_wrong_responses_too() -> None:
    assert "q002" in set(build(ROWS, unfiltered=True).sft["query_id"])


def test_lengths_are_told_by_level_and_step() -> None:
    graded = rollouts(("q001", "four", "correct"), ("q001", "four words more", "correct", {"step": "matched"}))
    told = build(graded).facts["accepted"]["hard"]
    assert told["sample"] == {"n": 1, "mean_tokens": 4.0, "mean_chars": 4.0}
    assert told["matched"] == {"n": 1, "mean_tokens": 15.0, "mean_chars": 15.0}
    row = build(graded).levels[2]
    assert (row["level"], row["mean_tokens"], row["mean_chars"]) == ("hard", 9.5, 9.5)


def test_lucky_rate_counts_right_answers_with_a_wrong_step() -> None:
    query = "Tom has 9 coins. Sep triples. Oct loses 4. How many?"
    right = "Sep 9*3=27; Oct 27-4=23; #### 23"
    lucky = "Sep 9*3=17; Oct 17-4=23; #### 23"
    assert lucky_rate([(query, right), (query, lucky)]) == 0.5
    assert lucky_rate([("What is 1 + 1?", "2")]) is None


def test_drawn_is_the_digest_of_seed_and_id() -> None:
    assert drawn(pl.DataFrame({"rollout_id": ["0f3a"]}), 13)["draw"].to_list() == [digest([13, "0f3a"])]


def test_sets_of_no_rollouts_are_empty() -> None:
    built = build(graded_table([]))
    assert built.sft.equals(frame(SFT, []))
    assert built.dpo.equals(frame(DPO, []))
