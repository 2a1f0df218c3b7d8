"""Dogs' heads, from the front and from the side, with the three kinds of ears."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nn.data.rendered.drawing import Colour, Drawing, ellipse, mirrored, mix, moved, shade, smooth
from nn.data.rendered.fur import Coat, eye, hair, part

NOSE = (34, 30, 32)
TONGUE = (226, 112, 122)


@dataclass
class Breed:
    """Lengths as multiples of an ordinary dog's."""

    long: float  # the trunk
    legs: float
    snout: float
    ears: str  # hanging, upright or folded
    tail: str  # sabre, curled, plume or stub


# ---- the head from the front, of radius 1 around (0, 0) ----


def front_head(
    drawing: Drawing, fur: Coat, breed: Breed, rng: np.random.Generator, x: float, y: float, size: float
) -> None:
    head = Drawing()
    lean = rng.uniform(-0.14, 0.14)
    if breed.ears == "upright":
        _front_ears(head, fur, breed, rng)
    skull = [(0, -0.92), (0.42, -0.88), (0.72, -0.5), (0.74, -0.05), (0.6, 0.4), (0.5, 0.85), (0.3, 1.12), (0, 1.18)]
    outline = part(head, smooth(mirrored(skull), steps=4), fur.main, fur, rng, 0.42)
    with head.inside(outline, 0.9):
        if fur.pattern == "bicolour":
            head.fill(smooth([(-0.1, -1), (0.1, -1), (0.16, 0), (0.6, 0.9), (-0.6, 0.9), (-0.16, 0)]), fur.bright)
        elif fur.pattern in ("patches", "spots"):
            head.fill(ellipse(0.45 * rng.choice([-1, 1]), -0.2, 0.42, 0.5), fur.dark)
        elif fur.pattern == "saddle":
            head.fill(ellipse(0, -0.85, 0.75, 0.5), fur.dark)
    hair(head, outline, fur.main, fur, rng, 45, (0.2, 1))
    _front_face(head, fur, rng, lean)
    if breed.ears != "upright":
        _front_ears(head, fur, breed, rng)
    drawing.add(head, moved(x, y, size, rng.normal(0, 9)))


def _front_ears(head: Drawing, fur: Coat, breed: Breed, rng: np.random.Generator) -> None:
    colour = _ear_colour(fur)
    long = rng.uniform(0.75, 1.15)
    for side in (-1, 1):
        mirror = np.array([side, 1])
        if breed.ears == "hanging":
            points = [
                (0.42, -0.86),
                (0.8, -0.82),
                (1.08, -0.2),
                (1.06, long - 0.2),
                (0.84, long),
                (0.7, 0.3),
                (0.66, -0.3),
            ]
            ear = part(head, smooth(points, steps=4) * mirror, colour, fur, rng, 0.5)
            hair(head, ear, colour, fur, rng, 25, (0, 1))
        elif breed.ears == "folded":
            points = [(0.3, -0.9), (0.62, -1.12), (1.0, -0.82), (1.04, -0.3), (0.82, -0.26), (0.62, -0.62)]
            part(head, smooth(points, steps=4) * mirror, colour, fur, rng, 0.5)
        else:
            points = np.array([(0.14, -0.75), (0.34, -1.35), (0.62, -1.85), (0.8, -1.2), (0.74, -0.4)])
            part(head, smooth(points, steps=4) * mirror, colour, fur, rng, 0.5)
            middle = points.mean(axis=0)
            head.fill((middle + (points - middle) * 0.6) * mirror, mix(colour, (205, 140, 130), 0.45))


def _ear_colour(fur: Coat) -> Colour:
    """Ears stand out from the head: they have the colour of the patches, or are darker, on black dogs brighter."""
    if fur.pattern != "solid":
        return fur.dark
    return shade(fur.main, 0.78) if sum(fur.main) > 240 else mix(fur.main, (235, 225, 210), 0.12)


