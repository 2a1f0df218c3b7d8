"""The weights in the box: small enough, complete, and as good as their README says."""

import os

import numpy as np
import pytest

from models import load_classifier, shipped
from models.registry import SHIPPED
from nn.data import digits, load, split
from nn.data.rendered import CLASS_NAMES, objects_with_boxes

# As the README says.
ERRORS = {
    "objects_alexnet": 0.017,
    "objects_alexnet_portions": 0.028,
    "objects_lenet": 0.064,
    "objects_lenet_portions": 0.134,
}


def accuracy(classifier, images, labels):
    return float((classifier.probabilities(images).argmax(axis=1) == labels).mean())


def test_they_are_all_there_and_take_at_most_24_mb():
    assert shipped() == (
        "cifar10_alexnet",
        "digits_lenet",
        "objects_alexnet",
        "objects_alexnet_portions",
        "objects_lenet",
        "objects_lenet_portions",
        "photos_alexnet",
    )
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) <= 24e6
    described = (SHIPPED / "README.md").read_text(encoding="utf-8")
    for name in shipped():
        assert f"`{name}`" in described
        assert f"{load_classifier(name).network.num_parameters:,}" in described


def test_digits():
    test_set = digits()[1]
    images = np.rint(test_set.images * 255).astype(np.uint8)
    assert accuracy(load_classifier("digits_lenet"), images, test_set.labels) >= 0.97


@pytest.fixture(scope="module")
def objects():
    return objects_with_boxes(128, 200, "test")[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", ERRORS)
def test_objects(objects, name):
    classifier = load_classifier(name)
    assert classifier.class_names == CLASS_NAMES and classifier.data == "objects"
    promised = 1 - ERRORS[name]
    error = (promised * (1 - promised) / len(objects)) ** 0.5  # the standard error of so many pictures
    assert accuracy(classifier, objects.images, objects.labels) >= promised - 4 * error


@pytest.mark.slow
@pytest.mark.skipif("CIFAR10_ZIP" not in os.environ, reason="CIFAR10_ZIP names no zip of CIFAR-10's training pictures")
def test_photographs_that_it_did_not_learn_from():
    """The 5,000 that were held out, by the same seed."""
    held_out = split(load(os.environ["CIFAR10_ZIP"])[0], 5000, seed=0)[1]
    classifier = load_classifier("cifar10_alexnet")
    assert classifier.class_names == held_out.class_names
    assert accuracy(classifier, held_out.images, held_out.labels) >= 0.80
