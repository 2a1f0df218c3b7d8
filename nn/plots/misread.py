"""The images that networks misread, with what they took them for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from nn.labels import as_labels
from nn.plots.style import RIGHT, WRONG, picture, plain, show_image


def mistakes(
    path: str | Path,
    images: np.ndarray,
    labels: np.ndarray,
    probabilities: Mapping[str, np.ndarray],
    class_names: Sequence[str],
) -> None:
    """Draw misread images, enlarged, with the true class and every network's answer and confidence.

    images (N, H, W, C) with values from 0 to 1, labels (N,), probabilities: name -> (N, classes).
    One row for the images that all networks misread and one for those that a single network misreads; in
    each row the mistakes made with the most confidence come first.
    """
    labels = as_labels(labels, "mistakes", len(class_names))
    if labels.shape != (len(images),):
        raise ValueError(
            f"mistakes expected one label for each image, got {len(images)} images and labels of shape {labels.shape}"
        )
    answers = {name: np.asarray(p).argmax(axis=1) for name, p in probabilities.items()}
    confidences = {name: np.asarray(p).max(axis=1) for name, p in probabilities.items()}
    rows = _sort_mistakes(labels, answers, confidences)

    # Placed by hand, in inches: lines of known height below images of known size need no layout engine.
    width, margin = 11.0, 0.15
    columns = 8 if max(len(name) for name in class_names) <= 3 else 5
    pitch = (width - 2 * margin) / columns
    side = min(0.82 * pitch, 1.5)
    line = 0.2
    tile_height = 0.28 + side + 0.06 + line * len(answers)
    heights = [0.4 + (tile_height if len(chosen) else 0) + 0.25 for _, chosen in rows]
    height = sum(heights) + 0.1

    with picture(path, width, height, layout=None) as figure:

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
                show_image(axes, images[index])
                write(
                    centre,
                    top - 0.46,
                    f"true: {plain(class_names[labels[index]], 9)}",
                    ha="center",
                    fontsize=10.5,
                )
                for number, name in enumerate(answers):
                    answer, confidence = answers[name][index], confidences[name][index]
                    mark, colour = ("✓", RIGHT) if answer == labels[index] else ("✗", WRONG)
                    text = f"{name} {mark} {plain(class_names[answer], 9)}, {100 * confidence:.0f} %"
                    write(centre, bottom - 0.06 - line * number, text, ha="center", fontsize=9, color=colour)
            top -= row_height


def _sort_mistakes(labels: np.ndarray, answers: Mapping, confidences: Mapping) -> list[tuple[str, np.ndarray]]:
    """[(heading, indices of the images, most confident mistake first), ...]"""
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
