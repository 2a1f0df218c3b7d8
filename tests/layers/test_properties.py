"""What must hold for every layer of any configuration: random ones, in float64, so that only wrong code can fail."""

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import nn
from layers import AvgPool2d, Conv2d, Linear, LocalResponseNorm, MaxPool2d, ReLU, Sigmoid, Subsampling2d, Tanh
from tests.checks import randomise

many = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
# Sums of at most some thousand terms of size 1 to 10, in other orders: 1e-12 each in double precision.
CLOSE = {"rtol": 1e-9, "atol": 1e-9}


@st.composite
def convolutions(draw):
    """Any convolution, among them those that go without patches (few channels) and by Winograd's method."""
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    kernel = draw(st.sampled_from([1, 2, 3, 3, 5, 5, (2, 3), (5, 1)]))
    per_group = draw(st.sampled_from([1, 2, 3, 9, 16, 17]))
    outputs = draw(st.sampled_from([1, 2, 16]))
    stride = draw(st.sampled_from([1, 1, 1, 2, 3, (1, 2)]))
    padding = draw(st.sampled_from([0, 1, 2, 2, 3]))
    layer = Conv2d(per_group * groups, outputs * groups, kernel, stride, padding, groups, rng=0)
    return layer, (draw(st.integers(5, 14)), draw(st.integers(5, 14)), per_group * groups)


