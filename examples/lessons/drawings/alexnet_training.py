"""The drawings of lesson 17: crops, colours, the learning rate, and the results of 2012."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.patches import Rectangle

from examples.lessons.figures import figure
from nn.plots.style import COLOURS, GREY

PLACES = [(0, 0), (8, 30), (31, 14)]  # top and left of the windows that are drawn


def crops(image: np.ndarray) -> None:
    """An image of 256 x 256 with three windows of 224 x 224, and what is read of each."""
    with figure("17_crops", 11, 4.8) as drawing:
        grid = drawing.add_gridspec(2, 5)
        axes = drawing.add_subplot(grid[:, :2])
        axes.imshow(image)
        axes.set(title="256 x 256, and three windows of 224 x 224", xticks=[], yticks=[])
        for column, ((top, left), colour) in enumerate(zip(PLACES, COLOURS)):
            axes.add_patch(
                Rectangle((left, top), 223, 223, fill=False, edgecolor=colour, linewidth=2.5)
            )
            crop = image[top : top + 224, left : left + 224]
            for row, view in enumerate((crop, crop[:, ::-1])):
                small = drawing.add_subplot(grid[row, 2 + column])
                small.imshow(view)
                small.set(xticks=[], yticks=[], title="" if row == 0 else "mirrored")
                small.spines[:].set(visible=True, color=colour, linewidth=2.5)


def directions(pixels: np.ndarray, values: np.ndarray, vectors: np.ndarray) -> None:
    """Pixels of two colours, and from their mean an arrow along each eigenvector, as long as the
    standard deviation along it."""
    mean = pixels.mean(axis=0)
    with figure("17_directions", 6, 4.2) as drawing:
        axes = drawing.subplots()
        axes.plot(*pixels.T, "o", color=GREY, markersize=9)
        for value, vector, colour in zip(values, vectors.T, COLOURS):
            tip = np.sign(vector[0]) * np.sqrt(value) * vector  # to the right
            arrow = {"arrowstyle": "-|>", "color": colour, "linewidth": 2.5}
            axes.annotate("", mean + tip, mean, arrowprops=arrow)
            label = f"eigenvalue {value:.4f}"
            axes.annotate(label, mean + tip, (8, -8), textcoords="offset points", color=colour)
        axes.set(xlabel="red", ylabel="green", xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axes.set_title("Four pixels, and how they spread")


def colours(image: np.ndarray, values: np.ndarray, vectors: np.ndarray) -> None:
    """An image moved along each principal direction, the first above, by up to its deviation."""
    steps, small = np.linspace(-1, 1, 5), image[::2, ::2]
    side = len(small)
    rows = []
    for value, vector in zip(values[::-1], vectors.T[::-1]):
        colour = np.sqrt(value) * vector * np.sign(vector[np.abs(vector).argmax()])
        rows.append(np.hstack([np.clip(small + step * colour, 0, 1) for step in steps]))
    with figure("17_colours", 9, 5.8) as drawing:
        axes = drawing.subplots()
        axes.imshow(np.vstack(rows))
        axes.set_xticks(side * (np.arange(5) + 0.5), ["-1", "-0.5", "0", "+0.5", "+1"])
        axes.set_yticks(side * (np.arange(3) + 0.5), ["first", "second", "third"])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set(xlabel="times the root of the eigenvalue", ylabel="direction")


def plateau(errors: Sequence[float], rates: Sequence[float]) -> None:
    """An error curve, and below it the learning rate that follows it in steps."""
    epochs = range(1, len(errors) + 1)
    with figure("17_plateau", 8, 4.4) as drawing:
        above, below = drawing.subplots(2, 1, sharex=True)
        above.plot(epochs, errors, "o-", color=COLOURS[0], markersize=4)
        above.set(title="The rate follows the error (made up)", ylabel="validation errors, %")
        below.step(epochs, rates, where="mid", color=COLOURS[1])
        below.set(yscale="log", xlabel="epoch", ylabel="learning rate")
        below.set_xticks(range(2, len(errors) + 1, 2))


RESULTS = (("2010, best entry", 28.2), ("2010, best published since", 25.7),
           ("2010, AlexNet", 17.0), ("2012, second best", 26.2), ("2012, one AlexNet*", 18.2),
           ("2012, seven, averaged", 15.3))  # fmt: skip
WORTH = (("two GPUs, not one with half the kernels (3.2)", 1.7), ("ten crops, not one (6)", 1.5),
         ("response normalisation (3.3)", 1.4), ("noise along principal colours (4.1)", 1.0),
         ("overlapping pooling (3.4)", 0.4))  # fmt: skip


def results() -> None:
    """Bars: the paper's top-5 error rates (section 6), and what each idea was worth."""
    with figure("17_results", 11, 3.6) as drawing:
        left, right = drawing.subplots(1, 2)
        names, values = zip(*RESULTS)
        ours = [COLOURS[1] if "AlexNet" in name or "seven" in name else GREY for name in names]
        left.bar_label(left.barh(names, values, color=ours), fmt="%.1f", padding=3)
        left.set(title="Top-5 error rate, ImageNet", xlabel="%", xlim=(0, 33))
        names, values = zip(*WORTH)
        right.bar_label(right.barh(names, values, color=COLOURS[0]), fmt="%.1f", padding=3)
        right.set(title="What it was worth, top-1", xlabel="points", xlim=(0, 2.1))
        for axes in (left, right):
            axes.invert_yaxis()
            axes.tick_params(axis="y", labelsize=9)
