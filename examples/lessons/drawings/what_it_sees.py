"""The drawings of lesson 19: saliency, the fooled cat, portions, nearest neighbours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from examples.lessons.figures import figure
from nn.plots.style import COLOURS, GREY


def sanity(
    image: np.ndarray, trained: np.ndarray, maps: Mapping[str, np.ndarray], edges: np.ndarray
) -> None:
    """An image, its saliency by trained and shuffled networks, and its bare outline."""
    shown = {"trained": trained} | dict(maps) | {"outline, no network": edges}
    with figure("19_sanity", 12, 2.35) as drawing:
        panels = drawing.subplots(1, len(shown) + 1)
        panels[0].imshow(image)
        panels[0].set_title("the image", fontsize=9)
        for axes, (name, values) in zip(panels[1:], shown.items()):
            axes.imshow(values, cmap="inferno", vmin=0, vmax=np.quantile(values, 0.99))
            axes.set_title(name, fontsize=9)
        for axes in panels:
            axes.set(xticks=[], yticks=[])


def fooled(
    image: np.ndarray, steps: np.ndarray, result: np.ndarray, cat: float, dog: float
) -> None:
    """An image, what is added to it (made full colour), and the sum."""
    with figure("19_fooled", 10, 3.7) as drawing:
        panels = drawing.subplots(1, 3)
        shown = image, 0.5 + 0.5 * steps / np.abs(steps).max(), result
        strength = 127 / np.abs(steps).max()
        titles = f"cat: {cat:.0%}", f"what is added, {strength:.0f} times", f'"dog": {dog:.0%}'
        for axes, picture, title in zip(panels, shown, titles):
            axes.imshow(picture)
            axes.set(title=title, xticks=[], yticks=[])


def portions(parts: Sequence[float], accuracies: Mapping[str, Sequence[float]]) -> None:
    """Curves: the accuracy of each network by the part of the area that it was shown."""
    with figure("19_portions", 7.5, 4) as drawing:
        axes = drawing.subplots()
        for (name, values), colour in zip(accuracies.items(), COLOURS):
            axes.plot(range(len(parts)), values, "o-", color=colour, label=name)
        axes.axhline(25, color=GREY, linestyle=":", label="guessing")
        axes.set_xticks(range(len(parts)), [f"{100 * part:g}" for part in parts])
        axes.set(title="How little is enough?", xlabel="part of the area, %")
        axes.set(ylabel="accuracy, %", ylim=(0, 103))
        axes.legend()


def neighbours(queries: np.ndarray, found: Sequence[np.ndarray], names: Sequence[str]) -> None:
    """A row for each query (Q, H, W, 3): it, and its nearest (Q, 5, H, W, 3) by each way."""
    count = found[0].shape[1]
    with figure("19_neighbours", 11.5, 4.2) as drawing:
        widths = [1.0, 0.25, *[1.0] * count, 0.25, *[1.0] * count]
        grid = drawing.add_gridspec(len(queries), len(widths), width_ratios=widths)
        for row, query in enumerate(queries):
            shown = [(0, query, "image")]
            for way, images in enumerate(found):
                first = 2 + way * (count + 1)
                titles = [
                    f"nearest by {names[way]}" if i == count // 2 else "" for i in range(count)
                ]
                shown += [(first + i, images[row, i], titles[i]) for i in range(count)]
            for column, image, title in shown:
                axes = drawing.add_subplot(grid[row, column])
                axes.imshow(image)
                axes.set(xticks=[], yticks=[])
                if row == 0:
                    axes.set_title(title, fontsize=10)
