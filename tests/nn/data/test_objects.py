"""The rendered pictures: the same each time and at every size, boxes that fit, and no class that gives itself away."""

from functools import cache, partial
from importlib import import_module

import numpy as np
import pytest
from PIL import Image

from nn.data import load, objects, objects_with_boxes
from nn.data.rendered import CLASS_NAMES, render, scene
from nn.data.rendered.drawing import Drawing, box, ellipse, limb, moved, smooth
from nn.data.rendered.painting import paint

SEEDS = range(40)


def pixels(picture):
    return np.asarray(picture, dtype=float)


@cache
def rendered(name, seed):
    """(picture of 32x32, box): two tests look at the same hundreds, and drawing them is what takes time."""
    return render(name, 32, seed)


# ---- one picture ----


@pytest.mark.parametrize("name", CLASS_NAMES)
def test_a_seed_gives_the_same_bits_and_another_seed_another_picture(name):
    first, again, other = (render(name, 48, seed) for seed in [(3, 1), (3, 1), (3, 2)])
    assert first[0].mode == "RGB" and first[0].size == (48, 48)
    assert first[0].tobytes() == again[0].tobytes() and first[1] == again[1]
    assert first[0].tobytes() != other[0].tobytes()


@pytest.mark.parametrize("name", CLASS_NAMES)
def test_every_size_shows_the_same_scene(name):
    for seed in range(6):
        small, small_box = render(name, 64, seed)
        large, large_box = render(name, 256, seed)
        reduced = large.resize((64, 64), Image.Resampling.BOX)
        assert np.corrcoef(pixels(small).ravel(), pixels(reduced).ravel())[0, 1] > 0.9
        np.testing.assert_allclose(small_box, large_box, atol=1.5 / 64)


@pytest.mark.parametrize("name", CLASS_NAMES)
def test_boxes_lie_inside_and_have_a_sensible_size(name):
    boxes = np.array([rendered(name, seed)[1] for seed in SEEDS])
    left, top, right, bottom = boxes.T
    assert (boxes >= 0).all() and (boxes <= 1).all() and (left < right).all() and (top < bottom).all()
    longer = np.maximum(right - left, bottom - top)
    assert longer.min() > 0.5 and np.median(longer) > 0.75
    assert ((right - left) * (bottom - top)).min() > 0.08
    # The middle of the picture lies in the box, so that a crop from the middle shows some of the object.
    assert ((left < 0.5) & (right > 0.5) & (top < 0.5) & (bottom > 0.5)).mean() >= 0.95


@pytest.mark.parametrize("name", CLASS_NAMES)
def test_the_box_bounds_the_object(name, monkeypatch):
    """Before an even magenta, without shadow, noise and things in front, the object is whatever is not magenta."""
    monkeypatch.setattr(scene, "_behind", lambda drawing, fine, *_: Image.new("RGB", (fine, fine), (255, 0, 255)))
    monkeypatch.setattr(scene, "_in_front", lambda *_: Drawing())
    monkeypatch.setattr(scene, "_cast_shadow", lambda *_: None)
    monkeypatch.setattr(scene, "_photograph", lambda picture, rng: picture)
    for seed in range(8):
        picture, around = render(name, 96, seed)
        there = np.abs(pixels(picture) - (255, 0, 255)).sum(axis=2) > 20
        rows, columns = np.flatnonzero(there.any(axis=1)), np.flatnonzero(there.any(axis=0))
        found = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]) / 96
        np.testing.assert_allclose(found, around, atol=1.6 / 96)


@pytest.mark.parametrize("size", [8, 33, 300])
def test_any_size(size):
    assert render("cat", size, 0)[0].size == (size, size)


@pytest.mark.parametrize("name, size, message", [
    ("bird", 64, "class_name must be one of car, cat, dog, vernier calliper, got 'bird'"),
    ("cat", 7, "image_size must be 8 to 4096 pixels, got 7"),
    ("cat", 4097, "image_size must be 8 to 4096 pixels, got 4097"),
])  # fmt: skip
def test_what_cannot_be_rendered(name, size, message):
    with pytest.raises(ValueError, match=message):
        render(name, size, 0)


# ---- sets ----


def test_sets_are_balanced_and_mixed():
    train, test = objects(8, train=42, test=16)
    assert train.images.shape == (42, 8, 8, 3) and train.images.dtype == np.uint8
    assert train.class_names == CLASS_NAMES == ("car", "cat", "dog", "vernier calliper")
    assert np.bincount(test.labels).tolist() == [4, 4, 4, 4]
    for start in range(0, 40, 4):  # so is every beginning
        assert set(train.labels[start : start + 4]) == {0, 1, 2, 3}
    assert train.labels[:40].tolist() != sorted(train.labels[:40].tolist()) != (list(range(4)) * 10)
    assert not (train.labels[:16] == test.labels).all()


def test_load_renders_them_at_the_size_that_is_asked_for(monkeypatch):
    asked = []
    module = import_module("nn.data.load")  # `nn.data.load` is the function
    monkeypatch.setattr(module, "objects", lambda *arguments, **keywords: (asked.append(arguments), (None, None))[1])
    load("objects")
    load("objects", 48)
    assert asked == [(64,), (48,)]


