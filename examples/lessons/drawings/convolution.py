"""The drawings of lesson 4, and what the drawings of lessons 5 to 7 share with it."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle

from examples.lessons.drawings import SIGNED
from examples.lessons.figures import figure
from nn.plots.style import COLOURS, GREY, INK

PAPER = LinearSegmentedColormap.from_list("paper", ["white", "#555555"])  # light enough for digits
FRAME = COLOURS[2]  # where the window lies


def show(axes, numbers, title="", colours=SIGNED, limit=None, text=None):
    """An array as an image; with text, a format such as "g", its numbers are written in it."""
    limit = limit or max(np.nanmax(np.abs(numbers)), 1e-9)
    low = -limit if colours is SIGNED else 0
    axes.imshow(numbers, cmap=colours, vmin=low, vmax=limit)
    axes.set(title=title, xticks=[], yticks=[])
    axes.spines[:].set_visible(True)
    if text:
        for (i, j), number in np.ndenumerate(numbers):
            if not np.isnan(number):
                word = f"{number + 0.0:{text}}"  # + 0.0 makes 0 of -0
                axes.text(j, i, word, ha="center", va="center", fontsize=11, color=INK)


def outline(axes, top, left, height, width, colour=FRAME):
    """A frame around some squares of an array that is shown."""
    corner = (left - 0.5, top - 0.5)
    style = {"fill": False, "color": colour, "linewidth": 2.8, "zorder": 3}
    axes.add_patch(Rectangle(corner, width, height, **style))


def film_strip(image, kernel, result):
    """Every position of the kernel, one after the other: window, products, and the map so far."""
    K = len(kernel)
    with figure("04_film_strip", 13, 6.4) as drawing:
        words = ", ".join(f"{weight:g}" for weight in kernel[0])
        drawing.suptitle(f"a kernel of {K} x {K}, each row {words}, at its {result.size} positions")
        columns = drawing.subplots(3, result.size, height_ratios=(4, 3, 2)).T
        so_far = np.full(result.shape, np.nan)
        for number, (oh, ow) in enumerate(np.ndindex(result.shape)):
            axes = columns[number]
            show(axes[0], image, f"position {oh}, {ow}", PAPER, 4, "g")
            outline(axes[0], oh, ow, K, K)
            products = image[oh : oh + K, ow : ow + K] * kernel
            show(axes[1], products, f"products, sum {products.sum():g}", limit=3, text="g")
            so_far[oh, ow] = result[oh, ow]
            show(axes[2], so_far, "map so far", limit=1.5 * np.abs(result).max(), text="g")
            outline(axes[2], oh, ow, 1, 1)


def one_position(digit, kernel, place):
    """A digit, one patch of it, the kernel, and their products."""
    K = len(kernel)
    patch = digit[place[0] : place[0] + K, place[1] : place[1] + K]
    total = (patch * kernel).sum()
    with figure("04_one_position", 12, 3.4) as drawing:
        picture, *tables = drawing.subplots(1, 4, width_ratios=(1.25, 1, 1, 1))
        show(picture, digit, "digit and patch", "gray_r")
        outline(picture, *place, K, K)
        show(tables[0], patch, "patch", PAPER, 1.5, ".3g")
        show(tables[1], kernel, "times kernel", limit=1.5, text=".3g")
        show(tables[2], patch * kernel, f"= products, sum {total:.2f}", limit=1.5, text=".3g")


def row_of_maps(name, panels):
    """Images in grey and maps (a title with "edges" or "corner") in colour, side by side."""
    with figure(name, 12, 2.9) as drawing:
        for axes, (title, numbers) in zip(drawing.subplots(1, len(panels)), panels.items()):
            is_map = "edges" in title or "corner" in title
            show(axes, numbers, title, SIGNED if is_map else "gray_r")


def positions(cases):
    """For each (H, K, S, P) a row of pixels with its padding, and below it the windows."""
    with figure("04_positions", 12, 1.5 * len(cases)) as drawing:
        for axes, (H, K, S, P) in zip(drawing.subplots(len(cases), 1), cases):
            starts = range(0, H + 2 * P - K + 1, S)
            for h in range(H + 2 * P):
                real = P <= h < H + P
                face = "#d9d9d9" if real else "white"
                axes.add_patch(Rectangle((h, 0), 1, 1, facecolor=face, edgecolor=GREY))
                axes.text(h + 0.5, 0.5, h - P if real else "pad", ha="center", va="center")
            for number, start in enumerate(starts):
                low = -0.35 * (number % 3 + 1)
                axes.plot([start + 0.1, start + K - 0.1], [low, low], color=FRAME, linewidth=4)
            words = f"H = {H}, K = {K}, S = {S}, P = {P}:  {len(starts)} windows"
            axes.text(-0.4, 0.5, words, ha="right", va="center")
            axes.set(xlim=(-7, 12), ylim=(-1.3, 1.1))
            axes.axis("off")


def receptive_fields(counts):
    """In how many ways each pixel reaches one number of a map, its receptive field framed."""
    with figure("04_receptive_field", 12, 3.4) as drawing:
        for axes, (title, ways) in zip(drawing.subplots(1, len(counts)), counts.items()):
            rows, columns = np.nonzero(ways > 0.5)
            top, left = rows.min(), columns.min()
            show(axes, ways, title)
            outline(axes, top, left, np.ptp(rows) + 1, np.ptp(columns) + 1)
