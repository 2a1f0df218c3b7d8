"""What lies behind the objects, drawn from one distribution for every class, so that it gives no class away.

Backgrounds are drawings in the image's own coordinates, 0..1.
"""

from __future__ import annotations

import colorsys
import math

import numpy as np

from nn.data.rendered.drawing import Colour, Drawing, box, ellipse, mix, moved, shade, smooth, vary

WHOLE = box(-0.05, -0.05, 1.05, 1.05)
SKY = [(150, 190, 230), (200, 214, 226), (232, 190, 160), (120, 150, 190), (214, 222, 232)]
EARTH = [(106, 132, 70), (140, 148, 84), (150, 128, 96), (176, 158, 122), (120, 118, 114), (224, 226, 230)]
WOOD = [(150, 106, 66), (186, 142, 94), (110, 76, 52), (206, 176, 134), (134, 122, 108)]


def background(rng: np.random.Generator) -> Drawing:
    drawing = Drawing()
    kinds = [_plain, _cloudy, _stripes, _checks, _grass, _landscape, _bricks, _planks, _grid_paper, _room, _foliage]
    kinds[rng.integers(len(kinds))](drawing, rng)
    _gradient(drawing, rng)
    if rng.random() < 0.55:
        _clutter(drawing, rng)
    if rng.random() < 0.4:
        drawing.texture(rng.random((96, 96)) * rng.uniform(0.05, 0.22), any_colour(rng))
    return drawing


def any_colour(rng: np.random.Generator) -> Colour:
    """Any hue, brown and orange more often, mostly subdued."""
    hue = rng.random() if rng.random() < 0.6 else rng.normal(0.08, 0.03) % 1
    rgb = colorsys.hsv_to_rgb(hue, rng.beta(1.3, 2.6), rng.uniform(0.22, 0.97))
    return tuple(255 * channel for channel in rgb)


def _of(colours: list[Colour], rng: np.random.Generator) -> Colour:
    return vary(colours[rng.integers(len(colours))], 8, rng)


def _gradient(drawing: Drawing, rng: np.random.Generator) -> None:
    """A slow change of colour over the whole image."""
    drawing.texture(rng.random((2, 2)) * rng.uniform(0.05, 0.4), any_colour(rng))


def _clutter(drawing: Drawing, rng: np.random.Generator) -> None:
    """Things without a name: boxes, balls, sticks, rags."""
    for _ in range(rng.integers(2, 8)):
        x, y, size = rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(0.04, 0.22)
        colour, kind = any_colour(rng), rng.integers(4)
        if kind == 0:
            sides = size * rng.uniform(0.4, 1.2, 2)
            drawing.fill(moved(x, y, degrees=rng.uniform(0, 180))(box(-sides[0], -sides[1], *sides)), colour, 0.3)
        elif kind == 1:
            drawing.fill(
                ellipse(x, y, size, size * rng.uniform(0.5, 1), rng.uniform(0, 180)), colour, rng.uniform(0, 0.7)
            )
        elif kind == 2:
            ends = np.array([x, y]) + rng.normal(0, 0.3, (3, 2))
            drawing.line(ends, rng.uniform(0.006, 0.05), colour)
        else:
            angles = np.linspace(0, 2 * math.pi, 7, endpoint=False)
            radii = size * rng.uniform(0.4, 1.2, 7)
            points = np.stack([x + radii * np.cos(angles), y + radii * np.sin(angles)], axis=1)
            drawing.fill(smooth(points) if rng.random() < 0.5 else points, colour, 0.2)


def _plain(drawing: Drawing, rng: np.random.Generator) -> None:
    drawing.fill(WHOLE, any_colour(rng))


def _cloudy(drawing: Drawing, rng: np.random.Generator) -> None:
    """Noise of several finenesses: plaster, stone, carpet."""
    drawing.fill(WHOLE, any_colour(rng))
    other = any_colour(rng)
    for cells in (4, 11, 30):
        drawing.texture(rng.random((cells, cells)) * 0.5, other)


