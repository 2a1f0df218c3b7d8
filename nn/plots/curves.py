"""How networks learned: the loss of every step and the accuracy of every epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from nn.plots.style import COLOURS, GREY, MARKERS, picture


def smooth(values: Sequence[float], window: int) -> np.ndarray:
    """Centred moving average; near the ends it averages the values that are there."""
    values = np.asarray(values, dtype=np.float64)
    count = len(values)
    window = max(1, min(window, count))
    before, behind = window // 2, (window - 1) // 2  # the window's places on both sides of its middle
    # Cut into blocks as long as the window, a window is the end of one and the beginning of the next. So a few
    # additions a value do, however long it is; and no long sums are subtracted, which would lose small losses.
    padding = before, behind + (-(count + before + behind)) % window
    blocks = np.pad(values, padding).reshape(-1, window)
    ends = np.cumsum(blocks[:, ::-1], axis=1)[:, ::-1].ravel()
    beginnings = np.cumsum(blocks, axis=1)
    beginnings[:, -1] = 0  # a window that is a whole block has no part in the next one
    sums = ends[:count] + beginnings.ravel()[window - 1 : window - 1 + count]
    middles = np.arange(count)
    return sums / (np.minimum(count, middles + behind + 1) - np.maximum(0, middles - before))


def learning_curves(path: str | Path, histories: Mapping[str, Mapping], num_classes: int | None = None) -> None:
    """Draw how several networks learned: left the loss of every step, right the accuracy of every epoch.

    histories: name -> {"steps": [loss, ...], "epochs": [{"train_accuracy": ..., "test_accuracy": ...}, ...]},
        accuracies as fractions; "test_accuracy" may be missing or None.
    num_classes: if given, a line marks ln(num_classes), the loss of giving every class the same chance.
    """
    with picture(path, 11, 5.2) as figure:
        loss_axes, accuracy_axes = figure.subplots(1, 2)
        for index, (name, history) in enumerate(histories.items()):
            _draw_loss(loss_axes, name, history, COLOURS[index % len(COLOURS)])
            look = {
                "color": COLOURS[index % len(COLOURS)],
                "marker": MARKERS[index % len(MARKERS)],
                "markersize": 5,
            }
            _draw_accuracy(accuracy_axes, name, history["epochs"], look)

        if num_classes is not None:
            guess = math.log(num_classes)
            loss_axes.axhline(guess, color=GREY, linestyle=":", linewidth=1)
            loss_axes.annotate(
                f"guessing: ln {num_classes} = {guess:.2f}",
                (1, guess),
                xycoords=loss_axes.get_yaxis_transform(),
                xytext=(0, 4),
                textcoords="offset points",
                ha="right",
                color=GREY,
            )
        loss_axes.set_yscale("log")
        loss_axes.yaxis.set_major_formatter("{x:g}")
        loss_axes.set(title="Training loss, step by step", ylabel="loss (log scale)")
        accuracy_axes.set(title="Accuracy, epoch by epoch", ylabel="right answers (scale stretched towards 100 %)")
        _stretch_towards_100(accuracy_axes)
        for axes in (loss_axes, accuracy_axes):
            axes.set_xlabel("epochs")
            axes.set_xlim(left=0)
            axes.grid(True)
            axes.set_axisbelow(True)
            if axes.get_legend_handles_labels()[0]:
                axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2, fontsize=9.5)


def _draw_loss(axes, name: str, history: Mapping, colour: str) -> None:
    losses = np.asarray(history["steps"], dtype=np.float64)
    if len(losses) == 0:
        return
    steps_per_epoch = len(losses) / max(1, len(history["epochs"]))
    passes = np.arange(1, len(losses) + 1) / steps_per_epoch
    losses = np.where(losses > 0, losses, np.nan)  # a logarithmic axis has no zero
    axes.plot(passes, losses, color=colour, alpha=0.22, linewidth=0.7)
    window = max(3, round(steps_per_epoch / 4))
    axes.plot(passes, smooth(losses, window), color=colour, linewidth=2, label=f"{name}, mean of {window} steps")


def _draw_accuracy(axes, name: str, epochs: Sequence[Mapping], look: dict) -> None:
    passes = np.arange(1, len(epochs) + 1)
    for key, label, line in (
        ("test_accuracy", "tested", {"linestyle": "-", "linewidth": 2}),
        (
            "train_accuracy",
            "training",
            {"linestyle": "--", "linewidth": 1.2, "markerfacecolor": "white"},
        ),
    ):
        values = np.array([np.nan if epoch.get(key) is None else 100 * epoch[key] for epoch in epochs], dtype=float)
        if len(values) and not np.isnan(values[-1]):
            axes.plot(passes, values, label=f"{name}, {label}: {values[-1]:.2f} %", **look, **line)


def _stretch_towards_100(axes) -> None:
    """Space accuracies by the logarithm of the errors left: 90, 99 and 99.9 % are equally far apart."""
    least_error = 0.05  # percent; keeps 100 % on the paper

    def height(accuracy):
        return -np.log10(np.maximum(100 - np.asarray(accuracy, dtype=float), least_error))

    def accuracy_at(height):
        return 100 - 10 ** -np.asarray(height, dtype=float)

    shown = np.concatenate([line.get_ydata() for line in axes.get_lines()] or [[0.0]])
    shown = shown[np.isfinite(shown)]
    highest = shown.max() if len(shown) else 100
    axes.set_yscale("function", functions=(height, accuracy_at))
    ticks = [0, 50, 80, 90, 95, 98, 99, 99.5, 99.8, 99.9]
    top = next((tick for tick in ticks[3:] if tick > highest), 100)
    axes.set_yticks([tick for tick in ticks if tick <= top] + [100] * (top == 100))
    axes.set_ylim(0, top if top < 100 else 100 - least_error)
    axes.yaxis.set_major_formatter("{x:g} %")
    axes.minorticks_off()
