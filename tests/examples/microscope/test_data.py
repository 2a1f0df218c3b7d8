"""What the microscope's JavaScript is told of a network."""

import json

import numpy as np
import pytest

from examples.microscope.data import describe
from models.classifier import load_classifier
from models.registry import shipped


def black(classifier):
    return np.zeros((*classifier.preparation.size, classifier.preparation.channels), np.uint8)


@pytest.mark.parametrize("name", shipped())
def test_shipped_weights_are_described_in_float16(name):
    classifier = load_classifier(name)
    description = describe(classifier, black(classifier))
    assert description["dtype"] == "float16"
    assert json.loads(json.dumps(description)) == description


@pytest.mark.parametrize("number", [0.1, 1e6])  # between two float16, and beyond the largest
def test_other_weights_are_described_in_float32(number):
    classifier = load_classifier("digits_lenet")
    classifier.network.params["conv1.weight"][0, 0, 0, 0] = number
    assert describe(classifier, black(classifier))["dtype"] == "float32"


def test_a_picture_is_brought_to_the_network_s_size():
    description = describe(load_classifier("objects_lenet"), np.zeros((50, 80, 3), np.uint8))
    assert description["picture"]["shape"] == [64, 64, 3]


@pytest.mark.parametrize("picture", [np.zeros((28, 28, 3), np.uint8), np.zeros((28, 28, 1)), [[1]]])
def test_what_is_no_picture_is_refused(picture):
    with pytest.raises(TypeError, match="expected an image as a uint8 array"):
        describe(load_classifier("digits_lenet"), picture)
