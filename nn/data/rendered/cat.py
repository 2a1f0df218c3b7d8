"""Cats: a wide face with pointed ears and whiskers, turned to the viewer, on one of five bodies.

Every function draws facing left; the scene mirrors half of all images.
"""

from __future__ import annotations

import numpy as np

from nn.data.rendered.drawing import Drawing, ellipse, limb, mirrored, mix, moved, shade, smooth
from nn.data.rendered.fur import Coat, coat, eye, hair, part, patches

PATTERNS = ["solid", "tabby", "tabby", "tabby", "bicolour", "points", "patches"]
EYES = [(176, 190, 60), (120, 180, 90), (222, 170, 50), (110, 170, 215), (200, 140, 50)]
PINK = (222, 150, 146)


def draw_cat(rng: np.random.Generator) -> Drawing:
    drawing = Drawing()
    fur = coat(PATTERNS, float(rng.choice([0.05, 0.2, 0.8])), rng)
    pose = rng.choice([_portrait, _facing, _sitting, _lying, _walking], p=[0.22, 0.2, 0.2, 0.18, 0.2])
    pose(drawing, fur, rng)
    if drawing.chin is None:
        drawing.stand()
    return drawing


# ---- the head, of radius 1 around (0, 0) ----


def _head(drawing: Drawing, fur: Coat, rng: np.random.Generator, x: float, y: float, size: float, lean: float) -> None:
    """`lean` in -1..1 moves the features left or right, as when the head turns."""
    head = Drawing()
    round_face = rng.uniform(0.9, 1.08)
    turn = 0.22 * lean
    _ears(head, fur, rng, round_face, turn)
    face_points = [(0, -0.8), (0.5, -0.72), (0.9, -0.3), (1.02, 0.2), (0.8, 0.62), (0.4, 0.84), (0, 0.9)]
    outline = smooth(mirrored(face_points) * np.array([round_face, 1]), steps=4)
    outline = part(
        head, outline, fur.main, Coat(fur.main, fur.bright, fur.dark, fur.pattern, fur.shaggy + 0.5), rng, 0.42
    )
    _markings(head, fur, rng, outline, turn)
    hair(head, outline, fur.main, fur, rng, 45, (0.3, 1))
    _face(head, fur, rng, turn)
    drawing.add(head, moved(x, y, size, rng.normal(0, 6)))


def _ears(head: Drawing, fur: Coat, rng: np.random.Generator, wide: float, turn: float) -> None:
    tall, spread = rng.uniform(0.95, 1.3), rng.uniform(0.0, 0.16)
    colour = fur.dark if fur.pattern == "points" else fur.main
    for side in (-1, 1):
        shift = 0.5 * turn
        outer, tip, inner = (0.93 * wide, -0.1), ((0.72 + spread) * wide, -0.3 - tall), (0.14, -0.62)
        ear = np.array([outer, (0.96 * wide + spread / 2, -0.72), tip, (0.42, -0.9), inner, (0.4, 0)])
        ear = ear * np.array([side, 1]) + np.array([shift, 0])
        head.fill(ear, shade(colour, 0.9), 0.4)
        centre = np.array([side * 0.62 * wide + shift, -0.66])
        inside = centre + (ear[[0, 1, 2, 3, 4]] - centre) * 0.62
        head.fill(inside, mix(PINK, fur.main, 0.45))
        head.pieces(
            np.array(
                [[inside[4], inside[4] + [side * 0.12, 0.1], centre + [side * 0.04 * k, -0.28]] for k in range(3)]
            ),
            [fur.bright] * 3,
        )


def _markings(head: Drawing, fur: Coat, rng: np.random.Generator, outline: np.ndarray, turn: float) -> None:
    with head.inside(outline, 0.85):
        if fur.pattern == "tabby":
            for offset in (-0.34, -0.12, 0.12, 0.34):  # the M on a tabby's forehead
                head.line([(offset * 1.3 + turn, -0.86), (offset + turn, -0.42)], [0.13, 0.03], fur.dark)
            for side in (-1, 1):
                for k in range(3):
                    start, end = (side * 1.1, -0.02 + 0.24 * k), (side * (0.58 + 0.04 * k) + turn, 0.08 + 0.17 * k)
                    head.line([start, end], [0.14, 0.03], fur.dark)
        elif fur.pattern == "points":
            head.fill(ellipse(turn, 0.2, 0.62, 0.66), fur.dark)
        elif fur.pattern == "bicolour":
            head.fill(
                np.array([(turn, -0.75), (0.42 + turn, 0.3), (0.9, 1), (-0.9, 1), (-0.42 + turn, 0.3)]), fur.bright
            )
        elif fur.pattern == "patches":
            head.fill(ellipse(0.6 * rng.choice([-1, 1]), -0.5, 0.62, 0.7, 20), fur.dark)


