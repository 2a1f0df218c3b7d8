"""What trains by a recipe uses its figures: the arguments that the programs call `train` with, and what they print."""

import json
import math
from argparse import Namespace

import numpy as np
import pytest

from examples import ablations
from examples.compare import program as compare
from models import alexnet_cifar10
from models.recipes import make_preparation, recipe_for
from nn import Network
from nn.data import Dataset, digits
from nn.training import History


def colourful(count=40, seed=0, low=0):
    rng = np.random.default_rng(seed)
    images = rng.integers(low, 256, (count, 32, 32, 3)).astype(np.uint8)
    return Dataset(images, np.arange(count) % 10, tuple("abcdefghij"))


# ------------------------------------------------------------------------------------------------- compare
class Stop(Exception):
    pass


@pytest.fixture
def trained_with(monkeypatch):
    """What `train` is called with by a program, which stops there."""
    calls = []

    def train(network, train_set, test_set=None, **options):
        calls.append((network, train_set, test_set, options))
        raise Stop

    monkeypatch.setattr(compare, "train", train)
    monkeypatch.setattr(ablations, "train", train)
    return calls


def test_compare_trains_both_as_the_readme_says(trained_with):
    options = compare.make_parser().parse_args(["--seed", "3"])
    data = digits()[0].subset(np.arange(20))
    for contestant, (epochs, rate, decay) in zip(
        compare.make_contestants(options, data), ((16, 0.5, 0.0), (10, 0.03, 5e-4)), strict=True
    ):
        with pytest.raises(Stop):
            compare.run(contestant, data, data, options)
        network, _, _, found = trained_with.pop()
        optimizer = found["optimizer"]
        assert network is contestant.network and optimizer.network is network
        assert (found["epochs"], found["batch_size"], found["seed"]) == (epochs, 64, 3)
        assert (optimizer.lr, optimizer.momentum, optimizer.weight_decay) == (rate, 0.9, decay)
        rates = [found["schedule"](done) for done in np.linspace(0, 1, 101)]
        assert max(rates) == pytest.approx(rate), "the highest rate is the one that was asked for"
        assert rates[0] < rate / 2 and rates[-1] < rate / 100, "it warms up and falls to about 0"


def test_compare_standardises_the_test_set_by_the_training_sets_figures(trained_with, tmp_path, monkeypatch):
    images = np.random.default_rng(0).integers(0, 100, (40, 28, 28)).astype(np.uint8)
    test_images = np.random.default_rng(1).integers(150, 256, (10, 28, 28)).astype(np.uint8)
    labels = {"labels": np.arange(40) % 10, "test_labels": np.arange(10)}
    np.savez(tmp_path / "two.npz", images=images, test_images=test_images, **labels)
    with pytest.raises(Stop):
        compare.main(["--data", str(tmp_path / "two.npz"), "--out", str(tmp_path / "out")])
    _, train_set, test_set, _ = trained_with.pop()
    mean, deviation = images.mean() / 255, images.std() / 255
    for found, pixels in ((train_set, images), (test_set, test_images)):
        np.testing.assert_allclose(found.images[..., 0], (pixels / 255 - mean) / deviation, atol=1e-4)


def test_the_figures_of_compare_are_those_of_its_networks(monkeypatch):
    """A network that answers what the test says: accuracies, confusion and probabilities counted one by one."""
    rng = np.random.default_rng(0)
    train_set, test_set = digits()[0].subset(np.arange(30)), digits()[0].subset(np.arange(30, 50))
    options = compare.make_parser().parse_args([])
    contestant = compare.make_contestants(options, train_set)[0]
    answers = {30: rng.integers(0, 10, 30), 20: rng.integers(0, 10, 20)}
    answers[30][:25] = train_set.labels[:25]
    answers[20][:9] = test_set.labels[:9]
    epoch = {"seconds": 2.0, "images_per_second": 15.0, "test_accuracy": 0.0}
    monkeypatch.setattr(compare, "train", lambda *_, **__: History(steps=[1.0], epochs=[epoch], statistics=[None]))
    monkeypatch.setattr(compare, "diagnose", lambda *_, **__: [])
    monkeypatch.setattr(Network, "forward", lambda self, x, training=False: 9.0 * np.eye(10)[answers[len(x)]])
    results, probabilities = compare.run(contestant, train_set, test_set, options)
    right = sum(int(answer == label) for answer, label in zip(answers[20], test_set.labels, strict=True))
    assert results["test_accuracy"] == right / 20
    assert results["train_accuracy"] == sum(map(int, answers[30] == train_set.labels)) / 30
    for true in range(10):
        for answer in range(10):
            count = sum(1 for n in range(20) if test_set.labels[n] == true and answers[20][n] == answer)
            assert results["confusion"][true][answer] == count
    assert probabilities.argmax(axis=1).tolist() == answers[20].tolist()
    assert probabilities.max() == pytest.approx(math.exp(9) / (math.exp(9) + 9))


