"""Subsampling2d: the sum of a window times one weight a map, plus one bias a map (S2 and S4 of LeNet-5)."""

import numpy as np
import pytest

from layers import Subsampling2d
from nn import check_gradients
from tests import oracles
from tests.checks import assert_close, one_sentence, randomise, sum_bound

CONFIGURATIONS = {
    "2x2": ((2, 6, 4, 3), 2),
    "batch of 1": ((1, 2, 2, 1), 2),
    "3x3": ((2, 6, 9, 2), 3),
    "rest is dropped": ((2, 7, 5, 4), 2),
    "non-square": ((2, 6, 8, 3), (3, 2)),
    "1x1": ((2, 3, 4, 2), 1),
    "whole map": ((3, 4, 4, 5), 4),
}
configurations = pytest.mark.parametrize("shape, kernel_size", CONFIGURATIONS.values(), ids=CONFIGURATIONS.keys())


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@configurations
def test_forward_equals_plain_loops(shape, kernel_size, dtype):
    rng = np.random.default_rng(0)
    layer = randomise(Subsampling2d(shape[-1], kernel_size, rng=rng).astype(dtype), rng)
    weight, bias = layer.params["weight"], layer.params["bias"]
    x = rng.normal(0, 1, shape).astype(dtype)
    expected = oracles.subsampling(x, weight, bias, kernel_size)
    KH, KW = oracles.pair(kernel_size)
    magnitude = oracles.subsampling(np.abs(x), np.abs(weight), np.abs(bias), kernel_size)
    bound = 1e-12 if dtype == np.float64 else sum_bound(KH * KW + 3, magnitude, dtype)
    for training in (False, True):
        y = layer.forward(x, training=training)
        assert y.dtype == dtype
        assert_close(y, expected, bound)
    assert tuple(layer.output_shape(shape[1:])) == expected.shape[1:]


@configurations
def test_gradients(shape, kernel_size):
    rng = np.random.default_rng(1)
    layer = randomise(Subsampling2d(shape[-1], kernel_size, rng=rng), rng)
    report = check_gradients(layer, rng.normal(0, 1, shape), max_elements=400)
    assert set(report.arguments) == {"x", "weight", "bias"}
    assert report.max_error < 1e-6, str(report)


def test_lenet5_counts():
    # The table of the 1998 paper: S2 has 12 trainable parameters, S4 has 32.
    assert Subsampling2d(6).num_parameters == 12
    assert Subsampling2d(16).num_parameters == 32
    layer = Subsampling2d(6)
    assert list(layer.params) == ["weight", "bias"]
    assert layer.params["weight"].shape == layer.params["bias"].shape == (6,)
    assert tuple(layer.output_shape((28, 28, 6))) == (14, 14, 6)


def test_bad_input():
    with one_sentence((ValueError, TypeError), "Subsampling2d", "channels", 0):
        Subsampling2d(0)
    with one_sentence((ValueError, TypeError), "Subsampling2d", "kernel_size", 0):
        Subsampling2d(3, 0)
    with one_sentence(ValueError, "Subsampling2d", 3, 4):
        Subsampling2d(3).forward(np.zeros((1, 4, 4, 4), np.float32))
    with one_sentence(ValueError, "Subsampling2d", 5, 2):
        Subsampling2d(3, 5).forward(np.zeros((1, 2, 6, 3), np.float32))


@pytest.mark.parametrize("kernel_size, fan_in", [(2, 4), ((3, 2), 6)])
def test_initial_weights_are_uniform_within_the_paper_s_limit(kernel_size, fan_in):
    """2.4 / fan-in to both sides (appendix A): 4,000 weights come near both ends, and average to about 0."""
    weight = Subsampling2d(4000, kernel_size, rng=0).params["weight"]
    limit = 2.4 / fan_in
    assert 0.99 * limit < weight.max() <= limit and -limit <= weight.min() < -0.99 * limit
    assert abs(weight.mean()) < 5 * limit / np.sqrt(3 * 4000)


def test_multiply_adds():
    assert Subsampling2d(3, (3, 2)).multiply_adds((9, 8, 3)) == 3 * 4 * 3  # one weight times one sum for each output
