"""How a stage script starts: keyword arguments become required flags, faults of the user become one line.

A stage calls `run(main)` where `main` takes keyword-only arguments annotated `Path`, `str`, `int` or `list[Path]`.
"""

from __future__ import annotations

import argparse
import errno
import inspect
import logging
import os
import signal
import sys
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from dast.errors import DastError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

_LEVEL_VARIABLE = "DAST_LOG_LEVEL"


def start_logging() -> None:
    """Logs to standard error, one line a record; level from `DAST_LOG_LEVEL` (INFO when unset)."""
    level = os.environ.get(_LEVEL_VARIABLE, "INFO").upper()
    if level not in logging.getLevelNamesMapping():
        raise DastError(f"{_LEVEL_VARIABLE}={level}: not a log level; use DEBUG, INFO, WARNING or ERROR")
    logging.basicConfig(level=level, format="%(asctime)s %(name)s: %(message)s", datefmt="%H:%M:%S", force=True)
    for noisy in ("httpx", "httpcore", "urllib3", "filelock", "fsspec", "asyncio", "datasets", "accelerate"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLevelName(level)))


def parser_of(main: Callable[..., None]) -> argparse.ArgumentParser:
    """Flags of a stage: `--train-queries` for the argument `train_queries`; a `bool` or a default is not allowed."""
    parser = argparse.ArgumentParser(description=inspect.getdoc(inspect.getmodule(main)) or "", allow_abbrev=False)
    hints = typing.get_type_hints(main)
    for name, parameter in inspect.signature(main).parameters.items():
        if parameter.kind is not parameter.KEYWORD_ONLY or parameter.default is not parameter.empty:
            raise TypeError(f"{main.__module__}.main: argument {name} must be keyword-only and without a default")
        flag, kind = f"--{name.replace('_', '-')}", hints[name]
        if typing.get_origin(kind) is list:
            parser.add_argument(flag, type=typing.get_args(kind)[0], nargs="+", required=True)
        else:
            parser.add_argument(flag, type=kind, required=True)
    return parser


def run(main: Callable[..., None], argv: Sequence[str] | None = None) -> None:
    """Parses the flags, sets up logging, calls `main`; exits with status 1 and one line for a user's fault."""
    arguments: dict[str, Any] = vars(parser_of(main).parse_args(argv))
    stage = Path(sys.argv[0]).stem
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        start_logging()
        main(**arguments)
    except DastError as error:
        sys.exit(f"{stage}: {error}")
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        sys.exit(f"{stage}: {error.filename or 'the disk'}: {error.strerror}; free space, and run again")
    except KeyboardInterrupt:
        sys.exit(f"{stage}: interrupted; run again to go on from what is kept")


def _interrupt(number: int, frame: FrameType | None) -> None:
    # A cluster's scheduler ends a stage so: what an engine has given by then is kept.
    raise KeyboardInterrupt