def _face(head: Drawing, fur: Coat, rng: np.random.Generator, turn: float) -> None:
    iris = EYES[rng.integers(len(EYES))]
    slit, size = rng.uniform(0.3, 0.75), rng.uniform(0.2, 0.25)
    muzzle = mix(fur.bright, fur.dark, 0.6) if fur.pattern == "points" else fur.bright
    for side in (-1, 1):
        eye(head, side * 0.42 + turn, -0.06, size, iris, slit, fur.line)
        head.fill(ellipse(side * 0.2 + 1.25 * turn, 0.47, 0.27, 0.2), muzzle, 0.22)
    head.fill(ellipse(1.25 * turn, 0.68, 0.2, 0.14), shade(muzzle, 0.92), 0.2)
    nose = np.array([(-0.15, 0.22), (0.15, 0.22), (0.05, 0.36), (-0.05, 0.36)]) + np.array([1.35 * turn, 0])
    line = mix(fur.line, (40, 25, 25), 0.5)
    head.fill(nose, PINK if sum(fur.main) > 330 and fur.pattern != "points" else (60, 42, 44))
    for side in (-1, 1):
        mouth = [
            (1.3 * turn, 0.35),
            (1.3 * turn, 0.5),
            (side * 0.14 + 1.3 * turn, 0.6),
            (side * 0.28 + 1.25 * turn, 0.54),
        ]
        head.line(mouth, 0.045, line)
        for k in range(3):
            start = np.array([side * 0.3 + 1.25 * turn, 0.42 + 0.08 * k])
            tip = start + np.array([side * 1.0, -0.2 + 0.2 * k + rng.normal(0, 0.04)])
            middle = (start + tip) / 2 + np.array([0, -0.05])
            head.line(
                [start, middle, tip], [0.035, 0.03, 0.012], (240, 238, 232) if sum(fur.main) < 560 else (90, 84, 80)
            )


# ---- bodies ----


def _coloured(drawing: Drawing, outline, fur: Coat, rng: np.random.Generator, spine, count: int = 110) -> None:
    """A trunk or haunch with its markings; `spine` is the line that tabby stripes cross."""
    outline = part(drawing, outline, fur.main, fur, rng)
    if fur.pattern == "tabby":
        _stripes(drawing, outline, fur, rng, spine)
    elif fur.pattern == "patches":
        patches(drawing, outline, fur.dark, rng, 4, 0.2)
        patches(drawing, outline, fur.bright, rng, 3, 0.16)
    elif fur.pattern == "bicolour":
        patches(drawing, outline, fur.bright, rng, 2, 0.2)
    hair(drawing, outline, fur.main, fur, rng, count)


def _stripes(drawing: Drawing, outline: np.ndarray, fur: Coat, rng: np.random.Generator, spine) -> None:
    line = smooth(spine, closed=False, steps=8)
    length = np.linalg.norm(np.diff(line, axis=0), axis=1).sum()
    count = max(4, round(length / 0.12))
    reach = rng.uniform(0.3, 0.5)
    with drawing.inside(outline, 0.8):
        for at in np.linspace(0, len(line) - 1.01, count):
            x, y = line[int(at)]
            along = line[min(int(at) + 1, len(line) - 1)] - line[max(int(at) - 1, 0)]
            down = np.array([-along[1], along[0]]) / (np.linalg.norm(along) + 1e-9)
            bend = rng.normal(0, 0.03, 2)
            points = [(x, y) - 0.08 * down, (x, y) + 0.45 * reach * down + bend, (x, y) + reach * down]
            drawing.line(points, [0.06, 0.05, 0.015], fur.dark)


