"""AlexNet: the paper's table, one full-size training step, and the gradients of the small one."""

import numpy as np
import pytest

from layers import Conv2d, Dropout, Linear, LocalResponseNorm, MaxPool2d, ReLU
from models import alexnet, alexnet_small
from nn import SGD, SoftmaxCrossEntropy, check_gradients
from tests.checks import one_sentence

# The paper's table: output volume, parameters.
TABLE = {
    "conv1": ((55, 55, 96), 34_944),
    "pool1": ((27, 27, 96), 0),
    "conv2": ((27, 27, 256), 307_456),
    "pool2": ((13, 13, 256), 0),
    "conv3": ((13, 13, 384), 885_120),
    "conv4": ((13, 13, 384), 663_936),
    "conv5": ((13, 13, 256), 442_624),
    "pool5": ((6, 6, 256), 0),
    "flatten": ((9216,), 0),
    "fc6": ((4096,), 37_752_832),
    "fc7": ((4096,), 16_781_312),
    "fc8": ((1000,), 4_097_000),
}
SIZES = [(28, 28, 1), (32, 32, 3), (47, 47, 1), (48, 48, 3), (64, 64, 3), (95, 95, 3), (96, 96, 3), (128, 128, 3)]
SIZES += [(28, 36, 2), (128, 28, 1), (61, 83, 1)]


@pytest.fixture(scope="module")
def network():
    """The full-size network. Tests must leave its parameters alone; the training step comes last and is alone."""
    return alexnet(rng=0)


def test_parameters(network):
    assert network.num_parameters == 60_965_224
    for name, (_, parameters) in TABLE.items():
        assert network.layers[name].num_parameters == parameters, name
    assert sum(parameters for _, parameters in TABLE.values()) == 60_965_224
    assert sum(array.size for array in network.params.values()) == 60_965_224


def test_volumes_and_multiply_adds(network):
    shape, total = (227, 227, 3), 0
    for name, layer in network.layers.items():
        total += layer.multiply_adds(shape)
        shape = tuple(layer.output_shape(shape))
        if name in TABLE:
            assert shape == TABLE[name][0], name
    assert total == 724_406_816
    summary = network.summary((227, 227, 3))
    assert "60,965,224" in summary and "724,406,816" in summary
    assert "55x55x96" in summary


def test_the_order_of_the_layers(network):
    kinds = [type(layer) for layer in network.layers.values() if not isinstance(layer, ReLU)]
    stage = [Conv2d, LocalResponseNorm, MaxPool2d]
    assert kinds[:6] == stage * 2
    assert kinds[6:10] == [Conv2d, Conv2d, Conv2d, MaxPool2d]
    assert kinds[11:] == [Linear, Dropout, Linear, Dropout, Linear]
    names = list(network.layers)
    for name in ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7"):
        assert isinstance(network.layers[names[names.index(name) + 1]], ReLU), f"a ReLU must follow {name}"
    assert names[-1] == "fc8"


def test_initial_values_of_the_paper(network):
    ones = {"conv2", "conv4", "conv5", "fc6", "fc7"}
    for name, array in network.params.items():
        assert array.dtype == np.float32
        layer, kind = name.split(".")
        if kind == "bias":
            assert np.all(array == (1 if layer in ones else 0)), name
        else:
            sample = array.ravel()[:100_000]  # the mean and the spread lie within five of their own deviations
            assert abs(sample.mean()) < 5 * 0.01 / np.sqrt(sample.size), name
            assert abs(sample.std() - 0.01) < 5 * 0.01 / np.sqrt(2 * sample.size), name


def test_one_full_size_training_step(network):
    rng = np.random.default_rng(0)
    images = rng.normal(0, 1, (8, 227, 227, 3)).astype(np.float32)
    labels = rng.integers(0, 1000, 8)
    loss, optimizer = SoftmaxCrossEntropy(), SGD(network, 0.01, momentum=0.9, weight_decay=0.0005)
    before = {name: array.ravel()[:1000].copy() for name, array in network.params.items()}
    logits = network.forward(images, training=True)
    assert logits.shape == (8, 1000) and logits.dtype == np.float32
    value = loss.forward(logits, labels)
    assert value.dtype == np.float32 and np.isfinite(value)
    assert network.backward(loss.backward(), input_gradient=False) is None
    optimizer.step()
    for name, array in network.params.items():
        gradient = network.grads[name]
        assert array.dtype == gradient.dtype == np.float32
        assert gradient.shape == array.shape
        assert np.all(np.isfinite(gradient)) and np.any(gradient != 0), name
        assert not np.array_equal(array.ravel()[:1000], before[name]), f"{name} has not moved"


