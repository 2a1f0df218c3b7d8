"""The drawings of lesson 20: the moved digits, accuracy by images a class, kernels before and
after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from examples.lessons.figures import figure
from nn.plots.style import COLOURS, GREY, MARKERS


def digits(rows: Mapping[str, np.ndarray]) -> None:
    """A row of digits (N, 28, 28, 1) for each name."""
    count = min(len(images) for images in rows.values())
    with figure("20_digits", 9.5, 1.05 * len(rows)) as drawing:
        grid = drawing.subplots(len(rows), count)
        for row, (name, images) in zip(grid, rows.items()):
            for axes, image in zip(row, images):
                axes.imshow(image[..., 0], cmap="gray_r")
                _frame(axes)
            row[0].set_ylabel(name, rotation=0, ha="right", va="center")


def ways(counts: Sequence[int], accuracies: Mapping[str, np.ndarray]) -> None:
    """Curves: each way's mean accuracy by images a class, a bar for the spread; dots: the single
    seeds. accuracies: (counts, seeds) for each way."""
    places, shifts = np.arange(len(counts)), np.linspace(-0.15, 0.15, len(accuracies))
    with figure("20_ways", 8.5, 4.6) as drawing:
        axes = drawing.subplots()
        for (name, table), shift, colour, marker in zip(
            accuracies.items(), shifts, COLOURS, MARKERS
        ):
            mean, spread = table.mean(axis=1), table.std(axis=1, ddof=1)
            axes.errorbar(
                places + shift, mean, spread, fmt=f"{marker}-", color=colour, capsize=4, label=name
            )
            for place, values in zip(places, table):
                across = np.full(len(values), place + shift + 0.025)
                axes.plot(across, values, ".", color=colour, markersize=4, alpha=0.6)
        axes.set_xticks(places, map(str, counts))
        axes.set(xlabel="images of each class, to learn from", ylabel="accuracy on the test, %")
        axes.set_title("What learned features are worth; bars: spread of five seeds, dots: seeds")
        axes.legend(loc="lower right")


def kernels(rows: Mapping[str, np.ndarray]) -> None:
    """A row for each name: kernels (5, 5, 1, N), red where they are positive, blue where
    negative; each row has a scale of its own."""
    with figure("20_kernels", 7.5, 1.15 * len(rows)) as drawing:
        grid = drawing.subplots(len(rows), next(iter(rows.values())).shape[-1])
        for row, (name, weights) in zip(grid, rows.items()):
            largest = np.abs(weights).max()
            for axes, kernel in zip(row, np.moveaxis(weights[:, :, 0], -1, 0)):
                axes.imshow(kernel, cmap="RdBu_r", vmin=-largest, vmax=largest)
                _frame(axes)
            row[0].set_ylabel(name, rotation=0, ha="right", va="center")


def _frame(axes: Axes) -> None:
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(visible=True, color=GREY)
