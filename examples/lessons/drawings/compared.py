"""The drawings of lesson 18: the contest, and LeNet on its way to AlexNet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from examples.lessons.figures import figure
from nn.plots.style import COLOURS, MARKERS


def contest(curves: Mapping[str, Sequence[tuple[float, float]]]) -> None:
    """Curves: each network's accuracy by its multiplications, (work, accuracy) of each epoch."""
    with figure("18_contest", 8, 4) as drawing:
        axes = drawing.subplots()
        for (name, curve), colour, marker in zip(curves.items(), (COLOURS[4], *COLOURS), MARKERS):
            axes.plot(*np.transpose(curve), f"{marker}-", color=colour, label=name, markersize=4)
        axes.set(
            xlabel="multiplications forward, billions", ylabel="accuracy on 1,000 test digits, %"
        )
        axes.set_title("LeNet and AlexNet, epoch by epoch, first seed")
        axes.legend(loc="lower right")


def ideas(names: Sequence[str], table: np.ndarray) -> None:
    """Bars: the mean error rate of each row of the table (ideas, seeds); dots: the single seeds."""
    with figure("18_ideas", 8, 3) as drawing:
        axes = drawing.subplots()
        axes.barh(names, table.mean(axis=1), color=["#9ab8cc"] + [COLOURS[0]] * (len(names) - 1))
        axes.plot(
            table,
            np.arange(len(names)),
            "o",
            color=COLOURS[5],
            markeredgecolor="white",
            markersize=7,
        )
        axes.set(
            title="From LeNet towards AlexNet", xlabel="test error rate, %; each dot is one seed"
        )
        axes.invert_yaxis()
