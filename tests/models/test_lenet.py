"""LeNet: the table of the paper, layer by layer, and the gradients of the whole network."""

import numpy as np
import pytest

from layers import Sigmoid
from models import lenet
from nn import SGD, SoftmaxCrossEntropy, check_gradients
from tests.checks import one_sentence

# Two convolutions of 6 and 16 5x5 kernels, hidden layers of 120 and 84, on a 28x28 image padded by 2. Each unit of the
# 10x10x16 maps sees all 6 maps.
PARAMETERS = [25 * 6 + 6, 25 * 6 * 16 + 16, 400 * 120 + 120, 120 * 84 + 84, 84 * 10 + 10]
MULTIPLY_ADDS = [28 * 28 * 6 * 25, 10 * 10 * 16 * 150, 400 * 120, 120 * 84, 84 * 10]


def parametric(network):
    return [layer for layer in network.layers.values() if layer.num_parameters]


def digits(N=2, dtype=np.float64):
    rng = np.random.default_rng(0)
    return rng.uniform(0, 1, (N, 28, 28, 1)).astype(dtype), rng.integers(0, 10, N)


def test_parameters():
    network = lenet()
    assert network.num_parameters == 61_706 == sum(PARAMETERS)
    assert [layer.num_parameters for layer in parametric(network)] == PARAMETERS
    assert sum(array.size for array in network.params.values()) == 61_706


def test_volumes_and_multiply_adds():
    network = lenet()
    volumes, sizes, shape = [], [], (28, 28, 1)
    for layer in network.layers.values():
        count, shape = layer.multiply_adds(shape), tuple(layer.output_shape(shape))
        sizes += [count] if layer.num_parameters else []
        if not volumes or volumes[-1] != shape:
            volumes.append(shape)
    assert volumes == [(28, 28, 6), (14, 14, 6), (10, 10, 16), (5, 5, 16), (400,), (120,), (84,), (10,)]
    assert sizes == MULTIPLY_ADDS
    assert "61,706" in network.summary((28, 28, 1)) and f"{sum(MULTIPLY_ADDS):,}" in network.summary((28, 28, 1))


def test_four_layers_of_log_sigmoids():
    assert sum(isinstance(layer, Sigmoid) for layer in lenet().layers.values()) == 4


def test_gradients_of_the_whole_network():
    x, labels = digits()
    report = check_gradients(lenet(rng=0), x, labels=labels, loss=SoftmaxCrossEntropy(), max_elements=25)
    assert len(report.arguments) == 11
    assert report.max_error < 1e-6, str(report)
    assert all(entry.checked == min(25, entry.checked + entry.skipped) for entry in report.arguments.values())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_training_step_keeps_the_dtype_and_lowers_the_loss(dtype):
    network = lenet(rng=0).astype(dtype)
    x, labels = digits(6, dtype)
    loss, optimizer, losses = SoftmaxCrossEntropy(), SGD(network, 0.05), []
    for _ in range(5):
        losses.append(loss.forward(network.forward(x, training=True), labels))
        network.backward(loss.backward(), input_gradient=False)
        optimizer.step()
    assert losses[-1] < losses[0]
    assert all(value.dtype == dtype for value in losses)
    assert all(array.dtype == dtype for array in (*network.params.values(), *network.grads.values()))


def test_other_images_and_classes():
    network = lenet(num_classes=7, image_shape=(32, 40, 3), rng=0)
    assert network.predict(np.zeros((2, 32, 40, 3), np.float32)).shape == (2, 7)


def test_the_seed_fixes_everything():
    first, again, other = lenet(rng=1), lenet(rng=1), lenet(rng=2)
    for name, array in first.params.items():
        assert np.array_equal(array, again.params[name])
    assert not np.array_equal(first.params["conv1.weight"], other.params["conv1.weight"])


def test_bad_input():
    with one_sentence(ValueError, "lenet", 28, 27):
        lenet().forward(np.zeros((1, 27, 28, 1), np.float32))
    with one_sentence(TypeError, "float64", "float32", "astype"):
        lenet().forward(np.zeros((1, 28, 28, 1)))
    with one_sentence(ValueError, "lenet", 1, 3):
        lenet().forward(np.zeros((1, 28, 28, 3), np.float32))
    with pytest.raises(ValueError):
        lenet(image_shape=(8, 8, 1))
    with pytest.raises(ValueError):
        lenet(num_classes=0)


def test_initial_weights_are_four_times_xavier_s():
    """Uniform within 4 sqrt(6 / (fan_in + fan_out)); fans of a kernel count its places (Glorot, Bengio 2010)."""
    fans = {"conv1": (25, 150), "conv2": (150, 400), "fc3": (400, 120), "fc4": (120, 84), "fc5": (84, 10)}
    params = lenet(rng=0).params
    for name, (fan_in, fan_out) in fans.items():
        bound = 4 * (6 / (fan_in + fan_out)) ** 0.5
        largest = np.abs(params[f"{name}.weight"]).max()
        # Of 150 weights or more, the largest is below 0.9 of the bound once in 7 million seeds.
        assert 0.9 * bound < largest <= bound * 1.000001
        assert not params[f"{name}.bias"].any()
