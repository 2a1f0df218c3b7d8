"""Two ways to use all cores at once fight each other; this file settles who wins.

BLAS (the library behind every matrix product of NumPy) starts threads of its own. So would numba. When both
do, each waits for cores that the other holds, and a training step takes up to twice as long. Here the cores
belong to neither: a layer cuts its work into independent parts (some images each), `run_parallel` hands the
parts to a few Python threads, and inside a part everything, matrix products included, is single-threaded.
Python threads serve because matrix products and compiled kernels release the interpreter's lock. Compiled loops that
need no Python at all are shared out by `nn.sharing`, among the same threads: that takes a fiftieth of the time.

Where a sum is cut, its parts depend on the shapes of the arrays alone, never on the number of threads, and are
added in a fixed order: one thread and two give the same bits.
"""

from __future__ import annotations

import atexit
import os
import queue
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import ContextDecorator
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from nn import cores, sharing

PART_SIZE = 1 << 13  # numbers that a compiled loop works through in some microseconds: worth a part
WAKING_SIZE = 1 << 17  # worth waking a thread that sleeps
PATIENCE = 4000  # so often, for a millisecond or two, a helping thread looks out for work before it sleeps

_lock = threading.RLock()
_number: int | None = None
_queue: queue.SimpleQueue | None = None
_helpers: list[int] = []  # the system's numbers for the helping threads


def num_threads() -> int:
    """The number of threads in use: the environment's NUM_THREADS, else one for each core that is ours."""
    global _number
    if _number is None:
        wish = os.environ.get("NUM_THREADS", "")
        if wish and not (wish.isdigit() and int(wish) > 0):
            raise ValueError(f"NUM_THREADS is {wish!r}, expected a whole number of at least 1")
        _number = int(wish) if wish else cores.available()
    return _number


def set_num_threads(number: int) -> None:
    """Use this many threads from now on."""
    global _number
    if not isinstance(number, int) or number < 1:
        raise ValueError(f"the number of threads is {number!r}, expected a whole number of at least 1")
    _number = number


def run_parallel(function: Callable[[Any], None], parts: Iterable[Any], like: Any = None) -> None:
    """Call `function(part)` once for every part, on all threads; return when all are done.

    like: an array that is worked on. A graphics card has threads of its own: for its arrays the calling thread alone
    starts the work.

    The parts must be independent: no two may write to the same memory. The calling thread takes its share.
    After an exception in any part no other is begun; it is raised here when those under way are done.
    """
    parts = list(parts)
    helpers = min(num_threads(), len(parts)) - 1 if on_cpu(like) else 0
    with single_threaded_blas:
        if helpers < 1:
            for part in parts:
                function(part)
            return
        shared = _Shared(function, parts)
        tasks = _tasks(helpers)
        lent: set[int] = set()
        try:
            cores.part(_helpers, lent)
            for _ in range(helpers):
                tasks.put(shared.help)
            sharing.board[sharing.CALLS] += 1  # whoever looks out for compiled work
            shared.work()
        finally:
            try:
                shared.close()
            finally:  # after an interrupt, too
                cores.rejoin(lent)
        if shared.errors:
            raise shared.errors[0]


