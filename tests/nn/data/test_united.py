"""One data set of several: classes by their names, chosen ones, and images that do not go together."""

import numpy as np
import pytest

from nn.data import Dataset
from nn.data.united import unite
from nn.data.whole import WholeImages


def levels(*values, size=4, channels=3):
    return np.stack([np.full((size, size, channels), value, np.uint8) for value in values])


ANIMALS = Dataset(levels(1, 2, 3), np.array([0, 1, 1]), ("cat", "dog"), ("c/1", "d/1", "d/2"))
THINGS = Dataset(levels(4, 5, 6), np.array([2, 0, 1]), ("axe", "cat", "ship"), ("s/1", "a/1", "c/9"))


def shown(dataset):
    """The level of each image with the name of its class."""
    return [(int(image[0, 0, 0]), dataset.class_names[label]) for image, label in zip(dataset.images, dataset.labels)]


def test_classes_of_one_name_are_one():
    together, origins = unite([ANIMALS, THINGS])
    assert together.class_names == ("cat", "dog", "axe", "ship")
    assert shown(together) == [(1, "cat"), (2, "dog"), (3, "dog"), (4, "ship"), (5, "axe"), (6, "cat")]
    assert origins.tolist() == [0, 0, 0, 1, 1, 1]
    assert together.files == ("c/1", "d/1", "d/2", "s/1", "a/1", "c/9")


def test_chosen_classes_in_their_order():
    together, origins = unite([ANIMALS, THINGS], ["ship", "cat"])
    assert together.class_names == ("ship", "cat")
    assert shown(together) == [(1, "cat"), (4, "ship"), (6, "cat")] and origins.tolist() == [0, 1, 1]
    assert together.files == ("c/1", "s/1", "c/9")
    assert shown(unite([ANIMALS], ["dog", "cat"])[0]) == shown(ANIMALS)


def test_whole_images_and_arrays():
    whole = Dataset(WholeImages(levels(7, 8, size=3), 4), np.array([0, 1]), ("dog", "elk"))
    together, origins = unite([ANIMALS, whole], ("dog", "elk"))
    assert isinstance(together.images, WholeImages) and together.image_shape == (4, 4, 3)
    assert shown(together) == [(2, "dog"), (3, "dog"), (7, "dog"), (8, "elk")] and origins.tolist() == [0, 0, 1, 1]
    assert together.files == ("d/1", "d/2", "0", "1")  # some have none, and are numbered
    assert unite([whole, whole])[0].files == ()


@pytest.mark.parametrize("other", [levels(1, 2, size=5), levels(1, 2, channels=1)])
def test_images_that_do_not_go_together(other):
    with pytest.raises(ValueError, match=r"the images of the data sets are .*image_size=64.*grey"):
        unite([ANIMALS, Dataset(other, np.array([0, 1]), ("cat", "dog"))])
