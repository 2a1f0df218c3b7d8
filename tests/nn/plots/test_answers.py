"""Answers, looks, crops and their curves: all texts readable, inside and apart, whatever the files are called."""

import numpy as np
import pytest
from PIL import Image

from examples.crops.windows import windows
from nn import plots
from tests.drawn import catch

NAMES = ("car", "cat", "dog", "vernier calliper", "a class with a very long name indeed")
RNG = np.random.default_rng(0)
TITLES = ["cat.jpg", "a$b$c.png", "a very long name of a picture that somebody took on a holiday.jpeg", "ünïcode.png"]
SHAPES = [(40, 50, 3), (100, 20, 3), (1, 1, 3), (64, 64, 1)]
PICTURES = [RNG.integers(0, 256, shape, dtype=np.uint8) for shape in SHAPES]


def chances(count, classes=5):
    return RNG.dirichlet(np.ones(classes), count).astype(np.float32)


def assert_whole(path):
    """Something is drawn, and nothing runs over the edge."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("L"))
    assert np.mean(pixels < 250) > 0.01
    for edge in (pixels[:3], pixels[-3:], pixels[:, :3], pixels[:, -3:]):
        assert edge.min() == 255


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("classes", [2, 5])
def test_answers(tmp_path, monkeypatch, count, classes):
    drawn = catch(monkeypatch)
    plots.answers(tmp_path / "a.png", TITLES[:count], PICTURES[:count], chances(count, classes), NAMES[:classes])
    assert_whole(tmp_path / "a.png")
    drawn[0].check()
    assert "cat.jpg" in drawn[0].words() and "%" in drawn[0].words()


def test_where_there_is_no_answer(tmp_path, monkeypatch):
    drawn = catch(monkeypatch)
    sure = np.array([[0.9, 0.1], [0.5, 0.5], [0.55, 0.45]])
    plots.answers(tmp_path / "a.png", TITLES[:3], PICTURES[:3], sure, NAMES[:2], least=0.55)
    drawn[0].check()
    words = drawn[0].words()
    assert words.count("no answer") == 1 and words.count("%") == 4 and "none of the 2 classes" in words


@pytest.mark.parametrize("count", [1, 4])
def test_looks(tmp_path, monkeypatch, count):
    drawn = catch(monkeypatch)
    maps = [(RNG.normal(size=(9, 9)), RNG.random((9, 9))) for _ in range(count)]
    maps[0] = (np.zeros((9, 9)), np.zeros((9, 9)))  # nothing mattered
    seen = [RNG.integers(0, 256, (9, 9, 3), dtype=np.uint8)] * count
    plots.looks(tmp_path / "a.png", TITLES[:count], seen, chances(count), maps, NAMES)
    assert_whole(tmp_path / "a.png")
    drawn[0].check()


def test_red_is_where_covering_makes_the_probability_fall(tmp_path, monkeypatch):
    drawn = catch(monkeypatch)
    fall = np.array([[0.5, -0.5], [0.0, 0.25]])
    plots.looks(tmp_path / "a.png", ["a"], PICTURES[:1], chances(1), [(fall, np.ones((2, 2)))], NAMES)
    (shown,) = (image for axes in drawn[0].axes for image in axes.images if np.array_equal(image.get_array(), fall))
    red, _, blue, _ = np.moveaxis(shown.to_rgba(fall), -1, 0)
    assert red[0, 0] > 2 * blue[0, 0] and blue[0, 1] > 2 * red[0, 1]
    assert red[1, 0] == pytest.approx(blue[1, 0], abs=0.02), "what changes nothing has no colour"


@pytest.mark.parametrize("channels", [1, 3])
def test_crops(tmp_path, monkeypatch, channels):
    drawn = catch(monkeypatch)
    cuts = windows(np.random.default_rng(1))
    picture = RNG.integers(0, 256, (256, 256, channels), dtype=np.uint8)
    probabilities = chances(len(cuts))
    plots.crops(tmp_path / "a.png", "a$b: a vernier calliper", picture, cuts, probabilities, 3, NAMES)
    assert_whole(tmp_path / "a.png")
    drawn[0].check()
    marks = drawn[0].words()
    right = int((probabilities.argmax(axis=1) == 3).sum())
    assert marks.count("✓") == right and marks.count("✗") == len(cuts) - right


@pytest.mark.parametrize("boxes", [True, False])
@pytest.mark.parametrize("pictures", [1, 500])
def test_crop_curves(tmp_path, monkeypatch, boxes, pictures):
    drawn = catch(monkeypatch)

    def measured():
        error = None if pictures == 1 else 0.02
        return {"mean": float(RNG.random()), "standard_error": error}

    def row(**place):
        return place | {"accuracy": measured(), "confidence": measured()}

    results = {}
    for name in ("LeNet, trained on whole pictures", "AlexNet, trained on portions of pictures"):
        portions = (1.0, 0.75, 0.5, 0.25, 0.125, 0.0625)
        by_portion = {group: [row(portion=p) for p in portions] for group in ("centre", "corners", "random")}
        by_portion["centre"][2]["accuracy"] = None
        results[name] = {"by_portion": by_portion}
        if boxes:
            bounds = (0, 0.1, 0.25, 0.5, 0.75, 0.9, 1)
            results[name]["by_held"] = [row(**{"from": a, "to": b}) for a, b in zip(bounds, bounds[1:])]
    plots.crop_curves(tmp_path / "a.png", results, pictures, 4)
    assert_whole(tmp_path / "a.png")
    drawn[0].check()
    assert ("Corner crops" in drawn[0].words()) == (not boxes)
    for axes in drawn[0].axes:
        for container in axes.containers:
            low, high = np.array(container.lines[2][0].get_segments())[:, :, 1].T
            np.testing.assert_allclose(high - low, 0 if pictures == 1 else 100 * 4 * 0.02, atol=1e-9)
