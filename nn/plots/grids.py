"""What is inside a layer, as one tidy grid of tiles: activations, kernels or gradients."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from nn.plots import tiles
from nn.plots.style import COLOURS, DPI, GREY, WRONG, picture, show_image
from nn.plots.tiles import Mosaic

# The words for what is zero throughout, and what one number is called.
KINDS = {
    "activations": ("zero", "activation"),
    "kernels": ("zero", "weight"),
    "gradients": ("without gradient", "gradient"),
}
FROM_ZERO = LinearSegmentedColormap.from_list("from zero", ["#ffffff", "#c9b8dd", "#7b4fa3", "#2d0a4e"])
AROUND_ZERO = matplotlib.colormaps["RdBu_r"]  # white is zero
DOT = "#d9705f"  # in a cell that is zero
MOST_BARS = 32  # a longer vector becomes cells

# Pixels.
PAGE, MARGIN, THUMBNAIL = 1320, 32, 84
LABELS = 40  # left of the tiles
FOOT = 76


def grid(
    path: str | Path,
    array: np.ndarray,
    title: str = "",
    kind: str = "activations",
    image: np.ndarray | None = None,
    limit: int = 128,
) -> None:
    """Draw a layer's numbers for one image, or its weights, as tiles with one scale for all.

    array, kind="activations" or "gradients": (H, W, C), a tile for each map, or (units,), as bars or cells.
        kind="kernels" (and the gradients of kernels): (KH, KW, C_in, C_out), each kernel in grey or RGB if C_in is 1
        or 3, else a tile for each output (row) and input (column); (in, out), a row for each output; (units,).
    image: the image (H, W, C) that the numbers belong to, shown small; a vector is not shown.
    limit: the most tiles that are drawn.

    Numbers from zero upwards go from white to violet, signed ones from blue by white to red. What is zero throughout
    is framed in red (cells and bars: a dot or a line) and counted. A few numbers far above all others do not pale the
    rest: the scale ends before them, and says so.
    """
    if kind not in KINDS:
        raise ValueError(f"grid: kind is {kind!r}, expected 'activations', 'kernels' or 'gradients'")
    array = np.asarray(array, dtype=np.result_type(array, np.float32))
    if array.ndim not in ((1, 3) if kind == "activations" else (1, 2, 4) if kind == "kernels" else (1, 2, 3, 4)):
        forms = {"activations": "(H, W, C) or (units,)", "kernels": "(KH, KW, C_in, C_out), (in, out) or (units,)"}
        raise ValueError(f"grid: expected {kind} of shape {forms.get(kind, '1 to 4 dimensions')}, got {array.shape}")
    if array.size == 0 or limit < 1:
        raise ValueError(f"grid: nothing to draw of shape {array.shape} with limit={limit}")
    if np.ndim(image) != 3:
        image = None
    facts = _facts(array, kind)
    array = np.nan_to_num(array, posinf=0, neginf=0)
    if array.ndim == 1 and len(array) <= MOST_BARS:
        _draw_bars(path, array, _Page(title, [tiles.how_many(len(array), len(array), "units"), *facts], kind, image))
    else:
        mosaic = _mosaic(array, kind, limit)
        _draw_tiles(path, mosaic, _Page(title, [mosaic.caption, *facts], kind, image), _scale(array, kind))


@dataclass
class _Page:
    """What stands above the tiles."""

    title: str
    caption: list[str]  # a line each
    kind: str
    image: np.ndarray | None

    @property
    def header(self) -> float:
        """Its height."""
        lines = 48 + 19 * len(self.caption) + 12
        return lines if self.image is None else max(lines, 20 + THUMBNAIL + 18)


@dataclass
class _Scale:
    """Which colours stand for the numbers from `bottom` to `top`."""

    colours: Colormap
    bottom: float
    top: float
    largest: float  # the size of the largest number, which may lie beyond

    def words(self, sign: int) -> str:
        return f"{'−' if sign < 0 else ''}{_number(self.top)}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if 1000 <= value < 1e7 else f"{value:.3g}"


def _scale(array: np.ndarray, kind: str) -> _Scale:
    if array.ndim == 2:  # may be very large: the part that is drawn
        array = array[: tiles.MOST_INPUTS, : tiles.MOST_OUTPUTS]
    sizes = np.abs(array[array != 0])
    largest = float(sizes.max(initial=0)) or 1.0
    top = float(np.quantile(sizes, 0.998)) if sizes.size else largest
    if top > 0.75 * largest or (array.ndim == 4 and array.shape[2] == 3):  # in colour nothing is cut off
        top = largest
    signed = kind != "activations" or array.min() < 0
    return _Scale(AROUND_ZERO, -top, top, largest) if signed else _Scale(FROM_ZERO, 0.0, top, largest)


def _mosaic(array: np.ndarray, kind: str, limit: int) -> Mosaic:
    if array.ndim == 1:
        return tiles.cells(array)
    if array.ndim == 2:
        return tiles.matrix(array)
    if array.ndim == 3:
        return tiles.maps(array, limit)
    if array.shape[2] == 1:
        return tiles.maps(array[:, :, 0], limit, "kernels")
    if array.shape[2] == 3:
        return tiles.maps(np.swapaxes(array, 2, 3), limit, "kernels")
    return tiles.pairs(array, limit)


def _facts(array: np.ndarray, kind: str) -> list[str]:
    """What the caption says of all numbers, drawn or not."""
    if array.ndim == 1:
        noun, zero = "units", array == 0
    elif array.ndim == 3:
        noun, zero = "maps", ~array.any(axis=(0, 1))
    elif array.ndim == 4:
        noun, zero = "kernels", ~(array.any(axis=(0, 1, 2)) if array.shape[2] == 3 else array.any(axis=(0, 1)))
    else:
        noun, zero = "outputs", ~array.any(axis=0)
    facts = []
    if zero.any():
        verb = "is" if zero.sum() == 1 else "are"
        mark = {1: " (red)", 2: ""}.get(array.ndim, " (framed in red)")
        facts.append(f"{zero.sum():,} of {zero.size:,} {noun} {verb} {KINDS[kind][0]}{mark}")
    lost = np.count_nonzero(~np.isfinite(array))
    if lost:
        facts.append(f"{lost:,} numbers are not finite, drawn as 0")
    return facts


def _draw_bars(path: str | Path, vector: np.ndarray, page: _Page) -> None:
    left, top = MARGIN + 60, page.header + 12
    height = top + 240 + 66
    with picture(path, PAGE / DPI, height / DPI, layout=None) as figure:
        _write_header(figure, height, page)
        axes = _axes(figure, height, left, top, min(PAGE - MARGIN - left, 60 * len(vector)), 240)
        colours = [WRONG if value == 0 else COLOURS[0] for value in vector]
        axes.bar(range(len(vector)), vector, width=0.7, color=colours, edgecolor=colours)
        axes.axhline(0, color=GREY, linewidth=0.8)
        axes.set_xlim(-0.6, len(vector) - 0.4)
        axes.set_xticks(range(len(vector)))
        axes.tick_params(axis="x", length=0)
        axes.tick_params(labelsize=8.5)
        axes.set_xlabel("unit", color=GREY)
        axes.set_ylabel(KINDS[page.kind][1], color=GREY)


def _draw_tiles(path: str | Path, mosaic: Mosaic, page: _Page, scale: _Scale) -> None:
    height, width = mosaic.values.shape[:2]
    top = page.header + (20 if mosaic.column_labels else 0)
    page_height = top + height + FOOT
    with picture(path, PAGE / DPI, page_height / DPI, layout=None) as figure:
        _write_header(figure, page_height, page)
        left = MARGIN + LABELS
        axes = _axes(figure, page_height, left, top, width, height)
        axes.axis("off")
        axes.imshow(_paint(mosaic, scale), interpolation="nearest", extent=(0, width, height, 0))
        for x, y, across, down, zero in mosaic.frames:
            look = {"edgecolor": WRONG, "linewidth": 1.0} if zero else {"edgecolor": "#bdbdbd", "linewidth": 0.6}
            # Not add_patch, which for each of them asks anew how far the axes must reach: a fifth of the page's time.
            axes.add_artist(Rectangle((x, y), across, down, facecolor="none", clip_on=False, **look))
        for x, y, text in mosaic.row_labels:
            axes.text(x, y, text, fontsize=8, color=GREY, ha="right", va="center")
        for x, y, text in mosaic.column_labels:
            axes.text(x, y, text, fontsize=8, color=GREY, ha="center", va="bottom")
        if mosaic.values.ndim == 2:
            _draw_scale(figure, page_height, left, scale, KINDS[page.kind][1])
        else:
            text = f"A pixel's three weights as red, green and blue: grey is 0, the brightest is {scale.words(1)}."
            figure.text(left / PAGE, 30 / page_height, text, fontsize=9, color=GREY, va="center")


def _paint(mosaic: Mosaic, scale: _Scale) -> np.ndarray:
    """Pixels (height, width, 3)."""
    paper = np.isnan(mosaic.values)
    shares = np.clip((np.where(paper, 0, mosaic.values) - scale.bottom) / (scale.top - scale.bottom), 0, 1)
    if mosaic.values.ndim == 3:
        return np.where(paper, 1, shares)
    pixels = scale.colours(shares)[..., :3]
    pixels[paper] = 1
    if mosaic.dots is not None:
        pixels[mosaic.dots] = to_rgb(DOT)
    return pixels


def _draw_scale(figure: Figure, page_height: float, left: float, scale: _Scale, noun: str) -> None:
    """A bar of colours with its numbers, at the foot of the page."""
    axes = _axes(figure, page_height, left, page_height - 46, 260, 12)
    axes.imshow(np.linspace(0, 1, 260)[None], cmap=scale.colours, vmin=0, vmax=1, aspect="auto", extent=(0, 1, 0, 1))
    axes.set_yticks([])
    axes.set_xticks([0, 0.5, 1] if scale.bottom else [0, 1])
    axes.set_xticklabels([scale.words(-1), "0", scale.words(1)] if scale.bottom else ["0", scale.words(1)])
    axes.tick_params(length=3, labelsize=8, color="#999999")
    axes.spines[:].set(visible=True, color="#bdbdbd", linewidth=0.6)
    text = noun
    if scale.largest > scale.top:
        text += f" (a few numbers lie beyond the scale, up to {_number(scale.largest)} in size)"
    figure.text((left + 275) / PAGE, 40 / page_height, text, fontsize=9, color=GREY, va="center")


def _write_header(figure: Figure, page_height: float, page: _Page) -> None:
    """The image that the numbers belong to, the title and the caption."""
    left = MARGIN
    if page.image is not None:
        axes = _axes(figure, page_height, left, 20, THUMBNAIL, THUMBNAIL)
        show_image(axes, _to_unit_range(page.image))
        axes.spines[:].set(color="#bdbdbd", linewidth=0.6)
        left += THUMBNAIL + 18
    figure.text(left / PAGE, 1 - 20 / page_height, page.title, fontsize=12, weight="bold", va="top")
    for line, text in enumerate(page.caption):
        figure.text(left / PAGE, 1 - (48 + 19 * line) / page_height, text, fontsize=9, color=GREY, va="top")


def _to_unit_range(image: np.ndarray) -> np.ndarray:
    """Stretched from black to white if it leaves 0..1, as images do that have had their mean taken off."""
    image = np.asarray(image, dtype=np.float64)
    if image.shape[-1] not in (1, 3):
        image = image.mean(axis=-1, keepdims=True)
    if image.min() >= 0 and image.max() <= 1:
        return image
    return (image - image.min()) / (np.ptp(image) or 1)


def _axes(figure: Figure, page_height: float, left: float, top: float, width: float, height: float) -> Axes:
    """Axes placed by pixels, counted from the page's upper left corner."""
    bottom = page_height - top - height
    return figure.add_axes((left / PAGE, bottom / page_height, width / PAGE, height / page_height))
