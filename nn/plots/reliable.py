"""How sure a network is, against how often it is right."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.ticker import PercentFormatter

from nn.inspect.calibration import BINS, calibration_error, reliability
from nn.plots.style import COLOURS, GREY, MARKERS, picture, plain


def reliability_diagram(
    path: str | Path, answers: Mapping[str, tuple[np.ndarray, np.ndarray]], least: float = 0.0
) -> None:
    """Draw what share of answers is right among those of each confidence, above how many answers there are.

    answers: name -> (confidence, right): the largest probability of each answer (N,), and whether it was right (N,).
    On the diagonal a network is as often right as it says; below it, it is too sure. least: where a line is drawn, left
    of which no answer is given.
    """
    with picture(path, 7, 7.2) as figure:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        upper.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1.2)
        for index, (name, (confidence, right)) in enumerate(answers.items()):
            _, sure, shares = zip(*reliability(confidence, right))
            error = 100 * calibration_error(confidence, right)
            label = f"{plain(name)}: calibration error {error:.1f} %"
            look = {"color": COLOURS[index % len(COLOURS)], "clip_on": False}  # at the edges, too, points are whole
            upper.plot(sure, shares, marker=MARKERS[index % len(MARKERS)], linewidth=1.8, label=label, zorder=3, **look)
            lower.hist(confidence, np.linspace(0, 1, BINS + 1), histtype="step", linewidth=1.6, **look)
        for axes in (upper, lower):
            axes.grid(True)
            axes.set_axisbelow(True)
            if least > 0:
                axes.axvline(least, color=GREY, linewidth=1.2)
        if least > 0:
            upper.text(least - 0.012, 0.97, "no answer", rotation=90, ha="right", va="top", color=GREY)
        upper.set(title="As often right as it says?", ylabel="right answers", xlim=(0, 1), ylim=(0, 1))
        lower.set(xlabel="probability of the answer", ylabel="answers")
        upper.yaxis.set_major_formatter(PercentFormatter(1))
        lower.xaxis.set_major_formatter(PercentFormatter(1))
        figure.legend(loc="outside lower center", fontsize=9.5)
