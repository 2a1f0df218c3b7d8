"""What every layer promises, checked on every layer: see the docstring of nn.layer.Layer."""

import numpy as np
import pytest

from layers import (
    ELU,
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    Dropout,
    EuclideanRBF,
    Flatten,
    Linear,
    LocalResponseNorm,
    MaxPool2d,
    ReLU,
    ScaledTanh,
    Sigmoid,
    Subsampling2d,
    Tanh,
)
from nn.layer import Layer
from tests.checks import distinct, one_sentence, randomise

IMAGES = (3, 6, 7, 4)
VECTORS = (3, 10)
# name -> (how to make the layer, the shape of a batch that it takes)
LAYERS = {
    "Conv2d": (lambda: Conv2d(4, 6, 3, stride=2, padding=1, groups=2, rng=0), IMAGES),
    "Conv2d 1x1": (lambda: Conv2d(4, 3, 1, rng=0), IMAGES),
    "MaxPool2d": (lambda: MaxPool2d(3, stride=2, padding=1), IMAGES),
    "MaxPool2d ceil": (lambda: MaxPool2d(2, ceil_mode=True), IMAGES),
    "AvgPool2d": (lambda: AvgPool2d(2), IMAGES),
    "AvgPool2d ceil": (lambda: AvgPool2d(3, stride=2, padding=1, ceil_mode=True), IMAGES),
    "BatchNorm2d": (lambda: BatchNorm2d(4), IMAGES),
    "Subsampling2d": (lambda: Subsampling2d(4, rng=0), IMAGES),
    "LocalResponseNorm across": (lambda: LocalResponseNorm(3, alpha=1.0), IMAGES),
    "LocalResponseNorm within": (lambda: LocalResponseNorm(3, alpha=1.0, region="within"), IMAGES),
    "LocalResponseNorm power": (lambda: LocalResponseNorm(5, alpha=1.0, beta=0.6), IMAGES),
    "ReLU": (ReLU, IMAGES),
    "ReLU on vectors": (ReLU, VECTORS),
    "Sigmoid": (Sigmoid, IMAGES),
    "Tanh": (Tanh, VECTORS),
    "ScaledTanh": (ScaledTanh, IMAGES),
    "ELU": (ELU, IMAGES),
    "Dropout": (lambda: Dropout(0.5, rng=0), VECTORS),
    "Flatten": (Flatten, IMAGES),
    "EuclideanRBF": (lambda: EuclideanRBF(np.random.default_rng(0).choice([-1, 1], (5, 10))), VECTORS),
    "Linear": (lambda: Linear(10, 6, rng=0), VECTORS),
}
PARAMETRIC = {"BatchNorm2d", "Conv2d", "Conv2d 1x1", "Subsampling2d", "Linear"}
MAY_RETURN_A_VIEW = {"Flatten"}

every_layer = pytest.mark.parametrize("name", LAYERS)
both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def build(name, dtype=np.float32):
    """The layer, a batch of inputs, and a gradient of its output's shape."""
    make, shape = LAYERS[name]
    rng = np.random.default_rng(5)
    layer = randomise(make().astype(dtype), rng)
    x = distinct(shape, rng, dtype)
    dy = rng.normal(size=(shape[0], *layer.output_shape(shape[1:]))).astype(dtype)
    return layer, x, dy


@every_layer
def test_moving_a_layer_lets_go_of_its_forward_pass(name):
    """What that has kept may lie on the other device."""
    layer, x, dy = build(name, np.float64)
    layer.forward(x, training=True)
    assert layer.to("cpu") is layer
    with one_sentence(RuntimeError):
        layer.backward(dy)


@both_dtypes
@every_layer
def test_the_dtype_never_drifts(name, dtype):
    layer, x, dy = build(name, dtype)
    assert layer.forward(x).dtype == dtype
    assert layer.forward(x, training=True).dtype == dtype
    assert layer.backward(dy).dtype == dtype
    for arrays in (layer.params, layer.grads, layer.state):
        assert all(array.dtype == dtype for array in arrays.values())


