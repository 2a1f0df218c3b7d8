"""The figures of lesson 0: axes and broadcasting, the matrix product, slopes."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from examples.lessons.figures import figure
from nn.plots.style import COLOURS, GREY, INK

BLUE, ORANGE, GREEN = COLOURS[:3]


def axes_and_broadcasting(a: np.ndarray, row: np.ndarray, column: np.ndarray) -> None:
    """A table with its sums along either axis; a row and a column added to it, repeated to fit."""
    with figure("00_axes", 12, 2.6) as drawing:
        axes = drawing.subplots()
        table(axes, a, 0, 0)
        table(axes, a.sum(axis=0)[None], 0, -3, BLUE)
        table(axes, a.sum(axis=1)[:, None], 4, 0, ORANGE)
        axes.annotate("", (1.5, -2.95), (1.5, -2.1), arrowprops={"arrowstyle": "->", "color": BLUE})
        axes.annotate("", (3.95, -1), (3.1, -1), arrowprops={"arrowstyle": "->", "color": ORANGE})
        axes.text(3.2, -3.5, "sum(axis=0)", color=BLUE, va="center")
        axes.text(5.15, -1, "sum(axis=1)", color=ORANGE, va="center")
        axes.text(0, 0.6, "Sums", weight="bold")
        as_column = column[:, None]
        for left, other, kind, pale in (
            (9, row, "row", "rows"),
            (22, as_column, "column", "columns"),
        ):
            table(axes, a, left, 0)
            table(axes, np.broadcast_to(other, a.shape), left + 4, 0, BLUE, pale)
            table(axes, a + other, left + 8, 0)
            axes.text(left + 3.5, -1, "+", ha="center", va="center", fontsize=16)
            axes.text(left + 7.5, -1, "=", ha="center", va="center", fontsize=16)
            axes.text(
                left, 0.6, f"{a.shape} + {other.shape}: the {kind} is repeated", weight="bold"
            )
        _frame(axes, "", (-0.2, 33.2), (-4.2, 1.5))


def matrix_product(x: np.ndarray, W: np.ndarray) -> None:
    """Row times column: x on the left, W above, and one number of the product taken apart."""
    n, o = 0, 1
    with figure("00_matrix_product", 8, 4.4) as drawing:
        axes = drawing.subplots()
        axes.fill((0, 2, 2, 0), (-n, -n, -n - 1, -n - 1), color=BLUE, alpha=0.2, linewidth=0)
        axes.fill((3 + o, 4 + o, 4 + o, 3 + o), (3, 3, 1, 1), color=ORANGE, alpha=0.25, linewidth=0)
        table(axes, x, 0, 0)
        table(axes, W, 3, 3)
        table(axes, x @ W, 3, 0)
        axes.add_patch(_box(3 + o, -n, INK, 2.5))
        axes.annotate(
            "", (2.95, -n - 0.5), (2.05, -n - 0.5), arrowprops={"arrowstyle": "->", "color": BLUE}
        )
        axes.annotate(
            "", (3.5 + o, 0.05), (3.5 + o, 0.95), arrowprops={"arrowstyle": "->", "color": ORANGE}
        )
        axes.text(0, 0.25, "x: Ann, Bob", color=BLUE)
        axes.text(2.9, 2, "W: prices", color=ORANGE, ha="right", va="center")
        axes.text(3, -2.45, "x @ W")
        terms = " + ".join(f"{x[n, i]} * {W[i, o]}" for i in range(2))
        axes.text(5.4, -n - 0.5, f"= {terms} = {(x @ W)[n, o]}", va="center", fontsize=13)
        _frame(axes, "Each number: its row times its column", (-0.2, 9), (-2.7, 3.2))


def slopes() -> None:
    """x cubed with its chords and tangent; e^x, as steep as it is high; the logarithm."""
    with figure("00_slopes", 12, 4) as drawing:
        cube, power, logarithm = drawing.subplots(1, 3)
        x = np.linspace(0, 3.2, 300)
        cube.plot(x, x**3, color=INK)
        cube.axline((2, 8), slope=12, color=ORANGE, label="the slope at 2 itself: 12")
        for h, style in ((1, ":"), (0.5, "--")):
            slope = ((2 + h) ** 3 - 8) / h
            cube.axline(
                (2, 8),
                slope=slope,
                color=BLUE,
                linestyle=style,
                linewidth=1,
                label=f"h = {h}: slope {slope:.4g}",
            )
            cube.plot(2 + h, (2 + h) ** 3, "o", color=BLUE, markersize=5)
        cube.plot(2, 8, "o", color=ORANGE)
        cube.set(title="Slope of x³ at 2", xlabel="x", ylim=(-2, 30), xlim=(0.5, 3.2))
        cube.legend(loc="upper left")
        x = np.linspace(-2.5, 1.8, 300)
        power.plot(x, np.exp(x), color=INK)
        for at in (-1, 0, 1):
            step = np.array([-0.6, 0.6])
            power.plot(at + step, np.exp(at) * (1 + step), color=ORANGE)
            power.plot(at, np.exp(at), "o", color=ORANGE)
            power.text(
                at + 0.12, np.exp(at) - 0.35, f"height and slope {np.exp(at):.2f}", color=ORANGE
            )
        power.set(title="e to the power of x", xlabel="x", xlim=(-2.5, 4), ylim=(-0.4, 5.5))
        x = np.linspace(0.03, 4, 400)
        logarithm.plot(x, np.log(x), color=INK)
        logarithm.axhline(0, color=GREY, linewidth=0.8)
        logarithm.plot([1, np.e], [0, 1], "o", color=ORANGE)
        logarithm.text(1.1, -0.35, "log 1 = 0", color=ORANGE)
        logarithm.text(np.e - 0.1, 1.15, "log e = 1", color=ORANGE, ha="right")
        logarithm.set(title="The natural logarithm", xlabel="x")


def _box(x: float, y: float, colour: str, width: float) -> Rectangle:
    return Rectangle((x, y - 1), 1, 1, fill=False, edgecolor=colour, linewidth=width, zorder=3)


def table(
    axes: Axes, numbers: np.ndarray, left: float, top: float, colour: str = INK, pale: str = ""
) -> None:
    """Numbers in boxes; pale: "rows" or "columns", of which all but the first are repeated."""
    for place in np.ndindex(numbers.shape):
        i, j = place
        repeated = bool(pale) and place[pale == "columns"] > 0
        axes.add_patch(_box(left + j, top - i, "#dddddd" if repeated else GREY, 1))
        x, y, alpha = left + j + 0.5, top - i - 0.5, 0.4 if repeated else 1
        text = f"{numbers[place]}"
        axes.text(x, y, text, ha="center", va="center", color=colour, alpha=alpha, fontsize=11)


def _frame(axes: Axes, title: str, across: tuple[float, float], up: tuple[float, float]) -> None:
    axes.set(title=title, xlim=across, ylim=up, aspect="equal")
    axes.axis("off")
