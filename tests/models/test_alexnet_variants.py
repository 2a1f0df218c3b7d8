"""alexnet_caffe and alexnet_torchvision layer by layer, and the three ways in which alexnet's weights may start."""

import numpy as np
import pytest

from layers import Conv2d, Dropout, LocalResponseNorm, MaxPool2d
from models import alexnet, alexnet_caffe, alexnet_torchvision
from tests.checks import one_sentence

# Output, parameters, multiply-adds of every layer that is not element-wise.
TORCHVISION = {
    "conv1": ((55, 55, 64), (11 * 11 * 3 + 1) * 64, 55 * 55 * 64 * 11 * 11 * 3),
    "pool1": ((27, 27, 64), 0, 0),
    "conv2": ((27, 27, 192), (5 * 5 * 64 + 1) * 192, 27 * 27 * 192 * 5 * 5 * 64),
    "pool2": ((13, 13, 192), 0, 0),
    "conv3": ((13, 13, 384), (3 * 3 * 192 + 1) * 384, 13 * 13 * 384 * 3 * 3 * 192),
    "conv4": ((13, 13, 256), (3 * 3 * 384 + 1) * 256, 13 * 13 * 256 * 3 * 3 * 384),
    "conv5": ((13, 13, 256), (3 * 3 * 256 + 1) * 256, 13 * 13 * 256 * 3 * 3 * 256),
    "pool5": ((6, 6, 256), 0, 0),
    "flatten": ((9216,), 0, 0),
    "fc6": ((4096,), 9217 * 4096, 9216 * 4096),
    "fc7": ((4096,), 4097 * 4096, 4096 * 4096),
    "fc8": ((1000,), 4097 * 1000, 4096 * 1000),
}
PAPER = {
    "conv1": ((55, 55, 96), (11 * 11 * 3 + 1) * 96, 55 * 55 * 96 * 11 * 11 * 3),
    "norm1": ((55, 55, 96), 0, 0),
    "pool1": ((27, 27, 96), 0, 0),
    "conv2": ((27, 27, 256), (5 * 5 * 48 + 1) * 256, 27 * 27 * 256 * 5 * 5 * 48),
    "norm2": ((27, 27, 256), 0, 0),
    "pool2": ((13, 13, 256), 0, 0),
    "conv3": ((13, 13, 384), (3 * 3 * 256 + 1) * 384, 13 * 13 * 384 * 3 * 3 * 256),
    "conv4": ((13, 13, 384), (3 * 3 * 192 + 1) * 384, 13 * 13 * 384 * 3 * 3 * 192),
    "conv5": ((13, 13, 256), (3 * 3 * 192 + 1) * 256, 13 * 13 * 256 * 3 * 3 * 192),
    "pool5": ((6, 6, 256), 0, 0),
    "flatten": ((9216,), 0, 0),
    "fc6": ((4096,), 9217 * 4096, 9216 * 4096),
    "fc7": ((4096,), 4097 * 4096, 4096 * 4096),
    "fc8": ((1000,), 4097 * 1000, 4096 * 1000),
}


@pytest.fixture(scope="module")
def caffe():
    return alexnet_caffe(rng=0)


@pytest.fixture(scope="module")
def torchvision():
    return alexnet_torchvision(rng=0)


def check_table(network, table, shape, parameters, multiply_adds):
    for name, layer in network.layers.items():
        volume, count, products = table.get(name, (shape, 0, 0))  # relu and dropout keep the shape
        assert layer.multiply_adds(shape) == products, name
        assert layer.num_parameters == count, name
        shape = tuple(layer.output_shape(shape))
        assert shape == volume, name
    assert set(table) <= set(network.layers)
    assert network.num_parameters == sum(row[1] for row in table.values()) == parameters
    assert network.multiply_adds() == sum(row[2] for row in table.values()) == multiply_adds
    summary = network.summary()
    assert f"{parameters:,}" in summary and f"{multiply_adds:,}" in summary


def test_caffe_layer_by_layer(caffe):
    check_table(caffe, PAPER, (227, 227, 3), 60_965_224, 724_406_816)
    names = "conv1 relu1 norm1 pool1 conv2 relu2 norm2 pool2 conv3 relu3 conv4 relu4 conv5 relu5 pool5 flatten"
    assert " ".join(caffe.layers) == f"{names} fc6 relu6 dropout6 fc7 relu7 dropout7 fc8"
    groups = {name: layer.groups for name, layer in caffe.layers.items() if isinstance(layer, Conv2d)}
    assert groups == {"conv1": 1, "conv2": 2, "conv3": 1, "conv4": 2, "conv5": 2}


