"""Vernier callipers, from above: a beam with a scale, a fixed jaw, and a slider with the other jaw and a vernier scale.

The beam lies along x with its zero, where the fixed jaw's face is, at x = 0; the large jaws point down.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nn.data.rendered.drawing import Colour, Drawing, box, ellipse, mix, shade, vary

MATERIALS = {
    "steel": (176, 180, 184),
    "satin": (202, 204, 204),
    "dark steel": (120, 124, 130),
    "black": (50, 50, 54),
    "grey": (110, 110, 112),
    "yellow": (214, 178, 52),
    "blue": (62, 106, 168),
    "red": (176, 62, 54),
    "brass": (186, 152, 92),
    "brown": (128, 96, 70),
    "copper": (184, 116, 70),
    "ivory": (216, 202, 172),
}
# The strokes of each digit on a grid 1 wide and 2 high, y down.
STROKES = {
    "0": [(0, 0), (1, 0), (1, 2), (0, 2), (0, 0)],
    "1": [(0.2, 0.4), (0.6, 0), (0.6, 2)],
    "2": [(0, 0.2), (0.5, 0), (1, 0.4), (0, 2), (1, 2)],
    "3": [(0, 0), (1, 0), (0.4, 0.8), (1, 1.4), (0.5, 2), (0, 1.8)],
    "4": [(0.8, 2), (0.8, 0), (0, 1.4), (1, 1.4)],
    "5": [(1, 0), (0, 0), (0, 0.9), (0.8, 0.9), (1, 1.5), (0.5, 2), (0, 1.9)],
    "6": [(0.9, 0), (0, 1), (0, 2), (1, 2), (1, 1), (0, 1)],
    "7": [(0, 0), (1, 0), (0.3, 2)],
    "8": [(0, 0), (1, 0), (1, 2), (0, 2), (0, 0), (0, 1), (1, 1)],
    "9": [(1, 1), (0, 1), (0, 0), (1, 0), (1, 1), (0.8, 2)],
}


@dataclass
class Design:
    """One calliper's measures and colours."""

    length: float  # of the beam
    half: float  # half the beam's height
    opening: float
    jaw: float  # how far the large jaws reach down
    jaw_width: float
    slider: float  # its length
    step: float  # one division of the main scale
    beam: Colour
    frame: Colour  # the slider's colour
    ink: Colour


def draw_calliper(rng: np.random.Generator) -> Drawing:
    drawing = Drawing()
    drawing.turns = True
    design = _design(rng)
    _rod(drawing, design)
    drawing.fill(box(-0.3, -design.half, design.length, design.half, 0.03), shade(design.beam, 0.62))
    _beam(drawing, design)
    _fixed_jaw(drawing, design)
    _jaw(drawing, design, design.opening, 1, design.frame)
    _wheels(drawing, design, rng)
    _slider(drawing, design)
    return drawing


def _design(rng: np.random.Generator) -> Design:
    names = list(MATERIALS)
    beam = vary(MATERIALS[names[rng.integers(len(names))]], 7, rng)
    frame = beam if rng.random() < 0.6 else vary(MATERIALS[names[rng.integers(len(names))]], 7, rng)
    ink = (24, 24, 28) if sum(beam) > 3 * 105 else (236, 234, 226)
    length, slider = rng.uniform(2.2, 3.0), rng.uniform(0.85, 1.1)
    opening = rng.beta(1.1, 2) * (length - slider - 0.1)
    half = rng.uniform(0.16, 0.24)
    return Design(length, half, opening, rng.uniform(0.75, 1.1), rng.uniform(0.3, 0.42), slider,
                  rng.uniform(0.048, 0.068), beam, frame, ink)  # fmt: skip


def _sheen(drawing: Drawing, left: float, right: float, top: float, bottom: float, colour: Colour) -> None:
    """A flat bar with a bright upper edge and a darker lower one."""
    tall = bottom - top
    drawing.fill(box(left, top, right, bottom), colour)
    drawing.fill(box(left, top, right, top + 0.12 * tall), mix(colour, (255, 255, 255), 0.4))
    drawing.fill(box(left, bottom - 0.12 * tall, right, bottom), shade(colour, 0.72))


