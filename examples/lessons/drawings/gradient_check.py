"""The figure of lesson 3: how exact a measured slope is, and what is measured near a kink."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from examples.lessons.figures import figure
from nn.plots.style import COLOURS, INK


def accuracy_and_kink(hs: Sequence[float], errors: Mapping[str, Sequence[float]]) -> None:
    """The largest error over h, for each way of measuring; and ReLU's slope, true and measured."""
    with figure("03_gradient_check", 11, 4.2) as drawing:
        left, right = drawing.subplots(1, 2)
        for name, error in errors.items():
            left.loglog(hs, error, label=name)
        left.set(title="How wrong a measured slope is", xlabel="h")
        left.set_ylabel("largest error of 1,000 slopes")
        left.legend()
        h, x = 1e-4, np.linspace(-3e-4, 3e-4, 601)
        right.plot(x, x > 0, ":", color=INK, label="slope of ReLU")
        slope = (np.maximum(x + h, 0) - np.maximum(x - h, 0)) / (2 * h)
        right.plot(x, slope, color=COLOURS[3], label=f"measured with h = {h:g}")
        right.set(title="No slope to measure near the kink", xlabel="x", ylabel="slope")
        right.set(ylim=(-0.05, 1.3))
        right.legend(loc="upper left")
