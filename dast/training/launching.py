"""Training by several processes, which `accelerate launch` starts.

Guarantees: they work in the run's folder alone, and this process waits for them; a user's fault in any of them is
raised here as it would be without them. What they say goes to `launch.log` there. Grain: one run.

On several machines, which share the folder, this process starts those of the first one; the command for each other
machine is logged.
"""

from __future__ import annotations

import logging
import os
import shlex
import subprocess
import sys
from pathlib import Path

from dast.errors import CommandError, EngineError
from dast.params.train import Launch
from dast.training.job import Job, raise_fault, write_job
from dast.training.trained import Trained, read_trained

log = logging.getLogger(__name__)

ADDRESS_VARIABLE = "DAST_MAIN_ADDRESS"
"""Address of the first machine, as the others reach it; needed with several."""

PORT_VARIABLE = "DAST_MAIN_PORT"
"""Its port; unset is 29500 on several machines, any free one on one."""

_ENDING_S = 60.0
"""Seconds that the processes have to end when this one is interrupted."""


def launch(folder: Path, job: Job) -> Trained:
    """Runs the job by the processes that its settings ask for, and waits for their end.

    Raises:
        DataError, ModelError, EngineError, CommandError: as `train_model`; or the processes ended otherwise.
    """
    write_job(folder, job)
    wanted = job.settings.launch
    for machine in range(1, wanted.machines):
        log.info("on machine %d, in this folder: %s", machine, shlex.join(command(folder, wanted, machine)))
    status = _wait(command(folder, wanted, 0), folder / "launch.log")
    raise_fault(folder)
    done = read_trained(folder / "result.json")
    if status or done is None:
        raise EngineError(f"train.launch: the processes ended with status {status}; see {folder / 'launch.log'}")
    return done


def command(folder: Path, wanted: Launch, machine: int) -> list[str]:
    """The command that starts the processes of one machine.

    Raises:
        CommandError: several machines, and `DAST_MAIN_ADDRESS` is not set.
    """
    place = ["--main_process_port", os.environ.get(PORT_VARIABLE, "0" if wanted.machines == 1 else "29500")]
    if wanted.machines > 1:
        if not (address := os.environ.get(ADDRESS_VARIABLE)):
            raise CommandError(f"train.launch.machines: {wanted.machines}; set {ADDRESS_VARIABLE} to this machine's")
        place += ["--main_process_ip", address]
    config = Path(__file__).with_name(f"{wanted.strategy}.yaml")
    numbers = {"--num_processes": wanted.processes, "--num_machines": wanted.machines, "--machine_rank": machine}
    return [
        *(sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(config)),
        *(text for flag, number in numbers.items() for text in (flag, str(number))),
        *(*place, "-m", "dast.training.worker", "--folder", str(folder.absolute())),
    ]


def _wait(arguments: list[str], said: Path) -> int:
    with said.open("w", encoding="utf-8") as output:
        started = subprocess.Popen(arguments, stdout=output, stderr=subprocess.STDOUT)
        try:
            return started.wait()
        except BaseException:
            started.terminate()  # it ends its processes too
            started.wait(_ENDING_S)
            raise
