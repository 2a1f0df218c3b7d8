"""Winograd's convolution against the ordinary one, the matrices against their definition, and when it is chosen."""

import numpy as np
import pytest

from layers import Conv2d
from nn import check_gradients
from nn.backend.cpu import winograd
from nn.backend.runtime import threads
from tests import oracles
from tests.checks import randomise

# (batch, H, W), in_channels, out_channels, kernel_size, padding, groups
CONFIGURATIONS = {
    "more outputs than fill a block": ((2, 13, 13), 32, 90, 3, 1, 2),
    "conv3": ((4, 13, 13), 32, 48, 3, 1, 1),
    "conv4, two groups": ((4, 13, 13), 32, 64, 3, 1, 2),
    "conv2, two groups": ((2, 27, 27), 32, 32, 5, 2, 2),
    "no padding": ((3, 9, 14), 16, 17, 3, 0, 1),
    "wide padding": ((2, 6, 11), 16, 16, 5, 4, 1),
    "whole tiles": ((2, 8, 12), 16, 16, 3, 1, 1),
    "wider than there are channels": ((1, 5, 41), 16, 16, 3, 1, 1),
    "higher than there are channels": ((1, 41, 5), 16, 16, 5, 2, 1),
    "one output": ((1, 5, 5), 16, 16, 5, 0, 1),
    "small": ((3, 6, 6), 16, 16, 3, 1, 1),
    "small, 5x5": ((3, 7, 3), 16, 16, 5, 2, 1),
}
configurations = pytest.mark.parametrize("configuration", CONFIGURATIONS.values(), ids=CONFIGURATIONS.keys())


@pytest.fixture(autouse=True)
def always(monkeypatch):
    """However few the tiles are."""
    monkeypatch.setattr(winograd, "FEWEST_TILES", 1)
    monkeypatch.setattr(winograd, "FEWEST_TILES_OF_BLOCKS", 1)


def is_faster(layer, y_shape):
    return winograd.is_faster(layer.params["weight"], layer.stride, layer.padding, layer.groups, y_shape)


def build(configuration, dtype=np.float64):
    (N, H, W), C_in, C_out, kernel_size, padding, groups = configuration
    rng = np.random.default_rng(0)
    layer = randomise(Conv2d(C_in, C_out, kernel_size, padding=padding, groups=groups, rng=rng).astype(dtype), rng)
    x = rng.normal(0, 1, (N, H, W, C_in)).astype(dtype)
    dy = rng.normal(0, 1, (N, *layer.output_shape(x.shape[1:]))).astype(dtype)
    assert is_faster(layer, dy.shape)
    return layer, x, dy


def results(layer, x, dy):
    y = layer.forward(x, training=True)
    return {"y": y, "dx": layer.backward(dy), **layer.grads}


@pytest.mark.parametrize("kernel, n", [(3, 5), (3, 6), (3, 7), (3, 8), (5, 6), (5, 7), (5, 8)])
def test_the_matrices_make_a_convolution_in_one_dimension(kernel, n):
    b_transposed, g, a = winograd.matrices(kernel, n)
    assert a.shape == (n, n + 1 - kernel)
    rng = np.random.default_rng(0)
    pixels, weights = rng.normal(size=len(a)), rng.normal(size=kernel)
    outputs = a.T @ ((g @ weights) * (b_transposed @ pixels))
    np.testing.assert_allclose(outputs, np.correlate(pixels, weights), rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    "kernel, outputs, n, grid",
    [
        (3, (13, 13), 7, (3, 3)),
        (3, (8, 12), 6, (2, 3)),
        (3, (6, 6), 8, (1, 1)),
        (5, (27, 27), 8, (7, 7)),
        (5, (3, 6), 7, (1, 2)),
        (5, (2, 2), 6, (1, 1)),
        (5, (1, 1), 6, (1, 1)),
        (3, (3, 3), 5, (1, 1)),
    ],
)
def test_tiles_take_the_fewest_products(kernel, outputs, n, grid):
    tiles = winograd.tiles_for(np.empty((kernel, kernel, 1, 1)), (1, *outputs, 1))
    assert (len(tiles.g), tiles.grid, tiles.count) == (n, grid, grid[0] * grid[1])
    assert all(length <= tiles.outputs * count for length, count in zip(outputs, grid, strict=True))


@pytest.mark.parametrize("images, n", [(1, 5), (3, 7)])
def test_tiles_are_smaller_where_to_read_the_weights_takes_longer(images, n):
    """13x13 outputs. Of one image 25 * (25 + 16) is less than 36 * (16 + 16) and 49 * (9 + 16); of three 25 * (75 + 16)
    is more than 49 * (27 + 16)."""
    assert len(winograd.tiles_for(np.empty((3, 3, 1, 1)), (images, 13, 13, 1), reading=16).g) == n


