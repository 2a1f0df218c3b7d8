"""Digits of MNIST pasted anywhere on a page: they come back to their place, and the network reads them again."""

import numpy as np
import pytest
from PIL import Image

from models import load_classifier
from nn.data import digits
from nn.data.placing import centre_of_mass, ink_of, placed

COUNT = 200


@pytest.fixture(scope="module")
def some():
    _, test_set = digits()
    return np.rint(test_set.images[:COUNT] * 255).astype(np.uint8), test_set.labels[:COUNT]


def page(digit, side, size, at, paper=0, ink=255, noise=0.0, rng=None):
    """A page of side x side, of one level, with a digit of size x size written on it; (row, column) of its corner."""
    share = np.zeros((side, side))
    sized = Image.fromarray(digit[..., 0]).resize((size, size), Image.Resampling.BICUBIC)
    share[at[0] : at[0] + size, at[1] : at[1] + size] = np.asarray(sized) / 255
    levels = paper + (ink - paper) * share
    if noise:
        levels += rng.normal(0, noise, levels.shape)
    return np.rint(levels).clip(0, 255).astype(np.uint8)[..., np.newaxis]


def test_digits_in_their_place_keep_their_pixels(some):
    for digit in some[0]:
        full = np.sort(digit, axis=None)[-9]  # eight pixels may be dust; full ink becomes white
        expected = np.rint(np.minimum(1, digit / np.float32(full)) * 255)
        assert np.array_equal(placed(digit), expected)
        assert np.array_equal(placed(255 - digit), expected)


# Of so many digits at least these are right: one in twenty less than of the digits as they are.
PAGES = {
    "small and in a corner": (84, 28, 0, 255, 0.0),
    "at half their size": (56, 14, 255, 0, 0.0),
    "large on a large page": (400, 100, 255, 20, 0.0),
    "on grey paper": (40, 28, 150, 40, 0.0),
    "on dark grey paper": (40, 28, 110, 20, 0.0),
    "in pencil on grey paper": (200, 60, 200, 120, 0.0),
    "on paper with a grain": (200, 60, 170, 60, 8.0),
}


@pytest.mark.parametrize("name", PAGES)
def test_the_network_reads_digits_anywhere_on_a_page(some, name):
    images, labels = some
    side, size, paper, ink, noise = PAGES[name]
    rng = np.random.default_rng(0)
    pages = [page(d, side, size, rng.integers(0, side - size + 1, 2), paper, ink, noise, rng) for d in images]
    classifier = load_classifier("digits_lenet")
    as_they_are, negatives, brought = (
        int((classifier.probabilities(list(pictures)).argmax(axis=1) == labels).sum())
        for pictures in (images, [255 - p if paper > 127 else p for p in pages], map(classifier.as_learned, pages))
    )
    assert brought >= as_they_are - COUNT // 20 and brought >= 185
    assert negatives < COUNT // 2, "inverting is enough here"


@pytest.mark.parametrize("place", [(0, 0), (3, 60), (90, 31)])
def test_the_longer_side_becomes_20_and_the_mass_comes_to_the_centre(place):
    picture = np.full((130, 140, 1), 255, np.uint8)
    picture[place[0] : place[0] + 40, place[1] : place[1] + 10] = 0
    picture[place[0] + 30 : place[0] + 40, place[1] : place[1] + 20] = 0  # an L
    result = placed(picture)
    assert result.shape == (56, 56, 1)
    rows, columns = (np.flatnonzero((result[..., 0] > 127).any(axis)) for axis in (1, 0))
    assert abs(len(rows) - 40) <= 1 and abs(len(columns) - 20) <= 1
    np.testing.assert_allclose(centre_of_mass(result[..., 0]), (29, 29), atol=0.05)  # 14.5 of 28


def test_the_centre_of_mass_by_hand():
    ink = np.zeros((4, 6))
    ink[1, 2], ink[3, 2], ink[3, 4] = 1, 1, 2
    assert centre_of_mass(ink) == (1.5 / 4 + 3 * 3.5 / 4, (2.5 + 2.5 + 2 * 4.5) / 4)


def test_contrast_is_stretched_and_dust_does_not_set_it():
    levels = np.full((40, 40), 120, np.uint8)
    levels[10:30, 18:22] = 60
    levels[5, 5] = 0
    ink = ink_of(levels)
    assert ink.dtype == np.float32 and (ink[10:30, 18:22] == 1).all() and ink[0, 0] == 0
    levels[10:30, 18:22] = 90
    assert np.array_equal(ink_of(levels)[10:30, 18:22], np.ones((20, 4)))


@pytest.mark.parametrize("picture", [np.zeros((28, 28, 1)), np.full((9, 5, 1), 200), np.full((1, 1, 1), 7)])
def test_paper_alone_stays_as_it_is(picture):
    picture = picture.astype(np.uint8)
    assert placed(picture) is picture


def test_a_few_pixels_of_any_kind_are_no_error():
    rng = np.random.default_rng(0)
    for shape in ((1, 1, 1), (1, 2, 1), (2, 2, 1), (1, 50, 1), (3, 7, 1)):
        result = placed(rng.integers(0, 2, shape).astype(np.uint8) * 255)
        assert result.dtype == np.uint8 and result.ndim == 3 and result.shape[2] == 1 and result.size


def test_the_given_picture_is_not_changed(some):
    digit = page(some[0][0], 84, 28, (3, 5), 200, 20)
    before = digit.copy()
    placed(digit)
    assert np.array_equal(digit, before)
