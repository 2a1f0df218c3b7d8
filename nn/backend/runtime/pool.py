"""Work that is cut into parts, and the threads among which the parts are shared out.

A layer cuts its work into independent parts (some images each), and `run_parallel` hands the parts to a pool of Python
threads, the workers. Python threads serve because matrix products and compiled kernels release the interpreter's lock.
Compiled loops that need no Python at all are shared out by `tasks`, among the same workers: that takes a fiftieth of
the time, and `in_parts` asks for it.

Where a sum is cut, its parts depend on the shapes of the arrays alone, never on the number of threads, and are
added in a fixed order: one thread and two give the same bits.
"""

from __future__ import annotations

import atexit
import os
import queue
import threading
import time
from _thread import start_new_thread
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from nn.backend.runtime import tasks
from nn.backend.runtime.blas import single_threaded_blas
from nn.backend.runtime.threads import num_threads

PART_SIZE = 1 << 13  # numbers that a compiled loop works through in some microseconds: worth a part
WAKING_SIZE = 1 << 17  # worth waking a worker that sleeps


@single_threaded_blas
def run_parallel(function: Callable[[Any], None], parts: Iterable[Any], like: Any = None) -> None:
    """Call `function(part)` once for every part, on all threads; return when all are done.

    like: an array that is worked on. A GPU has threads of its own: for its arrays the calling thread alone starts the
    work.

    The parts must be independent: no two may write to the same memory. The calling thread takes its share.
    After an exception in any part, or an interrupt at any moment, no other part is begun; it is raised here when those
    under way are done.
    """
    parts = list(parts)
    workers = min(num_threads(), len(parts)) - 1 if on_cpu(like) else 0
    if workers < 1:
        for part in parts:
            function(part)
        return
    job = _Job(function, parts)
    try:
        jobs = _pool.jobs(workers)
        for _ in range(workers):
            jobs.put(job.help)
        tasks.slot[tasks.WAKE_COUNT] += 1  # workers that spin turn to the queue
        job.work()
    finally:
        try:
            job.close()
        except BaseException:  # an interrupt, perhaps before anything was done
            job.close()
            raise
    if job.errors:
        raise job.errors[0]


