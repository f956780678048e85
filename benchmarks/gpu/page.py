"""The page of what was measured, each fact beside what preflight foretells of that case.

Guarantees: a function of the JSON; estimates are made anew, by the code as it is now. Grain: one line a case.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import geometric_mean
from typing import Any

from benchmarks.gpu.cases import FULL, SMALL, Case, Scale, as_dict, settings_of
from benchmarks.gpu.foretold import foretold
from benchmarks.gpu.steps import WARMUP_STEPS, Times, times
from dast.markdown import NONE, table, verbatim
from dast.preflight.shapes import Shape
from dast.preflight.training_memory import run_of

GB = 1e9
WITHIN = 0.2
"""Of what was used; more is not within."""
MEMORY = """Bytes in GB (10⁹). *Used* is the peak of torch's tensors and what CUDA takes beside them, the least that the
case runs in; *held* is what the device had given away at the end, with what torch keeps of freed blocks and gives
back when there is no other room. Both are of the whole device, on which nothing else ran. The estimate is preflight's,
from the model's config and the params alone; *when measured* is the same ratio by the code of then."""
TIME = """Seconds a step are from the end of one to the end of the next, after {warmup} that are not timed; start and
saving are in none. A step whose batch is padded to a length that its process has not had before may take longer, once
for each length, so the two are told apart: *seconds* is the median of steps of lengths met before, *new length* of the
others. The estimate is preflight's, of a length met before, from three speeds that it times on the spot: a matrix
product, a copy, and a call. *When measured* is the ratio by the code of then."""
HOST = """By the estimates, {n_bound} of {n} cases are bound by the host, which calls for small pieces of work more
slowly than the GPU does them; an adapter has more of them than all weights. How many there are was counted in TRL's own
steps; how much longer a call takes in training than the one that is timed is the one number that was fitted. What the
estimate says of a step that the GPU binds, as of any model of several billion parameters, was not fitted."""
GENERATION = """The engine as `evaluate` uses it, in bfloat16: {rollouts} rollouts of {prompts} prompts of up to
{prompt} tokens, {new} new tokens each, in one batch, sampled; after a batch of four tokens that is not timed."""

Cases = Mapping[str, tuple[Case, Mapping[str, Any]]]


def page(found: Mapping[str, Any]) -> str:
    """Markdown."""
    scale = SMALL if found["small"] else FULL
    shapes = {name: Shape(**shape) for name, shape in found["material"].get("shapes", {}).items()}
    done = {name: facts for name, facts in found["cases"].items() if "error" not in facts and "missing" not in facts}
    order = list(as_dict(scale))
    cases = {name: (as_dict(scale)[name], done[name]) for name in sorted(done, key=order.index)}
    told = {"rollouts": scale.prompts * scale.samples, "prompts": scale.prompts}
    told |= {"prompt": scale.prompt_tokens, "new": scale.new_tokens}
    parts = [
        "# Training and evaluation on a GPU",
        _about(found),
        *found["notes"].get("run", []),
        _models(scale, shapes),
    ]
    parts += ["## Memory", _flat(MEMORY), table(list(_memory(cases, scale, shapes)))]
    parts += [*_blocks(cases), *found["notes"].get("memory", [])]
    parts += ["## Seconds a training step", _flat(TIME).format(warmup=WARMUP_STEPS)]
    parts += [table(list(_times(cases, scale, shapes, found["machine"]))), *_ranges(cases, scale, shapes, found)]
    parts += [
        *found["notes"].get("time", []),
        *_against_bare(cases),
        "## Tokens a second of evaluation",
        _flat(GENERATION).format(**told),
    ]
    parts += [table(list(_generated(cases)))]
    return "\n\n".join([part for part in [*parts, *_failed(found)] if part]) + "\n"


def _flat(text: str) -> str:
    return text.replace("\n", " ")


