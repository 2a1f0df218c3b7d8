"""Drawings of filled outlines: made once in coordinates without a size, painted at any number of pixels.

An outline is an array (n, 2) of points (x, y), x to the right and y DOWN as in pictures. A colour is three numbers in
0..255. A drawing keeps its steps in painter's order; nothing is painted until its final size is known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

Colour = tuple[float, float, float]
Mapping = Callable[[np.ndarray], np.ndarray]


@dataclass
class Fill:
    """One outline of one colour; `roundness` above 0 shades it like a ball, lit from where the scene's light is."""

    outline: np.ndarray
    colour: Colour
    roundness: float = 0.0


@dataclass
class Pieces:
    """Many small outlines of equally many points, (m, n, 2), each with its colour: hairs, ticks, tiles."""

    outlines: np.ndarray
    colours: list[Colour]


@dataclass
class Texture:
    """A coarse grid of opacities 0..1, stretched over the whole picture, through which a colour is laid on."""

    grid: np.ndarray
    colour: Colour


@dataclass
class Inside:
    """Steps that show only inside an outline, and with this opacity."""

    outline: np.ndarray
    opacity: float
    steps: list = field(default_factory=list)


class Drawing:
    """Steps in painter's order, and what a scene must know to place them.

    chin     of a bust, which goes on below the picture: how far down it must show
    ground   of what stands on the ground: the outline of its place there, for the shadow
    turns    whether it may be turned any way, as things on a table may
    """

    def __init__(self) -> None:
        self.steps: list = []
        self.chin: float | None = None
        self.ground: np.ndarray | None = None
        self.turns = False

    def fill(self, outline: np.ndarray, colour: Colour, roundness: float = 0.0) -> None:
        self.steps.append(Fill(np.asarray(outline, dtype=float), colour, roundness))

    def line(self, points, width, colour: Colour, roundness: float = 0.0) -> None:
        """A smooth line through the points; `width` is one number or one for each point."""
        self.fill(limb(points, width), colour, roundness)

    def pieces(self, outlines: np.ndarray, colours: list[Colour]) -> None:
        self.steps.append(Pieces(np.asarray(outlines, dtype=float), colours))

    def texture(self, grid: np.ndarray, colour: Colour) -> None:
        self.steps.append(Texture(grid, colour))

    @contextmanager
    def inside(self, outline: np.ndarray, opacity: float = 1.0) -> Iterator[None]:
        """What is drawn in this block shows only inside the outline."""
        outer, clip = self.steps, Inside(np.asarray(outline, dtype=float), opacity)
        outer.append(clip)
        self.steps = clip.steps
        yield
        self.steps = outer

    def add(self, other: Drawing, mapping: Mapping) -> None:
        """Another drawing's steps, with `mapping` applied to all its points."""
        self.steps.extend(_mapped(step, mapping) for step in other.steps)

    def stand(self) -> None:
        """Put it on the ground: its place there is a flat ellipse below all of it."""
        (left, _), (right, bottom) = self.points().min(axis=0), self.points().max(axis=0)
        half = (right - left) / 2
        self.ground = ellipse(left + half, bottom - 0.04 * half, 0.95 * half, 0.09 * half)

    def points(self) -> np.ndarray:
        """All points of the outermost steps, (n, 2): they tell how far the drawing reaches."""
        outlines = [step.outline for step in self.steps if isinstance(step, Fill)]
        outlines += [step.outlines.reshape(-1, 2) for step in self.steps if isinstance(step, Pieces)]
        return np.concatenate(outlines)


def _mapped(step, mapping: Mapping):
    if isinstance(step, Fill):
        return Fill(mapping(step.outline), step.colour, step.roundness)
    if isinstance(step, Pieces):
        return Pieces(mapping(step.outlines.reshape(-1, 2)).reshape(step.outlines.shape), step.colours)
    if isinstance(step, Inside):
        return Inside(mapping(step.outline), step.opacity, [_mapped(inner, mapping) for inner in step.steps])
    return step


# ---- outlines ----


def smooth(points, closed: bool = True, steps: int = 6) -> np.ndarray:
    """The Catmull-Rom curve through the points: it passes through each with the slope of its two neighbours."""
    middle = np.asarray(points, dtype=float)
    if closed:
        before, after, beyond = (np.roll(middle, shift, axis=0) for shift in (1, -1, -2))
    else:
        padded = np.concatenate([middle[:1], middle, middle[-1:]])
        before, middle, after, beyond = padded[:-3], padded[1:-2], padded[2:-1], padded[3:]
    t = np.linspace(0, 1, steps, endpoint=False)[:, None, None]
    curve = 0.5 * (
        2 * middle
        + (after - before) * t
        + (2 * before - 5 * middle + 4 * after - beyond) * t**2
        + (3 * middle - before - 3 * after + beyond) * t**3
    )
    curve = curve.transpose(1, 0, 2).reshape(-1, 2)
    return curve if closed else np.concatenate([curve, np.asarray(points, dtype=float)[-1:]])


