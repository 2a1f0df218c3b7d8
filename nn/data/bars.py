"""How far long work is: a bar in a terminal; where stderr is a log or a pipe, a line now and then."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from typing import TextIO

from tqdm import tqdm

EVERY = 10  # seconds from one line to the next; work that takes less prints none


class Lines:
    """As much of tqdm as is used here, in lines of their own: "crops: 120 of 600 img, 20%, 11 s, about 44 s left"."""

    disable = False

    def __init__(
        self,
        iterable: Iterable | None = None,
        total: int | None = None,
        desc: str = "",
        unit: str = "it",
        initial: int = 0,
        leave: bool = True,  # of a bar, whether it stays when it has ended; lines stay
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.iterable, self.desc, self.unit = iterable, desc, unit
        self.total = len(iterable) if total is None and hasattr(iterable, "__len__") else total
        self.n = self.initial = initial
        self.postfix = ""
        self._clock = clock or monotonic
        self._begun = self._printed = self._clock()

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __iter__(self) -> Iterator:
        for item in self.iterable:
            yield item
            self.update()

    def update(self, n: int = 1) -> None:
        """So many more are done: print a line if the last one is EVERY seconds old."""
        self.n += n
        now = self._clock()
        if now - self._printed >= EVERY:
            self._printed = now
            print(self._line(now - self._begun), file=sys.stderr, flush=True)

    def set_postfix_str(self, text: str, refresh: bool = True) -> None:
        self.postfix = text

    @staticmethod
    def write(text: str, file: TextIO | None = None) -> None:
        print(text, file=file or sys.stdout, flush=True)

    def close(self) -> None:
        """A bar would stay; lines have said what there was to say."""

    def _line(self, seconds: float) -> str:
        said = [f"{self.desc}: {self.n:,} {self.unit}", f"{seconds:.0f} s"]
        if self.total:
            left = seconds / max(1, self.n - self.initial) * (self.total - self.n)
            said[0] = f"{self.desc}: {self.n:,} of {self.total:,} {self.unit}, {self.n / self.total:.0%}"
            said.append(f"about {left:.0f} s left")
        return ", ".join([*said, *([self.postfix] if self.postfix else [])])


def bar(iterable: Iterable | None = None, is_shown: bool = True, **arguments) -> tqdm | Lines:
    """A bar of tqdm's, or `Lines`, of these arguments of tqdm's: total, desc, unit, initial, leave. is_shown: False:
    nothing is printed."""
    if is_shown and not sys.stderr.isatty():
        return Lines(iterable, **arguments)
    return tqdm(iterable, disable=not is_shown, dynamic_ncols=True, **arguments)
