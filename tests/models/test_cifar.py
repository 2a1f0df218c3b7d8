"""alexnet_cifar10: the two published networks layer by layer, their initial weights and their normalisation."""

import numpy as np
import pytest

from layers import AvgPool2d, Conv2d, Flatten, Linear, LocalResponseNorm, MaxPool2d, ReLU
from models import alexnet_cifar10
from models.registry import load
from nn import SoftmaxCrossEntropy, check_gradients
from tests.checks import one_sentence

# Output, parameters, and multiply-adds as output positions x kernels x kernel volume.
COMMON = {
    "conv1": ((32, 32, 32), 5 * 5 * 3 * 32 + 32, 32 * 32 * 32 * 75),
    "relu1": ((32, 32, 32), 0, 0),
    "pool1": ((16, 16, 32), 0, 0),
    "norm1": ((16, 16, 32), 0, 0),
    "conv2": ((16, 16, 32), 5 * 5 * 32 * 32 + 32, 16 * 16 * 32 * 800),
    "relu2": ((16, 16, 32), 0, 0),
    "pool2": ((8, 8, 32), 0, 0),
    "norm2": ((8, 8, 32), 0, 0),
    "conv3": ((8, 8, 64), 5 * 5 * 32 * 64 + 64, 8 * 8 * 64 * 800),
    "relu3": ((8, 8, 64), 0, 0),
    "pool3": ((4, 4, 64), 0, 0),
    "flatten": ((1024,), 0, 0),
}
TABLES = {
    "80sec": {name: row for name, row in COMMON.items() if not name.startswith("norm")}
    | {
        "fc4": ((64,), 1024 * 64 + 64, 1024 * 64),
        "relu4": ((64,), 0, 0),
        "fc5": ((10,), 64 * 10 + 10, 64 * 10),
    },
    "18pct": COMMON | {"fc4": ((10,), 1024 * 10 + 10, 1024 * 10)},
}
TOTALS = {"80sec": (145_578, 12_354_176), "18pct": (89_578, 12_298_240)}
STDS = {
    "80sec": {"conv1": 0.0001, "conv2": 0.01, "conv3": 0.01, "fc4": 0.1, "fc5": 0.1},
    "18pct": {"conv1": 0.0001, "conv2": 0.01, "conv3": 0.01, "fc4": 0.01},
}
variants = pytest.mark.parametrize("variant", ["80sec", "18pct"])


@variants
def test_layer_by_layer(variant):
    network, table, shape = alexnet_cifar10(variant), TABLES[variant], (32, 32, 3)
    assert list(network.layers) == list(table)
    for name, layer in network.layers.items():
        output, parameters, multiply_adds = table[name]
        assert layer.multiply_adds(shape) == multiply_adds, name
        assert layer.num_parameters == parameters, name
        shape = tuple(layer.output_shape(shape))
        assert shape == output, name
    assert network.num_parameters == sum(row[1] for row in table.values()) == TOTALS[variant][0]
    assert network.multiply_adds() == sum(row[2] for row in table.values()) == TOTALS[variant][1]
    assert sum(array.size for array in network.params.values()) == TOTALS[variant][0]


@variants
def test_the_shapes_are_those_that_really_come_out(variant):
    network = alexnet_cifar10(variant, rng=0)
    x = np.random.default_rng(0).normal(0, 60, (2, 32, 32, 3)).astype(np.float32)
    for name, layer in network.layers.items():
        x = layer.forward(x)
        assert x.shape == (2, *TABLES[variant][name][0]), name


def test_18pct_is_the_default():
    assert list(alexnet_cifar10().layers) == list(TABLES["18pct"])


@variants
def test_the_kinds_of_layers(variant):
    kinds = {
        "conv": Conv2d,
        "relu": ReLU,
        "pool1": MaxPool2d,
        "pool": AvgPool2d,
        "norm": LocalResponseNorm,
        "flatten": Flatten,
        "fc": Linear,
    }
    for name, layer in alexnet_cifar10(variant).layers.items():
        assert type(layer) is kinds.get(name, kinds.get(name.rstrip("0123456789"))), name
        if isinstance(layer, Conv2d):
            assert (layer.kernel_size, layer.stride, layer.padding, layer.groups) == ((5, 5), (1, 1), (2, 2), 1)
        if isinstance(layer, MaxPool2d | AvgPool2d):
            assert (layer.kernel_size, layer.stride, layer.padding) == ((3, 3), (2, 2), (0, 0))
            assert layer.ceil_mode, "windows may run off the far edge"


def test_normalisation_within_maps():
    norms = [layer for layer in alexnet_cifar10("18pct").layers.values() if isinstance(layer, LocalResponseNorm)]
    assert len(norms) == 2 and norms[0] is not norms[1]
    for norm in norms:
        assert (norm.size, norm.beta, norm.k, norm.region) == (3, 0.75, 1.0, "within")
        assert norm.alpha == pytest.approx(0.00005 / 9, rel=1e-12)


