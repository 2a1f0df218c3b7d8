"""The drawings of lesson 16: where the parameters and the work are, and the two columns."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.patches import FancyArrowPatch, Rectangle

from examples.lessons.figures import figure
from nn.plots.style import COLOURS, GREY

LAYERS = ("image", "conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8")
MAPS = (3, 48, 128, 192, 192, 128, 2048, 2048, 500)
BOTH = ("conv1", "conv3", "fc6", "fc7", "fc8")  # these read what both GPUs have, or the image


def where(counts: Mapping[str, tuple[int, int]], total: np.ndarray) -> None:
    """Bars: which share of all parameters, and of all multiplications, each layer has."""
    shares = 100 * np.array(list(counts.values())) / total
    with figure("16_where", 11, 3.8) as drawing:
        for axes, what, share in zip(
            drawing.subplots(1, 2), ("parameters", "multiplications"), shares.T
        ):
            bars = axes.bar(list(counts), share, color=[COLOURS[0]] * 5 + [COLOURS[1]] * 3)
            axes.bar_label(bars, fmt="%.1f", fontsize=9)
            note = f"convolutions {share[:5].sum():.0f} %, fully connected {share[5:].sum():.0f} %"
            axes.set(
                title=f"Where the {what} are", ylabel=f"% of all {what}", xlabel=note, ylim=(0, 70)
            )


def columns() -> None:
    """The layers of GPU a above, of b below; an arrow for whatever a layer reads."""
    with figure("16_columns", 11, 3) as drawing:
        axes = drawing.subplots()
        for place, (name, maps) in enumerate(zip(LAYERS, MAPS)):
            for row in (0, 1):
                middle = 0.5 if name == "image" else row
                box = Rectangle((place - 0.3, middle - 0.2), 0.6, 0.4, facecolor="white")
                box.set(edgecolor=GREY if name == "image" else COLOURS[4 * (1 - row)], linewidth=2)
                axes.add_patch(box)
                axes.text(place, middle, f"{name}\n{maps}", ha="center", va="center", fontsize=9)
                if place == 0:
                    continue
                for source in {0.5} if place == 1 else {0, 1} if name in BOTH else {row}:
                    colour = COLOURS[1] if abs(source - row) == 1 else GREY
                    tips = (place - 0.7, source), (place - 0.3, row)
                    axes.add_patch(
                        FancyArrowPatch(*tips, arrowstyle="-|>", mutation_scale=10, color=colour)
                    )
        for row, gpu in ((1, "GPU a"), (0, "GPU b")):
            axes.text(-0.3, row, gpu, ha="left", va="center", weight="bold")
        axes.set(xlim=(-0.4, 8.4), ylim=(-0.35, 1.35), xticks=[], yticks=[])
        axes.set_title(
            "Two columns, with numbers of maps and units; orange: what travels from GPU to GPU"
        )
        axes.spines[:].set_visible(False)
