"""Rollouts to and from Parquet, so that teammates share samples without sharing a GPU.

Guarantees: a row is taken in only when its digest, or in a stage's table its id, is what its settings, prompt, draw and
text say; what the store holds already stays as it is; rows that are not taken in are counted by reason. Grain: one row
a rollout.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl

from dast.engines.starts import joined, start_of
from dast.errors import StoreError
from dast.frames import frame, read, write
from dast.prompts import digest, prompt_digest
from dast.samplers import Sampler, rollout_id
from dast.store.blocks import ROWS, Asker, Batch, batch_of_rows, row_digests
from dast.store.keeping import Store
from dast.tables import GRADED, PROMPTS, ROLLOUTS, SETTINGS, Table

ROWS_A_FILE = 100_000
ROWS_A_BATCH = 4096

KEPT = Table(
    "kept",
    ("settings_digest", "prompt_digest", "draw"),
    {"settings_digest": pl.String, "policy_name": pl.String, "round": pl.String, "stage": pl.String, **ROWS},
    frozenset({"n_prompt_tokens", "n_tokens"}),
)
"""One file of an export: rows of the store, each with its sampler, its prompt's messages and who asked."""

_FILES = "kept-*.parquet"
_SETTINGS_FILE = "settings.parquet"
_OWN = list(KEPT.key)


def export(store: Store, folder: Path) -> tuple[int, int]:
    """Writes everything that is kept to Parquet files in `folder`; gives the numbers of rollouts and of files."""
    settings: dict[str, str] = {}
    waiting: list[pl.DataFrame] = []
    n_rollouts = n_files = 0
    for stale in folder.glob(_FILES):
        stale.unlink()
    for batch in [*store.batches(), None]:
        if batch is not None:
            settings[batch.sampler.digest] = batch.sampler.settings
            waiting.append(_labelled(batch))
        if waiting and (batch is None or sum(part.height for part in waiting) >= ROWS_A_FILE):
            rows = pl.concat(waiting).unique(_OWN, keep="first", maintain_order=True)
            write(KEPT, rows, folder / f"kept-{n_files:05}.parquet")
            n_rollouts, n_files, waiting = n_rollouts + rows.height, n_files + 1, []
    listed = [{"settings_digest": key, "settings": value} for key, value in settings.items()]
    write(SETTINGS, frame(SETTINGS, listed), folder / _SETTINGS_FILE)
    return n_rollouts, n_files + 1


def take_in(store: Store, folder: Path) -> Counter[str]:
    """Takes in an export, or the tables of a round; gives the counts of rows by what became of them.

    Raises:
        StoreError: the folder holds neither.
        TableError: a table that is not what it should be, or whose prompts or settings table is not beside it.
    """
    parts = list(_exported(folder)) if list(folder.glob(_FILES)) else list(_tables(folder))
    if not parts:
        raise StoreError(
            f"{folder}: no {_FILES} of an export, and no rollouts.parquet or augmented.parquet of a round; name a "
            "folder that has them"
        )
    counts: Counter[str] = Counter()
    store.start_writing()
    for rows, settings, good in parts:
        counts["refused"] += rows.height - good.height
        for (key, name, round_name, stage), part in good.group_by("settings_digest", "policy_name", "round", "stage"):
            asker = Asker(str(name), str(round_name), str(stage))
            counts.update(_take(store, Sampler(settings[str(key)]), asker, part))
    return counts


def _take(store: Store, sampler: Sampler, asker: Asker, rows: pl.DataFrame) -> Counter[str]:
    names = ["prompt_digest", "draw"]
    single = rows.unique(names, keep="first", maintain_order=True)
    known = store.kept(sampler, single.select(names))
    new = single.join(known, on=names, how="anti")
    both = single.join(known.select(*names, own="response"), on=names)
    other = both.filter(pl.col("response") != pl.col("own")).height
    for start in range(0, new.height, ROWS_A_BATCH):
        part = new[start : start + ROWS_A_BATCH]
        prompts = dict(part.select("prompt_digest", "messages").iter_rows())
        store.keep(batch_of_rows(part.drop("messages", "digest", strict=False), sampler, asker, prompts))
    counts = {"taken": new.height, "known": both.height - other, "known with another text": other}
    return Counter({**counts, "same prompt and draw as another": rows.height - single.height})


Part = tuple[pl.DataFrame, Mapping[str, str], pl.DataFrame]
"""Rows as they were read, settings by digest, and the rows that are what they say (KEPT, or without its digest)."""