@every_layer
def test_single_precision_agrees_with_double(name):
    results = []
    for dtype in (np.float32, np.float64):
        layer, x, dy = build(name, dtype)
        results.append([layer.forward(x, training=True), layer.backward(dy), *layer.grads.values()])
    for single, double in zip(*results, strict=True):
        # Sums of at most 200 products; rounding errors of 200 * 6e-8 would be the worst case.
        np.testing.assert_allclose(single, double, rtol=0, atol=2e-5 * np.abs(double).max())


def test_parameters_start_as_float32():
    for make, _ in LAYERS.values():
        layer = make()
        assert all(array.dtype == np.float32 for array in (*layer.params.values(), *layer.state.values()))


@every_layer
def test_astype_returns_the_layer_itself_and_keeps_the_values(name):
    layer = LAYERS[name][0]()
    before = {key: value.copy() for key, value in (layer.params | layer.state).items()}
    assert layer.astype(np.float64) is layer
    for key, value in (layer.params | layer.state).items():
        assert value.dtype == np.float64
        np.testing.assert_array_equal(value, before[key])
    with one_sentence(TypeError, type(layer).__name__, "int32"):
        layer.astype(np.int32)


@both_dtypes
@every_layer
def test_the_output_shape_is_as_announced(name, dtype):
    layer, x, _ = build(name, dtype)
    shape = layer.output_shape(x.shape[1:])
    assert layer.forward(x).shape == (len(x), *shape)
    assert layer.forward(x[:1]).shape == (1, *shape)
    assert isinstance(layer.multiply_adds(x.shape[1:]), int)


@every_layer
def test_a_wrong_image_shape_is_refused(name):
    layer, x, _ = build(name)
    shape = x.shape[1:]
    kind = type(layer).__name__
    if layer.elementwise or name == "Flatten":
        pytest.skip("takes arrays of any shape")
    multiplies = bool(layer.params) or name == "EuclideanRBF"
    for ask in (layer.output_shape, layer.multiply_adds) if multiplies else (layer.output_shape,):
        for wrong in ((), x.shape, (*shape[:-1], 0)):
            with one_sentence(ValueError, kind):
                ask(wrong)
        if multiplies:
            with one_sentence(ValueError, kind, shape[-1], shape[-1] + 2):
                ask((*shape[:-1], shape[-1] + 2))


@every_layer
def test_training_or_not_gives_the_same(name):
    if name in ("Dropout", "BatchNorm2d"):
        pytest.skip("differs between the two, by design")
    layer, x, _ = build(name)
    assert np.array_equal(layer.forward(x), layer.forward(x, training=True))


@both_dtypes
@every_layer
def test_nothing_given_is_changed(name, dtype):
    layer, x, dy = build(name, dtype)
    x_before, dy_before = x.tobytes(), dy.tobytes()
    params_before = {key: value.tobytes() for key, value in layer.params.items()}
    layer.forward(x)
    layer.forward(x, training=True)
    layer.backward(dy)
    assert x.tobytes() == x_before
    assert dy.tobytes() == dy_before
    assert {key: value.tobytes() for key, value in layer.params.items()} == params_before


@every_layer
def test_read_only_and_strided_inputs(name):
    layer, x, dy = build(name)
    reference = build(name)[0]
    y = reference.forward(x, training=True)
    dx = reference.backward(dy)

    x_view, dy_view = np.repeat(x, 2, axis=-1)[..., ::2], np.asfortranarray(dy)
    for array in (x_view, dy_view):
        array.flags.writeable = False
    assert np.array_equal(layer.forward(x_view, training=True), y)
    assert np.array_equal(layer.backward(dy_view), dx)
    for key in layer.grads:
        np.testing.assert_allclose(layer.grads[key], reference.grads[key], rtol=1e-5, atol=1e-5)

    one = np.broadcast_to(np.ones((), x.dtype), dy.shape)  # what a sum's gradient looks like: no memory of its own
    layer, reference = build(name)[0], build(name)[0]
    layer.forward(x, training=True)
    reference.forward(x, training=True)
    assert np.array_equal(layer.backward(one), reference.backward(one.copy()))


