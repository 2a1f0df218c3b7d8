"""Rows of numbers: laid apart, and added up."""

from __future__ import annotations

import numpy as np

from nn.backend.cpu.simd import copy, flat
from nn.backend.runtime.jit import compiled_loop, part_of_a_loop


@part_of_a_loop
def copy_rows(source, start, count, length, target, at, step):
    """Copy `count` rows of `length` numbers, which lie close together, to places `step` apart."""
    for row in range(count):
        copy(source, start + row * length, target, at + row * step, length)


def sum_rows(rows, total):
    """total = the sum over n of rows[n], added one after the other, as NumPy does, which takes longer for so few."""
    _sum_rows(rows.reshape(len(rows), -1), total.reshape(-1))


@compiled_loop
def _sum_rows(rows, total):
    numbers, size = flat(rows), rows.shape[1]
    copy(numbers, 0, total, 0, size)
    for n in range(1, len(rows)):
        start = np.uint64(n * size)
        for i in range(np.uint64(size)):
            total[i] += numbers[start + i]
