"""The page of what was measured, each fact beside what preflight foretells of that case.

Guarantees: a function of the JSON; estimates are made anew, by the code as it is now. Grain: one line a case.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.gpu.cases import FULL, SMALL, Case, Scale, as_dict, settings_of
from dast.markdown import NONE, table, verbatim
from dast.preflight.memory import sampling_bytes
from dast.preflight.shapes import Shape
from dast.preflight.training_memory import run_of, training_bytes
from dast.preflight.training_time import Row, Speed, step_s

GB = 1e9
WITHIN = 0.2
"""Of what was used; more is not within."""

MEMORY = """Bytes in GB (10⁹). *Used* is the peak of torch's tensors and what CUDA takes beside them, the least that the
case runs in; *held* is what the device had given away at the end, with what torch keeps of freed blocks and gives
back when there is no other room. Both are of the whole device, on which nothing else ran. The estimate is preflight's,
from the model's config and the params alone."""
TIME = """Seconds a step are the median of the timed steps, from the end of one to the end of the next, after {warmup}
that are not timed; start and saving are in none. The estimate is preflight's, from three speeds that it times on the
spot: a matrix product, a copy, and a call."""
GENERATION = """The engine as `evaluate` uses it, in bfloat16: {rollouts} rollouts of {prompts} prompts of up to
{prompt} tokens, {new} new tokens each, in one batch, sampled; after a batch of four tokens that is not timed."""


def page(found: Mapping[str, Any]) -> str:
    """Markdown."""
    scale = SMALL if found["small"] else FULL
    shapes = {name: Shape(**shape) for name, shape in found["material"].get("shapes", {}).items()}
    done = {name: facts for name, facts in found["cases"].items() if "error" not in facts and "missing" not in facts}
    cases = {name: (as_dict(scale)[name], facts) for name, facts in done.items()}
    trained = {name: one for name, one in cases.items() if one[0].kind != "generate"}
    told = {"rollouts": scale.prompts * scale.samples, "prompts": scale.prompts}
    told |= {"prompt": scale.prompt_tokens, "new": scale.new_tokens}
    parts = ["# Training and evaluation on a GPU", _about(found), _models(scale, shapes)]
    parts += ["## Memory", MEMORY.replace("\n", " "), table(list(_memory(cases, scale, shapes)))]
    times = list(_times(trained, scale, shapes, found["machine"]))
    parts += ["## Seconds a training step", TIME.replace("\n", " ").format(warmup=3), table(times)]
    parts += [*_against_bare(trained), "## Tokens a second of evaluation"]
    parts += [GENERATION.replace("\n", " ").format(**told), table(list(_generated(cases)))]
    return "\n\n".join([part for part in [*parts, *_failed(found)] if part]) + "\n"


def _about(found: Mapping[str, Any]) -> str:
    about, machine = dict(found["about"]), found["machine"]
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


def _memory(
    cases: Mapping[str, tuple[Case, Mapping[str, Any]]], scale: Scale, shapes: Mapping[str, Shape]
) -> Iterator[dict[str, str]]:
    for name, (case, facts) in cases.items():
        if case.engine == "vllm" or case.kind == "bare":
            continue
        settings, shape = settings_of(case, scale), shapes[scale.sizes[case.size].name]
        if case.kind == "generate":
            estimate = sampling_bytes(shape, settings.generation)
        else:
            estimate = training_bytes(shape, run_of(settings, case.method))
        line = {"case": name, "estimate": f"{estimate / GB:.2f}"}
        if facts["used"] is None:
            yield {**line, "used": "no GPU", "estimate / used": NONE, "within 20 %": NONE, "held": NONE}
            continue
        used = facts["allocated"] + facts["used"] - facts["reserved"]
        yield {**line, "used": f"{used / GB:.2f}", **_ratio(estimate, used), "held": f"{facts['used'] / GB:.2f}"}


def _times(
    cases: Mapping[str, tuple[Case, Mapping[str, Any]]],
    scale: Scale,
    shapes: Mapping[str, Shape],
    machine: Mapping[str, Any],
) -> Iterator[dict[str, str]]:
    if "error" in machine:
        return
    speed = Speed(*(machine[name] for name in ("operations_per_s", "bytes_per_s", "call_s")))
    for name, (case, facts) in cases.items():
        run = run_of(settings_of(case, scale), case.method)
        row = Row(facts["row_tokens"], facts["answer_tokens"])
        estimate = step_s(shapes[scale.sizes[case.size].name], run, row, case.accumulate, speed)
        line = {"case": name, "tokens/s": f"{facts['tokens_per_s']:,.0f}", "seconds": f"{facts['step_s']:.4f}"}
        yield {**line, "estimate": f"{estimate:.4f}", **_ratio(estimate, facts["step_s"])}


def _ratio(estimate: float, used: float) -> dict[str, str]:
    ratio = estimate / used
    return {"estimate / used": f"{ratio:.2f}", "within 20 %": "yes" if abs(ratio - 1) <= WITHIN else "no"}


def _against_bare(cases: Mapping[str, tuple[Case, Mapping[str, Any]]]) -> Iterator[str]:
    for case, facts in cases.values():
        ours = [mine for other, mine in cases.values() if other == Case("train", case.size, case.method)]
        if case.kind == "bare" and ours:
            ratio = ours[0]["step_s"] / facts["step_s"]
            yield f"A step of sft, every weight trained, takes **{ratio:.3f}** times as long as by TRL alone."


def _generated(cases: Mapping[str, tuple[Case, Mapping[str, Any]]]) -> Iterator[dict[str, str]]:
    for name, (case, facts) in cases.items():
        if case.kind == "generate":
            line = {"case": name, "tokens": f"{facts['tokens']:,}", "seconds": f"{facts['seconds']:.2f}"}
            yield {**line, "tokens/s": f"{facts['tokens_per_s']:,.0f}"}


def _failed(found: Mapping[str, Any]) -> Iterator[str]:
    missing = {name: facts["missing"] for name, facts in found["cases"].items() if "missing" in facts}
    all_facts = {"machine": found["machine"], "models": found["material"], **found["cases"]}
    failed = {name: facts["error"] for name, facts in all_facts.items() if "error" in facts}
    if missing or failed:
        yield "## Not measured"
        yield from (f"{name}: {why}." for name, why in missing.items())
        yield from (f"{name}:\n\n{verbatim(why.strip()[-600:], 'text')}" for name, why in failed.items())
