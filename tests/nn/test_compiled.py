"""A forward pass that has been made ready: the same numbers as forward, for these weights, from any thread."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import models
from layers import AvgPool2d, BatchNorm2d, Conv2d, Dropout, Flatten, Linear, LocalResponseNorm, MaxPool2d, ReLU, Sigmoid
from nn import CompiledForward, Layer, Network
from nn.backend import plain
from nn.backend.cpu import prepared, small_batch_matmul, winograd, winograd_few_tiles
from nn.backend.cpu.weights_in_24_bits import in_24_bits
from nn.backend.runtime import threads
from nn.network import STREAM
from tests import oracles
from tests.checks import assert_close, one_sentence, randomise, sum_bound

HALF = 2.0**-11  # of a number: at most so far is it from the nearest float16, where that is no subnormal one


def make(*layers, shape=(9, 9, 16), dtype=np.float32):
    network = Network([(f"layer{i}", layer) for i, layer in enumerate(layers)], image_shape=shape)
    return randomise(network.astype(dtype), np.random.default_rng(0), 0.1)


def images(network, batch=1, seed=1):
    """Others than those of the trial that a forward pass is made ready with, whose results are still in its arrays."""
    return np.random.default_rng(seed).normal(size=(batch, *network.image_shape)).astype(network.dtype)


@pytest.mark.parametrize("batch", [1, 3, 70])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_layer_gives_the_bits_of_forward(batch, dtype):
    """Where no convolution is transformed: it has fewer channels than are worth that."""
    network = make(
        *(Conv2d(2, 4, 3, padding=1), ReLU(), LocalResponseNorm(3), MaxPool2d(3, 2), BatchNorm2d(4), Conv2d(4, 6, 3)),
        *(Sigmoid(), LocalResponseNorm(3, region="within"), AvgPool2d(2), Flatten(), Linear(6, 7), Dropout(0.5)),
        Linear(7, 5, bias=False),
        shape=(9, 9, 2),
        dtype=dtype,
    )
    compiled = CompiledForward(network, batch)
    for seed in range(1, 4):
        x = images(network, batch, seed)
        before = x.copy()
        y = compiled(x)
        assert np.array_equal(x, before)
        if batch <= STREAM:  # more go through forward in parts, whose products may be cut in another way
            assert np.array_equal(y, network.forward(x))
        else:
            np.testing.assert_allclose(y, network.forward(x), rtol=0, atol=64 * np.finfo(dtype).eps * np.abs(y).max())


@pytest.mark.parametrize("model", ["lenet", "lenet5_1998", "alexnet_caffe", "alexnet_cifar10"])
@pytest.mark.parametrize("batch", [1, 2])
def test_our_networks(model, batch):
    network = getattr(models, model)(rng=0)
    x = images(network, batch)
    expected = network.forward(x)
    compiled = CompiledForward(network, batch)
    np.testing.assert_allclose(compiled(x), expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    assert np.array_equal(compiled(x), compiled(x))


# (batch, H, W), in_channels, out_channels, kernel_size, stride, padding, groups
CONVOLUTIONS = {
    "conv1, in blocks": ((1, 67, 67), 3, 48, 11, 4, 0, 1),
    "blocks with padding": ((2, 41, 38), 3, 18, 11, 4, 2, 1),
    "conv2, two groups": ((1, 27, 27), 32, 32, 5, 1, 2, 2),
    "conv3": ((1, 13, 13), 32, 48, 3, 1, 1, 1),
    "conv4, two groups": ((2, 13, 13), 32, 64, 3, 1, 1, 2),
    "no padding": ((3, 9, 14), 40, 16, 3, 1, 0, 1),
    "wide padding": ((2, 6, 11), 16, 16, 5, 1, 4, 1),
    "the last panel overlaps": ((1, 9, 9), 32, 2 * 41, 3, 1, 1, 2),
    "many channels": ((1, 4, 4), 100, 32, 3, 1, 1, 1),
    "one output": ((1, 5, 5), 16, 16, 5, 1, 0, 1),
}


def check_convolution(case, bias, dtype, error, monkeypatch):
    """Against loops; how often the compiled loop was called. The error of Winograd's way:
    `tests/layers/test_winograd.py`."""
    (batch, H, W), C_in, C_out, kernel, stride, padding, groups = case
    layer = Conv2d(C_in, C_out, kernel, stride=stride, padding=padding, groups=groups, bias=bias)
    network = make(layer, shape=(H, W, C_in), dtype=dtype)
    taken = []
    loop = winograd_few_tiles._multiply_and_scatter
    monkeypatch.setattr(
        winograd_few_tiles, "_multiply_and_scatter", lambda *arguments: (taken.append(1), loop(*arguments))
    )
    x = images(network, batch)
    y = CompiledForward(network, batch)(x)
    shift = layer.params["bias"] if bias else np.zeros(C_out)
    expected = oracles.conv2d(x.astype(float), layer.params["weight"].astype(float), shift, stride, padding, groups)
    np.testing.assert_allclose(y, expected, rtol=0, atol=error * np.abs(expected).max())
    return len(taken)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("case", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
@pytest.mark.parametrize("dtype, error", [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_a_convolution_whose_weights_are_transformed(case, bias, dtype, error, monkeypatch):
    assert check_convolution(case, bias, dtype, error, monkeypatch) == 1, "another way was taken"


def test_some_images_at_a_time(monkeypatch):
    """Seven images three at a time: the last part begins with one that was computed before."""
    case = (7, 13, 13), 16, 32, 3, 1, 1, 1
    monkeypatch.setattr(winograd, "CACHED_WEIGHTS", 1)
    monkeypatch.setattr(winograd_few_tiles, "MOST_BYTES", 3 * 49 * 9 * 16 * 4)
    assert check_convolution(case, True, np.float32, 1e-5, monkeypatch) == 3


def test_many_tiles_are_left_to_the_other_way(monkeypatch):
    monkeypatch.setattr(winograd_few_tiles, "MOST_BYTES", 3 * 49 * 9 * 16 * 4)
    assert check_convolution(((7, 13, 13), 16, 32, 3, 1, 1, 1), True, np.float32, 1e-5, monkeypatch) == 0


def test_the_number_of_threads_changes_no_bit():
    network = make(Conv2d(16, 64, 3, padding=1, groups=1), Flatten(), Linear(81 * 64, 300))
    before, x = threads.num_threads(), images(network)
    try:
        found = []
        for number in (1, 2, 5):
            threads.set_num_threads(number)
            found.append((CompiledForward(network, 1)(x), CompiledForward(network, 1, half=True)(x)))
    finally:
        threads.set_num_threads(before)
    for other in found[1:]:
        assert np.array_equal(found[0][0], other[0]) and np.array_equal(found[0][1], other[1])


@pytest.mark.parametrize("large", [1e20, 1e30, np.inf])
def test_numbers_too_large_for_winograd(large):
    network = make(Conv2d(16, 16, 3, padding=1))
    compiled, x = CompiledForward(network, 1), images(network)
    compiled(x)
    x[0, 4, 4, 3] = large
    with np.errstate(all="ignore"):
        expected = network.forward(x)
        assert np.array_equal(compiled(x), expected, equal_nan=True)
    assert np.isfinite(expected[0, 0, 0]).all(), "far from the pixel"
    network.layers["layer0"].params["weight"][1, 1, 0, 0] = 1e20
    assert np.array_equal(CompiledForward(network, 1)(images(network)), network.forward(images(network)))


def test_numbers_too_large_in_the_middle():
    """What came before is not done again: a sigmoid in place would then be taken twice."""
    network = make(Conv2d(16, 16, 1), Sigmoid(), Conv2d(16, 16, 3), Conv2d(16, 16, 3))
    layers = network.layers
    layers["layer0"].params["bias"][...] = -50  # made ready with the same number everywhere, of which layer2 makes 0
    layers["layer2"].params["weight"] *= 3e13
    layers["layer2"].params["weight"] -= layers["layer2"].params["weight"].mean(axis=(0, 1, 2))
    compiled, x = CompiledForward(network, 1), 1000 * images(network)
    assert len(compiled._calls) == 2
    between = layers["layer0"].forward(x)
    layers["layer1"].forward(between, out=between)
    between = layers["layer2"].forward(between)
    assert not winograd.fits(between)
    expected = layers["layer3"].forward(between)
    for _ in range(2):
        np.testing.assert_allclose(compiled(x), expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_numbers_too_large_from_the_beginning():
    """Also for what it is made ready with."""
    layers = (Conv2d(16, 16, 3, padding=1, bias=False) for _ in range(2))
    network = make(*layers, Flatten(), Linear(81 * 16, 5, bias=False))
    network.layers["layer0"].params["weight"] *= 3e13
    x = images(network)
    expected = network.forward(x)
    assert winograd.fits(network.params["layer0.weight"]) and not winograd.fits(network.layers["layer0"].forward(x))
    for factor in np.float32([1, 1e-13, 1]):
        y = CompiledForward(network, 1)(factor * x)
        np.testing.assert_allclose(y, factor * expected, rtol=0, atol=1e-5 * factor * np.abs(expected).max())


@pytest.mark.parametrize("large", [1e15, 1e30, np.inf, np.nan])
def test_numbers_too_large_to_normalise_in_float32(large):
    network = make(ReLU(), LocalResponseNorm(5), MaxPool2d(2))
    compiled, x = CompiledForward(network, 1), images(network)
    x[0, 4, 4, 3] = large
    with np.errstate(all="ignore"):
        assert np.array_equal(compiled(x), network.forward(x), equal_nan=True)
    x = images(network)
    assert np.array_equal(compiled(x), network.forward(x))


@pytest.mark.parametrize("inputs, outputs", [(1, 1), (7, 5), (64, 100), (3000, 177)])
@pytest.mark.parametrize("bias", [True, False])
def test_weights_in_float16(inputs, outputs, bias, monkeypatch):
    """Against loops in float64: each weight is off by 2^-11 of itself at most, or by half the least float16."""
    monkeypatch.setattr(small_batch_matmul, "STRIP", 64)  # three strips of 177 columns, the last with 49
    layer = Linear(inputs, outputs, bias=bias)
    network = make(layer, shape=(inputs,))
    x, weight = images(network), layer.params["weight"].astype(float)
    shift = layer.params["bias"].astype(float) if bias else np.zeros(outputs)
    expected = oracles.linear(x.astype(float), weight, shift)
    size = np.abs(x) @ np.abs(weight) + np.abs(shift)
    compiled = CompiledForward(network, 1, half=True)(x)
    subnormal = 2.0**-25 * np.abs(x).sum()
    assert_close(compiled, expected, HALF * size + subnormal + sum_bound(inputs, 1.001 * size, np.float32))
    rounded = oracles.linear(x.astype(float), weight.astype(np.float16).astype(float), shift)
    assert_close(compiled, rounded, sum_bound(inputs, 1.001 * size, np.float32))
    if inputs > 1:
        assert not np.array_equal(compiled, network.forward(x)), "nothing was rounded"


@pytest.mark.parametrize("inputs, outputs", [(1, 1), (7, 5), (64, 100), (3000, 177)])
@pytest.mark.parametrize("bias", [True, False])
def test_large_weights_in_24_bits(inputs, outputs, bias, monkeypatch):
    """Against loops in float64: each weight is off by 2^-24 of its row's largest at most; of rows of all sizes."""
    monkeypatch.setattr(prepared, "LARGE_BYTES", 0)
    monkeypatch.setattr(small_batch_matmul, "STRIP", 64)  # three strips of 177 columns, the last with 49
    layer = Linear(inputs, outputs, bias=bias)
    network = make(layer, shape=(inputs,))
    rng = np.random.default_rng(2)
    weight = layer.params["weight"]
    weight *= 10.0 ** rng.integers(-6, 6, (inputs, 1))
    weight[rng.integers(inputs)] = 0
    x, exact = images(network), weight.astype(float)
    shift = layer.params["bias"].astype(float) if bias else np.zeros(outputs)
    expected = oracles.linear(x.astype(float), exact, shift)
    moved = np.abs(x) @ np.abs(exact).max(axis=1, keepdims=True) / (2**24 - 2)
    size = np.abs(x) @ np.abs(exact) + np.abs(shift) + moved
    before = x.copy()
    with np.errstate(all="raise"):  # a row of zeros is none that divides by zero
        y = CompiledForward(network, 1)(x)
    # Beside the products and sums, each scale is rounded, and each x times a scale.
    assert_close(y, expected, 1.001 * moved + sum_bound(inputs + 2, 1.001 * size, np.float32))
    assert np.array_equal(x, before)
    high, low, scales = in_24_bits(weight)
    strips = np.split(256.0 * high + low, range(64 * inputs, weight.size, 64 * inputs))
    q = np.hstack([strip.reshape(inputs, -1) for strip in strips])
    assert np.all(np.abs(q * scales[:, None] - exact) <= 0.5001 * scales[:, None])


