"""The figures of lesson 8: from logits to probabilities, and two losses compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from examples.lessons.figures import figure
from nn.plots.style import COLOURS, GREY

POSITIVE, NEGATIVE = COLOURS[1], COLOURS[0]  # orange and blue
LINES = {"squared error": (COLOURS[3], "--"), "cross-entropy": (COLOURS[2], "-")}


def scores_to_probabilities(z: np.ndarray, p: np.ndarray, names: Sequence[str]) -> None:
    """Logits, exponentials and probabilities as bars; then p over the second class's logit."""
    with figure("08_softmax", 12, 3.4) as drawing:
        *bars, right = drawing.subplots(1, 4, width_ratios=(1, 1, 1, 1.5))
        titles = ("logits z", "exp(z)", "p = exp(z) / sum")
        for axes, numbers, title in zip(bars, (z, np.exp(z), p), titles):
            colours = [POSITIVE if number > 0 else NEGATIVE for number in numbers]
            drawn = axes.bar(names, numbers, color=colours)
            axes.bar_label(drawn, [f"{number:.3g}" for number in numbers], padding=2)
            axes.axhline(0, color=GREY, linewidth=0.8)
            axes.margins(y=0.15)
            axes.set(title=title, yticks=[])
        others = np.linspace(-5, 7, 200)
        logits = np.repeat(z[None], len(others), axis=0)
        logits[:, 1] = others
        exps = np.exp(logits)
        curves = exps / exps.sum(axis=1, keepdims=True)
        for curve, name, line in zip(curves.T, names, ("--", "-", ":")):
            right.plot(others, curve, line, color=POSITIVE, label=name)
        right.axvline(z[1], color=GREY, linewidth=0.8)
        right.set(title="p, if the dog's logit changes", xlabel=f"logit of {names[1]}")
        right.legend()


def sure_and_wrong(slopes: dict[str, Callable], paths: dict[str, np.ndarray]) -> None:
    """The gradient of both losses over z, and the answer y during descent from z = -8."""
    z = np.linspace(-10, 6, 300)
    with figure("08_losses", 11, 3.8) as drawing:
        left, right = drawing.subplots(1, 2)
        for name, slope in slopes.items():
            colour, line = LINES[name]
            left.plot(z, slope(z), line, color=colour, label=name)
            answers = paths[name][1:]  # after 1, 2, 3 ... steps
            right.semilogx(1 + np.arange(len(answers)), answers, line, color=colour)
        left.axvline(-8, color=GREY, linewidth=0.8, linestyle=":")
        left.set(title="Gradient of the loss with respect to z", xlabel="z")
        left.legend(loc="upper left", bbox_to_anchor=(0.16, 0.7))
        right.set(title="The answer y, from z = -8 with rate 1", xlabel="steps", ylim=(0, 1))
        right.set_xticks([1, 10, 100, 1000], ["1", "10", "100", "1,000"])
