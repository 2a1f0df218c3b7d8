"""One process alone, what mpiexec leaves in the environment, and what is said where MPI is missing."""

import subprocess
import sys

import numpy as np
import pytest

from nn.parallel import Ranks
from nn.parallel import mpiexec as starting
from nn.parallel.ranks import choose_card, told_size
from tests.checks import one_sentence
from tests.mpi import ROOT


def test_alone():
    ranks = Ranks()
    assert (ranks.rank, ranks.size, ranks.first) == (0, 1, True)
    numbers = np.arange(4.0)
    ranks.add(numbers)
    ranks.share_array(numbers)
    assert numbers.tolist() == [0, 1, 2, 3]
    assert ranks.exchange([3, 4]).tolist() == [[3, 4]] and ranks.exchange().shape == (1, 0)
    assert ranks.gather("a") == ["a"] and ranks.share("b") == "b"
    assert ranks.any(True) and not ranks.any(False)
    with ranks.together():
        assert ranks.busy
    assert not ranks.busy


def test_one_process_loads_no_mpi():
    code = "import sys, nn, nn.parallel, examples.train.program; sys.exit('mpi4py' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_without_mpi4py_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with one_sentence(ImportError, "lenet-to-alexnet[mpi]"):
        Ranks.of_mpi()


def test_without_mpiexec_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(starting.shutil, "which", lambda *_, **__: None)
    with one_sentence(FileNotFoundError, "lenet-to-alexnet[mpi]"):
        starting.mpiexec(2)


@pytest.mark.parametrize(
    ("environment", "size"),
    [({}, None), ({"PMI_SIZE": "4"}, 4), ({"OMPI_COMM_WORLD_SIZE": "2"}, 2), ({"PMI_SIZE": ""}, None)],
)
def test_how_many_mpiexec_has_started(environment, size):
    assert told_size(environment) == size


@pytest.mark.parametrize(
    ("environment", "visible"),
    [
        ({}, None),
        ({"MPI_LOCALRANKID": "1"}, None),  # of a single process
        ({"PMI_SIZE": "4", "MPI_LOCALRANKID": "1"}, "1"),
        ({"OMPI_COMM_WORLD_SIZE": "8", "OMPI_COMM_WORLD_LOCAL_RANK": "3"}, "3"),
        ({"PMI_SIZE": "4", "MPI_LOCALRANKID": "1", "CUDA_VISIBLE_DEVICES": "4,6"}, "6"),
        ({"PMI_SIZE": "4", "MPI_LOCALRANKID": "3", "CUDA_VISIBLE_DEVICES": "4,6"}, "6"),
        ({"PMI_SIZE": "4", "CUDA_VISIBLE_DEVICES": "4,6"}, "4,6"),  # who knows which
    ],
)
def test_a_card_for_each_rank_of_a_machine(environment, visible):
    choose_card(environment)
    assert environment.get("CUDA_VISIBLE_DEVICES") == visible


def test_each_process_gets_its_part_of_the_cores(monkeypatch):
    monkeypatch.delenv("NUM_THREADS", raising=False)
    monkeypatch.setattr(starting, "available_cores", lambda: 7)
    assert [starting.settings(processes)["NUM_THREADS"] for processes in (1, 2, 7, 8)] == ["7", "3", "1", "1"]
    monkeypatch.setenv("NUM_THREADS", "5")
    assert starting.settings(2)["NUM_THREADS"] == "5"
