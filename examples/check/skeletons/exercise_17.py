"""Exercise 17: ten crops, and the top-5 error (Krizhevsky et al. 2012, sections 4.1 and 2).

AlexNet is asked about ten crops of a test image: the corners at the top left, top right, bottom left and bottom right,
and the middle, which begins in row (H - size) // 2 and column (W - size) // 2; then the same five mirrored, left and
right exchanged.

    one row of pixels within a crop, [1, 2, 3], is [3, 2, 1] in the mirrored one

The top-k error is the share of examples whose label is not among the k classes with the largest scores.

    scores [[1, 3, 2]], label 2:   top-1 error 1 (class 1 is the best),   top-2 error 0

    lenet check 17 THIS_FILE
"""

import numpy as np


def ten_crops(image, size):
    """image (H, W, C) -> crops (10, size, size, C), of the dtype of image."""
    raise NotImplementedError


def top_k_error(scores, labels, k):
    """scores (N, classes), no two of a row alike; labels (N,) -> the error, a number from 0 to 1."""
    raise NotImplementedError