def _stripes(drawing: Drawing, rng: np.random.Generator) -> None:
    drawing.fill(WHOLE, any_colour(rng))
    step = rng.uniform(0.03, 0.2)
    edges = np.arange(-0.3, 1.3, step)
    bars = np.stack([box(left, -0.4, left + step * 0.5, 1.4) for left in edges])
    turned = moved(0.5, 0.5, degrees=rng.uniform(0, 180))(bars.reshape(-1, 2) - 0.5).reshape(bars.shape)
    drawing.pieces(turned, [any_colour(rng)] * len(bars))


def _checks(drawing: Drawing, rng: np.random.Generator) -> None:
    drawing.fill(WHOLE, any_colour(rng))
    count = rng.integers(5, 12)
    step = 1.5 / count
    cells = [
        box(i * step, j * step, (i + 1) * step, (j + 1) * step) - 0.75
        for i in range(count)
        for j in range(count)
        if (i + j) % 2
    ]
    turned = moved(0.5, 0.5, degrees=rng.uniform(0, 90))(np.reshape(cells, (-1, 2)))
    drawing.pieces(turned.reshape(-1, 4, 2), [any_colour(rng)] * len(cells))


def blades(rng: np.random.Generator, count: int, top: float, bottom: float, tall: float) -> np.ndarray:
    """Blades of grass with their roots between these heights, the far ones first."""
    y = np.sort(rng.uniform(top, bottom, count))
    roots = np.stack([rng.uniform(-0.05, 1.05, count), y], axis=1)
    size = tall * rng.uniform(0.5, 1.2, (count, 1)) * (0.5 + 0.7 * y[:, None])
    tips = roots + size * np.stack([rng.normal(0, 0.35, count), -np.ones(count)], axis=1)
    side = np.array([0.09, 0]) * size
    return np.stack([roots - side, roots + side, tips], axis=1)


def _grass(drawing: Drawing, rng: np.random.Generator) -> None:
    colour = _of(EARTH[:4], rng)
    drawing.fill(WHOLE, shade(colour, 0.7))
    tones = [vary(colour, 10, rng) for _ in range(8)]
    drawing.pieces(blades(rng, 350, 0.0, 1.15, 0.16), [tones[k] for k in rng.integers(0, 8, 350)])


def _landscape(drawing: Drawing, rng: np.random.Generator) -> None:
    drawing.fill(WHOLE, _of(SKY, rng))
    drawing.texture(rng.random((5, 4)) * 0.6, (244, 244, 244))
    horizon, ground = rng.uniform(0.22, 0.52), _of(EARTH, rng)
    heights = horizon - rng.uniform(0.0, 0.2, 9)
    hills = np.stack([np.linspace(-0.1, 1.1, 9), heights], axis=1)
    drawing.fill(
        np.concatenate([smooth(hills, closed=False), [(1.1, 1), (-0.1, 1)]]), mix(_of(EARTH, rng), (150, 170, 190), 0.4)
    )
    drawing.fill(box(-0.1, horizon, 1.1, 1.1), ground)
    with drawing.inside(box(-0.1, horizon, 1.1, 1.1)):
        drawing.texture(rng.random((40, 20)) * 0.5, shade(ground, 0.7))


def _bricks(drawing: Drawing, rng: np.random.Generator) -> None:
    drawing.fill(WHOLE, vary((176, 168, 158), 10, rng))
    colour = _of([(150, 78, 60), (168, 118, 84), (128, 118, 112), (206, 196, 184)], rng)
    rows = rng.integers(6, 13)
    tall, gap = 1.1 / rows, 0.008
    wide = tall * 2.4
    bricks = [
        box(left, row * tall, left + wide - gap, (row + 1) * tall - gap)
        for row in range(rows)
        for left in np.arange(-wide * (0.5 + 0.5 * (row % 2)), 1.05, wide)
    ]
    drawing.pieces(np.array(bricks), [vary(colour, 6, rng) for _ in bricks])
    drawing.texture(rng.random((60, 60)) * 0.25, shade(colour, 0.6))