@configurations
def test_all_results_are_those_of_the_ordinary_convolution(configuration, monkeypatch):
    layer, x, dy = build(configuration)
    fast = results(layer, x, dy)
    fast = {name: array.copy() for name, array in fast.items()}
    expected = oracles.conv2d(x[:1], *layer.params.values(), 1, layer.padding, layer.groups)
    np.testing.assert_allclose(fast["y"][:1], expected, rtol=0, atol=1e-12 * np.abs(expected).max())
    monkeypatch.setattr(winograd, "FEWEST_TILES", 1 << 60)
    for name, array in results(layer, x, dy).items():
        np.testing.assert_allclose(fast[name], array, rtol=0, atol=1e-12 * np.abs(array).max(), err_msg=name)


STRIDED = {  # (batch, H, W), in_channels, out_channels, kernel_size, stride, padding
    "AlexNet's first": ((3, 67, 67), 3, 20, 11, 4, 0),
    "torchvision's": ((2, 40, 44), 3, 16, 11, 4, 2),
    "whole blocks": ((2, 30, 27), 2, 17, 9, 3, 1),
    "5x5 blocks": ((2, 25, 31), 4, 16, 10, 2, 6),
    "five blocks in part": ((1, 31, 24), 4, 33, 9, 2, 0),
}


@pytest.mark.parametrize("case", STRIDED.values(), ids=STRIDED.keys())
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype, error", [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_strides_are_taken_in_blocks(case, bias, dtype, error, monkeypatch):
    (N, H, W), C_in, C_out, kernel, stride, padding = case
    rng = np.random.default_rng(1)
    layer = Conv2d(C_in, C_out, kernel, stride=stride, padding=padding, bias=bias, rng=rng).astype(dtype)
    x = rng.normal(size=(N, H, W, C_in)).astype(dtype)
    taken, convolve = [], winograd.convolve
    monkeypatch.setattr(winograd, "convolve", lambda *arguments: taken.append(convolve(*arguments)) or taken[-1])
    y = layer.forward(x)
    assert taken == [True], "another way was taken"
    shift = layer.params["bias"].astype(float) if bias else np.zeros(C_out)
    expected = oracles.conv2d(x.astype(float), layer.params["weight"].astype(float), shift, stride, padding, 1)
    np.testing.assert_allclose(y, expected, rtol=0, atol=error * np.abs(expected).max())


@configurations
def test_gradients(configuration):
    layer, x, _ = build(configuration)
    report = check_gradients(layer, x[:1], max_elements=20)
    assert set(report.arguments) == {"x", "weight", "bias"}
    assert report.max_error < 1e-6, str(report)


@pytest.mark.parametrize("name", ["conv2", "conv3", "conv4", "conv5"])
def test_single_precision_is_right_to_one_in_ten_thousand_on_the_layers_of_alexnet(name):
    shape, C_in, C_out, kernel, groups = {
        "conv2": ((2, 27, 27), 96, 256, 5, 2),
        "conv3": ((4, 13, 13), 256, 384, 3, 1),
        "conv4": ((4, 13, 13), 384, 384, 3, 2),
        "conv5": ((4, 13, 13), 384, 256, 3, 2),
    }[name]
    rng = np.random.default_rng(1)
    layer = Conv2d(C_in, C_out, kernel, padding=kernel // 2, groups=groups, rng=rng)
    x = np.maximum(0, rng.normal(0, 1, (*shape, C_in))).astype(np.float32)  # as it comes out of a ReLU
    dy = rng.normal(0, 1, (*shape, C_out)).astype(np.float32)
    single = {key: array.copy() for key, array in results(layer, x, dy).items()}
    double = results(layer.astype(np.float64), x.astype(np.float64), dy.astype(np.float64))
    for key, array in double.items():
        assert single[key].dtype == np.float32
        np.testing.assert_allclose(single[key], array, rtol=0, atol=1e-4 * np.abs(array).max(), err_msg=key)


@pytest.mark.parametrize("images", [1, 3])
def test_however_the_batch_is_cut(images, monkeypatch):
    layer, x, dy = build(CONFIGURATIONS["conv4, two groups"])
    whole = {name: array.copy() for name, array in results(layer, x, dy).items()}
    weight = layer.params["weight"]
    tiles = winograd.tiles_for(weight, dy.shape)
    for most in ("CHUNK_BYTES", "CACHED_BYTES"):
        monkeypatch.setattr(winograd, most, images * tiles.bytes_of(32 + 64, weight.itemsize))
    monkeypatch.setattr(winograd, "CACHED_WEIGHTS", 40000 * images)
    for name, array in results(layer, x, dy).items():
        np.testing.assert_allclose(whole[name], array, rtol=0, atol=1e-13 * np.abs(array).max(), err_msg=name)


def test_the_number_of_threads_changes_no_bit():
    before = threads.num_threads()
    layer, x, dy = build(CONFIGURATIONS["conv4, two groups"], np.float32)
    found = []
    try:
        for number in (1, 2, 5):
            threads.set_num_threads(number)
            found.append({name: array.copy() for name, array in results(layer, x, dy).items()})
    finally:
        threads.set_num_threads(before)
    for other in found[1:]:
        assert all(np.array_equal(found[0][name], other[name]) for name in other)


def test_absent_connections_stay_absent():
    connections = [[c for c in range(16) if (c + o) % 3] for o in range(16)]
    layer = Conv2d(16, 16, 3, padding=1, connections=connections, rng=0)
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 16)).astype(np.float32)
    assert is_faster(layer, (2, 8, 8, 16))
    layer.forward(x, training=True)
    layer.backward(np.ones((2, 8, 8, 16), np.float32))
    assert np.all(layer.grads["weight"][:, :, ~layer.connected] == 0)
    assert np.all(layer.grads["weight"][:, :, layer.connected] != 0)


