"""Blocks in oblique perspective, as the papers draw them: heights upwards, maps to the right, widths to the back.

All lengths are pixels. The face on the right is the last map, seen from the side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Polygon

from nn.plots.style import COLOURS, INK

BACK = np.array([0.42, 0.30])  # where a pixel of width goes on the paper: to the right and up
TINTS = {"picture": "#dcdcdc", "convolution": "#b5d5ea", "pooling": "#b9e0d0", "vector": "#f2cba6"}
KERNEL = COLOURS[1]
MOST_SHEETS, THINNEST_SHEET = 24, 4.5  # maps that are drawn one by one, and the least pixels that each needs


@dataclass
class Box:
    """One box on the paper: its front face's lower left corner, and its lengths."""

    x: float
    y: float
    length: float  # to the right: the maps
    height: float
    width: float  # to the back

    def point(self, map_: float, row: float, column: float) -> np.ndarray:
        """A point of the box, from (0, 0, 0), the first map's upper front corner, to (1, 1, 1)."""
        return np.array([self.x + map_ * self.length, self.y + (1 - row) * self.height]) + column * self.width * BACK

    def faces(self) -> dict[str, list[np.ndarray]]:
        """The three that one sees, each as its four corners."""
        p = self.point
        return {
            "front": [p(0, 1, 0), p(1, 1, 0), p(1, 0, 0), p(0, 0, 0)],
            "top": [p(0, 0, 0), p(1, 0, 0), p(1, 0, 1), p(0, 0, 1)],
            "side": [p(1, 1, 0), p(1, 1, 1), p(1, 0, 1), p(1, 0, 0)],
        }


def body_size(length: float, height: float, width: float) -> tuple[float, float]:
    """What a box takes on the paper, across and up."""
    return length + width * BACK[0], height + width * BACK[1]


def draw_box(axes: Axes, box: Box, kind: str, sheets: int = 0) -> None:
    """A box with light from above; as `sheets` maps standing side by side if they are few."""
    shades = {"front": 0.25, "top": 0.6, "side": 0.0}
    for face, corners in box.faces().items():
        colour = _lighter(TINTS[kind], shades[face])
        axes.add_patch(Polygon(corners, facecolor=colour, edgecolor=INK, linewidth=0.7, joinstyle="round", zorder=2))
    if 1 < sheets <= MOST_SHEETS and box.length / sheets >= THINNEST_SHEET:
        for map_ in np.arange(1, sheets) / sheets:
            _line(axes, [box.point(map_, 1, 0), box.point(map_, 0, 0), box.point(map_, 0, 1)], INK, 0.35)


def draw_window(axes: Axes, box: Box, window: tuple[float, float], place: tuple[float, float], depth: float) -> None:
    """What one number of the next block sees, as a box in this one: through so large a share of its maps.

    depth 0 is the last map alone, as each number that pooling makes sees one map.
    """
    top, front = _corner(window, place)
    rows, columns = (top, top + window[0]), (front, front + window[1])
    near = _rectangle(box, 1, rows, columns)
    axes.add_patch(Polygon(near, facecolor=KERNEL, alpha=0.28, edgecolor="none", zorder=4))
    _line(axes, [*near, near[0]], KERNEL, 1.0)
    if depth > 0:
        far = _rectangle(box, 1 - depth, rows, columns)
        _line(axes, [*far, far[0]], KERNEL, 0.6)
        for start, end in zip(far, near):
            _line(axes, [start, end], KERNEL, 0.6)


def draw_rays(axes: Axes, box: Box, window: tuple[float, float], place: tuple[float, float], target: Box) -> None:
    """Lines from the window's corners to the one number of the next block that sees it."""
    top, front = _corner(window, place)
    end = target.point(0, *place)
    for corner in _rectangle(box, 1, (top, top + window[0]), (front, front + window[1])):
        _line(axes, [corner, end], KERNEL, 0.6)
    axes.plot(*end, "o", color=KERNEL, markersize=2.6, zorder=6)


def draw_fan(axes: Axes, box: Box, target: Box) -> None:
    """Lines from a block's ends to the next one's: everything sees everything."""
    highest, lowest = box.point(1, 0, 1), box.point(1, 1, 0)
    for start, end in ((highest, target.point(0, 0, 0)), (lowest, target.point(0, 1, 0))):
        axes.plot(*zip(start, end), color="#8a8a8a", linewidth=0.7, zorder=1)


def _corner(window: tuple[float, float], place: tuple[float, float]) -> list[float]:
    """The upper front corner of a window around `place`, pushed inside the block; all as shares of its sides."""
    return [min(max(0.0, middle - size / 2), 1 - size) for size, middle in zip(window, place)]


def _rectangle(box: Box, map_: float, rows: tuple[float, float], columns: tuple[float, float]) -> list[np.ndarray]:
    places = [(rows[0], columns[0]), (rows[1], columns[0]), (rows[1], columns[1]), (rows[0], columns[1])]
    return [box.point(map_, row, column) for row, column in places]


def _line(axes: Axes, points: list[np.ndarray], colour: str, width: float) -> None:
    axes.plot(
        *zip(*points), color=colour, linewidth=width, solid_joinstyle="round", zorder=5 if colour == KERNEL else 3
    )


def _lighter(colour: str, share: float) -> tuple[float, ...]:
    """The colour, mixed with so much white."""
    return tuple(1 - (1 - value) * (1 - share) for value in to_rgb(colour))
