"""What the pictures that compare networks show: every number is read back from the axes and computed here by itself."""

import math

import numpy as np
import pytest
from matplotlib.colors import same_color, to_rgb

from nn import plots
from nn.plots.style import COLOURS, MARKERS, RIGHT, WRONG
from tests.drawn import catch

RNG = np.random.default_rng(0)


# ------------------------------------------------------------------------------------------------- curves
def history(epochs, steps):
    measured = [
        {"train_accuracy": 0.7 + 0.29 * (e + 1) / epochs, "test_accuracy": 0.5 + 0.4 * (e + 1) / epochs}
        for e in range(epochs)
    ]
    return {"steps": RNG.uniform(0.1, 2.5, epochs * steps).tolist(), "epochs": measured}


def mean_around(values, window):
    """Centred moving average; near the ends of the values that are there."""
    means = []
    for middle in range(len(values)):
        first = middle - window // 2
        there = [values[i] for i in range(first, first + window) if 0 <= i < len(values)]
        means.append(math.fsum(there) / len(there))
    return means


@pytest.mark.parametrize("window", [1, 2, 3, 4, 7])
def test_smooth_is_the_mean_of_the_values_around(window):
    values = RNG.normal(size=20)
    np.testing.assert_allclose(plots.smooth(values, window), mean_around(values, window), rtol=0, atol=1e-14)


@pytest.fixture
def curves(tmp_path, monkeypatch):
    """The histories, and the axes of losses and of accuracies."""
    histories = {"LeNet": history(3, 20), "AlexNet": history(5, 28)}
    drawn = catch(monkeypatch)
    plots.learning_curves(tmp_path / "a.png", histories, num_classes=10)
    return histories, *drawn[0].axes


def test_the_loss_of_every_step_and_its_mean_over_a_quarter_of_a_pass(curves):
    histories, axes, _ = curves
    *lines, guess = axes.get_lines()
    assert len(lines) == 4
    for (name, told), (raw, smoothed), colour in zip(histories.items(), (lines[:2], lines[2:]), COLOURS):
        losses, epochs = told["steps"], len(told["epochs"])
        steps = len(losses) // epochs
        window = steps // 4
        for line in (raw, smoothed):
            np.testing.assert_allclose(line.get_xdata(), [(step + 1) / steps for step in range(len(losses))])
            assert same_color(line.get_color(), colour)
        np.testing.assert_array_equal(raw.get_ydata(), losses)
        np.testing.assert_allclose(smoothed.get_ydata(), mean_around(losses, window))
        assert smoothed.get_label() == f"{name}, mean of {window} steps"
        assert raw.get_alpha() < 0.5 and raw.get_linewidth() < smoothed.get_linewidth(), "the mean stands out"
    np.testing.assert_allclose(guess.get_ydata(), math.log(10))
    assert [text.get_text() for text in axes.texts] == ["guessing: ln 10 = 2.30"]
    assert axes.get_yscale() == "log" and "loss" in axes.get_ylabel() and "epochs" in axes.get_xlabel()


def test_the_accuracies_of_every_pass_in_per_cent(curves):
    histories, _, axes = curves
    lines = axes.get_lines()
    assert len(lines) == 4
    for index, (name, told) in enumerate(histories.items()):
        for line, key, word, style in zip(lines[2 * index :], ("test", "train"), ("tested", "training"), ("-", "--")):
            percent = [100 * epoch[f"{key}_accuracy"] for epoch in told["epochs"]]
            np.testing.assert_allclose(line.get_ydata(), percent)
            assert list(line.get_xdata()) == list(range(1, len(percent) + 1))
            assert line.get_label() == f"{name}, {word}: {percent[-1]:.2f} %"
            assert line.get_linestyle() == style
            assert same_color(line.get_color(), COLOURS[index]) and line.get_marker() == MARKERS[index]
    assert "right answers" in axes.get_ylabel() and "epochs" in axes.get_xlabel()
    assert {text.get_text() for text in axes.get_legend().get_texts()} == {line.get_label() for line in lines}