@variants
def test_initial_values(variant):
    network = alexnet_cifar10(variant, rng=0)
    for name, array in network.params.items():
        assert array.dtype == np.float32
        layer, kind = name.split(".")
        if kind == "bias":
            assert not array.any(), name
            continue
        std = STDS[variant][layer]  # the mean and the spread lie within five of their own deviations
        assert abs(array.mean()) < 5 * std / np.sqrt(array.size), name
        assert abs(array.std() - std) < 5 * std / np.sqrt(2 * array.size), name
        assert np.abs(array).max() > 2 * std, f"{name} must be normal, not uniform"


@pytest.mark.parametrize("side, sides", [(28, (28, 14, 7, 3)), (24, (24, 12, 6, 3)), (31, (31, 15, 7, 3))])
@variants
def test_other_sizes_of_picture(variant, side, sides):
    """ceil((28 - 3) / 2) + 1 = 14, ceil((14 - 3) / 2) + 1 = 7, and 7 -> 3 exactly."""
    network, shape = alexnet_cifar10(variant, 7, (side, side, 3), rng=0), (side, side, 3)
    shapes = dict(zip(network.layers, network.shapes(shape), strict=True))
    assert [shapes[name][0] for name in ("conv1", "pool1", "pool2", "pool3")] == list(sides)
    features = sides[3] ** 2 * 64
    assert network.layers["fc4"].params["weight"].shape == (features, 64 if variant == "80sec" else 7)
    head = features * 64 + 64 + 64 * 7 + 7 if variant == "80sec" else features * 7 + 7
    assert network.num_parameters == 2_432 + 25_632 + 51_264 + head
    areas = [size**2 for size in sides]
    products = areas[0] * 32 * 75 + areas[1] * 32 * 800 + areas[2] * 64 * 800
    assert network.multiply_adds() == products + (features * 64 + 64 * 7 if variant == "80sec" else features * 7)
    x = np.random.default_rng(0).normal(0, 60, (2, side, side, 3)).astype(np.float32)
    loss = SoftmaxCrossEntropy()
    loss.forward(network.forward(x, training=True), np.array([0, 6]))
    network.backward(loss.backward())
    assert all(np.isfinite(gradient).all() for gradient in network.grads.values())


def test_grey_and_oblong_pictures():
    assert alexnet_cifar10(num_classes=3, image_shape=(32, 20, 1)).output_shape((32, 20, 1)) == (3,)


@variants
def test_gradients(variant):
    network = alexnet_cifar10(variant, 4, (12, 11, 3), rng=0)
    rng = np.random.default_rng(1)
    for name, parameter in network.params.items():
        if name.endswith("bias"):  # positive, so that few units are dead
            parameter[...] = rng.uniform(0.1, 0.5, parameter.shape)
        else:  # 0.0001 would make all that lies before it invisible
            parameter[...] = rng.normal(0, (1 / parameter[..., 0].size) ** 0.5, parameter.shape)
    for layer in network.layers.values():
        if isinstance(layer, LocalResponseNorm):
            layer.alpha = 0.3
    x, labels = rng.normal(0, 1, (2, 12, 11, 3)), np.array([1, 3])
    report = check_gradients(network, x, labels=labels, loss=SoftmaxCrossEntropy(), max_elements=5, step=1e-5)
    assert report.max_error < 1e-6, str(report)
    assert all(entry.checked > 0 for entry in report.arguments.values()), str(report)


@variants
def test_the_seed_fixes_the_weights(variant):
    first, again, other = (alexnet_cifar10(variant, rng=seed).params for seed in (1, 1, 2))
    for name in first:
        assert np.array_equal(first[name], again[name])
        assert name.endswith("bias") or not np.array_equal(first[name], other[name])


@variants
def test_a_saved_file_carries_the_arguments(variant, tmp_path):
    network = alexnet_cifar10(variant, 7, (28, 28, 3), rng=0)
    network.save(tmp_path / "weights.safetensors")
    loaded = load(tmp_path / "weights.safetensors")
    assert (loaded.name, loaded.image_shape, list(loaded.layers)) == (
        "alexnet_cifar10",
        (28, 28, 3),
        list(network.layers),
    )
    x = np.random.default_rng(0).normal(0, 60, (2, 28, 28, 3)).astype(np.float32)
    assert np.array_equal(loaded.forward(x), network.forward(x))


def test_bad_arguments():
    for variant in ("80", "", None, 18):
        with one_sentence(ValueError, "alexnet_cifar10", "variant", repr(variant), "80sec", "18pct"):
            alexnet_cifar10(variant)
    with one_sentence(ValueError, "alexnet_cifar10", 32, 28):
        alexnet_cifar10().forward(np.zeros((1, 28, 28, 3), np.float32))
