"""The drawings of lesson 7."""

from __future__ import annotations

import numpy as np
from matplotlib.patches import Rectangle

from examples.lessons.drawings import SIGNED
from examples.lessons.drawings.convolution import PAPER, outline, show
from examples.lessons.figures import figure

WINNER = "#f6d5c0"  # pale orange: it gets a gradient


def windows(rows):
    """For each (title, x, winners, y, dx) x with its winners framed, y, and dx."""
    with figure("07_windows", 10, 3.4 * len(rows)) as drawing:
        all_axes = drawing.subplots(len(rows), 3, width_ratios=(5, 2.4, 5))
        for axes, (title, x, winners, y, dx) in zip(all_axes, rows):
            show(axes[0], x, f"{title}: x and the winners", PAPER, 25, "g")
            for h, w in winners:
                axes[0].add_patch(Rectangle((w - 0.5, h - 0.5), 1, 1, color=WINNER, zorder=0.5))
                outline(axes[0], h, w, 1, 1)
            show(axes[1], y, "y", PAPER, 25, "g")
            show(axes[2], dx, "dx, for a dy of ones", limit=4, text="g")


def shift(columns):
    """For each (title, before, after) the two and their difference, one below the other."""
    names = ("before", "shifted right by 1", "difference")
    with figure("07_shift", 2.2 * len(columns), 7) as drawing:
        drawing.supxlabel("difference: orange where it has grown, blue where it has fallen")
        for (title, before, after), axes in zip(columns, drawing.subplots(3, len(columns)).T):
            limit = np.abs(before).max()
            colours = "gray_r" if title == "image" else SIGNED
            show(axes[0], before, title, colours, limit)
            show(axes[1], after, "", colours, limit)
            show(axes[2], after - before, "", limit=limit)
            if title == "image":
                for each, name in zip(axes, names):
                    each.set_ylabel(name)
