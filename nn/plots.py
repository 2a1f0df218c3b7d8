"""Pictures of training: learning curves, confusion matrices, first-layer kernels and mistakes.

Each function takes plain arrays in dicts keyed by the network's name, draws one picture and saves it as PNG.
They use matplotlib's object-oriented side (Figure and FigureCanvasAgg): no window, no display, no state.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import PowerNorm, TwoSlopeNorm
from matplotlib.figure import Figure

# Okabe and Ito's colours stay apart for colour-blind eyes; the markers tell the same to grey printers.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
MARKERS = ("o", "s", "^", "D", "v", "P")
RIGHT, WRONG = "#00704f", "#c02413"  # green and red; a tick and a cross stand beside them
INK, GREY = "#222222", "#6b6b6b"
DPI = 120  # with figures 11 inches wide: 1320 pixels

# Whatever style the user's matplotlibrc asks for, these pictures look the same.
STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 10,
    "text.usetex": False,
    "text.color": INK,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.bbox": None,
    "savefig.dpi": "figure",
    "axes.facecolor": "white",
    "axes.edgecolor": "#999999",
    "axes.labelcolor": INK,
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": matplotlib.rcParamsDefault["axes.prop_cycle"],
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.8,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
}


@contextmanager
def _picture(path: str | Path, width: float, height: float, layout: str | None = "constrained") -> Iterator[Figure]:
    """A figure of width x height inches, saved to `path` when the with-block ends."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), dpi=DPI, layout=layout)
        FigureCanvasAgg(figure)
        if layout == "constrained":
            figure.get_layout_engine().set(w_pad=0.12, h_pad=0.1)  # inches around each panel
        yield figure
        figure.savefig(path, format="png")


# -------------------------------------------------------------------------------------------- learning curves
def smooth(values: Sequence[float], window: int) -> np.ndarray:
    """Centred moving average; near the ends it averages the values that are there."""
    values = np.asarray(values, dtype=np.float64)
    window = max(1, min(window, len(values)))
    ones = np.ones(window)
    return np.convolve(values, ones, mode="same") / np.convolve(np.ones(len(values)), ones, mode="same")


def learning_curves(path: str | Path, histories: Mapping[str, Mapping], num_classes: int | None = None) -> None:
    """Draw how several networks learned: left the loss of every step, right the accuracy of every epoch.

    histories: name -> {"steps": [loss, ...], "epochs": [{"train_accuracy": ..., "test_accuracy": ...}, ...]},
        accuracies as fractions; "test_accuracy" may be missing or None.
    num_classes: if given, a line marks ln(num_classes), the loss of giving every class the same chance.
    """
    with _picture(path, 11, 5.2) as figure:
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
        accuracy_axes.set(title="Accuracy, pass by pass", ylabel="right answers (scale stretched towards 100 %)")
        _stretch_towards_100(accuracy_axes)
        for axes in (loss_axes, accuracy_axes):
            axes.set_xlabel("passes over the training pictures")
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


# ----------------------------------------------------------------------------------------- confusion matrices
def confusion_matrix(labels: np.ndarray, predictions: np.ndarray, num_classes: int) -> np.ndarray:
    """Counts (num_classes, num_classes): row = true class, column = predicted class."""
    counts = np.zeros((num_classes, num_classes), dtype=np.int64)
    np.add.at(counts, (np.asarray(labels), np.asarray(predictions)), 1)
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
    colours = matplotlib.colormaps["Oranges"].with_extremes(bad="#e3e9f0", under="white")  # diagonal; no mistakes
    # A scale of square roots keeps few mistakes visible beside many; 0 lies under it and stays white.
    scale = PowerNorm(0.5, vmin=0.2, vmax=max(8, most * 1.3))
    with _picture(path, 11, 6.2 if long_names else 5.9) as figure:
        for axes, (name, matrix) in zip(figure.subplots(1, len(matrices), squeeze=False)[0], matrices.items()):
            axes.imshow(np.where(off_diagonal, matrix, np.nan), cmap=colours, norm=scale)
            if num_classes <= 20:
                _write_counts(axes, matrix, scale)
            wrong, total = int(matrix[off_diagonal].sum()), int(matrix.sum())
            axes.set_title(f"{name}: {wrong:,} of {total:,} misread", pad=10)
            axes.set(xlabel="the network's answer", ylabel="true class")
            step = max(1, math.ceil(num_classes / 20))
            ticks = range(0, num_classes, step)
            names = [class_names[tick] for tick in ticks]
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


