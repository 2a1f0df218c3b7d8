"""The figures of lesson 14: the channels of one pixel before and after, and maps of a network."""

import numpy as np

from examples.lessons.figures import figure
from nn.plots.style import COLOURS


def gain(panels, strong, reach):
    """The channels of one pixel, (1, 1, 1, C) a title: the strong one, its reach, the rest."""
    with figure("14_gain", 11, 3.4) as drawing:
        for axes, (title, y) in zip(drawing.subplots(1, len(panels)), panels.items()):
            channels = np.arange(y.size)
            colours = np.where(np.abs(channels - strong) <= reach, COLOURS[0], "#b5b5b5")
            colours[strong] = COLOURS[1]
            axes.bar(channels, y.ravel(), color=colours)
            label = "x" if title == "before" else "y"
            axes.set(title=title, xlabel="channel", ylabel=label, xticks=range(0, y.size, 2))


def maps(image, rows):
    """An image and six maps of the normalised layer, a row for each alpha; each map has a scale."""
    with figure("14_maps", 11, 5.2) as drawing:
        for axes, (alpha, outputs) in zip(drawing.subplots(len(rows), 7), rows.items()):
            axes[0].imshow(image)
            axes[0].set(title="image", ylabel=f"alpha = {alpha:g}")
            for channel, panel in enumerate(axes[1:]):
                panel.imshow(outputs[:, :, channel], cmap="Purples", vmin=0)
                panel.set_title(f"map {channel}")
            for panel in axes:
                panel.set(xticks=[], yticks=[])