def test_tenfold_fewer_errors_are_always_as_far_apart(curves):
    _, _, axes = curves
    heights = axes.transData.transform([(1, accuracy) for accuracy in (0, 90, 99)])[:, 1]
    assert heights[2] - heights[1] == pytest.approx(heights[1] - heights[0])
    highest = max(line.get_ydata().max() for line in axes.get_lines())
    assert axes.get_ylim()[0] == 0 and axes.get_ylim()[1] > highest, "nothing leaves the paper"


def test_a_loss_of_zero_and_a_missing_test_set_are_left_out(tmp_path, monkeypatch):
    drawn = catch(monkeypatch)
    told = {"steps": [1.0, 0.0, 0.5], "epochs": [{"train_accuracy": 0.5, "test_accuracy": None}] * 3}
    plots.learning_curves(tmp_path / "a.png", {"net": told})
    losses, accuracies = drawn[0].axes
    np.testing.assert_array_equal(losses.get_lines()[0].get_ydata(), [1, np.nan, 0.5])
    assert [line.get_label() for line in accuracies.get_lines()] == ["net, training: 50.00 %"]


# ------------------------------------------------------------------------------------------------- confusion
def test_counts_are_those_of_a_loop():
    labels, predictions = RNG.integers(0, 7, (2, 300))
    counts = [[0] * 7 for _ in range(7)]
    for label, prediction in zip(labels, predictions):
        counts[label][prediction] += 1
    assert plots.confusion_matrix(labels, predictions, 7).tolist() == counts


def test_each_cell_of_the_matrix(tmp_path, monkeypatch):
    """Row = true class, column = answer: both the colours and the numbers, in each network's own panel."""
    matrices = {name: RNG.integers(0, most, (4, 4)) for name, most in (("LeNet", 9), ("AlexNet", 60))}
    matrices["LeNet"][1, 2], matrices["LeNet"][2, 1] = 0, 5
    names = ("ant", "bee", "cat", "dog")
    drawn = catch(monkeypatch)
    plots.confusion_matrices(tmp_path / "a.png", matrices, names)
    norms = set()
    for axes, (name, matrix) in zip(drawn[0].axes, matrices.items()):
        (image,) = axes.images
        shown, colours = image.get_array(), image.to_rgba(image.get_array())[..., :3]
        written = {(round(y), round(x)): text for text in axes.texts for x, y in [text.get_position()]}
        right_end = matrix.max(initial=0, where=~np.eye(4, dtype=bool))
        for row in range(4):
            for column in range(4):
                count, text = matrix[row, column], written.get((row, column))
                red, green, blue = colours[row, column]
                if row == column:
                    assert text.get_text() == str(count)
                    assert blue > red, "the right answers are pale blue"
                else:
                    assert shown[row, column] == count
                    assert (text is None and (red, green, blue) == (1, 1, 1)) if count == 0 else red > blue
                    assert count == 0 or text.get_text() == str(count)
                    if count:
                        assert contrast(text.get_color(), (red, green, blue)) > 2.5
        wrong = sum(matrix[row, column] for row in range(4) for column in range(4) if row != column)
        assert axes.get_title() == f"{name}: {wrong} of {matrix.sum()} misread"
        assert axes.get_xlabel() == "the network's answer" and axes.get_ylabel() == "true class"
        for axis in (axes.xaxis, axes.yaxis):
            labels = {tick.get_loc(): tick.label1.get_text() for tick in axis.get_major_ticks()}
            assert labels == dict(enumerate(names))
        assert image.get_extent()[2] > image.get_extent()[3], "the first row is the highest"
        norms.add((image.norm.vmin, image.norm.vmax))
        assert image.norm.vmax >= right_end
    assert len(norms) == 1, "one scale for all"


def contrast(one, other) -> float:
    """Of two colours, as the WCAG defines it: from 1 to 21."""
    bright = []
    for colour in (one, other):
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in to_rgb(colour)]
        bright.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
    return (max(bright) + 0.05) / (min(bright) + 0.05)