# ---------------------------------------------------------------------------------------- first-layer kernels
def kernel_grids(path: str | Path, kernels: Mapping[str, np.ndarray]) -> None:
    """Draw the kernels of several networks' first layers, one tidy grid a network.

    kernels: name -> weights (KH, KW, C, kernels) with C = 1 (blue below zero, red above) or C = 3 (drawn as
    RGB, zero being grey). A network's kernels share one scale, symmetric around zero and as wide as its
    largest weight, so that they can be compared with each other.
    """
    grids = {name: _kernel_mosaic(name, weights) for name, weights in kernels.items()}
    grey = any(weights.shape[2] == 1 for weights in kernels.values())
    with _picture(path, 11, 4.85 if grey else 4.4) as figure:
        panels = figure.subplots(1, len(grids), squeeze=False)[0]
        for axes, (name, (mosaic, largest)) in zip(panels, grids.items()):
            KH, KW, C, count = kernels[name].shape
            axes.set_title(f"{name}: {count} kernels of {KH} × {KW}" + (f" × {C}" if C > 1 else ""), pad=10)
            axes.axis("off")
            if C == 3:
                axes.imshow(0.5 + 0.5 * mosaic / largest, interpolation="nearest")
                axes.set_anchor("N")
                figure.supxlabel("A pixel's three weights as red, green and blue: grey is 0.", fontsize=10, color=GREY)
                continue
            image = axes.imshow(
                mosaic[..., 0],
                cmap="RdBu_r",
                norm=TwoSlopeNorm(0, -largest, largest),
                interpolation="nearest",
            )
            bar = figure.colorbar(image, ax=axes, location="bottom", shrink=0.7, aspect=40, pad=0.04)
            bar.set_ticks([-largest, 0, largest], labels=[f"−{largest:.2g}", "0", f"+{largest:.2g}"])
            bar.set_label("weight of a pixel", color=GREY)
            bar.outline.set_visible(False)
            axes.set_anchor("N")  # titles at one height


