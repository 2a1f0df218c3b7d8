"""The figures of lesson 10: the order of flatten, and a digit on its way through LeNet."""

from __future__ import annotations

import numpy as np

from examples.lessons.figures import figure
from nn.plots.style import COLOURS, INK


def flatten(small: np.ndarray) -> None:
    """A small image's channels, and its numbers in a row, channels last and channels first."""
    H, W, C = small.shape
    colours = (COLOURS[4], COLOURS[5], COLOURS[2])
    with figure("10_flatten", 10, 3) as drawing:
        axes = drawing.subplots()

        def cell(across: float, up: float, number: int) -> None:
            channel = (number - 1) % C
            box = {"boxstyle": "square,pad=0.45", "facecolor": colours[channel], "edgecolor": INK}
            axes.text(
                across, up, f"{number:2}", ha="center", va="center", bbox=box, family="monospace"
            )

        for (h, w, c), number in np.ndenumerate(small):
            cell(3.2 * c + w + 1, 3.6 - h, number)
        for c in range(C):
            axes.text(3.2 * c + 1.5, 4.35, f"channel {c}", ha="center")
        for place, number in enumerate(small.reshape(-1)):
            cell(place, 1.2, number)
        for place, number in enumerate(small.transpose(2, 0, 1).reshape(-1)):
            cell(place, 0, number)
        axes.text(-0.8, 1.2, "channels last", ha="right", va="center")
        axes.text(-0.8, 0, "channels first", ha="right", va="center")
        axes.set(xlim=(-3.2, H * W * C), ylim=(-0.6, 4.7))
        axes.axis("off")


def walk(digit: np.ndarray, outputs: dict[str, np.ndarray], probabilities: np.ndarray) -> None:
    """One digit, the activations of each stage, and the probabilities of the ten classes."""
    with figure("10_walk", 13, 3.6) as drawing:
        panels = drawing.subplots(1, 8, width_ratios=(2, 3.4, 2.4, 3, 2.4, 1.6, 1.2, 2.2))
        stages = ("sigmoid1", "pool1", "sigmoid2", "pool2")
        panels[0].imshow(digit[:, :, 0], cmap="gray_r")
        panels[0].set_title("digit")
        for axes, name in zip(panels[1:], stages):
            maps = outputs[name][0]
            H, W, C = maps.shape
            columns = 2 if C == 6 else 4
            sheet = np.full(((H + 1) * (C // columns), (W + 1) * columns), np.nan)
            for channel in range(C):
                row, column = divmod(channel, columns)
                top, left = row * (H + 1), column * (W + 1)
                sheet[top : top + H, left : left + W] = maps[..., channel]
            axes.imshow(sheet, cmap="Purples", vmin=0, vmax=1)
            axes.set_title(f"{name}\n{H}x{W}x{C}", fontsize=10)
        for axes, name, width in zip(panels[5:], ("sigmoid3", "sigmoid4"), (8, 6)):
            units = outputs[name][0]
            axes.imshow(units.reshape(-1, width), cmap="Purples", vmin=0, vmax=1)
            axes.set_title(f"{name}\n{units.size}", fontsize=10)
        for axes in panels[:7]:
            axes.set(xticks=[], yticks=[])
        for axes in (panels[0], panels[5], panels[6]):
            axes.spines[:].set_visible(True)
        for axes in panels[1:5]:
            axes.spines[:].set_visible(False)
        panels[7].barh(range(10), probabilities, color=COLOURS[1])
        panels[7].set(title="p", yticks=range(10), xlim=(0, 1), ylim=(9.6, -0.6), xticks=(0, 1))
