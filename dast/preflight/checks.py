"""Every check in turn, the cheap ones first.

Guarantees: a check that needs what is not there says so and ends nothing; a fault of the user's is a finding, a bug
propagates. Grain: one finding or prompt at a time, as soon as it is known.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dast.dvc import store_folder
from dast.errors import DastError
from dast.packaging.licences import licence_faults
from dast.params.project import Project
from dast.params.sections import Settings
from dast.policies.counting import token_counter
from dast.policies.folder import CARD, folder_bytes
from dast.preflight.access import Hub, folder_findings, hub_findings, wanted_of
from dast.preflight.disk import counts_of, disk_findings, disks, kept_bytes, model_bytes, rollout_bytes
from dast.preflight.findings import Finding, Specimen
from dast.preflight.forecast import base_stage, forecast_findings, sampling_stages, training_stage
from dast.preflight.material import FetchSmall, Places, Queries, look_folder, queries_of
from dast.preflight.pilot import STAGE, Pilot, pilot_findings, run_pilot
from dast.preflight.shapes import Shape, length_findings
from dast.preflight.sources import source_faults
from dast.progress import size
from dast.store.keeping import Store
from dast.supply import RECORDED

Shown = Finding | Specimen


@dataclass(frozen=True)
class Preflight:
    """The checks of one project; `all` gives them in order."""

    project: Project
    places: Places
    hub: Hub
    fetch: FetchSmall

    @cached_property
    def rounds(self) -> Mapping[str, Settings]:
        """Each round's settings, its overrides merged in."""
        merged = {name: self.project.settings_of(name) for name in self.project.rounds}
        return {
            name: Settings.model_validate({key: value for key, value in raw.items() if key != "round"})
            for name, raw in merged.items()
        }

    @property
    def first(self) -> Settings:
        """Settings of the first round, whose policy is the base."""
        return next(iter(self.rounds.values()))

    @property
    def next_step(self) -> str:
        """What to run when nothing is in error."""
        if self.first.generation.engine == RECORDED:
            return "`dvc repro package` builds the datasets; there is no model to train or evaluate"
        return "`dvc repro` runs the line"

    def licences(self) -> Iterator[Finding]:
        """What packaging would refuse, known before anything is sampled."""
        faults = (fault for each in self.rounds.values() for fault in licence_faults(each.prepare, each.package))
        yield from (Finding("warning", "package", fault) for fault in dict.fromkeys(faults))

    def all(self) -> Iterator[Shown]:
        """Findings and prompts."""
        defaults = self.project.defaults
        yield Finding("ok", "params", f"valid; rounds {', '.join(self.project.rounds)}")
        faults = source_faults(self.project, self.places.raw)
        if not faults:
            yield Finding("ok", "sources", "every file is there, and every revision filled in")
        yield from (Finding("error", *fault.split(": ", 1)) for fault in faults)
        yield from self.licences()
        hub = list(hub_findings(wanted_of(defaults.prepare, defaults.bootstrap), self.hub))
        yield from hub
        yield from folder_findings(defaults.bootstrap)
        queries, told = queries_of(defaults, self.places)
        yield told
        folder, told = look_folder(
            defaults.bootstrap, self.places.base, self.fetch, reachable=all(one.kind == "ok" for one in hub)
        )
        yield told
        shape = None
        if folder is not None:
            shape, told = _shape(folder)
            yield told
        yield from self.disk(queries, shape)
        if shape is not None:
            yield from length_findings(shape, self.first)
            yield from self.memory(shape)
        if folder is not None and queries is not None:
            yield from self.texts(folder, queries)
        yield from self.trial(queries, shape)

    def disk(self, queries: Queries | None, shape: Shape | None) -> Iterator[Finding]:
        """Room for what the whole line writes, less what is there."""
        if self.first.generation.engine == RECORDED:
            yield Finding("ok", "disk", f"nothing is generated; {size(_free(self.places.root)[1])} free")
            return
        if queries is None:
            yield Finding("info", "disk", "not estimated: the queries are not counted yet")
            return
        try:
            folder = store_folder(self.places.root)
            with Store(folder, mends=False) as store:
                kept = store.holdings()
        except DastError as error:
            yield Finding("warning", "disk", f"not estimated: {error}")
            return
        counts = counts_of(self.rounds, queries.train.height, queries.tests.height)
        in_store, in_tables = rollout_bytes(counts, kept_bytes([one for one in kept if one.stage != STAGE]))
        trained = [(settings, self.project.rounds[name].method) for name, settings in self.rounds.items()]
        models = model_bytes(shape, trained) if shape is not None else 0
        there = sum(map(folder_bytes, (self.places.models, self.places.data))) - folder_bytes(self.places.raw)
        free = {place: _free(place) for place in (folder, self.places.root)}
        room = in_store - sum(one.n_bytes for one in kept)
        ahead = (folder, max(0, room)), (self.places.root, max(0, in_tables + models - there))
        what = f"{counts.n_rollouts:,} rollouts; models and checkpoints {size(models) if models else 'not known yet'}"
        yield from disk_findings(disks(*ahead, free), f"{what}; less what is there")

    def memory(self, shape: Shape) -> Iterator[Finding]:
        """Memory of a GPU, for sampling and each different training run."""
        # torch: takes seconds to import.
        from dast.engines.choose import resolved
        from dast.preflight.device import gpu_bytes
        from dast.preflight.memory import memory_findings
        from dast.preflight.training_memory import run_of

        generation = self.first.generation
        chosen = resolved(generation)
        runs = dict.fromkeys(run_of(self.rounds[name], about.method) for name, about in self.project.rounds.items())
        yield from memory_findings(shape, chosen, list(runs), gpu_bytes())

    def texts(self, folder: Path, queries: Queries) -> Iterator[Shown]:
        """Tokenizer, chat template, and the first prompt of each kind."""
        from dast.preflight.prompts import Kind, kinds_of, shown, training_row
        from dast.preflight.tokens import N_ROWS, load_tokenizer, round_trip, special_tokens, template_findings

        prompt, train = self.first.prompt, queries.train
        try:
            tokenizer = load_tokenizer(folder, prompt.chat_template)
        except DastError as error:
            yield Finding("error", "tokenizer", str(error))
            return
        some = train.head(N_ROWS)
        yield round_trip(tokenizer, [text for name in ("query", "solution") for text in some[name].drop_nulls()])
        yield special_tokens(tokenizer, train)
        yield from template_findings(tokenizer, prompt.tuned, *training_row(train))
        generation = self.first.generation
        if (generation.engine, generation.server.api) == ("server", "chat"):
            told = "below is the tokenizer's own rendering; this server is sent messages and renders them itself"
            yield Finding("info", "prompts", told)
        kinds = list(kinds_of(self.first, train, token_counter(folder)))
        yield from (kind for kind in kinds if isinstance(kind, Finding))
        yield from shown([kind for kind in kinds if isinstance(kind, Kind)], tokenizer, generation.max_model_tokens)

    def trial(self, queries: Queries | None, shape: Shape | None) -> Iterator[Finding]:
        """Ten rollouts, and the time that the line will take by them."""
        if self.first.generation.engine == RECORDED or not self.first.sample.n_rollouts:
            yield Finding("ok", "pilot", "none: the params ask for no rollouts of a model")
            return
        if queries is None or not (self.places.base / CARD).is_file():
            lacking = "the queries are not there yet" if queries is None else f"{self.places.base} is not made yet"
            yield Finding(
                "info", "pilot", f"not run, and no time foretold: {lacking}; run `dvc repro bootstrap prepare`"
            )
            return
        name = next(iter(self.rounds))
        try:
            pilot = run_pilot(self.first, self.places.base, queries.train, name)
        except DastError as error:
            yield Finding("error", "pilot", str(error))
            return
        yield from pilot_findings(pilot)
        if shape is not None and pilot.n_tokens:
            yield from self.forecast(queries, shape, pilot)

    def forecast(self, queries: Queries, shape: Shape, pilot: Pilot) -> Iterator[Finding]:
        """Time a stage."""
        from dast.preflight.device import speed

        cost = shape, speed(bf16=self.first.train.bf16)
        sizes = queries.train.height, queries.tests.height
        rounds = {
            name: [
                *sampling_stages(settings, *sizes, pilot),
                training_stage(settings, self.project.rounds[name].method, sizes[0], pilot, cost),
            ]
            for name, settings in self.rounds.items()
        }
        yield from forecast_findings(rounds, base_stage(self.first, sizes[1], pilot), pilot)


def _shape(folder: Path) -> tuple[Shape | None, Finding]:
    from dast.preflight.configs import shape_of

    try:
        shape = shape_of(folder)
    except DastError as error:
        return None, Finding("warning", "model", f"memory and time are not estimated: {error}")
    return shape, Finding("ok", "model", f"{shape.n_parameters:,} parameters in {shape.n_layers} layers")


def _free(folder: Path) -> tuple[int, int]:
    """Device and free bytes of the nearest folder that is there."""
    nearest = next(one for one in (folder.absolute(), *folder.absolute().parents) if one.exists())
    return os.stat(nearest).st_dev, shutil.disk_usage(nearest).free
