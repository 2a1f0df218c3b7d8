"""LocalResponseNorm against plain loops and central differences, with alpha near 1.

With the paper's alpha = 1e-4 a backward without its cross term is wrong by only 1e-4, and a gradient check with a loose
threshold passes. With alpha near 1 the same mistake is wrong by a fifth of the gradient.
"""

import numpy as np
import pytest

from layers import LocalResponseNorm
from nn import check_gradients
from tests import oracles
from tests.checks import assert_close, one_sentence

# shape, size, alpha, beta, k
CONFIGURATIONS = {
    "the paper's": ((2, 3, 4, 8), 5, 1e-4, 0.75, 2.0),
    "alpha 1": ((2, 3, 4, 8), 5, 1.0, 0.75, 2.0),
    "alpha 1, k 1": ((2, 3, 2, 7), 5, 1.0, 0.75, 1.0),
    "size 1": ((2, 3, 4, 5), 1, 0.9, 0.75, 2.0),
    "size 3": ((2, 3, 4, 6), 3, 1.1, 0.75, 2.0),
    "size 7": ((2, 4, 5, 9), 7, 0.8, 0.75, 2.0),
    "beta 0.5": ((2, 3, 4, 6), 5, 1.0, 0.5, 2.0),
    "beta 1": ((2, 3, 4, 6), 3, 1.0, 1.0, 1.5),
    "beta 0.6, no square roots": ((2, 3, 4, 6), 3, 1.0, 0.6, 1.5),
    "beta 2": ((1, 3, 4, 6), 3, 1.0, 2.0, 1.0),
    "more neighbours than channels": ((2, 3, 2, 3), 7, 1.0, 0.75, 2.0),
    "one channel": ((2, 4, 3, 1), 5, 1.0, 0.75, 2.0),
    "two channels": ((2, 2, 3, 2), 3, 1.0, 0.75, 2.0),
    "batch of 1, one pixel": ((1, 1, 1, 10), 5, 1.0, 0.75, 2.0),
    "one row": ((2, 1, 7, 3), 3, 1.0, 0.75, 2.0),
    "like the CIFAR net": ((1, 8, 8, 2), 3, 0.05, 0.75, 1.0),
}
configurations = pytest.mark.parametrize("configuration", CONFIGURATIONS.values(), ids=CONFIGURATIONS.keys())
regions = pytest.mark.parametrize("region", ["across", "within"])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@regions
@configurations
def test_forward_equals_plain_loops(configuration, region, dtype):
    shape, size, alpha, beta, k = configuration
    layer = LocalResponseNorm(size, alpha, beta, k, region)
    x = np.random.default_rng(0).normal(0, 2, shape).astype(dtype)
    expected = oracles.response_norm(x, size, alpha, beta, k, region)
    # The sum has only positive terms, so its relative error is at most one rounding for each term, square and factor;
    # the power multiplies that by beta (and rounds a few times itself), the division rounds once.
    terms = size if region == "across" else size * size
    steps = beta * (terms + 4) + 8
    bound = 1e-12 if dtype == np.float64 else steps * np.finfo(dtype).eps * np.abs(expected)
    for training in (False, True):
        y = layer.forward(x, training=training)
        assert y.dtype == dtype
        assert_close(y, expected, bound)
    assert tuple(layer.output_shape(shape[1:])) == shape[1:]


@regions
@configurations
def test_gradients(configuration, region):
    shape, *options = configuration
    x = np.random.default_rng(1).normal(0, 1.5, shape)
    report = check_gradients(LocalResponseNorm(*options, region=region), x, max_elements=400)
    assert report.max_error < 1e-6, str(report)
    assert report.arguments["x"].skipped == 0


def test_by_hand():
    # Three channels 1, 2, 3 at one pixel; size 3, alpha 1, beta 1, k 1: sums of squares are 5, 14, 13.
    x = np.array([1.0, 2.0, 3.0]).reshape(1, 1, 1, 3)
    y = LocalResponseNorm(3, 1.0, 1.0, 1.0).forward(x)
    np.testing.assert_allclose(y.ravel(), [1 / 6, 2 / 15, 3 / 14], rtol=1e-14)
    # The same numbers along a row of one map.
    y = LocalResponseNorm(3, 1.0, 1.0, 1.0, "within").forward(x.reshape(1, 1, 3, 1))
    np.testing.assert_allclose(y.ravel(), [1 / 6, 2 / 15, 3 / 14], rtol=1e-14)


