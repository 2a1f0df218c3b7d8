"""Figures of networks and of their training, each saved as PNG by one function.

`architecture` draws a network; `feature_maps`, `layer_kernels` and `layer_gradients` look inside one of its layers, and
`grid` does the same for an array. `answers`, `looks` and `crops` show what a network says about images.
`learning_curves`, `confusion_matrices`, `kernel_grids`, `reliability_diagram` and `mistakes` compare networks: they
take plain arrays in dicts keyed by the network's name.
"""

from nn.plots.answered import answers, looks
from nn.plots.architectures import architecture
from nn.plots.confusion import confusion_matrices, confusion_matrix
from nn.plots.cropped import crop_curves, crops
from nn.plots.curves import learning_curves, smooth
from nn.plots.grids import grid
from nn.plots.inside import feature_maps, layer_gradients, layer_kernels
from nn.plots.kernels import kernel_grids
from nn.plots.misread import mistakes
from nn.plots.reliable import reliability_diagram

__all__ = [
    "answers",
    "architecture",
    "confusion_matrices",
    "confusion_matrix",
    "crop_curves",
    "crops",
    "feature_maps",
    "grid",
    "kernel_grids",
    "layer_gradients",
    "layer_kernels",
    "learning_curves",
    "looks",
    "mistakes",
    "reliability_diagram",
    "smooth",
]
