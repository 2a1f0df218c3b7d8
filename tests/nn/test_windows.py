"""The geometry of sliding windows, compared with windows that are laid one by one."""

import numpy as np
import pytest

from nn.layer import Layer
from nn.windows import count_windows, each_place, with_border, without_border
from tests.checks import one_sentence

# (H, W), kernel, stride, padding, ceil_mode
CASES = [
    ((5, 4), (3, 2), (1, 1), (0, 0), False),
    ((7, 9), (3, 3), (2, 2), (1, 1), False),
    ((7, 9), (2, 3), (3, 1), (1, 0), True),
    ((6, 5), (3, 2), (2, 3), (1, 1), True),
    ((3, 3), (2, 2), (2, 2), (1, 1), True),
    ((4, 4), (1, 1), (5, 2), (0, 0), True),
    ((8, 8), (8, 3), (1, 4), (0, 1), False),
]
cases = pytest.mark.parametrize("size, kernel, stride, padding, ceil_mode", CASES)


def starts(length, kernel, stride, padding, ceil_mode):
    """Where the windows begin: all that end within the padded image; with ceil_mode one more, if pixels or near padding
    are left for it."""
    found = [start for start in range(-padding, length + padding, stride) if start + kernel <= length + padding]
    following = found[-1] + stride
    if ceil_mode and found[-1] + kernel < length + padding and following < length:
        found.append(following)
    return found


@cases
def test_the_windows_that_fit_are_counted(size, kernel, stride, padding, ceil_mode):
    expected = tuple(len(starts(*axis, ceil_mode)) for axis in zip(size, kernel, stride, padding, strict=True))
    assert count_windows(Layer(), (*size, 3), kernel, stride, padding, ceil_mode) == expected


@cases
def test_each_place_sees_its_pixel_of_every_window(size, kernel, stride, padding, ceil_mode):
    x = np.random.default_rng(0).normal(size=(2, *size, 3))
    OH, OW = count_windows(Layer(), x.shape[1:], kernel, stride, padding, ceil_mode)
    bordered = with_border(x, kernel, stride, padding, (2, OH, OW, 3))
    np.testing.assert_array_equal(without_border(bordered, padding, x.shape), x)
    seen = []
    for (i, j), pixels in each_place(kernel, stride, (2, OH, OW, 3), bordered):
        seen.append((i, j))
        for oh in range(OH):
            for ow in range(OW):
                h, w = oh * stride[0] - padding[0] + i, ow * stride[1] - padding[1] + j
                inside = 0 <= h < size[0] and 0 <= w < size[1]
                np.testing.assert_array_equal(pixels[:, oh, ow], x[:, h, w] if inside else np.zeros((2, 3)))
    assert seen == [(i, j) for i in range(kernel[0]) for j in range(kernel[1])]


def test_a_window_larger_than_the_image_is_refused():
    with one_sentence(ValueError, "Layer", "5x2", "4x7", "empty"):
        count_windows(Layer(), (4, 7, 1), (5, 2), (1, 1))
