"""The same layers, loss and SGD on arrays of another library: arrays decide where the work is done."""

import numpy as np
import pytest

from layers import Conv2d, Flatten, Linear, LocalResponseNorm, MaxPool2d, ReLU
from nn import SGD, Network, SoftmaxCrossEntropy
from tests.layers.test_contract import both_dtypes, build, every_layer
from tests.other_arrays import OtherArray, back, other


def moved(layer):
    """The same layer with its numbers on the other device."""
    for arrays in (layer.params, layer.grads):
        for name, array in arrays.items():
            arrays[name] = other(array)
    if hasattr(layer, "prototypes"):
        layer.prototypes = other(layer.prototypes)
    return layer


@both_dtypes
@every_layer
def test_layers(name, dtype):
    reference, x, dy = build(name, dtype)
    layer = moved(build(name, dtype)[0])
    y, other_y = reference.forward(x, training=True), layer.forward(other(x), training=True)
    dx, other_dx = reference.backward(dy), layer.backward(other(dy))
    pairs = [(y, other_y), (dx, other_dx), *zip(reference.grads.values(), layer.grads.values())]
    for expected, actual in pairs:
        actual = back(actual)
        assert actual.dtype == dtype and actual.shape == expected.shape
        # Other orders of summation: at most some 200 products for each number.
        np.testing.assert_allclose(actual, expected, rtol=0, atol=200 * np.finfo(dtype).eps * np.abs(expected).max())


def network(dtype=np.float64):
    layers = [("conv1", Conv2d(3, 4, 3, stride=2, rng=0)), ("relu1", ReLU()), ("norm1", LocalResponseNorm(3, 0.1))]
    layers += [("pool1", MaxPool2d(3, 2)), ("conv2", Conv2d(4, 6, 3, padding=1, groups=2, rng=1)), ("relu2", ReLU())]
    return Network([*layers, ("flatten", Flatten()), ("fc", Linear(54, 5, rng=2))], (15, 15, 3)).astype(dtype)


@pytest.mark.parametrize("form", ["paper", "pytorch"])
def test_ten_steps_of_training(form):
    rng = np.random.default_rng(0)
    images, labels = rng.normal(size=(8, 15, 15, 3)), rng.integers(0, 5, 8)
    here, there = network(), network()
    for layer in there.layers.values():
        moved(layer)
    losses = []
    for net, x, y in ((here, images, labels), (there, other(images), other(labels))):
        loss, sgd = SoftmaxCrossEntropy(), SGD(net, 0.05, momentum=0.9, weight_decay=1e-3, form=form)
        losses.append([])
        for _ in range(10):
            losses[-1].append(float(loss.forward(net.forward(x, training=True), y)))
            net.backward(loss.backward(), input_gradient=False)
            sgd.step()
    np.testing.assert_allclose(*losses, rtol=1e-10)
    for name, param in here.params.items():
        assert isinstance(there.params[name], OtherArray)
        np.testing.assert_allclose(back(there.params[name]), param, rtol=1e-9, atol=1e-12)
