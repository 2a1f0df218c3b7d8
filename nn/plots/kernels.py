"""The first layers' kernels of several networks, side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.colors import TwoSlopeNorm

from nn.plots.style import GREY, picture


def kernel_grids(path: str | Path, kernels: Mapping[str, np.ndarray]) -> None:
    """Draw the kernels of several networks' first layers, one tidy grid a network.

    kernels: name -> weights (KH, KW, C, kernels) with C = 1 (blue below zero, red above) or C = 3 (drawn as
    RGB, zero being grey). A network's kernels share one scale, symmetric around zero and as wide as its
    largest weight, so that they can be compared with each other.
    """
    grids = {name: _kernel_mosaic(name, weights) for name, weights in kernels.items()}
    grey = any(weights.shape[2] == 1 for weights in kernels.values())
    with picture(path, 11, 4.85 if grey else 4.4) as figure:
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
