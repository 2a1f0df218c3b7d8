"""The slopes of ReLU and Sigmoid, in one pass over memory instead of one for each arithmetic operation.

Arrays here: dy, y and dx, of any one shape; dx may be dy itself. `layers.activations` has the formulas.
"""

from __future__ import annotations

import numpy as np

from nn.backend.cpu.simd import copy
from nn.backend.runtime.jit import compiled_loop
from nn.backend.runtime.tasks import share_out
from nn.backend.runtime.threads import in_parts


def relu_gradient_plain(dy, y, dx):
    """dx = dy where y > 0, else 0."""
    dx[...] = np.where(y > 0, dy, 0)


def sigmoid_gradient_plain(dy, y, dx):
    """dx = dy * y * (1 - y)."""
    dx[...] = dy * (y * (1 - y))


# The compiled loops change dx in place, as a network asks for. Were they to read dy and write dx, which is then the
# same array, the compiled code would find that the two overlap and handle one element at a time.


def relu_gradient_fast(dy, y, dx):
    """The same."""
    _relu_gradient(in_parts(dx.size, dx.size), dy.reshape(-1), y.reshape(-1), dx.reshape(-1), dx is dy)


def sigmoid_gradient_fast(dy, y, dx):
    """The same."""
    _sigmoid_gradient(in_parts(dx.size, dx.size), dy.reshape(-1), y.reshape(-1), dx.reshape(-1), dx is dy)


@compiled_loop
def _relu_gradient(part, dy, y, dx, in_place):
    if share_out(part):
        return
    first, last = np.uint64(part[0]), np.uint64(part[1])
    if not in_place:
        copy(dy, first, dx, first, last - first)
    zero = y.dtype.type(0)
    for i in range(first, last):
        dx[i] = dx[i] if y[i] > zero else zero


@compiled_loop
def _sigmoid_gradient(part, dy, y, dx, in_place):
    if share_out(part):
        return
    first, last = np.uint64(part[0]), np.uint64(part[1])
    if not in_place:
        copy(dy, first, dx, first, last - first)
    one = y.dtype.type(1)
    for i in range(first, last):
        dx[i] *= y[i] * (one - y[i])
