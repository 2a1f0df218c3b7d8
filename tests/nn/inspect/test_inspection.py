"""Every layer's outputs and gradients, against the network's own passes and against measured slopes."""

import copy
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import models
from layers import (
    ELU,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    Linear,
    LocalResponseNorm,
    MaxPool2d,
    ReLU,
    Sigmoid,
)
from nn import Network, SoftmaxCrossEntropy, check_gradients
from nn.inspect import activations, gradients, kept_outputs, layer_called
from nn.inspect.saliency_maps import saliency
from nn.layer import Layer


def small_network(dtype=np.float64):
    """One layer of most kinds, for pictures of 8 x 8 x 2."""
    network = Network(
        [
            ("conv1", Conv2d(2, 4, 3, padding=1, rng=0)),
            ("relu1", ReLU()),
            ("norm1", LocalResponseNorm()),
            ("pool1", MaxPool2d(3, stride=2)),
            ("conv2", Conv2d(4, 6, 2, groups=2, rng=1)),
            ("sigmoid2", Sigmoid()),
            ("flatten", Flatten()),
            ("dropout3", Dropout(0.5, rng=2)),
            ("fc3", Linear(24, 10, rng=3)),
            ("relu3", ReLU()),
            ("dropout4", Dropout(0.5, rng=4)),
            ("fc4", Linear(10, 3, rng=5)),
        ],
        image_shape=(8, 8, 2),
    )
    return network.astype(dtype)


def pictures(count=2, shape=(8, 8, 2), dtype=np.float64, seed=0):
    return np.random.default_rng(seed).normal(size=(count, *shape)).astype(dtype)


def state(network):
    """Copies of all that a pass could change."""
    rngs = [layer.rng.bit_generator.state for layer in network.layers.values() if hasattr(layer, "rng")]
    return copy.deepcopy((network.params, network.grads, rngs, [layer._saved for layer in network.layers.values()]))


MODELS = {
    "small": small_network,
    "lenet": lambda: models.lenet(rng=0),
    "lenet5_1998": lambda: models.lenet5_1998(rng=0),
    "alexnet_small": lambda: models.alexnet_small(4, (64, 64, 3), rng=0),
    "alexnet_cifar10": lambda: models.alexnet_cifar10(rng=0),
}


