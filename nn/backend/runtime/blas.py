"""BLAS, the library behind every matrix product of NumPy, has one thread while a network computes.

BLAS starts threads of its own. So does `pool`. When both do, each waits for cores that the other holds, and a training
step takes up to twice as long. So the cores belong to the pool: its workers compute whole parts of a layer each, and
inside a part everything, matrix products included, is single-threaded.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import wraps

from threadpoolctl import ThreadpoolController


def single_threaded_blas(function: Callable) -> Callable:
    """A decorator: BLAS is held to one thread while the function runs, in whichever threads it runs.

    `pool.run_parallel` is such a function; so is a whole pass of a network, which spares each layer the switching.
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


def blas_libraries() -> list:
    """The BLAS libraries of this process, as threadpoolctl controls them."""
    return [library for library in ThreadpoolController().lib_controllers if library.user_api == "blas"]


class _Blas:
    """The number of BLAS's threads: one while it has a user; the last to leave restores what was set before.

    Python can stop between any two steps here, to raise KeyboardInterrupt or to call a signal handler, which may run a
    network itself. So each user is entered by name, not counted, and both functions can be repeated: they bring things
    to where they should be from wherever they are.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._libraries: list | None = None
        self._users: set[tuple[int, object]] = set()  # a thread's number, and an object for each call of `held` in it
        self._before: list[int] | None = None  # the numbers to restore; None: nothing is to be restored
        self._is_held = False

    def hold(self, user: tuple[int, object]) -> None:
        with self.lock:
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
        with self.lock:
            self._users.discard(user)
            before = self._before
            if not self._users and before is not None:
                self._is_held = False
                self._set(before)
                self._before = None

    def after_fork(self) -> None:
        """In the child there is one thread only: users in other threads will never leave."""
        self.lock.release()
        self._users = {user for user in self._users if user[0] == threading.get_ident()}
        self.leave((0, None))

    def _set(self, numbers: list[int]) -> None:
        for library, number in zip(self._libraries, numbers, strict=True):
            # From 3.8 on threadpoolctl ignores all but the first thread that ever set a number, until this:
            getattr(library, "clear_controlling_thread", _nothing)(force=True)
            library.set_num_threads(number)


def _nothing(**_) -> None:
    """What older versions of threadpoolctl need."""


_blas = _Blas()

if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    # A process is never doubled while the number is being set.
    os.register_at_fork(before=_blas.lock.acquire, after_in_parent=_blas.lock.release, after_in_child=_blas.after_fork)
