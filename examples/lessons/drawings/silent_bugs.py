"""The drawing of the appendix on silent bugs: images with their labels."""

from __future__ import annotations

import numpy as np

from examples.lessons.figures import figure


def at_the_door(images: np.ndarray, labels: np.ndarray) -> None:
    """Images (N, H, W, 1) in a row, each with its label above."""
    with figure("appendix_silent_bugs_labels", 10, 1.7) as drawing:
        for axes, image, label in zip(drawing.subplots(1, len(images)), images, labels):
            axes.imshow(image[..., 0], cmap="gray")
            axes.set(title=f"label {label}", xticks=[], yticks=[])
