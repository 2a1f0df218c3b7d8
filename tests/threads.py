"""Ranks in the threads of one process, which meet in memory instead of by MPI: for tests that need no mpiexec, see what
each rank ends with, and count what it sends."""

from __future__ import annotations

import pickle
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import Any
from unittest import mock

import numpy as np

from nn.parallel import Ranks, ranks

LIMIT = 60  # seconds, after which a thread must be waiting for one that does not come


class Meeting:
    """What the threads have in common."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.barrier = threading.Barrier(size, timeout=LIMIT)
        self.brought: list[Any] = [None] * size
        self.letters: dict[tuple[int, int], SimpleQueue] = defaultdict(SimpleQueue)
        self.lock = threading.Lock()


class World:
    """As much of an MPI communicator as `Ranks` needs. sent: the bytes of arrays that this rank has sent to others."""

    def __init__(self, meeting: Meeting, rank: int) -> None:
        self.meeting, self.rank, self.sent = meeting, rank, 0

    def Get_rank(self) -> int:
        return self.rank

    def Get_size(self) -> int:
        return self.meeting.size

    def allgather(self, thing: Any) -> list:
        return [pickle.loads(each) for each in self._all(pickle.dumps(thing))]

    def _all(self, thing: Any) -> list:
        self.meeting.brought[self.rank] = thing
        self.meeting.barrier.wait()
        brought = list(self.meeting.brought)
        self.meeting.barrier.wait()
        return brought

    def bcast(self, thing: Any, root: int) -> Any:
        return self.allgather(thing)[root]

    def Bcast(self, array: np.ndarray, root: int) -> None:
        array[...] = self._all(array.copy())[root]

    def Allgatherv(self, part: np.ndarray, into: list) -> None:
        whole, (counts, starts) = into
        assert part.shape == (counts[self.rank],) and part.dtype == whole.dtype and whole.flags.c_contiguous
        for each, count, start in zip(self._all(part.copy()), counts, starts):
            whole[start : start + count] = each
        self.sent += (self.meeting.size - 1) * part.nbytes

    def Alltoallv(self, out: list, into: list) -> None:
        numbers, (counts, starts) = out
        pieces, (expected, places) = into
        assert numbers.shape == (sum(counts),) and numbers.flags.c_contiguous
        parcels = [numbers[start : start + count].copy() for start, count in zip(starts, counts)]
        for each, count, place in zip(self._all(parcels), expected, places):
            pieces[place : place + count] = each[self.rank]
        self.sent += numbers.nbytes - parcels[self.rank].nbytes

    def Isend(self, message: np.ndarray, other: int, tag: int) -> Request:
        self._letters(self.rank, other).put(message.copy())
        return Request(self.meeting)

    def Irecv(self, into: np.ndarray, other: int, tag: int) -> Request:
        return Request(self.meeting, into, self._letters(other, self.rank))

    def _letters(self, sender: int, reader: int) -> SimpleQueue:
        with self.meeting.lock:
            return self.meeting.letters[sender, reader]


class Request:
    """A message on its way."""

    def __init__(self, meeting: Meeting, into: np.ndarray | None = None, letters: SimpleQueue | None = None) -> None:
        self.meeting, self.into, self.letters = meeting, into, letters
        self.begun = time.monotonic()

    def Test(self) -> bool:
        if self.meeting.barrier.broken or time.monotonic() - self.begun > LIMIT:
            raise threading.BrokenBarrierError
        try:
            self.into[...] = self.letters.get_nowait()
        except Empty:
            return False
        return True

    def Wait(self) -> None:
        pass


def in_threads(size: int, work: Callable[[Ranks], Any]) -> list:
    """What work(ranks) returns on each of so many ranks. Where it raises on one, that is raised here."""
    meeting = Meeting(size)

    def one(rank: int) -> Any:
        try:
            return work(Ranks(World(meeting, rank)))
        except BaseException:
            meeting.barrier.abort()
            raise

    # Only a process of its own can be ended for the others' sake.
    with mock.patch.object(ranks, "end_together", lambda _: None), ThreadPoolExecutor(size) as pool:
        found = [pool.submit(one, rank) for rank in range(size)]
    errors = [error for error in (each.exception() for each in found) if error is not None]
    if errors:
        raise next((error for error in errors if not isinstance(error, threading.BrokenBarrierError)), errors[0])
    return [each.result() for each in found]
