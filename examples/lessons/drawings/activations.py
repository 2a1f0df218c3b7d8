"""The figures of lesson 12: curves, histograms, the plateau, and the race on digits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from examples.lessons.figures import figure
from nn.plots.style import COLOURS, GREY

LINES = ("-", "--", "-.")


def curves(x: np.ndarray, found: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Each activation function and its derivative."""
    with figure("12_curves", 11, 3.6) as drawing:
        left, right = drawing.subplots(1, 2)
        for (name, (y, slope)), colour, line in zip(found.items(), COLOURS, LINES):
            left.plot(x, y, line, color=colour, label=name)
            right.plot(x, slope, line, color=colour)
        left.set(title="y = f(x)", xlabel="x", ylim=(-1.5, 3))
        right.set(title="The derivative, by which gradients are multiplied", xlabel="x")
        left.legend()


def histograms(found: dict[str, tuple[dict, dict]], names: Sequence[str]) -> None:
    """A column for each start: activations, how they differ from digit to digit, gradients."""
    shades = dict(zip(names, ("#c6dbef", "#7fb3d5", "#3f8fc4", "#0072B2", "#08306b")))
    with figure("12_histograms", 12, 8.4) as drawing:
        grid = drawing.subplots(3, len(found), sharey="row")
        for (start, (outputs, gradients)), (above, middle, below) in zip(found.items(), grid.T):
            most = 1.0 if "sigmoid" in start else 4.0
            for number, name in enumerate(names[:4], 1):
                values = outputs[f"sigmoid{number}"]
                shares, edges = np.histogram(values, 40, (0, most))
                above.stairs(shares / values.size, edges, color=shades[name], linewidth=2)
                means = values.mean(axis=0, dtype=float)  # exact where all digits agree
                powers(middle, values - means, shades[name])
            for name in names:
                powers(below, gradients[name], shades[name], name)
            above.set(title=start, xlabel="activation", ylim=(0, 0.3))
            middle.set(xlabel="its difference from its mean over the digits")
            below.set(xlabel="gradient (without zeros)")
        for axes in grid[:, 0]:
            axes.set_ylabel("share of all")
        grid[2, 0].legend(title="outputs of", loc="upper left")


def powers(axes: Axes, values: np.ndarray, colour: str, label: str | None = None) -> None:
    """A histogram of the sizes of numbers that are not 0, on a scale of powers of ten."""
    logs = np.log10(np.abs(values[np.abs(values) > 1e-10]))
    shares, edges = np.histogram(logs, 66, (-10, 1))
    axes.stairs(shares / len(logs), edges, color=colour, linewidth=2, label=label)
    axes.set_xticks(range(-10, 1, 2), [*(f"1e{power}" for power in range(-10, 0, 2)), "1"])


def plateau(paths: dict[str, list[float]]) -> None:
    """The loss, step by step, from each start."""
    with figure("12_plateau", 8, 3.8) as drawing:
        axes = drawing.subplots()
        for (start, losses), colour, line in zip(paths.items(), COLOURS, LINES):
            smooth = np.convolve(losses, np.ones(10) / 10, "valid")
            axes.plot(smooth, line, color=colour, label=start)
        axes.axhline(np.log(10), color=GREY, linestyle=":")
        title = "Loss, mean of 10 steps; dotted: log 10"
        axes.set(title=title, xlabel="steps of 32 digits", ylim=(0, 3))
        axes.legend(loc="upper right", bbox_to_anchor=(1, 0.8))


def courses(found: dict[str, np.ndarray]) -> None:
    """The training error, every 5 steps, of each activation at its best rate."""
    with figure("12_digits", 8, 3.8) as drawing:
        axes = drawing.subplots()
        for (name, errors), colour, line in zip(found.items(), COLOURS, LINES):
            axes.plot(5 * np.arange(len(errors)), 100 * errors, line, color=colour, label=name)
        axes.axhline(25, color=GREY, linestyle=":")
        title = "Training error on digits, %, mean of three seeds"
        axes.set(title=title, xlabel="steps of 64 digits", ylim=(0, 95))
        axes.legend()