def test_which_weights_are_kept_in_24_bits(monkeypatch):
    sizes = []
    monkeypatch.setattr(prepared, "in_24_bits", lambda weight: (sizes.append(weight.size), in_24_bits(weight))[1])
    for dtype in (np.float32, np.float64):
        network = make(Linear(1024, 1024), ReLU(), Linear(1024, 1023), shape=(1024,), dtype=dtype)
        y = CompiledForward(network, 1)(images(network))
        assert np.array_equal(y, network.forward(images(network))) == (dtype == np.float64)
        CompiledForward(network, 2)
        CompiledForward(network, 1, half=True)
    assert sizes == [1024 * 1024, 1024 * 1024, 1024 * 1023], "a float64 layer of 1023 outputs is large, too"


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 1e-30])
def test_what_cannot_be_in_24_bits(wrong, monkeypatch):
    """Where one row has nothing else in it."""
    monkeypatch.setattr(prepared, "LARGE_BYTES", 0)
    network = make(Linear(40, 33), shape=(40,))
    network.params["layer0.weight"][7] = 0
    network.params["layer0.weight"][7, 5] = wrong
    with np.errstate(all="ignore"):
        assert in_24_bits(network.params["layer0.weight"]) is None
        assert np.array_equal(CompiledForward(network, 1)(images(network)), network.forward(images(network)), True)


