"""What every published table and column means, in words for the dataset's card.

Guarantees: every column of a published table has an entry (held by a test). Grain: one line a table, one a column.
"""

from __future__ import annotations

from dast.tables import Table

CONFIGS = {
    "sft": "One row a prompt and completion to train on.",
    "dpo": "One row a pair of a correct (chosen) and an incorrect (rejected) response to one prompt.",
    "queries": "One row a training query, with its reference answer.",
    "rollouts": "One row a sampled response with its grade, kept for training or not.",
    "prompts": "One row a distinct prompt that was sent.",
    "settings": "One row a distinct set of sampling settings.",
    "difficulty": "One row a query: how often the policy solved it, and the level that follows.",
    "allocation": "One row a query: how many responses were wanted, spent and got.",
    "unsolved": "One row a query that no rollout solved.",
    "suspects": "One row a query whose reference answer may be wrong: rollouts agree on one other answer.",
}
"""Meaning of each config, in the card's order."""

WITHOUT_TEXTS = {
    **CONFIGS,
    "sft": "One row a completion to train on; its prompt is left out.",
    "dpo": "One row a pair of a correct (chosen) and an incorrect (rejected) response; their prompt is left out.",
    "queries": "One row a training query: its id and source, and a digest of its reference answer.",
}
"""The same where the sources' texts are left out."""

_EVERYWHERE = {
    "query_id": "The query: a digest of its source and normalised text",
    "rollout_id": "The rollout; unique within its query. In `sft`, `reference` for a reference solution",
    "level": "Difficulty level that steered this round: easy, medium, hard, unsolved; null when nothing was graded",
    "prompt": "What the model is asked, as messages: the plain prompt, without exemplars",
    "prompt_digest": "Key of the config `prompts`",
    "settings_digest": "Key of the config `settings`",
    "query": "The query's text",
    "answer": "Reference answer",
    "answer_digest": "First 16 hex digits of the SHA-256 of query_id, a line break and the reference answer",
    "n_graded": "Graded rollouts (correct, incorrect or without an answer)",
    "n_correct": "Rollouts with the right final answer",
    "round": "Round of self-training that the row comes from",
}

_OF_CONFIG = {
    "sft.n_alike": "unhinted rollouts of the query that gave this response, or its equations in other words",
    "sft.origin": "`self` for a sampled response, `reference` for a reference solution",
    "sft.completion": "The response to learn, as messages",
    "dpo.chosen_id": "Rollout of the chosen response",
    "dpo.rejected_id": "Rollout of the rejected response",
    "dpo.chosen": "Correct response, as messages",
    "dpo.rejected": "Incorrect response, as messages",
    "dpo.origin": "`self` where the chosen response is the policy's, `reference` where it is the reference solution",
    "queries.source": "Source that the query comes from",
    "queries.solution": "Reference worked solution, where the source has one",
    "queries.source_level": "The source's own difficulty level, where it has one",
    "queries.tolerance": "Relative tolerance of the answer, where the source declares one; null is exact",
    "queries.licence": "Licence of the source",
    "rollouts.step": "How it came about: `sample` (plain, the only ones in a pass rate), `more`, `matched` "
    "(solved exemplars in front), `decoding` (other settings), `hinted`",
    "rollouts.sample_index": "Number of the rollout within its query, from 0, over all steps",
    "rollouts.policy": "Model that wrote it: `base` or the round that trained it",
    "rollouts.response": "What the model wrote",
    "rollouts.n_prompt_tokens": "Length of the prompt in tokens; null when unknown",
    "rollouts.n_tokens": "Length of the response in tokens; null when unknown",
    "rollouts.n_hint_tokens": "Tokens of the response that were given as a hint",
    "rollouts.finish_reason": "Why it ended: `stop`, `length` (cut), `recorded` (not sampled here), `error`",
    "rollouts.predicted": "Final answer found in the response; null when none was found",
    "rollouts.verdict": "`correct`, `incorrect`, `no_answer`, or `ungraded` (the grader failed: not counted as wrong)",
    "rollouts.reason": "Why the verdict is what it is, where that needs saying",
    "prompts.messages": "The prompt, as messages",
    "settings.settings": "The settings, as JSON",
    "difficulty.pass_rate": "Share of graded plain rollouts that are correct; null without any",
    "difficulty.pass_rate_mean": "Posterior mean of the true pass rate: the observed one, drawn towards what is usual "
    "among these queries, the more so the fewer rollouts there are",
    "difficulty.pass_rate_low": "Lower end of the true pass rate's credible interval",
    "difficulty.pass_rate_high": "Upper end of the true pass rate's credible interval",
    "difficulty.level": "Level that follows from the pass rate: easy, medium, hard, unsolved (no correct rollout)",
    "difficulty.decided": "Whether the true pass rate lies in its level (for unsolved: in hard) with more posterior "
    "probability than the settings' `decided_above`",
    "allocation.wanted": "Correct responses wanted (quota); null when as many as there may be",
    "allocation.cap": "Most rollouts that may be spent; null when the budget alone bounds them",
    "allocation.spent": "Rollouts spent, the plain ones included",
    "allocation.spent_tokens": "Tokens generated, the plain rollouts' included",
    "allocation.got": "Correct responses got, hinted ones left out",
    "allocation.chance": "Posterior probability, at the end, that a further rollout would be correct",
    "allocation.outcome": "Why sampling ended: `quota_met`, `cap`, `budget`, `given_up` (too unlikely), "
    "`pool_exhausted`, `no_step` (no step of the ladder serves the level), `not_wanted`",
    "unsolved.n_rollouts": "Rollouts spent without a correct one, hinted ones included",
    "unsolved.n_hinted": "Those among them that were given the start of the reference solution",
    "suspects.predicted": "The other answer that most rollouts give",
    "suspects.n_agree": "Rollouts that give it",
    "suspects.n_correct": "Rollouts that give the reference answer",
    "suspects.probability": "Posterior probability that more than half of all responses would give it",
}


def meanings(config: str, table: Table) -> dict[str, str]:
    """Meaning of each column of a config, in the table's order.

    Raises:
        KeyError: a column that nobody has described.
    """
    return {name: _OF_CONFIG.get(f"{config}.{name}") or _EVERYWHERE[name] for name in table.schema}


def config_meanings(ids_only: bool) -> dict[str, str]:
    """Meaning of each config of a package."""
    return WITHOUT_TEXTS if ids_only else CONFIGS
