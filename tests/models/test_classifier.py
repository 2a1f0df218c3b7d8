"""A file of weights answers about pictures of any size; files that do not say how are refused."""

import numpy as np
import pytest
from PIL import Image

from models import lenet, load_classifier
from models.classifier import BATCH
from nn.data.preparation import Preparation
from tests.checks import one_sentence

SHAPE = (16, 16, 3)
EXTRA = {
    "class_names": ["red", "green", "blue"],
    "preparation": Preparation((18, 18), 3, (16, 16), "standardised", np.float32(0.5), np.float32(0.25)).to_json(),
    "data": "colours",
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "colours.safetensors"


def save(path, changes=(), network=None):
    (network or lenet(3, SHAPE, rng=0)).save(path, {**EXTRA, **dict(changes)})
    return path


def test_a_file_says_all_that_is_needed(path):
    network = lenet(3, SHAPE, rng=0)
    classifier = load_classifier(save(path, network=network))
    assert classifier.class_names == ("red", "green", "blue") and classifier.data == "colours"
    pictures = np.random.default_rng(0).integers(0, 256, (5, 18, 18, 3), dtype=np.uint8)
    x = (pictures[:, 1:17, 1:17].astype(np.float32) / 255 - np.float32(0.5)) / np.float32(0.25)
    np.testing.assert_array_equal(classifier.probabilities(pictures), network.predict(x))


def test_ten_crops_are_averaged(path):
    classifier = load_classifier(save(path))
    picture = np.random.default_rng(0).integers(0, 256, (18, 18, 3), dtype=np.uint8)
    corners = [picture[top : top + 16, left : left + 16] for top in (0, 2) for left in (0, 2)] + [picture[1:17, 1:17]]
    crops = np.stack(corners + [corner[:, ::-1] for corner in corners])
    x = (crops.astype(np.float32) / 255 - np.float32(0.5)) / np.float32(0.25)
    expected = classifier.network.predict(x).astype(float).mean(axis=0)
    # Different batches may be multiplied in different orders: sums of some hundred terms.
    np.testing.assert_allclose(classifier.probabilities([picture], ten_crop=True)[0], expected, atol=1e-5)


def test_scales_are_averaged(path):
    """Whole, halves and quarters, cut by hand; each scale counts as much, however many windows it has."""
    classifier = load_classifier(save(path))
    picture = np.random.default_rng(0).integers(0, 256, (72, 72, 3), dtype=np.uint8)
    side = 72 * 0.5**0.5
    means = []
    for length in (72, side, 36):
        room = 72 - length
        corners = [(0, 0), (room, 0), (0, room), (room, room)] if length < 72 else []
        answers = []
        for left, top in [(room / 2, room / 2), *corners]:
            box = (left, top, left + length, top + length)
            small = np.asarray(Image.fromarray(picture).resize((18, 18), Image.Resampling.BICUBIC, box=box))
            answers += [
                classifier.probabilities([turned])[0] for turned in (small, np.ascontiguousarray(small[:, ::-1]))
            ]
        means.append(sum(answers) / len(answers))
    assert len(answers) == 10
    np.testing.assert_allclose(classifier.probabilities([picture], scales=True)[0], sum(means) / 3, atol=1e-5)
    for height, width in ((1, 1), (300, 20), (18, 18)):
        flat = np.full((height, width, 3), 80, np.uint8)
        np.testing.assert_allclose(
            classifier.probabilities([flat], scales=True), classifier.probabilities([flat]), atol=1e-5
        )


def test_pictures_of_different_sizes_and_none_at_all(path):
    classifier = load_classifier(save(path))
    pictures = [np.full((height, width, 3), 80, np.uint8) for height, width in ((1, 1), (300, 20), (18, 18))]
    answers = classifier.probabilities(pictures)
    assert answers.shape == (3, 3)
    np.testing.assert_allclose(answers, np.tile(answers[2], (3, 1)), atol=1e-6)
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-6)
    assert classifier.probabilities([]).shape == (0, 3)


