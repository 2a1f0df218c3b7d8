"""The shapes of cars, and what is on their sides: windows, doors, lights and wheels.

The side lies in coordinates x (to the rear, in metres) and y (down, 0 at the road).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nn.data.rendered.drawing import Colour, Drawing, box, ellipse, mix, shade, vary

# Each profile from the front bumper over the roof to the rear bumper:
# bumper, nose, bonnet, foot of the windscreen, roof, roof, foot of the rear window, end of the boot, tail, bumper.
PROFILES = {
    "saloon": [(-2.15, -0.28), (-2.22, -0.55), (-2.05, -0.78), (-0.95, -0.95), (-0.3, -1.4),
               (0.7, -1.4), (1.3, -1.0), (2.1, -0.94), (2.2, -0.6), (2.15, -0.3)],
    "hatchback": [(-1.85, -0.28), (-1.92, -0.55), (-1.78, -0.78), (-1.0, -0.97), (-0.35, -1.46),
                  (1.25, -1.42), (1.7, -1.0), (1.82, -0.92), (1.86, -0.6), (1.8, -0.3)],
    "estate": [(-2.1, -0.28), (-2.18, -0.55), (-2.0, -0.8), (-0.95, -0.97), (-0.3, -1.42),
               (1.75, -1.4), (2.05, -1.0), (2.15, -0.92), (2.2, -0.6), (2.15, -0.3)],
    "van": [(-2.05, -0.3), (-2.12, -0.6), (-2.0, -0.95), (-1.45, -1.15), (-0.85, -1.95),
            (2.0, -1.95), (2.1, -1.2), (2.12, -1.1), (2.14, -0.6), (2.1, -0.32)],
    "coupe": [(-2.1, -0.22), (-2.18, -0.48), (-1.95, -0.68), (-0.75, -0.88), (0.0, -1.24),
              (0.5, -1.24), (1.6, -0.92), (2.08, -0.88), (2.15, -0.55), (2.1, -0.25)],
    "beetle": [(-1.85, -0.3), (-1.98, -0.5), (-1.7, -0.86), (-0.8, -1.0), (-0.35, -1.46),
               (0.45, -1.5), (1.35, -1.1), (1.85, -0.72), (1.98, -0.48), (1.88, -0.3)],
    "pickup": [(-2.3, -0.38), (-2.36, -0.7), (-2.2, -0.98), (-1.05, -1.1), (-0.5, -1.66),
               (0.4, -1.66), (0.52, -1.1), (2.3, -1.06), (2.36, -0.7), (2.3, -0.42)],
    "off-roader": [(-2.0, -0.42), (-2.06, -0.7), (-1.98, -1.05), (-0.95, -1.12), (-0.6, -1.72),
                   (1.75, -1.72), (1.9, -1.15), (1.95, -1.1), (1.98, -0.7), (1.95, -0.45)],
}  # fmt: skip
PAINTS = [
    (186, 36, 40), (40, 78, 150), (232, 232, 230), (40, 40, 44), (128, 132, 138), (182, 186, 190), (226, 186, 54),
    (44, 98, 66), (122, 88, 60), (206, 112, 44), (92, 150, 190), (214, 200, 170), (98, 44, 58), (110, 160, 110),
    (158, 108, 70), (198, 164, 118), (196, 120, 62), (232, 232, 230), (150, 84, 50),
]  # fmt: skip
GLASS = (58, 72, 84)
BLACK = (26, 26, 28)


@dataclass
class Car:
    """A car's shape and colours; `profile` runs from the end that shows, at the left, to the other."""

    profile: np.ndarray
    paint: Colour
    wheel: float  # the tyres' radius
    wheels: tuple[float, float]  # where they touch the road
    rims: Colour
    from_behind: bool
    kind: str

    @property
    def sill(self) -> float:
        return float(max(self.profile[0, 1], self.profile[-1, 1]))

    @property
    def belt(self) -> float:
        """The height of the windows' lower edge."""
        return float(max(self.profile[3, 1], self.profile[6, 1])) + 0.02

    @property
    def roof(self) -> float:
        return float(self.profile[4, 1])