def _front_face(head: Drawing, fur: Coat, rng: np.random.Generator, lean: float) -> None:
    muzzle = fur.bright if fur.pattern != "solid" or rng.random() < 0.5 else mix(fur.main, (250, 240, 230), 0.15)
    line = mix(fur.line, NOSE, 0.6)
    iris = [(92, 58, 34), (128, 84, 44), (70, 46, 34)][rng.integers(3)]
    brow = fur.bright if fur.pattern == "saddle" else shade(fur.main, 0.8)
    for side in (-1, 1):
        head.fill(ellipse(side * 0.36 + lean, -0.46, 0.14, 0.08, side * 15), brow)
        eye(head, side * 0.36 + lean, -0.22, 0.135, iris, 0.75, line)
    head.line([(lean, -0.5), (1.2 * lean, 0.2)], [0.2, 0.34], mix(fur.main, muzzle, 0.5), 0.25)
    if rng.random() < 0.6:  # panting
        head.fill(ellipse(1.6 * lean, 0.95, 0.28, 0.26), (70, 26, 30))
        tongue = smooth([(-0.17, 0.85), (0.17, 0.85), (0.2, 1.2), (0.1, 1.42), (-0.1, 1.42), (-0.2, 1.2)])
        head.fill(tongue + np.array([1.6 * lean, 0]), TONGUE, 0.4)
        head.line([(1.6 * lean, 0.95), (1.6 * lean, 1.28)], 0.03, shade(TONGUE, 0.75))
    for side in (-1, 1):
        head.fill(ellipse(side * 0.23 + 1.6 * lean, 0.6, 0.33, 0.33), muzzle, 0.35)
    head.fill(ellipse(1.6 * lean, 0.4, 0.4, 0.3), muzzle, 0.15)
    for side in (-1, 1):
        mouth = [
            (1.6 * lean, 0.55),
            (1.6 * lean, 0.78),
            (side * 0.24 + 1.6 * lean, 0.92),
            (side * 0.46 + 1.5 * lean, 0.74),
        ]
        head.line(mouth, 0.05, line)
        for dx, dy in ((0.2, 0.6), (0.3, 0.66), (0.26, 0.72)):
            head.fill(ellipse(side * dx + 1.6 * lean, dy, 0.025), line)
    nose = smooth([(-0.24, 0.28), (0, 0.22), (0.24, 0.28), (0.2, 0.46), (0, 0.56), (-0.2, 0.46)], steps=4)
    head.fill(nose + np.array([1.7 * lean, 0]), NOSE, 0.3)
    head.fill(ellipse(1.7 * lean - 0.06, 0.3, 0.09, 0.035), (150, 146, 150))


# ---- the head from the side, looking left; the skull has radius 1 around (0, 0) ----


def side_head(
    drawing: Drawing, fur: Coat, breed: Breed, rng: np.random.Generator, x: float, y: float, size: float, tilt: float
) -> None:
    head = Drawing()
    tip = -1.1 - 1.1 * breed.snout
    open_mouth = rng.random() < 0.5
    if breed.ears == "upright":
        _side_ear(head, fur.far(), breed, rng, -0.25)
    if open_mouth:
        jaw = smooth([(-0.3, 0.5), (tip + 0.7, 0.72), (tip + 0.36, 0.84), (tip + 0.5, 0.98), (-0.7, 1.0), (0, 0.9)])
        head.fill(jaw, shade(fur.main, 0.8), 0.3)
        head.line([(-0.7, 0.6), (tip + 0.55, 0.74), (tip + 0.3, 1.2)], [0.2, 0.3, 0.26], TONGUE, 0.3)
    skull = [(-0.55, -0.72), (-0.95, -0.3), (tip + 0.3, -0.12), (tip, 0.05), (tip + 0.04, 0.42), (tip + 0.5, 0.6),
             (-0.9, 0.72), (-0.2, 0.85), (0.6, 0.8), (0.95, 0.2), (0.75, -0.55), (0.1, -0.92)]  # fmt: skip
    outline = part(head, smooth(skull, steps=4), fur.main, fur, rng, 0.45)
    with head.inside(outline, 0.9):
        if fur.pattern == "bicolour":
            head.fill(smooth([(tip - 0.2, -0.4), (-1.0, -0.1), (-0.5, 1), (tip, 1)]), fur.bright)
        elif fur.pattern == "saddle":
            head.fill(ellipse(0.1, -0.75, 0.9, 0.6), fur.dark)
        elif fur.pattern in ("patches", "spots"):
            head.fill(ellipse(0, -0.2, 0.75, 0.6), fur.dark)
    hair(head, outline, fur.main, fur, rng, 50, (1, 0.4))
    line = mix(fur.line, NOSE, 0.6)
    head.line([(tip + 0.12, 0.42), (tip + 0.6, 0.46), (-0.75, 0.55)], [0.05, 0.06, 0.04], line)
    head.fill(ellipse(tip + 0.12, 0.06, 0.22, 0.2), NOSE, 0.3)
    eye(head, -0.55, -0.2, 0.17, (96, 60, 36), 0.8, line)
    head.fill(ellipse(-0.58, -0.48, 0.18, 0.07, 15), shade(fur.main, 0.75))
    _side_ear(head, fur, breed, rng, 0)
    drawing.add(head, moved(x, y, size, tilt))


def _side_ear(head: Drawing, fur: Coat, breed: Breed, rng: np.random.Generator, shift: float) -> None:
    colour = _ear_colour(fur)
    if breed.ears == "hanging":
        points = [(0.0, -0.7), (0.5, -0.72), (0.8, -0.1), (0.78, 0.8), (0.4, 1.15), (0.08, 0.8), (0.05, 0.0)]
    elif breed.ears == "folded":
        points = [(0.1, -0.7), (0.3, -1.15), (0.75, -0.9), (0.6, -0.3), (0.2, -0.05), (0.12, -0.4)]
    else:
        points = [(-0.15, -0.75), (0.05, -1.3), (0.4, -1.8), (0.7, -1.2), (0.72, -0.4), (0.3, -0.3)]
    ear = part(head, smooth(points, steps=4) + np.array([shift, 0]), colour, fur, rng, 0.5)
    hair(head, ear, colour, fur, rng, 25, (0.1, 1))