def test_the_defaults_are_the_paper_s():
    x = np.random.default_rng(0).normal(0, 50, (1, 2, 2, 12))
    expected = oracles.response_norm(x, 5, 1e-4, 0.75, 2.0)
    assert_close(LocalResponseNorm().forward(x), expected, 1e-12 * np.abs(expected).max())


@regions
def test_zeros_and_large_values(region):
    layer = LocalResponseNorm(3, 1.0, 0.75, 2.0, region)
    x = np.zeros((1, 3, 3, 4), np.float32)
    x[0, 1, 1, 1] = 1e15  # its square, 1e30, still fits in float32
    expected = oracles.response_norm(x, 3, 1.0, 0.75, 2.0, region)
    y = layer.forward(x, training=True)
    np.testing.assert_allclose(y, expected, rtol=1e-5)
    assert np.all(np.isfinite(layer.backward(np.ones_like(y))))


@regions
@pytest.mark.parametrize("beta", [0.5, 0.75, 1.0])
@pytest.mark.filterwarnings("error")
def test_the_largest_numbers_of_float32_do_not_overflow(region, beta):
    """Their squares do; the results are as right as ever: those of plain loops in float64."""
    most = float(np.finfo(np.float32).max)
    x = np.random.default_rng(0).choice([most, -most, 1e25, -1e19, 1e-30, 1.0, 0.0], (2, 4, 4, 6)).astype(np.float32)
    dy = np.random.default_rng(1).normal(size=x.shape).astype(np.float32)
    layer, reference = LocalResponseNorm(3, 1e-4, beta, 2.0, region), LocalResponseNorm(3, 1e-4, beta, 2.0, region)
    y = layer.forward(x, training=True)
    expected = oracles.response_norm(x.astype(float), 3, 1e-4, beta, 2.0, region)
    np.testing.assert_allclose(y, expected, rtol=1e-6, atol=np.finfo(np.float32).tiny)
    # float64 squares 1e38 without trouble; that its gradient is right, finite differences have shown above.
    reference.forward(x.astype(float), training=True)
    expected = reference.backward(dy.astype(float))
    np.testing.assert_allclose(layer.backward(dy), expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())


@regions
@pytest.mark.filterwarnings("error")
def test_squares_that_only_a_large_alpha_brings_to_overflow(region):
    """Their sum is 1e37, which float32 can hold; a hundred times that it cannot."""
    x = np.random.default_rng(0).choice([1e18, -5e17, 2e18], (1, 3, 3, 4)).astype(np.float32)
    expected = oracles.response_norm(x.astype(float), 3, 100.0, 0.75, 2.0, region)
    np.testing.assert_allclose(LocalResponseNorm(3, 100.0, 0.75, 2.0, region).forward(x), expected, rtol=1e-5)


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"size": 4}, ["size", 4, "odd"]),
        ({"size": 0}, ["size", 0]),
        ({"size": -3}, ["size", -3]),
        ({"size": 2.5}, ["size", 2.5]),
        ({"region": "between"}, ["region", "between", "across", "within"]),
        ({"alpha": -1e-9}, ["alpha is -1e-09"]),
        ({"alpha": np.inf}, ["alpha is inf"]),
        ({"beta": -0.75}, ["beta is -0.75"]),
        ({"beta": np.inf}, ["beta is inf"]),
        ({"k": 0}, ["k is 0"]),
        ({"k": np.inf}, ["k is inf"]),
        ({"k": np.nan}, ["k is nan"]),
        ({"alpha": True}, ["alpha", True]),
        ({"beta": "much"}, ["beta", "much"]),
    ],
)
def test_bad_constructor_values(arguments, words):
    with one_sentence((ValueError, TypeError), "LocalResponseNorm", *words):
        LocalResponseNorm(**arguments)


def test_constants_may_be_any_kind_of_number_and_0_where_that_means_something():
    x = np.array([[[[1.0, 2.0, 3.0]]]])
    np.testing.assert_allclose(LocalResponseNorm(alpha=0, k=np.float32(4), beta=0.5).forward(x), x / 2, rtol=1e-15)
    np.testing.assert_array_equal(LocalResponseNorm(alpha=np.int64(1), beta=0).forward(x), x)