def _kernel_mosaic(name: str, weights: np.ndarray) -> tuple[np.ndarray, float]:
    """One image (H, W, C) with all kernels in a grid, NaN (drawn as nothing) between; largest |weight|."""
    weights = np.asarray(weights, dtype=np.float64)
    if weights.ndim != 4 or weights.shape[2] not in (1, 3):
        raise ValueError(
            f"kernels of {name}: expected shape (KH, KW, 1 or 3, kernels), got {weights.shape}; "
            "only grey and RGB kernels can be drawn"
        )
    KH, KW, C, count = weights.shape
    columns = math.ceil(math.sqrt(1.5 * count))
    rows = math.ceil(count / columns)
    scale = 8  # each weight is 8 x 8 here, so that the gap between kernels can be thinner than a weight
    gap = max(1, scale * KH // 8)
    tile_height, tile_width = scale * KH + gap, scale * KW + gap
    mosaic = np.full((rows * tile_height - gap, columns * tile_width - gap, C), np.nan)
    for index in range(count):
        top, left = index // columns * tile_height, index % columns * tile_width
        kernel = np.repeat(np.repeat(weights[..., index], scale, axis=0), scale, axis=1)
        mosaic[top : top + scale * KH, left : left + scale * KW] = kernel
    return mosaic, float(np.nanmax(np.abs(mosaic), initial=0)) or 1.0


# --------------------------------------------------------------------------------------------------- mistakes
def mistakes(
    path: str | Path,
    images: np.ndarray,
    labels: np.ndarray,
    probabilities: Mapping[str, np.ndarray],
    class_names: Sequence[str],
) -> None:
    """Draw misread pictures, enlarged, with the true class and every network's answer and confidence.

    images (N, H, W, C) with values from 0 to 1, labels (N,), probabilities: name -> (N, classes).
    One row for the pictures that all networks misread and one for those that a single network misreads; in
    each row the mistakes made with the most confidence come first.
    """
    labels = np.asarray(labels)
    answers = {name: np.asarray(p).argmax(axis=1) for name, p in probabilities.items()}
    confidences = {name: np.asarray(p).max(axis=1) for name, p in probabilities.items()}
    rows = _sort_mistakes(labels, answers, confidences)

    # Placed by hand, in inches: lines of known height below pictures of known size need no layout engine.
    width, margin = 11.0, 0.15
    columns = 8 if max(len(name) for name in class_names) <= 3 else 5
    pitch = (width - 2 * margin) / columns
    side = min(0.82 * pitch, 1.5)
    line = 0.2
    tile_height = 0.28 + side + 0.06 + line * len(answers)
    heights = [0.4 + (tile_height if len(chosen) else 0) + 0.25 for _, chosen in rows]
    height = sum(heights) + 0.1

    with _picture(path, width, height, layout=None) as figure:

        def write(x: float, y: float, text: str, **look) -> None:
            figure.text(x / width, y / height, text, va="top", **look)

        top = height - 0.15
        for (heading, chosen), row_height in zip(rows, heights):
            found = f"{len(chosen):,}" if len(chosen) else "none"
            shown = f", the {columns} most confident shown" if len(chosen) > columns else ""
            write(margin + (pitch - side) / 2, top, f"{heading}: {found}{shown}", fontsize=12, weight="bold")
            for column, index in enumerate(chosen[:columns]):
                centre = margin + (column + 0.5) * pitch
                bottom = top - 0.4 - 0.28 - side
                axes = figure.add_axes(((centre - side / 2) / width, bottom / height, side / width, side / height))
                _show_image(axes, images[index])
                write(
                    centre,
                    top - 0.46,
                    f"true: {_short(class_names[labels[index]])}",
                    ha="center",
                    fontsize=10.5,
                )
                for number, name in enumerate(answers):
                    answer, confidence = answers[name][index], confidences[name][index]
                    mark, colour = ("✓", RIGHT) if answer == labels[index] else ("✗", WRONG)
                    text = f"{name} {mark} {_short(class_names[answer])}, {100 * confidence:.0f} %"
                    write(centre, bottom - 0.06 - line * number, text, ha="center", fontsize=9, color=colour)
            top -= row_height


def _sort_mistakes(labels: np.ndarray, answers: Mapping, confidences: Mapping) -> list[tuple[str, np.ndarray]]:
    """[(heading, indices of the pictures, most confident mistake first), ...]"""
    names = list(answers)
    wrong = np.array([answers[name] != labels for name in names]).reshape(len(names), len(labels))
    confidence = np.array([confidences[name] for name in names]).reshape(len(names), len(labels))
    worst = np.where(wrong, confidence, 0).max(axis=0, initial=0)
    masks = [("Misread", wrong[0])] if len(names) == 1 else []
    if len(names) > 1:
        masks.append(("Misread by both" if len(names) == 2 else "Misread by all", wrong.all(axis=0)))
        for index, name in enumerate(names):
            masks.append((f"Misread by {name} only", wrong[index] & (wrong.sum(axis=0) == 1)))
    by_confidence = np.argsort(-worst, kind="stable")
    return [(heading, by_confidence[mask[by_confidence]]) for heading, mask in masks]


def _short(name: str, length: int = 9) -> str:
    """A class name that fits under a picture."""
    return name if len(name) <= length else name[: length - 1] + "…"


def _show_image(axes, image: np.ndarray) -> None:
    axes.imshow(image[..., 0] if image.shape[-1] == 1 else image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(True)