@every_layer
def test_results_belong_to_the_caller(name):
    layer, x, dy = build(name)
    other_x, other_dy = -x, 2 * dy
    y = layer.forward(x, training=True)
    y_before = y.copy()
    dx = layer.backward(dy)
    dx_before = dx.copy()
    assert np.array_equal(y, y_before), "backward changed what forward had returned"
    if name not in MAY_RETURN_A_VIEW:
        assert not np.shares_memory(y, x) and not np.shares_memory(dx, dy)
    layer.forward(other_x)
    layer.forward(other_x, training=True)
    layer.backward(other_dy)
    assert np.array_equal(y, y_before), "a later call changed an earlier output"
    assert np.array_equal(dx, dx_before), "a later call changed an earlier gradient"


@every_layer
def test_the_caller_may_write_into_the_output(name):
    if name in MAY_RETURN_A_VIEW:
        pytest.skip("a view of x, and x must stay as it is until backward")
    layer, x, dy = build(name)
    reference = build(name)[0]
    reference.forward(x, training=True)
    y = layer.forward(x, training=True)
    y[...] = 1e9
    assert np.array_equal(layer.backward(dy), reference.backward(dy))


@pytest.mark.parametrize("name", sorted(PARAMETRIC))
def test_backward_overwrites_gradients(name):
    layer, x, dy = build(name)
    layer.forward(x, training=True)
    layer.backward(dy)
    once = {key: value.copy() for key, value in layer.grads.items()}
    layer.forward(x, training=True)
    layer.backward(dy)
    assert list(layer.grads) == list(layer.params) and len(once) == 2
    for key, value in layer.grads.items():
        assert value.shape == layer.params[key].shape
        assert np.any(value != 0)
        assert np.array_equal(value, once[key]), f"{key}: the second backward added to the first"


@pytest.mark.parametrize("name", sorted(PARAMETRIC))
def test_parameters_are_live(name):
    layer, x, _ = build(name)
    y = layer.forward(x)
    layer.params["bias"][...] += 1
    np.testing.assert_allclose(layer.forward(x), y + 1, rtol=1e-5, atol=1e-5)
    layer.params["weight"][...] = 0
    bias = np.broadcast_to(layer.params["bias"], y.shape)
    np.testing.assert_array_equal(layer.forward(x), bias)
    assert layer.num_parameters == sum(value.size for value in layer.params.values())


@every_layer
def test_backward_needs_a_training_forward(name):
    layer, x, dy = build(name)
    with one_sentence(RuntimeError, type(layer).__name__, "forward", "training=True"):
        layer.backward(dy)
    layer.forward(x)
    with one_sentence(RuntimeError, type(layer).__name__, "forward", "training=True"):
        layer.backward(dy)


@every_layer
def test_a_prediction_in_between_does_not_disturb_the_pending_backward(name):
    layer, x, dy = build(name)
    reference = build(name)[0]
    reference.forward(x, training=True)
    layer.forward(x, training=True)
    layer.forward(-2 * x[:1])
    layer.forward(3 * x)
    assert np.array_equal(layer.backward(dy), reference.backward(dy))
    for key in layer.grads:
        assert np.array_equal(layer.grads[key], reference.grads[key])


@every_layer
def test_without_the_input_gradient(name):
    layer, x, dy = build(name)
    reference = build(name)[0]
    layer.forward(x, training=True)
    reference.forward(x, training=True)
    assert layer.backward(dy, input_gradient=False) is None
    reference.backward(dy)
    for key in layer.grads:
        assert np.array_equal(layer.grads[key], reference.grads[key])


@both_dtypes
@every_layer
def test_out_is_written_and_returned(name, dtype):
    layer, x, dy = build(name, dtype)
    reference = build(name, dtype)[0]
    y, dx = reference.forward(x, training=True), reference.backward(dy)
    # Rubbish in the buffers must not show through.
    y_out, dx_out = np.full(y.shape, np.nan, dtype), np.full(x.shape, np.nan, dtype)
    assert layer.forward(x, training=True, out=y_out) is y_out
    assert np.array_equal(y_out, y)
    assert layer.backward(dy, out=dx_out) is dx_out
    assert np.array_equal(dx_out, dx)
    for key in layer.grads:
        assert np.array_equal(layer.grads[key], reference.grads[key])
    y_out.fill(np.nan)
    assert layer.forward(x, out=y_out) is y_out
    assert np.array_equal(y_out, reference.forward(x))