def test_of_many_classes_every_fifth_is_named(tmp_path, monkeypatch):
    drawn = catch(monkeypatch)
    names = [f"class {number}" for number in range(100)]
    plots.confusion_matrices(tmp_path / "a.png", {"net": RNG.integers(0, 9, (100, 100))}, names)
    (axes,) = drawn[0].axes
    assert not axes.texts
    for axis in (axes.xaxis, axes.yaxis):
        labels = {tick.get_loc(): tick.label1.get_text() for tick in axis.get_major_ticks()}
        assert labels == {number: names[number] for number in range(0, 100, 5)}


# ------------------------------------------------------------------------------------------------- kernels
def tiles_of(mosaic):
    """(rows, columns) of tiles in an array (H, W, C), which are divided by lines that are NaN throughout."""

    def runs(there):
        edges = np.flatnonzero(np.diff(np.r_[0, there.astype(int), 0]))
        return [slice(start, stop) for start, stop in zip(edges[::2], edges[1::2])]

    there = ~np.isnan(mosaic).all(axis=2)
    return [[mosaic[down, across] for across in runs(there.any(axis=0))] for down in runs(there.any(axis=1))]


def test_tile_after_tile_is_kernel_after_kernel(tmp_path, monkeypatch):
    kernels = {"grey": RNG.normal(size=(3, 5, 1, 7)), "coloured": RNG.normal(size=(5, 3, 3, 11))}
    drawn = catch(monkeypatch)
    plots.kernel_grids(tmp_path / "a.png", kernels)
    for axes, (name, weights), largest in zip(
        drawn[0].axes, kernels.items(), [np.abs(weights).max() for weights in kernels.values()]
    ):
        KH, KW, C, count = weights.shape
        (image,) = axes.images
        mosaic = np.ma.filled(image.get_array(), np.nan).reshape(*image.get_array().shape[:2], C)
        if C == 3:  # grey is zero, and the largest weight is as bright or dark as can be
            mosaic = (mosaic - 0.5) * 2 * largest
        found = [tile for row in tiles_of(mosaic) for tile in row]
        assert len(found) >= count
        for index, tile in enumerate(found):
            if index >= count:
                assert np.isnan(tile).all()
                continue
            pixels = np.ones((tile.shape[0] // KH, tile.shape[1] // KW, 1))  # of one weight
            np.testing.assert_allclose(tile, np.kron(weights[..., index], pixels), atol=1e-12)
        assert axes.get_title() == f"{name}: {count} kernels of {KH} × {KW}" + (f" × {C}" if C == 3 else "")
    grey, _, bar = drawn[0].axes
    largest = np.abs(kernels["grey"]).max()
    (below, zero, above) = grey.images[0].to_rgba(np.array([-largest, 0, largest]))[:, :3]
    assert below[2] > 2 * below[0] and above[0] > 2 * above[2], "blue below zero, red above"
    assert np.ptp(zero) < 0.01
    labels = {tick.get_loc(): tick.label1.get_text() for tick in bar.xaxis.get_major_ticks()}
    assert labels == {-largest: f"−{largest:.2g}", 0: "0", largest: f"+{largest:.2g}"}


# ------------------------------------------------------------------------------------------------- mistakes
def middle(axes):
    box = axes.get_position()
    return (box.x0 + box.x1) / 2


def below(axes, texts):
    """The texts centred under the axes, down to the next axes below, from the top."""
    figure, box = axes.figure, axes.get_position()
    lower = [o.get_position().y1 for o in figure.axes if abs(middle(o) - middle(axes)) < 1e-6]
    limit = max((y for y in lower if y < box.y0), default=0)
    found = [(t.get_position()[1], t) for t in texts if abs(t.get_position()[0] - middle(axes)) < 1e-6]
    return [text for y, text in sorted(found, key=lambda one: -one[0]) if limit < y < box.y0]


def test_under_each_misread_picture_stands_what_it_was_taken_for(tmp_path, monkeypatch):
    names = ("ant", "bee", "cat", "dog")
    labels = RNG.integers(0, 4, 30)
    images = np.arange(30)[:, None, None, None] / 30 * np.ones((30, 6, 6, 1))  # the grey tells which one it is
    probabilities = {name: RNG.dirichlet(np.ones(4), 30) for name in ("LeNet", "AlexNet")}
    drawn = catch(monkeypatch)
    plots.mistakes(tmp_path / "a.png", images, labels, probabilities, names)

    wrong = {name: [int(p[i].argmax()) != labels[i] for i in range(30)] for name, p in probabilities.items()}
    sureness = {i: [p[i].max() for name, p in probabilities.items() if wrong[name][i]] for i in range(30)}
    expected = {
        "Misread by both": [i for i in range(30) if wrong["LeNet"][i] and wrong["AlexNet"][i]],
        "Misread by LeNet only": [i for i in range(30) if wrong["LeNet"][i] and not wrong["AlexNet"][i]],
        "Misread by AlexNet only": [i for i in range(30) if wrong["AlexNet"][i] and not wrong["LeNet"][i]],
    }
    figure = drawn[0].axes[0].figure
    rows = {}
    for axes in drawn[0].axes:
        rows.setdefault(axes.get_position().y0, []).append(axes)
    assert len(rows) == 3
    for (heading, chosen), y in zip(expected.items(), sorted(rows, reverse=True)):
        chosen.sort(key=lambda i: -max(sureness[i]))
        (headline,) = (text for text in figure.texts if text.get_text().startswith(heading + ": "))
        shown = ", the 8 most confident shown" if len(chosen) > 8 else ""
        assert headline.get_text() == f"{heading}: {len(chosen)}{shown}"
        assert y < headline.get_position()[1] < y + 0.4
        row = sorted(rows[y], key=middle)
        assert len(row) == min(8, len(chosen))
        for axes, index in zip(row, chosen):
            np.testing.assert_array_equal(axes.images[0].get_array(), images[index, ..., 0])
            black, white = axes.images[0].to_rgba(np.array([0.0, 1.0]))[:, 0]
            assert (black, white) == (0, 1)
            said = below(axes, figure.texts)
            assert [text.get_text()[:6] for text in said[2:]] in ([], ["true: "]), "those of the next row"
            for text, (name, p) in zip(said, probabilities.items()):
                answer = int(p[index].argmax())
                mark, colour = ("✓", RIGHT) if answer == labels[index] else ("✗", WRONG)
                assert text.get_text() == f"{name} {mark} {names[answer]}, {100 * p[index, answer]:.0f} %"
                assert same_color(text.get_color(), colour)
            titles = [t for t in figure.texts if t.get_text() == f"true: {names[labels[index]]}"]
            assert any(
                abs(t.get_position()[0] - middle(axes)) < 1e-6
                and axes.get_position().y1 < t.get_position()[1] < axes.get_position().y1 + 0.1
                for t in titles
            )


def test_of_one_network_the_mistakes_alone(tmp_path, monkeypatch):
    labels, images = np.array([0, 1, 1, 0]), np.arange(4)[:, None, None, None] / 4 * np.ones((4, 2, 2, 3))
    probabilities = {"net": np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.1, 0.9]])}
    drawn = catch(monkeypatch)
    plots.mistakes(tmp_path / "a.png", images, labels, probabilities, "ab")
    assert "Misread: 2" in drawn[0].words()
    for axes, index in zip(sorted(drawn[0].axes, key=middle), (3, 1)):  # the surest first
        np.testing.assert_array_equal(axes.images[0].get_array(), images[index])


def test_right_is_green_and_wrong_is_red():
    assert to_rgb(RIGHT)[1] > 2 * to_rgb(RIGHT)[0] and to_rgb(WRONG)[0] > 2 * to_rgb(WRONG)[1]
