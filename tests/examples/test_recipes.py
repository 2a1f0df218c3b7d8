"""Every recipe has its published figures, and what trains by a recipe uses it: the arguments of `train` are looked at.

Sources of the figures: AlexNet, Krizhevsky et al. 2012, section 5. The CIFAR-10 networks, cuda-convnet's
layer-params-80sec.cfg and layer-params-18pct.cfg, with the epochs of its pages. LeNet-5's levels and loss, LeCun et al.
1998, sections II.B and II.C. The others are this library's own, as README and RESULTS.md tell them.
"""

import json
import math
from argparse import Namespace

import numpy as np
import pytest

from examples import ablations, compare
from examples.recipes import RECIPES, make_preparation, make_prepare, recipe_for
from models import alexnet_cifar10
from nn import LeNet5Loss, Network, SoftmaxCrossEntropy
from nn.data import Dataset, digits
from nn.training import History
from nn.training.schedules import Plateau

# epochs, batch, highest rate, momentum, decay, multipliers of rates and of decays, loss, levels, augmentations
PUBLISHED = {
    "lenet": (16, 64, 0.5, 0.9, 0.0, {}, {}, SoftmaxCrossEntropy, "standardised", ()),
    "lenet5_1998": (20, 32, 0.002, 0.9, 0.0, {}, {}, LeNet5Loss, "lenet5", ()),
    "alexnet_small": (10, 64, 0.03, 0.9, 0.0005, {}, {}, SoftmaxCrossEntropy, "standardised", ()),
    "alexnet": (
        *(90, 128, 0.01, 0.9, 0.0005, {}, {}),
        *(SoftmaxCrossEntropy, "minus mean picture", ("crop", "mirror", "colour")),
    ),
    # Weight decay 0.004 on the convolutions, 0.03 on the fully connected layers, none on biases, whose rate is 0.002.
    "alexnet_cifar10 80sec": (
        *(14, 128, 0.001, 0.9, 0.004, {"bias": 2}, {"bias": 0, "fc4.weight": 7.5, "fc5.weight": 7.5}),
        *(SoftmaxCrossEntropy, "minus mean picture", ()),
    ),
    # 1.0 on the fully connected layer.
    "alexnet_cifar10 18pct": (
        *(140, 128, 0.001, 0.9, 0.004, {"bias": 2}, {"bias": 0, "fc4.weight": 250}),
        *(SoftmaxCrossEntropy, "minus mean picture", ()),
    ),
}
PUBLISHED["alexnet_caffe"] = PUBLISHED["alexnet_torchvision"] = PUBLISHED["alexnet"]
FIELDS = ("epochs", "batch_size", "lr", "momentum", "weight_decay", "lr_multipliers", "decay_multipliers")


def test_every_recipe_has_its_published_figures():
    assert RECIPES.keys() == PUBLISHED.keys()
    for name, figures in PUBLISHED.items():
        recipe = recipe_for(*name.split())
        found = tuple(getattr(recipe, field) for field in (*FIELDS, "loss", "levels", "augment"))
        assert found == figures, name


@pytest.mark.parametrize("name, epochs", [("80sec", (11, 2, 1)), ("18pct", (120, 10, 10))])
def test_the_rates_of_the_cifar_networks_fall_when_published(name, epochs):
    schedule = RECIPES[f"alexnet_cifar10 {name}"].schedule(0.001)
    rates = [schedule((epoch + 0.5) / sum(epochs)) for epoch in range(sum(epochs))]
    assert rates == pytest.approx([0.001] * epochs[0] + [0.0001] * epochs[1] + [0.00001] * epochs[2])


def test_the_other_schedules():
    assert isinstance(RECIPES["alexnet"].schedule(0.01), Plateau)  # "divided by 10 when the error stopped improving"
    for name in ("lenet", "lenet5_1998", "alexnet_small"):
        schedule = RECIPES[name].schedule(RECIPES[name].lr)
        rates = [schedule(done) for done in np.linspace(0, 1, 101)]
        assert max(rates) == pytest.approx(RECIPES[name].lr) and rates[0] < max(rates) / 2 and rates[-1] < rates[0]


def test_the_decay_of_every_parameter_of_the_published_networks():
    for variant, fully_connected in (("80sec", {"fc4": 0.03, "fc5": 0.03}), ("18pct", {"fc4": 1.0})):
        recipe = recipe_for("alexnet_cifar10", variant)
        for name in alexnet_cifar10(variant, rng=0).params:
            layer, kind = name.split(".")
            factor = recipe.decay_multipliers.get(name, recipe.decay_multipliers.get(kind, 1.0))
            expected = 0.0 if kind == "bias" else fully_connected.get(layer, 0.004)
            assert recipe.weight_decay * factor == pytest.approx(expected), name


def colourful(count=40, seed=0, low=0):
    rng = np.random.default_rng(seed)
    images = rng.integers(low, 256, (count, 32, 32, 3)).astype(np.uint8)
    return Dataset(images, np.arange(count) % 10, tuple("abcdefghij"))


def test_pictures_are_prepared_by_the_training_sets_figures():
    """By plain sums; another set of pictures is prepared with the same numbers."""
    train_set, other = colourful(), colourful(7, seed=1, low=128)
    pixels = train_set.images.astype(np.float64)
    mean, deviation = pixels.mean(axis=(0, 1, 2)), pixels.std(axis=(0, 1, 2))
    for model, expected in (
        ("lenet", (other.images - mean) / deviation),
        ("alexnet", other.images - pixels.mean(axis=0)),
    ):
        preparation = make_preparation(recipe_for(model), train_set, (32, 32, 3))
        found = make_prepare(preparation, (), other)(other.images, None)
        np.testing.assert_allclose(found, expected, atol=2e-3 if model == "alexnet" else 1e-5)


@pytest.mark.parametrize("augment", [(), ("crop",), ("mirror",), ("crop", "mirror")])
def test_crops_lie_anywhere_and_half_of_the_pictures_are_mirrored(augment):
    """Each prepared picture is looked for among all crops of 28 x 28 and their mirrors, cut by hand."""
    data = colourful(200)
    preparation = make_preparation(recipe_for("alexnet"), data, (28, 28, 3))
    found = make_prepare(preparation, augment, data)(data.images, np.random.default_rng(0))
    levels = data.images - data.images.astype(np.float64).mean(axis=0)
    places, mirrored = set(), 0
    for picture, whole in zip(found, levels, strict=True):
        crops = {(top, left): whole[top : top + 28, left : left + 28] for top in range(5) for left in range(5)}
        same = [(at, False) for at, crop in crops.items() if np.allclose(picture, crop, atol=2e-3)]
        same += [(at, True) for at, crop in crops.items() if np.allclose(picture, crop[:, ::-1], atol=2e-3)]
        assert len(same) == 1
        places.add(same[0][0])
        mirrored += same[0][1]
    # Of 200 drawn at random among 25 places one is left out with a chance of 0.7%; of 200 tosses 60 to 140 are heads.
    assert len(places) > 20 if "crop" in augment else places == {(2, 2)}
    assert 60 < mirrored < 140 if "mirror" in augment else mirrored == 0


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