def _beam(drawing: Drawing, design: Design) -> None:
    half = design.half
    _sheen(drawing, -0.28, design.length - 0.02, -half + 0.015, half - 0.015, design.beam)
    drawing.fill(box(0.1, -0.3 * half, design.length, -0.16 * half), shade(design.beam, 0.82))
    _scale(drawing, 0.12, design.length - 0.08, design.step, 0.62 * half, -1, design.half, design.ink)
    _scale(drawing, 0.12, design.length - 0.08, 1.6 * design.step, -0.95 * half, 1, 0.7 * design.half, design.ink)
    for number, x in enumerate(np.arange(0.12, design.length - 0.25, 10 * design.step)):
        _number(drawing, str(number), x + 0.02, -0.14 * half, 0.17 * half, design.ink)


def _scale(
    drawing: Drawing, start: float, end: float, step: float, y: float, way: int, tall: float, ink: Colour
) -> None:
    """Ticks from y upwards (way -1) or downwards (1): every tenth long, every fifth of medium length."""
    at = np.arange(start, end, step)
    lengths = np.full(len(at), 0.38)
    lengths[::5], lengths[::10] = 0.6, 0.82
    wide = np.where(np.arange(len(at)) % 10 == 0, 0.008, 0.005)
    tips = y + way * tall * lengths
    corners = [(at - wide, tips * 0 + y), (at + wide, tips * 0 + y), (at + wide, tips), (at - wide, tips)]
    drawing.pieces(np.stack([np.stack(corner, axis=1) for corner in corners], axis=1), [ink] * len(at))


def _number(drawing: Drawing, digits: str, x: float, y: float, size: float, ink: Colour) -> None:
    """Digits of height 2 * size, drawn with straight strokes from (x, y) to the right."""
    quads = []
    for place, digit in enumerate(digits):
        corners = np.array(STROKES[digit]) * size * np.array([0.9, 1]) + np.array([x + 1.5 * place * size, y])
        for start, end in zip(corners[:-1], corners[1:]):
            along = (end - start) / np.linalg.norm(end - start)
            across = along[::-1] * np.array([-1, 1]) * 0.14 * size
            quads.append([start - across, end - across, end + across, start + across])
    drawing.pieces(np.array(quads), [ink] * len(quads))


def _jaw(drawing: Drawing, design: Design, face: float, way: int, colour: Colour) -> None:
    """A large jaw below and a small one above; `way` is -1 where the metal lies left of the face, 1 right of it."""
    wide, tip, half = design.jaw_width * way, design.jaw, design.half
    across, down = (
        np.array([0, 0, 0.12, 0.35, 0.85, 1, 1]),
        np.array([0, tip, tip + 0.02, 0.62 * tip, 0.42 * tip, 0, 0]),
    )
    down[[0, -1]], down[-2] = half - 0.06, half + 0.04
    large = np.stack([face + wide * across, down], axis=1)
    drawing.fill(large, shade(colour, 0.6))
    inner = large.mean(axis=0) + (large - large.mean(axis=0)) * np.array([0.86, 0.96])
    drawing.fill(inner, colour, 0.25)
    bevel = np.array([(0, 0.5 * tip), (0, tip), (0.1 * wide, tip), (0.2 * wide, 0.55 * tip)]) + np.array([face, 0])
    drawing.fill(bevel, mix(colour, (255, 255, 255), 0.45))
    across, up = np.array([0.02, 0.02, 0.18, 0.55, 0.95]), half + np.array([-0.05, 0.42, 0.38, 0.1, -0.05])
    small = np.stack([face + wide * across, -up], axis=1)
    drawing.fill(small, shade(colour, 0.6))
    drawing.fill(small.mean(axis=0) + (small - small.mean(axis=0)) * 0.84, shade(colour, 0.96), 0.25)


