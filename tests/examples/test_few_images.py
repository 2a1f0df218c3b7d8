"""few_images learns in the four ways that it names, from the images that it says, and writes what it finds."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import models
from examples import few_images
from models import lenet, load_classifier, recipes
from models.classifier import Classifier
from nn.data import Dataset
from nn.data.augmentation import random_portions
from nn.data.preparation import Preparation
from nn.training import History

NAMES = tuple("abcdef")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Six classes of forty images of 32x32, each of a grey level of its own."""
    rng = np.random.default_rng(0)
    labels = np.arange(240) % 6
    images = rng.integers(0, 40, (240, 32, 32, 3)) + 40 * labels[:, None, None, None]
    path = tmp_path_factory.mktemp("data") / "pictures.npz"
    np.savez(path, images=images.astype(np.uint8), labels=labels, class_names=np.array(NAMES))
    return path


@pytest.fixture
def start():
    """What has learned four classes of 28x28 in images of 32x32."""
    preparation = Preparation((32, 32), 3, (28, 28), "standardised", np.float32(0.4), np.float32(0.2))
    return Classifier(lenet(4, (28, 28, 3), rng=7), preparation, tuple("cdef"))


def some_images(count=9):
    rng = np.random.default_rng(1)
    return Dataset(rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8), np.arange(count) % 3, tuple("xyz"))


def test_classes_are_numbered_as_they_are_named():
    images = np.arange(6, dtype=np.uint8).reshape(6, 1, 1, 1)
    found = few_images.chosen(Dataset(images, np.array([0, 1, 2, 2, 1, 0]), tuple("abc")), ("c", "a"))
    assert found.class_names == ("c", "a")
    assert found.images.ravel().tolist() == [0, 2, 3, 5] and found.labels.tolist() == [1, 0, 0, 1]


def test_from_scratch_nothing_is_taken_over(start):
    network, preparation, rates = few_images.begin(few_images.SCRATCH, start, some_images(), 3)
    assert network.output_shape((28, 28, 3)) == (3,) and rates == {}
    fresh = lenet(3, (28, 28, 3), rng=3)
    assert all(np.array_equal(param, fresh.params[name]) for name, param in network.params.items())
    assert preparation.window == (28, 28) and preparation.size == (32, 32)
    mean = (some_images().images / 255).mean(axis=(0, 1, 2))
    np.testing.assert_allclose(preparation.mean, mean, rtol=1e-5)  # of its own images


@pytest.mark.parametrize(
    "way, frozen",
    [
        (few_images.SLOWER, []),
        (few_images.FROZEN, ["conv1", "conv2"]),
        (few_images.ALONE, ["conv1", "conv2", "fc3", "fc4"]),
    ],
)
def test_what_is_taken_over_frozen_and_slower(start, way, frozen):
    network, preparation, rates = few_images.begin(way, start, some_images(), 3)
    assert preparation is start.preparation
    assert [name for name, layer in network.layers.items() if layer.frozen] == frozen
    for name, param in network.params.items():
        assert np.array_equal(param, start.network.params[name]) == (not name.startswith("fc5")) or "bias" in name
        assert rates.get(name) == (None if name.startswith("fc5") else 0.1), name


def test_few_images_are_drawn_of_each_class_by_the_seed_and_all_take_as_many_steps(start, monkeypatch):
    calls = []

    def learn(network, few, **how):
        calls.append((few, how))
        return History()

    monkeypatch.setattr(few_images, "train", learn)
    rng = np.random.default_rng(2)
    own = Dataset(rng.integers(0, 256, (300, 32, 32, 3), dtype=np.uint8), np.arange(300) % 2, ("a", "b"))
    material = few_images.Material(start, own.subset(slice(0, 250)), own.subset(slice(250, 300)))
    options = few_images.make_parser().parse_args(["--batches", "50"])
    for count, seed in ((20, 0), (20, 0), (20, 1), (100, 0)):
        accuracy = few_images.run(few_images.ALONE, start, material, count, seed, options)
        assert 0 <= accuracy <= 1
    (one, how), (again, _), (other, _), (more, long) = calls
    assert np.array_equal(one.images, again.images) and not np.array_equal(one.images, other.images)
    assert np.bincount(one.labels).tolist() == [20, 20] and np.bincount(more.labels).tolist() == [100, 100]
    held = {image.tobytes() for image in material.test.images}
    assert not held & {image.tobytes() for few, _ in calls for image in few.images}
    assert how["epochs"] == 25 and long["epochs"] == 8  # of 2 and 7 batches
    assert how["optimizer"].lr == recipes.recipe_for("lenet").lr / 2, "whose recipe is for batches of 64"
    assert how["batch_size"] == 32 and how["optimizer"].lr_multipliers["fc4.weight"] == 0.1


