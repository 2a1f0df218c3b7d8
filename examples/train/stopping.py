"""Stop a long run when it is asked to, at a place where it can go on later."""

from __future__ import annotations

import signal
import threading


class StopSignals:
    """While the with-block runs, Ctrl-C and SIGTERM only set `asked`: who works in it looks and stops where it is fit.

    A second one stops at once, with a KeyboardInterrupt. status: the exit status that tells of the signal, as shells
    count (128 + its number). Only the main thread receives signals; in another one nothing is changed.
    """

    def __init__(self) -> None:
        self.asked = ""
        self.status = 0
        self._before: dict = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: object) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        self.status = 128 + number