def test_torchvision_layer_by_layer(torchvision):
    check_table(torchvision, TORCHVISION, (224, 224, 3), 61_100_840, 714_188_480)
    names = "conv1 relu1 pool1 conv2 relu2 pool2 conv3 relu3 conv4 relu4 conv5 relu5 pool5 flatten"
    assert " ".join(torchvision.layers) == f"{names} dropout6 fc6 relu6 dropout7 fc7 relu7 fc8"
    assert all(layer.groups == 1 for layer in torchvision.layers.values() if isinstance(layer, Conv2d))
    assert not any(isinstance(layer, LocalResponseNorm) for layer in torchvision.layers.values())


@pytest.mark.parametrize("which", ["caffe", "torchvision"])
def test_pooling_and_dropout(which, request):
    network = request.getfixturevalue(which)
    pools = [layer for layer in network.layers.values() if isinstance(layer, MaxPool2d)]
    assert [(pool.kernel_size, pool.stride, pool.padding) for pool in pools] == [((3, 3), (2, 2), (0, 0))] * 3
    dropouts = [layer for layer in network.layers.values() if isinstance(layer, Dropout)]
    assert [layer.p for layer in dropouts] == [0.5, 0.5]
    draws = [np.random.default_rng(0)] + [layer.rng for layer in dropouts]
    states = [generator.bit_generator.state["state"]["state"] for generator in draws]
    assert len(set(states)) == 3, "each dropout draws numbers of its own"


def test_the_caffe_form_of_normalisation(caffe):
    norms = [layer for layer in caffe.layers.values() if isinstance(layer, LocalResponseNorm)]
    assert len(norms) == 2 and norms[0] is not norms[1]
    for norm in norms:
        assert (norm.size, norm.beta, norm.k, norm.region) == (5, 0.75, 1.0, "across")
        assert norm.alpha == pytest.approx(1e-4 / 5, rel=1e-12)


def check_initial_values(network, stds, biases):
    for name, array in network.params.items():
        assert array.dtype == np.float32
        layer, kind = name.split(".")
        if kind == "bias":
            assert np.all(array == np.float32(biases.get(layer, 0))), name
            continue
        std = stds.get(layer, 0.01)
        sample = array.ravel()[:200_000]  # the mean and the spread lie within five of their own deviations
        assert abs(sample.mean()) < 5 * std / np.sqrt(sample.size), name
        assert abs(sample.std() - std) < 5 * std / np.sqrt(2 * sample.size), name


RAISED = ("conv2", "conv4", "conv5", "fc6", "fc7")
INITS = {
    "paper": ({}, dict.fromkeys(RAISED, 1)),
    "code-2012": (dict.fromkeys(("conv3", "conv4", "conv5"), 0.03), dict.fromkeys(RAISED, 1)),
    "caffe": ({"fc6": 0.005, "fc7": 0.005}, dict.fromkeys(RAISED, 0.1)),
}


@pytest.mark.parametrize("init", INITS)
def test_the_three_starts_of_alexnet(init):
    network = alexnet(init=init, rng=1)
    check_initial_values(network, *INITS[init])
    for name in ("norm1", "norm2"):
        norm = network.layers[name]
        assert (norm.size, norm.alpha, norm.beta, norm.k, norm.region) == (5, 1e-4, 0.75, 2.0, "across")


def test_the_start_of_alexnet_caffe(caffe):
    check_initial_values(caffe, *INITS["caffe"])


def test_the_start_of_alexnet_torchvision_is_he_s(torchvision):
    stds = {
        layer: (2 / torchvision.params[f"{layer}.weight"][..., 0].size) ** 0.5
        for layer in ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8")
    }
    check_initial_values(torchvision, stds, {})


@pytest.mark.parametrize("make, kind", [(alexnet_caffe, ".npy"), (alexnet_torchvision, ".pth")])
def test_published_weights_are_looked_for_where_they_are_said_to_be(tmp_path, make, kind):
    with one_sentence(FileNotFoundError, tmp_path / "none", kind):
        make(weights=tmp_path / "none", rng=0)
