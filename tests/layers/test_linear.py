"""Linear: y = x W + b."""

import numpy as np
import pytest

from layers import Linear
from nn import check_gradients
from tests import oracles
from tests.checks import assert_close, one_sentence, randomise, sum_bound

SHAPES = {
    "batch of 5": (5, 7, 3),
    "batch of 1": (1, 4, 6),
    "one in, one out": (3, 1, 1),
    "wide": (2, 60, 2),
    "many out": (7, 9, 270),
}
shapes = pytest.mark.parametrize("N, features_in, features_out", SHAPES.values(), ids=SHAPES.keys())


@pytest.fixture(autouse=True, params=["whole", "cut", "many weights"])
def way(request, monkeypatch):
    """Every test here runs as small products are computed, cut into blocks as large ones are, and as with weights that
    the cache cannot hold."""
    if request.param != "whole":
        monkeypatch.setattr("nn.backend.cpu.dense.BLOCK_PRODUCTS", 1)
        monkeypatch.setattr("nn.backend.cpu.dense.LINE", 2)
    if request.param == "many weights":
        monkeypatch.setattr("nn.backend.cpu.dense.LARGE_BYTES", 0)


def build(N, features_in, features_out, dtype):
    rng = np.random.default_rng(0)
    layer = randomise(Linear(features_in, features_out, rng=rng).astype(dtype), rng)
    return layer, rng.normal(size=(N, features_in)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@shapes
def test_forward_equals_plain_loops(N, features_in, features_out, dtype):
    layer, x = build(N, features_in, features_out, dtype)
    weight, bias = layer.params["weight"], layer.params["bias"]
    magnitude = oracles.linear(np.abs(x), np.abs(weight), np.abs(bias))
    bound = 1e-12 if dtype == np.float64 else sum_bound(features_in + 1, magnitude, dtype)
    for training in (False, True):
        y = layer.forward(x, training=training)
        assert y.dtype == dtype
        assert_close(y, oracles.linear(x, weight, bias), bound)


@shapes
def test_gradients(N, features_in, features_out):
    layer, x = build(N, features_in, features_out, np.float64)
    report = check_gradients(layer, x)
    assert set(report.arguments) == {"x", "weight", "bias"}
    assert report.max_error < 1e-6, str(report)


def test_parameters_and_shapes():
    layer = Linear(9216, 4096, rng=0)
    assert list(layer.params) == ["weight", "bias"]
    assert layer.params["weight"].shape == (9216, 4096)
    assert layer.params["bias"].shape == (4096,)
    assert layer.params["weight"].dtype == layer.params["bias"].dtype == np.float32
    assert layer.num_parameters == 37_752_832  # AlexNet's fc6
    assert tuple(layer.output_shape((9216,))) == (4096,)
    assert layer.multiply_adds((9216,)) == 9216 * 4096


def test_the_seed_fixes_the_weights():
    first, second, other = (Linear(5, 4, rng=seed).params["weight"] for seed in (1, 1, 2))
    assert np.array_equal(first, second) and not np.array_equal(first, other)


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"in_features": 0, "out_features": 3}, ["in_features", 0]),
        ({"in_features": 3, "out_features": -2}, ["out_features", -2]),
        ({"in_features": 2.5, "out_features": 2}, ["in_features", 2.5]),
        ({"in_features": 3, "out_features": "ten"}, ["out_features", "ten"]),
    ],
)
def test_bad_constructor_values(arguments, words):
    with one_sentence((ValueError, TypeError), "Linear", *words):
        Linear(**arguments)


def test_a_wrong_number_of_features_is_refused():
    layer = Linear(6, 3)
    for call in (lambda: layer.forward(np.zeros((2, 7), np.float32)), lambda: layer.output_shape((7,))):
        with one_sentence(ValueError, "Linear", 6, 7):
            call()


def test_weights_in_another_order_of_memory():
    layer, x = build(5, 40, 36, np.float32)
    expected = layer.forward(x)
    layer.params["weight"] = np.asfortranarray(layer.params["weight"])
    assert_close(layer.forward(x), expected, 1e-4)
