"""Compiled loops one after the other, without Python between them.

To call a compiled loop from Python takes a microsecond: numba looks at each argument. LeNet's loops take one each for a
single digit, but for its first. And after a large loop Python takes twenty times as long, as nothing that it needs is
left in the processor's cache. So for who calls the same loops with the same arrays again and again, they are noted
once: where a loop's code is, and what it was called with. From then on one compiled function calls them all.

    loops = [note(partial(relu, x, x)), note(partial(sigmoid, x, y))]
    in_sequence(loops)()

Noted are addresses: x, y and all other arrays that the loops were called with must be kept. Threads share large loops
out as ever, in as many parts as when they were noted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import cache, partial

import numpy as np
from numba import types
from numba.core import cgutils
from numba.core.ccallback import CFunc
from numba.extending import intrinsic

from nn.backend.runtime import tasks
from nn.backend.runtime.jit import callback, compiled_loop
from nn.backend.runtime.pool import in_parts

# A loop is noted in a row of numbers: what it was called with, as it lay in memory; where its code is; how many units
# of work there were, in how many parts, of how many numbers (`in_parts`); and, when it is called again, where its
# result and its exceptions go, which nobody reads.
ROOM = 512
CODE, UNITS, PARTS, SIZE, RESULT = range(ROOM - 6, ROOM - 1)
_lock = threading.RLock()  # a signal handler may make a network ready itself


def note(call: Callable[[], None]) -> np.ndarray | None:
    """Call it, and return which loop it called; None if that was none, or several."""
    if not tasks.USABLE:
        call()
        return None
    row = np.zeros(ROOM, np.int64)
    slot = np.zeros((tasks.YIELD + 1, tasks.LINE // 8), np.int64)  # what the loop finds in place of the job slot
    slot[tasks.SHARE, 0], slot[tasks.ARGUMENTS, 0] = _callback().address, row.ctypes.data
    asked: list[tuple[int, int]] = []
    with _lock:
        before = tasks.noting
        try:
            tasks.noting = threading.get_ident(), slot.ctypes.data, asked
            call()
        finally:
            tasks.noting = before
    if slot[tasks.BEGUN, 0] != 1 or len(asked) != 1:
        return None
    row[[CODE, UNITS]] = slot[[tasks.LOOP, tasks.UNITS], 0]
    row[[PARTS, SIZE]] = asked[0]
    return row


def in_sequence(loops: Sequence[np.ndarray]) -> Callable[[], int]:
    """A function that does what these loops did, and returns how many of them: fewer where one raised, which ends
    it."""
    rows = np.stack(loops)
    for row in rows:
        row[:2] = row[RESULT:].ctypes.data + np.array([0, 8])
    parts, size = int(rows[:, PARTS].max()), int(rows[:, SIZE].max())
    if parts < 2:
        return partial(_run, rows, 0)
    return lambda: _run(rows, in_parts(parts, size)[2])  # which wakes the threads, if that is worth it


@compiled_loop
def _run(rows, slot):
    """slot: where the job slot is; 0 if no other thread is to take part."""
    for done in range(len(rows)):
        loop, arguments, units, parts = rows[done, CODE], rows[done].ctypes.data, rows[done, UNITS], rows[done, PARTS]
        if slot and parts > 1:
            error = tasks.call_on_all_threads(slot, loop, arguments, ROOM, parts, units)
        else:
            error = tasks.call_loop(loop, arguments, 0, units)
        if error:
            return done
    return len(rows)


@cache
def _callback() -> CFunc:
    return callback("int64(int64, int64, int64, int64, int64, int64)")(_note)


def _note(slot, loop, arguments, size, parts, units):
    """What a loop calls to be noted. It is done as well, so that what comes after it finds its result."""
    tasks.write(slot, tasks.LOOP, loop)
    tasks.write(slot, tasks.UNITS, units)
    fits = size <= CODE * 8
    if fits:
        _copy(tasks.read(slot, tasks.ARGUMENTS), arguments, size)
    tasks.add(slot, tasks.BEGUN, 1 if fits else 2)
    return tasks.call_loop(loop, arguments, 0, units)


@intrinsic
def _copy(typing, target, source, size):
    def generate(context, builder, signature, arguments):
        *places, size = arguments
        byte = context.get_data_type(types.uint8).as_pointer()
        cgutils.raw_memcpy(builder, *(builder.inttoptr(place, byte) for place in places), size, 1)
        return context.get_dummy_value()

    return types.none(types.int64, types.int64, types.int64), generate
