"""The processes of a parallel run. MPI calls them ranks and numbers them from 0."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from nn.parallel.faults import LET_SPEAK, end_together
from nn.parallel.sums import add_pairs

# By which a process knows that an mpiexec started it, and how many: that of MPICH, Intel MPI and MS-MPI; Open MPI's.
SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE")
RANKS = ("PMI_RANK", "OMPI_COMM_WORLD_RANK")
# Its number among those of the same machine.
LOCAL_RANKS = ("MPI_LOCALRANKID", "OMPI_COMM_WORLD_LOCAL_RANK", "SLURM_LOCALID")
PATIENCE = 300.0  # seconds
LEAST_PAUSE, MOST_PAUSE = 2e-5, 1e-3  # seconds between two looks at whether the others have come
INSTALL = "pip install 'lenet-to-alexnet[mpi]' brings mpi4py and MPICH"


class Ranks:
    """This process among those that work together. Without an argument it is alone, and no MPI is loaded.

        ranks = Ranks()             one process, rank 0 of 1
        ranks = Ranks.of_mpi()      those that `mpiexec -n 4 python ...` started

    rank, size: its number, from 0, and how many there are. first: whether it is rank 0, who prints and writes.
    name: "rank 1 of 4 on HOST".
    patience: after so many seconds without a sign of life from another rank, it counts as hanging: a sentence names it,
        and all end. None: wait as long as it takes.

    Every method but `abort` is called by all ranks, in the same order. Where one rank raises and the others do not,
    they would wait for it for ever; therefore an exception that nobody catches ends all (`nn.parallel.faults`).
    """

    def __init__(self, world: Any = None, patience: float | None = PATIENCE) -> None:
        self._world = world
        self.rank: int = 0 if world is None else world.Get_rank()
        self.size: int = 1 if world is None else world.Get_size()
        self.first = self.rank == 0
        self.patience = patience
        self.host = socket.gethostname()
        self.name = f"rank {self.rank} of {self.size} on {self.host}"
        self.remedy = ""  # how to go on, for the sentences with which all end
        self.busy = 0  # how many blocks of `together` it is in: whoever ends there leaves the others waiting
        self._pieces: np.ndarray | None = None  # of the others, for `add`
        if self.size > 1:
            end_together(self)

    @classmethod
    def of_mpi(cls, patience: float | None = PATIENCE) -> Ranks:
        """All processes that mpiexec started; one alone where it did not. Raises ImportError without mpi4py, and
        RuntimeError where its MPI is another than mpiexec's: each process would take itself for the only one."""
        try:
            from mpi4py import MPI
        except (ImportError, RuntimeError) as error:  # the second: there is no library of MPI
            raise ImportError(
                f"several processes need mpi4py and MPI, which cannot be loaded ({error}); {INSTALL}"
            ) from None
        size = told_size()
        if size not in (None, MPI.COMM_WORLD.Get_size()):
            library = MPI.Get_library_version().split("\n")[0].strip("\0 ")
            raise RuntimeError(
                f"mpiexec started {size} processes, but mpi4py found another MPI ({library}) and sees "
                f"{MPI.COMM_WORLD.Get_size()}; start them with the mpiexec that belongs to it"
            )
        return cls(MPI.COMM_WORLD if MPI.COMM_WORLD.Get_size() > 1 else None, patience)

    def exchange(self, numbers: Sequence[float] | np.ndarray = ()) -> np.ndarray:
        """The float64 numbers of all ranks, (size, len(numbers)); as many from each.

        All meet here, and here it is found out who does not come: `patience`.
        """
        mine = np.array(numbers, np.float64)
        got = np.zeros((self.size, len(mine) + 1))  # one more, as a message of no bytes may come too early
        got[self.rank, : len(mine)] = mine
        if self._world is None:
            return got[:, : len(mine)]
        message = got[self.rank].copy()
        others = [other for other in range(self.size) if other != self.rank]
        coming = {other: self._world.Irecv(got[other], other, 1) for other in others}
        going = [self._world.Isend(message, other, 1) for other in others]
        begun, pause = time.monotonic(), LEAST_PAUSE
        while coming:
            coming = {other: request for other, request in coming.items() if not request.Test()}
            if not coming:
                break
            waited = time.monotonic() - begun
            if self.patience is not None and waited > self.patience:
                self._give_up(sorted(coming), begun)
            time.sleep(pause)  # a core may be needed by whoever is waited for
            pause = min(MOST_PAUSE, max(LEAST_PAUSE, waited / 20))
        for request in going:
            request.Wait()
        return got[:, : len(mine)]

    def any(self, flag: bool) -> bool:
        """Whether it is true of any rank."""
        return bool(self.exchange([flag]).any()) if self._world is not None else flag

    def gather(self, thing: Any) -> list:
        """What each rank has, by rank: anything that can be pickled."""
        if self._world is None:
            return [thing]
        self.exchange()
        return self._world.allgather(thing)

    def share(self, thing: Any) -> Any:
        """What rank 0 has, for all: anything that can be pickled."""
        if self._world is None:
            return thing
        self.exchange()
        return self._world.bcast(thing, root=0)

    def share_array(self, array: np.ndarray) -> None:
        """Write rank 0's numbers into the NumPy arrays of all others, which have its shape and dtype."""
        if self._world is not None:
            flat = np.ascontiguousarray(array).reshape(-1)
            self._world.Bcast(flat.view(np.uint8), root=0)
            array[...] = flat.reshape(array.shape)

    def add(self, numbers: np.ndarray) -> None:
        """Put into `numbers`, one-dimensional and contiguous, the sum of all ranks', with the same bits everywhere.

        Rank r adds the r-th part of all vectors, in pairs of neighbours (`add_pairs`), and sends the sum to all. So
        2 (n - 1) / n of the vector leave each of n ranks and as many bytes come in, as few as any method needs.
        MPI's own sum, Allreduce, takes as long and may add in another order on another network.
        """
        if self._world is None:
            return
        counts = self.shares(len(numbers))
        self._world.Allgatherv(self._part_of_sum(numbers, counts), [numbers, (counts, _starts(counts))])

    def add_part(self, numbers: np.ndarray, counts: Sequence[int]) -> np.ndarray:
        """Of the sum of all ranks' `numbers`, one-dimensional and contiguous, this rank's part: the first counts[0] are
        rank 0's, the next counts[1] rank 1's, and so on. What is returned holds until the next sum.

        This is the first half of `add`, so (n - 1) / n of the bytes leave each rank.
        """
        if self._world is None:
            return numbers
        self.exchange()
        return self._part_of_sum(numbers, counts)

    def join(self, part: np.ndarray, counts: Sequence[int]) -> np.ndarray:
        """The parts of all ranks, one-dimensional and contiguous, one after the other; counts: how long each is."""
        if self._world is None:
            return part
        self.exchange()
        whole = np.empty(sum(counts), part.dtype)
        self._world.Allgatherv(part, [whole, (counts, _starts(counts))])
        return whole

    def shares(self, length: int) -> list[int]:
        """So many things in as many nearly equal parts as there are ranks: how many each has."""
        ends = [length * rank // self.size for rank in range(self.size + 1)]
        return [end - start for start, end in zip(ends, ends[1:])]

    def _part_of_sum(self, numbers: np.ndarray, counts: Sequence[int]) -> np.ndarray:
        mine = counts[self.rank]
        if self._pieces is None or self._pieces.size != mine * self.size or self._pieces.dtype != numbers.dtype:
            self._pieces = np.empty(mine * self.size, numbers.dtype)
        pieces = [self._pieces, ([mine] * self.size, [mine * rank for rank in range(self.size)])]
        self._world.Alltoallv([numbers, (counts, _starts(counts))], pieces)
        return add_pairs(list(self._pieces.reshape(self.size, mine)))

    @contextmanager
    def together(self) -> Iterator[None]:
        """A with-block in which the ranks need each other. At its end each waits until all have come there, however
        long it takes, as rank 0 may have much to write. A rank that leaves it otherwise, and ends, ends all."""
        self.busy += 1
        yield
        patience, self.patience = self.patience, None
        self.exchange()
        self.patience = patience
        self.busy -= 1

    def abort(self, sentence: str = "", status: int = 1) -> None:
        """Say it on stderr, then end all ranks at once. It does not return."""
        if sentence:
            print(sentence, file=sys.__stderr__, flush=True)
            time.sleep(0.2)  # mpiexec, which hands it on, is about to end as well
        if self._world is not None:
            self._world.Abort(status)
        os._exit(status)

    def _give_up(self, missing: list[int], begun: float) -> None:
        """End all, because some have not come. Of those that have, the lowest says so."""
        present = [rank for rank in range(self.size) if rank not in missing]
        if self.rank != present[0]:
            time.sleep(LET_SPEAK)  # it may have begun to wait later
        names = " and ".join(f"rank {rank}" for rank in missing)
        waited = time.monotonic() - begun
        self.abort(f"{names} of {self.size}: no sign of life for {waited:.0f} s, so all ranks were ended{self.remedy}")


def _starts(counts: Sequence[int]) -> list[int]:
    """Where parts of these lengths begin that lie one after the other."""
    return [sum(counts[:place]) for place in range(len(counts))]


def told(names: Sequence[str], environment: Mapping[str, str] = os.environ) -> int | None:
    """The number that mpiexec has left in the environment under one of these names; None where there is none."""
    return next((int(environment[name]) for name in names if environment.get(name, "").isdigit()), None)


def told_size(environment: Mapping[str, str] = os.environ) -> int | None:
    """How many processes mpiexec has started with this one; None where it was started without."""
    return told(SIZES, environment)


def choose_card(environment: MutableMapping[str, str] = os.environ) -> None:
    """One card for each rank of a machine: hide all others from this process, before CUDA looks for them."""
    local = told(LOCAL_RANKS, environment)
    if local is not None and told_size(environment) not in (None, 1):
        visible = [name for name in environment.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
        environment["CUDA_VISIBLE_DEVICES"] = visible[local % len(visible)] if visible else str(local)
