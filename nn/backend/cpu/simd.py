"""The few loops that Python cannot say: sums kept in the processor's registers, and blocks transposed there. And
what takes long to compile from Python: copying, clearing, adding, making an array.

Written in the compiler's own language (LLVM), as functions that numba puts into the kernels that call them. A vector
here has as many lanes as numbers fit into VECTOR_BYTES: one register of the largest kind, or two or four smaller ones.
Arrays are one-dimensional and of one floating-point type; places, steps and counts are whole numbers.

Three of them add up several vectors at a time over some terms:

    sums[at + i * lanes + lane] = sum over r < runs, k < length of
        a[a_at + i * a_i + r * a_run + k * a_step (+ lane)] * b[b_at + r * b_run + k * b_step + lane]

for i < len(rows) and all lanes. Scaled: a's number is one for all lanes. Products: a is a vector too ("+ lane"). Those
called `add_` add to what is in `sums`. What is in `rows` does not matter: it is a tuple because the compiler knows a
tuple's length, but not a number. Those called `_abreast` do so for several places in b and in sums, j < len(places),
which lie b_next and sums_next apart: what is read of a serves them all.

With NUMBA_DISABLE_JIT=1 their twins in Python take their places (`simd_in_python`).
"""

from __future__ import annotations

import platform
from functools import cache

import llvmlite.binding
import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.imputils import impl_ret_borrowed, impl_ret_new_ref
from numba.extending import intrinsic, overload
from numba.np.arrayobj import populate_array

from nn.backend.cpu.simd_in_python import VECTOR_BYTES as VECTOR_BYTES  # which others take from here

ZERO, ONE = np.int64(0), np.int64(1)  # for a bare 0, the compiler would make another version of the function called


def _choices() -> tuple[int, ...]:
    """So many sums at a time that they and their factors fit into 16 registers of 32 bytes, or 32 of 64."""
    told = numba.config.CPU_FEATURES  # NUMBA_CPU_FEATURES in the environment: what to compile for, "+avx2,+fma"
    try:
        many = llvmlite.binding.get_host_cpu_features().get("avx512f") if told is None else "+avx512f" in told
    except RuntimeError:  # not known for this kind of processor
        many = False
    return (6, 8, 10, 11) if many else (6,)


def knows_half() -> bool:
    """Has the processor instructions for float16?"""
    if platform.machine().lower() in ("arm64", "aarch64"):
        return True
    try:
        return bool(llvmlite.binding.get_host_cpu_features().get("f16c"))
    except RuntimeError:
        return False


CHOICES = _choices()  # few, because a kernel is compiled for each


def rows_for(count: int) -> tuple:
    """The rows that get `count` sums done soonest, by what a step takes: half a cycle for each number that is read, and
    not less than the four that a sum takes to be ready for its next term."""
    return _rows_for(count, CHOICES)


