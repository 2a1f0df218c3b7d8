"""Two ways to use all cores at once fight each other; this file settles who wins.

BLAS (the library behind every matrix product of NumPy) starts threads of its own. So would numba. When both
do, each waits for cores that the other holds, and a training step takes up to twice as long. Here the cores
belong to neither: a layer cuts its work into independent parts (some images each), `run_parallel` hands the
parts to a few Python threads, and inside a part everything, matrix products included, is single-threaded.
Python threads serve because matrix products and compiled kernels release the interpreter's lock. Compiled loops that
need no Python at all are shared out by `tasks`, among the same threads: that takes a fiftieth of the time.

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
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from nn.backend.runtime import tasks

PART_SIZE = 1 << 13  # numbers that a compiled loop works through in some microseconds: worth a part
WAKING_SIZE = 1 << 17  # worth waking a thread that sleeps
PATIENCE = 4000  # so often, for a millisecond or two, a helping thread looks out for work before it sleeps

QUOTA = Path("/sys/fs/cgroup/cpu.max")  # in a container, on Linux

_lock = threading.RLock()
_number: int | None = None
_queue: queue.SimpleQueue | None = None
_helpers = 0  # threads that take work from the queue


def num_threads() -> int:
    """The number of threads in use: the environment's NUM_THREADS, else one for each core that is ours."""
    global _number
    if _number is None:
        wish = os.environ.get("NUM_THREADS", "")
        if wish and not (wish.isdigit() and int(wish) > 0):
            raise ValueError(f"NUM_THREADS is {wish!r}, expected a whole number of at least 1")
        _number = int(wish) if wish else available_cores()
    return _number