# ------------------------------------------------------------------------------------------------- ablations
def test_ablations_train_by_the_published_recipe(trained_with):
    network = alexnet_cifar10("18pct", rng=0)
    with pytest.raises(Stop):
        ablations.fit(network, colourful(), colourful(10), 12, 5)
    _, _, _, found = trained_with.pop()
    optimizer = found["optimizer"]
    assert (optimizer.lr, optimizer.momentum, optimizer.weight_decay) == (0.001, 0.9, 0.004)
    for name in network.params:
        assert optimizer.lr_multipliers[name] == (2 if name.endswith("bias") else 1)
        decay = 0 if name.endswith("bias") else 250 if name.startswith("fc4") else 1
        assert optimizer.decay_multipliers[name] == decay
    assert (found["epochs"], found["batch_size"], found["seed"]) == (12, 128, 5)
    rates = [found["schedule"]((epoch + 0.5) / 12) for epoch in range(12)]
    assert rates == pytest.approx([0.001] * 10 + [0.0001, 0.00001])


def test_ten_crops_are_the_corners_and_the_centre_and_their_mirrors(monkeypatch):
    """The network is asked about each, and the answers' mean decides; the centre alone decides the other figure."""
    train_set, test_set = colourful(20), colourful(12, seed=2)
    seen, rng = [], np.random.default_rng(3)
    say = rng.normal(size=(11, 12, 10))  # ten crops, then the centre once more

    def predict(self, x):
        seen.append(x)
        return say[len(seen) - 1]

    preparations = []

    def fit(network, train_set, test_set, epochs, seed, augment=()):
        assert augment == ("crop", "mirror")
        preparations.append(make_preparation(recipe_for("alexnet_cifar10", "18pct"), train_set, (28, 28, 3)))
        return preparations[0]

    monkeypatch.setattr(ablations, "fit", fit)
    monkeypatch.setattr(Network, "predict", predict)
    monkeypatch.setattr(Network, "forward", lambda self, x, training=False: predict(self, x))
    centre, ten = ablations.run_crops(train_set, test_set, Namespace(device="cpu", epochs=3), 0)

    levels = test_set.images - train_set.images.astype(np.float64).mean(axis=0)
    expected = []
    for top, left in ((0, 0), (0, 4), (4, 0), (4, 4), (2, 2)):
        crop = levels[:, top : top + 28, left : left + 28]
        expected += [crop, crop[:, :, ::-1]]
    assert len(seen) == 11
    for crop in expected:
        assert sum(np.allclose(crop, found, atol=2e-3) for found in seen[:10]) == 1
    assert np.allclose(seen[10], levels[:, 2:30, 2:30], atol=2e-3)
    mean = sum(say[:10]) / 10
    assert ten == pytest.approx(sum(int(mean[n].argmax() != test_set.labels[n]) for n in range(12)) / 12)
    assert centre == pytest.approx(sum(int(say[10][n].argmax() != test_set.labels[n]) for n in range(12)) / 12)


@pytest.mark.slow
def test_the_figures_of_ablations_stand_by_their_names(monkeypatch, tmp_path):
    data = tmp_path / "pictures.npz"
    np.savez(data, images=colourful(60).images, labels=colourful(60).labels)
    asked = []

    def run(change, train_set, test_set, options, seed):
        asked.append((change, seed, len(test_set)))
        return len(change) / 100 + seed / 1000

    monkeypatch.setattr(ablations, "run", run)
    monkeypatch.setattr(ablations, "run_crops", lambda *arguments: (0.5, 0.25))
    out = tmp_path / "out"
    assert ablations.main(["--data", str(data), "--held-out", "20", "--seeds", "2", "--out", str(out)]) == 0
    changes = ("as published", "without LRN", "without overlap", "tanh for ReLU")
    assert asked == [(change, seed, 20) for seed in (0, 1) for change in changes]
    errors = json.loads((out / "results.json").read_text())["errors"]
    for change in changes:
        assert errors[change]["errors"] == [len(change) / 100, len(change) / 100 + 0.001]
    assert errors["crops, centre"]["mean"] == 0.5 and errors["crops, ten"]["mean"] == 0.25
