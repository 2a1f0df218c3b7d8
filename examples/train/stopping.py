"""Stop a long run when it is asked to, at a place where it can go on later."""

from __future__ import annotations

import signal
import threading
import time


class StopSignals:
    """While the with-block runs, Ctrl-C and SIGTERM only set `asked`: who works in it looks and stops where it is fit.
    SIGUSR1 is Ctrl-C by another way: a launcher sends it, as mpiexec may not hand on the other.

    A second one stops at once, with a KeyboardInterrupt; but not within `twice` seconds: the first may come again from
    mpiexec. status: the exit status that tells of the signal, as shells
    count (128 + its number). Only the main thread receives signals; in another one nothing is changed.
    """

    def __init__(self, twice: float = 0.0) -> None:
        self.twice = twice
        self.asked = ""
        self.status = 0
        self._before: dict = {}
        self._when = 0.0

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGUSR1", signal.SIGTERM)):
                self._before.setdefault(number, signal.signal(number, self._receive))
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: object) -> None:
        if self.asked:
            if time.monotonic() - self._when < self.twice:
                return
            raise KeyboardInterrupt
        self.ask(number if number == signal.SIGTERM else signal.SIGINT)

    def ask(self, number: int = signal.SIGINT) -> None:
        """Ask to stop, as the signal of this number does."""
        self.asked = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        self.status, self._when = 128 + number, time.monotonic()
