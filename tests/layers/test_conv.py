"""Conv2d against plain loops, its three gradients against central differences, and what it refuses."""

import numpy as np
import pytest

from layers import Conv2d
from nn import check_gradients
from tests import oracles
from tests.checks import assert_close, one_sentence, randomise, sum_bound

# (batch, H, W), in_channels, out_channels, kernel_size, stride, padding, groups
CONFIGURATIONS = {
    "plain 3x3": ((2, 6, 6), 3, 4, 3, 1, 0, 1),
    "1x1": ((2, 4, 5), 3, 2, 1, 1, 0, 1),
    "1x1 with stride": ((2, 5, 4), 3, 2, 1, 2, 0, 1),
    "batch of 1": ((1, 7, 7), 2, 3, 3, 1, 0, 1),
    "padding keeps the size": ((2, 5, 7), 2, 4, 3, 1, 1, 1),
    "5x5 padding 2, like conv2": ((1, 6, 5), 4, 4, 5, 1, 2, 2),
    "11x11 stride 4, like conv1": ((1, 19, 23), 3, 2, 11, 4, 0, 1),
    "kernel is the whole image": ((3, 4, 5), 2, 3, (4, 5), 1, 0, 1),
    "stride leaves a rest": ((2, 8, 9), 2, 2, 3, 2, 0, 1),
    "stride skips pixels": ((2, 8, 11), 2, 2, 2, 3, 0, 1),
    "stride 3 with padding": ((1, 7, 10), 3, 2, 3, 3, 2, 1),
    "non-square kernel": ((2, 6, 7), 3, 2, (2, 4), 1, 0, 1),
    "one row high": ((2, 3, 8), 2, 3, (1, 5), (1, 2), (0, 2), 1),
    "all pairs different": ((2, 9, 7), 2, 4, (4, 2), (2, 3), (1, 0), 2),
    "padding on one side only": ((2, 4, 6), 2, 2, (3, 1), 1, (2, 0), 1),
    "padding wider than the kernel": ((1, 3, 4), 2, 2, 2, 1, 3, 1),
    "even kernel": ((2, 6, 5), 1, 2, 4, 1, 1, 1),
    "2 groups": ((2, 5, 5), 4, 6, 3, 1, 1, 2),
    "3 groups": ((1, 5, 6), 6, 3, 3, 2, 1, 3),
    "depthwise": ((2, 5, 4), 4, 4, 3, 1, 1, 4),
    "depthwise, two outputs a channel": ((1, 5, 4), 3, 6, 2, 1, 0, 3),
    "one channel in, one out": ((2, 5, 5), 1, 1, 3, 1, 0, 1),
    "1x1 image": ((2, 1, 1), 3, 2, 3, 1, 1, 1),
}


@pytest.fixture(
    autouse=True, params=["chosen", "chosen, cut", "patches", pytest.param("patches, cut", marks=pytest.mark.slow)]
)
def way(request, monkeypatch):
    """Every test here runs as the layer chooses (most images here have few channels), and through patches; and with
    the work cut into as many parts as large images are."""
    if "patches" in request.param:
        monkeypatch.setattr("nn.backend.cpu.convolution.FEW_CHANNELS", 0)
        monkeypatch.setattr("nn.backend.patches.MANY_WEIGHTS", 0)
    if "cut" in request.param:
        monkeypatch.setattr("nn.backend.cpu.conv_direct.SUM_PRODUCTS", 1)
        monkeypatch.setattr("nn.backend.cpu.conv_direct.NUMBER_PRODUCTS", 1)
        monkeypatch.setattr("nn.backend.runtime.pool.PART_SIZE", 1)
        monkeypatch.setattr("nn.backend.runtime.pool.WAKING_SIZE", 1)
        monkeypatch.setattr("nn.backend.patches.PATCH_BYTES", 1)
        monkeypatch.setattr("nn.backend.patches.FEW_PATCHES", 0)


configurations = pytest.mark.parametrize("configuration", CONFIGURATIONS.values(), ids=CONFIGURATIONS.keys())


