"""Compiled loops that all threads work on at once, without Python between them.

`run_parallel` shares out Python functions: it wakes threads, and passes them the interpreter's lock. That takes 50
microseconds at best, as long as a whole layer of LeNet. Here the workers stay in compiled code for a moment after each
loop and spin until there is another: to hand it over takes one microsecond.

    @compiled_loop
    def _double(part, x, y):
        if share_out(part):
            return
        for n in range(part[0], part[1]):
            y[n] = 2 * x[n]

    _double(pool.in_parts(len(x), x.size), x, y)

A loop's first argument, `part`, says which of the units of work (images, most often) are wanted: from number part[0] to
before part[1]. `in_parts` asks for all of them, in parts of at most so many; then `share_out` has the loop called once
for each part, on all threads, with otherwise the same arguments, and returns True when all are done.

The loop that is being shared out stands in the job slot: a few numbers in memory that all threads read and write, each
in a step that no other thread can interrupt ("atomic").
"""

from __future__ import annotations

import ctypes
import os

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from nn.backend.runtime.jit import callback, compiled_loop, part_of_a_loop
from nn.backend.runtime.workspace import LINE as LINE  # each number has one to itself, against false sharing

USABLE = not numba.config.DISABLE_JIT  # which is for debugging: loops are Python, and nothing is shared out

# The places in the job slot. The work: the compiled loop, its other arguments, how many parts of how many units, how
# many were begun, how many of them from the back, and what went wrong if something did.
LOOP, ARGUMENTS, PARTS, UNITS, BEGUN, FROM_BACK, ERROR = range(7)
# Is a loop being shared out? May workers still join? How many may, how many have, and how many spin? How often were
# those that spin woken for other work?
BUSY, OPEN, LIMIT, INSIDE, SPINNING, WAKE_COUNT = range(7, 13)
# The addresses of two functions: `_share`, and the system's for yielding the core to another thread.
SHARE, YIELD = range(13, 15)