def test_what_cannot_be_in_float16(monkeypatch):
    network = make(Flatten(), Linear(4, 3), shape=(2, 2, 1))
    with one_sentence(ValueError, "half=True", "2"):
        CompiledForward(network, 2, half=True)
    monkeypatch.setattr(prepared, "knows_half", lambda: False)
    with one_sentence(ValueError, "half=True", "processor"):
        CompiledForward(network, 1, half=True)
    monkeypatch.undo()
    for wrong in (70_000, np.nan, np.inf):
        network.params["layer1.weight"][0, 0] = wrong
        with one_sentence(ValueError, "half=True", "65504"), np.errstate(all="ignore"):
            CompiledForward(network, 1, half=True)


def test_each_result_is_the_caller_s_own():
    network = make(Conv2d(16, 16, 3), Flatten())
    compiled, x = CompiledForward(network, 1), images(network)
    first = compiled(x)
    kept = first.copy()
    compiled(images(network, seed=1))
    network.forward(images(network, seed=2))
    assert np.array_equal(first, kept)
    first[...] = 0
    assert np.array_equal(compiled(x), kept)


def test_several_threads_at_once():
    network = make(Conv2d(16, 32, 3), ReLU(), Flatten(), Linear(7 * 7 * 32, 10))
    compiled = CompiledForward(network, 1)
    pictures = [images(network, seed=seed) for seed in range(8)]
    expected = [compiled(x) for x in pictures]
    begin = threading.Barrier(8)

    def answers(number):
        begin.wait()
        return [compiled(pictures[number]) for _ in range(50)]

    with ThreadPoolExecutor(8) as pool:
        for number, found in enumerate(pool.map(answers, range(8))):
            assert all(np.array_equal(y, expected[number]) for y in found)


