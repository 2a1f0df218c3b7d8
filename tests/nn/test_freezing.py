"""Frozen layers keep their bits, and what learns learns as it would without them, for less work."""

import copy

import numpy as np
import pytest

from layers import BatchNorm2d, Conv2d, Dropout, Flatten, Linear, LocalResponseNorm, MaxPool2d, ReLU
from nn import SGD, Network, SoftmaxCrossEntropy, check_gradients, freeze, train
from nn.data import Dataset
from nn.freezing import lowest_that_learns
from nn.training import History
from nn.training.diagnosis import diagnose, measure, not_finite
from tests.checks import one_sentence, randomise

LEARNERS = ("conv1", "conv2", "fc3", "fc4")
FREEZABLE = [("conv",), ("conv1",), ("conv1", "fc3"), ("conv", "fc3"), ("fc4",), ("conv2", "fc")]


def network():
    layers = [
        ("conv1", Conv2d(2, 4, 3, padding=1, rng=0)),
        ("relu1", ReLU()),
        ("norm1", LocalResponseNorm(3, alpha=1.0)),
        ("pool1", MaxPool2d(2)),
        ("conv2", Conv2d(4, 6, 3, padding=1, groups=2, rng=1)),
        ("relu2", ReLU()),
        ("flatten", Flatten()),
        ("fc3", Linear(96, 7, rng=2)),
        ("relu3", ReLU()),
        ("dropout3", Dropout(0.5, rng=3)),
        ("fc4", Linear(7, 5, rng=4)),
    ]
    return randomise(Network(layers, name="little"), np.random.default_rng(1))


def batch(N=6, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(N, 8, 8, 2)).astype(np.float32), rng.integers(0, 5, N)


def step_of(net, sgd, input_gradient=False):
    loss, (x, labels) = SoftmaxCrossEntropy(), batch()
    loss.forward(net.forward(x, training=True), labels)
    dx = net.backward(loss.backward(), input_gradient=input_gradient)
    sgd.step()
    return dx


def copies(arrays):
    return {name: array.copy() for name, array in arrays.items()}


def is_of(name, layers):
    return name.split(".")[0] in layers


@pytest.mark.parametrize(
    "names, expected",
    [
        (("conv",), ("conv1", "conv2")),
        (("conv2",), ("conv2",)),
        (("fc3", "conv1"), ("conv1", "fc3")),
        (("conv", "conv1"), ("conv1", "conv2")),
        (("c", "fc4"), ("conv1", "conv2", "fc4")),
        ((), ()),
    ],
)
def test_names_and_how_they_begin(names, expected):
    net = network()
    freeze(net, "fc")
    assert freeze(net, *names) == expected
    assert tuple(name for name, layer in net.layers.items() if layer.frozen) == expected


def test_a_name_beats_those_that_begin_with_it():
    net = Network([("fc1", Linear(3, 3)), ("fc10", Linear(3, 3)), ("fc2", Linear(3, 3))])
    assert freeze(net, "fc1") == ("fc1",)
    assert freeze(net, "fc10") == ("fc10",)


@pytest.mark.parametrize(
    "names, words",
    [
        (("conv9",), ("'conv9'", "did you mean conv2?")),
        (("conv", ""), ("''", "conv1, conv2, fc3, fc4")),
        (("relu1",), ("'relu1'", "parameters")),
        (("Conv",), ("'Conv'",)),
        (("conv", "fc"), ("nothing", "left to learn")),
        (LEARNERS, ("nothing", "left to learn")),
    ],
)
def test_what_cannot_be_frozen(names, words):
    net = network()
    freeze(net, "conv1")
    with one_sentence(ValueError, "freeze", "little", *words):
        freeze(net, *names)
    assert [name for name, layer in net.layers.items() if layer.frozen] == ["conv1"], "nothing may be changed"


@pytest.mark.parametrize("form", ["paper", "pytorch"])
@pytest.mark.parametrize("names", FREEZABLE)
def test_frozen_bits_stay_and_the_rest_learns_as_with_the_whole_backward_pass(names, form):
    """Compared with a network in which nothing is frozen, after one step: the same gradients and the same new bits."""
    net, whole = network(), network()
    frozen = freeze(net, *names)
    before = copies(net.params)
    for each in (net, whole):
        step_of(each, SGD(each, 0.1, 0.9, 0.01, form))
    for name, param in net.params.items():
        if is_of(name, frozen):
            assert np.array_equal(param, before[name]) and not np.array_equal(whole.params[name], before[name]), name
        else:
            assert np.array_equal(net.grads[name], whole.grads[name]) and net.grads[name].any(), name
            assert np.array_equal(param, whole.params[name]) and not np.array_equal(param, before[name]), name


@pytest.mark.parametrize("names", FREEZABLE)
def test_many_steps_leave_frozen_bits_and_velocities(names):
    net = network()
    frozen, before, sgd = freeze(net, *names), copies(net.params), SGD(net, 0.05, weight_decay=0.01)
    for _ in range(5):
        step_of(net, sgd)
    for name, param in net.params.items():
        assert np.array_equal(param, before[name]) == is_of(name, frozen), name
        assert (not sgd.velocities[name].any()) == is_of(name, frozen), name


