"""Dogs: a long muzzle with a dark nose, ears that mostly hang, on bodies from dachshund to greyhound.

Every function draws facing left; the scene mirrors half of all images.
"""

from __future__ import annotations

import numpy as np

from nn.data.rendered.dog_heads import Breed, front_head, side_head
from nn.data.rendered.drawing import Drawing, ellipse, limb, mirrored, shade, smooth
from nn.data.rendered.fur import Coat, coat, hair, part, patches

PATTERNS = ["solid", "solid", "saddle", "bicolour", "patches", "spots"]


def draw_dog(rng: np.random.Generator) -> Drawing:
    drawing = Drawing()
    fur = coat(PATTERNS, float(rng.choice([0.0, 0.2, 0.9])), rng)
    breed = _breed(rng)
    pose = rng.choice(
        [_portrait, _profile_portrait, _facing, _sitting, _standing, _lying], p=[0.22, 0.12, 0.16, 0.16, 0.22, 0.12]
    )
    pose(drawing, fur, breed, rng)
    if drawing.chin is None:
        drawing.stand()
    return drawing


def _breed(rng: np.random.Generator) -> Breed:
    long, legs = [(1.0, 1.0), (1.3, 0.5), (1.0, 1.25), (0.85, 0.85), (1.1, 0.9)][rng.integers(5)]
    ears = str(rng.choice(["hanging", "hanging", "upright", "folded"]))
    return Breed(
        long * rng.uniform(0.95, 1.05),
        legs,
        rng.uniform(0.85, 1.2),
        ears,
        str(rng.choice(["sabre", "curled", "plume", "stub"])),
    )


# ---- bodies ----


def _coloured(drawing: Drawing, outline, fur: Coat, rng: np.random.Generator, saddle=None, count: int = 110) -> None:
    """A trunk or thigh with its markings; `saddle` is the outline of the dark back, where there is one."""
    outline = part(drawing, outline, fur.main, fur, rng)
    if fur.pattern == "saddle" and saddle is not None:
        with drawing.inside(outline, 0.9):
            drawing.fill(part(Drawing(), smooth(saddle), fur.dark, fur, rng), fur.dark)
    elif fur.pattern == "patches":
        patches(drawing, outline, fur.dark, rng, 4, 0.2)
    elif fur.pattern == "spots":
        patches(drawing, outline, fur.dark, rng, 24, 0.045)
    hair(drawing, outline, fur.main, fur, rng, count)


def _leg(drawing: Drawing, points, widths, fur: Coat, rng: np.random.Generator, paw: float = 0.1) -> None:
    foot = fur.bright if fur.pattern in ("bicolour", "saddle") else fur.main
    outline = part(drawing, limb(points, widths), fur.main, fur, rng, 0.45)
    hair(drawing, outline, fur.main, fur, rng, 25, (0, 1), 0.5)
    x, y = points[-1]
    drawing.fill(ellipse(x - 0.35 * paw, y, paw, 0.55 * paw), foot, 0.4)
    for k in (-0.95, -0.5, -0.05):
        drawing.line([(x + k * paw, y), (x + (k - 0.05) * paw, y + 0.45 * paw)], 0.016, shade(foot, 0.55))


def _tail(drawing: Drawing, fur: Coat, breed: Breed, rng: np.random.Generator, x: float, y: float) -> None:
    ways = {
        "sabre": ([(0, 0), (0.18, 0.05), (0.32, -0.08), (0.42, -0.3)], [0.12, 0.1, 0.07, 0.03]),
        "curled": ([(0, 0), (0.14, -0.2), (0.04, -0.38), (-0.12, -0.28)], [0.13, 0.13, 0.12, 0.08]),
        "plume": ([(0, 0), (0.2, -0.12), (0.36, -0.1), (0.46, 0.08)], [0.1, 0.16, 0.2, 0.06]),
        "stub": ([(0, 0), (0.06, -0.06), (0.1, -0.14)], [0.12, 0.1, 0.07]),
    }
    points, widths = ways[breed.tail]
    outline = part(drawing, limb(np.array(points) + np.array([x, y]), widths), fur.main, fur, rng, 0.4)
    hair(drawing, outline, fur.main, fur, rng, 25, (1, -0.3))