def in_parts(units: int, size: int, a_thread: int = 4) -> tuple[int, int, int]:
    """What tells a compiled loop to see to so many units of work, all threads together (`nn.sharing`).

    size: of the whole work, in numbers that are read or written. a_thread: parts for each thread; with more of them,
    threads that are not equally fast end at the same time.
    """
    helpers = num_threads() - 1
    parts = min(units, a_thread * (helpers + 1), size // PART_SIZE)
    if parts < 2 or helpers < 1 or not sharing.USABLE:
        return 0, units, 0
    looking, wanted = int(sharing.board[sharing.LOOKING]), helpers if size >= WAKING_SIZE else 0
    if looking < wanted or cores.are_parted_too_long():
        _wake(wanted)
    elif not looking:
        return 0, units, 0
    sharing.board[sharing.LIMIT] = helpers
    return -parts, units, sharing.ADDRESS


def _wake(helpers: int) -> None:
    """Have so many threads look out for compiled work."""
    tasks = _tasks(helpers)
    lent: set[int] = set()
    try:
        cores.part(_helpers, lent)
        for _ in range(helpers - int(sharing.board[sharing.LOOKING]) - tasks.qsize()):
            tasks.put(_look_out)
    finally:
        cores.rejoin(lent)


class _Shared:
    """The parts of one `run_parallel`: each thread takes the next when it has finished one."""

    def __init__(self, function: Callable[[Any], None], parts: list) -> None:
        self.function = function
        self.errors: list[BaseException] = []
        self._remaining = iter(parts)
        self._lock = threading.Lock()
        self._helping = 0
        self._closed = False
        self._left = threading.Lock()  # held until the last helper has left
        self._left.acquire()

    def work(self) -> None:
        nothing = object()
        while not self.errors:
            with self._lock:
                part = next(self._remaining, nothing)
            if part is nothing:
                return
            self.function(part)

    def help(self) -> None:
        """What a helping thread does. One that comes too late finds the work closed; nobody waits for it."""
        with self._lock:
            if self._closed:
                return
            self._helping += 1
        try:
            self.work()
        except BaseException as error:  # run_parallel raises it in its own thread
            self.errors.append(error)
        with self._lock:
            self._helping -= 1
            if self._closed and not self._helping:
                self._left.release()

    def close(self) -> None:
        """Wait for the helpers that have begun: nothing may be written when run_parallel has returned."""
        with self._lock:
            self._closed = True
            waiting = self._helping > 0
        interrupt = None
        while waiting:
            try:
                self._left.acquire()
                waiting = False
            except KeyboardInterrupt as error:
                interrupt = error
        self.function, self._remaining = None, iter(())  # a helper that comes too late keeps no arrays alive
        if interrupt is not None:
            raise interrupt


def split(count: int, parts: int, like: Any = None) -> list[slice]:
    """Cut range(count) into at most `parts` slices of nearly equal length; work on an array `like` one of a graphics
    card, which is best at large pieces, into one."""
    parts = min(parts, count) if on_cpu(like) else 1
    if parts <= 1:
        return [slice(0, count)]
    edges = [count * i // parts for i in range(parts + 1)]
    return [slice(start, stop) for start, stop in zip(edges[:-1], edges[1:], strict=True)]


def split_images(images: Any, smallest: int = 1 << 16) -> list[slice]:
    """Cut a batch into slices of whole images, none with fewer than `smallest` elements.

    For work in which each image's result depends on that image alone, so that the cut changes no bit.
    """
    parts = min(4 * num_threads(), images.size // smallest) if num_threads() > 1 else 1
    return split(len(images), parts, like=images)


def on_cpu(array: Any) -> bool:
    """Whether it is an array of NumPy's, or none at all."""
    return array is None or isinstance(array, np.ndarray)


def _tasks(helpers: int) -> queue.SimpleQueue:
    """The queue from which so many helping threads, at least, take what they do."""
    global _queue
    with _lock:
        if _queue is None:
            if sharing.USABLE:
                sharing.prepare()
                atexit.register(_call_away)
            _queue = queue.SimpleQueue()
            _helpers.clear()
        while len(_helpers) < helpers:
            helper = threading.Thread(target=_help, args=(_queue,), name=f"layers-{len(_helpers)}", daemon=True)
            helper.start()
            _helpers.append(helper.native_id)
        return _queue


def _help(tasks: queue.SimpleQueue) -> None:
    """What a helping thread does, until the process ends: look out for compiled work, and sleep when there is none."""
    while True:
        calls = int(sharing.board[sharing.CALLS])
        try:
            task = tasks.get_nowait()
        except queue.Empty:
            if sharing.USABLE and sharing.look_out(sharing.ADDRESS, calls, PATIENCE):
                continue  # called away: there is a task
            task = tasks.get()
        task()


def _call_away() -> None:
    """Before the process ends: nobody may look at a board whose memory is given back."""
    global PATIENCE
    PATIENCE = 0
    sharing.board[sharing.CALLS] += 1
    while sharing.board[sharing.LOOKING]:
        time.sleep(0.0001)


def _look_out() -> None:
    """A task for a helping thread that sleeps: it looks out for compiled work after every task."""


class _SingleThreadedBlas(ContextDecorator):
    """Hold BLAS to one thread while anybody is inside; the last to leave restores what was set before.

    The count of users is what makes this safe when several Python threads use networks at once. `run_parallel` enters
    here by itself; a network does so for a whole pass, which spares each layer the switching.
    """

    def __init__(self) -> None:
        self._libraries: list | None = None
        self._users = 0
        self._before: list[int] = []

    def __enter__(self) -> None:
        with _lock:
            if self._users == 0:
                self._hold()
            self._users += 1

    def __exit__(self, *error) -> None:
        with _lock:
            self._users -= 1
            if self._users == 0:
                for library, before in zip(self._libraries, self._before, strict=True):
                    library.set_num_threads(before)

    def _hold(self) -> None:
        if self._libraries is None:
            found = ThreadpoolController().lib_controllers
            self._libraries = [library for library in found if library.user_api == "blas"]
        self._before = [library.get_num_threads() for library in self._libraries]
        for library in self._libraries:
            library.set_num_threads(1)


single_threaded_blas = _SingleThreadedBlas()


def _forget_threads() -> None:
    """After a fork the child has none of its parent's threads: start anew."""
    global _queue, _lock
    _queue, _lock = None, threading.RLock()
    sharing.forget()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_forget_threads)