def ellipse(x: float, y: float, across: float, down: float | None = None, degrees: float = 0.0) -> np.ndarray:
    """The ellipse around (x, y) with these two radii, turned clockwise."""
    angles = np.linspace(0, 2 * math.pi, 28, endpoint=False)
    circle = np.stack([np.cos(angles) * across, np.sin(angles) * (across if down is None else down)], axis=1)
    return moved(x, y, degrees=degrees)(circle)


def box(left: float, top: float, right: float, bottom: float, rounding: float = 0.0) -> np.ndarray:
    """A rectangle, with corners cut off by `rounding`."""
    r = rounding
    if r == 0:
        return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], dtype=float)
    k = 0.3 * r
    corners = [(left, top, 1, 1), (right, top, -1, 1), (right, bottom, -1, -1), (left, bottom, 1, -1)]
    points = []
    for i, (x, y, sx, sy) in enumerate(corners):
        arc = [(x, y + sy * r), (x + sx * k, y + sy * k), (x + sx * r, y)]
        points += arc if i % 2 == 0 else arc[::-1]
    return np.array(points, dtype=float)


def limb(points, widths) -> np.ndarray:
    """The outline of a line with round ends along the smooth curve through the points."""
    points = np.asarray(points, dtype=float)
    curve = smooth(points, closed=False, steps=5) if len(points) > 2 else points
    at = np.linspace(0, 1, len(curve))
    half = np.interp(at, np.linspace(0, 1, len(points)), np.broadcast_to(np.asarray(widths, float) / 2, len(points)))
    along = np.gradient(curve, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    turn = np.linspace(0, math.pi, 7)[1:-1, None]
    end = curve[-1] + half[-1] * (np.cos(turn) * across[-1] + np.sin(turn) * along[-1])
    start = curve[0] - half[0] * (np.cos(turn) * across[0] + np.sin(turn) * along[0])
    return np.concatenate([curve + half[:, None] * across, end, (curve - half[:, None] * across)[::-1], start])


def furry(outline: np.ndarray, depth: float, spacing: float, rng: np.random.Generator) -> np.ndarray:
    """The outline with tufts of hair of about this depth, one every 2 * `spacing` or so."""
    closed = np.concatenate([outline, outline[:1]])
    lengths = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    count = max(8, 2 * round(lengths[-1] / spacing / 2))
    at = (np.arange(count) + rng.uniform(-0.35, 0.35, count)) / count * lengths[-1]
    points = np.stack([np.interp(at, lengths, closed[:, k]) for k in (0, 1)], axis=1)
    along = np.roll(points, -1, axis=0) - np.roll(points, 1, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    x, y = points.T
    clockwise = np.sign(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))
    outwards = clockwise * np.stack([along[:, 1], -along[:, 0]], axis=1)
    tufts = depth * rng.uniform(0.3, 1.3, (count, 1)) * (np.arange(count) % 2)[:, None]
    return points + tufts * outwards + 0.5 * tufts * np.array([0, 1])  # hair hangs a little


def mirrored(points) -> np.ndarray:
    """A symmetric outline from its right half, given from top to bottom."""
    right = np.asarray(points, dtype=float)
    left = right[::-1] * np.array([-1, 1])
    return np.concatenate([right, left[np.abs(left[:, 0]) > 1e-9]])


def moved(x: float = 0, y: float = 0, scale: float = 1, degrees: float = 0, flip: bool = False) -> Mapping:
    """The mapping that mirrors, turns, scales and then moves points."""
    cos, sin = scale * math.cos(math.radians(degrees)), scale * math.sin(math.radians(degrees))
    matrix = np.array([[cos, sin], [-sin, cos]]) * (np.array([[-1], [1]]) if flip else 1)
    return lambda points: np.asarray(points, dtype=float) @ matrix + np.array([x, y])


# ---- colours ----


def shade(colour: Colour, factor: float) -> Colour:
    """Darker (below 1) or lighter (above 1)."""
    return tuple(min(255.0, channel * factor) for channel in colour)


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """`one` with this share of `other`."""
    return tuple((1 - share) * a + share * b for a, b in zip(one, other))


def vary(colour: Colour, amount: float, rng: np.random.Generator) -> Colour:
    """A colour near this one: brightness and hue each a little off."""
    return tuple(np.clip(np.array(colour) * rng.normal(1, 0.1) + rng.normal(0, amount, 3), 4, 250).tolist())


# ---- painting ----


def paint(picture: Image.Image, drawing: Drawing, to_unit: Mapping, light: tuple[float, float]) -> None:
    """Paint the drawing on a square picture; `to_unit` brings its points to 0..1, `light` points to the light."""
    size = picture.width
    steps = list(_every(drawing.steps))
    if not steps:
        return
    points = [step.outlines.reshape(-1, 2) if isinstance(step, Pieces) else step.outline for step in steps]
    ends = np.cumsum([len(each) for each in points])[:-1]
    pixels = np.split(to_unit(np.concatenate(points)) * size - 0.5, ends)  # all at once is much faster
    _paint(picture, drawing.steps, {id(step): each for step, each in zip(steps, pixels)}, light, size, np.zeros(2))


def _every(steps: list) -> Iterator:
    """All steps that have points, also those inside others."""
    for step in steps:
        if not isinstance(step, Texture):
            yield step
        if isinstance(step, Inside):
            yield from _every(step.steps)


def _paint(picture, steps, pixels, light, size, corner) -> None:
    """`pixels` holds each step's points; `corner` is where `picture`, a part of the whole, has its first pixel."""
    pen = ImageDraw.Draw(picture)
    for step in steps:
        if isinstance(step, Texture):
            _lay_on(picture, step, size, corner)
            continue
        outline = pixels[id(step)] - corner
        if isinstance(step, Pieces):
            for piece, colour in zip(outline.reshape(len(step.outlines), -1).tolist(), step.colours):
                pen.polygon(piece, fill=_bytes(colour))
        elif isinstance(step, Fill) and step.roundness == 0:
            pen.polygon(outline.ravel().tolist(), fill=_bytes(step.colour))
        elif (around := _box_around(outline, picture)) is not None:
            start = np.array(around[:2])
            mask = Image.new("L", (around[2] - around[0], around[3] - around[1]))
            opacity = 1.0 if isinstance(step, Fill) else step.opacity
            ImageDraw.Draw(mask).polygon((outline - start).ravel().tolist(), fill=round(255 * opacity))
            if isinstance(step, Fill):
                part = _ball(mask.size, outline - start, step, light)
            else:
                part = picture.crop(around)
                _paint(part, step.steps, pixels, light, size, corner + start)
            picture.paste(part, around, mask)


@lru_cache(maxsize=4096)
def _bytes(colour: Colour) -> tuple[int, int, int]:
    return tuple(max(0, min(255, round(channel))) for channel in colour)


def _box_around(outline: np.ndarray, picture: Image.Image) -> tuple[int, int, int, int] | None:
    """The part of the picture that the outline can touch, in whole pixels; None where it misses the picture."""
    left, top = np.maximum(np.floor(outline.min(axis=0)).astype(int), 0).tolist()
    right, bottom = np.minimum(np.ceil(outline.max(axis=0)).astype(int) + 1, picture.size).tolist()
    return (left, top, right, bottom) if right > left and bottom > top else None


RADIAL = Image.radial_gradient("L")  # 256 x 256: 0 in the middle, 255 at a distance of 128 and beyond


def _ball(size: tuple[int, int], outline: np.ndarray, step: Fill, light: tuple[float, float]) -> Image.Image:
    """The colour as on a ball that fills the outline: bright towards the light, dark at the far rim."""
    low, high = outline.min(axis=0), outline.max(axis=0)
    radii = np.maximum(high - low, 1) / 2
    x, y = (low + high) / 2 + 0.4 * radii * np.asarray(light)
    across, down = 85 / radii  # the rim opposite the light lies 1.4 radii away
    gradient = RADIAL.transform(size, Image.Transform.AFFINE, (across, 0, 128 - x * across, 0, down, 128 - y * down))
    factors = 1 + step.roundness * (0.28 - 1.1 * np.linspace(0, 1, 256) ** 1.6)
    gradient.putpalette(np.clip(np.outer(factors, step.colour), 0, 255).astype(np.uint8).tobytes())
    return gradient.convert("RGB")


def _lay_on(picture: Image.Image, step: Texture, size: int, corner: np.ndarray) -> None:
    grid = Image.fromarray(np.rint(np.clip(step.grid, 0, 1) * 255).astype(np.uint8))
    left, top = corner
    per_pixel_x, per_pixel_y = grid.width / size, grid.height / size
    region = (
        left * per_pixel_x,
        top * per_pixel_y,
        (left + picture.width) * per_pixel_x,
        (top + picture.height) * per_pixel_y,
    )
    mask = grid.resize(picture.size, Image.Resampling.BICUBIC, box=region)
    picture.paste(_bytes(step.colour), (0, 0, *picture.size), mask)
