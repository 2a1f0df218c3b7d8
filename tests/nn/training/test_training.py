"""The training loop: what it counts, what it repeats from a seed, and that it learns."""

import copy
import math

import numpy as np
import pytest

import models
from layers import Dropout, Flatten, Linear, ReLU
from nn import SGD, Layer, Network, SoftmaxCrossEntropy
from nn.data import Dataset, batches
from nn.training import evaluate, train
from nn.training.diagnosis import diagnose
from nn.training.schedules import one_cycle
from tests.checks import one_sentence, randomise

NAMES = ("a", "b", "c")


def pictures(N=23, seed=0):
    """Three classes of 4x4 noise, each brighter in rows of its own: easy to tell apart."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, N)
    images = rng.normal(0, 0.3, (N, 4, 4, 1))
    images[np.arange(N), labels] += 1
    return Dataset(images.astype(np.float32), labels, NAMES)


def network(dropout=0.0):
    layers = [("flatten", Flatten()), ("fc1", Linear(16, 12, rng=0)), ("relu1", ReLU())]
    layers += [("drop1", Dropout(dropout, rng=1)), ("fc2", Linear(12, 3, rng=2))]
    return randomise(Network(layers), np.random.default_rng(0))


def run(seed=0, epochs=3, dropout=0.3, rate=0.05, test_set=None, **options):
    net = network(dropout)
    options.setdefault("batch_size", 5)
    optimizer = SGD(net, rate)
    history = train(net, pictures(), test_set, epochs=epochs, optimizer=optimizer, seed=seed, progress=False, **options)
    return net, history


@pytest.mark.parametrize("N, batch_size", [(23, 5), (23, 1), (23, 23), (23, 100), (20, 5)])
def test_evaluate_counts_every_image_once(N, batch_size):
    net, data = network(), pictures(N)
    loss, accuracy, predictions = evaluate(net, data.images, data.labels, batch_size=batch_size)
    logits = np.concatenate([net.forward(data.images[n : n + 1]) for n in range(N)])
    assert predictions.shape == (N,)
    assert np.array_equal(predictions, logits.argmax(axis=1))
    assert accuracy == np.count_nonzero(logits.argmax(axis=1) == data.labels) / N
    assert loss == pytest.approx(float(SoftmaxCrossEntropy().forward(logits, data.labels)), rel=1e-5)


def test_the_last_partial_batch_counts_in_the_training_figures():
    # At a rate of 0 the network never changes, so its running figures must be those of the whole set.
    net, history = run(rate=0.0, dropout=0.0, epochs=2, batch_size=10)
    data = pictures()
    loss, accuracy, _ = evaluate(net, data.images, data.labels)
    assert len(history.steps) == 2 * 3
    for epoch in history.epochs:
        assert epoch["train_accuracy"] == pytest.approx(accuracy, abs=1e-12)
        assert epoch["train_loss"] == pytest.approx(loss, rel=1e-5)


def test_the_steps_are_those_of_the_plain_loop():
    net, history = run(dropout=0.3, epochs=2, batch_size=10)
    other = network(0.3)
    optimizer, steps = SGD(other, 0.05), []
    for epoch in (1, 2):
        rng = np.random.default_rng([0, epoch])
        for images, labels in batches(pictures(), 10, rng):
            loss = SoftmaxCrossEntropy()
            steps.append(float(loss.forward(other.forward(images, training=True), labels)))
            other.backward(loss.backward())
            optimizer.step()
    assert history.steps == steps
    for name in net.params:
        assert np.array_equal(net.params[name], other.params[name])


def test_the_same_seed_gives_the_same_history():
    def figures(history):
        return history.steps, [
            {key: value for key, value in epoch.items() if key not in ("seconds", "images_per_second")}
            for epoch in history.epochs
        ]

    test_set = pictures(7, seed=5)
    (first_net, first), (second_net, second) = (run(seed=3, test_set=test_set) for _ in range(2))
    assert figures(first) == figures(second)
    for name in first_net.params:
        assert np.array_equal(first_net.params[name], second_net.params[name])
    assert figures(run(seed=4, test_set=test_set)[1]) != figures(first)


def test_what_the_history_holds():
    test_set = pictures(11, seed=5)
    net, history = run(epochs=4, test_set=test_set)
    assert len(history.steps) == 4 * 5
    assert [epoch["epoch"] for epoch in history.epochs] == [1, 2, 3, 4]
    loss, accuracy, _ = evaluate(net, test_set.images, test_set.labels)
    last = history.epochs[-1]
    assert last["test_loss"] == pytest.approx(loss) and last["test_accuracy"] == accuracy
    assert last["learning_rate"] == 0.05
    assert last["seconds"] > 0
    assert last["images_per_second"] == pytest.approx(23 / last["seconds"])
    numbers = [*history.steps, *(value for epoch in history.epochs for value in epoch.values())]
    assert all(type(number) in (int, float) for number in numbers), "json writes no NumPy numbers"


def test_without_a_test_set():
    _, history = run(epochs=1)
    assert math.isnan(history.epochs[0]["test_loss"]) and math.isnan(history.epochs[0]["test_accuracy"])


def test_it_learns():
    net, history = run(epochs=60, dropout=0.0)
    assert history.epochs[-1]["train_loss"] < 0.2 * history.epochs[0]["train_loss"]
    test_set = pictures(50, seed=7)
    assert evaluate(net, test_set.images, test_set.labels)[1] > 0.9


def test_the_caller_may_stop_after_an_epoch():
    _, whole = run(epochs=4)
    _, stopped = run(epochs=4, after_epoch=lambda history: len(history.epochs) == 2)
    assert len(stopped.epochs) == 2 and stopped.unfinished is None
    assert stopped.steps == whole.steps[: len(stopped.steps)]


def test_the_schedule_sees_the_fraction_of_the_run_that_is_done():
    seen = []

    def schedule(fraction):
        seen.append(fraction)
        return 0.1 * (1 - fraction)

    _, history = run(epochs=2, batch_size=10, schedule=schedule)
    np.testing.assert_allclose(seen, np.arange(6) / 6, rtol=1e-12)
    np.testing.assert_allclose([epoch["learning_rate"] for epoch in history.epochs], [0.1 * 4 / 6, 0.1 / 6], rtol=1e-9)


def test_one_cycle():
    rate = one_cycle(0.5, warm_up=0.3, start=0.04)
    assert rate(0.0) == pytest.approx(0.02)
    assert rate(0.15) == pytest.approx(0.5 * (0.04 + 0.96 / 2))
    assert rate(0.3) == pytest.approx(0.5)
    assert rate(0.65) == pytest.approx(0.25)
    assert rate(1.0) == pytest.approx(0.0, abs=1e-12)


def test_the_data_set_is_left_alone():
    net, data = network(), pictures()
    before = data.images.tobytes(), data.labels.tobytes()
    data.images.flags.writeable = False
    train(net, data, data, epochs=1, optimizer=SGD(net, 0.05), batch_size=6, progress=False)
    assert (data.images.tobytes(), data.labels.tobytes()) == before


def test_bad_settings():
    for options in ({"epochs": 0}, {"batch_size": 0}):
        with one_sentence(ValueError, *options, 0):
            run(**options)
    net = network()
    for call in (
        lambda: evaluate(net, pictures().images[:0], pictures().labels[:0]),
        lambda: train(net, pictures().subset([]), epochs=1, optimizer=SGD(net, 0.1), progress=False),
    ):
        with one_sentence(ValueError, "images"):
            call()
    with one_sentence(ValueError, "label", 23, 22):
        evaluate(net, pictures().images, pictures().labels[:22])


# ------------------------------------------------------------------------------------------------ numbers gone wrong
class Poison(Layer):
    """Passes everything on; from a certain step on, NaN instead, forward or backward."""

    def __init__(self, step, forward):
        super().__init__()
        self.step, self.poisons_forward, self.calls = step, forward, 0

    def output_shape(self, image_shape):
        return tuple(image_shape)

    def forward(self, x, training=False, out=None):
        self.calls += training
        return x * np.float32(np.nan) if self.poisons_forward and self.calls >= self.step else x.copy()

    def backward(self, dy, input_gradient=True, out=None):
        return dy * np.float32(np.nan) if not self.poisons_forward and self.calls >= self.step else dy.copy()


@pytest.mark.parametrize("forward", [True, False])
def test_training_stops_at_the_step_and_names_the_layer(forward):
    data = Dataset(np.random.default_rng(0).random((12, 4, 4, 1), dtype=np.float32), np.arange(12) % 3, ("a", "b", "c"))
    layers = [("flatten", Flatten()), ("fc1", Linear(16, 5, rng=0)), ("poison", Poison(6, forward))]
    network = Network([*layers, ("fc2", Linear(5, 3, rng=1))])
    kept = []

    def after_step(history):
        kept.append({name: array.copy() for name, array in network.params.items()})

    history = train(
        network, data, data, epochs=5, batch_size=3, optimizer=SGD(network, 0.1), progress=False, after_step=after_step
    )
    assert len(history.steps) == 6 and "step 6" in history.failure
    assert ("output of poison" if forward else "gradient of fc1") in history.failure
    assert all(np.isfinite(array).all() for array in network.params.values()), "the weights are those before the step"
    assert np.isnan(history.epochs[-1]["test_accuracy"])


def test_a_gradient_that_is_lost_before_the_statistics_were_taken_ends_the_run_in_a_sentence(capsys):
    data = Dataset(np.random.default_rng(0).random((12, 4, 4, 1), dtype=np.float32), np.arange(12) % 3, ("a", "b", "c"))
    layers = [("flatten", Flatten()), ("fc1", Linear(16, 3, rng=0)), ("poison", Poison(2, forward=False))]
    history = train(net := Network(layers), data, epochs=1, batch_size=3, optimizer=SGD(net, 0.1))
    assert "gradient of fc1" in history.failure and history.statistics == [None]
    assert diagnose(history) == [] and "epoch 1/1" in capsys.readouterr().err


@pytest.mark.filterwarnings("error")
def test_training_that_diverges_says_so_in_its_own_sentence_alone():
    """NumPy would warn too, from a line that the user did not write: in the thread that trains, or in a worker."""
    images = np.random.default_rng(0).random((64, 32, 32, 1), dtype=np.float32)
    network = models.alexnet_small(10, (32, 32, 1), rng=0)
    history = train(
        network, Dataset(images, np.arange(64) % 10, tuple("0123456789")), epochs=9, batch_size=32,
        optimizer=SGD(network, 100), progress=False,
    )  # fmt: skip
    assert "no longer a number" in history.failure


@pytest.mark.filterwarnings("error")
def test_pictures_that_hold_nan_are_named():
    images = np.zeros((6, 4, 4, 1), np.float32)
    images[3, 1, 1] = np.inf
    network = Network([("flatten", Flatten()), ("fc1", Linear(16, 2, rng=0))])
    history = train(
        network, Dataset(images, np.arange(6) % 2, ("a", "b")), epochs=1, optimizer=SGD(network, 0.1), progress=False
    )
    assert "images" in history.failure and "step 1" in history.failure


def test_an_optimizer_of_another_network_is_refused():
    with one_sentence(ValueError, "another network", "SGD(network"):
        train(network(), pictures(), epochs=1, optimizer=SGD(network(), lr=0.1))


def test_an_optimizer_of_some_of_the_layers_trains_those():
    net = network()
    last = list(net.layers)[-1]
    before = {name: array.copy() for name, array in net.params.items()}
    part = Network([(last, net.layers[last])])
    train(net, pictures(), epochs=1, optimizer=SGD(part, lr=0.1), progress=False)
    for name, array in net.params.items():
        assert np.array_equal(array, before[name]) != name.startswith(f"{last}."), name


def test_an_optimizer_of_your_own_needs_a_rate_and_a_step():
    class Own:
        lr = 0.1

        def step(self):
            for name, array in net.params.items():
                array -= np.float32(self.lr) * net.grads[name]

    net, twin = network(), network()
    train(net, pictures(), epochs=1, optimizer=Own(), progress=False)
    train(twin, pictures(), epochs=1, optimizer=SGD(twin, 0.1, momentum=0.0), progress=False)
    for name, array in net.params.items():
        np.testing.assert_allclose(array, twin.params[name], rtol=1e-5, atol=1e-7)


def test_an_optimizer_of_a_copy_is_refused():
    net = network()
    with one_sentence(ValueError, "another network", "SGD(network"):
        train(copy.deepcopy(net), pictures(), epochs=1, optimizer=SGD(net, lr=0.1))
