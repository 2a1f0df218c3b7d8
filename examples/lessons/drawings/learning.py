"""The figures of lesson 2: a loss walked down, two graphs with their gradients, what is learned.

Green is the gradient. Orange is an answer nearer to 1, blue nearer to 0, as in lesson 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from examples.lessons.drawings.neuron import areas, connect, mark, node
from examples.lessons.drawings.prerequisites import table
from examples.lessons.figures import figure
from nn.plots.style import COLOURS, INK

GREEN = COLOURS[2]
Link = tuple[str, str, str, float]  # from, to, the local derivative, where on the arrow it stands


def downhill(loss: Callable, slope: float, path: Sequence[float]) -> None:
    """The loss over the weight, the slope at the first step as a line, and all steps."""
    with figure("02_downhill", 8, 3.8) as drawing:
        axes = drawing.subplots()
        weights = np.linspace(0.5, 4.5, 300)
        axes.plot(weights, loss(weights), color=INK)
        first = path[0]
        axes.axline((first, loss(first)), slope=slope, color=GREEN, linewidth=1.2)
        axes.plot(path, [loss(w) for w in path], "o", color=GREEN)
        for start, end in zip(path, path[1:]):
            style = {"arrowstyle": "->", "color": GREEN, "shrinkA": 4, "shrinkB": 4}
            axes.annotate("", (end, loss(end)), (start, loss(start)), arrowprops=style)
        text = f"the slope here: {slope:.3f}"
        axes.text(first + 0.15, loss(first) - 0.03, text, color=GREEN, va="top")
        axes.set(title="Against the slope, step by step", xlabel="weight w", ylabel="loss")
        axes.set(ylim=(-0.03, 1.03), xlim=(0.5, 4.5))


def one_neuron(numbers: Sequence[float], slopes: Sequence[float]) -> None:
    """The neuron as a graph: the values of x, w, b, a, z, y and the loss, and their gradients."""
    names = ("x", "w", "b", "a", "z", "y", "loss")
    values, gradients = dict(zip(names, numbers)), dict(zip(names, slopes))
    places = {"x": (0, 2), "w": (0, 0), "a": (2, 1), "b": (2, -0.7), "z": (4, 1)}
    places |= {"y": (6, 1), "loss": (8, 1)}
    y = values["y"]
    links = [
        ("x", "a", f"w = {values['w']:.3g}", 0.45),
        ("w", "a", f"x = {values['x']:.3g}", 0.45),
        ("a", "z", "1", 0.5),
        ("b", "z", "1", 0.5),
        ("z", "y", f"y (1 - y)\n= {y * (1 - y):.3f}", 0.5),
        ("y", "loss", f"2 (y - target)\n= {gradients['y']:.3f}", 0.47),
    ]
    with figure("02_one_neuron", 12, 4.2) as drawing:
        axes = drawing.subplots()
        _graph(axes, places, links, values, gradients)
        axes.set(xlim=(-0.6, 8.6), ylim=(-1.7, 2.6))
        axes.set_title("Circles: values. Arrows: local derivatives. Green: gradients")


def two_ways(numbers: Sequence[float], slopes: Sequence[float]) -> None:
    """x goes through p and through q to the loss; what comes back on both ways is added."""
    names = ("x", "p", "q", "loss")
    values, gradients = dict(zip(names, numbers)), dict(zip(names, slopes))
    places = {"x": (0, 1), "p": (2.2, 2), "q": (2.2, 0), "loss": (4.4, 1)}
    links = [
        ("x", "p", "3", 0.5),
        ("x", "q", "1", 0.5),
        ("p", "loss", f"q = {values['q']:.0f}", 0.5),
        ("q", "loss", f"p = {values['p']:.0f}", 0.5),
    ]
    with figure("02_two_ways", 8, 3.8) as drawing:
        axes = drawing.subplots()
        _graph(axes, places, links, values, gradients)
        ways = f"= {gradients['p'] * 3:.0f} + {gradients['q'] * 1:.0f}"
        axes.text(0, 0.1, ways, ha="center", color=GREEN, weight="bold")
        axes.set(xlim=(-0.8, 5.2), ylim=(-0.8, 2.6), title="Two ways from x to the loss: add")


def layer(x: np.ndarray, W: np.ndarray, dz: np.ndarray) -> None:
    """The three products of a layer, each with its right factor above: forward, dW and dx."""
    with figure("02_layer", 12, 4.2) as drawing:
        for axes, title, left, right, names, colours in zip(
            drawing.subplots(1, 3),
            (
                "Forward: z = x W (b not yet added)",
                "Backward: dW = x.T dz",
                "Backward: dx = dz W.T",
            ),
            (x, x.T, dz),
            (W, dz, W.T),
            (("x", "W", "z"), ("x.T", "dz", "dW"), ("dz", "W.T", "dx")),
            ((INK, INK, INK), (INK, GREEN, GREEN), (GREEN, INK, GREEN)),
        ):
            places = (0.0, 0.0), (3.0, 3.0), (3.0, 0.0)
            for place, array, name, colour in zip(
                places, (left, right, left @ right), names, colours
            ):
                table(axes, array.astype(int), *place, colour)
                axes.text(place[0], place[1] + 0.15, name, color=colour, weight="bold")
            axes.set(title=title, xlim=(-0.3, 5.3), ylim=(-2.2, 3.7), aspect="equal")
            axes.axis("off")


def learned(
    curves: Sequence[Sequence[float]], answer: Callable, x: np.ndarray, target: np.ndarray
) -> None:
    """The losses of all starts, and the plane as one of the networks answers."""
    with figure("02_learning", 11, 4.2) as drawing:
        left, right = drawing.subplots(1, 2)
        for curve in curves:
            left.semilogy(curve, color=INK, alpha=0.6, linewidth=1)
        left.set(title=f"Loss, from {len(curves)} starts", xlabel="step", ylabel="loss")
        areas(right, answer, "What one has learned", ("x[0]", "x[1]"), -0.4, 1.4)
        mark(right, x, target)


def _graph(
    axes: Axes,
    places: Mapping[str, tuple[float, float]],
    links: Sequence[Link],
    values: Mapping[str, float],
    gradients: Mapping[str, float],
) -> None:
    for start, end, text, where in links:
        connect(axes, places[start], places[end], text, INK, where)
    for name, (x, y) in places.items():
        node(axes, (x, y), f"{name}\n{values[name]:.3g}")
        text = f"d{name} = {gradients[name]:.3g}"
        axes.text(x, y - 0.62, text, ha="center", color=GREEN, weight="bold")
    axes.axis("off")