@st.composite
def poolings(draw):
    kind = draw(st.sampled_from([MaxPool2d, AvgPool2d]))
    kernel = draw(st.integers(1, 4))
    stride, ceil_mode = draw(st.sampled_from([None, 1, 2, 3])), draw(st.booleans())
    layer = kind(kernel, stride, padding=draw(st.integers(0, kernel // 2)), ceil_mode=ceil_mode)
    return layer, (draw(st.integers(4, 12)), draw(st.integers(4, 12)), draw(st.sampled_from([1, 3, 8, 17])))


@st.composite
def others(draw):
    channels = draw(st.sampled_from([1, 2, 5, 16, 33]))
    size = draw(st.sampled_from([1, 3, 5, 7]))
    norm = {"alpha": draw(st.sampled_from([1e-4, 1.0])), "beta": draw(st.sampled_from([0.75, 0.5, 1.0, 0.6]))}
    layer = draw(
        st.sampled_from(
            [
                LocalResponseNorm(size, **norm, k=draw(st.sampled_from([1.0, 2.0]))),
                LocalResponseNorm(size, **norm, region="within"),
                Subsampling2d(channels, rng=0),
                ReLU(),
                Sigmoid(),
                Tanh(),
            ]
        )
    )
    return layer, (draw(st.integers(4, 9)), draw(st.integers(4, 9)), channels)


@st.composite
def fully_connected(draw):
    inputs = draw(st.integers(1, 70))
    return Linear(inputs, draw(st.integers(1, 70)), rng=0), (inputs,)


@st.composite
def cases(draw):
    """(a layer in float64 with random parameters, a batch for it, a random generator)"""
    layer, image_shape = draw(st.one_of(convolutions(), poolings(), others(), fully_connected()))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    try:
        layer.output_shape(image_shape)
    except ValueError:  # a kernel larger than the image
        assume(False)
    return randomise(layer.astype(np.float64), rng), rng.normal(size=(draw(st.integers(1, 9)), *image_shape)), rng


def backward(layer, x, dy):
    """All gradients: by the input, and by each parameter."""
    layer.forward(x, training=True)
    dx = layer.backward(dy)
    return {"x": dx} | {name: grad.copy() for name, grad in layer.grads.items()}


@many
@given(cases())
def test_nothing_that_is_given_is_changed(case):
    layer, x, rng = case
    kept = x.copy()
    y = layer.forward(x, training=True)
    dy = rng.normal(size=y.shape)
    kept_dy = dy.copy()
    layer.backward(dy)
    layer.forward(x)
    np.testing.assert_array_equal(x, kept)
    np.testing.assert_array_equal(dy, kept_dy)


@many
@given(cases())
def test_backward_is_linear_in_dy(case):
    layer, x, rng = case
    shape = layer.forward(x).shape
    one, other = rng.normal(size=(2, *shape))
    a, b = rng.normal(size=2)
    mixed = backward(layer, x, a * one + b * other)
    first, second = backward(layer, x, one), backward(layer, x, other)
    for name, gradient in mixed.items():
        np.testing.assert_allclose(gradient, a * first[name] + b * second[name], **CLOSE, err_msg=name)


@many
@given(cases())
def test_a_batch_is_its_images_one_by_one(case):
    layer, x, rng = case
    y = layer.forward(x)
    dy = rng.normal(size=y.shape)
    whole = backward(layer, x, dy)
    singles = [backward(layer, x[n : n + 1], dy[n : n + 1]) for n in range(len(x))]
    np.testing.assert_allclose(y, np.concatenate([layer.forward(x[n : n + 1]) for n in range(len(x))]), **CLOSE)
    np.testing.assert_allclose(whole["x"], np.concatenate([single["x"] for single in singles]), **CLOSE)
    for name in layer.params:  # gradients by parameters add up over the images
        np.testing.assert_allclose(whole[name], sum(single[name] for single in singles), **CLOSE, err_msg=name)


@many
@given(cases())
def test_plain_and_fast_functions_give_the_same(case):
    layer, x, rng = case
    y = layer.forward(x)
    dy = rng.normal(size=y.shape)
    fast = backward(layer, x, dy)
    with nn.plain():
        np.testing.assert_allclose(layer.forward(x), y, **CLOSE)
        plain = backward(layer, x, dy)
    for name, gradient in fast.items():
        np.testing.assert_allclose(gradient, plain[name], **CLOSE, err_msg=name)


@pytest.mark.oracle
@many
@given(cases())
def test_pytorch_gives_the_same(case):
    torch = pytest.importorskip("torch")
    layer, x, rng = case
    theirs = in_pytorch(torch, layer)
    assume(theirs is not None)
    dy = rng.normal(size=layer.forward(x).shape)
    ours = backward(layer, x, dy)
    inputs = torch.tensor(x, requires_grad=True)
    params = {name: torch.tensor(param, requires_grad=True) for name, param in layer.params.items()}
    y = theirs(inputs, params)
    np.testing.assert_allclose(layer.forward(x), y.detach().numpy(), **CLOSE)
    y.backward(torch.tensor(dy))
    np.testing.assert_allclose(ours["x"], inputs.grad.numpy(), **CLOSE)
    for name, param in params.items():
        np.testing.assert_allclose(ours[name], param.grad.numpy(), **CLOSE, err_msg=name)


def in_pytorch(torch, layer):
    """The same layer as a function of (N, H, W, C) and the parameters; None where PyTorch has none like it."""
    F = torch.nn.functional

    def on_maps(function):
        return lambda x, params: function(x.permute(0, 3, 1, 2), params).permute(0, 2, 3, 1)

    if isinstance(layer, Conv2d):
        return on_maps(
            lambda x, params: F.conv2d(
                x,
                params["weight"].permute(3, 2, 0, 1).contiguous(),
                params["bias"],
                layer.stride,
                layer.padding,
                1,
                layer.groups,
            )
        )
    if isinstance(layer, MaxPool2d):
        arguments = layer.kernel_size, layer.stride, layer.padding
        return on_maps(lambda x, _: F.max_pool2d(x, *arguments, ceil_mode=layer.ceil_mode))
    if isinstance(layer, Linear):
        return lambda x, params: x @ params["weight"] + params["bias"]
    if isinstance(layer, LocalResponseNorm) and layer.region == "across":
        return on_maps(lambda x, _: F.local_response_norm(x, layer.size, layer.alpha * layer.size, layer.beta, layer.k))
    functions = {ReLU: torch.relu, Sigmoid: torch.sigmoid, Tanh: torch.tanh}
    return (lambda x, _: functions[type(layer)](x)) if type(layer) in functions else None