def available_cores() -> int:
    """How many cores this process may use: those that it may run on; fewer where a container has less time on them."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):  # no such file, or "max"
        quota, period = map(int, QUOTA.read_text().split())
        return max(1, min(cores, quota // period))
    return cores


def set_num_threads(number: int) -> None:
    """Use this many threads from now on."""
    global _number
    if not isinstance(number, int) or number < 1:
        raise ValueError(f"the number of threads is {number!r}, expected a whole number of at least 1")
    _number = number


def single_threaded_blas(function: Callable) -> Callable:
    """A decorator: BLAS is held to one thread while the function runs, in whichever threads it runs.

    `run_parallel` is such a function; so is a whole pass of a network, which spares each layer the switching.
    """

    @wraps(function)
    def held(*arguments, **named):
        user = threading.get_ident(), object()
        try:
            _blas.hold(user)
            result = function(*arguments, **named)
        finally:
            try:
                _blas.leave(user)
            except BaseException:  # an interrupt, perhaps before anything was done
                _blas.leave(user)
                raise
        return result

    return held


@single_threaded_blas
def run_parallel(function: Callable[[Any], None], parts: Iterable[Any], like: Any = None) -> None:
    """Call `function(part)` once for every part, on all threads; return when all are done.

    like: an array that is worked on. A graphics card has threads of its own: for its arrays the calling thread alone
    starts the work.

    The parts must be independent: no two may write to the same memory. The calling thread takes its share.
    After an exception in any part, or an interrupt at any moment, no other part is begun; it is raised here when those
    under way are done.
    """
    parts = list(parts)
    helpers = min(num_threads(), len(parts)) - 1 if on_cpu(like) else 0
    if helpers < 1:
        for part in parts:
            function(part)
        return
    shared = _Shared(function, parts)
    try:
        jobs = _jobs(helpers)
        for _ in range(helpers):
            jobs.put(shared.help)
        tasks.board[tasks.CALLS] += 1  # whoever looks out for compiled work
        shared.work()
    finally:
        try:
            shared.close()
        except BaseException:  # an interrupt, perhaps before anything was done
            shared.close()
            raise
    if shared.errors:
        raise shared.errors[0]


def in_parts(units: int, size: int, a_thread: int = 4) -> tuple[int, int, int]:
    """What tells a compiled loop to see to so many units of work, all threads together (`nn.backend.runtime.tasks`).

    size: of the whole work, in numbers that are read or written. a_thread: parts for each thread; with more of them,
    threads that are not equally fast end at the same time.
    """
    helpers = num_threads() - 1
    parts = min(units, a_thread * (helpers + 1), size // PART_SIZE)
    if parts < 2 or helpers < 1 or not tasks.USABLE:
        return 0, units, 0
    looking = int(tasks.board[tasks.LOOKING])
    if size >= WAKING_SIZE and looking < helpers:
        _wake(helpers)
    elif not looking:
        return 0, units, 0
    tasks.board[tasks.LIMIT] = helpers
    return -parts, units, tasks.ADDRESS


def _wake(helpers: int) -> None:
    """Have so many threads look out for compiled work."""
    jobs = _jobs(helpers)
    for _ in range(helpers - int(tasks.board[tasks.LOOKING]) - jobs.qsize()):
        jobs.put(_look_out)


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
        while not (self.errors or self._closed):
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
        """Wait for the helpers that have begun: nothing may be written when run_parallel has returned.

        An interrupt can come between any two steps, also when the lock has been acquired already. So whether to wait
        (again) depends on how many helpers there are, never on what was waited for before.
        """
        interrupt = None
        helping = True
        while helping:
            try:
                with self._lock:
                    self._closed = True
                    helping = self._helping > 0
                if helping:
                    self._left.acquire()
            except BaseException as error:
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


def _jobs(helpers: int) -> queue.SimpleQueue:
    """The queue from which so many helping threads, at least, take what they do."""
    global _queue, _helpers
    with _lock:
        if _queue is None:
            if tasks.USABLE:
                tasks.prepare()
                atexit.register(_call_away)
            _queue, _helpers = queue.SimpleQueue(), 0
        while _helpers < helpers:
            # threading.Thread's start is many steps long, and an interrupt between two of them is lost or makes an
            # error of another kind. This is one step. (An interrupt right after it leaves one thread more: it sleeps.)
            start_new_thread(_help, (_queue,))
            _helpers += 1
        return _queue


def _help(jobs: queue.SimpleQueue) -> None:
    """What a helping thread does, until the process ends: look out for compiled work, and sleep when there is none."""
    while True:
        calls = int(tasks.board[tasks.CALLS])
        try:
            task = jobs.get_nowait()
        except queue.Empty:
            if tasks.USABLE and tasks.look_out(tasks.ADDRESS, calls, PATIENCE):
                continue  # called away: there is a task
            task = jobs.get()
        task()


def _call_away() -> None:
    """Before the process ends: nobody may look at a board whose memory is given back."""
    global PATIENCE
    PATIENCE = 0
    tasks.board[tasks.CALLS] += 1
    while tasks.board[tasks.LOOKING]:
        time.sleep(0.0001)


def _look_out() -> None:
    """A task for a helping thread that sleeps: it looks out for compiled work after every task."""


def blas_libraries() -> list:
    """The BLAS libraries of this process, as threadpoolctl controls them."""
    return [library for library in ThreadpoolController().lib_controllers if library.user_api == "blas"]


class _Blas:
    """The number of BLAS's threads: one while anybody is inside; the last to leave restores what was set before.

    Python can stop between any two steps here, to raise KeyboardInterrupt or to call somebody's signal handler, which
    may run a network itself. So each user is entered by name, not counted, and both functions can be repeated: they
    bring things to where they should be from wherever they are.
    """

    def __init__(self) -> None:
        self._libraries: list | None = None
        self._users: set[tuple[int, object]] = set()  # a thread's number, and an object for each call of `held` in it
        self._before: list[int] | None = None  # the numbers to restore; None: nothing is to be restored
        self._is_held = False

    def hold(self, user: tuple[int, object]) -> None:
        with _lock:
            self._users.add(user)
            if not self._is_held:
                if self._libraries is None:
                    self._libraries = blas_libraries()
                before = [library.get_num_threads() for library in self._libraries]
                if self._before is None:  # nor did a signal handler's network set it meanwhile, and the number to one
                    self._before = before
                self._set([1] * len(self._libraries))
                self._is_held = True

    def leave(self, user: tuple[int, object]) -> None:
        with _lock:
            self._users.discard(user)
            before = self._before
            if not self._users and before is not None:
                self._is_held = False
                self._set(before)
                self._before = None

    def after_fork(self) -> None:
        """In the child there is one thread only: who was inside in others will never leave."""
        self._users = {user for user in self._users if user[0] == threading.get_ident()}
        self.leave((0, None))

    def _set(self, numbers: list[int]) -> None:
        for library, number in zip(self._libraries, numbers, strict=True):
            # Since 3.8 threadpoolctl ignores whoever is not the first thread that ever set a number, until this:
            getattr(library, "clear_controlling_thread", _nothing)(force=True)
            library.set_num_threads(number)


def _nothing(**_) -> None:
    """What older versions of threadpoolctl need."""


_blas = _Blas()


def _start_anew() -> None:
    """After a fork the child has none of its parent's threads."""
    global _queue
    _queue = None
    tasks.forget()
    _lock.release()
    _blas.after_fork()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    # Nobody is in the middle of starting threads or of setting BLAS's number when the process is doubled.
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_start_anew)
