"""Each thing that keeps a network from learning, made on purpose, is found in its layer; healthy runs are silent."""

import json
import math
import time
from dataclasses import asdict

import numpy as np
import pytest

from layers import Conv2d, Dropout, Flatten, Linear, ReLU, ScaledTanh, Sigmoid, Tanh
from models import alexnet_small, lenet
from models.recipes import make_preparation, make_prepare, recipe_for
from nn import SGD, LeNet5Loss, Network, SoftmaxCrossEntropy
from nn.data import Dataset, digits
from nn.initialisers import xavier_uniform
from nn.training import History, train
from nn.training.diagnosis import EXPLODING, diagnose, measure, not_finite, saturated_share

NAMES = tuple("abcd")


def pictures(N=320, seed=0):
    """Four classes of 4x4 noise, each brighter in a row of its own."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, N)
    images = rng.normal(0, 0.5, (N, 4, 4, 1))
    images[np.arange(N), labels] += 2
    return Dataset(images.astype(np.float32), labels, NAMES)


def deep(activation, depth=3, width=16):
    """A row of fully connected layers: fc1, act1, fc2, act2, ..., last."""
    layers, features = [("flatten", Flatten())], 16
    for number in range(1, depth + 1):
        layers += [(f"fc{number}", Linear(features, width, rng=number)), (f"act{number}", activation())]
        features = width
    return Network([*layers, ("last", Linear(features, 4, rng=0))])


def run(network, rate=0.1, epochs=1, data=None, **options):
    options = {"batch_size": 32, "progress": False} | options
    with np.errstate(all="ignore"):
        return train(network, data or pictures(), epochs=epochs, optimizer=SGD(network, rate), **options)


def found(history, **options):
    findings = diagnose(history, **options)
    for finding in findings:
        assert "\n" not in finding.sentence and not finding.sentence.endswith(".")
        assert not finding.layer or finding.sentence.startswith(f"{finding.layer}: ")
    return {(finding.kind, finding.layer) for finding in findings}


@pytest.mark.parametrize("activation, rate", [(ReLU, 0.02), (Tanh, 0.02), (ScaledTanh, 0.02)])
def test_a_healthy_little_network_is_silent_in_every_epoch(activation, rate):
    seen = []
    history = run(deep(activation), rate, epochs=12, after_epoch=lambda history: seen.append(found(history)))
    assert history.epochs[-1]["train_accuracy"] > 0.9
    assert seen == [set()] * 12


def test_the_stuck_loss():
    network = deep(ReLU, depth=1)
    history = run(network, rate=1e-6, epochs=10)  # 100 steps
    assert found(history) == {("stuck", "")}
    assert "ln 4 = 1.39" in diagnose(history)[0].sentence
    short = run(deep(ReLU, depth=1), rate=1e-6, epochs=9)
    assert found(short) == set()
    assert found(short, fewest_steps=1) == {("stuck", "")}


def test_another_loss_has_no_known_guess():
    history = run(deep(ReLU, depth=1), rate=1e-6, epochs=10, loss=LeNet5Loss())
    assert history.statistics[-1]["guessing"] is None and found(history) == set()


def test_the_exploding_gradient():
    network = deep(ReLU, depth=4)
    network.params["fc3.weight"][...] *= 1e-3  # the gradient by a small weight is as large as that by a large one
    network.params["last.weight"][...] *= 1e4
    history = run(network, rate=0.3, data=pictures(64))
    assert ("exploding", "fc3") in found(history)


def test_a_loss_that_runs_away_names_the_layer_that_ran():
    network = deep(ReLU, depth=4)
    history = run(network, rate=1e4)
    assert not math.isfinite(history.epochs[-1]["train_loss"])
    ((kind, layer),) = found(history)
    assert kind == "exploding" and layer in network.layers
    assert "the loss is no longer a number" in diagnose(history)[0].sentence
    history = run(network, rate=1e4, epochs=2, history=history)  # everything is NaN by now, but it stays the first
    assert found(history) == {(kind, layer)}


@pytest.mark.parametrize("lost, most", [(False, EXPLODING), (True, EXPLODING / 2)])
def test_what_counts_as_exploding(lost, most):
    """A step that moves weights by their own size; where the loss was lost it has doubled them already."""
    history = run(deep(ReLU, depth=1))
    history.epochs[-1] |= {"learning_rate": 0.5} | ({"train_loss": math.nan} if lost else {})
    for size, expected in ((0.99 * most, set()), (1.01 * most, {("exploding", "fc1")})):
        history.statistics[-1]["gradients"] = {"fc1": size / 0.5, "last": 0.1}
        kinds = {finding for finding in found(history) if finding[1]}
        assert kinds == expected


def test_a_gradient_vanishes_on_its_way_back_and_not_forward():
    history = run(deep(ReLU, depth=1))
    history.statistics[-1]["gradients"] = {"fc1": 0.99e-4, "last": 0.1}
    assert found(history) == {("vanishing", "fc1")}
    history.statistics[-1]["gradients"] = {"fc1": 1.01e-4, "last": 0.1}
    assert found(history) == set()
    history.statistics[-1]["gradients"] = {"fc1": 0.1, "last": 1e-9}
    assert found(history) == set(), "an earlier layer with more is no sign of it"


def test_a_loss_that_was_never_a_number():
    data = pictures(64)
    data.images[...] = np.nan
    assert found(run(deep(ReLU), data=data)) == {("exploding", "")}


def test_the_vanishing_gradient():
    rng = np.random.default_rng(0)
    network = deep(Sigmoid, depth=6)
    for name, weight in network.params.items():
        if name.endswith("weight"):
            weight[...] = xavier_uniform(rng, weight.shape, *weight.shape)
    history = run(network)
    assert found(history) == {("vanishing", "fc1")}
    assert "than last" in diagnose(history)[0].sentence


def test_dead_units():
    network = deep(ReLU, depth=3)
    network.params["fc2.bias"][...] = -100
    history = run(network)
    assert {("dead", "act2")} <= found(history) <= {("dead", "act2"), ("dead", "act3")}
    assert "100% of its units are dead, 0 for all of 32 images" in diagnose(history)[0].sentence


def test_a_dead_convolution_is_counted_by_maps():
    network = Network(
        [("conv1", Conv2d(1, 5, 3, rng=0)), ("relu1", ReLU()), ("flat", Flatten()), ("fc", Linear(20, 4))]
    )
    network.params["conv1.bias"][:4] = -100  # four maps of five
    history = run(network, rate=0.01)
    assert history.statistics[0]["silent"] == {"relu1": pytest.approx(0.8)}
    assert found(history) == {("dead", "relu1")}


def test_units_that_are_often_but_not_always_0_are_alive():
    network = deep(ReLU, depth=1)
    network.params["fc1.bias"][...] = -2
    history = run(network, rate=0.001)
    assert history.statistics[0]["silent"]["act1"] < 0.5 and found(history) == set()


@pytest.mark.parametrize("activation", [Sigmoid, Tanh, ScaledTanh])
def test_saturated_units(activation):
    network = deep(activation, depth=3)
    network.params["fc2.weight"][...] *= 100
    assert found(run(network, rate=0.01)) == {("saturated", "act2")}


def test_a_few_pictures_prove_nothing_about_units():
    network = deep(ReLU, depth=3)
    network.params["fc2.bias"][...] = -100
    history = run(network, batch_size=8)
    assert not any(kind == "dead" for kind, _ in found(history))


def test_saturated_share():
    y = np.array([0.0, 0.005, 0.02, 0.5, 0.98, 0.995, 1.0])
    assert saturated_share(y, (0.0, 1.0)) == pytest.approx(4 / 7)
    assert saturated_share(2 * y - 1, (-1.0, 1.0)) == pytest.approx(4 / 7)


def test_the_statistics_are_plain_and_come_once_an_epoch():
    history = run(deep(Sigmoid), epochs=3, data=pictures(100))
    assert len(history.statistics) == 3
    assert json.loads(json.dumps(history.statistics)) == asdict(history)["statistics"]
    assert set(history.statistics[0]["gradients"]) == {"fc1", "fc2", "fc3", "last"}
    assert all(share > 0 for share in history.statistics[0]["gradients"].values())
    assert history.statistics[0]["pictures"] == 32  # the last batch, of four pictures, is not the one


def test_they_change_nothing():
    network, data = deep(ReLU), pictures(64)
    loss = SoftmaxCrossEntropy()
    logits = network.forward(data.images, training=True)
    loss.forward(logits, data.labels)
    before = {name: array.copy() for name, array in (network.params | network.grads).items()}
    measure(network, logits, loss)
    assert all(np.array_equal(array, before[name]) for name, array in (network.params | network.grads).items())
    network.backward(loss.backward())  # what it needs is still there


def test_it_is_said_once_at_the_end_of_an_epoch(capsys):
    network = deep(ReLU, depth=3)
    network.params["fc2.bias"][...] = -100
    run(network, epochs=3, progress=True, description="Mine")
    lines = capsys.readouterr().err.splitlines()
    assert sum("act2" in line for line in lines) == 1
    assert lines[1].startswith("Mine: act2: 100%") and lines[0].startswith("Mine epoch 1/3")
    network.params["fc2.bias"][...] = -100
    run(network, epochs=3)
    assert capsys.readouterr().err == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, make, count, epochs",
    [
        ("lenet", lambda: lenet(rng=0), 8000, 2),
        ("alexnet_small", lambda: alexnet_small(10, (28, 28, 1), rng=0), 1000, 2),
    ],
)
def test_the_recipes_are_silent_on_digits(name, make, count, epochs, capsys):
    recipe, network = recipe_for(name), make()
    train_set = digits()[0].subset(np.arange(count))
    preparation = make_preparation(recipe, train_set, network.image_shape)
    train(
        network,
        train_set,
        epochs=epochs,
        optimizer=SGD(network, recipe.lr, recipe.momentum, recipe.weight_decay),
        schedule=recipe.schedule(recipe.lr),
        batch_size=recipe.batch_size,
        prepare=make_prepare(preparation, (), train_set),
    )
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == epochs and all(" epoch " in line for line in lines)


def test_the_cost():
    """Below 1% of an epoch of a thousand digits; here with room for a busy machine."""
    network, loss, data = lenet(rng=0), SoftmaxCrossEntropy(), digits()[0].subset(np.arange(1000))
    history = run(network, epochs=3, data=data, batch_size=64)
    logits = network.forward(data.images[:64], training=True)
    times = []
    for _ in range(20):
        start = time.perf_counter()
        measure(network, logits, loss)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.02 * min(epoch["seconds"] for epoch in history.epochs)


def test_dropout_is_not_taken_for_death():
    network = Network(
        [("flatten", Flatten()), ("fc1", Linear(16, 32, rng=0)), ("relu1", ReLU()), ("drop1", Dropout(0.9))]
    )
    network = Network([*network.layers.items(), ("fc2", Linear(32, 4, rng=1))])
    assert found(run(network, rate=0.01)) == set()


@pytest.mark.filterwarnings("error")
def test_weights_whose_squares_overflow_still_have_a_size():
    network, loss, data = deep(ReLU, depth=1), SoftmaxCrossEntropy(), pictures(40)
    logits = network.forward(data.images, training=True)
    network.params["fc1.weight"][...] = 1e30
    network.grads["fc1.weight"][...] = -1e27
    assert measure(network, logits, loss)["gradients"]["fc1"] == pytest.approx(1e-3)


def test_a_loss_that_is_no_number_although_all_others_are():
    network, data = deep(ReLU, depth=1), pictures(40)
    network.forward(data.images, training=True)
    assert not_finite(network, data.images, 1.0, 7) == ""
    for loss in (math.nan, math.inf):
        assert not_finite(network, data.images, loss, 7).startswith("in step 7 the loss is no longer a number; ")


def test_a_run_that_was_not_watched_has_nothing_to_say():
    assert diagnose(History()) == []
