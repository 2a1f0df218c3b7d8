"""How an image becomes what a network reads: kept with the weights, so that the network can be used years later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from nn.data.augmentation import centre_crop, lenet5_input, ten_crops, unit_interval
from nn.data.pixels import fit, to_array, to_image
from nn.data.stream import StreamedImages
from nn.data.whole import WholeImages

LEVELS = ("standardised", "minus mean picture", "lenet5")
SCALES = (1, 1 / 2, 1 / 4)  # portions of the largest window's area
MOST_PIXELS = 4096 * 4096  # of the size that images are brought to: what a stranger's weights may ask for


@dataclass(frozen=True, eq=False)
class Preparation:
    """What every image goes through before the network sees it, in this order.

    size        (height, width) that the image is brought to: the largest part of this shape in its middle
    channels    1 grey, 3 RGB
    levels      what its pixels become, from 0..1:
                    "standardised"         (pixel - mean) / deviation, one mean and deviation per channel, (C,)
                    "minus mean picture"   the same with a mean for every pixel, (H, W, C), and deviation 1/255
                    "lenet5"               LeNet-5's -0.1 for background and 1.175 for ink, mean and deviation unused
    window      (height, width) that is cut from the middle: what the network reads

    mean and deviation are those of the training images.
    """

    size: tuple[int, int]
    channels: int
    window: tuple[int, int]
    levels: str = "standardised"
    mean: np.ndarray | np.float32 = np.float32(0)
    deviation: np.ndarray | np.float32 = np.float32(1)

    def __call__(self, images: np.ndarray | WholeImages) -> np.ndarray:
        """The network's input (N, *window, C), float32, for uint8 images (N, H, W, C) of any one size, or WholeImages.

        Floating-point images, in 0..1, are taken too if they have the size already; else TypeError.
        """
        images = self.to_levels(unit_interval(self.resized(images)))
        if images.shape[1:3] != self.window:
            images = centre_crop(images, self.window)
        return np.ascontiguousarray(images, dtype=np.float32)

    def ten_crops(self, images: np.ndarray) -> np.ndarray:
        """The corners and the centre, and each mirrored, (10, N, *window, C): see `nn.data.augmentation.ten_crops`.

        Where the window is as large as the image, they are five times the image and five times its mirror image.
        """
        return ten_crops(self.to_levels(unit_interval(self.resized(images))), self.window)

    def at_scales(self, image: np.ndarray) -> list[np.ndarray]:
        """Windows of one uint8 image (H, W, C), brought to `size`, for each of SCALES: (1, *size, C) of the largest
        window, in the middle, and (5, *size, C) of smaller ones, in the middle and the corners.

        The object fills all of one photograph and a tenth of another: one of the scales may be that of the images that
        the network learned.
        """
        whole = to_image(image)
        largest = min(whole.height / self.size[0], whole.width / self.size[1])
        scales = []
        for portion in SCALES:
            high, wide = (min(largest * side * portion**0.5, most) for side, most in zip(self.size, image.shape))
            down, right = whole.height - high, whole.width - wide  # how far a window can move
            places = [(0.5, 0.5), *(((0, 0), (0, 1), (1, 0), (1, 1)) if portion < 1 else ())]
            boxes = [(x * right, y * down, x * right + wide, y * down + high) for y, x in places]
            windows = [whole.resize(self.size[::-1], Image.Resampling.BICUBIC, box=box) for box in boxes]
            scales.append(np.stack([to_array(window) for window in windows]))
        return scales

    def seen(self, images: np.ndarray) -> np.ndarray:
        """What the network reads of the images (N, H, W, C), still as bytes: (N, *window, C), for drawing it."""
        images = self.resized(images)
        space = [(max(0, wide - side) // 2, -(-max(0, wide - side) // 2)) for side, wide in zip(self.size, self.window)]
        images = np.pad(images, [(0, 0), *space, (0, 0)])  # LeNet-5's border, where the window is the larger
        return centre_crop(images, self.window).astype(np.uint8)

    def resized(self, images: np.ndarray | WholeImages) -> np.ndarray:
        """uint8 images (N, H, W, C) brought to `size`, (N, *size, C); those that have it already stay as they are.

        Raises TypeError for floating-point images of another size.
        """
        if isinstance(images, StreamedImages):
            images = np.asarray(images)
        if images.shape[1:3] == self.size and not isinstance(images, WholeImages):
            return images
        if images.dtype != np.uint8:
            raise TypeError(f"images of {images.shape[1]}x{images.shape[2]} must be uint8 to be brought to {self.size}")
        out = np.empty((len(images), *self.size, images.shape[3]), np.uint8)
        for image, small in zip(images, out):
            small[...] = to_array(fit(to_image(image), self.size))
        return out

    def to_levels(self, images: np.ndarray) -> np.ndarray:
        """Images with pixels in 0..1 at the network's levels (LeNet-5's also get its border)."""
        if self.levels == "lenet5":
            return lenet5_input(images)
        return (images - self.mean) / self.deviation

    def to_json(self) -> dict:
        """Plain values, to be saved with the weights. float32 survives the way through decimals exactly."""
        return {
            "size": list(self.size),
            "channels": self.channels,
            "window": list(self.window),
            "levels": self.levels,
            "mean": np.asarray(self.mean).tolist(),
            "deviation": np.asarray(self.deviation).tolist(),
        }

    @classmethod
    def from_json(cls, values: dict) -> Preparation:
        """From what `to_json` gave; ValueError where it cannot have been that."""
        try:
            size, window, channels, levels = (
                _pair(values["size"]),
                _pair(values["window"]),
                values["channels"],
                values["levels"],
            )
            mean, deviation = (np.asarray(values[name], np.float32) for name in ("mean", "deviation"))
            shape = (*size, channels)
            good = (
                channels in (1, 3)
                and levels in LEVELS
                and size[0] * size[1] <= MOST_PIXELS
                and (max(size) <= 32 and window == (32, 32) if levels == "lenet5" else _fits(window, size))
                and all(np.broadcast_shapes(each.shape, shape) == shape for each in (mean, deviation))
                and bool(np.isfinite(mean).all())
                and bool((deviation > 0).all() and np.isfinite(deviation).all())
            )
        except (LookupError, TypeError, ValueError, OverflowError):
            good = False
        if not good:
            raise ValueError("it does not say how images are prepared for this network, as examples.train does")
        return cls(size, channels, window, levels, mean, deviation)


def _fits(window: tuple[int, int], size: tuple[int, int]) -> bool:
    return window[0] <= size[0] and window[1] <= size[1]


def _pair(values: Sequence[int]) -> tuple[int, int]:
    height, width = values
    if not all(isinstance(side, int) and side >= 1 for side in (height, width)):
        raise ValueError(f"expected two whole numbers, got {values!r}")
    return height, width