@pytest.mark.parametrize("name", MODELS)
def test_activations_are_what_forward_computes(name):
    network = MODELS[name]()
    x = pictures(3, network.image_shape, network.dtype)
    outputs = activations(network, x)
    assert list(outputs) == list(network.layers)
    for array, shape in zip(outputs.values(), network.shapes(network.image_shape)):
        assert array.shape == (3, *shape)
    np.testing.assert_allclose(list(outputs.values())[-1], network.forward(x), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_the_gradient_by_the_input_is_what_backward_computes(name):
    network = MODELS[name]()
    x = pictures(2, network.image_shape, network.dtype)
    dlogits = np.random.default_rng(1).normal(size=network.forward(x).shape).astype(network.dtype)
    found = gradients(network, x, dlogits)
    for layer in network.layers.values():
        if isinstance(layer, Dropout):
            layer.p = 0.0
    network.forward(x, training=True)
    np.testing.assert_allclose(found["input"], network.backward(dlogits), rtol=1e-6, atol=1e-6)
    assert list(found) == ["input", *network.layers]
    np.testing.assert_array_equal(list(found.values())[-1], dlogits)


def test_gradients_are_measured_slopes():
    """Move single elements of each layer's output, and run the layers above on it."""
    network = small_network()
    x = pictures()
    dlogits = np.random.default_rng(1).normal(size=(2, 3))
    outputs, found = {"input": x, **activations(network, x)}, gradients(network, x, dlogits)
    above = list(network.layers.values())
    rng, step = np.random.default_rng(2), 1e-6

    def result(y, layers):
        for layer in layers:
            y = layer.forward(y)
        return np.sum(y * dlogits)

    for index, (name, array) in enumerate(outputs.items()):
        assert found[name].shape == array.shape
        for place in rng.choice(array.size, min(array.size, 12), replace=False):
            ends = []
            for sign in (1, -1):
                moved = array.copy()
                moved.reshape(-1)[place] += sign * step
                ends.append(result(moved, above[index:]))
            slope = (ends[0] - ends[1]) / (2 * step)
            assert found[name].reshape(-1)[place] == pytest.approx(slope, rel=1e-5, abs=1e-7), name


def test_the_network_and_the_arrays_given_are_left_as_they_are():
    network = small_network()
    x, dlogits = pictures(), np.ones((2, 3))
    loss = SoftmaxCrossEntropy()
    loss.forward(network.forward(x, training=True), np.array([0, 1]))
    dloss = loss.backward()
    kept, before = (x.copy(), dlogits.copy()), state(network)
    activations(network, x)
    gradients(network, x, dlogits)
    np.testing.assert_equal(state(network), before)
    np.testing.assert_equal((x, dlogits), kept)

    # The training step that was under way goes on, and comes to what it would have come to.
    twin = small_network()
    loss.forward(twin.forward(x, training=True), np.array([0, 1]))
    np.testing.assert_array_equal(network.backward(dloss), twin.backward(dloss))
    np.testing.assert_equal(network.grads, twin.grads)


def test_each_array_is_its_own():
    network = small_network()
    x, dlogits = pictures(), np.ones((2, 3))
    for arrays in (activations(network, x), gradients(network, x, dlogits)):
        arrays = [x, dlogits, *network.params.values(), *network.grads.values(), *arrays.values()]
        for index, array in enumerate(arrays):
            assert not any(np.may_share_memory(array, other) for other in arrays[:index])


def test_several_threads_at_once_while_the_network_trains():
    network = small_network(np.float32)
    x, dlogits = pictures(dtype=np.float32), np.ones((2, 3), np.float32)
    wanted = activations(network, x), gradients(network, x, dlogits)

    def train(_):
        network.forward(x, training=True)
        network.backward(dlogits)

    def look(_):
        np.testing.assert_equal((activations(network, x), gradients(network, x, dlogits)), wanted)

    with ThreadPoolExecutor(4) as pool:
        looks = [pool.submit(look, number) for number in range(40)]
        list(map(train, range(40)))
        for finished in looks:
            finished.result()


def test_what_cannot_be_done_is_said_in_one_sentence():
    network = small_network()
    with pytest.raises(
        ValueError, match=r"no layer 'conv9', expected one of conv1, relu1, .*, fc4; did you mean conv.\?$"
    ):
        layer_called(network, "conv9")
    with pytest.raises(ValueError, match=r"expected images of shape \(N, 8, 8, 2\), got \(1, 8, 8, 3\)"):
        activations(network, np.zeros((1, 8, 8, 3)))
    with pytest.raises(ValueError, match="a layer called 'input'"):
        gradients(Network([("input", Linear(2, 2))]), np.zeros((1, 2), np.float32), np.zeros((1, 2), np.float32))


class Power(Layer):
    """y = |x|^p: its `p`, `bounds` and `connected` are not what dropout, activations and convolutions call so."""

    def __init__(self, p):
        super().__init__()
        self.p, self.bounds, self.connected = p, "none", True
        self._add_param("weight", np.full(1, 2.0, np.float32))

    def forward(self, x, training=False, out=None):
        x = self._check_input(x, ("N", "features"))
        if training:
            self._saved = x
        return self.params["weight"] * np.abs(x) ** self.p

    def backward(self, dy, input_gradient=True, out=None):
        x = self._take_saved()
        self.grads["weight"][...] = np.sum(dy * np.abs(x) ** self.p)
        return self.params["weight"] * dy * self.p * np.abs(x) ** (self.p - 1) * np.sign(x)


def test_a_layer_whose_attributes_are_called_as_those_of_others():
    network = Network([("power", Power(2.0)), ("square", Power(3.0))])
    x = np.array([[1.0, 2.0, -3.0]], np.float32)
    dy = np.ones_like(x)
    network.forward(x, training=True)
    assert kept_outputs(network) == {}
    assert np.array_equal(gradients(network, x, dy)["input"], network.backward(dy))
    assert check_gradients(network, x).max_error < 1e-6


class KeepsItsWeight(Layer):
    """y = w x. What it keeps for the backward pass is its weight itself, and a constant that others use as well."""

    def __init__(self, kept):
        super().__init__()
        self._add_param("weight", np.full(3, 2.0, np.float32))
        self.kept, self.also_on = kept, True

    def forward(self, x, training=False, out=None):
        if training:
            self._saved, self.x = (self.params["weight"] if self.kept == "weight" else True), x
        return x * self.params["weight"] if self.also_on else x * 0

    def backward(self, dy, input_gradient=True, out=None):
        self._take_saved()
        self.grads["weight"][...] = (dy * self.x).sum(axis=0)
        return dy * self.params["weight"] if self.also_on else dy * 0


@pytest.mark.parametrize("kept", ["weight", "constant"])
def test_what_a_layer_keeps_may_be_something_that_it_has_anyway(kept):
    network = Network([("a", KeepsItsWeight(kept)), ("b", KeepsItsWeight(kept))])
    x = np.array([[1.0, 2.0, -3.0]], np.float32)
    network.forward(x, training=True)
    assert np.array_equal(gradients(network, x, np.ones_like(x))["input"], [[4.0, 4.0, 4.0]])
    assert np.array_equal(network.backward(np.ones_like(x)), [[4.0, 4.0, 4.0]])


def today(rng=0):
    """Batch normalisation, ELU and a depthwise convolution, with running averages as after some training."""
    rng = np.random.default_rng(rng)
    layers = [("conv1", Conv2d(2, 4, 3, bias=False, rng=rng)), ("bn1", BatchNorm2d(4)), ("elu1", ELU(0.7))]
    layers += [("depthwise", Conv2d(4, 4, 3, padding=1, groups=4, rng=rng)), ("bn2", BatchNorm2d(4)), ("elu2", ELU())]
    layers += [("flatten", Flatten()), ("fc", Linear(100, 3, rng=rng))]
    network = Network(layers, (7, 7, 2), name="today").astype(np.float64)
    for name in ("bn1", "bn2"):
        state, params = network.layers[name].state, network.layers[name].params
        state["running_mean"][...], state["running_variance"][...] = rng.normal(size=4), rng.uniform(0.5, 2, 4)
        params["weight"][...], params["bias"][...] = rng.normal(1, 0.3, 4), rng.normal(size=4)
    return network


def test_batch_normalisation_is_looked_into_as_outside_training():
    """The slopes are those of what `predict` computes, the images do not mix, and no running average moves."""
    network, x = today(), np.random.default_rng(1).normal(size=(3, 7, 7, 2))
    before = {name: array.copy() for layer in network.layers.values() for name, array in layer.state.items()}
    outputs = activations(network, x)
    np.testing.assert_array_equal(outputs["fc"], network.forward(x))
    dlogits = np.random.default_rng(2).normal(size=(3, 3))
    found = gradients(network, x, dlogits)
    assert list(found) == ["input", *network.layers]
    for at in [(0, 0, 0, 0), (1, 3, 4, 1), (2, 6, 6, 1), (2, 2, 0, 0)]:
        step = np.zeros_like(x)
        step[at] = 1e-6
        slope = ((network.forward(x + step) - network.forward(x - step)) * dlogits).sum() / 2e-6
        assert found["input"][at] == pytest.approx(slope, rel=1e-6, abs=1e-8)
    alone = gradients(network, x[1:2], dlogits[1:2])
    np.testing.assert_allclose(alone["input"][0], found["input"][1], rtol=1e-12, atol=1e-14)
    assert saliency(network, x[0], 1).shape == (7, 7)
    after = {name: array for layer in network.layers.values() for name, array in layer.state.items()}
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_the_summary_and_the_gradient_check_know_todays_layers():
    network = today()
    said = network.summary()
    for name, layer in network.layers.items():
        assert f"{name} ({type(layer).__name__})" in said
    x = np.random.default_rng(3).normal(size=(3, 7, 7, 2))
    report = check_gradients(network, x)
    assert report.max_error < 1e-6, report
    assert {"bn1.weight", "bn2.bias", "depthwise.weight"} <= set(report.arguments)
