"""The drawings of the lessons, a module for each lesson that has some; their shared colours."""

from __future__ import annotations

from matplotlib.colors import LinearSegmentedColormap

from nn.plots.style import COLOURS

# From negative, blue, through 0, white, to positive, orange.
SIGNED = LinearSegmentedColormap.from_list("signed", [COLOURS[0], "white", COLOURS[1]])
