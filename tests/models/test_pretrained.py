"""Networks from files: our own, torchvision's layout and Caffe's."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

import models
from layers import Linear
from models.foreign import caffe_params, load_caffe, load_torchvision, torchvision_params
from models.registry import MODELS, load
from nn import Network
from nn.files.weights import save
from tests.alexnets import HIDDEN, LAST_MAPS, MAPS, caffe_layers, small_caffe, small_torchvision, torchvision_arrays
from tests.checks import one_sentence, randomise
from tests.foreign_files import refuses, state_dict, write_pth, write_python2_npy

SMALL_MODELS = {
    "lenet": {"num_classes": 7, "image_shape": (30, 36, 2)},
    "lenet5_1998": {},
    "alexnet_small": {"num_classes": 5, "image_shape": (32, 44, 3), "width": 0.0625},
    "alexnet_cifar10": {"variant": "80sec"},
}


def write_torchvision(path, arrays):
    return write_pth(path, *state_dict(arrays))


# Our own files


@pytest.mark.parametrize("name", SMALL_MODELS)
def test_a_model_comes_back_from_its_file_alone(tmp_path, name):
    network = getattr(models, name)(**SMALL_MODELS[name], rng=0)
    randomise(network, np.random.default_rng(0), scale=0.1)
    path = tmp_path / "weights.safetensors"
    save(network, path)
    loaded = load(path, rng=1)
    assert loaded.model == network.model or json.dumps(loaded.model) == json.dumps(network.model)
    assert list(loaded.layers) == list(network.layers) and loaded.image_shape == network.image_shape
    for key, array in network.params.items():
        np.testing.assert_array_equal(loaded.params[key], array, err_msg=key)
    images = np.random.default_rng(1).normal(size=(2, *network.image_shape)).astype(np.float32)
    np.testing.assert_array_equal(loaded.forward(images), network.forward(images))


def test_the_generator_is_that_of_the_dropout(tmp_path):
    network = models.alexnet_small(**SMALL_MODELS["alexnet_small"], rng=0)
    path = tmp_path / "weights.safetensors"
    save(network, path)
    images = np.random.default_rng(1).normal(size=(2, 32, 44, 3)).astype(np.float32)
    first, second, other = (load(path, rng=seed).forward(images, training=True) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


def test_every_public_model_can_be_named():
    others = ("Classifier", "load", "load_classifier", "shipped", "start_from")
    functions = {name for name in models.__all__ if name not in others}
    assert set(MODELS) == functions
    assert all(MODELS[name] is getattr(models, name) for name in functions)


def write_ours(path, model):
    metadata = {"written_by": "lenet-to-alexnet", "format_version": "1", "model": json.dumps(model)}
    save_file({"a": np.zeros(3, np.float32)}, path, metadata)
    return path


@pytest.mark.parametrize(
    "name",
    ["vgg", "load", "Network", "__builtins__", "pretrained", "os.system", "alexnet.alexnet", "__import__", "x" * 500],
)
def test_what_is_no_model(tmp_path, name):
    path = write_ours(tmp_path / "a.safetensors", {"function": name, "arguments": {}})
    refuses(load, path, name[:80], "lenet")


@pytest.mark.parametrize(
    ("name", "arguments", "word"),
    [
        ("lenet", {"width": 2}, "width"),
        ("lenet", {"rng": 3}, "rng"),
        ("alexnet_torchvision", {"weights": "/etc/passwd"}, "weights"),
        ("alexnet_caffe", {"weights": None}, "weights"),
        ("lenet5_1998", {"num_classes": 10}, "num_classes"),
        ("lenet", {"__class__": 3}, "__class__"),
        ("lenet", {"": 3}, "''"),
        ("lenet", {"num_classes": "ten"}, "ten"),
        ("lenet", {"num_classes": -1}, "-1"),
        ("lenet", {"num_classes": None}, "None"),
        ("lenet", {"num_classes": 2.5}, "2.5"),
        ("lenet", {"num_classes": {"a": 1}}, "whole number"),
        ("lenet", {"num_classes": 10**15}, "too large"),
        ("lenet", {"num_classes": 10**30}, "cannot be made"),
        ("lenet", {"image_shape": 28}, "cannot be made"),
        ("lenet", {"image_shape": [28, 28]}, "cannot be made"),
        ("lenet", {"image_shape": "28x28"}, "cannot be made"),
        ("lenet", {"image_shape": [[28], 28, 1]}, "cannot be made"),
        ("alexnet_cifar10", {"variant": "os.system"}, "os.system"),
        ("alexnet_small", {}, "num_classes"),
    ],
)
def test_wrong_arguments(tmp_path, name, arguments, word):
    path = write_ours(tmp_path / "a.safetensors", {"function": name, "arguments": arguments})
    refuses(load, path, name, word)


def test_weights_that_do_not_fit_the_model(tmp_path):
    path = write_ours(tmp_path / "a.safetensors", {"function": "lenet", "arguments": {}})
    refuses(load, path, "conv1.weight is missing")


def test_weights_of_no_model(tmp_path):
    path = tmp_path / "a.safetensors"
    save(Network([("fc", Linear(3, 2))]), path)
    refuses(load, path, "which model", "Network.load")


# torchvision's layout. Each element must be at its place: the orders of axes are written out here once more.


def test_torchvision_params_element_by_element():
    arrays = torchvision_arrays()
    params = torchvision_params(arrays, image_hw=LAST_MAPS)
    assert {name: array.shape for name, array in params.items()} == {
        name: array.shape for name, array in small_torchvision().params.items()
    }
    for index, place in enumerate((0, 3, 6, 8, 10), start=1):
        theirs, ours = arrays[f"features.{place}.weight"], params[f"conv{index}.weight"]
        for o, i, kh, kw in np.ndindex(theirs.shape):
            assert ours[kh, kw, i, o] == theirs[o, i, kh, kw]
        np.testing.assert_array_equal(params[f"conv{index}.bias"], arrays[f"features.{place}.bias"])
    (height, width), channels = LAST_MAPS, MAPS[4]
    theirs, ours = arrays["classifier.1.weight"], params["fc6.weight"]
    for o, c, h, w in np.ndindex(len(theirs), channels, height, width):
        assert ours[(h * width + w) * channels + c, o] == theirs[o, (c * height + h) * width + w]
    for name, place in (("fc7", 4), ("fc8", 6)):
        theirs, ours = arrays[f"classifier.{place}.weight"], params[f"{name}.weight"]
        for o, i in np.ndindex(theirs.shape):
            assert ours[i, o] == theirs[o, i]
    for name, place in (("fc6", 1), ("fc7", 4), ("fc8", 6)):
        np.testing.assert_array_equal(params[f"{name}.bias"], arrays[f"classifier.{place}.bias"])


def test_load_torchvision(tmp_path):
    arrays = torchvision_arrays()
    network = small_torchvision()
    live = network.params
    assert load_torchvision(network, write_torchvision(tmp_path / "a.pth", arrays)) is network
    for name, array in torchvision_params(arrays, LAST_MAPS).items():
        np.testing.assert_array_equal(live[name], array, err_msg=name)


def test_a_network_for_no_particular_pictures_has_the_published_last_maps(tmp_path):
    arrays = torchvision_arrays(last_maps=(6, 6))
    layers = small_torchvision().layers | {"fc6": Linear(6 * 6 * MAPS[4], HIDDEN[0])}
    network = load_torchvision(Network(list(layers.items())), write_torchvision(tmp_path / "a.pth", arrays))
    for name, array in torchvision_params(arrays, (6, 6)).items():
        np.testing.assert_array_equal(network.params[name], array, err_msg=name)


def test_float16_weights_are_converted(tmp_path):
    arrays = {name: array.astype(np.float16) for name, array in torchvision_arrays().items()}
    network = load_torchvision(small_torchvision(), write_torchvision(tmp_path / "a.pth", arrays))
    assert network.dtype == np.float32
    np.testing.assert_array_equal(network.params["fc8.bias"], arrays["classifier.6.bias"].astype(np.float32))


def unchanged(network, before):
    return all(np.array_equal(network.params[name], array) for name, array in before.items())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: a.pop("features.8.bias"), ["features.8.bias is missing", "torchvision"]),
        (lambda a: a.update({"features.9.weight": np.zeros(3, np.float32)}), ["features.9.weight", "torchvision"]),
        (lambda a: a.update({"features.0.weight": a["classifier.1.weight"]}), ["features.0.weight", "4 axes"]),
        (lambda a: a.update({"classifier.4.weight": np.zeros(7, np.float32)}), ["classifier.4.weight", "2 axes"]),
        (lambda a: a.update({"classifier.1.weight": np.zeros((14, 71), np.float32)}), ["71", "3x2"]),
        (lambda a: a.update({"features.0.weight": np.zeros((4, 3, 11, 7), np.float32)}), ["conv1", "(11, 7, 3, 4)"]),
        (lambda a: a.update({"classifier.1.bias": np.zeros(13, np.float32)}), ["fc6.bias", "(13,)", "(14,)"]),
        (lambda a: a.update({"classifier.6.bias": np.zeros(5, np.int64)}), ["fc8.bias", "int64"]),
        (lambda a: a.update({"classifier.6.bias": np.full(5, np.nan, np.float32)}), ["fc8.bias", "NaN"]),
    ],
)
def test_a_pth_that_does_not_fit(tmp_path, change, words):
    arrays, network = torchvision_arrays(), small_torchvision()
    before = {name: array.copy() for name, array in network.params.items()}
    change(arrays)
    path = write_torchvision(tmp_path / "a.pth", arrays)
    refuses(lambda path: load_torchvision(network, path), path, *words)
    assert unchanged(network, before)


# Caffe's layout


def test_caffe_params_element_by_element():
    layers = caffe_layers()
    params = caffe_params(layers)
    assert {name: array.shape for name, array in params.items()} == {
        name: array.shape for name, array in small_caffe().params.items()
    }
    for name, (weight, bias) in layers.items():
        np.testing.assert_array_equal(params[f"{name}.bias"], bias)
        if name != "conv1":
            np.testing.assert_array_equal(params[f"{name}.weight"], weight)
    blue_green_red, red_green_blue = layers["conv1"][0], params["conv1.weight"]
    for ours, theirs in ((0, 2), (1, 1), (2, 0)):
        np.testing.assert_array_equal(red_green_blue[:, :, ours], blue_green_red[:, :, theirs])


def test_load_caffe(tmp_path):
    layers = caffe_layers()
    network = small_caffe()
    live = network.params
    assert load_caffe(network, write_python2_npy(tmp_path / "a.npy", layers)) is network
    for name, array in caffe_params(layers).items():
        np.testing.assert_array_equal(live[name], array, err_msg=name)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: a.pop("conv4"), ["conv4 is missing", "Caffe"]),
        (lambda a: a.update({"fc9": a["fc8"]}), ["fc9", "Caffe"]),
        (lambda a: a.update({"conv1": a["fc6"]}), ["conv1.weight", "4 axes"]),
        (lambda a: a.update({"conv3": [a["conv3"][0][:, :, :3], a["conv3"][1]]}), ["conv3.weight", "(3, 3, 3, 8)"]),
        (lambda a: a.update({"conv3": a["conv3"][::-1]}), ["conv3.weight", "4 axes"]),
        (lambda a: a.update({"fc7": [a["fc7"][0].T, a["fc7"][1]]}), ["fc7.weight", "(9, 14)", "(14, 9)"]),
        (lambda a: a.update({"fc7": [a["fc7"][0] * np.inf, a["fc7"][1]]}), ["fc7.weight", "NaN"]),
    ],
)
def test_an_npy_that_does_not_fit(tmp_path, change, words):
    layers, network = caffe_layers(), small_caffe()
    before = {name: array.copy() for name, array in network.params.items()}
    change(layers)
    path = write_python2_npy(tmp_path / "a.npy", layers)
    refuses(lambda path: load_caffe(network, path), path, *words)
    assert unchanged(network, before)


@pytest.mark.parametrize("function", [load, lambda path: load_caffe(small_caffe(), path)])
def test_no_file(tmp_path, function):
    with one_sentence(FileNotFoundError, tmp_path / "none"):
        function(tmp_path / "none")
