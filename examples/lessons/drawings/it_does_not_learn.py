"""The drawings of the appendix on what does not learn: one batch, five illnesses."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from examples.lessons.figures import figure
from nn.plots.style import COLOURS, GREY, WRONG
from nn.training import History


def one_batch(well: Sequence[float], twice: Sequence[float], floor: float) -> None:
    """Curves: the loss of one batch by the step, healthy and with softmax twice."""
    with figure("appendix_it_does_not_learn_one_batch", 8, 3.6) as drawing:
        axes = drawing.subplots()
        axes.plot(well, color=COLOURS[0], label="healthy")
        axes.plot(twice, "--", color=WRONG, label="softmax twice")
        axes.axhline(
            floor, color=GREY, linestyle=":", label=f"lowest with softmax twice: {floor:.2f}"
        )
        axes.set(title="One batch, again and again", xlabel="step", ylabel="loss", ylim=(0, None))
        axes.legend()


def five(histories: Mapping[str, tuple[History, History]], remedies: Mapping[str, str]) -> None:
    """Losses of the ill and the cured network for each illness; last, gradients by layer."""
    with figure("appendix_it_does_not_learn_five", 11.5, 6.8) as drawing:
        panels = drawing.subplots(2, 3).ravel()
        for axes, (name, (before, after)) in zip(panels, histories.items()):
            for history, colour, look, label in (
                (before, WRONG, "--", "ill"),
                (after, COLOURS[0], "-", remedies[name]),
            ):
                numbers = [min(loss, 6) for loss in history.steps if math.isfinite(loss)]
                ended = len(numbers) < len(history.steps)
                label += f": no number after {len(numbers)} steps" if ended else ""
                marker = "x" if ended else None
                axes.plot(numbers, look, color=colour, label=label, marker=marker)
            axes.axhline(math.log(10), color=GREY, linestyle=":", label="guessing: log 10")
            axes.set(title=name, xlabel="step", ylabel="loss (cut at 6)", ylim=(0, 6.2))
            axes.legend(fontsize=8)
        axes = panels[-1]
        for history, colour, look, label in zip(
            histories["vanishing"], (WRONG, COLOURS[0]), "so", ("sigmoid", "ReLU")
        ):
            sizes = history.statistics[0]["gradients"]
            axes.semilogy(list(sizes), list(sizes.values()), f"-{look}", color=colour, label=label)
        axes.set(title="vanishing: gradient by layer", ylabel="norm of gradient / norm of weights")
        axes.legend(fontsize=8)
