"""LocalResponseNorm where float32 has too few powers of ten: right, and the same bits for every number of threads."""

import numpy as np
import pytest

from layers import LocalResponseNorm
from layers.normalisation import lrn_backward
from nn.backend.runtime import threads
from tests import oracles

regions = pytest.mark.parametrize("region", ["across", "within"])


def gradient(dy, x, size, alpha, beta, k, region):
    """dx by its definition, every neighbour one by one, in float64."""
    N, H, W, C = x.shape
    x, dy, dx, reach = x.astype(float), dy.astype(float), np.zeros(x.shape), size // 2
    y = oracles.response_norm(x, size, alpha, beta, k, region)
    s = np.abs(np.divide(x, y, out=np.ones_like(x), where=y != 0)) ** (1 / beta)
    for n, h, w, c in np.ndindex(x.shape):
        if region == "across":
            neighbours = [(h, w, m) for m in range(c - reach, c + reach + 1)]
        else:
            neighbours = [(i, j, c) for i in range(h - reach, h + reach + 1) for j in range(w - reach, w + reach + 1)]
        dx[n, h, w, c] = dy[n, h, w, c] * s[n, h, w, c] ** -beta
        for i, j, m in neighbours:
            if 0 <= i < H and 0 <= j < W and 0 <= m < C:
                dx[n, h, w, c] -= 2 * alpha * beta * x[n, h, w, c] * dy[n, i, j, m] * y[n, i, j, m] / s[n, i, j, m]
    return dx


@regions
@pytest.mark.parametrize(
    "magnitude, alpha, beta",
    [
        (1e14, 1.0, 0.75),
        (1e15, 1.0, 1.0),
        (1e16, 1.0, 0.75),
        (3e18, 1.0, 0.75),
        (1e18, 1e-4, 0.75),
        (1.0, 1e20, 0.75),
        (1e3, 1e20, 1.0),
        (1e-3, 1e37, 0.75),
        (1e15, 1.0, 1.4),
        (1e-5, 1e39, 0.5),
        (1e-5, 1e-4, 0.75),
    ],
)
def test_gradients_of_large_numbers(magnitude, alpha, beta, region):
    rng = np.random.default_rng(0)
    x = (magnitude * rng.uniform(0.1, 1, (2, 4, 5, 6)) * rng.choice([-1, 1], (2, 4, 5, 6))).astype(np.float32)
    dy = rng.normal(size=x.shape).astype(np.float32)
    layer = LocalResponseNorm(3, alpha, beta, 2.0, region)
    y = layer.forward(x, training=True)
    expected = oracles.response_norm(x, 3, alpha, beta, 2.0, region)
    # As many roundings as test_response_norm.py counts for y; dx has twice as many in each of its at most 10 terms.
    eps, tiny = np.finfo(np.float32).eps, np.finfo(np.float32).tiny
    np.testing.assert_allclose(y, expected, rtol=32 * eps, atol=tiny)
    expected = gradient(dy, x, 3, alpha, beta, 2.0, region)
    np.testing.assert_allclose(layer.backward(dy), expected, rtol=0, atol=640 * eps * np.abs(expected).max() + tiny)


@regions
def test_the_plain_form_does_not_lose_them_either(region):
    rng = np.random.default_rng(0)
    x = (1e15 * rng.uniform(0.1, 1, (1, 3, 4, 5))).astype(np.float32)
    dy = rng.normal(size=x.shape).astype(np.float32)
    dx = np.empty_like(x)
    lrn_backward.plain(dy, x, 3, 1.0, 0.75, 2.0, region, dx)
    expected = gradient(dy, x, 3, 1.0, 0.75, 2.0, region)
    np.testing.assert_allclose(dx, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def run(x, dy, region):
    layer = LocalResponseNorm(region=region)
    return layer.forward(x, training=True), layer.backward(dy)


@pytest.fixture
def sixteen():
    """Images large enough for five threads to share out."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(16, 16, 16, 96)).astype(np.float32), rng.normal(size=(16, 16, 16, 96)).astype(np.float32)


@regions
@pytest.mark.parametrize("scale", [1e18, 3e18, 1e19])
def test_the_number_of_threads_changes_no_bit(scale, region, sixteen):
    x, dy = sixteen
    x[5] *= scale
    x[11, 3:5] *= scale
    before, found = threads.num_threads(), []
    try:
        for number in (1, 2, 3, 5):
            threads.set_num_threads(number)
            found.append(run(x, dy, region))
    finally:
        threads.set_num_threads(before)
    for other in found[1:]:
        assert all(np.array_equal(first, second) for first, second in zip(found[0], other, strict=True))


@regions
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e25])
@pytest.mark.filterwarnings("ignore:invalid value")
def test_one_image_changes_no_other_s_bits(value, region, sixteen):
    x, dy = sixteen
    expected = run(x, dy, region)
    x = x.copy()
    x[7, 2, 3, 4] = value
    others = np.arange(16) != 7
    for changed, before in zip(run(x, dy, region), expected, strict=True):
        assert np.array_equal(changed[others], before[others])
        assert not np.array_equal(changed[7], before[7])
