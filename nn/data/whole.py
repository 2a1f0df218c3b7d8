"""Images of any sizes, kept whole: as the bytes of their files, and decoded when they are asked for.

A photograph of 170 x 128 pixels takes 65 kB of memory and its JPEG file 6 kB; to decode it takes a third of a
millisecond. So 20,000 photographs lie in 120 MB, and a network can be trained on ever new portions of all of each.
"""

from __future__ import annotations

import io
import operator
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np

from nn.data.pixels import fit, read_picture, to_array, to_image


class WholeImages:
    """N images of any sizes, for a `Dataset`, in the place of an array.

    images[3]                    the image as uint8 (H, W, C), of its own size, its short side at most image_size
    images[2:7], images[[1, 5]]  some of them, as WholeImages: nothing is decoded yet
    np.asarray(images)           all, brought to image_size: uint8 (N, image_size, image_size, C)

    items       an image each: the bytes of its file, or uint8 (H, W, C) with a short side of at most image_size
    image_size  which size they count as, since a data set has one; `shape` says it
    channels    3: RGB, 1: grey
    """

    dtype, ndim = np.dtype(np.uint8), 4

    def __init__(self, items: Sequence[bytes | np.ndarray], image_size: int, channels: int = 3) -> None:
        self.items, self.image_size, self.channels = list(items), image_size, channels

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return len(self.items), self.image_size, self.image_size, self.channels

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, which):
        if not isinstance(which, slice) and np.ndim(which) == 0:
            item = self.items[operator.index(which)]
            if isinstance(item, np.ndarray):
                return item
            return read_picture(io.BytesIO(item), self.image_size, self.channels, whole=True)
        numbers = np.arange(len(self.items))[which]
        return WholeImages([self.items[number] for number in numbers], self.image_size, self.channels)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[number] for number in range(len(self.items)))

    def __array__(self, dtype: np.typing.DTypeLike = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("WholeImages are decoded when they become an array, which copy=False forbids")
        out = np.empty(self.shape, np.uint8)
        for image, small in zip(self, out):
            small[...] = to_array(fit(to_image(image), self.image_size))
        return out if dtype is None else out.astype(dtype)


def read_whole(
    file: BinaryIO, image_size: int, channels: int = 3, among: tuple[str, ...] | None = None
) -> bytes | np.ndarray:
    """An image file as an item of `WholeImages`: its bytes, or its pixels where they are fewer, as they are of a large
    photograph whose short side is brought to image_size. It is decoded here once, so that broken files are noticed.

    Raises what `read_picture` does.
    """
    content = file.read()
    picture = read_picture(io.BytesIO(content), image_size, channels, among, whole=True)
    return content if len(content) < picture.nbytes else picture
