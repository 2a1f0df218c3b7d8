"""SGD in both forms, against the formulas written out number by number in double precision."""

import numpy as np
import pytest

from layers import Linear, Sigmoid
from nn import SGD, Network, SoftmaxCrossEntropy
from tests.checks import one_sentence, randomise

RATES = [0.1, 0.1, 0.05, 0.2, 0.0, 0.01]


def small_network(dtype):
    network = Network([("first", Linear(4, 5, rng=0)), ("squash", Sigmoid()), ("second", Linear(5, 3, rng=1))])
    return randomise(network.astype(dtype), np.random.default_rng(0))


def one_backward(network, seed):
    rng = np.random.default_rng(seed)
    dtype = network.params["first.weight"].dtype
    loss = SoftmaxCrossEntropy()
    loss.forward(network.forward(rng.normal(size=(6, 4)).astype(dtype), training=True), rng.integers(0, 3, 6))
    network.backward(loss.backward())


def by_the_formula(form, w, v, g, lr, momentum, weight_decay):
    if form == "paper":
        v = momentum * v - weight_decay * lr * w - lr * g
        return w + v, v
    v = momentum * v + (g + weight_decay * w)
    return w - lr * v, v


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("momentum, weight_decay", [(0.0, 0.0), (0.9, 0.0), (0.9, 0.01), (0.0, 0.1), (0.5, 0.0005)])
@pytest.mark.parametrize("form", ["paper", "pytorch"])
def test_several_steps_with_changing_rates(form, momentum, weight_decay, dtype):
    network = small_network(dtype)
    optimizer = SGD(network, RATES[0], momentum=momentum, weight_decay=weight_decay, form=form)
    expected = {name: (value.astype(np.float64), 0.0) for name, value in network.params.items()}
    for step, rate in enumerate(RATES):
        one_backward(network, step)
        gradients = {name: grad.astype(np.float64) for name, grad in network.grads.items()}
        optimizer.lr = rate
        optimizer.step()
        for name, (w, v) in expected.items():
            expected[name] = by_the_formula(form, w, v, gradients[name], rate, momentum, weight_decay)
    # Numbers of size 1, half a dozen roundings in each of six steps.
    tolerance = 40 * np.finfo(dtype).eps
    for name, (w, _) in expected.items():
        assert network.params[name].dtype == dtype
        np.testing.assert_allclose(network.params[name], w, rtol=0, atol=tolerance)


def test_the_forms_agree_at_a_constant_rate_and_differ_when_it_changes():
    def run(form, rates):
        network = small_network(np.float64)
        optimizer = SGD(network, rates[0], momentum=0.9, weight_decay=0.01, form=form)
        for step, rate in enumerate(rates):
            one_backward(network, step)
            optimizer.lr = rate
            optimizer.step()
        return network.params["first.weight"]

    constant = [0.1] * 4
    np.testing.assert_allclose(run("paper", constant), run("pytorch", constant), rtol=1e-12, atol=1e-14)
    changing = [0.1, 0.1, 0.001, 0.1]
    assert np.abs(run("paper", changing) - run("pytorch", changing)).max() > 1e-4


def test_the_defaults():
    network, other = small_network(np.float64), small_network(np.float64)
    default, explicit = SGD(network, 0.1), SGD(other, 0.1, momentum=0.9, weight_decay=0.0, form="paper")
    for step in range(3):
        for each, optimizer in ((network, default), (other, explicit)):
            one_backward(each, step)
            optimizer.step()
    for name in network.params:
        assert np.array_equal(network.params[name], other.params[name])


def test_parameters_are_updated_in_place_and_gradients_are_left_alone():
    network = small_network(np.float32)
    arrays = dict(network.params)
    one_backward(network, 0)
    gradients = {name: grad.copy() for name, grad in network.grads.items()}
    SGD(network, 0.1, weight_decay=0.1).step()
    for name in arrays:
        assert network.params[name] is arrays[name]
        assert np.array_equal(network.grads[name], gradients[name])


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"lr": -0.1}, ["lr", -0.1]),
        ({"lr": float("nan")}, ["lr", "nan"]),
        ({"lr": "fast"}, ["lr", "fast"]),
        ({"lr": 0.1, "momentum": -0.5}, ["momentum", -0.5]),
        ({"lr": 0.1, "momentum": 1.5}, ["momentum", 1.5]),
        ({"lr": 0.1, "weight_decay": -1.0}, ["weight_decay", -1.0]),
        ({"lr": 0.1, "form": "nesterov"}, ["form", "nesterov", "paper", "pytorch"]),
    ],
)
def test_bad_settings(arguments, words):
    with one_sentence((ValueError, TypeError), "SGD", *words):
        SGD(small_network(np.float32), **arguments)


def test_a_parameter_that_could_not_be_changed_in_place_is_refused():
    network = small_network(np.float32)
    optimizer = SGD(network, 0.1)
    layer = network.layers["first"]
    layer.params["weight"] = np.asfortranarray(layer.params["weight"])
    one_backward(network, 0)
    with one_sentence(ValueError, "first.weight", "ascontiguousarray"):
        optimizer.step()


def test_a_network_converted_behind_its_back_is_refused():
    network = small_network(np.float32)
    optimizer = SGD(network, 0.1)
    network.astype(np.float64)
    one_backward(network, 0)
    before = network.params["first.weight"].copy()
    with one_sentence(TypeError, "SGD", "first.weight", "float64", "float32", "after astype"):
        optimizer.step()
    np.testing.assert_array_equal(network.params["first.weight"], before)


def test_parameters_that_are_replaced_by_others_are_refused():
    network = Network([("fc1", Linear(4, 3, rng=0))])
    optimizer = SGD(network, lr=0.1)
    layer = network.layers["fc1"]
    layer.params["bias"], layer.grads["bias"] = np.zeros(5, np.float32), np.zeros(5, np.float32)
    with one_sentence(ValueError, "fc1.bias", "(5,)", "(3,)"):
        optimizer.step()
    layer.params["another"] = np.zeros(3, np.float32)
    with one_sentence(ValueError, "new SGD"):
        optimizer.step()