def test_the_plain_functions_can_be_compiled_as_well():
    network = make(Conv2d(16, 16, 3, padding=1), ReLU(), Flatten(), Linear(81 * 16, 4))
    x = images(network)
    with plain():
        compiled, expected = CompiledForward(network, 1), network.forward(x)
    assert np.array_equal(compiled(x), expected)


class Doubled(Layer):
    """It computes by itself."""

    def forward(self, x, training=False, out=None):
        y = self._output(out, x.shape, x)
        y[...] = 2 * x
        return y


def test_a_layer_that_computes_by_itself_is_refused():
    network = make(Doubled(), Flatten(), Linear(81 * 16, 4))
    with one_sentence(ValueError, "network cannot be compiled", "accelerated"):
        CompiledForward(network, 1)


@pytest.mark.parametrize("batch", [0, -1, 1.0, "1", None])
def test_a_number_of_images_that_is_none(batch):
    with one_sentence(ValueError, "network", repr(batch)):
        CompiledForward(make(Flatten()), batch)


def test_a_network_without_an_image_shape():
    with one_sentence(ValueError, "image shape"):
        CompiledForward(Network([("flatten", Flatten())]), 1)


def test_a_network_that_lies_on_a_gpu():
    network = make(Flatten())
    network.device = "cuda"
    with one_sentence(ValueError, "GPU"):
        CompiledForward(network, 1)


