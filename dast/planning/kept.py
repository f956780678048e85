"""What of a stage's work is kept already: rollouts in the store, finished training runs.

Guarantees: the rollouts of `sample` and of evaluations are counted by their names, so the count is exact; those of
`augment`, which depend on verdicts, are counted by their settings, so it is the most there can be. Nothing is said of a
stage while one before it may give other inputs. Nothing is generated, trained or written. Grain: one stage.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from dast.engines.choose import resolved
from dast.errors import DastError
from dast.frames import read, read_all
from dast.params.decoding import Decoding
from dast.params.project import Project
from dast.params.sections import Settings
from dast.planning.costs import split
from dast.policies.folder import fingerprint
from dast.prompts import prompt_digest, sampling_prompt, style_for
from dast.report.metrics import BASE
from dast.samplers import Sampler, sampler_of, text_settings
from dast.store.keeping import Store
from dast.supply import RECORDED
from dast.tables import DPO, QUERIES, SFT, TEST_QUERIES
from dast.training.runs import find_run


@dataclass(frozen=True)
class Places:
    """Where the line keeps what it writes; dvc.yaml says the same."""

    data: Path
    queries: Path
    models: Path
    training: Path
    """Kept training runs."""


@dataclass(frozen=True)
class Kept:
    """What is there; `running` are the stages that would run."""

    project: Project
    places: Places
    store: Store
    running: Set[str]

    def n_rollouts(self, stage: str) -> int | None:
        """Kept rollouts that the stage would ask for; None where that is not known before another stage has run."""
        kind, name = split(stage)
        policy = self.project.rounds[name].policy if kind in ("sample", "augment") else name
        before = ["prepare", _made_by(policy), *([f"score@{name}"] if kind == "augment" else [])]
        if any(stage in self.running for stage in before):
            return None
        try:
            settings = self._settings(name)
            chosen = resolved(settings.generation)
            if chosen.engine == RECORDED:
                return None
            about = text_settings(chosen, fingerprint(self.places.models / policy))
            if kind == "augment":
                return self._by_settings(about, chosen.engine, settings)
            asked = self._asked(kind, policy, settings, about, chosen.engine)
            return sum(self.store.find(sampler, wanted).height for sampler, wanted in asked)
        except DastError:  # a table or a model that is not here: whoever runs the stage pulls it first
            return None

    def is_trained(self, stage: str) -> bool | None:
        """Whether the stage's training run is kept whole; None where its inputs are not known yet."""
        _, name = split(stage)
        about = self.project.rounds[name]
        if self.running & {f"build@{name}", _made_by(about.init)}:
            return None
        try:
            rows = read(DPO if about.method == "dpo" else SFT, self.places.data / name / f"{about.method}.parquet")
            settings = self._settings(name)
            start = self.places.models / about.init
            run = find_run(rows, about.method, start, settings.train, self.places.training)
        except DastError:
            return None
        return (run.folder / "model").is_dir()

    def _settings(self, name: str) -> Settings:
        if name == BASE:
            return self.project.defaults
        raw = {key: value for key, value in self.project.settings_of(name).items() if key != "round"}
        return Settings.model_validate(raw)

    def _asked(
        self, kind: str, policy: str, settings: Settings, about: dict[str, object], engine: str
    ) -> Iterator[tuple[Sampler, pl.DataFrame]]:
        """What the stage asks for: samplers, with prompts and draws."""
        style = style_for(settings.prompt, policy)

        def asked(queries: pl.DataFrame, n: int, decoding: Decoding, seed: int) -> tuple[Sampler, pl.DataFrame]:
            # A row a query, as the stage's own tables count: queries with one prompt share its draws.
            prompts = [prompt_digest(sampling_prompt(style, text)) for text in queries["query"]]
            draws = pl.DataFrame({"draw": range(n)}, schema={"draw": pl.Int32})
            return sampler_of(about, engine, seed, decoding), pl.DataFrame({"prompt_digest": prompts}).join(
                draws, how="cross"
            )

        if kind == "sample":
            train = read(QUERIES, self.places.queries / "train.parquet")
            yield asked(train, settings.sample.n_rollouts, settings.sample.decoding, settings.sample.seed)
            return
        wish, tests = settings.evaluate, read_all(TEST_QUERIES, self.places.queries / "tests")
        n_more = wish.n_level_rollouts if kind == "evaluate_base" else 0
        yield asked(tests, wish.n_samples + n_more, wish.decoding, wish.seed)
        if wish.greedy:
            yield asked(tests, 1, wish.decoding.model_copy(update={"temperature": 0.0}), wish.seed)

    def _by_settings(self, about: dict[str, object], engine: str, settings: Settings) -> int:
        wish = settings.augment
        decodings = [wish.decoding, *([wish.ladder.decoding.decoding] if wish.ladder.decoding.enabled else [])]
        named = {sampler_of(about, engine, wish.seed, decoding).digest for decoding in decodings}
        return sum(one.n_rollouts for one in self.store.holdings() if one.settings_digest in named)


def _made_by(policy: str) -> str:
    return "bootstrap" if policy == BASE else f"train@{policy}"