def _leg(drawing: Drawing, points, widths, fur: Coat, rng: np.random.Generator, paw: float = 0.1) -> None:
    foot = fur.dark if fur.pattern == "points" else fur.bright if fur.pattern == "bicolour" else fur.main
    outline = part(drawing, limb(points, widths), fur.main, fur, rng, 0.45)
    if fur.pattern == "tabby":
        with drawing.inside(outline, 0.75):
            for share in (0.35, 0.55, 0.75):
                x, y = np.asarray(points[0]) * (1 - share) + np.asarray(points[-1]) * share
                drawing.line([(x - 0.2, y), (x + 0.2, y + 0.02)], 0.035, fur.dark)
    hair(drawing, outline, fur.main, fur, rng, 25, (0, 1), 0.5)
    x, y = points[-1]
    drawing.fill(ellipse(x - 0.3 * paw, y, paw, 0.6 * paw), foot, 0.4)
    for k in (-0.9, -0.45, 0.0):
        drawing.line([(x + k * paw, y), (x + (k - 0.05) * paw, y + 0.5 * paw)], 0.014, shade(foot, 0.6))


def _tail(drawing: Drawing, points, fur: Coat, rng: np.random.Generator) -> None:
    width = 0.1 + 0.08 * fur.shaggy
    colour = fur.dark if fur.pattern == "points" else fur.main
    outline = part(
        drawing, limb(points, [width, 1.1 * width, width, 0.8 * width][: len(points)]), colour, fur, rng, 0.4
    )
    if fur.pattern == "tabby":
        curve = smooth(points, closed=False, steps=4)
        with drawing.inside(outline, 0.8):
            for before, at in zip(curve[1:-1:2], curve[2::2]):
                across = (at - before)[::-1] * np.array([-1, 1]) * 3
                drawing.line([at - across, at + across], 0.04, fur.dark)


def _portrait(drawing: Drawing, fur: Coat, rng: np.random.Generator) -> None:
    drawing.chin = 0.95
    chest = smooth(
        mirrored([(0, 0.2), (0.55, 0.35), (0.92, 0.95), (1.05, 1.6), (1.1, 2.4), (0.8, 3.4), (0, 3.4)]), steps=4
    )
    _coloured(drawing, chest, fur, rng, [(-1, 1.6), (-0.6, 0.6), (0.6, 0.6), (1, 1.6)])
    if fur.pattern in ("bicolour", "tabby"):
        bib = part(drawing, smooth(mirrored([(0, 0.5), (0.4, 0.8), (0.35, 1.4), (0, 1.7)])), fur.bright, fur, rng, 0.2)
        hair(drawing, bib, fur.bright, fur, rng, 40, (0, 1))
    _head(drawing, fur, rng, 0, 0, 1.0, rng.uniform(-1, 1))


def _facing(drawing: Drawing, fur: Coat, rng: np.random.Generator) -> None:
    """Sitting, seen from the front."""
    if rng.random() < 0.5:
        _tail(drawing, [(0.25, 0.85), (0.62, 0.9), (0.8, 0.72), (0.74, 0.4 - 0.3 * rng.random())], fur, rng)
    else:
        _tail(drawing, [(0.25, 0.85), (0.55, 0.95), (0.75, 0.9), (0.85, 0.93)], fur, rng)
    body = mirrored([(0, -0.4), (0.22, -0.3), (0.33, 0.1), (0.47, 0.55), (0.46, 0.86), (0.25, 0.96), (0, 0.97)])
    _coloured(drawing, smooth(body), fur, rng, [(-0.42, 0.9), (-0.3, 0), (0.3, 0), (0.42, 0.9)])
    for side in (-1, 1):
        drawing.fill(ellipse(side * 0.36, 0.92, 0.17, 0.075), shade(fur.main, 0.9), 0.4)
    bib = smooth(mirrored([(0, -0.3), (0.17, -0.1), (0.15, 0.25), (0, 0.4)]))
    hair(drawing, part(drawing, bib, fur.bright, fur, rng, 0.2), fur.bright, fur, rng, 40, (0, 1))
    for side in (-1, 1):
        _leg(drawing, [(side * 0.15, 0.15), (side * 0.14, 0.5), (side * 0.13, 0.92)], [0.2, 0.19, 0.17], fur, rng, 0.12)
    _head(drawing, fur, rng, 0, -0.55, rng.uniform(0.38, 0.44), rng.uniform(-0.8, 0.8))


