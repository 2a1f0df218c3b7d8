"""From a picture of any size to a network's input, and the way of that through JSON."""

import json

import numpy as np
import pytest

from nn.data.augmentation import lenet5_input
from nn.data.preparation import Preparation
from tests.checks import one_sentence

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (3, 8, 10, 3), dtype=np.uint8)
MEAN, DEVIATION = np.array([0.4, 0.5, 0.6], np.float32), np.array([0.2, 0.3, 0.1], np.float32)
COLOUR = Preparation((8, 10), 3, (6, 4), "standardised", MEAN, DEVIATION)


def by_definition(images):
    return (images[:, 1:7, 3:7] / 255 - MEAN.astype(float)) / DEVIATION.astype(float)


def test_levels_and_the_window_in_the_middle():
    before = IMAGES.copy()
    x = COLOUR(IMAGES)
    assert x.dtype == np.float32 and x.flags.c_contiguous
    # Three roundings of float32: by 255, minus the mean, by the deviation, of values up to 10.
    np.testing.assert_allclose(x, by_definition(IMAGES), rtol=0, atol=10 * 4 * np.finfo(np.float32).eps)
    np.testing.assert_array_equal(IMAGES, before)


def test_what_is_seen_is_what_is_read():
    np.testing.assert_array_equal(COLOUR.seen(IMAGES), IMAGES[:, 1:7, 3:7])


def test_a_mean_picture_is_subtracted_where_it_lies():
    mean = RNG.random((8, 10, 3)).astype(np.float32)
    preparation = Preparation((8, 10), 3, (6, 4), "minus mean picture", mean, np.float32(1 / 255))
    expected = IMAGES[:, 1:7, 3:7] - 255 * mean[1:7, 3:7].astype(float)
    np.testing.assert_allclose(preparation(IMAGES), expected, rtol=0, atol=255 * 4 * np.finfo(np.float32).eps)


def test_lenet5_reads_the_border_and_its_own_levels():
    digits = RNG.integers(0, 256, (2, 28, 28, 1), dtype=np.uint8)
    preparation = Preparation((28, 28), 1, (32, 32), "lenet5")
    np.testing.assert_array_equal(preparation(digits), lenet5_input(digits))
    np.testing.assert_array_equal(preparation.seen(digits), np.pad(digits, [(0, 0), (2, 2), (2, 2), (0, 0)]))


def test_other_sizes_are_brought_to_the_size_by_their_middle():
    """What lies beside the middle is cut away; the filter reaches a little across the border."""
    wide = np.zeros((1, 16, 60, 3), np.uint8)
    wide[:, :, 20:40] = np.full((1, 16, 20, 3), 90, np.uint8)
    small = COLOUR.resized(wide)
    assert small.shape == (1, 8, 10, 3)
    np.testing.assert_array_equal(small[:, :, 2:-2], 90)
    assert np.abs(small.astype(int) - 90).max() < 10
    np.testing.assert_array_equal(COLOUR.resized(np.full((1, 3, 3, 3), 7, np.uint8)), 7)
    assert COLOUR.resized(IMAGES) is IMAGES
    grey = Preparation((4, 4), 1, (4, 4))
    np.testing.assert_array_equal(grey.resized(np.full((2, 1, 1, 1), 9, np.uint8)), 9)


def test_ten_crops_hold_the_corners_the_centre_and_their_mirror_images():
    crops = COLOUR.ten_crops(IMAGES)
    assert crops.shape == (10, 3, 6, 4, 3)
    np.testing.assert_array_equal(crops[4], COLOUR(IMAGES))
    np.testing.assert_array_equal(crops[9], COLOUR(IMAGES)[:, :, ::-1])
    assert len({crop.tobytes() for crop in crops}) == 10


@pytest.mark.parametrize(
    "preparation",
    [
        COLOUR,
        Preparation(
            (8, 10), 3, (8, 10), "minus mean picture", RNG.random((8, 10, 3)).astype("f4"), np.float32(1 / 255)
        ),
        Preparation((28, 28), 1, (32, 32), "lenet5"),
    ],
)
def test_through_json_to_the_same_bits(preparation):
    again = Preparation.from_json(json.loads(json.dumps(preparation.to_json())))
    shape = (2, *preparation.size, preparation.channels)
    images = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    assert again(images).tobytes() == preparation(images).tobytes()


@pytest.mark.parametrize(
    "change",
    [
        {"size": [0, 10]},
        {"size": [8]},
        {"size": "big"},
        {"size": [100_000, 100_000]},
        {"size": [8.5, 10]},
        {"window": [9, 4]},
        {"channels": 2},
        {"levels": "none"},
        {"mean": [0.1, 0.2]},
        {"mean": [[0.1], [0.1, 0.2]]},
        {"mean": [0.1, 0.2, float("nan")]},
        {"mean": "a"},
        {"deviation": [0.1, 0, 0.1]},
        {"deviation": None},
        {"levels": "lenet5"},
        {"levels": "lenet5", "channels": 1, "size": [64, 64], "window": [32, 32], "mean": 0, "deviation": 1},
    ],
)
def test_what_cannot_be_a_preparation_is_refused(change):
    with one_sentence(ValueError, "prepared"):
        Preparation.from_json(COLOUR.to_json() | change)


@pytest.mark.parametrize("values", [None, [], {}, "text", 3])
def test_something_else_altogether(values):
    with one_sentence(ValueError, "prepared"):
        Preparation.from_json(values)


def test_floating_pictures_are_taken_if_they_have_the_size_already():
    np.testing.assert_array_equal(COLOUR((IMAGES / 255).astype(np.float32)), COLOUR(IMAGES))
    with one_sentence(TypeError, "8x9", "uint8", "(8, 10)"):
        COLOUR(np.zeros((2, 8, 9, 3), np.float32))