def _about(found: Mapping[str, Any]) -> str:
    machine = found["machine"]
    about = {**found["about"], "torch": machine.get("torch", found["about"].get("torch"))}
    device = "no GPU"
    if machine.get("gpu"):
        device = f"{machine['gpu']}, {machine['memory'] / GB:.1f} GB, driver {machine['driver']}"
    first = f"{about.pop('processor')} · {about.pop('system')}"
    versions = ", ".join(f"{name} {version}" for name, version in about.items())
    told = f"Command: `{found['command']}` · {device} · {first} · {versions} · {found['date']}"
    if "error" in machine:
        return told
    speeds = f"{machine['operations_per_s'] / 1e12:,.1f} TFLOP/s in a matrix product, "
    speeds += f"{machine['bytes_per_s'] / GB:,.0f} GB/s in a copy, {machine['call_s'] * 1e6:.1f} µs a call"
    return f"{told}\n\nTimed: {speeds}."


def _models(scale: Scale, shapes: Mapping[str, Shape]) -> str:
    told = [
        f"**{size.name}**: {shapes[size.name].n_parameters:,} parameters, {size.layers} layers of width {size.hidden}, "
        f"{size.vocabulary:,} words{', head shared with the embeddings' if size.tied else ''}"
        for size in scale.sizes
        if size.name in shapes
    ]
    rows = f"rows of {scale.row_tokens * 7 // 8} to {scale.row_tokens} tokens, {scale.batch_size} rows (sft) or "
    rows += f"{scale.batch_size // 2} pairs (dpo) a forward pass; weights in float32, computed in bfloat16"
    return f"Llamas of random weights. {'; '.join(told)}. Trained on {rows}; lora of rank 16 on every layer."


def _memory(cases: Cases, scale: Scale, shapes: Mapping[str, Shape]) -> Iterator[dict[str, str]]:
    for name, (case, facts) in cases.items():
        if case.engine == "vllm" or case.kind == "bare":
            continue
        estimate = foretold(case, scale, shapes[scale.sizes[case.size].name], facts, {})["bytes"]
        line = {"case": name, "estimate": f"{estimate / GB:.2f}"}
        if facts["used"] is None:
            yield {**line, "used": "no GPU", **_ratio(estimate, None, facts, "bytes"), "held": NONE}
            continue
        used = _used(facts)
        told = _ratio(estimate, used, facts, "bytes")
        yield {**line, "used": f"{used / GB:.2f}", **told, "held": f"{facts['used'] / GB:.2f}"}


def _used(facts: Mapping[str, Any]) -> int:
    return int(facts["allocated"] + facts["used"] - facts["reserved"])


def _blocks(cases: Cases) -> Iterator[str]:
    for case, facts in cases.values():
        ours = [mine for other, mine in cases.values() if other == Case("generate", case.size)]
        if case.fixed_blocks and ours and facts["used"] is not None:
            held, speed = (
                f"{one['used'] / GB:.1f} GB at {one['tokens_per_s']:,.0f} tokens/s" for one in (facts, *ours)
            )
            yield (
                "While generating, tensors grow with every token. In blocks of fixed size, torch's own choice, none "
                f"fits where another was freed: {held}. The engine asks for blocks that grow: {speed}."
            )


def _times(
    cases: Cases, scale: Scale, shapes: Mapping[str, Shape], machine: Mapping[str, Any]
) -> Iterator[dict[str, str]]:
    if "error" in machine:
        return
    for name, (case, facts) in _trained(cases):
        found, size = times(facts["steps_s"], facts["lengths"]), scale.sizes[case.size].name
        estimate = foretold(case, scale, shapes[size], facts, machine)["step_s"]
        n_tokens = run_of(settings_of(case, scale), case.method).n_rows * case.accumulate * facts["row_tokens"]
        line = {"case": name, "tokens/s": f"{n_tokens / found.met_s:,.0f}" if found.met_s else NONE}
        line |= {"steps": str(len(found.met)), "seconds": _span(found)}
        line |= {"new length": f"{found.new_s:.3f}" if found.new_s else NONE, "estimate": f"{estimate:.3f}"}
        yield {**line, **_ratio(estimate, found.met_s, facts, "step_s")}


def _trained(cases: Cases) -> Iterator[tuple[str, tuple[Case, Mapping[str, Any]]]]:
    yield from ((name, (case, facts)) for name, (case, facts) in cases.items() if case.kind != "generate")


def _span(found: Times) -> str:
    return f"{found.met_s:.3f} ({min(found.met):.3f} to {max(found.met):.3f})" if found.met else NONE


