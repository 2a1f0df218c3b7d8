"""Cars: a side profile drawn out to a body in three dimensions, seen from the side, from an angle, or from an end.

The side lies in coordinates x (to the rear, in metres) and y (down, 0 at the road); z points from the car's middle to
the near side. The end at the left, which may be the front or the rear, is the one that shows.
"""

from __future__ import annotations

import math

import numpy as np

from nn.data.rendered.car_side import BLACK, GLASS, Car, draw_side, random_car
from nn.data.rendered.drawing import Drawing, box, ellipse, mix, shade, smooth


class View:
    """Turns (x, y, z) on the car into points of the drawing."""

    def __init__(self, yaw: float, pitch: float, car: Car) -> None:
        self.cos, self.sin, self.tip = math.cos(yaw), math.sin(yaw), math.sin(pitch)
        self.car = car

    def half_width(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Bodies are narrower at the roof and a little at both ends."""
        inwards = np.clip((self.car.belt - y) / (self.car.belt - self.car.roof), 0, 1)
        return 0.88 * (1 - 0.2 * inwards) * (1 - 0.1 * np.clip(np.abs(x) / 2.1, 0, 1.1) ** 4)

    def point(self, x, y, z) -> np.ndarray:
        across, near = x * self.cos + z * self.sin, z * self.cos - x * self.sin
        grows = 11 / (11 - near)  # what is nearer looks larger
        return np.stack([across * grows, (y + near * self.tip) * grows], axis=-1)

    def side(self, points: np.ndarray, way: float = 1.0) -> np.ndarray:
        """Points (x, y) on the near side; with way -1 on the far one."""
        x, y = np.asarray(points, dtype=float).T
        return self.point(x, y, way * self.half_width(x, y))

    def end(self, points: np.ndarray) -> np.ndarray:
        """Points (u, y) on the end that shows: u from -1, the far edge, to 1."""
        u, y = np.asarray(points, dtype=float).T
        corners = self.car.profile[:3]
        x = np.interp(-y, -corners[:, 1], corners[:, 0])
        return self.point(x, y, u * self.half_width(x, y))

    def strip(self, start: np.ndarray, end: np.ndarray, u: tuple[float, float] = (-1, 1)) -> np.ndarray:
        """The surface between two places (x, y) of the profile, drawn out from u[0] to u[1] of the width."""
        x, y = np.array([start, end, end, start]).T
        return self.point(x, y, np.array([u[0], u[0], u[1], u[1]]) * self.half_width(x, y))


def draw_car(rng: np.random.Generator) -> Drawing:
    car = random_car(rng)
    yaw = _yaw(rng)
    view = View(yaw, rng.uniform(0.03, 0.12), car)
    drawing = Drawing()
    _under(drawing, view, car)
    _top(drawing, view, car)
    if yaw > 0.15:
        _end(drawing, view, car, rng)
    side = Drawing()
    draw_side(side, car, rng)
    drawing.add(side, view.side)
    _mirror(drawing, view, car)
    x, z = np.array(
        [(car.profile[0, 0], -1), (car.profile[0, 0], 1), (car.profile[-1, 0], 1), (car.profile[-1, 0], -1)]
    ).T
    drawing.ground = view.point(x, np.zeros(4), z)
    return drawing


def _yaw(rng: np.random.Generator) -> float:
    """How far the car is turned from a plain side view, in radians: not at all, halfway, or almost to its end."""
    low, high = [(0.0, 0.15), (0.25, 0.7), (0.6, 1.1), (1.15, 1.45)][rng.choice(4, p=[0.25, 0.22, 0.27, 0.26])]
    return rng.uniform(low, high)


def _under(drawing: Drawing, view: View, car: Car) -> None:
    """The tyres and the dark floor."""
    for x in car.wheels:
        rim = ellipse(x, -car.wheel, car.wheel)
        for way in (-1, 1):
            outer, inner = view.side(rim, 0.97 * way), view.side(rim, 0.66 * way)
            drawing.fill(inner, shade(BLACK, 0.6))
            tread = np.stack([outer, np.roll(outer, 1, axis=0), np.roll(inner, 1, axis=0), inner], axis=1)
            drawing.pieces(tread, [shade(BLACK, 0.8)] * len(tread))
            drawing.fill(outer, BLACK)
    first, last = car.profile[0], car.profile[-1]
    floor = np.array([(first[0] + 0.1, -0.2), (last[0] - 0.1, -0.2)])
    drawing.fill(view.strip(floor[0], floor[1]), shade(BLACK, 0.5))
    low = np.array([(first[0], car.sill), (first[0] + 0.1, -0.2), (last[0] - 0.1, -0.2), (last[0], car.sill)])
    drawing.fill(view.side(low), shade(BLACK, 0.6))


def _top(drawing: Drawing, view: View, car: Car) -> None:
    """Everything that runs across the car, from the far end to the one that shows: boot, glass, roof, bonnet."""
    brightness = [0.62, 0.74, 1.12, 0.9, 1.2, 0.9, 1.1, 0.7, 0.6]
    for k in range(8, -1, -1):
        start, end = car.profile[k], car.profile[k + 1]
        drawing.fill(view.strip(start, end), shade(car.paint, brightness[k]))
        if k in (3, 5):
            near, far = start + 0.1 * (end - start), end + 0.08 * (start - end)
            glass = view.strip(near, far, (-0.9, 0.9))
            drawing.fill(glass, GLASS)
            with drawing.inside(glass, 0.5):
                drawing.fill(view.strip(near, far, (-0.6, -0.1)), (170, 190, 204))
                drawing.fill(view.strip(near, far, (0.05, 0.2)), (150, 170, 184))
        if k in (2, 6):
            for u in (-0.6, 0.6):
                drawing.fill(view.strip(start, end, (u - 0.02, u + 0.02)), shade(car.paint, 0.95))
        if k == 4:
            drawing.fill(view.strip(start, end, (-0.9, -0.3)), mix(shade(car.paint, 1.2), (235, 242, 250), 0.35))


def _end(drawing: Drawing, view: View, car: Car, rng: np.random.Generator) -> None:
    """The front with headlights and grille, or the rear with red lights."""
    low, high = car.profile[0, 1], car.profile[2, 1]
    tall = low - high
    chrome = (190, 192, 196) if rng.random() < 0.4 else BLACK

    def put(outline, colour, roundness=0.0):
        drawing.fill(view.end(np.asarray(outline) * np.array([1, tall]) + np.array([0, high])), colour, roundness)

    # From here on u goes across and v from 0, the upper edge, to 1, the lower.
    put(box(-1, 0.02, 1, 0.1), shade(car.paint, 1.15))
    put(box(-1, 0.62, 1, 0.97), shade(car.paint, 0.6) if rng.random() < 0.5 else (58, 58, 62))
    plate = (236, 234, 220) if rng.random() < 0.7 else (226, 190, 70)
    if car.from_behind:
        wide = rng.uniform(0.16, 0.4)
        for side in (-1, 1):
            put(box(side * 0.95 - wide * (side > 0), 0.16, side * 0.95 + wide * (side < 0), 0.5), (150, 22, 26))
            put(
                box(side * 0.93 - wide * 0.5 * (side > 0), 0.34, side * 0.93 + wide * 0.5 * (side < 0), 0.46),
                (240, 150, 80),
            )
        put(box(-0.95, 0.55, 0.95, 0.58), shade(car.paint, 0.5))
        put(box(-0.28, 0.26, 0.28, 0.46), plate)
    else:
        round_lights = car.kind in ("beetle", "off-roader") or rng.random() < 0.25
        put(box(-0.5, 0.2, 0.5, 0.54, 0.06), chrome)
        for v in (0.26, 0.34, 0.42):
            put(box(-0.47, v, 0.47, v + 0.05), shade(BLACK, 0.7) if chrome != BLACK else (92, 92, 96))
        put(ellipse(0, 0.33, 0.08, 0.1), (214, 214, 218))
        for side in (-1, 1):
            light = (
                ellipse(side * 0.73, 0.33, 0.2, 0.24)
                if round_lights
                else box(side * 0.73 - 0.22, 0.18, side * 0.73 + 0.22, 0.46, 0.06)
            )
            middle = light.mean(axis=0)
            put(light, (60, 62, 66))
            put(middle + (light - middle) * 0.86, (236, 240, 240), 0.3)
            put(ellipse(side * 0.73, 0.32, 0.08, 0.1), (255, 255, 255))
            put(ellipse(side * 0.76, 0.8, 0.09, 0.09), (214, 208, 180))
        put(box(-0.26, 0.66, 0.26, 0.82), plate)
        put(box(-0.6, 0.86, 0.6, 0.94), BLACK)
    text = [
        box(at, 0.31, at + 0.05, 0.41) if car.from_behind else box(at, 0.7, at + 0.05, 0.78)
        for at in np.arange(-0.22, 0.2, 0.075)
    ]
    for mark in text:
        put(mark, (40, 40, 60))


def _mirror(drawing: Drawing, view: View, car: Car) -> None:
    """The wing mirror on the near side."""
    x = float(car.profile[6, 0] if car.from_behind else car.profile[3, 0]) + (-0.35 if car.from_behind else 0.35)
    y = car.belt - 0.07
    shape = smooth([(x - 0.13, y - 0.08), (x + 0.09, y - 0.09), (x + 0.1, y + 0.06), (x - 0.1, y + 0.07)])
    outwards = view.half_width(shape[:, 0], shape[:, 1]) + 0.14
    drawing.fill(view.point(shape[:, 0], shape[:, 1], outwards), shade(car.paint, 0.72), 0.3)