def random_car(rng: np.random.Generator) -> Car:
    kind = str(rng.choice(list(PROFILES)))
    profile = np.array(PROFILES[kind]) + rng.normal(0, 0.02, (10, 2))
    profile *= np.array([rng.uniform(0.94, 1.06), rng.uniform(0.94, 1.06)])
    paint = vary(PAINTS[rng.integers(len(PAINTS))], 10, rng)
    wheel = rng.uniform(0.31, 0.36) + 0.06 * (kind in ("pickup", "off-roader"))
    wheels = (profile[0, 0] + 0.78, profile[-1, 0] - 0.75)
    from_behind = bool(rng.random() < 0.3)
    if from_behind:
        profile, wheels = profile[::-1] * np.array([-1, 1]), (-wheels[1], -wheels[0])
    rims = [(176, 178, 182), (210, 210, 212), (84, 84, 88), (226, 222, 210)][rng.integers(4)]
    return Car(profile, paint, wheel, wheels, rims, from_behind, kind)


def draw_side(side: Drawing, car: Car, rng: np.random.Generator) -> None:
    soft = (3, 0.25) if car.kind == "beetle" else (2, 0.14)
    outline = np.concatenate(
        [_rounded(car.profile, *soft), [(car.profile[-1, 0], car.sill), (car.profile[0, 0], car.sill)]]
    )
    side.fill(outline, shade(car.paint, 0.95))
    ends = car.profile[0, 0] - 0.2, car.profile[-1, 0] + 0.2
    with side.inside(outline):
        side.fill(box(ends[0], car.belt + 0.04, ends[1], car.belt + 0.13), mix(car.paint, (255, 255, 255), 0.3))
        side.fill(box(ends[0], 0.5 * (car.belt + car.sill) + 0.04, ends[1], car.sill), shade(car.paint, 0.78))
        side.fill(
            box(ends[0], car.sill - 0.09, ends[1], car.sill),
            (48, 48, 52) if rng.random() < 0.6 else shade(car.paint, 0.55),
        )
        if rng.random() < 0.4:
            y = 0.5 * (car.belt + car.sill)
            side.fill(
                box(ends[0], y, ends[1], y + 0.05), [(220, 220, 222), BLACK, shade(car.paint, 0.5)][rng.integers(3)]
            )
    _windows(side, car, rng)
    _doors(side, car, rng)
    _lights(side, car)
    for x in car.wheels:
        _wheel(side, car, x, outline, rng)


def _windows(side: Drawing, car: Car, rng: np.random.Generator) -> None:
    profile, belt, top = car.profile, car.belt - 0.02, car.roof + 0.09
    # A window's slanting edge runs along the pillar, a hand's breadth from it.
    left = [np.interp(-y, -profile[3:5, 1], profile[3:5, 0]) + 0.14 for y in (belt, top)]
    right = [np.interp(-y, -profile[6:4:-1, 1], profile[6:4:-1, 0]) - 0.14 for y in (belt, top)]
    panes = np.array([(left[0], belt), (left[1], top), (right[1], top), (right[0], belt)])
    if car.kind == "van" and rng.random() < 0.6:  # no windows behind the driver
        if car.from_behind:
            panes[0, 0] = panes[1, 0] = right[1] - 0.9
        else:
            panes[2, 0] = panes[3, 0] = left[1] + 0.75
    glass = _rounded(np.concatenate([panes, panes[:1]]), 1, 0.07)
    side.fill(panes.mean(axis=0) + (glass - panes.mean(axis=0)) * np.array([1.03, 1.12]), shade(car.paint, 0.55))
    side.fill(glass, GLASS)
    with side.inside(glass, 0.55):
        for at in rng.uniform(left[0], right[0], 3):
            wide = rng.uniform(0.08, 0.3)
            side.fill(
                np.array([(at, belt), (at + 0.35, top), (at + 0.35 + wide, top), (at + wide, belt)]), (168, 188, 202)
            )
        side.fill(box(left[0], belt - 0.1, right[0], belt), shade(GLASS, 0.6))
    with side.inside(glass):
        for at in _pillars(car):
            side.fill(box(at - 0.045, top - 0.1, at + 0.045, belt + 0.1), shade(car.paint, 0.8))


