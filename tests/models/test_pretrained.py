"""Networks from files: our own, torchvision's layout and Caffe's."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

import models
from layers import Conv2d, Dropout, Flatten, Linear, LocalResponseNorm, MaxPool2d, ReLU
from models.pretrained import MODELS, caffe_params, load, load_caffe, load_torchvision, torchvision_params
from nn import Network
from nn.weights import save
from tests.checks import one_sentence, randomise
from tests.foreign_files import state_dict, write_python2_npy, write_pth

SMALL_MODELS = {
    "lenet": {"num_classes": 7, "image_shape": (30, 36, 2)},
    "lenet5_1998": {},
    "alexnet_small": {"num_classes": 5, "image_shape": (32, 44, 3), "width": 0.0625},
    "alexnet_cifar10": {"variant": "80sec"},
}
# Small AlexNets, with no two lengths alike where two could be confused. The last maps are 3x2.
IMAGE_SHAPE, LAST_MAPS = (131, 99, 3), (3, 2)
MAPS, HIDDEN, CLASSES = (4, 6, 8, 10, 12), (14, 9), 5


def small_torchvision():
    maps, hidden = MAPS, HIDDEN
    layers = [
        ("conv1", Conv2d(3, maps[0], 11, stride=4, padding=2)),
        ("relu1", ReLU()),
        ("pool1", MaxPool2d(3, stride=2)),
        ("conv2", Conv2d(maps[0], maps[1], 5, padding=2)),
        ("relu2", ReLU()),
        ("pool2", MaxPool2d(3, stride=2)),
        ("conv3", Conv2d(maps[1], maps[2], 3, padding=1)),
        ("relu3", ReLU()),
        ("conv4", Conv2d(maps[2], maps[3], 3, padding=1)),
        ("relu4", ReLU()),
        ("conv5", Conv2d(maps[3], maps[4], 3, padding=1)),
        ("relu5", ReLU()),
        ("pool5", MaxPool2d(3, stride=2)),
        ("flatten", Flatten()),
        ("dropout6", Dropout(0.5)),
        ("fc6", Linear(LAST_MAPS[0] * LAST_MAPS[1] * maps[4], hidden[0])),
        ("relu6", ReLU()),
        ("dropout7", Dropout(0.5)),
        ("fc7", Linear(hidden[0], hidden[1])),
        ("relu7", ReLU()),
        ("fc8", Linear(hidden[1], CLASSES)),
    ]
    return Network(layers, image_shape=IMAGE_SHAPE, name="small_torchvision")


def small_caffe():
    maps, hidden = MAPS, HIDDEN
    layers = [
        ("conv1", Conv2d(3, maps[0], 11, stride=4)),
        ("relu1", ReLU()),
        ("norm1", LocalResponseNorm(5, alpha=1e-4 / 5, k=1.0)),
        ("pool1", MaxPool2d(3, stride=2)),
        ("conv2", Conv2d(maps[0], maps[1], 5, padding=2, groups=2)),
        ("relu2", ReLU()),
        ("norm2", LocalResponseNorm(5, alpha=1e-4 / 5, k=1.0)),
        ("pool2", MaxPool2d(3, stride=2)),
        ("conv3", Conv2d(maps[1], maps[2], 3, padding=1)),
        ("relu3", ReLU()),
        ("conv4", Conv2d(maps[2], maps[3], 3, padding=1, groups=2)),
        ("relu4", ReLU()),
        ("conv5", Conv2d(maps[3], maps[4], 3, padding=1, groups=2)),
        ("relu5", ReLU()),
        ("pool5", MaxPool2d(3, stride=2)),
        ("flatten", Flatten()),
        ("fc6", Linear(LAST_MAPS[0] * LAST_MAPS[1] * maps[4], hidden[0])),
        ("relu6", ReLU()),
        ("dropout6", Dropout(0.5)),
        ("fc7", Linear(hidden[0], hidden[1])),
        ("relu7", ReLU()),
        ("dropout7", Dropout(0.5)),
        ("fc8", Linear(hidden[1], CLASSES)),
    ]
    return Network(layers, image_shape=IMAGE_SHAPE, name="small_caffe")


def torchvision_shapes(maps=MAPS, hidden=HIDDEN, classes=CLASSES, last_maps=LAST_MAPS):
    """The published layout: names and shapes."""
    weights = {
        "features.0": (maps[0], 3, 11, 11),
        "features.3": (maps[1], maps[0], 5, 5),
        "features.6": (maps[2], maps[1], 3, 3),
        "features.8": (maps[3], maps[2], 3, 3),
        "features.10": (maps[4], maps[3], 3, 3),
        "classifier.1": (hidden[0], maps[4] * last_maps[0] * last_maps[1]),
        "classifier.4": (hidden[1], hidden[0]),
        "classifier.6": (classes, hidden[1]),
    }
    shapes = {}
    for name, shape in weights.items():
        shapes[f"{name}.weight"] = shape
        shapes[f"{name}.bias"] = shape[:1]
    return shapes


def caffe_shapes(maps=MAPS, hidden=HIDDEN, classes=CLASSES, last_maps=LAST_MAPS):
    """The published layout: names and shapes of the weights."""
    return {
        "conv1": (11, 11, 3, maps[0]),
        "conv2": (5, 5, maps[0] // 2, maps[1]),
        "conv3": (3, 3, maps[1], maps[2]),
        "conv4": (3, 3, maps[2] // 2, maps[3]),
        "conv5": (3, 3, maps[3] // 2, maps[4]),
        "fc6": (last_maps[0] * last_maps[1] * maps[4], hidden[0]),
        "fc7": (hidden[0], hidden[1]),
        "fc8": (hidden[1], classes),
    }


def he(rng, shape, fan_in):
    """Weights that keep signals alive through eight layers."""
    weight = rng.standard_normal(shape, dtype=np.float32)
    weight *= np.float32(np.sqrt(2 / fan_in))
    return weight


def torchvision_arrays(seed=0, **sizes):
    rng = np.random.default_rng(seed)
    return {
        name: he(rng, shape, np.prod(shape[1:])) if len(shape) > 1 else rng.uniform(-0.2, 0.4, shape).astype(np.float32)
        for name, shape in torchvision_shapes(**sizes).items()
    }


def caffe_layers(seed=0, **sizes):
    rng = np.random.default_rng(seed)
    layers = {
        name: [he(rng, shape, np.prod(shape[:-1])), rng.uniform(-0.2, 0.4, shape[-1]).astype(np.float32)]
        for name, shape in caffe_shapes(**sizes).items()
    }
    # Pixels are in the hundreds, so that response normalisation matters; the logits are to be near 1 all the same.
    layers["fc8"][0] /= 100
    return layers


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
    functions = {name for name in models.__all__ if name != "load"}
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
    with one_sentence(ValueError, path, name[:80], "lenet"):
        load(path)


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
        ("lenet", {"num_classes": 10**15}, "allocate"),
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
    with one_sentence(ValueError, path, name, word):
        load(path)


def test_weights_that_do_not_fit_the_model(tmp_path):
    path = write_ours(tmp_path / "a.safetensors", {"function": "lenet", "arguments": {}})
    with one_sentence(ValueError, path, "conv1.weight is missing"):
        load(path)


def test_weights_of_no_model(tmp_path):
    path = tmp_path / "a.safetensors"
    save(Network([("fc", Linear(3, 2))]), path)
    with one_sentence(ValueError, path, "which model", "Network.load"):
        load(path)


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
    with one_sentence(ValueError, path, *words):
        load_torchvision(network, path)
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
    with one_sentence(ValueError, path, *words):
        load_caffe(network, path)
    assert unchanged(network, before)


@pytest.mark.parametrize("function", [load, lambda path: load_caffe(small_caffe(), path)])
def test_no_file(tmp_path, function):
    with one_sentence(FileNotFoundError, tmp_path / "none"):
        function(tmp_path / "none")


# With PyTorch: files in the published layouts give PyTorch's logits.


def torchvision_module(torch, maps=MAPS, hidden=HIDDEN, classes=CLASSES, last_maps=LAST_MAPS):
    """torchvision's AlexNet, as published, in any width."""
    nn = torch.nn

    class AlexNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = nn.Sequential(
                nn.Conv2d(3, maps[0], kernel_size=11, stride=4, padding=2),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(kernel_size=3, stride=2),
                nn.Conv2d(maps[0], maps[1], kernel_size=5, padding=2),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(kernel_size=3, stride=2),
                nn.Conv2d(maps[1], maps[2], kernel_size=3, padding=1),
                nn.ReLU(inplace=True),
                nn.Conv2d(maps[2], maps[3], kernel_size=3, padding=1),
                nn.ReLU(inplace=True),
                nn.Conv2d(maps[3], maps[4], kernel_size=3, padding=1),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(kernel_size=3, stride=2),
            )
            self.avgpool = nn.AdaptiveAvgPool2d(last_maps)
            self.classifier = nn.Sequential(
                nn.Dropout(),
                nn.Linear(maps[4] * last_maps[0] * last_maps[1], hidden[0]),
                nn.ReLU(inplace=True),
                nn.Dropout(),
                nn.Linear(hidden[0], hidden[1]),
                nn.ReLU(inplace=True),
                nn.Linear(hidden[1], classes),
            )

        def forward(self, x):
            return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))

    return AlexNet().eval()


