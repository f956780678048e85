"""Draws the plots that the README shows, from `dvc plots show`: python docs/draw.py"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import vl_convert

DOCS = Path(__file__).parent
SHOWN = {
    "Accuracy by test set and round": "accuracy.png",
    "Difficulty of the training queries by round": "difficulty.png",
}


def main(project: Path) -> None:
    command = [sys.executable, "-m", "dvc", "plots", "show", "--json"]
    told = subprocess.run(command, cwd=project, check=True, capture_output=True, text=True).stdout
    plots = json.loads(told)["data"]
    for title, name in SHOWN.items():
        (DOCS / name).write_bytes(vl_convert.vegalite_to_png(json.dumps(plots[title][0]["content"]), scale=1.5))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS.parent)