@pytest.mark.filterwarnings("ignore:.*encountered")
def test_a_training_that_diverges_ends_all_with_a_sentence(pictures, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(few_images, "recipe_of", lambda network: replace(recipes.recipe_for("alexnet_small"), lr=1e30))
    more = ["--set-aside", "b,e", "--held-out", "40", "--images", "2", "--epochs", "1", "--batches", "3"]
    assert few_images.main(["--data", str(pictures), *more, "--out", str(tmp_path / "out")]) == 1
    (said,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("few_images: from scratch")]
    assert "2 images of each class" in said and not (tmp_path / "out" / "table.txt").exists()


def test_a_small_run(pictures, tmp_path, capsys):
    common = ["--data", str(pictures), "--set-aside", "b,e", "--held-out", "40", "--images", "2,5", "--batches", "2"]
    out = tmp_path / "out"
    assert few_images.main([*common, "--epochs", "1", "--seeds", "2", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    found = json.loads((out / "results.json").read_text())
    assert list(found) == list(few_images.WAYS)
    for by_count in found.values():
        assert list(by_count) == ["2", "5"]
        assert all(len(values) == 2 and all(0 <= value <= 1 for value in values) for values in by_count.values())
    table = (out / "table.txt").read_text()
    assert table in said and all(way in table for way in few_images.WAYS)
    values = found["new layer alone"]["5"]
    assert f"{np.mean(values):.1%} +- {np.std(values, ddof=1):.1%}" in table.splitlines()[-1]
    learned = load_classifier(out / "features.safetensors")
    assert learned.class_names == ("a", "c", "d", "f") and learned.preparation.window == (28, 28)
    again = tmp_path / "again"
    weights = ["--weights", str(out / "features.safetensors")]
    assert few_images.main([*common, *weights, "--seeds", "1", "--out", str(again)]) == 0
    repeated = json.loads((again / "results.json").read_text())
    for way, by_count in found.items():
        assert {count: values[:1] for count, values in by_count.items()} == repeated[way]
    assert not (again / "features.safetensors").exists()


def test_what_has_learned_portions_is_given_portions_of_whole_photographs(tmp_path, monkeypatch):
    """And its data set may be nothing but the classes to learn."""
    rng = np.random.default_rng(3)
    for label in ("saw", "motorbike"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(8):
            picture = rng.integers(0, 256, (48, 70, 3), dtype=np.uint8)
            Image.fromarray(picture).save(tmp_path / "photos" / label / f"{number}.png")
    preparation = Preparation((32, 32), 3, (32, 32), "standardised", np.float32(0.4), np.float32(0.2))
    extra = {"class_names": list("abc"), "preparation": preparation.to_json()}
    models.alexnet_small(3, (32, 32, 3), width=0.05, rng=0).save(tmp_path / "start.safetensors", extra)
    asked = []

    def portions(images, size, rng, least):
        asked.append(([image.shape for image in images], size, least))
        return random_portions(images, size, rng, least)

    monkeypatch.setattr(recipes, "random_portions", portions)
    arguments = ["--set-aside", "saw,motorbike", "--images", "3", "--held-out", "8", "--batches", "1", "--seeds", "1"]
    where = ["--data", str(tmp_path / "photos"), "--weights", str(tmp_path / "start.safetensors")]
    assert few_images.main([*arguments, *where, "--out", str(tmp_path / "out")]) == 0
    assert len(asked) == 4  # a batch for each way
    assert asked == [([(48, 70, 3)] * 6, (32, 32), few_images.LEAST_PORTION)] * 4