def test_a_first_layer_needs_no_input_gradient():
    layer, x, dy = build(CONFIGURATIONS["conv3"])
    layer.forward(x, training=True)
    expected = layer.backward(dy), layer.grads["weight"].copy()
    layer.forward(x, training=True)
    assert layer.backward(dy, input_gradient=False) is None
    assert np.array_equal(layer.grads["weight"], expected[1])


def test_very_large_images_go_through_patches():
    assert is_faster(Conv2d(16, 16, 3), (1, 200, 200, 16))
    assert not is_faster(Conv2d(16, 16, 3), (1, 1000, 1000, 16))


@pytest.mark.parametrize(
    "layer",
    [
        Conv2d(16, 16, 3, stride=2),
        Conv2d(16, 16, 11, stride=(4, 3)),
        Conv2d(32, 32, 11, stride=4, groups=2),
        Conv2d(16, 16, 7),
        Conv2d(16, 16, (3, 5)),
        Conv2d(16, 16, 3, padding=(1, 0)),
        Conv2d(16, 8, 3),
        Conv2d(32, 32, 3, groups=4),
    ],
    ids=[
        "2x2 blocks",
        "oblong blocks",
        "blocks of groups",
        "7x7",
        "3x5",
        "unequal padding",
        "few outputs",
        "few in a group",
    ],
)
def test_where_it_does_not_apply(layer):
    assert not is_faster(layer, (100, 20, 20, layer.out_channels))


def by_definition(x, w, dy):
    """dx and dw of a convolution whose outputs are as many as its inputs: for each place in the kernel its products."""
    (_, H, W, _), half = x.shape, len(w) // 2
    x = np.pad(x, ((0, 0), (half, half), (half, half), (0, 0)))
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for i, j in np.ndindex(w.shape[:2]):
        dw[i, j] = np.einsum("nhwc,nhwo->co", x[:, i : i + H, j : j + W], dy)
        dx[:, i : i + H, j : j + W] += np.einsum("nhwo,co->nhwc", dy, w[i, j])
    return dx[:, half : half + H, half : half + W], dw


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("large", ["x", "weight", "dy", "all"])
def test_nothing_overflows_that_the_convolution_can_hold(kernel, large):
    """Against loops in float64, with numbers near the largest of float32."""
    rng = np.random.default_rng(0)
    layer = Conv2d(16, 16, kernel, padding=kernel // 2, rng=0)
    x, dy = (rng.uniform(-1, 1, (2, 8, 8, 16)).astype(np.float32) for _ in range(2))
    arrays = {"x": x, "weight": layer.params["weight"], "dy": dy}
    layer.params["weight"][...] = rng.uniform(-1, 1, layer.params["weight"].shape)
    scale = {"x": 2e36, "weight": 2e36, "dy": 1e36, "all": 1e17}[large]  # dw and dx add up to 400 products of y
    for name, array in arrays.items():
        if large in (name, "all"):
            array *= np.float32(scale)
    assert is_faster(layer, dy.shape)
    y = layer.forward(x, training=True)
    expected = oracles.conv2d(x.astype(float), *layer.params.values(), 1, layer.padding)
    assert np.abs(expected).max() < np.finfo(np.float32).max
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    dx = layer.backward(dy)
    dx_expected, dw_expected = by_definition(x.astype(float), layer.params["weight"].astype(float), dy.astype(float))
    np.testing.assert_allclose(dx, dx_expected, rtol=0, atol=1e-5 * np.abs(dx_expected).max())
    np.testing.assert_allclose(layer.grads["weight"], dw_expected, rtol=0, atol=1e-5 * np.abs(dw_expected).max())


@pytest.mark.filterwarnings("ignore:invalid value")
def test_nan_changes_nothing_in_other_images():
    layer, x, dy = build(CONFIGURATIONS["conv4, two groups"], np.float32)
    expected = layer.forward(x)
    x = x.copy()
    x[2, 3, 3, 3] = np.nan
    y = layer.forward(x)
    assert np.isnan(y[2]).any()
    assert np.array_equal(y[[0, 1, 3]], expected[[0, 1, 3]])
