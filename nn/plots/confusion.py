"""Which class is taken for which: confusion matrices."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.colors import ListedColormap, PowerNorm

from nn.labels import as_labels
from nn.plots.style import INK, picture, plain


def confusion_matrix(labels: np.ndarray, predictions: np.ndarray, num_classes: int) -> np.ndarray:
    """Counts (num_classes, num_classes): row = true class, column = predicted class."""
    counts = np.zeros((num_classes, num_classes), dtype=np.int64)
    labels = as_labels(labels, "confusion_matrix", num_classes)
    predictions = as_labels(predictions, "confusion_matrix", num_classes, "prediction")
    if labels.ndim != 1 or labels.shape != predictions.shape:
        raise ValueError(
            f"confusion_matrix expected one label for each prediction, got labels of shape {labels.shape} and "
            f"predictions of shape {predictions.shape}"
        )
    np.add.at(counts, (labels, predictions), 1)
    return counts


def confusion_matrices(path: str | Path, matrices: Mapping[str, np.ndarray], class_names: Sequence[str]) -> None:
    """Draw confusion matrices side by side: pale diagonal, mistakes in colour, one scale for all."""
    num_classes = len(class_names)
    matrices = {name: np.asarray(matrix) for name, matrix in matrices.items()}
    for name, matrix in matrices.items():
        if matrix.shape != (num_classes, num_classes):
            raise ValueError(
                f"confusion matrix of {name}: expected shape {(num_classes, num_classes)} for {num_classes} "
                f"class names, got {matrix.shape}"
            )
    off_diagonal = ~np.eye(num_classes, dtype=bool)
    most = max([1, *(int(matrix[off_diagonal].max(initial=0)) for matrix in matrices.values())])
    long_names = max(len(name) for name in class_names) > 3
    table = matplotlib.colormaps["Oranges"](range(256))
    table[0] = 1  # no mistakes are white; older versions of matplotlib draw what lies under the scale as its lowest
    colours = ListedColormap(table).with_extremes(bad="#e3e9f0", under="white")  # bad: the diagonal
    # A scale of square roots keeps few mistakes visible beside many; 0 lies under it and stays white.
    scale = PowerNorm(0.5, vmin=0.2, vmax=max(8, most * 1.3))
    with picture(path, 11, 6.2 if long_names else 5.9) as figure:
        for axes, (name, matrix) in zip(figure.subplots(1, len(matrices), squeeze=False)[0], matrices.items()):
            axes.imshow(np.where(off_diagonal, matrix, np.nan), cmap=colours, norm=scale)
            if num_classes <= 20:
                _write_counts(axes, matrix, scale)
            wrong, total = int(matrix[off_diagonal].sum()), int(matrix.sum())
            axes.set_title(f"{name}: {wrong:,} of {total:,} misread", pad=10)
            axes.set(xlabel="the network's answer", ylabel="true class")
            step = max(1, math.ceil(num_classes / 20))
            ticks = range(0, num_classes, step)
            names = [plain(class_names[tick]) for tick in ticks]
            axes.set_xticks(ticks, names, rotation=45 if long_names else 0, ha="right" if long_names else "center")
            axes.set_yticks(ticks, names)
            axes.tick_params(length=0)
            axes.spines[:].set_visible(False)
            if num_classes <= 20:  # thin white lines between the cells
                axes.set_xticks(np.arange(num_classes + 1) - 0.5, minor=True)
                axes.set_yticks(np.arange(num_classes + 1) - 0.5, minor=True)
                axes.grid(True, which="minor", color="#ececec", linewidth=1)
                axes.tick_params(which="minor", length=0)


def _write_counts(axes, matrix: np.ndarray, scale: PowerNorm) -> None:
    size = 10 if len(matrix) <= 12 else 7
    for (row, column), count in np.ndenumerate(matrix):
        if row == column:
            axes.text(column, row, f"{count}", ha="center", va="center", fontsize=size, color="#51606f")
        elif count:  # an empty cell says nought more quietly than a 0
            colour = "white" if scale(count) > 0.62 else INK
            axes.text(
                column,
                row,
                f"{count}",
                ha="center",
                va="center",
                fontsize=size,
                fontweight="bold",
                color=colour,
            )
