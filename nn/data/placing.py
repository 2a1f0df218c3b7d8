"""A digit that somebody wrote, brought to where MNIST's digits are: light ink on black, cut out, scaled and centred.

As the set was made (LeCun et al. 1998, section III.A): a digit's longer side becomes 20 pixels of an image of 28 x 28,
and its centre of mass comes to the image's centre.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

SIDE, DIGIT = 28, 20
LOW, HIGH = 14.0, 15.0  # from the upper left corner, where MNIST's centres of mass are: moved by whole pixels
CENTRE = (LOW + HIGH) / 2
ROUNDING = 1.5  # pixels by which a digit's longer side may differ from 20 because its edge is smooth
LEAST_CONTRAST = 24  # levels between paper and ink: with less, all is paper
BRIGHTEST = 8  # so many pixels may have more contrast than full ink: a few may be dust
INK = 0.4  # of full ink, from which on a pixel belongs to the digit


def placed(picture: np.ndarray) -> np.ndarray:
    """The digit in its place, uint8 (S, S, 1), of a grey image, uint8 (H, W, 1): dark ink on light paper or the other
    way round, anywhere on a page, on white, black or grey paper.

    S is 28 or a multiple of it, as many pixels as the digit has. Where the digit is in its place already, it keeps its
    pixels, but dark ink becomes light. An image without contrast is returned as it is.
    """
    ink = ink_of(picture[..., 0])
    if ink is None:
        return picture
    rows, columns = (np.flatnonzero((ink >= INK).any(axis)) for axis in (1, 0))
    digit = np.zeros_like(ink)  # what lies beside it, as the paper's grain, has no say in where its centre is
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    digit[box] = ink[box]
    longer = max(digit[box].shape)
    y, x = centre_of_mass(digit)
    if _is_in_place(ink.shape, longer, y, x):
        return _as_bytes(ink)
    unit = longer / DIGIT  # of the picture's pixels, one of those that MNIST has
    side = SIDE * unit
    space = int(np.ceil(side)) + 1  # of paper around it, so that a digit at the border can be in the middle as well
    left, top = x + space - CENTRE * unit, y + space - CENTRE * unit
    pixels = SIDE * max(1, round(unit))
    page = Image.fromarray(_as_bytes(np.pad(digit, space))[..., 0])
    cut = page.resize((pixels, pixels), Image.Resampling.BICUBIC, box=(left, top, left + side, top + side))
    return np.asarray(cut)[..., np.newaxis]


def ink_of(levels: np.ndarray) -> np.ndarray | None:
    """How much ink each pixel has, 0 to 1, of grey levels (H, W): the contrast stretched. None where all is paper."""
    levels = levels.astype(np.float32)
    border = np.concatenate([levels[0], levels[-1], levels[:, 0], levels[:, -1]])
    paper = float(np.median(border))
    # Ink is darker than paper or lighter: whichever there is more contrast of.
    spared = min(BRIGHTEST, (levels.size - 1) // 2)
    darkest, lightest = np.partition(levels, (spared, levels.size - 1 - spared), axis=None)[[spared, -1 - spared]]
    sign, full = (1, lightest - paper) if lightest - paper >= paper - darkest else (-1, paper - darkest)
    if full < LEAST_CONTRAST:
        return None
    # Three standard deviations of the paper's grain, estimated from the median, which ink at the border leaves alone.
    grain = min(3 * 1.4826 * float(np.median(np.abs(border - paper))), full / 2)
    return np.clip((sign * (levels - paper) - grain) / (full - grain), 0, 1)


def centre_of_mass(ink: np.ndarray) -> tuple[float, float]:
    """(y, x) from the upper left corner of (H, W)."""
    by_row, by_column = (ink.sum(axis=axis, dtype=np.float64) for axis in (1, 0))
    y, x = (float((each * (np.arange(len(each)) + 0.5)).sum() / each.sum()) for each in (by_row, by_column))
    return y, x


def _is_in_place(shape: tuple[int, int], longer: int, y: float, x: float) -> bool:
    unit = shape[0] / SIDE
    centred = min(y, x) / unit >= LOW - 0.5 and max(y, x) / unit <= HIGH + 0.5
    return shape[0] == shape[1] and abs(longer / unit - DIGIT) <= ROUNDING and centred


def _as_bytes(ink: np.ndarray) -> np.ndarray:
    return np.rint(255 * ink).astype(np.uint8)[..., np.newaxis]
