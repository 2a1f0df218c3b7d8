"""Conv2d with a group for each input channel, which has a loop of its own: whole vectors of channels and some over."""

import numpy as np
import pytest

from layers import Conv2d
from layers.conv import convolve, convolve_backward
from nn import check_gradients
from nn.backend.runtime import threads
from tests import oracles
from tests.checks import assert_close, randomise, sum_bound
from tests.kernel_cases import whole_numbers

# (N, H, W), channels, outputs for each, kernel_size, stride, padding
CONFIGURATIONS = {
    "3x3": ((2, 6, 7), 5, 1, 3, 1, 1),
    "stride 2 with a rest": ((1, 8, 7), 4, 1, 3, 2, 0),
    "two outputs a channel": ((3, 5, 4), 9, 2, 3, 1, 1),
    "three outputs a channel, stride 2": ((2, 5, 6), 6, 3, 3, 2, 1),
    "5x5 padding 2": ((1, 6, 5), 17, 1, 5, 1, 2),
    "not square": ((2, 5, 6), 18, 1, (2, 4), (2, 1), (0, 2)),
    "padding wider than the kernel": ((1, 3, 4), 3, 2, 2, 1, 3),
    "stride skips pixels": ((5, 8, 9), 2, 1, 2, 3, 0),
    "7x7 of one row": ((1, 1, 5), 20, 1, 7, 1, 3),
}
configurations = pytest.mark.parametrize("configuration", CONFIGURATIONS.values(), ids=CONFIGURATIONS.keys())


@pytest.fixture(autouse=True, params=["as it is", "cut"])
def way(request, monkeypatch):
    """Every test here runs as the layer chooses, and with the work cut into as many parts as that of large images."""
    if request.param == "cut":
        monkeypatch.setattr("nn.backend.cpu.conv_depthwise.SLICE_BYTES", 1)
        monkeypatch.setattr("nn.backend.cpu.conv_direct.SUM_PRODUCTS", 1)
        monkeypatch.setattr("nn.backend.cpu.conv_direct.NUMBER_PRODUCTS", 1)
        monkeypatch.setattr("nn.backend.runtime.pool.PART_SIZE", 1)
        monkeypatch.setattr("nn.backend.runtime.pool.WAKING_SIZE", 1)


def build(configuration, dtype, **options):
    image_shape, channels, each, kernel_size, stride, padding = configuration
    rng = np.random.default_rng(0)
    layer = Conv2d(channels, channels * each, kernel_size, stride, padding, groups=channels, rng=rng, **options)
    return randomise(layer.astype(dtype), rng), rng.normal(size=(*image_shape, channels)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@configurations
def test_forward_equals_plain_loops(configuration, dtype):
    layer, x = build(configuration, dtype)
    weight, bias, options = layer.params["weight"], layer.params["bias"], (*configuration[4:], layer.groups)
    magnitude = oracles.conv2d(np.abs(x), np.abs(weight), np.abs(bias), *options)
    bound = 1e-12 if dtype == np.float64 else sum_bound(weight[..., 0].size + 1, magnitude, dtype)
    assert_close(layer.forward(x), oracles.conv2d(x, weight, bias, *options), bound)


@configurations
def test_gradients(configuration):
    layer, x = build(configuration, np.float64)
    report = check_gradients(layer, x, max_elements=20)
    assert set(report.arguments) == {"x", "weight", "bias"}
    assert report.max_error < 1e-6, str(report)


@configurations
def test_without_a_bias_and_without_a_gradient_by_the_image(configuration):
    layer, x = build(configuration, np.float64)
    y = layer.forward(x, training=True)
    dy = np.random.default_rng(1).normal(size=y.shape)
    layer.backward(dy)
    unbiased, _ = build(configuration, np.float64, bias=False)
    unbiased.params["weight"][...] = layer.params["weight"]
    np.testing.assert_allclose(unbiased.forward(x, training=True) + layer.params["bias"], y, rtol=0, atol=1e-12)
    assert unbiased.backward(dy, input_gradient=False) is None
    assert np.array_equal(unbiased.grads["weight"], layer.grads["weight"])


@pytest.mark.oracle
@configurations
def test_with_pytorch(configuration):
    torch = pytest.importorskip("torch")
    layer, x = build(configuration, np.float64)
    y = layer.forward(x, training=True)
    dy = np.random.default_rng(1).normal(size=y.shape)
    dx = layer.backward(dy)
    tensors = torch.tensor(x), torch.tensor(layer.params["weight"]), torch.tensor(layer.params["bias"])
    x_torch, weight, bias = (tensor.requires_grad_() for tensor in tensors)
    y_torch = torch.nn.functional.conv2d(
        x_torch.permute(0, 3, 1, 2), weight.permute(3, 2, 0, 1), bias, *configuration[4:], groups=layer.groups
    ).permute(0, 2, 3, 1)
    y_torch.backward(torch.tensor(dy))
    pairs = [(y, y_torch.detach()), (dx, x_torch.grad)]
    pairs += [(layer.grads["weight"], weight.grad), (layer.grads["bias"], bias.grad)]
    for ours, theirs in pairs:
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=0, atol=1e-11 * np.abs(theirs.numpy()).max())


def results_of(forward, backward, x, weight, bias, dy, stride, padding):
    y, dx, dweight, dbias = (np.full_like(like, 99) for like in (dy, x, weight, bias))
    forward(x, weight, bias, stride, padding, x.shape[3], y)
    backward(dy, x, weight, stride, padding, x.shape[3], dweight, dbias, dx)
    return y, dx, dweight, dbias


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kernel", [(3, 3), (5, 5), (1, 4), (7, 2)], ids=str)
@pytest.mark.parametrize("stride", [(1, 1), (2, 2), (1, 3)], ids=str)
def test_any_number_of_channels_and_images(kernel, stride, dtype):
    """Equal to what is written in `layers.conv`, since all numbers are whole."""
    rng = np.random.default_rng(0)
    sizes = [(1, 1, 0), (1, 2, 1), (2, 1, 2), (7, 2, 2), (8, 1, 1), (16, 2, 1)]
    sizes += [(24, 1, 2), (70, 1, 1)] if kernel == (3, 3) else [(15, 1, 0)]
    for count, (channels, each, padding) in enumerate(sizes):
        N, H, W = 1 + count % 5, 7 + count % 3, 7 + count % 4
        OH, OW = ((L + 2 * padding - K) // S + 1 for L, K, S in zip((H, W), kernel, stride, strict=True))
        shapes = (N, H, W, channels), (*kernel, 1, channels * each), (channels * each,), (N, OH, OW, channels * each)
        x, weight, bias, dy = (whole_numbers(rng, shape, dtype) for shape in shapes)
        arguments = x, weight, bias, dy, stride, (padding, padding)
        fast = results_of(convolve, convolve_backward, *arguments)
        plain = results_of(convolve.plain, convolve_backward.plain, *arguments)
        for one, other in zip(fast, plain, strict=True):
            assert np.array_equal(one, other), (channels, each, padding)


def test_the_number_of_threads_changes_no_bit():
    rng = np.random.default_rng(0)
    shapes = (3, 29, 31, 33), (3, 3, 1, 66), (66,), (3, 15, 16, 66)
    arguments = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    before, results = threads.num_threads(), []
    try:
        for number in (1, 2, 3):
            threads.set_num_threads(number)
            results.append(results_of(convolve, convolve_backward, *arguments, (2, 2), (1, 1)))
    finally:
        threads.set_num_threads(before)
    for other in results[1:]:
        for one, another in zip(results[0], other, strict=True):
            assert np.array_equal(one, another)
