"""EuclideanRBF: minus the squared distance to each prototype, so that the largest output is the nearest."""

import numpy as np
import pytest

from layers import EuclideanRBF
from nn import check_gradients
from tests import oracles
from tests.checks import assert_close, one_sentence

SHAPES = {"batch of 4": (4, 6, 3), "batch of 1": (1, 84, 10), "one feature": (3, 1, 2), "one class": (3, 5, 1)}
shapes = pytest.mark.parametrize("N, features, classes", SHAPES.values(), ids=SHAPES.keys())


def build(N, features, classes, dtype):
    rng = np.random.default_rng(0)
    layer = EuclideanRBF(rng.choice([-1.0, 1.0], (classes, features))).astype(dtype)
    return layer, rng.normal(size=(N, features)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@shapes
def test_forward_equals_plain_loops(N, features, classes, dtype):
    layer, x = build(N, features, classes, dtype)
    expected = oracles.euclidean_rbf(x, layer.prototypes)
    # All terms are positive: each difference, square and addition rounds once.
    bound = (features + 3) * np.finfo(dtype).eps * np.abs(expected)
    for training in (False, True):
        y = layer.forward(x, training=training)
        assert y.dtype == dtype
        assert_close(y, expected, bound)


@shapes
def test_gradients(N, features, classes):
    layer, x = build(N, features, classes, np.float64)
    report = check_gradients(layer, x)
    assert set(report.arguments) == {"x"}
    assert report.max_error < 1e-6, str(report)


def test_close_to_a_prototype_no_digits_are_lost():
    # x^2 - 2 x w + w^2 would leave nothing but rounding errors here.
    layer = EuclideanRBF(np.full((1, 84), 1000.0))
    x = np.full((1, 84), 1000.0, np.float32) + np.float32(2.0**-10)
    assert layer.forward(x)[0, 0] == pytest.approx(-84 * 2.0**-20, rel=1e-5)


def test_the_prototypes_are_fixed_and_copied():
    prototypes = np.ones((2, 3), np.float32)
    layer = EuclideanRBF(prototypes)
    assert dict(layer.params) == {} and layer.num_parameters == 0
    prototypes[...] = 7
    np.testing.assert_array_equal(layer.forward(np.ones((1, 3), np.float32)), [[0, 0]])
    assert tuple(layer.output_shape((3,))) == (2,)


@pytest.mark.parametrize("prototypes", [np.ones(3), np.ones((0, 3)), np.ones((2, 3, 4)), [[1.0, np.nan]]])
def test_bad_prototypes(prototypes):
    with one_sentence(ValueError, "EuclideanRBF", "prototypes"):
        EuclideanRBF(prototypes)


def test_bad_input():
    layer = EuclideanRBF(np.ones((2, 6)))
    with one_sentence(ValueError, "EuclideanRBF", 6, 7):
        layer.forward(np.zeros((2, 7), np.float32))
    with one_sentence(TypeError, "EuclideanRBF", "float32", "float64", "astype"):
        layer.forward(np.zeros((2, 6)))