def _collar(drawing: Drawing, points, width: float, rng: np.random.Generator) -> None:
    if rng.random() < 0.5:
        colour = [(190, 40, 44), (40, 80, 170), (40, 40, 44), (50, 130, 80), (130, 84, 50)][rng.integers(5)]
        drawing.line(points, width, colour, 0.3)
        x, y = points[len(points) // 2] if len(points) > 2 else points[0]
        drawing.fill(ellipse(x, y + width, 0.6 * width), (214, 190, 90), 0.4)


def _portrait(drawing: Drawing, fur: Coat, breed: Breed, rng: np.random.Generator) -> None:
    drawing.chin = 1.3
    chest = smooth(
        mirrored([(0, 0.2), (0.5, 0.4), (0.88, 1.2), (1.1, 1.9), (1.15, 2.8), (0.9, 3.8), (0, 3.8)]), steps=4
    )
    _coloured(drawing, chest, fur, rng, [(-1.2, 1.0), (-0.4, 0.8), (-0.5, 2.6), (-1.2, 2.6)])
    if fur.pattern in ("bicolour", "saddle"):
        bib = part(drawing, smooth(mirrored([(0, 0.7), (0.4, 1.1), (0.36, 1.7), (0, 2.2)])), fur.bright, fur, rng, 0.2)
        hair(drawing, bib, fur.bright, fur, rng, 40, (0, 1))
    _collar(drawing, [(-0.66, 1.0), (0, 1.36), (0.66, 1.0)], 0.14, rng)
    front_head(drawing, fur, breed, rng, 0, 0, 1.0)


def _profile_portrait(drawing: Drawing, fur: Coat, breed: Breed, rng: np.random.Generator) -> None:
    drawing.chin = 1.1
    neck = [
        (-0.35, -0.3),
        (-0.55, 0.8),
        (-0.9, 1.7),
        (-1.0, 2.8),
        (-0.8, 4.4),
        (1.6, 4.4),
        (1.9, 2.8),
        (1.7, 1.6),
        (1.1, 0.6),
        (0.7, -0.5),
    ]
    _coloured(drawing, smooth(neck), fur, rng, [(0.7, -0.5), (0.4, 1.0), (0.6, 2.7), (2.0, 2.7), (1.4, 0.6)])
    _collar(drawing, [(-0.68, 1.02), (0.2, 1.24), (1.36, 0.86)], 0.16, rng)
    side_head(drawing, fur, breed, rng, 0, 0, 1.0, rng.uniform(-14, 12))


def _facing(drawing: Drawing, fur: Coat, breed: Breed, rng: np.random.Generator) -> None:
    """Sitting, seen from the front."""
    _tail(drawing, fur, breed, rng, 0.38, 0.78)
    body = mirrored([(0, -0.4), (0.2, -0.3), (0.34, 0.0), (0.42, 0.5), (0.44, 0.82), (0.3, 0.95), (0, 0.97)])
    _coloured(drawing, smooth(body), fur, rng, [(-0.5, -0.3), (-0.25, -0.3), (-0.2, 1), (-0.5, 1)])
    for side in (-1, 1):
        drawing.fill(ellipse(side * 0.4, 0.92, 0.17, 0.085), fur.main, 0.45)
    bib = smooth(mirrored([(0, -0.3), (0.2, -0.1), (0.18, 0.3), (0, 0.5)]))
    hair(drawing, part(drawing, bib, fur.bright, fur, rng, 0.25), fur.bright, fur, rng, 40, (0, 1))
    for side in (-1, 1):
        _leg(drawing, [(side * 0.2, 0.1), (side * 0.19, 0.5), (side * 0.18, 0.93)], [0.22, 0.19, 0.16], fur, rng, 0.13)
    _collar(drawing, [(-0.24, -0.18), (0, -0.06), (0.24, -0.18)], 0.07, rng)
    front_head(drawing, fur, breed, rng, 0, -0.6, rng.uniform(0.4, 0.46))


def _sitting(drawing: Drawing, fur: Coat, breed: Breed, rng: np.random.Generator) -> None:
    """Sitting, seen from the side."""
    _tail(drawing, fur, breed, rng, 0.52, 0.82)
    _leg(drawing, [(-0.1, 0.2), (-0.12, 0.55), (-0.15, 0.91)], [0.2, 0.15, 0.13], fur.far(), rng)
    back = [(0.12, -0.5), (0.3, -0.15), (0.5, 0.3), (0.58, 0.7), (0.46, 0.95)]
    body = smooth([(-0.16, -0.6), (-0.32, -0.1), (-0.33, 0.25), (-0.14, 0.62), (0.08, 0.96), *back[::-1]])
    _coloured(drawing, body, fur, rng, [(0.0, -0.6), (0.0, 0.3), (0.4, 0.6), (0.8, 0.8), (0.6, 0.1), (0.3, -0.5)])
    _coloured(drawing, ellipse(0.28, 0.68, 0.28, 0.28), fur, rng, None, 50)
    _leg(drawing, [(0.34, 0.88), (0.12, 0.92), (-0.02, 0.93)], [0.15, 0.13, 0.12], fur, rng)
    _leg(drawing, [(-0.18, 0.15), (-0.22, 0.55), (-0.24, 0.93)], [0.24, 0.17, 0.14], fur, rng)
    _collar(drawing, [(-0.26, -0.36), (-0.05, -0.26), (0.18, -0.38)], 0.07, rng)
    side_head(drawing, fur, breed, rng, -0.04, -0.66, rng.uniform(0.27, 0.32), rng.uniform(-14, 8))


def _standing(drawing: Drawing, fur: Coat, breed: Breed, rng: np.random.Generator) -> None:
    half, foot = 0.6 * breed.long, 0.2 + 0.58 * breed.legs
    thick = 0.85 + 0.15 / breed.legs
    knee, hock = 0.55 * foot, 0.72 * foot
    step = rng.uniform(-0.14, 0.14) * breed.legs

    def front_leg(x: float, step: float, coat: Coat) -> None:
        points = [(x, 0), (x - 0.02 + step / 2, knee), (x - 0.04 + step, foot)]
        _leg(drawing, points, np.array([0.25, 0.15, 0.11]) * thick, coat, rng)

    def hind_leg(x: float, step: float, coat: Coat) -> None:
        points = [(x, 0), (x - 0.04 + step / 2, knee), (x + 0.14 + step, hock), (x + 0.04 + step, foot)]
        _leg(drawing, points, np.array([0.34, 0.2, 0.11, 0.1]) * thick, coat, rng)

    _tail(drawing, fur, breed, rng, half + 0.02, -0.2)
    front_leg(-half + 0.22, step, fur.far())
    hind_leg(half - 0.2, -step, fur.far())
    neck = [(-0.16, -0.68), (0.18, -0.36), (0.24, 0.0), (-0.04, 0.1), (-0.3, -0.42)]
    neck = part(drawing, smooth(np.array(neck) - np.array([half, 0])), fur.main, fur, rng, 0.3)
    tuck = 0.06 if breed.legs > 1.1 else 0.16  # the belly of a long-legged dog rises to the rear
    top = [(-half - 0.02, -0.3), (-0.3 * half, -0.3), (0.4 * half, -0.28), (half, -0.28), (half + 0.08, -0.08)]
    low = [(half - 0.04, 0.14), (0.4 * half, tuck), (-0.3 * half, 0.27), (-half + 0.12, 0.28), (-half - 0.08, 0.05)]
    saddle = [(-half, -0.4), (half + 0.2, -0.4), (half, 0.0), (0, 0.02), (-half + 0.1, -0.05)]
    _coloured(drawing, smooth(top + low), fur, rng, saddle, 140)
    hair(drawing, neck, fur.main, fur, rng, 40, (0.6, 0.8))
    front_leg(-half + 0.14, -step, fur)
    hind_leg(half - 0.1, step, fur)
    _collar(drawing, [(-half - 0.26, -0.34), (-half - 0.05, -0.38), (-half + 0.06, -0.5)], 0.06, rng)
    side_head(drawing, fur, breed, rng, -half - 0.24, -0.66, rng.uniform(0.23, 0.27), rng.uniform(-16, 8))


def _lying(drawing: Drawing, fur: Coat, breed: Breed, rng: np.random.Generator) -> None:
    _tail(drawing, fur, breed, rng, 0.8, 0.36)
    _leg(drawing, [(-0.4, 0.4), (-0.7, 0.44), (-0.92, 0.45)], [0.2, 0.14, 0.13], fur.far(), rng)
    body = smooth(
        [
            (-0.6, -0.3),
            (-0.2, -0.2),
            (0.3, -0.2),
            (0.7, -0.08),
            (0.88, 0.25),
            (0.78, 0.52),
            (0.2, 0.55),
            (-0.5, 0.55),
            (-0.72, 0.2),
        ]
    )
    _coloured(drawing, body, fur, rng, [(-0.5, -0.4), (0.9, -0.3), (1.0, 0.2), (0.2, 0.15), (-0.4, 0.1)], 140)
    _coloured(drawing, ellipse(0.52, 0.26, 0.3, 0.28), fur, rng, None, 50)
    _leg(drawing, [(0.5, 0.48), (0.3, 0.51), (0.14, 0.51)], [0.15, 0.13, 0.12], fur, rng)
    _leg(drawing, [(-0.5, 0.38), (-0.8, 0.49), (-1.04, 0.5)], [0.22, 0.16, 0.14], fur, rng)
    neck = smooth([(-0.5, -0.62), (-0.38, -0.2), (-0.4, 0.25), (-0.74, 0.3), (-0.78, -0.3)])
    hair(drawing, part(drawing, neck, fur.main, fur, rng, 0.35), fur.main, fur, rng, 40, (0.3, 1))
    _collar(drawing, [(-0.8, -0.2), (-0.6, -0.12), (-0.4, -0.22)], 0.06, rng)
    if rng.random() < 0.5:
        side_head(drawing, fur, breed, rng, -0.58, -0.5, rng.uniform(0.25, 0.3), rng.uniform(-10, 10))
    else:
        front_head(drawing, fur, breed, rng, -0.6, -0.46, rng.uniform(0.32, 0.36))
