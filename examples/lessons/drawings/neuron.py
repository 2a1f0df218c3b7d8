"""The figures of lesson 1: a neuron as a graph, where it changes its mind, and xor.

Orange is positive: a weight, a sum z, an answer nearer to 1. Blue is negative.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes

from examples.lessons.drawings import SIGNED
from examples.lessons.figures import figure
from nn.plots.style import COLOURS, INK

BLUE, ORANGE = COLOURS[:2]


def one_neuron(x: np.ndarray, w: np.ndarray, b: float) -> None:
    """A neuron of two inputs: their way through weights, sum and threshold, with numbers."""
    z = x @ w + b
    with figure("01_one_neuron", 10, 3) as drawing:
        axes = drawing.subplots()
        places = {"sun": (0, 2), "wind": (0, 1), "always": (0, 0), "z": (3, 1), "answer": (5.2, 1)}
        values = {"sun": x[0], "wind": x[1], "always": 1.0, "z": z, "answer": float(z > 0)}
        for name, weight, kind in zip(
            ("sun", "wind", "always"), (*w, b), ("weight", "weight", "bias")
        ):
            text = f"{kind} {weight:+g}"
            connect(axes, places[name], places["z"], text, colour(weight), 0.42)
        connect(axes, places["z"], places["answer"], "above 0?", INK)
        for name, place in places.items():
            node(axes, place, f"{name}\n{values[name]:.1f}")
        axes.set(xlim=(-0.6, 6), ylim=(-0.5, 2.5), title="One neuron: weights, sum, threshold")
        axes.axis("off")


def steps(w: np.ndarray, b: float, threshold: Callable, sigmoid: Callable) -> None:
    """The plane as the neuron divides it, by a threshold and by a sigmoid, and both steps."""
    with figure("01_neuron", 12, 4.2) as drawing:
        left, middle, right = drawing.subplots(1, 3)
        names = ("sun", "wind")
        areas(left, lambda x: threshold(x @ w + b), "Threshold: walk (orange) or stay", names)
        left.annotate("", (0.74, 0.38), (0.50, 0.50), arrowprops={"arrowstyle": "->", "lw": 2})
        left.text(0.60, 0.28, "the weights")
        z = np.linspace(-8, 8, 801)
        middle.plot(z, threshold(z), ":", color=INK, label="threshold")
        middle.plot(z, sigmoid(z), color=INK, label="sigmoid")
        middle.set(title="From the sum to the answer", xlabel="z", ylabel="answer", box_aspect=1)
        middle.legend(loc="upper left")
        areas(right, lambda x: sigmoid(x @ w + b), "Sigmoid: how willingly", names)


def digit_neuron(
    zero: np.ndarray, one: np.ndarray, weights: np.ndarray, z0: np.ndarray, z1: np.ndarray
) -> None:
    """Two average digits, their difference as the weights of a neuron, and its sums for others."""
    with figure("01_digits", 13, 3.2) as drawing:
        panels = drawing.subplots(1, 4, width_ratios=(1, 1, 1, 1.7))
        for axes, pixels, title in zip(
            panels, (zero, one), ("The average zero", "The average one")
        ):
            axes.imshow(pixels.reshape(28, 28), cmap="gray_r", vmin=0, vmax=1)
            axes.set(title=title, xticks=[], yticks=[])
            axes.spines[:].set_visible(True)
        most = np.abs(weights).max()
        panels[2].imshow(weights.reshape(28, 28), cmap=SIGNED, vmin=-most, vmax=most)
        panels[2].set(title="Weights: one - zero", xticks=[], yticks=[])
        panels[2].spines[:].set_visible(True)
        bins = np.linspace(min(z0.min(), z1.min()), max(z0.max(), z1.max()), 40)
        panels[3].hist(z0, bins, color=BLUE, alpha=0.75, label="zeros")
        panels[3].hist(z1, bins, color=ORANGE, alpha=0.75, label="ones")
        panels[3].axvline(0, color=INK, linewidth=1)
        panels[3].set(title="Its sums for other digits", xlabel="z", ylabel="digits")
        panels[3].legend(loc="upper left")


def xor(
    corners: np.ndarray,
    wanted: np.ndarray,
    params: Sequence[np.ndarray],
    threshold: Callable,
    smooth: Callable,
) -> None:
    """The network as a graph; what "or" alone can say, what the last neuron sees, what both can."""
    W1, b1, W2, b2 = params
    hidden = threshold(corners @ W1 + b1)
    with figure("01_xor", 14.5, 4) as drawing:
        graph, one, seen, both = drawing.subplots(1, 4, width_ratios=(1.05, 1, 1, 1))
        _network(graph, W1, b1, W2, b2)
        names = ["(0,0)", "(0,1)", "(1,0)", "(1,1)"]
        for axes, answer, title, points, texts, labels in (
            (
                one,
                lambda x: threshold(x @ W1[:, 0] + b1[0]),
                "One neuron (or): 3 of 4",
                corners,
                names,
                ("x[0]", "x[1]"),
            ),
            (
                seen,
                lambda h: threshold(h @ W2 + b2),
                "What the last neuron sees",
                hidden,
                ["(0,0)", "(0,1), (1,0)", "", "(1,1)"],
                ("or", "and"),
            ),
            (both, smooth, "Two layers: 4 of 4", corners, names, ("x[0]", "x[1]")),
        ):
            areas(axes, answer, title, labels, -0.4, 1.4)
            mark(axes, points, wanted)
            for (x, y), text in zip(points, texts):
                axes.text(x, y + 0.12, text, ha="center")


def areas(
    axes: Axes,
    answer: Callable,
    title: str,
    labels: Sequence[str],
    low: float = 0.0,
    high: float = 1.0,
) -> None:
    """Colour a square by the answer at each of its points, and draw the line where it is 0.5."""
    side = np.linspace(low, high, 401)
    area = answer(np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)).reshape(401, 401)
    square = (low, high, low, high)
    axes.imshow(area, origin="lower", extent=square, cmap=SIGNED, vmin=-0.6, vmax=1.6)
    axes.contour(side, side, area, levels=[0.5], colors=INK, linewidths=1)
    axes.set(title=title, xlabel=labels[0], ylabel=labels[1])


def mark(axes: Axes, points: np.ndarray, wanted: np.ndarray) -> None:
    """Each example as a disc in the colour of the answer that is wanted."""
    colours = [ORANGE if target > 0.5 else BLUE for target in wanted]
    axes.scatter(*points.T, c=colours, s=160, edgecolors=INK, zorder=3)


def node(axes: Axes, place: tuple[float, float], text: str) -> None:
    """A circle with text in it."""
    circle = {"boxstyle": "circle", "facecolor": "white", "edgecolor": INK}
    axes.text(*place, text, ha="center", va="center", bbox=circle, zorder=4)


def connect(
    axes: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    text: str,
    colour: str,
    where: float = 0.5,
) -> None:
    """An arrow from one node to another, with a text on it."""
    style = {"arrowstyle": "->", "color": colour, "lw": 1.8, "shrinkA": 24, "shrinkB": 24}
    axes.annotate("", end, start, arrowprops=style)
    x, y = (a + where * (b - a) for a, b in zip(start, end))
    paper = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
    axes.text(x, y, text, ha="center", va="center", color=colour, weight="bold", bbox=paper)


def colour(number: float) -> str:
    return ORANGE if number > 0 else BLUE


def _network(axes: Axes, W1: np.ndarray, b1: np.ndarray, W2: np.ndarray, b2: np.ndarray) -> None:
    inputs, hidden, output = ((0, 0), (0, 2)), ((2, 0), (2, 2)), (4, 1)
    for o, end in enumerate(hidden):
        for i, start in enumerate(inputs):
            connect(axes, start, end, f"{W1[i, o]:+g}", colour(W1[i, o]), 0.5 if i == o else 0.28)
        connect(axes, end, output, f"{W2[o, 0]:+g}", colour(W2[o, 0]), 0.5)
    for i, place in enumerate(inputs):
        node(axes, place, f"x[{i}]")
    for place, name, bias in zip((*hidden, output), ("or", "and", "xor"), (*b1, *b2)):
        node(axes, place, name)
        down = 0.5 if place == hidden[1] else -0.62
        axes.text(place[0], place[1] + down, f"bias {bias:+g}", ha="center", color=colour(bias))
    axes.set(xlim=(-0.5, 4.5), ylim=(-0.9, 2.8), title="The network")
    axes.axis("off")
