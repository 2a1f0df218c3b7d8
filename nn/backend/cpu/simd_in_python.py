"""The functions of `simd` in Python. With NUMBA_DISABLE_JIT=1 they take the places of those that are compiled, so that
every loop can be stepped through in a debugger. They look at bounds, which compiled code does not.
"""

from __future__ import annotations

from functools import partial

import numpy as np

VECTOR_BYTES = 64


def lanes_of(array):
    return VECTOR_BYTES // array.itemsize


def zeros(size, like):
    return np.zeros(int(size), like.dtype)


def number_at(weights, place):
    if isinstance(weights, tuple):
        return np.float32(256) * np.float32(weights[0][place]) + np.float32(weights[1][place])
    value = weights[place]
    return np.float32(value.view(np.float16)) if value.dtype == np.uint16 else value


def copy(source, start, target, at, count):
    assert 0 <= start <= start + count <= len(source) and 0 <= at <= at + count <= len(target), (
        "it would leave the array"
    )
    target[int(at) : int(at + count)] = source[int(start) : int(start + count)]


def clear(target, at, count):
    assert 0 <= at <= at + count <= len(target), "it would leave the array"
    target[int(at) : int(at + count)] = 0


def add(source, start, target, at, count):
    assert 0 <= start <= start + count <= len(source) and 0 <= at <= at + count <= len(target), (
        "it would leave the array"
    )
    target[int(at) : int(at + count)] += source[int(start) : int(start + count)]


def flat(array):
    assert array.flags.c_contiguous, "it must be contiguous"
    return array.reshape(-1)


def _sums(
    a, a_at, a_i, a_run, a_step, b, b_at, b_run, b_step, runs, length, sums, at, rows,
    places=(None,), b_next=0, sums_next=0, *, a_is_vector, from_zero,
):  # fmt: skip
    """The formula at the beginning of `simd`."""
    lanes = VECTOR_BYTES // a.itemsize

    def vector(array, start):
        assert start >= 0 and start + lanes <= len(array), "the compiled code would leave the array"
        return array[start : start + lanes]

    for j, i in np.ndindex(len(places), len(rows)):
        place = vector(sums, at + j * sums_next + i * lanes)
        total = np.zeros(lanes, a.dtype) if from_zero else place.copy()
        for r, k in np.ndindex(runs, length):
            here = a_at + i * a_i + r * a_run + k * a_step
            factor = vector(a, here) if a_is_vector else a[here]
            total += factor * vector(b, b_at + j * b_next + r * b_run + k * b_step)
        place[...] = total


def transpose_block(source, start, step, target, at, stride):
    lanes = VECTOR_BYTES // source.itemsize
    for n, k in np.ndindex(lanes, lanes):
        target[at + k * stride + n] = source[start + n * step + k]


sum_scaled = partial(_sums, a_is_vector=False, from_zero=True)
add_scaled = add_scaled_abreast = partial(_sums, a_is_vector=False, from_zero=False)
add_products = add_products_abreast = partial(_sums, a_is_vector=True, from_zero=False)
