"""What the tests of the kernels draw: sizes for which a window fits, and numbers whose sums are exact in any order."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from tests import oracles

# The same examples on every machine, no clock (numba compiles during the first one), nothing written to disk.
quiet = settings(max_examples=80, deadline=None, derandomize=True, database=None)
dtypes = st.sampled_from([np.float32, np.float64])


def whole_numbers(rng, shape, dtype):
    return rng.integers(-9, 10, shape).astype(dtype)


@st.composite
def windows(draw, wide_padding):
    """Sizes for which at least one window fits: x's shape, kernel, stride, padding, and the output's (OH, OW)."""
    N, C = draw(st.integers(1, 3)), draw(st.integers(1, 5))
    ceil_mode = not wide_padding and draw(st.booleans())
    axes = []
    for _ in range(2):
        K, S, size = draw(st.integers(1, 4)), draw(st.integers(1, 4)), draw(st.integers(1, 9))
        P = draw(st.integers(0, K + 1 if wide_padding else K // 2))
        size = max(size, K - 2 * P)
        axes.append((size, K, S, P, len(oracles.window_starts(size, K, S, P, ceil_mode))))
    (H, W), kernel, stride, padding, output = zip(*axes, strict=True)
    return (N, H, W, C), kernel, stride, padding, output


@st.composite
def convolutions(draw):
    """The same, with the output rows wanted."""
    shape, kernel, stride, padding, (OH, OW) = draw(windows(wide_padding=True))
    rows = tuple(sorted(draw(st.lists(st.integers(0, OH), min_size=2, max_size=2, unique=True))))
    return shape, kernel, stride, padding, rows, OW
