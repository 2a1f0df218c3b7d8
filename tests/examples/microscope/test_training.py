"""LeNet learns in the page: its JavaScript, run in Node, takes the steps that the library takes."""

import base64
import json
import subprocess
import zlib

import numpy as np
import pytest

from examples.microscope.data import HELD, LEARNED, describe, training_data
from layers import Conv2d, Flatten, Linear, ReLU, Sigmoid, Tanh
from models import lenet
from models.classifier import Classifier, load_classifier
from nn import SGD, Network, SoftmaxCrossEntropy
from nn.data import digits
from tests.examples.microscope.test_engine import MODULES, NODE, needs_node

ACTIVATIONS = {"Sigmoid": Sigmoid, "Tanh": Tanh, "ReLU": ReLU}
GAINS = {"Sigmoid": 1, "Tanh": 1 / 4, "ReLU": 2**0.5 / 4}  # of models.lenet's weights, which suit the sigmoid
FLOAT32 = 2.0**-24  # a rounding's relative error
HEADER = """
import {readFileSync, writeFileSync} from "node:fs";
import {Trainer} from "MODULES/trainer.js";
import {unpackDigits} from "MODULES/learner.js";
const task = JSON.parse(readFileSync("TASK", "utf8"));
const digits = task.digits && await unpackDigits(task.digits);
const answer = (value) => writeFileSync("ANSWER", JSON.stringify(value));
"""


