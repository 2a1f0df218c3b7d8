"""The figures of lesson 15: thinned networks, and the accuracies with dropout and without."""

import numpy as np

from examples.lessons.figures import figure
from nn.plots.style import COLOURS, INK

GONE = "#d0d0d0"


def thinned(sizes, p, seed=4):
    """A fully connected network with so many units a layer: whole, and with units dropped."""
    rng = np.random.default_rng(seed)
    with figure("15_thinned", 12, 3.4) as drawing:
        for number, axes in enumerate(drawing.subplots(1, 4)):
            kept = [np.ones(size, bool) for size in sizes]
            for layer in range(1, len(sizes) - 1):
                kept[layer] = rng.random(sizes[layer]) >= (p if number else 0)
            draw_network(axes, kept)
            axes.set_title(f"thinned, image {number}" if number else "whole: inference")


def draw_network(axes, kept):
    """Units as circles, a line for each weight that is used; kept holds a mask for each layer."""
    heights = [np.arange(len(mask)) - (len(mask) - 1) / 2 for mask in kept]
    for layer, (mask, above) in enumerate(zip(kept[:-1], kept[1:])):
        for i in np.flatnonzero(mask):
            for j in np.flatnonzero(above):
                ends = heights[layer][i], heights[layer + 1][j]
                axes.plot((layer, layer + 1), ends, color=COLOURS[0], linewidth=0.6, zorder=1)
    for layer, mask in enumerate(kept):
        for height, there in zip(heights[layer], mask):
            inside, edge = (COLOURS[0], INK) if there else ("white", GONE)
            axes.scatter(layer, height, s=110, facecolor=inside, edgecolor=edge, zorder=2)
            if not there:
                axes.scatter(layer, height, s=50, marker="x", color=GONE, zorder=3)
    axes.set_axis_off()


def curves(without, dropped):
    """Accuracy on training digits and new ones; a run is rows of (epoch, training, new, loss)."""
    with figure("15_dropout", 11, 4.2) as drawing:
        panels = drawing.subplots(1, 2)
        for runs, name, colour in (
            (without, "without dropout", COLOURS[1]),
            (dropped, "with dropout, p = 0.5", COLOURS[0]),
        ):
            mean = np.mean(runs, axis=0)
            for column, axes in enumerate(panels, start=1):
                for rows in runs:
                    axes.plot(rows[:, 0], rows[:, column], color=colour, linewidth=0.6, alpha=0.5)
                label = f"{name}: {mean[-1, column]:.1f} %"
                axes.plot(mean[:, 0], mean[:, column], color=colour, linewidth=2.5, label=label)
        for axes, title, limits in zip(
            panels, ("300 training digits", "2,000 new digits"), ((40, 101), (50, 85))
        ):
            axes.set(title=title, xlabel="epoch", ylabel="accuracy, %", ylim=limits)
            axes.legend(loc="lower right")
            axes.grid(True)
