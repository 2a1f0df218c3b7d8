"""Near duplicates by a plain search, and test images that leave none of their copies among the training images."""

import io
import os

import numpy as np
import pytest
from PIL import Image

from nn.data import duplicates, load
from nn.data.duplicates import hold_out, near_duplicates
from nn.data.whole import WholeImages


def pictures(count, size=48, seed=0):
    """Images that look different, each of a few large patches."""
    rng = np.random.default_rng(seed)
    patches = rng.integers(0, 256, (count, 5, 5, 3), dtype=np.uint8)
    return [np.asarray(Image.fromarray(patch).resize((size, size), Image.Resampling.BICUBIC)) for patch in patches]


def copies(image):
    """The same saved as a JPEG, smaller, brighter, cut a little, and mirrored."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=40)
    made = [np.asarray(Image.open(buffer)), np.asarray(Image.fromarray(image).resize((30, 20)))]
    made += [(image // 2 + 60).astype(np.uint8), image[1:-1, 2:], image[:, ::-1]]
    return [np.ascontiguousarray(each) for each in made]


def groups_by_search(images, alike=0.92):
    """All pairs one after the other, by numpy's own correlation; then every link followed."""
    grey = [
        np.asarray(Image.fromarray(image).convert("L").resize((16, 16), Image.Resampling.BOX), float)
        for image in images
    ]
    links = {n: {n} for n in range(len(images))}
    for one in range(len(images)):
        for other in range(one):
            pairs = [
                np.corrcoef(grey[one].ravel(), turned.ravel())[0, 1] for turned in (grey[other], grey[other][:, ::-1])
            ]
            if max(pairs) > alike:
                links[one].add(other), links[other].add(one)
    found = []
    for number in range(len(images)):
        reached = {number}
        while more := set().union(*(links[each] for each in reached)) - reached:
            reached |= more
        found.append(min(reached))
    return found


def test_copies_are_found_whatever_was_done_to_them(monkeypatch):
    images = pictures(12)
    for number in (3, 7):
        images += copies(images[number])
    images += pictures(5, seed=1)
    for tile in (1024, 5):  # all at once, and pairs that lie in different tiles
        monkeypatch.setattr(duplicates, "TILE", tile)
        found = near_duplicates(WholeImages(images, 48))
        assert found.tolist() == groups_by_search(images)
        assert found[12:22].tolist() == [3] * 5 + [7] * 5
        assert len(set(found[:12])) == 12


def test_files_and_arrays_alike():
    arrays = np.stack(pictures(6))
    arrays[5] = arrays[1][:, ::-1]
    files = []
    for image in arrays:
        files.append(io.BytesIO())
        Image.fromarray(image).save(files[-1], "JPEG", quality=95)
    whole = WholeImages([file.getvalue() for file in files], 48)
    assert near_duplicates(arrays).tolist() == near_duplicates(whole).tolist() == [0, 1, 2, 3, 4, 1]


def test_images_of_one_colour_are_alone():
    images = np.stack([np.full((9, 9, 1), level, np.uint8) for level in (0, 7, 7, 255)])
    assert near_duplicates(images).tolist() == [0, 1, 2, 3]


GROUPS = np.concatenate([np.arange(60), np.repeat([60, 70, 80], 10), np.arange(90, 210)])  # three groups of ten
CELLS = np.repeat([0, 1], [90, 120])


@pytest.mark.parametrize("even", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_no_group_is_divided(even, seed):
    held = hold_out(GROUPS, CELLS, 42, even, seed)
    for group in np.unique(GROUPS):
        assert len(set(held[group == GROUPS])) == 1
    assert np.bincount(CELLS[held]).tolist() == ([21, 21] if even else [18, 24])
    assert np.array_equal(held, hold_out(GROUPS, CELLS, 42, even, seed))
    assert not np.array_equal(held, hold_out(GROUPS, CELLS, 42, even, seed + 1))


def test_a_group_that_is_larger_than_its_share_is_never_held_out():
    for seed in range(10):
        held = hold_out(GROUPS, CELLS, 12, seed=seed)
        assert not held[60:90].any() and np.bincount(CELLS[held]).tolist() == [5, 7]


def test_a_small_cell_gives_half_at_most():
    cells = np.repeat([0, 1], [200, 10])
    assert np.bincount(cells[hold_out(np.arange(210), cells, 60, even=True)]).tolist() == [30, 5]


def test_what_is_never_held_out():
    never = np.zeros(210, bool)
    never[60] = never[100] = True
    for seed in range(5):
        held = hold_out(GROUPS, CELLS, 150, seed=seed, never=never)
        assert not held[60:70].any() and not held[100] and held.sum() > 100


def test_a_group_of_several_classes():
    groups, cells = np.array([0, 1, 2, 3, 0]), np.array([0, 0, 0, 1, 1])
    for seed in range(10):
        held = hold_out(groups, cells, 2, seed=seed)
        assert held[0] == held[4] and held.sum() <= 2


@pytest.mark.slow
@pytest.mark.skipif("PHOTOS_ZIP" not in os.environ, reason="PHOTOS_ZIP names no zip of photographs to compare")
def test_a_zip_of_photographs():
    """All pairs that are found do correlate, and copies that are added are found among all of them."""
    dataset, _ = load(os.environ["PHOTOS_ZIP"], 128, whole=True)
    chosen = np.linspace(0, len(dataset) - 1, 20).astype(int)
    items = [*dataset.images.items, *(np.ascontiguousarray(dataset.images[number][:, ::-1]) for number in chosen)]
    groups = near_duplicates(WholeImages(items, 128))
    assert np.array_equal(groups[len(dataset) :], groups[chosen])
    assert np.bincount(groups).max() < len(dataset) / 10
