"""Drawings of filled outlines in coordinates without a size, which painting.py paints at any number of pixels.

An outline is an array (n, 2) of points (x, y), x to the right and y DOWN as in images. A colour is three numbers in
0..255. A drawing keeps its steps in painter's order; nothing is painted until its final size is known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

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
    """A coarse grid of opacities 0..1, stretched over the whole image, through which a colour is laid on."""

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

    chin     of a bust, which goes on below the image: how far down it must show
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

AROUND = np.linspace(0, 2 * math.pi, 28, endpoint=False)
CIRCLE = np.stack([np.cos(AROUND), np.sin(AROUND)], axis=1)
HALF_TURN = np.linspace(0, math.pi, 7)[1:-1, None]
COS, SIN = np.cos(HALF_TURN), np.sin(HALF_TURN)


def smooth(points, closed: bool = True, steps: int = 6) -> np.ndarray:
    """The Catmull-Rom curve through the points: it passes through each with the slope of its two neighbours."""
    middle = np.asarray(points, dtype=float)
    if closed:
        before, after, beyond = (np.roll(middle, shift, axis=0) for shift in (1, -1, -2))
    else:
        padded = np.concatenate([middle[:1], middle, middle[-1:]])
        before, middle, after, beyond = padded[:-3], padded[1:-2], padded[2:-1], padded[3:]
    t = (np.arange(steps) / steps)[:, None, None]
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
    points = CIRCLE * np.array([across, across if down is None else down])
    return moved(x, y, degrees=degrees)(points) if degrees else points + np.array([x, y])


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
    wide = np.full(len(points), widths) if np.isscalar(widths) else np.asarray(widths)
    half = np.interp(np.arange(len(curve)) * ((len(points) - 1) / (len(curve) - 1)), np.arange(len(points)), wide / 2)
    padded = np.concatenate([curve[:1], curve, curve[-1:]])
    along = padded[2:] - padded[:-2]
    along /= np.sqrt((along * along).sum(axis=1, keepdims=True)) + 1e-9
    across = along[:, ::-1] * np.array([-1, 1])
    aside = half[:, None] * across
    end = curve[-1] + half[-1] * (COS * across[-1] + SIN * along[-1])
    start = curve[0] - half[0] * (COS * across[0] + SIN * along[0])
    return np.concatenate([curve + aside, end, (curve - aside)[::-1], start])


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
