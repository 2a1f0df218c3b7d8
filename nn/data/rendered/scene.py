"""A scene: an object before a background, with its shadow, perhaps something in front, and a camera's faults."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from nn.data.rendered.backgrounds import any_colour, background, blades
from nn.data.rendered.calliper import draw_calliper
from nn.data.rendered.car import draw_car
from nn.data.rendered.cat import draw_cat
from nn.data.rendered.dog import draw_dog
from nn.data.rendered.drawing import Colour, Drawing, Fill, Mapping, box, ellipse, limb, mix, moved, shade, smooth
from nn.data.rendered.painting import paint

Box = tuple[float, float, float, float]

DRAW = {"car": draw_car, "cat": draw_cat, "dog": draw_dog, "vernier calliper": draw_calliper}
CLASS_NAMES = tuple(DRAW)
SMALLEST, LARGEST = 8, 4096
COARSE = 64  # pixels of the soft things, shadows: they need no more at any size


def render(class_name: str, image_size: int, seed) -> tuple[Image.Image, Box]:
    """One image, RGB, image_size x image_size, and the box around its object.

    class_name  one of CLASS_NAMES
    image_size  8 to 4096 pixels; the same seed shows the same scene at every size, only its noise differs
    seed        an integer or a sequence of integers, for np.random.default_rng

    The box is (left, top, right, bottom) as fractions of the image. It bounds the object's own pixels (no shadow),
    those behind something in front of it included, and ends at the image's edge.
    """
    if class_name not in DRAW:
        raise ValueError(f"render: class_name must be one of {', '.join(CLASS_NAMES)}, got {class_name!r}")
    check_size("render", image_size)
    rng = np.random.default_rng(seed)
    drawing = DRAW[class_name](rng)
    to_unit = _place(drawing, rng)
    angle = rng.uniform(-2.6, -0.5)  # the light comes from above
    light = (math.cos(angle), math.sin(angle))

    fine = image_size * (3 if image_size <= 128 else 2)  # drawn larger and reduced: smooth edges
    layer = Image.new("RGBA", (fine, fine))
    paint(layer, drawing, to_unit, light)
    where = layer.getchannel("A").getbbox()
    around = tuple(edge / fine for edge in where)

    picture = _behind(drawing, fine, light, rng)
    _cast_shadow(picture, layer, None if drawing.ground is None else to_unit(drawing.ground), light, rng)
    picture.paste(layer, (0, 0), layer)
    if rng.random() < 0.25:
        paint(picture, _in_front(np.clip(to_unit(drawing.points()), 0, 1), rng), lambda points: points, light)
    picture = picture.resize((image_size, image_size), Image.Resampling.BICUBIC)
    return _photograph(picture, rng), around


def check_size(function: str, image_size: int) -> None:
    if not SMALLEST <= image_size <= LARGEST:
        raise ValueError(f"{function}: image_size must be {SMALLEST} to {LARGEST} pixels, got {image_size!r}")


def _place(drawing: Drawing, rng: np.random.Generator) -> Mapping:
    """Where the object goes: mirrored, turned, sheared, seen at a slant, and as large as it is to be."""
    degrees = rng.uniform(0, 360) if drawing.turns else float(np.clip(rng.normal(0, 4), -9, 9))
    turn = moved(degrees=degrees, flip=rng.random() < 0.5 and not drawing.turns)
    shear, squeeze = rng.uniform(-0.1, 0.1), rng.uniform(0.88, 1.08)
    slant = rng.uniform(-0.07, 0.07, 2)
    points = drawing.points()
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    reach = np.abs(points - middle).max()

    def project(points: np.ndarray) -> np.ndarray:
        x, y = turn((points - middle) / reach).T
        flat = np.stack([squeeze * x + shear * y, y], axis=1)
        return flat / (1 + flat @ slant)[:, None]

    seen = project(points)
    low, extent = seen.min(axis=0), np.ptp(seen, axis=0)
    share = rng.uniform(0.82, 0.97) if drawing.turns or rng.random() < 0.7 else rng.uniform(0.6, 0.82)
    if drawing.chin is not None:
        chin = project(np.array([[middle[0], drawing.chin]]))[0, 1] - low[1]
        scale = min(share / extent[0], rng.uniform(0.76, 0.9) / chin)
        room = np.array([1 - scale * extent[0], 0.93 - scale * chin])
        corner = np.array([rng.uniform(0.3, 0.7), rng.uniform(0.2, 0.75)]) * room
    else:
        scale = share / extent.max()
        room = 1 - scale * extent
        detail = seen.mean(axis=0) - low  # where most of it is should be near the middle, as should the box
        middle_at = scale * (0.5 * detail + 0.25 * extent)
        corner = 0.5 - middle_at + np.clip(rng.normal(0, 0.18, 2), -0.28, 0.28) * room
        corner = np.clip(corner, 0.02 * room, 0.98 * room)
        # The middle of the image shows some of the object, not just of its box's edge.
        corner = np.clip(corner, 0.5 - 0.8 * scale * extent, 0.5 - 0.2 * scale * extent)
    return lambda points: (project(points) - low) * scale + corner


def _behind(drawing: Drawing, fine: int, light: tuple[float, float], rng: np.random.Generator) -> Image.Image:
    """The background, often out of focus, and kept apart in brightness from the object."""
    picture = Image.new("RGB", (fine, fine))
    paint(picture, background(rng), lambda points: points, light)
    if rng.random() < 0.5:
        small = round(fine * rng.uniform(0.06, 0.25)) + 1
        picture = picture.resize((small, small), Image.Resampling.BOX).resize((fine, fine), Image.Resampling.BICUBIC)
    object_colour = _mean_colour(drawing)
    behind = np.asarray(picture.resize((1, 1), Image.Resampling.BOX), dtype=float)[0, 0]
    too_near = max(0.0, 1 - float(np.linalg.norm(behind - object_colour)) / 130)
    apart = (246, 246, 242) if sum(object_colour) < 3 * 120 else (14, 14, 18)
    return Image.blend(picture, Image.new("RGB", picture.size, apart), 0.7 * too_near)


def _mean_colour(drawing: Drawing) -> Colour:
    """The mean over the filled outlines, each weighted with the area of the rectangle around it."""
    fills = [step for step in drawing.steps if isinstance(step, Fill)]
    sides = np.array([step.outline.max(axis=0) - step.outline.min(axis=0) for step in fills])
    return tuple(np.average([step.colour for step in fills], axis=0, weights=sides[:, 0] * sides[:, 1]).tolist())


def _cast_shadow(
    picture: Image.Image,
    layer: Image.Image,
    ground: np.ndarray | None,
    light: tuple[float, float],
    rng: np.random.Generator,
) -> None:
    """A soft shadow away from the light and, for what stands on the ground, a darker one at its feet."""
    shape = layer.getchannel("A").resize((COARSE, COARSE), Image.Resampling.BOX)
    distance = rng.uniform(0.01, 0.05) * COARSE
    away = (1, 0, light[0] * distance, 0, 1, light[1] * distance)
    shadow = shape.transform(shape.size, Image.Transform.AFFINE, away, Image.Resampling.BILINEAR)
    shadow = shadow.point([round(level * 0.45) for level in range(256)])
    if ground is not None:
        ImageDraw.Draw(shadow).polygon((ground * COARSE - 0.5).ravel().tolist(), fill=230)
    shadow = shadow.filter(ImageFilter.GaussianBlur(rng.uniform(0.8, 2.0)))
    strength = rng.uniform(0.1, 0.95)
    mask = shadow.point([round(level * strength) for level in range(256)])
    mask = mask.resize(picture.size, Image.Resampling.BILINEAR)
    picture.paste((18, 16, 20), (0, 0, *picture.size), mask)


# ---- in front ----


def _in_front(points: np.ndarray, rng: np.random.Generator) -> Drawing:
    """Something that hides up to about a fifth of the object with these points, rarely its middle."""
    drawing = Drawing()
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    wide, tall = right - left, bottom - top
    x = left + wide * (rng.uniform(0.05, 0.3) if rng.random() < 0.5 else rng.uniform(0.7, 0.95))
    y = top + tall * rng.uniform(0.45, 0.95)
    kinds = [_bar, _leaves, _hand, _tall_grass]
    kinds[rng.integers(len(kinds))](drawing, x, y, wide, tall, bottom, rng)
    return drawing


def _bar(drawing, x, y, wide, tall, bottom, rng) -> None:
    """A post, a cable or a rail that crosses the image."""
    colour, place = any_colour(rng), moved(x, y, degrees=rng.normal(0, 12))
    drawing.fill(place(box(-0.035 * wide, -2, 0.035 * wide, 2)), colour)
    drawing.fill(place(box(0.015 * wide, -2, 0.035 * wide, 2)), shade(colour, 0.65))


def _leaves(drawing, x, y, wide, tall, bottom, rng) -> None:
    colour = any_colour(rng)
    for _ in range(rng.integers(2, 6)):
        at = (x, y) + rng.normal(0, 0.07, 2)
        size, turn = math.sqrt(wide * tall) * rng.uniform(0.08, 0.15), rng.uniform(0, 360)
        leaf = smooth([(-1, 0), (0, -0.45), (1, 0), (0, 0.45)])
        drawing.fill(moved(*at, size, turn)(leaf), shade(colour, rng.uniform(0.7, 1.2)), 0.3)
        drawing.fill(moved(*at, size, turn)(box(-0.9, -0.03, 0.9, 0.03)), shade(colour, 0.6))


def _hand(drawing, x, y, wide, tall, bottom, rng) -> None:
    """Fingers that come in from the nearest side."""
    skin = [(236, 188, 160), (200, 146, 112), (140, 92, 66), (92, 62, 48)][rng.integers(4)]
    side = -1 if x < 0.5 else 1
    size = 0.1 * math.sqrt(wide * tall) + 0.02
    for k in range(4):
        tip = np.array([x - 0.3 * side * size * (k % 2), y + (k - 1.5) * size * 0.62])
        drawing.fill(limb([tip + (side * 1.5, 0.3 * size), tip], size * 0.66), shade(skin, 0.75))
        drawing.fill(limb([tip + (side * 1.5, 0.3 * size), tip], size * 0.56), skin)
        drawing.fill(ellipse(tip[0], tip[1], 0.2 * size, 0.16 * size), mix(skin, (255, 220, 210), 0.5))


def _tall_grass(drawing, x, y, wide, tall, bottom, rng) -> None:
    colour = any_colour(rng)
    tones = [shade(colour, factor) for factor in (0.6, 0.8, 1.0, 1.15)]
    drawing.pieces(blades(rng, 90, bottom, 1.1, 0.22 * tall), [tones[k] for k in rng.integers(0, 4, 90)])


# ---- the camera ----


def _photograph(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Uneven light, exposure, contrast, a tint, a little blur and noise."""
    size = picture.width
    if rng.random() < 0.4:
        picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.001, 0.007) * size))
    pixels = np.asarray(picture, dtype=np.float32)
    across = np.linspace(-1, 1, size, dtype=np.float32)
    slope = rng.normal(0, 0.12, 2)
    gain = rng.uniform(0.86, 1.15) * (1 + slope[0] * across[None, :] + slope[1] * across[:, None])
    contrast, tint = rng.uniform(0.86, 1.18), rng.normal(1, 0.022, 3)
    exposed = (pixels * contrast + 120 * (1 - contrast)) * (gain[..., None] * tint).astype(np.float32)
    noise = rng.uniform(0, 6)
    exposed += noise * rng.standard_normal(exposed.shape, dtype=np.float32)  # last: it takes as many numbers as pixels
    return Image.fromarray(np.clip(exposed + 0.5, 0, 255).astype(np.uint8))