@pytest.mark.parametrize("wrong", [np.zeros((2, 2, 2, 16)), [[1.0]], np.zeros((1, 9, 9, 16)), None])
def test_another_input_than_it_was_compiled_for(wrong):
    compiled = CompiledForward(make(Conv2d(16, 16, 3), Flatten()), 1)
    with one_sentence(ValueError, "float32 (1, 9, 9, 16)"):
        compiled(wrong)


def test_it_takes_what_is_not_contiguous():
    network = make(Conv2d(16, 16, 3))
    x = images(network, 1)
    assert np.array_equal(CompiledForward(network, 1)(x[:, ::-1]), CompiledForward(network, 1)(x[:, ::-1].copy()))


def test_many_images_go_winograd_s_way_anyway():
    network = make(Conv2d(16, 16, 3))
    batch = winograd.FEWEST_TILES // 4  # 7x7 outputs are four tiles
    assert np.array_equal(
        CompiledForward(network, batch)(images(network, batch)), network.forward(images(network, batch))
    )


@pytest.mark.parametrize("batch", [1, 40])
@pytest.mark.parametrize("number", [1.0, 1e30, np.nan])
def test_relu_after_a_convolution(batch, number):
    """It is taken in the same pass; also where the numbers are too large for Winograd's way. NaN stays what it is."""
    network = make(Conv2d(16, 32, 3, padding=1), ReLU(), MaxPool2d(2), Conv2d(32, 16, 3, padding=1), ReLU(), Flatten())
    x = images(network, batch)
    x[0, 4, 4, 3] = number
    with np.errstate(all="ignore"):
        expected, y = network.forward(x), CompiledForward(network, batch)(x)
    assert np.isnan(y[0]).any() == np.isnan(expected[0]).any() == np.isnan(number)
    if np.isnan(number):
        y, expected = y[1:], expected[1:]  # the spot that it leaves may be larger in Winograd's way
    if len(y):
        assert (y == 0).any() and (y >= 0).all()
        np.testing.assert_allclose(y, expected, rtol=0, atol=1e-5 * expected.max())


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("batch", [2, 6, 13])
def test_large_weights_are_laid_out(batch, bias, monkeypatch):
    """Against loops."""
    layer = Linear(1100, 1000, bias=bias)
    network = make(layer, ReLU(), shape=(1100,))
    taken, product = [], prepared.large_product_fast
    monkeypatch.setattr(prepared, "large_product_fast", lambda *arguments: (taken.append(1), product(*arguments)))
    x, weight = images(network, batch), layer.params["weight"].astype(float)
    shift = layer.params["bias"].astype(float) if bias else np.zeros(1000)
    size = np.abs(x) @ np.abs(weight) + np.abs(shift)
    expected = np.maximum(0, oracles.linear(x.astype(float), weight, shift))
    assert_close(CompiledForward(network, batch)(x), expected, sum_bound(1100, 1.001 * size, np.float32))
    assert bool(taken) == (batch > 2)