@every_layer
def test_an_out_that_does_not_fit_is_refused(name):
    layer, x, dy = build(name)
    y = layer.forward(x)
    for out in (np.empty((2, *y.shape[1:]), y.dtype), y.astype(np.float64)):
        with one_sentence(ValueError, type(layer).__name__, "out", "float32"):
            layer.forward(x, out=out)


@every_layer
def test_wrong_inputs_are_refused(name):
    layer, x, _ = build(name)
    kind = type(layer).__name__
    with one_sentence(TypeError, kind, "int64"):
        layer.forward(np.ones(x.shape, np.int64))
    with one_sentence(TypeError, kind, "bool"):
        layer.forward(np.ones(x.shape, bool))
    with one_sentence(TypeError, kind, "list"):
        layer.forward(x.tolist())
    if layer.params:
        with one_sentence(TypeError, kind, "float32", "float64", "astype"):
            layer.forward(x.astype(np.float64))
        with one_sentence(TypeError, kind, "float32", "float64", "astype"):
            layer.astype(np.float64).forward(x)
    if not layer.elementwise and name != "Flatten":  # these take arrays of any rank
        with one_sentence(ValueError, kind, "shape"):
            build(name)[0].forward(x[0])


@every_layer
def test_an_empty_input_is_refused(name):
    layer, x, _ = build(name)
    for axis in range(x.ndim if layer.elementwise or name == "Flatten" else 1):
        empty = np.delete(x, slice(None), axis)
        with one_sentence(ValueError, type(layer).__name__, "empty", empty.shape):
            layer.forward(empty)


def test_a_layer_that_lacks_a_pass_is_an_error_and_not_silence():
    x = np.ones((2, 3), np.float32)
    with pytest.raises(NotImplementedError):
        Layer().forward(x)
    with pytest.raises(NotImplementedError):
        Layer().backward(x)


@every_layer
def test_a_wrong_gradient_is_refused(name):
    layer, x, dy = build(name)
    layer.forward(x, training=True)
    with one_sentence(ValueError, type(layer).__name__, "gradient", len(dy) - 1):
        layer.backward(dy[1:])
    layer.forward(x, training=True)
    with one_sentence(TypeError, type(layer).__name__, "float32", "float64"):
        layer.backward(dy.astype(np.float64))


@every_layer
def test_a_layer_can_be_called(name):
    """layer(x) is layer.forward(x), with the same arguments."""
    layer, x, dy = build(name)
    reference = build(name)[0]
    assert np.array_equal(layer(x), reference.forward(x))
    out = np.empty_like(dy)
    assert layer(x, True, out) is out
    assert np.array_equal(out, reference.forward(x, training=True))
    assert np.array_equal(layer.backward(dy), reference.backward(dy))
    assert layer(x, training=False, out=out) is out and np.array_equal(out, reference.forward(x))


@pytest.mark.parametrize("name", ["BatchNorm2d", "EuclideanRBF"])
def test_state_must_fit_as_parameters_must(name):
    layer, x, _ = build(name)
    key = next(iter(layer.state))
    good = layer.state[key]
    layer.state[key] = good.astype(np.float64)
    with one_sentence(TypeError, name, key, "state", "float32", "float64", "astype"):
        layer.forward(x)
    layer.state[key] = good[1:].copy()
    with one_sentence(ValueError, name, key, good.shape, good[1:].shape):
        layer.forward(x)
    del layer.state[key]
    with one_sentence(ValueError, name, key, "state"):
        layer.forward(x)
    layer.state[key], layer.state["another"] = good, good
    with one_sentence(ValueError, name, "another", "state"):
        layer.forward(x)


@every_layer
def test_the_name_shows_in_messages(name):
    layer, x, dy = build(name)
    assert layer.name == type(layer).__name__
    layer.name = "layer7"
    with one_sentence(RuntimeError, "layer7", type(layer).__name__):
        layer.backward(dy)