@pytest.mark.parametrize(
    "names, lowest", [((), 0), (("conv1",), 4), (("conv",), 7), (("conv", "fc3"), 10), (("fc3",), 0), (("fc4",), 0)]
)
def test_the_backward_pass_ends_at_the_lowest_layer_that_learns(names, lowest, monkeypatch):
    net, called = network(), []
    freeze(net, *names)
    assert lowest_that_learns(net) == lowest
    for name, layer in net.layers.items():

        def backward(dy, input_gradient=True, out=None, name=name, real=layer.backward):
            called.append((name, input_gradient))
            assert out is None or input_gradient
            return real(dy, input_gradient, out)

        monkeypatch.setattr(layer, "backward", backward)
    for grad in net.grads.values():
        grad[...] = 7
    step_of(net, SGD(net, 0.1))
    every = list(net.layers)
    assert called == [(name, name != every[lowest]) for name in reversed(every[lowest:])]
    for name, grad in net.grads.items():
        assert (grad == 7).all() == (every.index(name.split(".")[0]) < lowest), name


@pytest.mark.parametrize("names", FREEZABLE)
def test_who_asks_for_the_images_gradient_gets_it(names):
    net, whole = network(), network()
    freeze(net, *names)
    dx, expected = (step_of(each, SGD(each, 0.1), input_gradient=True) for each in (net, whole))
    assert np.array_equal(dx, expected) and dx.any()
    assert all(np.array_equal(grad, whole.grads[name]) for name, grad in net.grads.items())


def test_a_gradient_check_of_a_network_with_frozen_layers():
    net = network()
    freeze(net, "conv")
    assert check_gradients(net, batch(2)[0], max_elements=5).max_error < 1e-6


def test_batches_of_changing_size_and_results_of_the_caller():
    net, whole = network(), network()
    freeze(net, "conv")
    for N in (6, 3, 8, 1):
        x = batch(N)[0]
        dy = np.random.default_rng(N).normal(size=(N, 5)).astype(np.float32)
        given = dy.copy()
        for each in (net, whole):
            each.forward(x, training=True)
        assert net.backward(dy, input_gradient=False) is None and np.array_equal(dy, given)
        whole.backward(dy)
        assert all(np.array_equal(net.grads[f"fc3.{kind}"], whole.grads[f"fc3.{kind}"]) for kind in ("weight", "bias"))


def test_thawed_layers_learn_again():
    net = network()
    sgd = SGD(net, 0.1)
    freeze(net, "conv")
    step_of(net, sgd)
    before = copies(net.params)
    assert freeze(net) == ()
    step_of(net, sgd)
    assert not any(np.array_equal(param, before[name]) for name, param in net.params.items())


def test_a_copy_is_frozen_as_its_original_and_a_file_is_not(tmp_path):
    net = network()
    freeze(net, "conv")
    twin = copy.deepcopy(net).astype(np.float64)
    assert [name for name, layer in twin.layers.items() if layer.frozen] == ["conv1", "conv2"]
    freeze(twin)
    assert net.layers["conv1"].frozen
    net.save(tmp_path / "net.safetensors")
    assert not any(layer.frozen for layer in network().load(tmp_path / "net.safetensors").layers.values())


def test_a_frozen_batch_normalisation_keeps_its_running_averages():
    layers = [("conv1", Conv2d(2, 3, 3, rng=0)), ("bn1", BatchNorm2d(3)), ("bn2", BatchNorm2d(3))]
    net = Network([*layers, ("flatten", Flatten()), ("fc", Linear(108, 5, rng=1))])
    freeze(net, "conv1", "bn1")
    before = copies(net.state) | copies(net.params)
    step_of(net, SGD(net, 0.1))
    for name, array in {**net.state, **net.params}.items():
        assert np.array_equal(array, before[name]) == is_of(name, ("conv1", "bn1")), name


def test_the_summary_says_what_is_frozen():
    net = network()
    assert "frozen" not in net.summary((8, 8, 2))
    plain = net.summary((8, 8, 2)).splitlines()
    freeze(net, "conv1", "fc3")
    lines = net.summary((8, 8, 2)).splitlines()
    marked = [line.split()[0] for line in lines if line.endswith("  frozen")]
    assert marked == ["conv1", "fc3"]
    assert lines[-1].endswith(f"  {2 * 9 * 4 + 4 + 96 * 7 + 7:,} frozen")
    rows = [(old, new) for old, new in zip(plain, lines, strict=True) if not old.startswith("-")]
    assert all(new.startswith(old) for old, new in rows), "the rest of the table stays"


# ---------------------------------------------------------------------------------------------------- the diagnosis
def test_frozen_layers_are_no_finding():
    """Neither as vanishing gradients, nor as dead units below all that learns."""
    net = network()
    freeze(net, "conv")
    net.params["conv1.bias"][...] = -1000  # all of relu1 is dead
    rng = np.random.default_rng(0)
    data = Dataset(rng.normal(size=(40, 8, 8, 2)).astype(np.float32), rng.integers(0, 5, 40), tuple("abcde"))
    history = train(net, data, epochs=2, optimizer=SGD(net, 0.01), batch_size=20, progress=False)
    statistics = history.statistics[-1]
    assert list(statistics["gradients"]) == ["fc3", "fc4"] and list(statistics["silent"]) == ["relu3"]
    assert not [finding for finding in diagnose(history) if finding.layer in ("conv1", "conv2", "relu1", "relu2")]
    freeze(net)
    loss, (x, labels) = SoftmaxCrossEntropy(), batch(20)
    logits = net.forward(x, training=True)
    loss.forward(logits, labels)
    assert measure(net, logits, loss)["silent"]["relu1"] == 1 and isinstance(history, History)


def test_old_gradients_of_frozen_layers_do_not_stop_a_run():
    net = network()
    net.grads["conv1.weight"][...] = np.nan
    assert "conv1" in not_finite(net, batch()[0], 1.0, 1)
    freeze(net, "conv1")
    assert not_finite(net, batch()[0], 1.0, 1) == ""