def caffe_forward(torch, layers, images):
    """Caffe's AlexNet in PyTorch, from arrays in the published layout; images are (N, H, W, BGR)."""
    F = torch.nn.functional
    x = torch.tensor(images).permute(0, 3, 1, 2)

    def convolve(name, x, **options):
        weight, bias = (torch.tensor(array) for array in layers[name])
        return F.relu(F.conv2d(x, weight.permute(3, 2, 0, 1), bias, **options))

    def normalise(x):
        return F.local_response_norm(x, 5, alpha=1e-4, beta=0.75, k=1.0)  # divides alpha by 5, as Caffe does

    def pool(x):
        return F.max_pool2d(x, 3, 2, ceil_mode=True)

    x = pool(normalise(convolve("conv1", x, stride=4)))
    x = pool(normalise(convolve("conv2", x, padding=2, groups=2)))
    x = convolve("conv3", x, padding=1)
    x = convolve("conv4", x, padding=1, groups=2)
    x = pool(convolve("conv5", x, padding=1, groups=2))
    x = x.permute(0, 2, 3, 1).flatten(1)
    for name in ("fc6", "fc7", "fc8"):
        weight, bias = (torch.tensor(array) for array in layers[name])
        x = x @ weight + bias
        x = F.relu(x) if name != "fc8" else x
    return x.numpy()


