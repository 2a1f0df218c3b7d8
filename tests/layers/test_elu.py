"""ELU: against the formula, central differences and PyTorch, and the ends of the number line."""

import math

import numpy as np
import pytest

from layers import ELU
from nn import check_gradients
from tests import oracles
from tests.checks import assert_close, distinct, one_sentence

alphas = pytest.mark.parametrize("alpha", [1.0, 0.5, 1.7])
shapes = pytest.mark.parametrize("shape", [(3, 7), (2, 5, 4, 3), (1, 1)])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@shapes
@alphas
def test_forward_equals_the_formula(alpha, shape, dtype):
    x = distinct(shape, np.random.default_rng(0), dtype) * dtype(6)
    expected = oracles.elementwise(lambda value: value if value > 0 else alpha * math.expm1(value), x)
    # exp(x) - 1 is right to an epsilon or two, and at most alpha; the product rounds once more.
    bound = 4 * alpha * np.finfo(dtype).eps
    for training in (False, True):
        y = ELU(alpha).forward(x, training=training)
        assert y.dtype == dtype
        assert_close(y, expected, bound)


@shapes
@alphas
def test_gradients(alpha, shape):
    x = distinct(shape, np.random.default_rng(1))
    report = check_gradients(ELU(alpha), x)
    assert report.max_error < 1e-6, str(report)
    assert report.arguments["x"].skipped == 0 and report.arguments["x"].checked == x.size


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.filterwarnings("error")
def test_very_large_arguments_saturate_without_warnings(dtype):
    x = np.array([[-np.inf, -1e30, -800, 0, 800, 1e30, np.inf]], dtype)
    layer = ELU(0.5)
    y = layer.forward(x, training=True)
    np.testing.assert_array_equal(y, [[-0.5, -0.5, -0.5, 0, *x[0, 4:]]])
    np.testing.assert_array_equal(layer.backward(np.ones_like(y)), [[0, 0, 0, 0.5, 1, 1, 1]])
    assert layer.bounds == (-0.5, math.inf)


def test_small_arguments_keep_their_relative_precision():
    x = np.array([[-1e-20, -1e-6]], np.float32)
    np.testing.assert_allclose(ELU().forward(x), x, rtol=1e-6)  # exp(x) - 1 is x (1 + x/2 ...)


def test_working_in_place_gives_the_same():
    x, dy = np.random.default_rng(0).normal(size=(2, 4, 6)).astype(np.float32)
    apart, in_place = ELU(), ELU()
    y, buffer = apart.forward(x, training=True), x.copy()
    assert in_place.forward(buffer, training=True, out=buffer) is buffer
    assert np.array_equal(buffer, y)
    dx, gradient = apart.backward(dy), dy.copy()
    assert in_place.backward(gradient, out=gradient) is gradient
    assert np.array_equal(gradient, dx)


@pytest.mark.parametrize("alpha", [0, -1, math.inf, math.nan, "1", True])
def test_a_wrong_alpha_is_refused(alpha):
    with one_sentence((ValueError, TypeError), "ELU", "alpha", alpha):
        ELU(alpha)


@pytest.mark.oracle
@alphas
def test_pytorch_gives_the_same(alpha):
    torch = pytest.importorskip("torch")
    x, dy = np.random.default_rng(0).normal(size=(2, 4, 5, 3))
    layer = ELU(alpha)
    x_torch = torch.tensor(x, requires_grad=True)
    y_torch = torch.nn.functional.elu(x_torch, alpha)
    y_torch.backward(torch.tensor(dy))
    assert_close(layer.forward(x, training=True), y_torch.detach().numpy(), 1e-14)
    assert_close(layer.backward(dy), x_torch.grad.numpy(), 1e-14)
