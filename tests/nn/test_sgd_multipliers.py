"""SGD's multipliers: which parameters they reach, and what they do in both forms, number by number."""

import numpy as np
import pytest

from layers import Conv2d, Flatten, Linear, ReLU
from nn import SGD, Network
from tests.checks import one_sentence, randomise

RATES = [0.1, 0.1, 0.02, 0.3]
NAMES = ["conv1.weight", "conv1.bias", "fc2.weight", "fc2.bias"]


def small_network(dtype=np.float64):
    layers = [("conv1", Conv2d(1, 2, 2)), ("relu1", ReLU()), ("flatten", Flatten()), ("fc2", Linear(8, 3))]
    network = randomise(Network(layers).astype(dtype), np.random.default_rng(0))
    assert list(network.params) == NAMES
    return network


def fill_gradients(network, seed):
    rng = np.random.default_rng(seed)
    for gradient in network.grads.values():
        gradient[...] = rng.normal(size=gradient.shape)


def by_the_formula(form, w, v, g, lr, momentum, weight_decay):
    if form == "paper":
        v = momentum * v - weight_decay * lr * w - lr * g
        return w + v, v
    v = momentum * v + g + weight_decay * w
    return w - lr * v, v


def check(form, lr_multipliers, decay_multipliers, rates, decays, dtype=np.float64):
    """rates, decays: what the multipliers of the four parameters must come to."""
    network = small_network(dtype)
    optimizer = SGD(network, RATES[0], 0.9, 0.05, form, lr_multipliers, decay_multipliers)
    expected = {name: (value.astype(np.float64), 0.0) for name, value in network.params.items()}
    for step, rate in enumerate(RATES):
        fill_gradients(network, step)
        optimizer.lr = rate
        optimizer.step()
        for (name, (w, v)), lr, decay in zip(expected.items(), rates, decays, strict=True):
            g = network.grads[name].astype(np.float64)
            expected[name] = by_the_formula(form, w, v, g, lr * rate, 0.9, decay * 0.05)
    for name, (w, _) in expected.items():
        assert network.params[name].dtype == dtype
        np.testing.assert_allclose(network.params[name], w, rtol=0, atol=100 * np.finfo(dtype).eps, err_msg=name)


forms = pytest.mark.parametrize("form", ["paper", "pytorch"])


@forms
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_recipe_of_2012(form, dtype):
    check(form, {"bias": 2}, {"bias": 0}, (1, 2, 1, 2), (1, 0, 1, 0), dtype)


@forms
def test_the_full_name_beats_the_end_of_one(form):
    check(form, {"bias": 2, "fc2.bias": 5.0}, {"weight": 3, "conv1.weight": 0.5}, (1, 2, 1, 5), (0.5, 1, 3, 1))
    # In whichever order they are written.
    check(form, {"fc2.bias": 5.0, "bias": 2}, {"conv1.weight": 0.5, "weight": 3}, (1, 2, 1, 5), (0.5, 1, 3, 1))


@forms
def test_one_parameter_alone(form):
    check(form, {"fc2.weight": 2}, {"fc2.weight": 7.5}, (1, 1, 2, 1), (1, 1, 7.5, 1))


@forms
def test_a_rate_of_zero_freezes(form):
    network = small_network()
    before = {name: value.copy() for name, value in network.params.items()}
    optimizer = SGD(network, 0.1, 0.9, 0.05, form, lr_multipliers={"conv1.weight": 0, "conv1.bias": 0.0})
    for step in range(3):
        fill_gradients(network, step)
        optimizer.step()
    for name, value in network.params.items():
        assert np.array_equal(value, before[name]) == name.startswith("conv1"), name


@pytest.mark.parametrize("none", [None, {}])
def test_without_multipliers(none):
    check("paper", none, none, (1, 1, 1, 1), (1, 1, 1, 1))


def test_the_caller_s_dicts_are_left_alone():
    rates, decays = {"bias": 2}, {"bias": 0}
    SGD(small_network(), 0.1, lr_multipliers=rates, decay_multipliers=decays)
    assert (rates, decays) == ({"bias": 2}, {"bias": 0})


@pytest.mark.parametrize("which", ["lr_multipliers", "decay_multipliers"])
@pytest.mark.parametrize("key", ["conv2.weight", "biases", "conv1", "", "ias", "conv1.weight.x", ".bias"])
def test_unknown_names(which, key):
    with one_sentence(ValueError, "SGD", which, repr(key), "conv1.weight"):
        SGD(small_network(), 0.1, **{which: {"bias": 2, key: 1.0}})


@pytest.mark.parametrize("which", ["lr_multipliers", "decay_multipliers"])
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), "2", None, True])
def test_bad_values(which, value):
    with one_sentence((ValueError, TypeError), "SGD", which, "'bias'", repr(value)):
        SGD(small_network(), 0.1, **{which: {"bias": value}})
