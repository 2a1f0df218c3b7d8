"""Conv2d with enough images to be taken sixteen at a time: a register full of them, and one more."""

import numpy as np
import pytest

from layers import Conv2d
from nn import check_gradients
from nn.backend.cpu.conv_batched import images_at_once
from tests import oracles
from tests.checks import assert_close, randomise, sum_bound

# (H, W), in_channels, out_channels, kernel_size, stride, padding
CONFIGURATIONS = {
    "like LeNet's conv1": ((5, 4), 1, 6, 5, 1, 2),
    "stride 2": ((5, 4), 2, 3, 3, 2, 1),
    "stride (2, 1)": ((4, 3), 1, 2, 2, (2, 1), 0),
    "stride (1, 2)": ((3, 4), 1, 2, 2, (1, 2), 0),
    "more channels than six": ((4, 3), 7, 8, 3, 1, 0),
    "rows longer than a register": ((3, 18), 1, 6, 3, 1, 1),
}
configurations = pytest.mark.parametrize("configuration", CONFIGURATIONS.values(), ids=CONFIGURATIONS.keys())


@pytest.fixture(autouse=True, params=["as it is", "cut"])
def way(request, monkeypatch):
    """Every test here runs as the layer chooses, and with the work cut into as many parts as that of large images."""
    if request.param == "cut":
        monkeypatch.setattr("nn.backend.cpu.conv_direct.SUM_PRODUCTS", 1)
        monkeypatch.setattr("nn.backend.cpu.conv_direct.NUMBER_PRODUCTS", 1)
        monkeypatch.setattr("nn.backend.runtime.pool.PART_SIZE", 1)
        monkeypatch.setattr("nn.backend.runtime.pool.WAKING_SIZE", 1)


def build(configuration, dtype):
    image_shape, C_in, C_out, kernel_size, stride, padding = configuration
    rng = np.random.default_rng(0)
    layer = randomise(Conv2d(C_in, C_out, kernel_size, stride=stride, padding=padding, rng=rng).astype(dtype), rng)
    return layer, rng.normal(size=(images_at_once(dtype) + 1, *image_shape, C_in)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@configurations
def test_forward_equals_plain_loops(configuration, dtype):
    layer, x = build(configuration, dtype)
    weight, bias, options = layer.params["weight"], layer.params["bias"], configuration[4:]
    magnitude = oracles.conv2d(np.abs(x), np.abs(weight), np.abs(bias), *options)
    bound = 1e-12 if dtype == np.float64 else sum_bound(weight[..., 0].size + 1, magnitude, dtype)
    assert_close(layer.forward(x), oracles.conv2d(x, weight, bias, *options), bound)


@configurations
def test_gradients(configuration):
    layer, x = build(configuration, np.float64)
    report = check_gradients(layer, x, max_elements=100)
    assert report.max_error < 1e-6, str(report)
