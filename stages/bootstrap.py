"""Makes the base model's folder.

params, a model on the hub, in a folder, or trained here (one model) -> model (one folder), gate (a constant), metrics.
"""

from __future__ import annotations

import logging
from pathlib import Path

from dast.entry import run
from dast.params.project import load_project
from dast.policies.bases import make_base
from dast.policies.folder import folder_bytes
from dast.smallfiles import write_json

log = logging.getLogger("bootstrap")


def main(*, params: Path, model: Path, gate: Path, metrics: Path) -> None:
    """Writes the folder `model`; the base passes its gate by definition."""
    settings = load_project(params).defaults
    prompt = settings.prompt
    raw = prompt.base.raw and prompt.tuned.raw
    policy = make_base(settings.bootstrap, prompt.chat_template, model, raw=raw)
    n_bytes = folder_bytes(model)
    write_json(gate, {"passed": True})
    write_json(
        metrics,
        {
            "kind": policy.kind,
            "source": policy.source,
            "revision": policy.revision,
            "digest": policy.digest,
            "n_bytes": n_bytes,
        },
    )
    log.info("base of kind %s, %.1f MB, digest %s", policy.kind, n_bytes / 1e6, policy.digest[:16])


if __name__ == "__main__":
    run(main)
