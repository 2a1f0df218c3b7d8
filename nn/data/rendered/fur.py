"""What cats and dogs share: the colours of their coats, hair, and eyes. One palette, so that colour tells nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nn.data.rendered.drawing import Colour, Drawing, ellipse, furry, mix, shade, smooth, vary

COATS = {
    "black": (52, 48, 50),
    "charcoal": (84, 84, 90),
    "grey": (132, 134, 140),
    "silver": (176, 176, 178),
    "white": (216, 212, 206),
    "cream": (222, 198, 160),
    "ginger": (206, 132, 66),
    "red": (160, 88, 46),
    "brown": (120, 84, 58),
    "chocolate": (84, 58, 44),
    "sand": (196, 164, 118),
}


@dataclass
class Coat:
    """Colours of an animal: most of it, the bright parts (chest, muzzle, paws), the dark ones (stripes, patches)."""

    main: Colour
    bright: Colour
    dark: Colour
    pattern: str
    shaggy: float  # 0 sleek to 1 long-haired

    def far(self) -> Coat:
        """The same coat on the limbs on the far side, in the shade."""
        return Coat(shade(self.main, 0.72), shade(self.bright, 0.72), shade(self.dark, 0.72), self.pattern, self.shaggy)

    @property
    def line(self) -> Colour:
        """The colour of drawn lines: darker than the fur, and visible on black fur too."""
        return shade(self.main, 0.45) if sum(self.main) > 240 else mix(self.main, (0, 0, 0), 0.7)


def coat(patterns: list[str], shaggy: float, rng: np.random.Generator) -> Coat:
    name = str(rng.choice(list(COATS)))
    main = vary(COATS[name], 2.5, rng)
    is_dark = sum(main) < 290
    bright = (
        mix(main, (245, 240, 232), rng.uniform(0.75, 0.95)) if rng.random() < 0.6 else mix(main, (240, 225, 200), 0.3)
    )
    dark = mix(main, (235, 225, 210), 0.22) if is_dark else mix(main, (28, 20, 18), rng.uniform(0.5, 0.8))
    return Coat(main, bright, dark, str(rng.choice(patterns)), shaggy)


def part(
    drawing: Drawing, outline: np.ndarray, colour: Colour, coat: Coat, rng: np.random.Generator, roundness: float = 0.55
) -> np.ndarray:
    """A part of the body with a shaggy edge; returns the outline, to draw markings and hair in."""
    outline = furry(outline, 0.006 + 0.04 * coat.shaggy, 0.024 + 0.008 * coat.shaggy, rng)
    drawing.fill(outline, colour, roundness)
    return outline


def hair(
    drawing: Drawing, outline: np.ndarray, colour: Colour, coat: Coat, rng: np.random.Generator, count: int = 90,
    direction: tuple[float, float] = (0.6, 0.8), strength: float = 0.6,
) -> None:  # fmt: skip
    """Short strokes over a part, lighter and darker than it, each along `direction` or nearly."""
    low, high = outline.min(axis=0), outline.max(axis=0)
    roots = rng.uniform(low, high, (count, 2))
    length = (0.05 + 0.07 * coat.shaggy) * rng.uniform(0.6, 1.4, (count, 1))
    angle = np.arctan2(direction[1], direction[0]) + rng.normal(0, 0.35, count)
    along = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    across = along[:, ::-1] * np.array([-1, 1]) * 0.008
    blades = np.stack([roots - across, roots + across, roots + length * along], axis=1)
    tones = [
        shade(colour, 0.72),
        shade(colour, 0.86),
        mix(colour, (255, 250, 240), 0.16),
        mix(colour, (255, 250, 240), 0.28),
    ]
    with drawing.inside(outline, strength):
        drawing.pieces(blades, [tones[k] for k in rng.integers(0, 4, count)])


def patches(
    drawing: Drawing, outline: np.ndarray, colour: Colour, rng: np.random.Generator, count: int, size: float
) -> None:
    """Irregular patches of another colour inside a part."""
    low, high = outline.min(axis=0), outline.max(axis=0)
    with drawing.inside(outline, 0.92):
        for x, y in rng.uniform(low, high, (count, 2)):
            angles = np.linspace(0, 2 * np.pi, 8, endpoint=False)
            radii = size * rng.uniform(0.6, 1.2, 8)
            blob = smooth(np.stack([x + radii * np.cos(angles), y + 0.8 * radii * np.sin(angles)], axis=1), steps=4)
            drawing.fill(furry(blob, 0.02, 0.04, rng) if size > 0.1 else blob, colour)


def eye(drawing: Drawing, x: float, y: float, size: float, iris: Colour, slit: float, line: Colour) -> None:
    """An eye with a highlight; `slit` is the pupil's width over its height, 1 for a round one."""
    drawing.fill(ellipse(x, y, 1.25 * size, 1.15 * size), line)
    drawing.fill(ellipse(x, y, size, 0.92 * size), iris, 0.35)
    drawing.fill(ellipse(x, y, size * 0.8 * slit, size * 0.8), (12, 10, 12))
    drawing.fill(ellipse(x - 0.3 * size, y - 0.35 * size, 0.26 * size), (250, 250, 250))
