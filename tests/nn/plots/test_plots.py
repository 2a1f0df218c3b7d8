"""The pictures: real PNG files, every panel filled, nothing cut off at the edges, no global state touched."""

import math
import subprocess
import sys
import time

import matplotlib
import numpy as np
import pytest
from PIL import Image

from nn import plots
from nn.plots.misread import _sort_mistakes

NAMES = tuple("0123456789")


def pixels(path):
    """Grey values (H, W), after checking that the file is a PNG of a sensible size."""
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert 1000 <= image.width <= 1400
        assert 200 <= image.height <= 1400
        return np.asarray(image.convert("L"))


def assert_good(path, columns=2):
    """Each of `columns` panels side by side shows something, and a white border: nothing is cut off."""
    grey = pixels(path)
    for panel in np.array_split(grey, columns, axis=1):
        assert len(np.unique(panel)) > 10
        assert np.mean(panel < 250) > 0.01
    for edge in (grey[:3], grey[-3:], grey[:, :3], grey[:, -3:]):
        assert edge.min() == 255


def history(epochs=3, steps=20, seed=0):
    losses = np.random.default_rng(seed).uniform(0.1, 2.5, epochs * steps)
    measured = [{"train_accuracy": 0.5 + 0.1 * e, "test_accuracy": 0.6 + 0.1 * e} for e in range(epochs)]
    return {"steps": losses.tolist(), "epochs": measured}


def probabilities(labels, num_wrong, num_classes=10, seed=0):
    """Sure answers, wrong for the first `num_wrong`."""
    answers = np.array(labels)
    answers[:num_wrong] = (answers[:num_wrong] + 1) % num_classes
    result = np.random.default_rng(seed).uniform(0, 0.2, (len(labels), num_classes))
    result[np.arange(len(labels)), answers] += 1
    return result / result.sum(axis=1, keepdims=True)


def test_smooth_is_a_moving_average_that_keeps_its_length():
    assert plots.smooth([1.0, 1.0, 1.0], 3).tolist() == [1, 1, 1]
    np.testing.assert_allclose(plots.smooth([0.0, 3.0, 6.0, 9.0], 3), [1.5, 3, 6, 7.5])
    assert plots.smooth([4.0], 31).tolist() == [4]
    assert len(plots.smooth(range(10), 100)) == 10


def windowed_means(values, window):
    """The same with a plain loop: the window of an even length has one more before its middle than behind."""
    window = max(1, min(window, len(values)))
    means = []
    for middle in range(len(values)):
        part = values[max(0, middle - window // 2) : middle + (window - 1) // 2 + 1]
        means.append(math.fsum(part) / len(part))
    return means


@pytest.mark.parametrize("count", [1, 2, 3, 7, 24, 25, 26, 100])
@pytest.mark.parametrize("window", [1, 2, 3, 5, 8, 25, 50, 99, 1000])
def test_smooth_is_what_a_plain_loop_gives(count, window):
    values = np.random.default_rng(count).exponential(size=count) * 10.0 ** np.linspace(8, -8, count)
    # Sums of positive numbers in any order: at most a rounding an addition, whatever lies outside the window.
    most = 2 * window * np.finfo(float).eps
    np.testing.assert_allclose(plots.smooth(values, window), windowed_means(values.tolist(), window), rtol=most)


@pytest.mark.parametrize("lost", [np.nan, np.inf, 1e300])
def test_a_loss_that_ran_away_spoils_its_own_window_only(lost):
    values = np.ones(40)
    values[17] = lost
    spoilt = np.flatnonzero(plots.smooth(values, 6) != 1)
    assert spoilt.tolist() == list(range(15, 21))


def test_smoothing_takes_time_in_proportion_to_the_steps():
    """At 1.2 million steps and a long window: a few hundredths of a second of the processor. An addition for each of a
    window's values would be 10^11 of them, which takes every machine of today more than ten seconds."""
    values = np.arange(1_200_000.0)
    start = time.process_time()
    means = plots.smooth(values, 100_001)
    assert time.process_time() - start < 10
    assert means[600_000] == 600_000 and means[0] == 25_000


@pytest.mark.parametrize("epochs", [1, 2, 16])
def test_learning_curves(tmp_path, epochs):
    path = tmp_path / "curves.png"
    plots.learning_curves(path, {"LeNet": history(epochs), "AlexNet": history(5, seed=1)}, num_classes=10)
    assert_good(path)


@pytest.mark.slow
def test_learning_curves_survive_what_training_can_do(tmp_path):
    """A loss that ran away or reached 0, all right, all wrong, no test set, a single step."""
    perfect = {"steps": [0.5, 0.0, 0.0], "epochs": [{"train_accuracy": 1.0, "test_accuracy": 1.0}]}
    diverged = {"steps": [2.3, np.nan, np.inf], "epochs": [{"train_accuracy": 0.0, "test_accuracy": None}]}
    single = {"steps": [2.3], "epochs": [{"train_accuracy": 0.1}]}
    plots.learning_curves(tmp_path / "curves.png", {"perfect": perfect, "diverged": diverged, "single": single})
    assert_good(tmp_path / "curves.png")
    plots.learning_curves(tmp_path / "all_nan.png", {"lost": {"steps": [np.nan] * 3, "epochs": [{}]}}, 10)
    pixels(tmp_path / "all_nan.png")
    begun = {"steps": [], "epochs": []}  # stopped before its first step
    plots.learning_curves(tmp_path / "one.png", {"begun": begun, "LeNet": history()})
    assert_good(tmp_path / "one.png")
    plots.learning_curves(tmp_path / "none.png", {"begun": begun}, 10)
    pixels(tmp_path / "none.png")


def test_confusion_matrix_counts_rows_as_true_and_columns_as_predicted():
    matrix = plots.confusion_matrix(np.array([0, 0, 1, 2, 2]), np.array([0, 1, 1, 0, 0]), 3)
    assert matrix.tolist() == [[1, 1, 0], [0, 1, 0], [2, 0, 0]]


@pytest.mark.parametrize("num_classes", [2, 10, pytest.param(20, marks=pytest.mark.slow), 100])
def test_confusion_matrices(tmp_path, num_classes):
    rng = np.random.default_rng(0)
    matrices = {name: rng.integers(0, 9, (num_classes, num_classes)) for name in ("LeNet", "AlexNet")}
    names = [str(number) for number in range(num_classes)]
    plots.confusion_matrices(tmp_path / "confusion.png", matrices, names)
    assert_good(tmp_path / "confusion.png")


def test_confusion_matrices_of_perfect_networks_and_long_names(tmp_path):
    names = ["aeroplane", "automobile", "bird"]
    plots.confusion_matrices(tmp_path / "confusion.png", {"a": np.eye(3, dtype=int), "b": np.ones((3, 3), int)}, names)
    assert_good(tmp_path / "confusion.png")


def test_confusion_matrices_refuse_a_wrong_shape(tmp_path):
    with pytest.raises(ValueError, match=r"LeNet: expected shape \(10, 10\).*got \(3, 3\)"):
        plots.confusion_matrices(tmp_path / "confusion.png", {"LeNet": np.eye(3)}, NAMES)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("count", [1, 24, 96])
def test_kernel_grids(tmp_path, channels, count):
    rng = np.random.default_rng(0)
    kernels = {
        "LeNet": rng.normal(size=(5, 5, channels, 6)).astype(np.float32),
        "AlexNet": rng.normal(size=(11, 11, channels, count)).astype(np.float32),
    }
    plots.kernel_grids(tmp_path / "filters.png", kernels)
    assert_good(tmp_path / "filters.png")


def test_kernel_grids_of_weights_that_are_all_zero(tmp_path):
    plots.kernel_grids(tmp_path / "filters.png", {"LeNet": np.zeros((5, 5, 1, 6))})
    pixels(tmp_path / "filters.png")


def test_kernel_grids_refuse_what_they_cannot_draw(tmp_path):
    with pytest.raises(ValueError, match=r"LeNet: expected shape .*got \(5, 5, 2, 6\)"):
        plots.kernel_grids(tmp_path / "filters.png", {"LeNet": np.zeros((5, 5, 2, 6))})


@pytest.mark.parametrize("wrong", [(0, 0), (3, 0), (30, 20)])
@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3)])
def test_mistakes(tmp_path, wrong, shape):
    rng = np.random.default_rng(0)
    images = rng.random((40, *shape), dtype=np.float32)
    labels = rng.integers(0, 10, 40)
    answers = {"LeNet": probabilities(labels, wrong[0]), "AlexNet": probabilities(labels, wrong[1])}
    plots.mistakes(tmp_path / "mistakes.png", images, labels, answers, NAMES)
    if any(wrong):
        assert_good(tmp_path / "mistakes.png", columns=1)
    else:
        pixels(tmp_path / "mistakes.png")


