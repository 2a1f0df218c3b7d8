"""ReLU, Sigmoid, Tanh and ScaledTanh: forward, gradient, and the ends of the number line."""

import math

import numpy as np
import pytest

from layers import ReLU, ScaledTanh, Sigmoid, Tanh
from nn import check_gradients
from tests import oracles
from tests.checks import assert_close, distinct

FUNCTIONS = {ReLU: oracles.relu, Sigmoid: oracles.sigmoid, Tanh: math.tanh, ScaledTanh: oracles.scaled_tanh}
every = pytest.mark.parametrize("kind", FUNCTIONS)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("shape", [(3, 7), (2, 5, 4, 3), (1, 1)])
@every
def test_forward_equals_the_formula(kind, shape, dtype):
    x = distinct(shape, np.random.default_rng(0), dtype) * dtype(6)
    expected = oracles.elementwise(FUNCTIONS[kind], x)
    # Every function here has a slope of at most 1.7159 * 2/3 < 1.2 and values of at most 1.72 (ReLU is exact): a few
    # roundings of the argument, the exponential and the division add up to less than 8 epsilon.
    bound = 1e-12 if dtype == np.float64 else 8 * np.finfo(dtype).eps
    for training in (False, True):
        y = kind().forward(x, training=training)
        assert y.dtype == dtype
        assert_close(y, expected, 0 if kind is ReLU else bound)


@pytest.mark.parametrize("shape", [(3, 7), (2, 5, 4, 3), (1, 1)])
@every
def test_gradients(kind, shape):
    x = distinct(shape, np.random.default_rng(1))
    report = check_gradients(kind(), x)
    assert report.max_error < 1e-6, str(report)
    assert report.arguments["x"].skipped == 0
    assert report.arguments["x"].checked == x.size


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "kind, low, high",
    [(ReLU, 0, np.inf), (Sigmoid, 0, 1), (Tanh, -1, 1), (ScaledTanh, -1.7159, 1.7159)],
)
@pytest.mark.filterwarnings("error")  # an overflow warning would worry a learner
def test_very_large_arguments_saturate_without_warnings(kind, low, high, dtype):
    x = np.array([[-np.inf, -1e30, -1e4, -800, 800, 1e4, 1e30, np.inf]], dtype)
    layer = kind()
    y = layer.forward(x, training=True)
    np.testing.assert_allclose(y[0, :4], low, rtol=1e-6, atol=1e-300)
    np.testing.assert_allclose(y[0, 4:], np.minimum(high, x[0, 4:]), rtol=1e-6)
    dx = layer.backward(np.ones_like(y))
    np.testing.assert_array_equal(dx[0, :4], 0)
    np.testing.assert_array_equal(dx[0, 4:], 1 if kind is ReLU else 0)
    assert layer.bounds == (low, high)


@every
def test_not_a_number_stays(kind):
    y = kind().forward(np.array([[np.nan, 1.0]], np.float32))
    assert np.isnan(y[0, 0]) and np.isfinite(y[0, 1])


def test_small_sigmoids_keep_their_relative_precision():
    # 1 - 1/(1+e^-a) would lose every digit here.
    y = Sigmoid().forward(np.array([[-80.0, -30.0]], np.float32))
    np.testing.assert_allclose(y[0], [math.exp(-80.0), math.exp(-30.0)], rtol=1e-5)


def test_relu_at_zero_passes_nothing():
    layer = ReLU()
    layer.forward(np.array([[0.0, -0.0, 1.0]]), training=True)
    np.testing.assert_array_equal(layer.backward(np.ones((1, 3))), [[0, 0, 1]])


@every
def test_no_parameters_and_the_same_shape(kind):
    layer = kind()
    assert dict(layer.params) == {} and layer.num_parameters == 0
    assert tuple(layer.output_shape((5, 4, 3))) == (5, 4, 3)
    assert tuple(layer.output_shape((7,))) == (7,)


@every
def test_working_in_place_gives_the_same(kind):
    x = distinct((4, 6), np.random.default_rng(0), np.float32)
    dy = np.random.default_rng(1).normal(size=x.shape).astype(np.float32)
    apart, in_place = kind(), kind()
    y, buffer = apart.forward(x, training=True), x.copy()
    assert in_place.forward(buffer, training=True, out=buffer) is buffer
    assert np.array_equal(buffer, y)
    dx, gradient = apart.backward(dy), dy.copy()
    assert in_place.backward(gradient, out=gradient) is gradient
    assert np.array_equal(gradient, dx)
