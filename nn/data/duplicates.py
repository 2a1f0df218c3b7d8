"""Images that are nearly the same, and test images held out so that no training image is nearly one of them.

A photograph is often in a collection twice: cut otherwise, saved smaller, mirrored. With one copy among the training
images and the other among the test images, a network is asked about what it has learned by heart.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from nn.data.bars import bar
from nn.data.pixels import to_image
from nn.data.whole import WholeImages

ALIKE = 0.92  # correlation of thumbnails, above which two images are near duplicates
SIDE = 16  # pixels of a thumbnail's side
TILE = 1024  # images that are compared with as many others at a time
MANY = 5000  # images, from which on the progress is shown


def near_duplicates(images: np.ndarray | WholeImages, alike: float = ALIKE) -> np.ndarray:
    """The number of each image's group, (N,): the first image in it. Most images are alone in theirs.

    Two images belong together where their thumbnails, 16 x 16 and grey, correlate by more than `alike`, as they are or
    one of them mirrored; so do those that others link to each other. (Empty skies link many: groups of hundreds occur.)
    An image of a single colour correlates with nothing.

    A thumbnail is the sum of a part that is its own mirror image, e, and one that is minus its own, o. So a and b
    correlate by e_a e_b + o_a o_b, and a and mirrored b by e_a e_b - o_a o_b; the larger one is e_a e_b + |o_a o_b|.
    For all pairs of N images these are N^2 / 2 times 256 products, in matrix products of TILE x TILE. On two cores it
    takes ten seconds for 20,000 images and one or two minutes for 70,000, of which decoding is a part.
    """
    rows = _standardised(_thumbnails(images))
    left, right = rows[:, :, : SIDE // 2], rows[:, :, : SIDE // 2 - 1 : -1]  # the right half from its outer edge
    even, odd = (half.reshape(len(rows), -1) * np.float32(0.5**0.5) for half in (left + right, left - right))
    groups = np.arange(len(images))

    def group_of(number: int) -> int:
        while groups[number] != number:
            groups[number] = groups[groups[number]]  # a shorter way for the next one who asks
            number = groups[number]
        return number

    starts = range(0, len(images), TILE)
    tiles = [(first, second) for first in starts for second in starts if second >= first]
    for first, second in bar(tiles, len(images) >= MANY, desc="near duplicates", unit="tile"):
        some, others = slice(first, first + TILE), slice(second, second + TILE)
        correlation = even[some] @ even[others].T + np.abs(odd[some] @ odd[others].T)
        for one, other in np.argwhere(correlation > alike) + (first, second):
            if one < other:
                low, high = sorted((group_of(one), group_of(other)))
                groups[high] = low
    return np.array([group_of(number) for number in range(len(images))], np.int64)


def hold_out(
    groups: np.ndarray,
    cells: np.ndarray,
    count: int,
    even: bool = False,
    seed: int = 0,
    never: np.ndarray | None = None,
) -> np.ndarray:
    """Which images to test with, (N,) of booleans: about `count` of them, and of every group all or none.

    groups  the number of each image's group, as `near_duplicates` gives it
    cells   the number of each image's class, or of its class and data set: every cell gives its share
    even    True: all cells give as many, but never more than half of what they have
    never   images that stay out of this, with all that is in their groups: booleans (N,)

    Groups are taken in random order, where none of their cells would give more than its share; so a group that is
    larger than that is never taken, and where there are such, there may be fewer images than `count`.
    """
    _, cells = np.unique(cells, return_inverse=True)
    sizes = np.bincount(cells)
    left = (
        np.minimum(round(count / len(sizes)), sizes // 2) if even else np.rint(count * sizes / len(cells)).astype(int)
    )
    order = np.argsort(groups, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    held = np.zeros(len(groups), bool)
    for number in np.random.default_rng(seed).permutation(len(members)):
        some = members[number]
        given = np.bincount(cells[some], minlength=len(left))
        if (given <= left).all() and (never is None or not never[some].any()):
            held[some] = True
            left = left - given
    return held


def _thumbnails(images: np.ndarray | WholeImages) -> np.ndarray:
    if isinstance(images, WholeImages):  # so a JPEG is decoded at a part of its size
        images = WholeImages(images.items, 2 * SIDE, images.channels)
    out = np.empty((len(images), SIDE, SIDE), np.uint8)
    for image, small in zip(bar(images, len(images) >= MANY, desc="thumbnails", unit="img"), out):
        small[...] = to_image(image).convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    return out


def _standardised(thumbnails: np.ndarray) -> np.ndarray:
    """With mean 0 and length 1, so that the product of two is their correlation; (N, SIDE, SIDE), float32."""
    levels = thumbnails.astype(np.float32)
    levels -= levels.mean(axis=(1, 2), keepdims=True)
    return levels / np.maximum(np.sqrt((levels**2).sum(axis=(1, 2), keepdims=True)), 1)
