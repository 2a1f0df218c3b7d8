"""The network that `classify` asks, on the photographs that its training held out: found again by its command.

    PHOTOS_ZIP=photos.zip CIFAR10_ZIP=cifar10-train.zip python -m pytest -m slow -s tests/models/test_photographs.py

prints how many it reads right, by class and source.
"""

import os
import re
import shlex

import numpy as np
import pytest

from examples.train import program as train
from examples.train.sets import load_sets
from models import load_classifier
from models.registry import SHIPPED
from nn.data import load

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not {"PHOTOS_ZIP", "CIFAR10_ZIP"} <= os.environ.keys(), reason="PHOTOS_ZIP and CIFAR10_ZIP name no photographs"
    ),
    pytest.mark.filterwarnings("ignore:.*README.md"),  # which lies beside the photographs, in no class's folder
]
WAYS = {"whole": {}, "ten crops": {"ten_crop": True}, "scales": {"scales": True}}
UNKNOWN = ("motorbike", "chain_saw", "antelope_not_deer")


def command_of(name):
    """The options by which the weights' README says that they were trained, with the data sets of this machine."""
    described = (SHIPPED / "README.md").read_text(encoding="utf-8").replace("\\\n", " ")
    (text,) = re.findall(rf"^python -m examples.train (.*--out runs/{name})$", described, re.MULTILINE)
    here = {"photos.zip": os.environ["PHOTOS_ZIP"], "cifar10-train.zip": os.environ["CIFAR10_ZIP"]}
    return train.make_parser().parse_args([here.get(word, word) for word in shlex.split(text)])


@pytest.fixture(scope="module")
def classifier():
    return load_classifier("photos_alexnet")


@pytest.fixture(scope="module")
def held_out():
    """The images that were held out; of each its class, and the beginning of its file's name, "" for CIFAR-10's."""
    sets = load_sets(command_of("photos"), whole=True)
    assert sets.test_set.class_names == load_classifier("photos_alexnet").class_names
    names = [re.search(r"([a-z0-9]+)_[^/]*$", file) for file in sets.test_set.files]
    return sets.test_set, np.array([name[1] if name else "" for name in names])


@pytest.fixture(scope="module")
def probabilities(classifier, held_out):
    return classifier.probabilities(held_out[0].images)


def line(name, right):
    return f"{name:<28}{len(right):>6}{100 * np.mean(right):>8.1f}%"


def test_photographs_cats_and_dogs_are_read(held_out, probabilities):
    images, source = held_out
    right = probabilities.argmax(axis=1) == images.labels
    photographs = source != ""
    share = {}
    print()
    for label, name in enumerate(images.class_names):
        for each in np.unique(source[images.labels == label]):
            print(line(f"{name}, {each or 'CIFAR-10'}", right[(images.labels == label) & (source == each)]))
        if (here := (images.labels == label) & photographs).any():
            share[name] = right[here].mean()
            assert here.sum() >= 100 or name == "horse", "of 199 horses at most half are held out"
    print(line("all photographs", right[photographs]), f"mean of classes {100 * np.mean(list(share.values())):.1f}%")
    print(line("CIFAR-10", right[~photographs]))
    assert np.mean(right[photographs]) >= 0.80 and np.mean(list(share.values())) >= 0.80
    assert share["cat"] >= 0.80 and share["dog"] >= 0.80


def test_looking_several_times(classifier, held_out, probabilities):
    """Ten crops, and several scales: they are to gain, or at least to cost nothing."""
    images, source = held_out
    for way, options in WAYS.items():
        asked = classifier.probabilities(images.images, **options) if options else probabilities
        right = asked.argmax(axis=1) == images.labels
        print(line(f"photographs, {way}", right[source != ""]), line(f"CIFAR-10, {way}", right[source == ""]))
        assert right[source != ""].mean() >= 0.80


def test_it_is_as_sure_as_it_may_be(classifier, held_out, probabilities):
    """Of the answers that it gives, at most a tenth is wrong; and it gives fewer to what it cannot know."""
    images, _ = held_out
    answers = classifier.answers(probabilities)
    given = np.array([answer is not None for answer in answers])
    right = probabilities.argmax(axis=1) == images.labels
    print(line("answered", given), line("of these right", right[given]))
    assert right[given].mean() >= 0.9 - 0.02 and given.mean() >= 0.5
    others, _ = load(os.environ["PHOTOS_ZIP"], 256, whole=True)
    for name in UNKNOWN:
        some = others.images[np.flatnonzero(others.labels == others.class_names.index(name))[:500]]
        told = [answer is not None for answer in classifier.answers(classifier.probabilities(some))]
        print(line(f"answered, though a {name}", told))
        assert np.mean(told) < given.mean()
