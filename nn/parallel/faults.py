"""Where one rank fails, all end, and one sentence says which it was.

MPI ends all ranks where one is killed. But one that ends by an exception, or by sys.exit, waits in MPI's last function
for the others, and they wait for it in whatever they do next: for ever.
"""

from __future__ import annotations

import atexit
import sys
import time
import traceback
from types import TracebackType
from typing import Any

LET_SPEAK = 5  # seconds that a rank leaves to another to say why all end
EXPECTED = (OSError, MemoryError)  # which the sentence says enough about


class RanksError(RuntimeError):
    """What all ranks have found out alike, so that it is enough if rank 0 says it."""


def end_together(ranks: Any) -> None:
    """From now on an exception that nobody catches, and an end before the others', end all ranks."""

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        fail(ranks, error)

    def early() -> None:
        if ranks.busy:
            ranks.abort(f"{ranks.name} ended before the others, so all ranks were ended{ranks.remedy}")

    sys.excepthook = hook
    atexit.register(early)


def fail(ranks: Any, error: BaseException, expected: tuple[type[BaseException], ...] = EXPECTED) -> None:
    """End all because of this exception, with a sentence; before it comes where it was raised, but not for those that
    are `expected`: it would say nothing more. It does not return."""
    if isinstance(error, RanksError):
        if not ranks.first:
            time.sleep(LET_SPEAK)
        ranks.abort(f"{error}{ranks.remedy}")
    if not isinstance(error, expected):
        traceback.print_exception(type(error), error, error.__traceback__, file=sys.__stderr__)
    said = " ".join(str(error).split())
    what = f"{type(error).__name__}: {said}" if said else type(error).__name__
    ranks.abort(f"{ranks.name} failed with {what}; all ranks were ended{ranks.remedy}")
