"""The figure of lesson 10: a digit on its way through LeNet."""

from __future__ import annotations

import numpy as np

from examples.lessons.figures import figure
from nn.plots.style import COLOURS


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