@cache
def _rows_for(count: int, choices: tuple[int, ...]) -> tuple:
    return (None,) * min(choices, key=lambda rows: -(-count // rows) * max(4, (rows + 1) / 2))


@intrinsic
def lanes_of(typing, array):
    """How many of the array's numbers a vector has: for the compiler a constant, which `array.itemsize` is not."""

    def generate(context, builder, signature, arguments):
        return constant(VECTOR_BYTES * 8 // array.dtype.bitwidth)

    return types.int64(array), generate


@intrinsic
def copy(typing, source, start, target, at, count):
    """target[at : at + count] = source[start : start + count]."""

    def generate(context, builder, signature, arguments):
        places = [
            builder.gep(address(context, builder, signature, arguments, place), [arguments[place + 1]])
            for place in (2, 0)
        ]
        cgutils.raw_memcpy(builder, *places, arguments[4], source.dtype.bitwidth // 8)
        return context.get_dummy_value()

    number = types.int64
    return types.none(source, number, target, number, number), generate


@intrinsic
def clear(typing, target, at, count):
    """target[at : at + count] = 0."""

    def generate(context, builder, signature, arguments):
        place = builder.gep(address(context, builder, signature, arguments, 0), [arguments[1]])
        cgutils.memset(builder, place, builder.mul(arguments[2], constant(target.dtype.bitwidth // 8)), 0)
        return context.get_dummy_value()

    return types.none(target, types.int64, types.int64), generate


@intrinsic
def flat(typing, array):
    """The array, which is contiguous, with one axis. (`array.reshape(-1)` takes long to compile.)"""
    one_axis = types.Array(array.dtype, 1, "C", readonly=not array.mutable)

    def generate(context, builder, signature, arguments):
        names = "data", "nitems", "meminfo", "parent"
        data, count, memory, parent = (_field(context, builder, array, arguments[0], name) for name in names)
        result = context.make_array(one_axis)(context, builder)
        item = constant(array.dtype.bitwidth // 8)
        populate_array(result, data, [count], [item], item, meminfo=memory, parent=parent)
        return impl_ret_borrowed(context, builder, one_axis, result._getvalue())

    return one_axis(array), generate


@intrinsic
def zeros(typing, size, like):
    """So many zeros, of like's type. The first begins a line of the cache: to read a vector that lies across two lines
    takes twice as long."""
    zeros_type = types.Array(like.dtype, 1, "C")

    def generate(context, builder, signature, arguments):
        item = constant(like.dtype.bitwidth // 8)
        size = builder.mul(arguments[0], item)
        align = context.get_constant(types.uint32, VECTOR_BYTES)
        memory = context.nrt.meminfo_alloc_aligned(builder, size, align)  # raises MemoryError
        data = context.nrt.meminfo_data(builder, memory)
        cgutils.memset(builder, data, size, 0)
        data = builder.bitcast(data, context.get_data_type(like.dtype).as_pointer())
        result = context.make_array(zeros_type)(context, builder)
        populate_array(result, data, [arguments[0]], [item], item, meminfo=memory)
        return impl_ret_new_ref(context, builder, zeros_type, result._getvalue())

    return zeros_type(types.int64, like), generate


@intrinsic
def add(typing, source, start, target, at, count):
    """target[at : at + count] += source[start : start + count]."""

    def generate(context, builder, signature, arguments):
        here, there = (
            builder.gep(address(context, builder, signature, arguments, place), [arguments[place + 1]])
            for place in (2, 0)
        )
        with cgutils.for_range(builder, arguments[4], intp=INDEX) as step:
            place = builder.gep(here, [step.index])
            summand = builder.load(builder.gep(there, [step.index]))
            builder.store(builder.fadd(builder.load(place), summand), place)
        return context.get_dummy_value()

    number = types.int64
    return types.none(source, number, target, number, number), generate


def number_at(weights, place):
    """weights[place]; where those are of uint16, the float16 that its bits are, in float32; and of a pair of arrays
    (high, low), 256 high[place] + low[place], which float32 holds exactly if they are int16 and uint8."""


@overload(number_at)
def _number_at(weights, place):
    if isinstance(weights, types.BaseTuple):
        return lambda weights, place: np.float32(256) * np.float32(weights[0][place]) + np.float32(weights[1][place])
    if weights.dtype == types.uint16:
        return lambda weights, place: _of_half(weights[place])
    return lambda weights, place: weights[place]


@intrinsic
def _of_half(typing, bits):
    def generate(context, builder, signature, arguments):
        return builder.fpext(builder.bitcast(arguments[0], ir.HalfType()), ir.FloatType())

    return types.float32(bits), generate


def fetch(builder, place):
    """Have the line of memory at this place brought to the nearest cache while other work goes on. (To the nearest but
    one it comes slower: AlexNet's pass of one image takes 7% longer with AVX2.) Beyond the end of an array it does
    nothing."""
    kinds = [ir.IntType(8).as_pointer(), *[CODE] * 3]
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.VoidType(), kinds), "llvm.prefetch.p0")
    options = (ir.Constant(CODE, number) for number in (0, 3, 1))  # to read; how near; data
    builder.call(function, [builder.bitcast(place, kinds[0]), *options])


def _sum_of_terms(a_is_vector, from_zero, abreast=False):
    def generate(context, builder, signature, arguments):
        a_data, b_data, target = (address(context, builder, signature, arguments, place) for place in (0, 5, 11))
        a_at, a_i, a_run, a_step = arguments[1:5]
        b_at, b_run, b_step, runs, length = arguments[6:11]
        at, rows = arguments[12], signature.args[13].count
        places, b_next, sums_next = (signature.args[14].count, *arguments[15:]) if abreast else (1, INDEX(0), INDEX(0))
        vectors = Vectors(context, builder, signature.args[0].dtype)
        wanted = [(j, i) for j in range(places) for i in range(rows)]
        totals = {sum: cgutils.alloca_once(builder, vectors.type) for sum in wanted}
        ats = [builder.add(at, builder.mul(constant(j), sums_next)) for j in range(places)]
        for j, i in wanted:
            before = vectors.zero if from_zero else vectors.load(target, ats[j], constant(i * vectors.lanes))
            builder.store(before, totals[j, i])
        with cgutils.for_range(builder, runs, intp=INDEX) as run:
            a_start = builder.add(a_at, builder.mul(run.index, a_run))
            b_start = builder.add(b_at, builder.mul(run.index, b_run))
            with cgutils.for_range(builder, length, intp=INDEX) as step:
                a_here = builder.add(a_start, builder.mul(step.index, a_step))
                b_here = builder.add(b_start, builder.mul(step.index, b_step))
                factors = [vectors.load(b_data, b_here, builder.mul(constant(j), b_next)) for j in range(places)]
                load = vectors.load if a_is_vector else vectors.load_everywhere
                for i in range(rows):
                    number = load(a_data, a_here, builder.mul(constant(i), a_i))
                    for j, factor in enumerate(factors):
                        product = builder.fmul(number, factor, flags=("contract",))
                        total = totals[j, i]
                        builder.store(builder.fadd(builder.load(total), product, flags=("contract",)), total)
        for j, i in wanted:
            vectors.store(builder.load(totals[j, i]), target, ats[j], constant(i * vectors.lanes))
        return context.get_dummy_value()

    number = types.int64

    @intrinsic
    def sum_of_terms(typing, a, a_at, a_i, a_run, a_step, b, b_at, b_run, b_step, runs, length, sums, at, rows):
        return types.none(a, *[number] * 4, b, *[number] * 5, sums, number, rows), generate

    @intrinsic
    def sums_abreast(
        typing, a, a_at, a_i, a_run, a_step, b, b_at, b_run, b_step, runs, length, sums, at, rows,
        places, b_next, sums_next,
    ):  # fmt: skip
        kinds = a, *[number] * 4, b, *[number] * 5, sums, number, rows, places, number, number
        return types.none(*kinds), generate

    return sums_abreast if abreast else sum_of_terms


sum_scaled = _sum_of_terms(a_is_vector=False, from_zero=True)
add_scaled = _sum_of_terms(a_is_vector=False, from_zero=False)
add_products = _sum_of_terms(a_is_vector=True, from_zero=False)
add_scaled_abreast = _sum_of_terms(a_is_vector=False, from_zero=False, abreast=True)
add_products_abreast = _sum_of_terms(a_is_vector=True, from_zero=False, abreast=True)


@intrinsic
def transpose_block(typing, source, start, step, target, at, stride):
    """target[at + k * stride + n] = source[start + n * step + k] for n, k < lanes.

    First pairs of rows exchange every other number, then every other two, every other four and so on.
    """

    def generate(context, builder, signature, arguments):
        vectors = Vectors(context, builder, source.dtype)
        source_data, target_data = (address(context, builder, signature, arguments, place) for place in (0, 3))
        _, start, step, _, at, stride = arguments
        numbers = range(vectors.lanes)
        rows = [vectors.load(source_data, start, builder.mul(constant(n), step)) for n in numbers]
        half = 1
        while half < vectors.lanes:
            # A shuffle picks from two rows laid end to end.
            low = [k if not k & half else vectors.lanes + k - half for k in numbers]
            high = [k + half if not k & half else vectors.lanes + k for k in numbers]
            for n in (n for n in numbers if not n & half):
                pair = rows[n], rows[n + half]
                rows[n], rows[n + half] = (
                    builder.shuffle_vector(*pair, vectors.places(picks)) for picks in (low, high)
                )
            half *= 2
        for n in numbers:
            vectors.store(rows[n], target_data, at, builder.mul(constant(n), stride))
        return context.get_dummy_value()

    number = types.int64
    return types.none(source, number, number, target, number, number), generate


INDEX, CODE = ir.IntType(64), ir.IntType(32)


def constant(value):
    return ir.Constant(INDEX, value)


def address(context, builder, signature, arguments, place):
    """The address of an array's first number."""
    return _field(context, builder, signature.args[place], arguments[place], "data")


def _field(context, builder, array_type, array, name):
    """What an array consists of: its data, how many numbers that are (nitems), and so on."""
    return builder.extract_value(array, context.data_model_manager[array_type].get_field_position(name))


class Vectors:
    """How to read and write vectors of one floating-point type."""

    def __init__(self, context, builder, dtype):
        self.builder = builder
        self.bytes = dtype.bitwidth // 8
        self.lanes = VECTOR_BYTES // self.bytes
        self.type = ir.VectorType(context.get_value_type(dtype), self.lanes)
        self.zero = ir.Constant(self.type, [0.0] * self.lanes)

    def places(self, numbers):
        return ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), list(numbers))

    def load(self, data, start, offset):
        return self.builder.load(self._pointer(data, start, offset), align=self.bytes)

    def store(self, vector, data, start, offset):
        self.builder.store(vector, self._pointer(data, start, offset), align=self.bytes)

    def load_everywhere(self, data, start, offset):
        """One number, in all lanes."""
        undefined = ir.Constant(self.type, ir.Undefined)
        value = self.builder.load(self.builder.gep(data, [self.builder.add(start, offset)]))
        value = self.builder.insert_element(undefined, value, ir.Constant(ir.IntType(32), 0))
        return self.builder.shuffle_vector(value, undefined, self.places([0] * self.lanes))

    def _pointer(self, data, start, offset):
        place = self.builder.gep(data, [self.builder.add(start, offset)])
        return self.builder.bitcast(place, self.type.as_pointer())


if numba.config.DISABLE_JIT:
    from nn.backend.cpu.simd_in_python import *  # noqa: F403
