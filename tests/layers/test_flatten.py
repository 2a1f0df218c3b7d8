"""Flatten keeps the order (H, W, C): rows, then columns, then channels."""

import numpy as np
import pytest

from layers import Flatten
from nn import check_gradients
from tests import oracles
from tests.checks import one_sentence


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (1, 1, 1, 6), (3, 2, 1, 1)])
def test_the_order_is_kept(shape, dtype):
    x = np.random.default_rng(0).normal(size=shape).astype(dtype)
    layer = Flatten()
    y = layer.forward(x, training=True)
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, oracles.flatten(x))
    dx = layer.backward(y)
    assert dx.dtype == dtype
    np.testing.assert_array_equal(dx, x)


def test_an_image_in_another_memory_order():
    x = np.random.default_rng(0).normal(size=(2, 5, 3, 4)).transpose(0, 2, 3, 1)  # a view of (N, C, H, W)
    np.testing.assert_array_equal(Flatten().forward(x), oracles.flatten(x))


def test_gradients():
    report = check_gradients(Flatten(), np.random.default_rng(0).normal(size=(2, 3, 4, 5)))
    assert report.max_error < 1e-6, str(report)


def test_shapes():
    assert tuple(Flatten().output_shape((6, 6, 256))) == (9216,)
    assert Flatten().num_parameters == 0
    assert Flatten().output_shape((1,)) == (1,) and Flatten().output_shape((2, 1, 1)) == (2,)
    for wrong in ((), (0, 4, 3), (4, 0)):
        with one_sentence(ValueError, "Flatten", "(H, W, C)"):
            Flatten().output_shape(wrong)
