"""The drawings of lesson 6."""

from __future__ import annotations

import numpy as np

from examples.lessons.drawings import SIGNED
from examples.lessons.drawings.convolution import outline, show
from examples.lessons.figures import figure
from nn.plots.style import COLOURS, INK

WEIGHTS = COLOURS[2:5]  # one for each weight of a short kernel


def one_row(x, w, y, dx, dy):
    """Pixels above, outputs below, a line for each product: forward, then backward."""
    panels = {"forward: down the lines": (x, y, "x", "y"), "backward: up": (dx, dy, "dx", "dy")}
    with figure("06_one_row", 12, 3.6) as drawing:
        for axes, (title, (above, below, *names)) in zip(drawing.subplots(1, 2), panels.items()):
            for oh, i in np.ndindex(len(below), len(w)):
                style = {"color": WEIGHTS[i], "linewidth": 2, "zorder": 1}
                if oh == 0:
                    style["label"] = f"w[{i}] = {w[i]}"
                axes.plot([oh + i, oh + 0.5], [1, 0], **style)
            for values, height, shift in ((above, 1, 0), (below, 0, 0.5)):
                for at, value in enumerate(values):
                    box = {"boxstyle": "round", "facecolor": "white", "edgecolor": INK}
                    place = {"ha": "center", "va": "center", "bbox": box, "zorder": 2}
                    axes.text(at + shift, height, f"{value:g}", **place)
            axes.text(-0.6, 1, names[0], ha="right", va="center", weight="bold")
            axes.text(-0.6, 0, names[1], ha="right", va="center", weight="bold")
            axes.set(title=title, xlim=(-1, len(above) + 0.5), ylim=(-0.3, 1.3))
            axes.legend(loc="center right")
            axes.axis("off")


def backward(rows):
    """A row of images for each case: dy, dx, x with the windows (5x5) that were read, and dw."""
    titles = ("dy: 0, and 1 here", "dx: the kernel, laid there", "x: windows read", "dw: their sum")
    with figure("06_backward", 11, 5.6) as drawing:
        for row, (places, *images) in zip(drawing.subplots(len(rows), 4), rows):
            for axes, title, image in zip(row, titles, images):
                show(axes, image.squeeze(), title, "gray_r" if title[0] == "x" else SIGNED)
            for oh, ow in places:
                outline(row[2], oh, ow, 5, 5)
