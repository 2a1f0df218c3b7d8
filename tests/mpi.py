"""Several processes for the tests, started by mpiexec; skipped where there is no mpi4py or no mpiexec."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from nn.parallel.mpiexec import mpiexec, settings

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 300  # seconds, after which processes must have hung: far more than on an idle machine


@dataclass
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str
    seconds: float


def can_start() -> bool:
    try:
        mpiexec(1)
    except FileNotFoundError:
        return False
    return importlib.util.find_spec("mpi4py") is not None


needs_mpi = pytest.mark.skipif(not can_start(), reason="There is no mpi4py or no mpiexec: make parallel installs both.")


def start(processes: int, *arguments: object) -> Ended:
    """Run `python ARGUMENTS` in so many processes; with 0, in one, without MPI."""
    before = mpiexec(processes) if processes else []
    return ended([*before, sys.executable, *map(str, arguments)], processes)


def ended(command: list[str], processes: int = 1, first: Path | None = None) -> Ended:
    """Run a command. first: a folder to import from before any other."""
    path = os.pathsep.join(map(str, filter(None, [first, ROOT])))
    environment = settings(max(1, processes)) | {"PYTHONPATH": path}
    if processes:
        environment["NUM_THREADS"] = "1"
    begun = time.monotonic()
    done = subprocess.run(command, env=environment, capture_output=True, cwd=ROOT, timeout=LIMIT)
    # What MPIs hand on of processes that were ended has NUL bytes in it.
    out, err = (each.replace(b"\0", b"").decode(errors="replace") for each in (done.stdout, done.stderr))
    return Ended(done.returncode, out, err, time.monotonic() - begun)
