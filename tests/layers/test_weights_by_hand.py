"""Arrays that somebody puts into a layer's `params` or `grads`: what fits is used, anything else is refused before a
compiled loop, which looks at no bound, gets to see it."""

import numpy as np
import pytest

from layers import Conv2d, Linear, Subsampling2d
from tests.checks import one_sentence
from tests.other_arrays import OtherArray

# Each convolution goes another way: few channels, the same several images at once, patches, Winograd's tiles.
LAYERS = {
    "direct": (lambda: Conv2d(2, 9, 3, rng=0), (2, 8, 8, 2)),
    "batched": (lambda: Conv2d(1, 6, 5, rng=0), (32, 9, 9, 1)),
    "patches": (lambda: Conv2d(10, 12, 3, stride=2, rng=0), (2, 8, 8, 10)),
    "winograd": (lambda: Conv2d(16, 16, 3, padding=1, rng=0), (8, 16, 16, 16)),
    "linear": (lambda: Linear(7, 5, rng=0), (3, 7)),
    "one row": (lambda: Linear(7, 5, rng=0), (1, 7)),
    "few rows of many": (lambda: Linear(1100, 1000, rng=0), (3, 1100)),
    "subsampling": (lambda: Subsampling2d(3, rng=0), (2, 4, 4, 3)),
}
every_layer = pytest.mark.parametrize("name", LAYERS)
WRONG = {
    "too short": lambda array: array[..., :-1],
    "too long": lambda array: np.concatenate([array, array]),
    "the axes in another order": lambda array: np.moveaxis(array, -1, 0) if array.ndim > 1 else array[:, None],
    "one axis": lambda array: array.reshape(-1) if array.ndim > 1 else array[None],
    "no axis": lambda array: array.reshape(-1)[0],
    "float64": lambda array: array.astype(np.float64),
    "float16": lambda array: array.astype(np.float16),
    "whole numbers": lambda array: np.zeros(array.shape, np.int32),
    "complex": lambda array: array.astype(np.complex64),
    "the other order of bytes": lambda array: array.astype(array.dtype.newbyteorder()),
    "a list": lambda array: array.tolist(),
    "nothing": lambda array: None,
    "an array from elsewhere": lambda array: OtherArray(array),
}
all_wrong = pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
both = pytest.mark.parametrize("key", ["weight", "bias"])


def build(name):
    make, shape = LAYERS[name]
    rng = np.random.default_rng(1)
    layer, x = make(), rng.normal(size=shape).astype(np.float32)
    return layer, x, rng.normal(size=(shape[0], *layer.output_shape(shape[1:]))).astype(np.float32)


@all_wrong
@both
@every_layer
def test_a_parameter_that_does_not_fit_is_refused_by_both_passes(name, key, wrong):
    layer, x, dy = build(name)
    right = layer.params[key]
    for training in (False, True):
        layer.params[key] = wrong(right)
        with one_sentence((TypeError, ValueError), type(layer).__name__):
            layer.forward(x, training)
    layer.params[key] = right
    layer.forward(x, training=True)
    layer.params[key] = wrong(right)
    with one_sentence((TypeError, ValueError), type(layer).__name__):
        layer.backward(dy)
    layer.params[key] = right
    layer.forward(x, training=True)
    layer.backward(dy)


@all_wrong
@both
@every_layer
def test_a_gradient_s_array_that_does_not_fit_is_refused(name, key, wrong):
    layer, x, dy = build(name)
    layer.forward(x, training=True)
    layer.grads[key] = wrong(layer.grads[key])
    with one_sentence(ValueError, type(layer).__name__, key):
        layer.backward(dy)


@both
@every_layer
@pytest.mark.parametrize("kind", ["strided", "read-only"])
def test_gradients_cannot_be_written_into_such_an_array(name, key, kind):
    layer, x, dy = build(name)
    layer.forward(x, training=True)
    if kind == "strided":
        layer.grads[key] = np.repeat(layer.grads[key], 2, axis=0)[::2]
    else:
        layer.grads[key].flags.writeable = False
    with one_sentence(ValueError, type(layer).__name__, key):
        layer.backward(dy)


@every_layer
@pytest.mark.parametrize("kind", ["copied", "strided", "backwards", "Fortran", "read-only"])
def test_another_array_that_fits_takes_effect_however_it_lies_in_memory(name, kind):
    """Against the same numbers written into the layer's own arrays."""
    ways = {
        "copied": np.copy,
        "strided": lambda array: np.repeat(array, 2, axis=-1)[..., ::2],
        "backwards": lambda array: array[..., ::-1].copy()[..., ::-1],
        "Fortran": np.asfortranarray,
        "read-only": lambda array: np.broadcast_to(array, array.shape),
    }
    (layer, x, dy), (expected, _, _) = build(name), build(name)
    rng = np.random.default_rng(2)
    for key, array in expected.params.items():
        array[...] = rng.normal(size=array.shape)
        layer.params[key] = ways[kind](array)
    pairs = [(layer.forward(x, training=True), expected.forward(x, training=True))]
    pairs += [(layer.backward(dy), expected.backward(dy))]
    pairs += [(layer.grads[key], grad) for key, grad in expected.grads.items()]
    for actual, right in pairs:  # BLAS may add up in another order; float32, sums of at most 2048 products
        np.testing.assert_allclose(actual, right, rtol=0, atol=1e-4 * np.abs(right).max())
    own = layer.params["bias"]
    if kind != "read-only":  # the array is the live one, not a copy of it
        y = layer.forward(x)
        own += 1
        np.testing.assert_allclose(layer.forward(x), y + 1, rtol=1e-4, atol=1e-4 * np.abs(y).max())


@every_layer
def test_names_that_the_layer_does_not_have(name):
    layer, x, _ = build(name)
    layer.params["wieght"] = layer.params["weight"]
    with one_sentence(ValueError, type(layer).__name__, "wieght", "weight", "bias"):
        layer.forward(x)
    del layer.params["wieght"], layer.params["bias"]
    with one_sentence(ValueError, type(layer).__name__, "bias"):
        layer.forward(x)


def test_the_sentence_says_both_shapes():
    layer, x, _ = build("linear")
    layer.params["weight"] = layer.params["weight"].T
    with one_sentence(ValueError, "Linear", "weight", "(7, 5)", "(5, 7)", "transpose"):
        layer.forward(x)
