"""Pictures of architectures: every published network and some odd ones, with all texts readable and apart."""

import numpy as np
import pytest

import models
from layers import ELU, AvgPool2d, BatchNorm2d, Conv2d, Dropout, Flatten, Linear, MaxPool2d, ReLU, Sigmoid
from nn import Layer, Network, plots
from nn.plots.blocks import read_blocks
from nn.plots.oblique import Box
from tests.drawn import assert_filled, catch

MODELS = {
    "lenet": models.lenet,
    "lenet5_1998": models.lenet5_1998,
    "alexnet": models.alexnet,
    "alexnet_small": lambda: models.alexnet_small(4, (64, 64, 3)),
    "alexnet_small for digits": lambda: models.alexnet_small(10, (28, 28, 1)),
    "alexnet_cifar10 18pct": models.alexnet_cifar10,
    "alexnet_cifar10 80sec": lambda: models.alexnet_cifar10("80sec"),
    "alexnet_torchvision": models.alexnet_torchvision,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_the_networks_of_models(tmp_path, monkeypatch, name):
    drawn = catch(monkeypatch)
    network = MODELS[name]()
    plots.architecture(tmp_path / "network.png", network)
    assert_filled(tmp_path / "network.png", columns=6)
    drawn[0].check()
    words = drawn[0].words()
    assert f"{network.name}: {network.num_parameters:,} parameters" in words
    for layer_name, shape in zip(network.layers, network.shapes(network.image_shape)):
        if network.layers[layer_name].params:
            assert layer_name in words and "×".join(map(str, shape)) in words


def test_alexnet_says_what_the_paper_says(tmp_path, monkeypatch):
    drawn = catch(monkeypatch)
    plots.architecture(tmp_path / "network.png", models.alexnet())
    texts = [text for text, _, _ in drawn[0].texts]
    for text in (
        "227×227×3",
        "55×55×96",
        "48 + 48",
        "6×6×256",
        "11×11, stride 4",
        "3×3, stride 2",
        "LRN",
        "dropout 0.5",
    ):
        assert text in texts
    assert texts.count("2 groups") == 3
    assert texts.count("4096") == 2


def test_blocks_of_alexnet():
    blocks = {block.name: block for block in read_blocks(models.alexnet())}
    halves = ["conv1", "pool1", "conv2", "pool2", "conv3", "conv4", "conv5", "pool5"]
    assert list(blocks) == ["input", *halves, "fc6", "fc7", "fc8"]
    assert [name for name, block in blocks.items() if block.towers == 2] == halves
    assert blocks["conv1"].caption == ["convolution", "11×11, stride 4", "ReLU", "LRN"]
    assert blocks["fc6"].caption == ["fully connected", "ReLU", "dropout 0.5"]
    assert blocks["pool5"].shape == (6, 6, 256)


def deep():
    """Sixteen convolutions: more than a page of the usual width holds."""
    layers = [(f"conv{n}", Conv2d(3 if n == 0 else 8, 8, 3, padding=1)) for n in range(16)]
    return Network(layers, image_shape=(32, 32, 3))


ODD = {
    "vectors alone": lambda: Network([("fc1", Linear(30, 20)), ("fc2", Linear(20, 5))], image_shape=(30,)),
    "one layer": lambda: Network([("flatten", Flatten()), ("fc", Linear(784, 10))], image_shape=(28, 28, 1)),
    "no block at all": lambda: Network([("relu", ReLU())], image_shape=(28, 28, 1)),
    "pictures to pictures": lambda: Network([("conv", Conv2d(3, 3, 3, padding=1))], image_shape=(28, 28, 3)),
    "dropout first": lambda: Network([("drop", Dropout(0.2)), ("conv", Conv2d(1, 4, 5))], image_shape=(12, 12, 1)),
    "wide and low": lambda: Network([("pool", AvgPool2d((1, 4))), ("conv", Conv2d(1, 2, (2, 9)))], (4, 128, 1)),
    "many groups": lambda: Network([("c1", Conv2d(3, 8, 3)), ("c2", Conv2d(8, 16, 3, groups=8))], (16, 16, 3)),
    "three groups": lambda: Network(
        [("c1", Conv2d(3, 6, 3, groups=3)), ("pool", MaxPool2d(2)), ("c2", Conv2d(6, 12, 3, groups=3))], (16, 16, 3)
    ),
    "padding and stride by side": lambda: Network(
        [("conv", Conv2d(1, 4, (3, 5), stride=(2, 1), padding=(1, 2))), ("squash", Sigmoid())], (20, 20, 1)
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_any_network(tmp_path, monkeypatch, name):
    drawn = catch(monkeypatch)
    plots.architecture(tmp_path / "network.png", ODD[name](), title="a title")
    assert_filled(tmp_path / "network.png", columns=1)
    drawn[0].check()
    assert "a title" in drawn[0].words()


def test_a_deep_network_makes_a_wider_picture(tmp_path, monkeypatch):
    drawn = catch(monkeypatch)
    plots.architecture(tmp_path / "network.png", deep())
    assert drawn[0].width > 1320
    drawn[0].check()


def test_volumes_are_to_scale():
    """In LeNet all lengths are linear: 28 pixels are twice as high as 14, and 16 maps as long as 16 / 6 of 6."""
    from nn.plots.architectures import _plan

    boxes = [towers[0] for towers in _plan(read_blocks(models.lenet())).boxes]
    assert boxes[1].height / boxes[2].height == pytest.approx(2)
    assert boxes[3].length / boxes[2].length == pytest.approx(16 / 6)
    assert boxes[5].height / boxes[6].height == pytest.approx(120 / 84)
    boxes = [towers[0] for towers in _plan(read_blocks(models.alexnet())).boxes]  # square roots
    assert boxes[0].height / boxes[1].height == pytest.approx((227 / 55) ** 0.5)


def test_a_box_in_perspective():
    box = Box(10, 20, 30, 40, 50)
    np.testing.assert_allclose(box.point(0, 1, 0), [10, 20])
    np.testing.assert_allclose(box.point(1, 0, 0), [40, 60])
    assert np.all(box.point(1, 0, 1) > box.point(1, 0, 0))


def test_a_network_for_no_particular_pictures_needs_their_shape(tmp_path):
    network = Network([("conv", Conv2d(1, 2, 3))])
    with pytest.raises(ValueError, match=r"no fixed image shape; give one, such as \(28, 28, 1\)$"):
        plots.architecture(tmp_path / "network.png", network)
    plots.architecture(tmp_path / "network.png", network, (28, 28, 1))
    assert_filled(tmp_path / "network.png", columns=1)


def with_batch_norm():
    """A network of today's layers: depthwise convolution, batch normalisation, ELU."""
    layers = [("conv1", Conv2d(3, 16, 3, padding=1, bias=False)), ("bn1", BatchNorm2d(16)), ("elu1", ELU())]
    layers += [("depthwise", Conv2d(16, 16, 3, padding=1, groups=16)), ("bn2", BatchNorm2d(16)), ("elu2", ELU(0.5))]
    layers += [("pool", MaxPool2d(2)), ("bn3", BatchNorm2d(16)), ("flatten", Flatten()), ("fc", Linear(256, 256))]
    return Network(layers, (8, 8, 3), name="today")


def test_batch_normalisation_and_elu_change_no_volume(tmp_path, monkeypatch):
    """They are written below the block that they follow, as local response normalisation and ReLU are."""
    blocks = read_blocks(with_batch_norm())
    assert [(block.name, block.kind, block.towers) for block in blocks] == [
        ("input", "picture", 1),
        ("conv1", "convolution", 1),
        ("depthwise", "convolution", 1),
        ("pool", "pooling", 1),
        ("fc", "vector", 1),  # it keeps the number of units, but mixes them
    ]
    captions = {block.name: block.caption for block in blocks}
    assert captions["conv1"][-2:] == ["batch norm", "ELU"]
    assert captions["depthwise"][-3:] == ["depthwise", "batch norm", "ELU"]
    assert captions["pool"][-1] == "batch norm"
    drawn = catch(monkeypatch)
    plots.architecture(tmp_path / "network.png", with_batch_norm())
    assert_filled(tmp_path / "network.png", columns=4)
    drawn[0].check()


def test_a_layer_of_ones_own_that_scales_each_channel_is_no_pooling():
    class Scale(Layer):
        def __init__(self):
            super().__init__()
            self._add_param("weight", np.ones(4, np.float32))

    blocks = read_blocks(Network([("conv", Conv2d(1, 4, 3)), ("scale", Scale())], (6, 6, 1)))
    assert [block.kind for block in blocks] == ["picture", "convolution"] and blocks[1].caption[-1] == "Scale"