@pytest.mark.parametrize("shape", SIZES, ids=str)
def test_the_small_one_takes_images_from_28_to_128_pixels(shape):
    network = alexnet_small(7, shape, width=0.0625, rng=0)
    x = np.random.default_rng(0).uniform(0, 1, (2, *shape)).astype(np.float32)
    loss = SoftmaxCrossEntropy()
    logits = network.forward(x, training=True)
    assert logits.shape == (2, 7) and logits.dtype == np.float32
    loss.forward(logits, np.array([0, 6]))
    network.backward(loss.backward(), input_gradient=False)
    assert all(np.all(np.isfinite(gradient)) for gradient in network.grads.values())
    np.testing.assert_allclose(network.predict(x).sum(axis=1), 1, rtol=1e-5)


def test_the_small_one_has_the_same_layers(network):
    small = alexnet_small(10, (32, 32, 3))
    assert [type(layer) for layer in small.layers.values()] == [type(layer) for layer in network.layers.values()]
    for name, layer in small.layers.items():
        big = network.layers[name]
        if isinstance(layer, Conv2d):
            assert layer.groups == big.groups
        if isinstance(layer, Conv2d | Linear) and name != "fc8":
            assert layer.params["bias"].size == pytest.approx(big.params["bias"].size / 4, abs=1)
        if isinstance(layer, MaxPool2d):
            assert tuple(layer.kernel_size) == (3, 3) and tuple(layer.stride) == (2, 2)


@pytest.mark.parametrize("shape", [(28, 28, 1), pytest.param((33, 30, 2), marks=pytest.mark.slow)], ids=str)
def test_gradients_of_the_small_one(shape):
    network = alexnet_small(4, shape, width=0.03, rng=0)
    rng = np.random.default_rng(1)
    for name, parameter in network.params.items():
        if name.endswith("bias"):  # positive, so that few of so narrow a network's units are dead
            parameter[...] = rng.uniform(0.1, 0.5, parameter.shape)
    for layer in network.layers.values():
        if isinstance(layer, LocalResponseNorm):
            layer.alpha = 1.0  # with the paper's 1e-4 a wrong cross term would hardly show
    x, labels = rng.normal(0, 1, (2, *shape)), np.array([1, 3])
    report = check_gradients(network, x, labels=labels, loss=SoftmaxCrossEntropy(), max_elements=25, step=1e-5)
    assert report.max_error < 1e-6, str(report)
    # A bias moves every pixel of its map, one of which may well be at a kink; most elements must have been checked.
    checked, skipped = (
        sum(getattr(entry, what) for entry in report.arguments.values()) for what in ("checked", "skipped")
    )
    assert skipped < 0.2 * checked and all(entry.checked > 0 for entry in report.arguments.values()), str(report)


def test_the_seed_fixes_everything():
    def two_steps(seed):
        network = alexnet_small(5, (28, 28, 1), width=0.0625, rng=seed)
        x = np.random.default_rng(0).normal(size=(2, 28, 28, 1)).astype(np.float32)
        return [network.forward(x, training=True) for _ in range(2)]

    first, again, other = two_steps(1), two_steps(1), two_steps(2)
    assert all(np.array_equal(*pair) for pair in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])
    assert not np.array_equal(*first), "dropout must draw a new mask at each step"


def test_dropout_masks_of_the_two_layers_differ():
    network = alexnet_small(5, (28, 28, 1), width=0.0625, rng=1)
    network.forward(np.ones((4, 28, 28, 1), np.float32), training=True)
    masks = [layer.mask for layer in network.layers.values() if isinstance(layer, Dropout)]
    assert len(masks) == 2 and not np.array_equal(*masks)


def test_bad_input(network):
    with one_sentence(ValueError, "alexnet", 227, 224):
        network.forward(np.zeros((1, 224, 224, 3), np.float32))
    with one_sentence((ValueError, TypeError), "alexnet", "init", "zeros"):
        alexnet(init="zeros")
    for shape in ((27, 28, 1), (28, 129, 1)):
        with one_sentence(ValueError, "alexnet_small", 28, 128, *[side for side in shape if side not in (28, 1)]):
            alexnet_small(10, shape)
    for width in (0, -1, float("nan")):
        with one_sentence(ValueError, "alexnet_small", "width", width):
            alexnet_small(10, (28, 28, 1), width=width)