def assert_same_logits(ours, theirs):
    assert ours.dtype == theirs.dtype == np.float32
    assert 0.1 < np.abs(theirs).max() < 30, "1e-4 would mean too much or too little"
    assert theirs.std(axis=0).min() > 1e-3, "the pictures make no difference"
    assert np.abs(ours - theirs).max() <= 1e-4


FULL = {"maps": (64, 192, 384, 256, 256), "hidden": (4096, 4096), "classes": 1000, "last_maps": (6, 6)}
FULL_CAFFE = {"maps": (96, 256, 384, 384, 256), "hidden": (4096, 4096), "classes": 1000, "last_maps": (6, 6)}


@pytest.mark.oracle
@pytest.mark.parametrize("full", [False, True], ids=["small", "full"])
def test_torchvision_against_pytorch(tmp_path, full):
    torch = pytest.importorskip("torch")
    module = torchvision_module(torch, **(FULL if full else {}))
    arrays = torchvision_arrays(**(FULL if full else {}))
    module.load_state_dict({name: torch.tensor(array) for name, array in arrays.items()})  # all names, none besides
    path = tmp_path / "alexnet.pth"
    torch.save(module.state_dict(), path)
    network = models.alexnet_torchvision(weights=path) if full else load_torchvision(small_torchvision(), path)
    images = np.random.default_rng(3).normal(size=(3, *network.image_shape)).astype(np.float32)
    with torch.inference_mode():
        theirs = module(torch.tensor(images).permute(0, 3, 1, 2)).numpy()
    assert_same_logits(network.forward(images), theirs)


@pytest.mark.oracle
@pytest.mark.parametrize("full", [False, True], ids=["small", "full"])
def test_caffe_against_pytorch(tmp_path, full):
    torch = pytest.importorskip("torch")
    layers = caffe_layers(**(FULL_CAFFE if full else {}))
    path = tmp_path / "bvlc_alexnet.npy"
    holder = np.empty((), dtype=object)
    holder[()] = layers
    np.save(path, holder, allow_pickle=True)
    network = models.alexnet_caffe(weights=path) if full else load_caffe(small_caffe(), path)
    # Pictures whose channels differ: bright red, dark blue.
    images = np.random.default_rng(3).uniform(-100, 150, size=(3, *network.image_shape)).astype(np.float32)
    images *= np.float32([1.0, 0.7, 0.4])
    with torch.inference_mode():
        theirs = caffe_forward(torch, layers, np.ascontiguousarray(images[..., ::-1]))
    assert_same_logits(network.forward(images), theirs)