def build(configuration, dtype, seed=0):
    (N, H, W), C_in, C_out, kernel_size, stride, padding, groups = configuration
    rng = np.random.default_rng(seed)
    layer = Conv2d(C_in, C_out, kernel_size, stride=stride, padding=padding, groups=groups, rng=rng)
    layer = randomise(layer.astype(dtype), rng)
    return layer, rng.normal(0, 1, (N, H, W, C_in)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@configurations
def test_forward_equals_plain_loops(configuration, dtype):
    layer, x = build(configuration, dtype)
    weight, bias = layer.params["weight"], layer.params["bias"]
    options = configuration[4:]
    expected = oracles.conv2d(x, weight, bias, *options)
    magnitude = oracles.conv2d(np.abs(x), np.abs(weight), np.abs(bias), *options)
    terms = weight.shape[0] * weight.shape[1] * weight.shape[2] + 1
    bound = 1e-12 if dtype == np.float64 else sum_bound(terms, magnitude, dtype)
    for training in (False, True):
        y = layer.forward(x, training=training)
        assert y.dtype == dtype
        assert_close(y, expected, bound)


@configurations
def test_gradients(configuration):
    layer, x = build(configuration, np.float64)
    report = check_gradients(layer, x, max_elements=1000)
    assert set(report.arguments) == {"x", "weight", "bias"}
    assert report.max_error < 1e-6, str(report)


@pytest.mark.slow
def test_gradients_when_the_image_is_worked_through_in_several_pieces():
    # Large enough that any sensible chunking of the patches (or of the batch) cuts it into pieces of unequal size.
    layer, x = build(((3, 45, 47), 16, 4, 5, 1, 2, 2), np.float64)
    report = check_gradients(layer, x, max_elements=10)
    assert report.max_error < 1e-6, str(report)


def test_a_large_input_equals_its_images_one_by_one():
    layer, x = build(((7, 61, 67), 16, 4, 5, 1, 2, 2), np.float64)
    y = layer.forward(x, training=True)
    dy = np.random.default_rng(1).normal(size=y.shape)
    dx = layer.backward(dy)
    grads = {name: grad.copy() for name, grad in layer.grads.items()}
    sums = {name: np.zeros_like(grad) for name, grad in grads.items()}
    for n in range(len(x)):
        assert_close(layer.forward(x[n : n + 1], training=True), y[n : n + 1], 1e-11)
        assert_close(layer.backward(dy[n : n + 1]), dx[n : n + 1], 1e-11)
        for name in sums:
            sums[name] += layer.grads[name]
    for name in sums:
        np.testing.assert_allclose(grads[name], sums[name], rtol=0, atol=1e-10 * np.abs(sums[name]).max())


def test_parameters_and_shapes():
    layer = Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), groups=2, rng=0)
    assert list(layer.params) == ["weight", "bias"]
    assert layer.params["weight"].shape == (3, 2, 2, 6)
    assert layer.params["bias"].shape == (6,)
    assert layer.params["weight"].dtype == layer.params["bias"].dtype == np.float32
    assert layer.num_parameters == 3 * 2 * 2 * 6 + 6
    assert tuple(layer.output_shape((7, 5, 4))) == (4, 4, 6)
    assert layer.multiply_adds((7, 5, 4)) == 4 * 4 * 6 * (3 * 2 * 2)  # each output: one product for each weight it sees


def test_initial_weights_are_spread_by_the_weights_that_an_output_sums():
    weight = Conv2d(12, 200, (5, 3), groups=2, rng=0).params["weight"]
    # 18,000 draws: their deviation is right to 1/sqrt(2 * 18,000), half a percent.
    assert weight.std() == pytest.approx(np.sqrt(2 / (5 * 3 * 6)), rel=0.03) and abs(weight.mean()) < 0.005


