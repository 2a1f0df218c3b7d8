"""How weights start. Too small and signals die on their way through the network, too large and they explode.

`fan_in` is the number of inputs that one unit sums, `fan_out` the number of units that one input feeds. A sum of
fan_in independent products has fan_in times the variance of one, so each rule divides by it in its own way.
All return float32 arrays drawn on the CPU.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from nn.backend.runtime.pool import run_parallel, split

BLOCK = 1 << 21  # numbers that are drawn one after the other; AlexNet's largest layer has 18 times as many


def normal(rng: np.random.Generator, shape: Sequence[int], std: float) -> np.ndarray:
    """N(0, std^2). Of a large array, each block has a generator of its own, seeded by `rng`, so that threads can draw
    them side by side; how many blocks there are depends on the shape alone, and so does every number."""
    size = math.prod(shape)
    if size <= 2 * BLOCK:
        weight = rng.standard_normal(tuple(shape), dtype=np.float32)
        weight *= std
        return weight
    weight = np.empty(size, np.float32)
    blocks = split(size, -(-size // BLOCK))
    seeds = rng.integers(1 << 63, size=len(blocks))

    def draw(number: int) -> None:
        block = weight[blocks[number]]
        np.random.default_rng(seeds[number]).standard_normal(dtype=np.float32, out=block)
        block *= std

    run_parallel(draw, range(len(blocks)))
    return weight.reshape(shape)


def uniform(rng: np.random.Generator, shape: Sequence[int], limit: float) -> np.ndarray:
    """U(-limit, limit)."""
    weight = rng.random(tuple(shape), dtype=np.float32)
    weight -= 0.5
    weight *= 2 * limit
    return weight


def he_std(fan_in: int) -> float:
    """The standard deviation sqrt(2 / fan_in): ReLU zeroes half of its inputs, the 2 makes up for it.

    He, Zhang, Ren, Sun 2015, "Delving deep into rectifiers", section 2.2, equation 10.
    """
    return (2.0 / fan_in) ** 0.5


def he_normal(rng: np.random.Generator, shape: Sequence[int], fan_in: int) -> np.ndarray:
    """N(0, 2 / fan_in): for layers followed by ReLU (see `he_std`)."""
    return normal(rng, shape, he_std(fan_in))


def xavier_uniform(rng: np.random.Generator, shape: Sequence[int], fan_in: int, fan_out: int) -> np.ndarray:
    """U(-r, r) with r = sqrt(6 / (fan_in + fan_out)): keeps the variance both forward and backward.

    Glorot, Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks", equation 16.
    """
    return uniform(rng, shape, (6.0 / (fan_in + fan_out)) ** 0.5)