def _pillars(car: Car) -> list[float]:
    """Where doors end, from left to right."""
    first, last = float(car.profile[4, 0]), float(car.profile[5, 0])
    if car.kind in ("coupe", "pickup", "beetle"):
        return [last - 0.02] if not car.from_behind else [first + 0.02]
    middle = 0.5 * (first + last)
    if car.kind in ("saloon", "hatchback"):
        return [middle]
    return [first + 0.36 * (last - first), first + 0.74 * (last - first)]


def _doors(side: Drawing, car: Car, rng: np.random.Generator) -> None:
    line, low = shade(car.paint, 0.45), car.sill - 0.1
    pillars = _pillars(car)
    front, back = float(car.profile[3, 0]) + 0.22, float(car.profile[6, 0]) - 0.3
    edges = [front, *pillars, max(back, pillars[-1] + 0.4)]
    for at in edges:
        if abs(at - car.wheels[0]) > car.wheel and abs(at - car.wheels[1]) > car.wheel:
            side.fill(box(at - 0.014, car.belt, at + 0.014, low), line)
    handle = [(200, 202, 206), BLACK, shade(car.paint, 0.6)][rng.integers(3)]
    for at in pillars:
        x = at - 0.26 if not car.from_behind else at + 0.08
        side.fill(box(x - 0.01, car.belt + 0.13, x + 0.19, car.belt + 0.2), line)
        side.fill(box(x, car.belt + 0.135, x + 0.18, car.belt + 0.175), handle)


def _lights(side: Drawing, car: Car) -> None:
    white, red = (238, 240, 236), (176, 30, 32)
    for end, way in ((2, 1), (7, -1)):
        colour = red if (end == 7) != car.from_behind else white
        x, y = car.profile[end]
        light = np.array(
            [(x, y + 0.06), (x + way * 0.22, y + 0.08), (x + way * 0.16, y + 0.2), (x - way * 0.05, y + 0.2)]
        )
        side.fill(light, colour)


def _wheel(side: Drawing, car: Car, x: float, outline: np.ndarray, rng: np.random.Generator) -> None:
    r = car.wheel
    with side.inside(outline):
        side.fill(ellipse(x, -r, 1.28 * r), shade(car.paint, 0.6))
        side.fill(ellipse(x, -r, 1.2 * r), (16, 16, 18))
    side.fill(ellipse(x, -r, r), BLACK)
    side.fill(ellipse(x, -r, 0.9 * r), (52, 52, 54))
    side.fill(ellipse(x, -r, 0.66 * r), shade(car.rims, 0.45))
    start, spokes = rng.uniform(0, 60), int(rng.integers(5, 9))
    for angle in np.radians(start + 360 / spokes * np.arange(spokes)):
        tip = np.array([x + 0.6 * r * math.cos(angle), -r + 0.6 * r * math.sin(angle)])
        side.line([(x, -r), tip], [0.2 * r, 0.16 * r], car.rims)
    ring = np.concatenate(
        [
            ellipse(x, -r, 0.66 * r),
            ellipse(x, -r, 0.66 * r)[:1],
            ellipse(x, -r, 0.56 * r)[:1],
            ellipse(x, -r, 0.56 * r)[::-1],
        ]
    )
    side.fill(ring, car.rims)
    side.fill(ellipse(x, -r, 0.16 * r), mix(car.rims, (255, 255, 255), 0.3))
    side.fill(ellipse(x, -r, 0.07 * r), shade(car.rims, 0.5))


def _rounded(points: np.ndarray, times: int, cut: float) -> np.ndarray:
    """Corners cut off, again and again (Chaikin's algorithm); both ends stay."""
    for _ in range(times):
        start, end = points[:-1], points[1:]
        cuts = np.stack([start + cut * (end - start), end + cut * (start - end)], axis=1).reshape(-1, 2)
        points = np.concatenate([points[:1], cuts, points[-1:]])
    return points
