"""Images with what a network said about them, and with where it looked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

from nn.plots.style import COLOURS, GREY, INK, picture, plain

SHOWN = 5  # classes per image
COLUMNS = 3
SIDE, CELL_WIDTH, CELL_HEIGHT, MARGIN = 1.45, 3.6, 2.05, 0.1  # inches


def answers(
    path: str | Path,
    titles: Sequence[str],
    pictures: Sequence[np.ndarray],
    probabilities: Sequence[np.ndarray],
    class_names: Sequence[str],
    least: float = 0.0,
) -> None:
    """Draw each image (H, W, 1 or 3), uint8, with bars for its five likeliest classes; probabilities (classes,).

    least: where no class is as probable as this, a sentence says that there is no answer.
    """
    columns = min(COLUMNS, max(1, len(pictures)))
    rows = -(-len(pictures) // columns)
    width, height = 2 * MARGIN + CELL_WIDTH * columns, 2 * MARGIN + CELL_HEIGHT * rows
    with picture(path, width, height, layout=None) as figure:
        for index, (title, image, chances) in enumerate(zip(titles, pictures, probabilities)):
            left = MARGIN + CELL_WIDTH * (index % columns)
            top = height - MARGIN - CELL_HEIGHT * (index // columns)
            figure.text(
                (left + 0.1) / width, (top - 0.1) / height, plain(title, 38), va="top", fontsize=9.5, weight="bold"
            )
            axes = _axes(figure, left + 0.1, top - 0.35 - SIDE, SIDE, SIDE)
            show_picture(axes, image)
            bars = _axes(figure, left + 0.1 + SIDE + 0.12, top - 0.35 - SIDE, CELL_WIDTH - SIDE - 0.4, SIDE)
            if max(chances) >= least:
                _draw_bars(bars, chances, class_names)
            else:
                words = f"no answer:\nnone of the {len(class_names)} classes\nis likely"
                bars.text(0, 0.5, words, va="center", fontsize=10, color=GREY)
                bars.axis("off")


def _draw_bars(axes, chances: np.ndarray, class_names: Sequence[str]) -> None:
    order = np.argsort(-chances, kind="stable")[:SHOWN]
    for row, label in enumerate(order):
        share = float(chances[label])
        axes.barh(row + 0.27, share, height=0.34, color=COLOURS[0] if row == 0 else "#9ab8cc")
        axes.barh(row + 0.27, 1, height=0.34, color="#eef1f4", zorder=0)
        axes.text(0, row - 0.02, plain(class_names[label], 18), va="bottom", fontsize=9, color=INK)
        axes.text(1, row - 0.02, f"{100 * share:.1f} %", va="bottom", ha="right", fontsize=9, color=INK)
    axes.set(xlim=(0, 1), ylim=(SHOWN - 0.5, -0.5))
    axes.axis("off")


def looks(
    path: str | Path,
    titles: Sequence[str],
    pictures: Sequence[np.ndarray],
    probabilities: Sequence[np.ndarray],
    maps: Sequence[tuple[np.ndarray, np.ndarray]],
    class_names: Sequence[str],
) -> None:
    """Draw each image beside its two maps laid over it; see `nn.inspect.saliency_maps` for what they are.

    pictures (H, W, 1 or 3), uint8, as the network reads them; maps: (occlusion, saliency) of the likeliest class.
    """
    side, gap, top_space, bottom_space = 2.2, 0.3, 0.75, 0.1
    row_height = side + 0.5
    width, height = 2 * MARGIN + 3 * side + 2 * gap + 1.3, top_space + row_height * len(pictures) + bottom_space
    with picture(path, width, height, layout=None) as figure:
        headings = (
            "what the network reads",
            "gradient: how much a\npixel would change the score",
            "covered: how far the\nprobability falls",
        )
        for column, heading in enumerate(headings):
            x = MARGIN + column * (side + gap) + side / 2
            figure.text(x / width, (height - 0.12) / height, heading, ha="center", va="top", fontsize=9.5, color=GREY)
        for row, (title, image, chances, (fall, gradient)) in enumerate(zip(titles, pictures, probabilities, maps)):
            top = height - top_space - row_height * row
            label = int(chances.argmax())
            answer = f"{plain(class_names[label])}, {100 * float(chances[label]):.0f} %"
            figure.text(
                MARGIN / width, top / height, f"{plain(title, 40)}: {answer}", va="top", fontsize=10, weight="bold"
            )
            panels = [
                _axes(figure, MARGIN + column * (side + gap), top - 0.3 - side, side, side) for column in range(3)
            ]
            for axes in panels:
                show_picture(axes, image)
            high, wide = image.shape[:2]
            place = {"extent": (-0.5, wide - 0.5, high - 0.5, -0.5), "alpha": 0.65}
            most = max(float(np.abs(fall).max()), 0.01)
            shown = panels[2].imshow(fall, cmap="RdBu_r", norm=TwoSlopeNorm(0, -most, most), **place)
            panels[1].imshow(gradient / (gradient.max() or 1), cmap="inferno", vmin=0, vmax=1, **place)
            bar = figure.colorbar(
                shown,
                cax=_axes(figure, MARGIN + 3 * side + 2 * gap + 0.15, top - 0.3 - side, 0.13, side),
                ticks=[-most, 0, most],
            )
            bar.set_ticklabels([f"−{100 * most:.0f} %", "0", f"+{100 * most:.0f} %"])
            bar.outline.set_visible(False)
            bar.ax.tick_params(labelsize=9)
            bar.set_label("fall when covered", fontsize=8.5, color=GREY)


def show_picture(axes, image: np.ndarray) -> None:
    """A uint8 image (H, W, 1 or 3) in its own proportions, without ticks."""
    axes.imshow(image[..., 0] if image.shape[-1] == 1 else image, cmap="gray", vmin=0, vmax=255)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(True)


def _axes(figure: Figure, left: float, bottom: float, wide: float, high: float):
    """Axes at this place, in inches."""
    width, height = figure.get_size_inches()
    return figure.add_axes((left / width, bottom / height, wide / width, high / height))
