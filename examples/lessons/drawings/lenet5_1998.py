"""The figures of lesson 11: the squashing function, C3's table, the drawings, and what F6 draws."""

import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from examples.lessons.figures import figure
from nn.plots.style import COLOURS, GREY, INK

ORANGE_AND_BLUE = LinearSegmentedColormap.from_list("signed", (COLOURS[0], "white", COLOURS[1]))
SIGNED = {"cmap": ORANGE_AND_BLUE, "vmin": -1.7159, "vmax": 1.7159}  # orange is positive


def squashing(a, y, slope, bend):
    """The stretched tanh beside the plain one, its slope, and its second derivative."""
    with figure("11_squashing", 11, 3.4) as drawing:
        left, middle, right = drawing.subplots(1, 3)
        left.plot(a, np.tanh(a), ":", color=GREY, label="tanh")
        left.plot(a, y, color=COLOURS[0], label="1.7159 tanh(2a/3)")
        left.legend(loc="upper left", fontsize=8)
        middle.plot(a, slope, color=COLOURS[0])
        right.plot(a, bend, color=COLOURS[0])
        for axes, values, title in (
            (left, y, "f(a)"),
            (middle, slope, "its slope"),
            (right, bend, "how it bends (second derivative)"),
        ):
            points = [np.argmin(np.abs(a - at)) for at in (-1, 1)]
            axes.plot(a[points], values[points], "o", color=COLOURS[1])
            axes.set(title=title, xlabel="a")
            axes.grid(True)


def table(sees):
    """Which maps of S2 (rows) each map of C3 (columns) sees; sees (6, 16)."""
    with figure("11_table", 9, 3.3) as drawing:
        axes = drawing.subplots()
        colours = [COLOURS[0]] * 6 + [COLOURS[1]] * 6 + [COLOURS[2]] * 3 + [COLOURS[3]]
        for row, column in np.argwhere(sees):
            axes.plot(column, row, "s", markersize=15, color=colours[column])
        for left, right, name in (
            (0, 5, "three"),
            (6, 11, "four"),
            (12, 14, "four"),
            (15, 15, "all"),
        ):
            axes.text((left + right) / 2, -1, name, color=colours[left], ha="center")
        axes.set(
            xlim=(-0.6, 15.6),
            ylim=(5.6, -1.5),
            xticks=range(16),
            yticks=range(6),
            xlabel="map of C3",
            ylabel="map of S2",
        )
        axes.set_aspect("equal")
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.grid(True)
        axes.set_axisbelow(True)


def bitmaps(drawings):
    """The ten drawings, (10, 12, 7)."""
    with figure("11_drawings", 10, 2.2) as drawing:
        for digit, axes in enumerate(drawing.subplots(1, 10)):
            axes.imshow(drawings[digit], **SIGNED)
            axes.set(title=str(digit), xticks=[], yticks=[])


def answers(images, F6, said, distances):
    """Digits, what F6 draws of them, and the nearest drawing with its distance."""
    with figure("11_answers", 12, 3.6) as drawing:
        for column, (top, bottom) in enumerate(drawing.subplots(2, len(images)).T):
            top.imshow(images[column], cmap="gray_r")
            bottom.imshow(F6[column], **SIGNED)
            wrong = column >= len(images) - 2
            colour = "#c02413" if wrong else INK
            bottom.set_xlabel(f"{said[column]}\n({distances[column]:.1f})", color=colour)
            for axes in (top, bottom):
                axes.set(xticks=[], yticks=[])
                axes.spines[:].set_visible(True)
            if column == 0:
                top.set_ylabel("image")
                bottom.set_ylabel("F6")
        drawing.supxlabel("the nearest drawing (and its distance); the last two are misread")