def in_parts(units: int, size: int, a_thread: int = 4) -> tuple[int, int, int]:
    """What tells a compiled loop to do this many units of work on all threads together (`nn.backend.runtime.tasks`).

    size: of the whole work, in numbers that are read or written. a_thread: parts for each thread; with more of them,
    threads that are not equally fast end at the same time.
    """
    workers = num_threads() - 1
    parts = min(units, a_thread * (workers + 1), size // PART_SIZE)
    noting = tasks.noting  # for `sequence`; read once, as another thread may end it
    if noting and noting[0] == threading.get_ident():
        noting[2].append((parts, size))
        return -1, units, noting[1]
    if parts < 2 or workers < 1 or not tasks.USABLE:
        return 0, units, 0
    spinning = int(tasks.slot[tasks.SPINNING])
    if size >= WAKING_SIZE and spinning < workers:
        _pool.wake(workers)
    elif not spinning:
        return 0, units, 0
    tasks.slot[tasks.LIMIT] = workers
    return -parts, units, tasks.ADDRESS


class _Job:
    """The parts of one `run_parallel`: each thread takes the next when it has finished one."""

    def __init__(self, function: Callable[[Any], None], parts: list) -> None:
        self.function = function
        self.errors: list[BaseException] = []
        self._remaining = iter(parts)
        self._lock = threading.Lock()
        self._at_work = 0
        self._closed = False
        self._left = threading.Lock()  # held until the last worker has left
        self._left.acquire()

    def work(self) -> None:
        nothing = object()
        while not (self.errors or self._closed):
            with self._lock:
                part = next(self._remaining, nothing)
            if part is nothing:
                return
            self.function(part)

    def help(self) -> None:
        """What a worker does. One that comes too late finds the job closed, and nothing waits for it."""
        with self._lock:
            if self._closed:
                return
            self._at_work += 1
        # Each thread has a setting of its own, and users set the calling one's. It is set for every job, as NumPy 1 may
        # forget it when another thread goes back to the default.
        np.seterr(all="ignore")
        try:
            self.work()
        except BaseException as error:  # run_parallel raises it in its own thread
            self.errors.append(error)
        with self._lock:
            self._at_work -= 1
            if self._closed and not self._at_work:
                self._left.release()

    def close(self) -> None:
        """Wait for the workers that have begun: nothing may be written when run_parallel has returned.

        An interrupt can come between any two steps, also when the lock has been acquired already. So whether to wait
        (again) depends on how many are at work, never on what was waited for before.
        """
        interrupt = None
        at_work = True
        while at_work:
            try:
                with self._lock:
                    self._closed = True
                    at_work = self._at_work > 0
                if at_work:
                    self._left.acquire()
            except BaseException as error:
                interrupt = error
        self.function, self._remaining = None, iter(())  # a worker that comes too late keeps no arrays alive
        if interrupt is not None:
            raise interrupt


def split(count: int, parts: int, like: Any = None) -> list[slice]:
    """Cut range(count) into at most `parts` slices of nearly equal length; for an array `like` one of a GPU, which is
    best at large pieces, into one."""
    parts = min(parts, count) if on_cpu(like) else 1
    if parts <= 1:
        return [slice(0, count)]
    edges = [count * i // parts for i in range(parts + 1)]
    return [slice(start, stop) for start, stop in zip(edges[:-1], edges[1:], strict=True)]


def split_images(images: Any, smallest: int = 1 << 16) -> list[slice]:
    """Cut a batch into slices of whole images, none with fewer than `smallest` elements.

    For work in which each image's result depends on that image alone, so that the cut does not change it.
    """
    parts = min(4 * num_threads(), images.size // smallest) if num_threads() > 1 else 1
    return split(len(images), parts, like=images)


def on_cpu(array: Any) -> bool:
    """Whether it is an array of NumPy's, or none at all."""
    return array is None or isinstance(array, np.ndarray)


class _Pool:
    """The workers: threads that take jobs from a queue, spin for compiled work for a moment, and sleep."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.spins = 4000  # so often, for a millisecond or two, a worker looks for compiled work before it sleeps
        self._queue: queue.SimpleQueue | None = None
        self._workers = 0  # threads that take jobs from the queue

    def jobs(self, workers: int) -> queue.SimpleQueue:
        """The queue from which so many workers, at least, take their jobs."""
        with self.lock:
            if self._queue is None:
                if tasks.USABLE:
                    tasks.prepare()
                    atexit.register(self._stop)
                self._queue, self._workers = queue.SimpleQueue(), 0
            while self._workers < workers:
                # threading.Thread's start is many steps long, and an interrupt between two of them is lost or makes an
                # error of another kind. This is one step. (An interrupt right after it leaves one worker more: it
                # sleeps.)
                start_new_thread(self._work, (self._queue,))
                self._workers += 1
            return self._queue

    def wake(self, workers: int) -> None:
        """Have so many workers spin for compiled work."""
        jobs = self.jobs(workers)
        for _ in range(workers - int(tasks.slot[tasks.SPINNING]) - jobs.qsize()):
            jobs.put(_wake_up)

    def after_fork(self) -> None:
        """The child has none of its parent's threads."""
        self._queue = None
        tasks.forget()
        self.lock.release()

    def _work(self, jobs: queue.SimpleQueue) -> None:
        """What a worker does until the process ends: jobs, spinning for compiled work, and sleep when there is none."""
        while True:
            wake_count = int(tasks.slot[tasks.WAKE_COUNT])
            try:
                job = jobs.get_nowait()
            except queue.Empty:
                if tasks.USABLE and tasks.spin(tasks.ADDRESS, wake_count, self.spins):
                    continue  # woken: there is a job
                job = jobs.get()
            job()

    def _stop(self) -> None:
        """Before the process ends: no worker may spin on a job slot whose memory is given back."""
        self.spins = 0
        tasks.slot[tasks.WAKE_COUNT] += 1
        while tasks.slot[tasks.SPINNING]:
            time.sleep(0.0001)


def _wake_up() -> None:
    """A job for a worker that sleeps: after every job it spins for compiled work."""


_pool = _Pool()

if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    # A process is never doubled while workers are being started.
    os.register_at_fork(before=_pool.lock.acquire, after_in_parent=_pool.lock.release, after_in_child=_pool.after_fork)