def test_a_larger_set_begins_with_a_smaller_one_and_other_seeds_and_parts_differ():
    few, few_boxes = objects_with_boxes(16, 5, "train")
    more, more_boxes = objects_with_boxes(16, 9, "train")
    np.testing.assert_array_equal(few.images, more.images[:5])
    np.testing.assert_array_equal(few.labels, more.labels[:5])
    np.testing.assert_array_equal(few_boxes, more_boxes[:5])
    others = [objects_with_boxes(16, 9, "test")[0], objects_with_boxes(16, 9, "train", seed=1)[0]]
    images = [image.tobytes() for each in (more, *others) for image in each.images]
    assert len(set(images)) == 27


def test_boxes_belong_to_their_pictures():
    dataset, boxes = objects_with_boxes(16, 6, "test", seed=4)
    assert boxes.shape == (6, 4) and boxes.dtype == np.float32
    picture, around = render(CLASS_NAMES[dataset.labels[5]], 16, (4, 1, 5))
    np.testing.assert_array_equal(dataset.images[5], np.asarray(picture))
    np.testing.assert_allclose(boxes[5], around, rtol=1e-6)


def test_the_mean_colour_does_not_tell_the_class():
    """Each picture goes to the class whose mean colour, without this picture, is nearest: by chance 1 in 4 is right.

    So each of the 220 pictures is both one to learn from and one to test with. To leave one out lowers the share that
    is right by chance by a hundredth, at most two: hence not 0.45.
    """
    colours = np.array([[pixels(rendered(name, seed)[0]).mean(axis=(0, 1)) for seed in range(55)]
                        for name in CLASS_NAMES])  # fmt: skip
    classes, count, _ = colours.shape
    right = 0
    for label in range(classes):
        for k in range(count):
            centres = colours.mean(axis=1)
            centres[label] = np.delete(colours[label], k, axis=0).mean(axis=0)
            right += np.linalg.norm(centres - colours[label, k], axis=1).argmin() == label
    assert right / (classes * count) < 0.43


def test_empty_sets_and_wrong_arguments():
    assert len(objects_with_boxes(16, 0, "train")[0]) == 0
    with pytest.raises(ValueError, match="0 or more, got -1"):
        objects(16, train=-1, test=0)
    with pytest.raises(ValueError, match='"train" or "test", got \'valid\''):
        objects_with_boxes(16, 1, "valid")
    with pytest.raises(ValueError, match="8 to 4096"):
        objects(5000, train=0, test=0)


def test_load_knows_the_name(monkeypatch):
    few = partial(objects, train=4, test=4)
    monkeypatch.setattr(import_module("nn.data.load"), "objects", few)  # nn.data.load is the function
    train, test = load("objects")
    np.testing.assert_array_equal(train.images, few(64)[0].images)
    assert test.image_shape == (64, 64, 3)
    grey, _ = load("Objects", image_size=20, channels=1)
    assert grey.image_shape == (20, 20, 1)


def test_a_texture_covers_the_whole_picture_wherever_its_drawing_is_put():
    pattern, scene_with_it = Drawing(), Drawing()
    pattern.fill(box(0.4, 0.4, 0.6, 0.6), (0, 0, 255))
    pattern.texture(np.array([[1.0, 0.0], [0.5, 0.2]]), (255, 255, 255))
    scene_with_it.add(pattern, moved(0.5, 0.5, 0.1))
    painted = []
    for drawing in (pattern, scene_with_it):
        picture = Image.new("RGB", (40, 40))
        paint(picture, drawing, lambda points: points, (0, -1))
        painted.append(pixels(picture)[..., 0])  # red, of which the box has none
    np.testing.assert_array_equal(painted[0][:10], painted[1][:10])
    assert painted[0][0, 0] > 200 and painted[0][0, -1] < 50


# ---- outlines ----


def test_smooth_curves_pass_through_their_points():
    points = np.array([(0.0, 0.0), (1.0, 0.2), (1.3, 1.0), (0.1, 0.8)])
    np.testing.assert_allclose(smooth(points, steps=5)[::5], points, atol=1e-12)
    open_curve = smooth(points, closed=False, steps=5)
    np.testing.assert_allclose(open_curve[::5], points, atol=1e-12)


def test_an_outline_covers_its_area():
    """A circle, a square and a turned bar, painted: the share of painted pixels is the outline's area."""
    bar = moved(0.5, 0.5, degrees=30)(box(-0.4, -0.05, 0.4, 0.05))
    rod = limb([(0.2, 0.5), (0.8, 0.5)], 0.1)
    areas = [(ellipse(0.5, 0.5, 0.3), np.pi * 0.09), (box(0.2, 0.2, 0.6, 0.6), 0.16), (bar, 0.08)]
    areas += [(rod, 0.06 + np.pi * 0.05**2)]
    for outline, area in areas:
        drawing, picture = Drawing(), Image.new("RGB", (400, 400))
        drawing.fill(outline, (255, 255, 255))
        paint(picture, drawing, lambda points: points, (0, -1))
        assert (pixels(picture)[..., 0] > 0).mean() == pytest.approx(area, rel=0.04, abs=0.002)
