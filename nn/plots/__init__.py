"""Pictures of networks and of their training, each saved as PNG by one function.

`learning_curves`, `confusion_matrices`, `kernel_grids` and `mistakes` compare networks: they take plain arrays in dicts
keyed by the network's name.
"""

from nn.plots.answered import answers, looks
from nn.plots.confusion import confusion_matrices, confusion_matrix
from nn.plots.cropped import crop_curves, crops
from nn.plots.curves import learning_curves, smooth
from nn.plots.kernels import kernel_grids
from nn.plots.misread import _sort_mistakes, mistakes  # noqa: F401

__all__ = [
    "answers",
    "confusion_matrices",
    "confusion_matrix",
    "crop_curves",
    "crops",
    "kernel_grids",
    "learning_curves",
    "looks",
    "mistakes",
    "smooth",
]