def _sitting(drawing: Drawing, fur: Coat, rng: np.random.Generator) -> None:
    """Sitting, seen from the side, looking at the viewer."""
    _tail(drawing, [(0.5, 0.88), (0.85, 0.92), (1.0, 0.74), (0.94 + 0.1 * rng.random(), 0.45)], fur, rng)
    _leg(drawing, [(-0.08, 0.2), (-0.1, 0.55), (-0.13, 0.91)], [0.18, 0.15, 0.13], fur.far(), rng)
    back = [(0.12, -0.42), (0.32, -0.1), (0.55, 0.3), (0.63, 0.7), (0.5, 0.95)]
    body = smooth([(-0.2, -0.45), (-0.33, -0.05), (-0.29, 0.35), (-0.12, 0.72), (0.1, 0.96), *back[::-1]])
    _coloured(drawing, body, fur, rng, back[:-1])
    haunch = ellipse(0.32, 0.66, 0.3, 0.3)
    _coloured(drawing, haunch, fur, rng, [(0.1, 0.4), (0.35, 0.34), (0.6, 0.5)], 50)
    _leg(drawing, [(0.36, 0.88), (0.15, 0.92), (0.0, 0.93)], [0.14, 0.13, 0.12], fur, rng)
    _leg(drawing, [(-0.2, 0.15), (-0.22, 0.55), (-0.24, 0.93)], [0.22, 0.16, 0.13], fur, rng)
    _head(drawing, fur, rng, -0.12, -0.6, rng.uniform(0.35, 0.41), rng.uniform(-1, 0.3))


def _lying(drawing: Drawing, fur: Coat, rng: np.random.Generator) -> None:
    _tail(drawing, [(0.72, 0.4), (1.0, 0.46), (0.9, 0.57), (0.5, 0.56)], fur, rng)
    _leg(drawing, [(-0.4, 0.38), (-0.65, 0.42), (-0.86, 0.43)], [0.18, 0.14, 0.12], fur.far(), rng)
    back = [(-0.55, -0.02), (-0.2, -0.2), (0.25, -0.26), (0.62, -0.12), (0.82, 0.2)]
    body = smooth([*back, (0.76, 0.48), (0.3, 0.54), (-0.5, 0.54), (-0.74, 0.4), (-0.7, 0.15)])
    _coloured(drawing, body, fur, rng, back, 130)
    _coloured(drawing, ellipse(0.5, 0.24, 0.29, 0.28), fur, rng, [(0.28, 0.05), (0.5, -0.05), (0.75, 0.1)], 50)
    _leg(drawing, [(0.5, 0.47), (0.3, 0.5), (0.14, 0.5)], [0.14, 0.13, 0.12], fur, rng)
    _leg(drawing, [(-0.5, 0.38), (-0.75, 0.47), (-0.98, 0.49)], [0.2, 0.15, 0.13], fur, rng)
    _head(drawing, fur, rng, -0.6, -0.12, rng.uniform(0.33, 0.39), rng.uniform(-0.8, 0.8))


def _walking(drawing: Drawing, fur: Coat, rng: np.random.Generator) -> None:
    step = rng.uniform(-0.14, 0.14)
    sway = rng.uniform(-0.15, 0.25)
    _tail(drawing, [(0.6, -0.12), (0.85, -0.22), (0.98, -0.55), (0.9 + sway, -0.85)], fur, rng)
    _leg(drawing, [(-0.4, 0.0), (-0.42 - step / 2, 0.4), (-0.44 - step, 0.74)], [0.2, 0.13, 0.1], fur.far(), rng, 0.085)
    _leg(
        drawing,
        [(0.5, 0.0), (0.44 + step, 0.3), (0.54 + step, 0.52), (0.46 + step, 0.74)],
        [0.26, 0.17, 0.1, 0.1],
        fur.far(),
        rng,
        0.085,
    )
    back = [(-0.62, -0.2), (-0.3, -0.26), (0.1, -0.24), (0.48, -0.28), (0.68, -0.1)]
    body = smooth([*back, (0.62, 0.14), (0.3, 0.14), (0, 0.2), (-0.35, 0.22), (-0.62, 0.1)])
    _coloured(drawing, body, fur, rng, back, 130)
    _leg(drawing, [(-0.5, 0.02), (-0.53 + step / 2, 0.4), (-0.56 + step, 0.78)], [0.24, 0.14, 0.1], fur, rng, 0.085)
    _leg(
        drawing,
        [(0.52, 0.0), (0.44 - step, 0.3), (0.56 - step, 0.54), (0.48 - step, 0.78)],
        [0.34, 0.19, 0.11, 0.1],
        fur,
        rng,
        0.085,
    )
    _head(drawing, fur, rng, -0.74, -0.34, rng.uniform(0.3, 0.36), rng.uniform(-1, 0.4))