def _ratio(estimate: float, used: float | None, facts: Mapping[str, Any], key: str) -> dict[str, str]:
    if used is None:
        return dict.fromkeys(("estimate / used", "within 20 %", "when measured"), NONE)
    ratio, before = estimate / used, facts["foretold"].get(key)
    within = "yes" if abs(ratio - 1) <= WITHIN else "no"
    told = f"{before / used:.2f}" if before is not None else NONE
    return {"estimate / used": f"{ratio:.2f}", "within 20 %": within, "when measured": told}


def _ranges(cases: Cases, scale: Scale, shapes: Mapping[str, Shape], found: Mapping[str, Any]) -> Iterator[str]:
    """How far the host's estimates of time are off as they are, and fitted to one size and tried on the other."""
    machine = found["machine"]
    if "error" in machine:
        return
    ratios: dict[str, list[float]] = {size.name: [] for size in scale.sizes}
    n_cases = 0
    for _, (case, facts) in _trained(cases):
        met_s, size = times(facts["steps_s"], facts["lengths"]).met_s, scale.sizes[case.size].name
        told, gpu = (
            foretold(case, scale, shapes[size], facts, one)["step_s"] for one in (machine, {**machine, "call_s": 0.0})
        )
        n_cases += met_s is not None
        if met_s is not None and told > gpu:
            ratios[size].append(told / met_s)
    if not all(ratios.values()):
        return
    every, (one, other) = [ratio for some in ratios.values() for ratio in some], ratios
    # An estimate that the host binds is a multiple of the fitted number, so another fit is another multiple.
    tests = (
        f"fitted on {fit} alone, {test} is foretold at {_off(ratios[test], geometric_mean(ratios[fit]))}"
        for fit, test in ((other, one), (one, other))
    )
    told_host = _flat(HOST).format(n_bound=len(every), n=n_cases)
    yield f"{told_host} As it is: {_off(every)}. As a test: {'; '.join(tests)}."


def _off(ratios: Sequence[float], mean: float = 1.0) -> str:
    off = [ratio / mean for ratio in ratios]
    n_within = sum(abs(ratio - 1) <= WITHIN for ratio in off)
    return (
        f"{min(off):.2f} to {max(off):.2f} of what was measured, {n_within} of {len(off)} within {WITHIN * 100:.0f} %"
    )


def _against_bare(cases: Cases) -> Iterator[str]:
    for case, facts in cases.values():
        ours = [mine for other, mine in cases.values() if other == Case("train", case.size, case.method)]
        if case.kind != "bare" or not ours:
            continue
        mine, theirs = (times(one["steps_s"], one["lengths"]) for one in (ours[0], facts))
        if mine.met_s and theirs.met_s:
            yield (
                f"A step of sft, every weight trained, takes **{mine.met_s / theirs.met_s:.2f}** times as long as by "
                f"TRL alone: {_span(mine)} s against {_span(theirs)} s, {len(mine.met)} and {len(theirs.met)} steps, "
                "a process each, ours first. The work is the same, and by how much two processes of one host differ "
                "was not measured, so no more is told by it than that ours is not much slower; "
                "[training.md](training.md) holds pairs of whole runs against each other."
            )


def _generated(cases: Mapping[str, tuple[Case, Mapping[str, Any]]]) -> Iterator[dict[str, str]]:
    for name, (case, facts) in cases.items():
        if case.kind == "generate":
            line = {"case": name, "tokens": f"{facts['tokens']:,}", "seconds": f"{facts['seconds']:.2f}"}
            yield {**line, "tokens/s": f"{facts['tokens_per_s']:,.0f}"}


def _failed(found: Mapping[str, Any]) -> Iterator[str]:
    missing = {name: facts["missing"] for name, facts in found["cases"].items() if "missing" in facts}
    all_facts = {"machine": found["machine"], "models": found["material"], **found["cases"]}
    failed = {name: facts["error"] for name, facts in all_facts.items() if "error" in facts}
    missing |= dict.fromkeys(as_dict(SMALL if found["small"] else FULL).keys() - found["cases"].keys(), "not run")
    if missing or failed:
        yield "## Not measured"
        yield from (f"{name}: {why}." for name, why in missing.items())
        yield from (f"{name}:\n\n{verbatim(why.strip()[-600:], 'text')}" for name, why in failed.items())