def test_probabilities_are_calibrated_where_the_weights_say_how(path):
    pictures = np.random.default_rng(0).integers(0, 256, (5, 18, 18, 3), dtype=np.uint8)
    plain = load_classifier(save(path))
    calibration = {"temperature": 2.0, "least_probability": 0.4, "wrong_above": 0.1, "images": 100}
    found = load_classifier(save(path, {"calibration": calibration}))
    assert found.calibration.temperature == 2 and plain.calibration.temperature == 1
    logits = plain.network.forward(plain.preparation(pictures)).astype(float)
    powers = np.exp(logits / 2)
    np.testing.assert_allclose(found.probabilities(pictures), powers / powers.sum(axis=1, keepdims=True), atol=1e-6)
    some = np.array([[0.2, 0.5, 0.3], [0.34, 0.33, 0.33], [0.3, 0.3, 0.4]])
    assert found.answers(some) == [1, None, 2] and plain.answers(some) == [1, 0, 2]


@pytest.mark.parametrize("calibration", [7, [], {"temperature": -1}, {"heat": 1}, {"temperature": "hot"}, None])
def test_a_calibration_that_cannot_be(path, calibration):
    with one_sentence(ValueError, "colours.safetensors", "calibration"):
        load_classifier(save(path, {"calibration": calibration}))


@pytest.mark.parametrize(
    "changes",
    [
        {"preparation": None},
        {"preparation": {}},
        {"class_names": None},
        {"class_names": 7},
    ],
)
def test_files_that_do_not_say_enough(path, changes):
    with one_sentence(ValueError, "colours.safetensors", "examples.train"):
        load_classifier(save(path, changes))


def test_files_without_anything_extra(path):
    lenet(3, SHAPE, rng=0).save(path)
    with one_sentence(ValueError, "colours.safetensors"):
        load_classifier(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"class_names": ["red", "green"]},
        {"preparation": Preparation((18, 18), 3, (15, 16)).to_json()},
        {"preparation": Preparation((18, 18), 1, (16, 16)).to_json()},
    ],
)
def test_files_that_contradict_themselves(path, changes):
    with one_sentence(ValueError, "contradicts"):
        load_classifier(save(path, changes))


def test_no_such_file(tmp_path):
    with one_sentence(FileNotFoundError, "there_is_none"):
        load_classifier("there_is_none")
    with one_sentence(FileNotFoundError, "gone.safetensors"):
        load_classifier(tmp_path / "gone.safetensors")


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((18, 18, 3), np.int64),
        np.zeros((18, 18, 3), np.float32),
        np.zeros((18, 18, 1), np.uint8),
        np.zeros((18, 18), np.uint8),
        np.zeros((0, 18, 3), np.uint8),
        [1, 2],
    ],
)
def test_what_is_no_picture(path, picture):
    with one_sentence(TypeError, "uint8", "(H, W, 3)"):
        load_classifier(save(path)).probabilities([picture])


def test_more_pictures_than_go_through_together(path):
    classifier = load_classifier(save(path))
    pictures = np.random.default_rng(1).integers(0, 256, (2 * BATCH + 3, 18, 18, 3), dtype=np.uint8)
    answers = classifier.probabilities(pictures)
    assert len(answers) == len(pictures)
    for n in (0, BATCH - 1, BATCH, len(pictures) - 1):
        np.testing.assert_allclose(answers[n], classifier.probabilities(pictures[n : n + 1])[0], atol=1e-6)


def test_in_double_precision(path):
    classifier = load_classifier(save(path))
    pictures = np.random.default_rng(2).integers(0, 256, (3, 18, 18, 3), dtype=np.uint8)
    single = classifier.probabilities(pictures)
    classifier.network.astype(np.float64)
    np.testing.assert_allclose(classifier.probabilities(pictures), single, atol=1e-5)
