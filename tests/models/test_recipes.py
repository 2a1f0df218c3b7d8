"""Every recipe has its published figures, and its pictures are prepared as they say.

Sources of the figures: AlexNet, Krizhevsky et al. 2012, section 5. The CIFAR-10 networks, cuda-convnet's
layer-params-80sec.cfg and layer-params-18pct.cfg, with the epochs of its pages. LeNet-5's levels and loss, LeCun et al.
1998, sections II.B and II.C. The others are this library's own, as README and RESULTS.md tell them.
"""

import numpy as np
import pytest

from models import alexnet_cifar10
from models.recipes import RECIPES, make_preparation, make_prepare, recipe_for
from nn import LeNet5Loss, SoftmaxCrossEntropy
from nn.data import Dataset
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


def test_softened_pictures_are_prepared_as_the_others_are():
    """Half of them are as they were; what the others lose is detail, and not their level."""
    data = colourful(200)
    recipe = recipe_for("alexnet_small")
    preparation = make_preparation(recipe, data, data.image_shape)
    plain, found = (
        make_prepare(preparation, augment, data)(data.images, np.random.default_rng(0)) for augment in ((), ("soften",))
    )
    same = np.array([np.array_equal(*pair) for pair in zip(plain, found)])
    assert 70 < same.sum() < 130  # 100 +- 7
    means = (each[~same].mean(axis=(1, 2)) for each in (plain, found))
    np.testing.assert_allclose(*means, atol=0.15)
    assert (found[~same].std(axis=(1, 2)) < plain[~same].std(axis=(1, 2))).all()
