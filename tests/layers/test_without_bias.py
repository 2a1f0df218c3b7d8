"""Layers without a bias compute what those with a bias of zeros do, and have nothing to learn there."""

import numpy as np
import pytest

import nn
from layers import Conv2d, Linear, ReLU
from nn import SGD, Network, SoftmaxCrossEntropy, check_gradients

# Each convolution goes another way: few channels, several images at once, patches, Winograd's tiles.
LAYERS = {
    "direct": (lambda bias: Conv2d(2, 9, 3, rng=0, bias=bias), (2, 8, 8, 2)),
    "batched": (lambda bias: Conv2d(1, 6, 5, rng=0, bias=bias), (32, 9, 9, 1)),
    "patches": (lambda bias: Conv2d(10, 12, 3, stride=2, groups=2, rng=0, bias=bias), (2, 8, 8, 10)),
    "winograd": (lambda bias: Conv2d(16, 16, 3, padding=1, rng=0, bias=bias), (8, 16, 16, 16)),
    "linear": (lambda bias: Linear(7, 5, rng=0, bias=bias), (3, 7)),
    "one row": (lambda bias: Linear(7, 5, rng=0, bias=bias), (1, 7)),
    "few rows of many": (lambda bias: Linear(1100, 1000, rng=0, bias=bias), (3, 1100)),
}
every_layer = pytest.mark.parametrize("name", LAYERS)


def passes(layer, x):
    y = layer.forward(x, training=True)
    dx = layer.backward(np.random.default_rng(2).normal(size=y.shape).astype(x.dtype))
    return {"y": y, "dx": dx, "weight": layer.grads["weight"].copy()}


@every_layer
@pytest.mark.parametrize("is_plain", [False, True])
def test_the_same_as_with_zeros(name, is_plain):
    make, shape = LAYERS[name]
    x = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    without, with_zeros = make(False), make(True)
    assert list(without.params) == list(without.grads) == ["weight"]
    assert without.num_parameters == with_zeros.num_parameters - with_zeros.params["bias"].size
    assert without.multiply_adds(shape[1:]) == with_zeros.multiply_adds(shape[1:])
    expected = passes(with_zeros, x)
    if is_plain:
        with nn.plain():
            found, expected = passes(without, x), passes(with_zeros, x)
    else:
        found = passes(without, x)
    for key, array in expected.items():
        assert np.array_equal(found[key], array), key


@pytest.mark.parametrize("name", ["direct", "patches", "linear"])
def test_gradients(name):
    make, shape = LAYERS[name]
    report = check_gradients(make(False), np.random.default_rng(1).normal(size=shape))
    assert report.max_error < 1e-6, report


def test_a_network_of_them_learns_and_is_saved(tmp_path):
    def make(rng):
        layers = [("conv1", Conv2d(1, 4, 3, rng=rng, bias=False)), ("relu1", ReLU())]
        return Network([*layers, ("conv2", Conv2d(4, 3, 6, rng=rng, bias=False))], (8, 8, 1))

    network, rng = make(0), np.random.default_rng(0)
    x, labels = rng.normal(size=(6, 8, 8, 1)).astype(np.float32), np.array([0, 1, 2, 0, 1, 2])
    loss, sgd = SoftmaxCrossEntropy(), SGD(network, 0.1, weight_decay=0.01)
    losses = []
    for _ in range(20):
        logits = network.forward(x, training=True)
        losses.append(float(loss.forward(logits.reshape(6, 3), labels)))
        network.backward(loss.backward().reshape(logits.shape), input_gradient=False)
        sgd.step()
    assert losses[-1] < losses[0] / 4
    network.save(tmp_path / "weights.safetensors")
    assert np.array_equal(make(5).load(tmp_path / "weights.safetensors").forward(x), network.forward(x))
