"""How to start ranks on this machine: the mpiexec that belongs to this Python, and what MPIs must be told."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from nn.backend.runtime.threads import available_cores
from nn.parallel.ranks import INSTALL


def mpiexec(processes: int) -> list[str]:
    """How a command begins that starts so many processes. Raises FileNotFoundError where there is no mpiexec."""
    found = shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or shutil.which("mpiexec")
    if found is None:
        raise FileNotFoundError(f"there is no mpiexec beside {sys.executable} or in PATH; {INSTALL}")
    return [found, "-n", str(processes)]


def settings(processes: int) -> dict[str, str]:
    """The environment for them: each has its part of the cores, else all wait for each other's threads. And Open MPI
    starts more ranks than cores, does not keep each on one core, and allows root: other MPIs do all that unasked."""
    new = {"NUM_THREADS": str(max(1, available_cores() // processes))}
    new |= {"PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe", "OMPI_MCA_rmaps_base_oversubscribe": "1"}
    new |= {"PRTE_MCA_hwloc_default_binding_policy": "none", "OMPI_MCA_hwloc_base_binding_policy": "none"}
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        new |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    return new | dict(os.environ)
