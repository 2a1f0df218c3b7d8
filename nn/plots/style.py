"""What all figures share: the colours, the style, and the figure that is saved when it is done.

Only matplotlib's object-oriented interface is used (Figure and FigureCanvasAgg): no window, no display, no state.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Okabe and Ito's colours stay distinct for colour-blind readers; the markers do the same in grey prints.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
MARKERS = ("o", "s", "^", "D", "v", "P")
RIGHT, WRONG = "#00704f", "#c02413"  # green and red; a tick and a cross stand beside them
INK, GREY = "#222222", "#6b6b6b"
DPI = 120  # with figures 11 inches wide: 1320 pixels

# Whatever style the user's matplotlibrc asks for, these figures look the same.
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


def plain(text: str, length: int = 1000) -> str:
    """A name of a file or class as text to draw: cut to so many letters, and its $ begin no formula."""
    text = text if len(text) <= length else text[: length - 1] + "…"
    return text.replace("$", r"\$")


@contextmanager
def picture(path: str | Path, width: float, height: float, layout: str | None = "constrained") -> Iterator[Figure]:
    """A figure of width x height inches, saved to `path` when the with-block ends."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), dpi=DPI, layout=layout)
        FigureCanvasAgg(figure)
        if layout == "constrained":
            figure.get_layout_engine().set(w_pad=0.12, h_pad=0.1)  # inches around each panel
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing")  # such letters become boxes
            yield figure
            figure.savefig(path, format="png")


def show_image(axes: Axes, image: np.ndarray) -> None:
    """An image (H, W, 1 or 3) with values from 0 to 1."""
    axes.imshow(image[..., 0] if image.shape[-1] == 1 else image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(True)