def _exported(folder: Path) -> Iterator[Part]:
    settings = _settings(folder / _SETTINGS_FILE)
    for path in sorted(folder.glob(_FILES)):
        rows = read(KEPT, path)
        digests = pl.concat([_digests(part) for part in rows.partition_by("settings_digest")] or [rows.select(_OWN)])
        sound = rows.join(digests, on=[*_OWN, "digest"], how="semi")
        yield rows, settings, _with_known(sound, settings, _true_prompts(sound))


def _digests(rows: pl.DataFrame) -> pl.DataFrame:
    found = row_digests(rows, str(rows.item(0, "settings_digest")))
    return rows.select(_OWN).with_columns(pl.Series("digest", found, dtype=pl.Binary))


def _tables(folder: Path) -> Iterator[Part]:
    """The tables of one round, together: the draws of `augment` go on where those of `sample` end."""
    parts, settings, prompts, starts = list[pl.DataFrame](), dict[str, str](), dict[str, str](), dict[str, str]()
    for table, prefix, stage in ((ROLLOUTS, "", "sample"), (GRADED, "augmented_", "augment")):
        path = folder / ("augmented.parquet" if prefix else "rollouts.parquet")
        if path.exists():
            parts.append(read(table, path).select(ROLLOUTS.schema.keys()).with_columns(stage=pl.lit(stage)))
            settings.update(_settings(folder / f"{prefix}{_SETTINGS_FILE}"))
            for key, messages in read(PROMPTS, folder / f"{prefix}prompts.parquet").iter_rows():
                prompts[key] = json.dumps(messages, ensure_ascii=False)
                if (start := start_of(messages)) is not None:
                    starts[key] = start
    if not parts:
        return
    names = ["query_id", "prompt_digest", "settings_digest"]
    rows = pl.concat(parts).sort("sample_index").with_columns(draw=pl.int_range(pl.len(), dtype=pl.Int32).over(names))
    ids = [
        rollout_id(*name) for name in rows.select("query_id", "settings_digest", "prompt_digest", "draw").iter_rows()
    ]
    # A request that failed is no rollout, and what was recorded is no sample of a policy.
    drawn = (pl.col("finish_reason") != "error") | pl.col("n_tokens").is_not_null()
    named = rows.filter((pl.col("rollout_id") == pl.Series(ids, dtype=pl.String)) & drawn)
    sampled = _continued(named.filter(pl.col("finish_reason") != "recorded"), starts)
    whole = sampled.with_columns(
        pl.col("finish_reason").cast(pl.String),
        messages=pl.col("prompt_digest").replace_strict(prompts, default=None, return_dtype=pl.String),
        policy_name=pl.col("policy"),
        round=pl.lit(folder.resolve().name),
        seconds=pl.lit(0.0, pl.Float32),
    )
    yield rows, settings, _with_known(whole, settings, _true_prompts(whole))


def _continued(rows: pl.DataFrame, starts: Mapping[str, str]) -> pl.DataFrame:
    """Responses as the store keeps them, without the start that a stage puts in front; rows that do not begin with it
    are left out."""
    if not starts:
        return rows
    given = rows.select("prompt_digest", "response", "finish_reason").iter_rows()
    texts = [text if end == "error" else _behind(starts.get(key, ""), text) for key, text, end in given]
    return rows.with_columns(response=pl.Series(texts, dtype=pl.String)).filter(pl.col("response").is_not_null())


def _behind(start: str, whole: str) -> str | None:
    text = whole.removeprefix(start)
    return text if joined(start, text) == whole else None


def _labelled(batch: Batch) -> pl.DataFrame:
    asker = batch.asker
    return batch.rows.with_columns(
        settings_digest=pl.lit(batch.sampler.digest),
        policy_name=pl.lit(asker.policy_name),
        round=pl.lit(asker.round),
        stage=pl.lit(asker.stage),
        messages=pl.col("messages").drop_nulls().first().over("prompt_digest"),
    ).select(KEPT.schema.keys())


def _settings(path: Path) -> dict[str, str]:
    """Settings that their digest names and that name a policy."""
    found = dict(read(SETTINGS, path).iter_rows())
    return {key: text for key, text in found.items() if digest(json.loads(text)) == key and Sampler(text).policy}


def _true_prompts(rows: pl.DataFrame) -> list[str]:
    """Digests of the prompts whose messages they name."""
    named = rows.select("prompt_digest", "messages").unique().drop_nulls()
    return [key for key, messages in named.iter_rows() if prompt_digest(json.loads(messages)) == key]


def _with_known(rows: pl.DataFrame, settings: Mapping[str, str], prompts: list[str]) -> pl.DataFrame:
    return rows.filter(pl.col("settings_digest").is_in(list(settings)) & pl.col("prompt_digest").is_in(prompts))