# For `sequence`: which thread notes a loop, where, and in how many parts of how many numbers it would be shared out.
noting: tuple[int, int, list[tuple[int, int]]] | None = None
if "_memory" not in globals():  # when this module is reloaded, workers spin on the job slot that was there before
    _memory = np.zeros((YIELD + 2, LINE // 8), np.int64)
ADDRESS = -(-_memory.ctypes.data // LINE) * LINE
_start = (ADDRESS - _memory.ctypes.data) // 8
slot = _memory.reshape(-1)[_start :: LINE // 8]

SPINS_BEFORE_YIELD = 500  # so often one looks for the last worker to leave before another thread gets the core

NUMBER, CODE = ir.IntType(64), ir.IntType(32)
LOOP_TYPE = ir.FunctionType(CODE, [NUMBER] * 3)  # (where its arguments are, first unit, last unit) -> error code
SHARE_TYPE = ir.FunctionType(NUMBER, [NUMBER] * 6)
YIELD_TYPE = ir.FunctionType(CODE, [])


def _place(builder, slot, place):
    address = builder.add(slot, builder.mul(place, ir.Constant(NUMBER, LINE)))
    return builder.inttoptr(address, NUMBER.as_pointer())


def _function_in(builder, slot, place, kind):
    return builder.inttoptr(builder.load(_place(builder, slot, ir.Constant(NUMBER, place))), kind.as_pointer())


@intrinsic
def read(typing, slot, place):
    def generate(context, builder, signature, arguments):
        return builder.load_atomic(_place(builder, *arguments), "seq_cst", 8)

    return types.int64(types.int64, types.int64), generate


@intrinsic
def write(typing, slot, place, value):
    def generate(context, builder, signature, arguments):
        *place, value = arguments
        builder.store_atomic(value, _place(builder, *place), "seq_cst", 8)
        return context.get_dummy_value()

    return types.none(types.int64, types.int64, types.int64), generate


def _change(operation):
    @intrinsic
    def change(typing, slot, place, value):
        def generate(context, builder, signature, arguments):
            *place, value = arguments
            return builder.atomic_rmw(operation, _place(builder, *place), value, "seq_cst")

        return types.int64(types.int64, types.int64, types.int64), generate

    return change


add = _change("add")  # both return what was there before
_exchange = _change("xchg")


@intrinsic
def _yield_core(typing, slot):
    """Yield the core to another thread, if one wants it."""

    def generate(context, builder, signature, arguments):
        builder.call(_function_in(builder, *arguments, YIELD, YIELD_TYPE), [])
        return context.get_dummy_value()

    return types.none(types.int64), generate


@intrinsic
def call_loop(typing, loop, arguments, first, last):
    def generate(context, builder, signature, arguments):
        loop, *others = arguments
        code = builder.call(builder.inttoptr(loop, LOOP_TYPE.as_pointer()), others)
        return builder.sext(code, NUMBER)

    return types.int64(*[types.int64] * 4), generate


@intrinsic
def call_on_all_threads(typing, slot, loop, arguments, size, parts, units):
    """What `share_out` does, of a loop whose other arguments lie in memory."""

    def generate(context, builder, signature, arguments):
        return builder.call(_function_in(builder, arguments[0], SHARE, SHARE_TYPE), arguments)

    return types.int64(*[types.int64] * 6), generate


@intrinsic
def share_out(typing, part):
    """In a compiled loop whose first argument is `part`: if all units are asked for, see to them and return True."""

    def generate(context, builder, signature, arguments):
        function = builder.function  # the loop that is being compiled
        zero = ir.Constant(CODE, 0)

        def argument(arguments, place):
            return builder.gep(arguments, [zero, ir.Constant(CODE, place)])

        # A function that calls the loop for some units, with its other arguments from memory. The first two, which
        # every compiled function has, are where its result and its exceptions go.
        kinds = ir.LiteralStructType([value.type for value in function.args])
        again = ir.Function(builder.module, LOOP_TYPE, builder.module.get_unique_name("again"))
        again.linkage = "internal"
        where, first, last = again.args
        inside = ir.IRBuilder(again.append_basic_block())
        memory = inside.load(inside.inttoptr(where, kinds.as_pointer()))
        result, exception, _, _, *others = (inside.extract_value(memory, i) for i in range(len(function.args)))
        inside.ret(inside.call(function, [result, exception, first, last, *others]))

        minus_parts, units, slot = (builder.extract_value(arguments[0], i) for i in range(3))
        everything = builder.icmp_signed("<", minus_parts, ir.Constant(NUMBER, 0))
        kept = cgutils.alloca_once(builder, kinds)
        with builder.if_then(everything):
            for place, value in enumerate(_borrowed(function.args)):
                builder.store(value, argument(kept, place))
            places = (builder.ptrtoint(pointer, NUMBER) for pointer in (again, kept))
            size = ir.Constant(NUMBER, context.get_abi_sizeof(kinds))
            share = _function_in(builder, slot, SHARE, SHARE_TYPE)
            code = builder.call(share, [slot, *places, size, builder.neg(minus_parts), units])
            with builder.if_then(builder.icmp_signed("!=", code, ir.Constant(NUMBER, 0)), likely=False):
                builder.ret(builder.trunc(code, CODE))
        return everything

    return types.boolean(part), generate


def _borrowed(values):
    """A loop's arguments, without what counts who uses an array: the caller keeps them all. Of each array numba passes
    the counter, the Python object, how many numbers there are, of how many bytes, and where they lie."""
    pointer = ir.IntType(8).as_pointer()
    kinds = [value.type for value in values]
    arrays = [at for at in range(len(kinds)) if kinds[at : at + 4] == [pointer, pointer, NUMBER, NUMBER]]
    return [
        ir.Constant(pointer, None) if at in arrays or at - 1 in arrays else value for at, value in enumerate(values)
    ]


if numba.config.DISABLE_JIT:

    def share_out(part):
        """In Python: `in_parts` asks for all units at once, and nothing is shared out."""
        return False


@part_of_a_loop
def _work(slot, loop, arguments, parts, units, is_worker):
    """Take one part after the other, until none is left: the caller from the front, workers from the back. So a core
    finds most of what it wrote in the last loop still in its own cache."""
    front = 0
    while add(slot, BEGUN, 1) < parts:
        if is_worker:
            part = parts - 1 - add(slot, FROM_BACK, 1)
        else:
            part = front
            front += 1
        error = call_loop(loop, arguments, units * part // parts, units * (part + 1) // parts)
        if error:
            write(slot, ERROR, error)


def _share(slot, loop, arguments, size, parts, units):
    """Have the parts done by this thread and all workers that join it; by this thread alone if another thread is
    sharing out a loop already."""
    if read(slot, LIMIT) < 1 or _exchange(slot, BUSY, 1):
        return call_loop(loop, arguments, 0, units)
    write(slot, LOOP, loop)
    write(slot, ARGUMENTS, arguments)
    write(slot, PARTS, parts)
    write(slot, UNITS, units)
    write(slot, BEGUN, 0)
    write(slot, FROM_BACK, 0)
    write(slot, ERROR, 0)
    write(slot, OPEN, 1)
    _work(slot, loop, arguments, parts, units, False)
    write(slot, OPEN, 0)
    waited = 0
    while read(slot, INSIDE):  # a worker that comes now finds it closed and leaves
        waited += 1
        if waited > SPINS_BEFORE_YIELD:
            _yield_core(slot)
    error = read(slot, ERROR)
    write(slot, BUSY, 0)
    return error


@compiled_loop
def spin(slot, wake_count, spins):
    """What a worker does: spin until a loop is shared out, and join in. It returns True when it is woken for other
    work, and False when it has found nothing to do `spins` times in a row. `wake_count`: how often workers were woken
    before."""
    add(slot, SPINNING, 1)
    idle = 0
    while idle < spins and read(slot, WAKE_COUNT) == wake_count:
        idle += 1
        if read(slot, OPEN):
            # A worker that has entered finds the job still open, or it was closed before: then it may be gone.
            if add(slot, INSIDE, 1) < read(slot, LIMIT) and read(slot, OPEN):
                loop, arguments = read(slot, LOOP), read(slot, ARGUMENTS)
                _work(slot, loop, arguments, read(slot, PARTS), read(slot, UNITS), True)
                idle = 0
            add(slot, INSIDE, -1)
        else:
            _yield_core(slot)
    add(slot, SPINNING, -1)
    return idle < spins


def prepare() -> None:
    """Compile what is needed, once in a process."""
    global _callback
    if not slot[SHARE]:
        _callback = callback("int64(int64, int64, int64, int64, int64, int64)")(_share)
        yield_core = ctypes.windll.kernel32.SwitchToThread if os.name == "nt" else ctypes.CDLL(None).sched_yield
        slot[YIELD] = ctypes.cast(yield_core, ctypes.c_void_p).value
        slot[SHARE] = _callback.address


def forget() -> None:
    """In a forked process, which has none of its parent's threads: no worker is there, and nothing is shared out."""
    slot[[BUSY, OPEN, INSIDE, SPINNING]] = 0