def test_mistakes_with_long_class_names(tmp_path):
    images, labels = np.zeros((40, 32, 32, 3)), np.arange(40) % 2
    answers = {"LeNet": probabilities(labels, 40, 2), "AlexNet": probabilities(labels, 40, 2)}
    plots.mistakes(tmp_path / "mistakes.png", images, labels, answers, ("aeroplane", "an automobile of great length"))
    assert_good(tmp_path / "mistakes.png", columns=4)


def test_mistakes_are_sorted_by_who_made_them_and_how_sure_they_were():
    labels = np.array([0, 0, 0, 0, 0])
    answers = {"a": np.array([1, 1, 0, 1, 0]), "b": np.array([1, 0, 1, 1, 0])}
    confidences = {"a": np.array([0.5, 0.6, 0.9, 0.9, 1.0]), "b": np.array([0.6, 0.9, 0.7, 0.4, 1.0])}
    rows = {heading: list(chosen) for heading, chosen in _sort_mistakes(labels, answers, confidences)}
    assert rows == {"Misread by both": [3, 0], "Misread by a only": [1], "Misread by b only": [2]}


def test_nothing_given_is_changed_and_settings_stay(tmp_path):
    matrix = np.arange(9).reshape(3, 3)
    kept, settings = matrix.copy(), dict(matplotlib.rcParams)
    plots.confusion_matrices(tmp_path / "confusion.png", {"LeNet": matrix}, "abc")
    np.testing.assert_array_equal(matrix, kept)
    assert dict(matplotlib.rcParams) == settings


def test_pyplot_is_never_imported():
    """pyplot would look for a display; a fresh interpreter shows that nothing pulls it in."""
    code = "import sys, nn.plots; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_class_names_with_dollars_are_no_formulas(tmp_path):
    names = ("$1_$", "a$b$", "^$")
    labels = np.array([0, 1, 2, 0])
    plots.confusion_matrices(tmp_path / "c.png", {"LeNet": plots.confusion_matrix(labels, labels[::-1], 3)}, names)
    pixels(tmp_path / "c.png")
    images = np.random.default_rng(0).random((4, 8, 8, 1))
    plots.mistakes(tmp_path / "m.png", images, labels, {"LeNet": probabilities(labels, 3, num_classes=3)}, names)
    assert (tmp_path / "m.png").is_file()