def _fixed_jaw(drawing: Drawing, design: Design) -> None:
    _jaw(drawing, design, 0.0, -1, design.beam)
    left = -design.jaw_width
    drawing.fill(box(left, -design.half - 0.02, 0, design.half + 0.02, 0.04), shade(design.beam, 0.6))
    _sheen(drawing, left + 0.02, -0.01, -design.half, design.half, design.beam)
    for at in (0.3, 0.5, 0.7):
        drawing.fill(
            box(left * at - 0.01, -0.5 * design.half, left * at + 0.01, 0.5 * design.half), shade(design.beam, 0.8)
        )


def _slider(drawing: Drawing, design: Design) -> None:
    """The frame around the beam: a window through which the main scale shows, and under it the vernier."""
    left, right, half = design.opening, design.opening + design.slider, design.half
    top, bottom = -half - 0.07, half + 0.1
    ink = (24, 24, 28) if sum(design.frame) > 3 * 105 else (236, 234, 226)
    drawing.fill(box(left, top, right, bottom, 0.04), shade(design.frame, 0.55))
    _sheen(drawing, left + 0.015, right - 0.015, top + 0.015, bottom - 0.015, design.frame)
    window = box(left + 0.1, -0.72 * half, right - 0.1, 0.62 * half)
    drawing.fill(window + np.array([0, -0.015]), shade(design.frame, 0.4))
    with drawing.inside(window):
        _beam(drawing, design)
    plate = mix(design.frame, (255, 255, 255), 0.12)
    drawing.fill(box(left + 0.1, 0.62 * half, right - 0.1, bottom - 0.02), plate)
    vernier = design.step * 0.98 * 1.5
    _scale(drawing, left + 0.12, right - 0.12, vernier, 0.64 * half, 1, 0.72 * half, ink)
    for number in (0, 5):
        _number(drawing, str(number), left + 0.135 + number * vernier, half - 0.01, 0.14 * half, ink)
    for x in (left + 0.05, right - 0.05):  # the frame's screws
        drawing.fill(ellipse(x, -0.1 * half, 0.028), shade(design.frame, 0.5))
        drawing.fill(ellipse(x, -0.1 * half, 0.02), mix(design.frame, (255, 255, 255), 0.3))


def _wheels(drawing: Drawing, design: Design, rng: np.random.Generator) -> None:
    """The thumb wheel below the slider and the lock screw above it, both knurled."""
    metal = vary(design.frame if rng.random() < 0.5 else (150, 150, 154), 6, rng)
    x, y = design.opening + design.slider * 0.72, design.half + 0.13
    drawing.fill(box(x - 0.22, y - 0.1, x + 0.22, y + 0.03), shade(design.frame, 0.8))
    _knurled(drawing, x, y + 0.05, 0.14, 0.1, metal)
    x, y = design.opening + design.slider * rng.uniform(0.45, 0.75), -design.half - 0.1
    drawing.fill(box(x - 0.05, y - 0.06, x + 0.05, y + 0.06), shade(metal, 0.7))
    _knurled(drawing, x, y - 0.08, 0.085, 0.065, metal)


def _knurled(drawing: Drawing, x: float, y: float, across: float, down: float, colour: Colour) -> None:
    outline = box(x - across, y - down, x + across, y + down, 0.4 * down)
    drawing.fill(outline, shade(colour, 0.55))
    drawing.fill(
        box(x - across + 0.015, y - down + 0.015, x + across - 0.015, y + down - 0.015, 0.3 * down), colour, 0.3
    )
    at = np.linspace(x - across + 0.02, x + across - 0.02, 9)
    grooves = np.stack([box(each - 0.006, y - down, each + 0.006, y + down) for each in at])
    drawing.pieces(grooves, [shade(colour, 0.5)] * len(at))


def _rod(drawing: Drawing, design: Design) -> None:
    """The depth rod comes out of the beam's end as far as the jaws are open."""
    reach = design.length + 0.03 + 0.8 * design.opening
    drawing.fill(box(design.length - 0.2, -0.05, reach, 0.05), shade(design.beam, 0.55))
    drawing.fill(box(design.length - 0.2, -0.035, reach - 0.01, 0.015), mix(design.beam, (255, 255, 255), 0.25))
