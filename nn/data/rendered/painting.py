"""Painting drawings: from outlines to pixels."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

from nn.data.rendered.drawing import Colour, Drawing, Fill, Inside, Mapping, Pieces, Texture

RADIAL = Image.radial_gradient("L")  # 256 x 256: 0 in the middle, 255 at a distance of 128 and beyond
FALL_OFF = 0.28 - 1.1 * np.linspace(0, 1, 256) ** 1.6  # from the brightest place of a ball to its far rim


def paint(picture: Image.Image, drawing: Drawing, to_unit: Mapping, light: tuple[float, float]) -> None:
    """Paint the drawing on a square image; `to_unit` brings its points to 0..1, `light` points to the light."""
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
    """The part of the image that the outline can touch, in whole pixels; None where it misses the image."""
    left, top = np.maximum(np.floor(outline.min(axis=0)).astype(int), 0).tolist()
    right, bottom = np.minimum(np.ceil(outline.max(axis=0)).astype(int) + 1, picture.size).tolist()
    return (left, top, right, bottom) if right > left and bottom > top else None


def _ball(size: tuple[int, int], outline: np.ndarray, step: Fill, light: tuple[float, float]) -> Image.Image:
    """The colour as on a ball that fills the outline: bright towards the light, dark at the far rim."""
    low, high = outline.min(axis=0), outline.max(axis=0)
    radii = np.maximum(high - low, 1) / 2
    x, y = (low + high) / 2 + 0.4 * radii * np.asarray(light)
    across, down = 85 / radii  # the rim opposite the light lies 1.4 radii away
    gradient = RADIAL.transform(size, Image.Transform.AFFINE, (across, 0, 128 - x * across, 0, down, 128 - y * down))
    factors = 1 + step.roundness * FALL_OFF
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
