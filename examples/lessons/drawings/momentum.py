"""The figures of lesson 9: the valley, the noise of batches, rates, weight decay and schedules."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from examples.lessons.drawings import SIGNED
from examples.lessons.figures import figure
from nn.plots.style import COLOURS, GREY, INK

STYLES = ((COLOURS[0], "--"), (COLOURS[1], "-"), (COLOURS[2], "-."))
WIDE = np.ones(20) / 20  # curves are means of 20 steps


def valley(loss: Callable, paths: dict[str, np.ndarray]) -> None:
    """The first 60 steps of each path over the valley's contour lines, and all the losses."""
    with figure("09_valley", 11, 6) as drawing:
        rows = drawing.subplot_mosaic([["plain", "loss"], ["momentum 0.9", "loss"]])
        w0, w1 = np.meshgrid(np.linspace(-4.5, 11, 200), np.linspace(-1.3, 1.3, 200))
        heights = (w0**2 + 100 * w1**2) / 2
        assert np.isclose(heights[0, 0], loss(np.array([w0[0, 0], w1[0, 0]])))
        for (name, path), (colour, line) in zip(paths.items(), STYLES):
            axes = rows[name]
            axes.contour(
                w0, w1, heights, levels=[1, 5, 15, 30, 50, 75], colors=GREY, linewidths=0.6
            )
            axes.plot(*path[:61].T, line, marker="o", markersize=3, linewidth=1, color=colour)
            axes.plot(0, 0, "*", color=INK, markersize=11)
            axes.set(title=f"{name}: the first 60 steps", xlabel="$w_0$", ylabel="$w_1$")
            losses = [loss(place) for place in path]
            rows["loss"].semilogy(losses, line, color=colour, label=name)
        rows["loss"].set(title="The loss", xlabel="step")
        rows["loss"].legend()


def noise(small: np.ndarray, full: np.ndarray, sizes: dict[int, float]) -> None:
    """Two numbers of each batch's gradient, and the noise over the size of the batch."""
    spread = small.std(axis=0)
    first, second = np.argsort(-np.abs(full * (spread > 0)).ravel())[[0, 40]]
    with figure("09_noise", 11, 4) as drawing:
        left, right = drawing.subplots(1, 2)
        flat = small.reshape(len(small), -1)
        left.plot(flat[:, first], flat[:, second], "o", color=GREY, alpha=0.5, label="64 images")
        true = full.ravel()
        left.plot(
            true[first], true[second], "o", color=COLOURS[1], markersize=10, label="all 8,000"
        )
        left.axhline(0, color=GREY, linewidth=0.6)
        left.axvline(0, color=GREY, linewidth=0.6)
        left.set(title="The gradient of two weights", xlabel="one weight", ylabel="another")
        left.legend()
        right.loglog(list(sizes), list(sizes.values()), "o-", color=COLOURS[0], label="measured")
        counts = np.array(list(sizes))
        line = sizes[64] * np.sqrt(64 / counts)
        right.loglog(counts, line, ":", color=INK, label="one over the root of the size")
        right.set(title="Noise, as a share of the gradient", xlabel="images in a batch")
        right.set_xticks(counts, [str(count) for count in counts], minor=False)
        right.set_yticks([0.25, 0.5, 1, 2, 4, 8], ["0.25", "0.5", "1", "2", "4", "8"])
        right.minorticks_off()
        right.legend()


def rates(curves: dict[str, list[float]]) -> None:
    """The loss of each batch over one epoch, for each rate."""
    with figure("09_rates", 8, 3.8) as drawing:
        axes = drawing.subplots()
        for (name, losses), (colour, line) in zip(curves.items(), STYLES):
            axes.plot(losses, line, color=colour, label=name)
        axes.axhline(np.log(10), color=GREY, linestyle=":")
        axes.set(title="Loss of each batch; dotted: log 10", xlabel="step", ylim=(0, 8))
        axes.legend()


def decay(weights: dict[str, np.ndarray]) -> None:
    """The weights of one class as an image: orange speaks for it, blue against it."""
    largest = max(np.abs(column).max() for column in weights.values()) / 2
    with figure("09_decay", 8, 4) as drawing:
        panels = drawing.subplots(1, len(weights))
        for axes, (name, column) in zip(panels, weights.items()):
            image = column.reshape(28, 28)
            axes.imshow(image, cmap=SIGNED, vmin=-largest, vmax=largest)
            axes.set(title=name, xticks=[], yticks=[])
            axes.spines[:].set_visible(True)


def schedules(curves: dict[str, tuple[Callable, list[float]]]) -> None:
    """The rate over the run, and the loss, for each schedule."""
    with figure("09_schedules", 11, 3.8) as drawing:
        left, right = drawing.subplots(1, 2)
        fractions = np.linspace(0, 1, 201)
        for (name, (schedule, losses)), (colour, line) in zip(curves.items(), STYLES):
            left.plot(fractions, [schedule(f) for f in fractions], line, color=colour)
            smooth = np.convolve(losses, WIDE, "valid")
            right.semilogy(smooth, line, color=colour, label=name)
        left.set(title="The rate", xlabel="fraction of the run")
        right.set(title="The loss, mean of 20 steps", xlabel="step")
        right.set_yticks([0.2, 0.5, 1, 2, 5], ["0.2", "0.5", "1", "2", "5"])
        right.minorticks_off()
        right.legend()