def _planks(drawing: Drawing, rng: np.random.Generator) -> None:
    colour, count, turn = _of(WOOD, rng), rng.integers(4, 10), rng.choice([0, 90, rng.uniform(0, 180)])
    drawing.fill(WHOLE, shade(colour, 0.5))
    place, wide = moved(0.5, 0.5, degrees=turn), 1.5 / count
    for k in range(count):
        left, tone = -0.75 + k * wide, vary(colour, 5, rng)
        drawing.fill(place(box(left, -0.8, left + wide * 0.96, 0.8)), tone)
        at = left + wide * rng.uniform(0.05, 0.9, (5, 1, 1))
        grain = np.array([(0, -0.8), (0.006, -0.8), (0.004, 0.8), (-0.002, 0.8)]) + at * np.array([1, 0])
        drawing.pieces(place(grain.reshape(-1, 2)).reshape(-1, 4, 2), [shade(tone, 0.82)] * 5)


def _grid_paper(drawing: Drawing, rng: np.random.Generator) -> None:
    """Graph paper, a cutting mat or tiles."""
    dark = rng.random() < 0.4
    colour = shade(any_colour(rng), 0.45) if dark else mix(any_colour(rng), (240, 240, 236), 0.7)
    drawing.fill(WHOLE, colour)
    line = mix(colour, (250, 250, 240) if dark else (90, 130, 170), 0.5)
    step, thick = rng.uniform(0.05, 0.17), rng.uniform(0.004, 0.012)
    edges = np.arange(-0.75, 0.75, step)
    lines = [box(at, -0.8, at + thick, 0.8) for at in edges] + [box(-0.8, at, 0.8, at + thick) for at in edges]
    turned = moved(0.5, 0.5, degrees=rng.choice([0, rng.uniform(0, 90)]))(np.reshape(lines, (-1, 2)))
    drawing.pieces(turned.reshape(-1, 4, 2), [line] * len(lines))


def _room(drawing: Drawing, rng: np.random.Generator) -> None:
    """A wall, a floor or table, perhaps a window or a picture on the wall."""
    wall, floor, edge = any_colour(rng), _of(WOOD + EARTH, rng), rng.uniform(0.35, 0.62)
    drawing.fill(WHOLE, mix(wall, (230, 225, 215), 0.4))
    for _ in range(rng.integers(0, 3)):
        x, y, sides = rng.uniform(0, 1), rng.uniform(0, 0.4), rng.uniform(0.08, 0.25, 2)
        drawing.fill(box(x - sides[0], y - sides[1], x + sides[0], y + sides[1]), shade(wall, 0.5))
        drawing.fill(
            box(x - sides[0] + 0.015, y - sides[1] + 0.015, x + sides[0] - 0.015, y + sides[1] - 0.015), any_colour(rng)
        )
    drawing.fill(box(-0.1, edge, 1.1, 1.1), floor)
    drawing.fill(box(-0.1, edge - 0.03, 1.1, edge), mix(wall, (250, 250, 250), 0.6))
    with drawing.inside(box(-0.1, edge, 1.1, 1.1)):
        drawing.texture(rng.random((50, 6)) * 0.4, shade(floor, 0.7))


def _foliage(drawing: Drawing, rng: np.random.Generator) -> None:
    """Leaves, pebbles or lights out of focus."""
    colour = any_colour(rng)
    drawing.fill(WHOLE, shade(colour, 0.6))
    round_, count = rng.uniform(0.4, 1), 110
    size = rng.uniform(0.02, 0.08, count) * rng.uniform(0.7, 1.5)
    leaves = np.stack([
        ellipse(x, y, s, s * round_, turn)[::3]
        for x, y, s, turn in zip(rng.uniform(0, 1, count), rng.uniform(0, 1, count), size, rng.uniform(0, 180, count))
    ])  # fmt: skip
    drawing.pieces(leaves, [vary(colour, 16, rng) for _ in range(count)])
