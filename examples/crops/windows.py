"""Windows of an image: how much of its area they hold, where they lie, and how much of an object is inside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from nn.data.pixels import to_array, to_image

PORTIONS = (1.0, 0.75, 0.5, 0.25, 0.125, 0.0625)  # of the image's area
PLACES = ("centre", "top left", "top right", "bottom left", "bottom right")


@dataclass(frozen=True)
class Window:
    """Part of an image; left, top and side are shares of the image's side, so that side squared is the portion."""

    place: str
    portion: float
    left: float
    top: float

    @property
    def side(self) -> float:
        return self.portion**0.5

    def cut(self, picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """This part of a square uint8 image (S, S, C), brought to `size`."""
        length = len(picture)
        box = tuple(length * edge for edge in (self.left, self.top, self.left + self.side, self.top + self.side))
        return to_array(to_image(picture).resize(size[::-1], Image.Resampling.BICUBIC, box=box))

    def share_of(self, box: np.ndarray) -> float:
        """How much of the area of a box (left, top, right, bottom) lies in this window, 0 to 1."""
        left, top, right, bottom = map(float, box)
        wide = min(right, self.left + self.side) - max(left, self.left)
        high = min(bottom, self.top + self.side) - max(top, self.top)
        return max(0.0, wide) * max(0.0, high) / ((right - left) * (bottom - top))


def windows(rng: np.random.Generator, random: int = 3, portions: tuple[float, ...] = PORTIONS) -> list[Window]:
    """For each portion: the centre, the four corners, and some anywhere. The whole image is there once."""
    found = []
    for portion in portions:
        if portion == 1:
            found.append(Window("centre", 1.0, 0.0, 0.0))
            continue
        room = 1 - portion**0.5
        found.append(Window("centre", portion, room / 2, room / 2))
        found += [
            Window(place, portion, left, top)
            for place, (top, left) in zip(PLACES[1:], ((0, 0), (0, room), (room, 0), (room, room)))
        ]
        found += [Window("random", portion, *(rng.random(2) * room).tolist()) for _ in range(random)]
    return found