def test_alexnet_conv1_numbers():
    conv1 = Conv2d(3, 96, 11, stride=4)
    assert tuple(conv1.output_shape((227, 227, 3))) == (55, 55, 96)
    assert conv1.num_parameters == 34_944
    assert conv1.multiply_adds((227, 227, 3)) == 55 * 55 * 96 * 363


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"in_channels": 4, "out_channels": 6, "kernel_size": 3, "groups": 3}, ["Conv2d", "groups", 3, 4]),
        ({"in_channels": 6, "out_channels": 4, "kernel_size": 3, "groups": 3}, ["Conv2d", "groups", 3, 4]),
        ({"in_channels": 4, "out_channels": 4, "kernel_size": 3, "groups": 0}, ["Conv2d", "groups", 0]),
        ({"in_channels": 0, "out_channels": 4, "kernel_size": 3}, ["Conv2d", "in_channels", 0]),
        ({"in_channels": 4, "out_channels": -1, "kernel_size": 3}, ["Conv2d", "out_channels", -1]),
        ({"in_channels": 4, "out_channels": 4, "kernel_size": 0}, ["Conv2d", "kernel_size", 0]),
        ({"in_channels": 4, "out_channels": 4, "kernel_size": (3, -2)}, ["Conv2d", "kernel_size", -2]),
        ({"in_channels": 4, "out_channels": 4, "kernel_size": (3, 3, 3)}, ["Conv2d", "kernel_size"]),
        ({"in_channels": 4, "out_channels": 4, "kernel_size": 3, "stride": 0}, ["Conv2d", "stride", 0]),
        ({"in_channels": 4, "out_channels": 4, "kernel_size": 3, "stride": (1, 0)}, ["Conv2d", "stride", 0]),
        ({"in_channels": 4, "out_channels": 4, "kernel_size": 3, "padding": -1}, ["Conv2d", "padding", -1]),
        ({"in_channels": 4, "out_channels": 4, "kernel_size": 2.5}, ["Conv2d", "kernel_size", 2.5]),
        ({"in_channels": 4, "out_channels": 4, "kernel_size": "3"}, ["Conv2d", "kernel_size", "3"]),
    ],
)
def test_bad_constructor_values(arguments, words):
    with one_sentence((ValueError, TypeError), *words):
        Conv2d(**arguments)


def test_an_empty_output_is_refused():
    layer = Conv2d(2, 3, 5)
    with one_sentence(ValueError, "Conv2d", 5, 4):
        layer.forward(np.zeros((1, 4, 6, 2), np.float32))
    with one_sentence(ValueError, "Conv2d", 5, 4):
        layer.output_shape((6, 4, 2))


def test_a_wrong_channel_count_is_refused():
    layer = Conv2d(3, 4, 3)
    for call in (lambda: layer.forward(np.zeros((2, 8, 8, 5), np.float32)), lambda: layer.output_shape((8, 8, 5))):
        with one_sentence(ValueError, "Conv2d", 3, 5):
            call()


def test_the_seed_fixes_the_weights():
    first, second, other = (Conv2d(3, 4, 3, rng=seed).params["weight"] for seed in (1, 1, 2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)
    same_stream = Conv2d(3, 4, 3, rng=np.random.default_rng(1)).params["weight"]
    assert np.array_equal(first, same_stream)


def test_weights_in_another_order_of_memory():
    layer, x = build(CONFIGURATIONS["plain 3x3"], np.float64)
    expected = layer.forward(x, training=True)
    dy = np.random.default_rng(1).normal(size=expected.shape)
    gradients = [layer.backward(dy), *(array.copy() for array in layer.grads.values())]
    layer.params["weight"] = np.asfortranarray(layer.params["weight"])
    np.testing.assert_allclose(layer.forward(x, training=True), expected, rtol=1e-13)
    for before, after in zip(gradients, [layer.backward(dy), *layer.grads.values()], strict=True):
        np.testing.assert_allclose(after, before, rtol=1e-12, atol=1e-13)


@pytest.mark.filterwarnings("ignore:invalid value")
def test_an_infinite_gradient_stays_where_it_belongs():
    layer = Conv2d(3, 4, 3, padding=1, rng=0)
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)
    dy = np.ones_like(layer.forward(x, training=True))
    dy[0, 4, 4, 1] = np.inf
    finite = np.isfinite(layer.backward(dy)).all(axis=-1)
    expected = np.ones((2, 8, 8), bool)
    expected[0, 3:6, 3:6] = False
    assert np.array_equal(finite, expected)