def in_node(folder, task, script):
    """What the script answers, in which `task`, `digits` and Trainer are known."""
    names = {"TASK": folder / "task.json", "ANSWER": folder / "answer.json", "MODULES": MODULES}
    text = HEADER + script
    for name, path in names.items():
        text = text.replace(name, path.as_posix())
    names["TASK"].write_text(json.dumps(task), encoding="utf-8")
    (folder / "script.mjs").write_text(text, encoding="utf-8")
    subprocess.run([NODE, folder / "script.mjs"], check=True, timeout=120)
    return json.loads(names["ANSWER"].read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def data():
    return training_data(load_classifier("digits_lenet"))


def with_activation(activation, seed=0):
    """LeNet with it; weights that suit it, biases that are not 0."""
    layers = [
        (name, ACTIVATIONS[activation]() if isinstance(layer, Sigmoid) else layer)
        for name, layer in lenet(rng=seed).layers.items()
    ]
    network = Network(layers, image_shape=(28, 28, 1), name="lenet")
    for name, param in network.params.items():
        if name.endswith("weight"):
            param *= np.float32(GAINS[activation])
        else:
            param[...] = 0.1 * np.random.default_rng(len(name)).standard_normal(param.shape)
    return network


def flat(network, arrays):
    return np.concatenate([arrays[name].ravel() for name in network.params]).astype(np.float64)


def levels_and_labels(data):
    levels = np.frombuffer(zlib.decompress(base64.b64decode(data["digits"]["levels"])), np.uint8)
    return levels.reshape(-1, 28, 28, 1), np.array(data["digits"]["labels"])


def test_the_digits_are_those_of_the_data_set(data):
    levels, labels = levels_and_labels(data)
    assert levels.shape == (LEARNED + HELD, 28, 28, 1) and labels.shape == (LEARNED + HELD,)
    train_set, test_set = digits()
    np.testing.assert_array_equal(levels[:LEARNED] / np.float32(255), train_set.images[:LEARNED])
    np.testing.assert_array_equal(levels[LEARNED:] / np.float32(255), test_set.images[:HELD])
    np.testing.assert_array_equal(labels, np.concatenate([train_set.labels[:LEARNED], test_set.labels[:HELD]]))
    assert np.bincount(labels[LEARNED:]).min() >= 35  # of each digit about fifty


GRADIENTS = """
const params = Float32Array.from(task.params);
const trainer = new Trainer(task.description, digits ?? task.given, {rate: 0, momentum: 0.9, batch: 3}, params);
const {loss, correct, count} = trainer.step(task.batch);
answer({loss, correct, count, gradients: [...trainer.gradients]});
"""


@needs_node
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_equal_those_of_the_library_in_float64(activation, data, tmp_path):
    network = with_activation(activation)
    classifier = load_classifier("digits_lenet")
    levels, labels = levels_and_labels(data)
    batch = [3, 1000, 17, 2]
    task = {
        "digits": data["digits"],
        "description": data["variants"][activation],
        "params": flat(network, network.params).tolist(),
        "batch": batch,
    }
    found = in_node(tmp_path, task, GRADIENTS)
    network = network.astype(np.float64)
    loss = SoftmaxCrossEntropy()
    logits = network.forward(classifier.preparation(levels[batch]).astype(np.float64), training=True)
    value = loss.forward(logits, labels[batch])
    network.backward(loss.backward())
    expected = flat(network, network.grads)
    assert found["loss"] == pytest.approx(value, rel=1e-12) and found["count"] == 4
    assert found["correct"] == (logits.argmax(axis=1) == labels[batch]).sum()
    np.testing.assert_allclose(found["gradients"], expected, rtol=0, atol=1e-11 * np.abs(expected).max())
    assert np.count_nonzero(expected) > 40_000


@needs_node
def test_gradients_of_a_strided_grouped_convolution_without_bias(tmp_path):
    layers = [
        ("conv1", Conv2d(3, 4, (3, 2), stride=(2, 1), padding=(1, 0), rng=0)),
        ("relu1", ReLU()),
        ("conv2", Conv2d(4, 6, 3, padding=1, groups=2, bias=False, rng=1)),
        ("flatten", Flatten()),
        ("fc", Linear(4 * 5 * 6, 5, bias=False, rng=2)),
    ]
    network = Network(layers, image_shape=(7, 6, 3), name="small")
    from nn.data.preparation import Preparation

    preparation = Preparation((7, 6), 3, (7, 6), "standardised", np.float32(0.4), np.float32(0.3))
    levels = np.random.default_rng(0).integers(0, 256, (3, 7, 6, 3), dtype=np.uint8)
    classifier = Classifier(network, preparation, tuple("abcde"))
    task = {
        "given": {"count": 3, "held": 0, "labels": [4, 0, 2]},
        "levels": levels.ravel().tolist(),
        "description": describe(classifier, levels[0], with_weights=False),
        "params": flat(network, network.params).tolist(),
        "batch": [0, 1, 2],
    }
    found = in_node(tmp_path, task, "task.given.levels = Uint8Array.from(task.levels);" + GRADIENTS)
    network = network.astype(np.float64)
    loss = SoftmaxCrossEntropy()
    loss.forward(network.forward(preparation(levels).astype(np.float64), training=True), np.array([4, 0, 2]))
    network.backward(loss.backward())
    expected = flat(network, network.grads)
    np.testing.assert_allclose(found["gradients"], expected, rtol=0, atol=1e-11 * np.abs(expected).max())


STEPS = """
const params = Float32Array.from(task.params);
const trainer = new Trainer(task.description, digits, task.settings, params);
const losses = task.batches.map((batch) => trainer.step(batch).loss);
answer({losses, params: [...trainer.params], velocities: [...trainer.velocities], previous: [...trainer.previous]});
"""


@needs_node
@pytest.mark.parametrize(("activation", "rate"), [("Sigmoid", 0.05), ("Tanh", 0.05), ("ReLU", 0.02)])
def test_twenty_steps_equal_those_of_the_library(activation, rate, data, tmp_path):
    """To 1e-5 of the largest: a sum of 400 products in float32, as fc3 has them, is off by some sqrt(400) roundings of
    6e-8, which is 1e-6, and twenty steps pass on a part of that."""
    network = with_activation(activation)
    classifier = load_classifier("digits_lenet")
    levels, labels = levels_and_labels(data)
    batches = np.random.default_rng(4).permutation(LEARNED)[: 20 * 8].reshape(20, 8)
    start = flat(network, network.params)
    task = {
        "digits": data["digits"],
        "description": data["variants"][activation],
        "settings": {"rate": rate, "momentum": 0.9, "batch": 8, "spread": 1, "seed": 0},
        "params": start.tolist(),
        "batches": batches.tolist(),
    }
    found = in_node(tmp_path, task, STEPS)
    optimizer, loss, losses = SGD(network, rate, 0.9), SoftmaxCrossEntropy(), []
    for batch in batches:
        before = flat(network, network.params)
        losses.append(
            loss.forward(network.forward(classifier.preparation(levels[batch]), training=True), labels[batch])
        )
        network.backward(loss.backward(), input_gradient=False)
        optimizer.step()
    largest = np.abs(flat(network, network.params)).max()
    np.testing.assert_allclose(found["losses"], losses, rtol=1e-5)
    np.testing.assert_allclose(found["params"], flat(network, network.params), rtol=0, atol=1e-5 * largest)
    np.testing.assert_allclose(found["previous"], before, rtol=0, atol=1e-5 * largest)
    velocities = flat(network, optimizer.velocities)
    np.testing.assert_allclose(found["velocities"], velocities, rtol=0, atol=1e-5 * np.abs(velocities).max())
    assert np.abs(flat(network, network.params) - start).max() > 0.02  # the steps were not nothing


@needs_node
def test_each_epoch_has_each_digit_once_in_another_order(data, tmp_path):
    script = """
    const make = (seed) => new Trainer(task.description, digits, {rate: 0, momentum: 0, batch: 300, spread: 2, seed});
    const epochs = (trainer) => [1, 2].map(() => {
        const sizes = [], order = [];
        do {
            const batch = trainer.nextBatch();
            sizes.push(batch.length);
            order.push(...batch);
        } while (trainer.order.length > 0);
        return {sizes, order, epoch: trainer.epoch};
    });
    const trainers = [7, 7, 8].map(make);
    answer({runs: trainers.map(epochs), params: trainers.map(({params}) => [...params])});
    """
    task = {"digits": data["digits"], "description": data["variants"]["ReLU"]}
    found = in_node(tmp_path, task, script)
    (first, second), again, other = found["runs"]
    assert first["sizes"] == [300] * 6 + [200] and (first["epoch"], second["epoch"]) == (1, 2)
    for epoch in (first, second, *other):
        assert sorted(epoch["order"]) == list(range(LEARNED))
    assert [first, second] == again
    assert first["order"] != second["order"] and first["order"] != other[0]["order"]
    # Not only different: neighbours in the order are far apart, as in a random one (a third of all, on average).
    for epoch in (first, second):
        assert np.abs(np.diff(epoch["order"])).mean() == pytest.approx(LEARNED / 3, rel=0.1)
    # The first weights: Xavier's, times sqrt(2), times the spread; the same from the same seed.
    params = np.array(found["params"])
    np.testing.assert_array_equal(params[0], params[1])
    assert np.corrcoef(params[0], params[2])[0, 1] < 0.02
    place = 0
    for name, param in lenet(rng=0).params.items():
        weight = params[0, place : place + param.size]
        place += param.size
        if name.endswith("bias"):
            assert not weight.any()
            continue
        area = np.prod(param.shape[:-2], dtype=int)
        limit = 2 * np.sqrt(2) * np.sqrt(6 / (area * (param.shape[-2] + param.shape[-1])))
        assert 0.9 * limit < np.abs(weight).max() <= limit * (1 + FLOAT32)
        assert weight.std() == pytest.approx(limit / np.sqrt(3), rel=0.15)


@needs_node
def test_the_other_digits_are_read_as_the_library_reads_them(data, tmp_path):
    network = with_activation("Tanh", seed=3)
    levels, labels = levels_and_labels(data)
    task = {
        "digits": data["digits"],
        "description": data["variants"]["Tanh"],
        "params": flat(network, network.params).tolist(),
    }
    script = """
    const trainer = new Trainer(task.description, digits, {seed: 0}, Float32Array.from(task.params));
    const {loss, accuracy} = trainer.examine();
    answer({loss, accuracy});
    """
    found = in_node(tmp_path, task, script)
    logits = network.forward(load_classifier("digits_lenet").preparation(levels[LEARNED:]))
    assert found["loss"] == pytest.approx(SoftmaxCrossEntropy().forward(logits, labels[LEARNED:]), rel=1e-5)
    assert found["accuracy"] == (logits.argmax(axis=1) == labels[LEARNED:]).mean()


@needs_node
def test_a_loss_whose_probability_is_0_is_finite_as_the_library_has_it(data, tmp_path):
    network = with_activation("ReLU")
    for name, param in network.params.items():
        param *= np.float32(10 if name.endswith("weight") else 1)  # as the initial spread may be set
    levels, labels = levels_and_labels(data)
    task = {
        "digits": data["digits"],
        "description": data["variants"]["ReLU"],
        "params": flat(network, network.params).tolist(),
        "batch": list(range(8)),
    }
    found = in_node(tmp_path, task, GRADIENTS)
    logits = network.forward(load_classifier("digits_lenet").preparation(levels[:8]))
    assert np.ptp(logits, axis=1).max() > 1000  # exp(-1000) is 0
    assert found["loss"] == pytest.approx(SoftmaxCrossEntropy().forward(logits, labels[:8]), rel=1e-5)


@needs_node
def test_pausing_and_playing_again_leaves_one_turn_waiting(data, tmp_path):
    script = """
    const [later, never] = [setTimeout, clearTimeout];
    const pending = new Set();
    globalThis.setTimeout = (call) => {
        const timer = later(() => {
            pending.delete(timer);
            call();
        });
        pending.add(timer);
        return timer;
    };
    globalThis.clearTimeout = (timer) => {
        pending.delete(timer);
        never(timer);
    };
    let snapshots = 0;
    globalThis.self = {postMessage: () => snapshots++};
    await import("MODULES/worker.js");
    const send = (data) => self.onmessage({data});
    send({kind: "digits", digits: {...digits, held: 1}});
    const settings = {rate: 0.02, momentum: 0.9, batch: 1, spread: 1, seed: 1};
    send({kind: "start", run: 1, description: task.description, activation: "ReLU", settings});
    for (const kind of ["play", "pause", "play", "play", "pause", "play"]) {
        send({kind});
    }
    const atOnce = pending.size;
    await new Promise((resolve) => later(resolve, 300));
    const playing = pending.size;
    send({kind: "pause"});
    const before = snapshots;
    await new Promise((resolve) => later(resolve, 200));
    answer({atOnce, playing, before, after: snapshots, paused: pending.size});
    """
    task = {"digits": data["digits"], "description": data["variants"]["ReLU"]}
    found = in_node(tmp_path, task, script)
    assert found["atOnce"] == found["playing"] == 1 and found["paused"] == 0
    assert found["before"] == found["after"] > 3  # it did play


@needs_node
@pytest.mark.parametrize(("activation", "kind"), [("ReLU", 1), ("Sigmoid", 2), ("Tanh", 2)])
def test_dead_and_saturated_units_are_found(activation, kind, data, tmp_path):
    network = with_activation(activation)
    network.params["conv2.weight"][..., 5] = 0
    network.params["conv2.bias"][5] = -30  # its map is 0 for each digit, or flat
    network.params["fc3.weight"][:, 7] = 0
    network.params["fc3.bias"][7] = -30
    task = {
        "digits": data["digits"],
        "description": data["variants"][activation],
        "params": flat(network, network.params).tolist(),
    }
    script = """
    const trainer = new Trainer(task.description, digits, {seed: 0}, Float32Array.from(task.params));
    answer(Object.fromEntries(Object.entries(trainer.examine().units).map(([name, units]) => [name, [...units]])));
    """
    found = in_node(tmp_path, task, script)
    assert list(found) == ["sigmoid1", "sigmoid2", "sigmoid3", "sigmoid4"]
    maps, units = np.array(found["sigmoid2"]).reshape(10, 10, 16), np.array(found["sigmoid3"])
    assert (maps[..., 5] == kind).all() and units[7] == kind
    # All others as the library's own outputs for a hundred digits say.
    levels, _ = levels_and_labels(data)
    x = load_classifier("digits_lenet").preparation(levels[LEARNED : LEARNED + 100])
    for name, layer in network.layers.items():
        x = layer.forward(x)
        if name == "sigmoid2":
            slope = {"ReLU": x > 0, "Sigmoid": 4 * x * (1 - x), "Tanh": 1 - x * x}[activation]
            useless = (slope <= (0 if activation == "ReLU" else 0.02)).sum(axis=0)
            expected = useless >= (100 if activation == "ReLU" else 98)
            np.testing.assert_array_equal(maps == kind, expected)


@needs_node
def test_a_kind_that_cannot_learn_here_is_refused(tmp_path):
    description = {
        "name": "n", "image_shape": [2], "class_names": ["a", "b"], "preparation": {}, "weights": None,
        "layers": [{"name": "rbf", "kind": "EuclideanRBF", "attributes": {}, "input_shape": [2], "output_shape": [2],
                    "weights": {"prototypes": {"shape": [2, 2], "offset": 0}}}],
    }  # fmt: skip
    script = """
    try {
        new Trainer(task, {count: 0, held: 0}, {spread: 1, seed: 0});
    } catch (error) {
        answer(error.message);
    }
    """
    assert "a EuclideanRBF cannot learn here" in in_node(tmp_path, description, script)
