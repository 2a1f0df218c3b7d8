"""What the microscope's page makes of pictures, in Node, against Pillow, NumPy and plain facts."""

import numpy as np
import pytest
from PIL import Image

from nn.data import digits
from tests.examples.microscope.test_engine import in_node, needs_node

pytestmark = needs_node

HEADER = 'import {cutOut, drawnLevels, experimented} from "MODULES/pictures.js";'
CUT_OUT = """
const picture = {levels: Uint8Array.from(task.levels), shape: task.shape};
writeFileSync("ANSWER", JSON.stringify(task.parts.map(([left, top, right, bottom]) =>
    [...cutOut(picture, {left, top, width: right - left, height: bottom - top}, task.size)])));
"""
EXPERIMENT = """
writeFileSync("ANSWER", JSON.stringify(task.effects.map((effect) => [...experimented(
    Uint8Array.from(task.levels), task.shape, {angle: 0, right: 0, down: 0, noise: 0, ...effect})])));
"""
DRAW = """
const levels = task.drawings.map((strokes) => [...drawnLevels(strokes, task.size, task.fitted)]);
writeFileSync("ANSWER", JSON.stringify(levels));
"""


def smooth(height, width, channels=3):
    """A picture with slopes in every direction and no sharp edge."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (5, 6, 3), dtype=np.uint8)
    picture = np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))
    return picture[..., :channels]


@pytest.mark.parametrize("size", [(64, 64), (17, 40), (150, 150)])
def test_cutting_out_is_pillow_s_bicubic(size, tmp_path):
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 256, (90, 120, 3), dtype=np.uint8)  # the roughest there is
    parts = [(0, 0, 120, 90), (15, 0, 105, 90), (30.3, 20.7, 61.9, 52.3), (0, 0, 3.5, 3.5), (110.2, 80, 120, 90)]
    task = {"levels": picture.ravel().tolist(), "shape": list(picture.shape), "parts": parts, "size": list(size)}
    for part, found in zip(parts, in_node(tmp_path, CUT_OUT, HEADER, **task), strict=True):
        wanted = Image.fromarray(picture).resize(size[::-1], Image.Resampling.BICUBIC, box=part)
        # Pillow rounds its weights to 22 bits and the part's corners to float32. That now and then decides between two
        # levels, in each of the two passes.
        difference = np.abs(np.reshape(found, (*size, 3)) - np.asarray(wanted, int))
        assert difference.max() <= 2 and (difference > 0).mean() < 0.01, part


def test_turning(tmp_path):
    picture = smooth(31, 31)
    task = {"levels": picture.ravel().tolist(), "shape": [31, 31, 3]}
    angles = (0, 90, -90, 180, 30, -77)
    found = in_node(tmp_path, EXPERIMENT, HEADER, effects=[{"angle": angle} for angle in angles], **task)
    found = [np.reshape(levels, (31, 31, 3)) for levels in found]
    for levels, turns in zip(found, (0, -1, 1, 2)):
        np.testing.assert_array_equal(levels, np.rot90(picture, turns))
    h, w = np.indices((31, 31)) - 15
    inside = h**2 + w**2 < 14**2  # beside the picture Pillow sees black
    for levels, angle in zip(found[4:], angles[4:]):
        wanted = np.asarray(Image.fromarray(picture).rotate(-angle, Image.Resampling.BILINEAR), int)
        assert np.abs(levels - wanted)[inside].max() <= 1


def test_moving_repeats_the_border(tmp_path):
    picture = smooth(12, 20, 1)
    task = {"levels": picture.ravel().tolist(), "shape": [12, 20, 1]}
    effects = [{"right": 3, "down": -2}, {"right": -30, "down": 0}]
    found = [np.reshape(each, picture.shape) for each in in_node(tmp_path, EXPERIMENT, HEADER, effects=effects, **task)]
    padded = np.pad(picture, [(40, 40), (40, 40), (0, 0)], "edge")
    np.testing.assert_array_equal(found[0], padded[42:54, 37:57])
    np.testing.assert_array_equal(found[1], padded[40:52, 70:90])


def test_noise_has_the_deviation_asked_for_and_stays_the_same(tmp_path):
    levels = np.full(100 * 100, 128)
    effects = [{"noise": noise} for noise in (0, 10, 30, 30)]
    found = np.array(
        in_node(tmp_path, EXPERIMENT, HEADER, levels=levels.tolist(), shape=[100, 100, 1], effects=effects)
    )
    np.testing.assert_array_equal(found[0], levels)
    np.testing.assert_array_equal(found[2], found[3])
    for levels, noise in zip(found[1:3], (10, 30)):
        # Of 10,000 numbers: four standard errors of a mean and of a deviation.
        assert abs(levels.mean() - 128) < 4 * noise / 100
        assert abs(levels.std() / noise - 1) < 4 / np.sqrt(2 * 10_000)


def drawings():
    circle = [[0.3 + 0.1 * np.cos(turn), 0.6 + 0.2 * np.sin(turn)] for turn in np.linspace(0, 6, 40)]
    return {
        "circle": [circle],
        "stroke": [[[0.1, 0.1], [0.15, 0.4]]],
        "bent": [[[0.1, 0.9], [0.9, 0.9], [0.5, 0.2]]],
        "two": [[[0.4, 0.1], [0.4, 0.3]], [[0.6, 0.1], [0.6, 0.3]]],
    }


@pytest.mark.parametrize("size", [[28, 28], [32, 32]])
def test_a_drawing_is_brought_to_the_size_of_mnist_s_digits(size, tmp_path):
    """20 pixels of 28 along the longer side, the centre of its mass in the middle."""
    found = in_node(tmp_path, DRAW, HEADER, drawings=list(drawings().values()), size=size, fitted=True)
    for levels in np.reshape(found, (-1, *size)):
        rows, columns = np.nonzero(levels > 127)
        longer = max(np.ptp(rows), np.ptp(columns)) + 1
        assert abs(longer - 20 * size[0] / 28) <= 1.5
        mass = levels / levels.sum()
        centre = [(mass.sum(axis=1 - axis) * (np.arange(size[axis]) + 0.5)).sum() for axis in (0, 1)]
        assert np.abs(np.array(centre) - np.array(size) / 2).max() < 0.3


def test_ink_is_as_real_digits_have_it(tmp_path):
    """A stroke of MNIST's is about as wide and as light as ours: seen in the pixels that are not black."""
    train_set, _ = digits()
    ones = train_set.images[train_set.labels == 1]
    real = np.median((ones > 0).sum(axis=(1, 2, 3))), np.median([image[image > 0].mean() for image in ones])
    line = np.reshape(
        in_node(tmp_path, DRAW, HEADER, drawings=[[[[0.5, 0.1], [0.5, 0.9]]]], size=[28, 28], fitted=True), 784
    )
    assert 0.5 < (line > 0).sum() / real[0] < 2
    assert 0.6 < line[line > 0].mean() / 255 / real[1] < 1.6


def test_a_drawing_as_it_is(tmp_path):
    found = in_node(
        tmp_path, DRAW, HEADER, drawings=[[], [[[0.25, 0.5]]], [[[0, 0], [1, 1]]]], size=[28, 28], fitted=False
    )
    nothing, dot, diagonal = np.reshape(found, (3, 28, 28))
    assert not nothing.any()
    rows, columns = np.nonzero(dot)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (12, 15, 5, 8)
    blot = dot[12:16, 5:9]
    np.testing.assert_array_equal(blot, np.rot90(blot))
    np.testing.assert_array_equal(diagonal, diagonal.T)
    assert (np.diagonal(diagonal) == 255).all()
