"""Exercises 14 and 17: AlexNet's normalisation, and how it was tested: ten crops and five guesses."""

from __future__ import annotations

import numpy as np

from examples.check.judging import Case, Exercise, compared


# ------------------------------------------------------------------------------------ 14: local response normalisation
def _neighbours(c, size, C):
    return range(max(0, c - size // 2), min(C, c + size // 2 + 1))


def _sums(x, size, alpha, k, power=2):
    """s for each number: k + alpha times the sum of the squares of its neighbours, itself included."""
    s = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        squares = sum(float(x[(*place[:-1], j)]) ** power for j in _neighbours(place[-1], size, x.shape[-1]))
        s[place] = k + alpha * squares
    return s


def lrn(x, size, alpha, beta, k):
    return (x / _sums(x, size, alpha, k) ** beta).astype(x.dtype)


def lrn_backward(dy, x, size, alpha, beta, k, *, cross=1.0, power=-1, of_j=True):
    """cross, power, of_j: for mistakes in the cross terms."""
    s = _sums(x, size, alpha, k)
    dx = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        c = place[-1]
        total = 0.0
        for j in _neighbours(c, size, x.shape[-1]):
            there = (*place[:-1], j)
            total += float(dy[there]) * float(x[there if of_j else place]) * s[there] ** (power - beta)
        dx[place] = dy[place] * s[place] ** -beta - cross * 2 * alpha * beta * float(x[place]) * total
    return dx


def _norm_sizes():
    rng = np.random.default_rng(14)
    for about, shape, size, alpha, beta, k, dtype in (
        ("one place of 3 channels, size 3", (1, 1, 1, 3), 3, 1.0, 0.75, 2.0, "d"),
        ("3 images 2x3, 7 channels, size 5", (3, 2, 3, 7), 5, 0.5, 0.75, 2.0, "d"),
        ("2 images 3x2, 4 channels, size 3, k = 1, beta = 0.5", (2, 3, 2, 4), 3, 0.3, 0.5, 1.0, "d"),
        ("2 images 2x2, 2 channels, size 5, more than there are", (2, 2, 2, 2), 5, 1.0, 0.75, 2.0, "d"),
        ("2 images 2x2, 6 channels in float32", (2, 2, 2, 6), 5, 0.5, 0.75, 2.0, "f"),
    ):
        arrays = [rng.normal(size=shape).astype(dtype) for _ in range(2)]
        yield about, *arrays, size, alpha, beta, k


def lrn_cases():
    return [Case(about, (x, *rest)) for about, x, _, *rest in _norm_sizes()]


def lrn_backward_cases():
    return [Case(about, (dy, x, *rest)) for about, x, dy, *rest in _norm_sizes()]


def _wrapped(x, size, alpha, beta, k):
    squares = sum(np.roll(x**2, shift, axis=-1) for shift in range(-(size // 2), size // 2 + 1))
    return x / (k + alpha * squares) ** beta


def _but(**names):
    return lambda *arguments: lrn_backward(*arguments, **names)


def _over_positions(x, size, alpha, beta, k):
    return x / (k + alpha * (x**2).sum(axis=(1, 2), keepdims=True)) ** beta


LRN_MISTAKES = [
    (
        lambda x, size, alpha, *rest: lrn(x, size, alpha / size, *rest),
        "It looks as if alpha were divided by the size: some libraries do, the paper and this course do not.",
    ),
    (
        lambda x, size, *rest: lrn(x, 2 * size + 1, *rest),
        "It looks as if `size` channels to either side were taken: there are size // 2 to either side, `size` in all.",
    ),
    (_wrapped, "It looks as if channels beyond the first and the last were taken from the other end: there are none."),
    (lambda x, size, alpha, beta, k: lrn(x, size, alpha, beta, 1.0), "It looks as if k were 1, whatever is given."),
    (lambda x, size, alpha, beta, k: lrn(x, size, alpha, beta, 0.0), "It looks as if k were left out."),
    (
        lambda x, size, alpha, beta, k: lrn(x, size, alpha, 1.0, k),
        "It looks as if beta were left out: s is raised to the power beta.",
    ),
    (
        lambda x, size, alpha, beta, k: lrn(x, size, alpha, -beta, k),
        "It looks as if x were multiplied by s**beta: divide by it.",
    ),
    (
        lambda x, size, alpha, beta, k: x / _sums(x, size, alpha, k, 1) ** beta,
        "It looks as if the neighbours were added without being squared.",
    ),
    (
        lambda x, size, alpha, beta, k: x / (_sums(x, size, alpha, k) - alpha * x**2) ** beta,
        "It looks as if the channel itself did not count: the sum has its own square too.",
    ),
    (_over_positions, "It looks as if the neighbours were places in the image: they are channels at the same place."),
]

LRN_BACKWARD_MISTAKES = [
    (
        _but(cross=0.0),
        "It looks as if the cross terms were left out: x[c] is also in the sums of its neighbours (and in its "
        "own), and changes their outputs.",
    ),
    (
        _but(cross=-1.0),
        "It looks as if the second term were added: it is subtracted, for a larger x makes its neighbours smaller.",
    ),
    (_but(cross=0.5), "It looks as if the factor 2 were missing: the slope of x**2 is 2 x."),
    (
        _but(power=0),
        "It looks as if s were raised to -beta in the second term: the slope of s**-beta is -beta s**(-beta - 1).",
    ),
    (_but(of_j=False), "It looks as if x[c] stood within the sum: it is the neighbour's x[j] that is divided by s[j]."),
    (
        lambda dy, x, size, alpha, beta, k: _own_sum_only(dy, x, size, alpha, beta, k),
        "It looks as if only the number's own sum counted: x[c] is in the sums of its neighbours too.",
    ),
]

EXERCISE_14 = Exercise(
    "local response normalisation, forward and backward",
    (compared(lrn, lrn_cases, LRN_MISTAKES), compared(lrn_backward, lrn_backward_cases, LRN_BACKWARD_MISTAKES, "dx")),
)


def _own_sum_only(dy, x, size, alpha, beta, k):
    s = _sums(x, size, alpha, k)
    return dy * s**-beta - 2 * alpha * beta * x * dy * x * s ** (-beta - 1)


# --------------------------------------------------------------------------------- 17: ten crops and the top-5 error
def ten_crops(image, size, *, centre=None, mirror=None, mirrors_last=True):
    """centre, mirror, mirrors_last: for mistakes."""
    H, W, C = image.shape
    down, right = H - size, W - size
    centre = centre or (lambda rest: rest // 2)
    corners = (0, 0), (0, right), (down, 0), (down, right), (centre(down), centre(right))
    crops = np.zeros((10, size, size, C), image.dtype)
    for n, (top, left) in enumerate(corners):
        crop = image[top : top + size, left : left + size]
        first, second = (n, n + 5) if mirrors_last else (2 * n, 2 * n + 1)
        crops[first] = crop
        for w in range(size):
            crops[second, :, w] = crop[:, size - 1 - w]
        if mirror:
            crops[second] = mirror(crop)
    return crops


def crop_cases():
    rng = np.random.default_rng(17)
    found = []
    for about, shape, size, dtype in (
        ("an image 2x2, 1 channel, crops of 1", (2, 2, 1), 1, "d"),
        ("an image 6x8, 3 channels, crops of 4", (6, 8, 3), 4, "d"),
        ("an image 7x5, 2 channels, crops of 4", (7, 5, 2), 4, "d"),
        ("an image 5x6 in float32, crops of 3", (5, 6, 3), 3, "f"),
    ):
        found.append(Case(about, (rng.normal(size=shape).astype(dtype), size)))
    return found


def _crops(**names):
    return lambda *arguments: ten_crops(*arguments, **names)


def top_k_error(scores, labels, k):
    wrong = 0
    for row, label in zip(scores, labels):
        better = sum(score > row[label] for score in row)
        wrong += better >= k
    return wrong / len(labels)


def top_k_cases():
    rng = np.random.default_rng(18)
    first = Case("scores [[1, 3, 2]], label 2, k = 2", (np.array([[1.0, 3, 2]]), np.array([2]), 2))
    found = [first]
    for n, classes, k in ((7, 4, 1), (30, 6, 2), (40, 12, 5)):
        found.append(
            Case(
                f"{n} examples of {classes} classes, k = {k}",
                (rng.normal(size=(n, classes)), rng.integers(0, classes, n), k),
            )
        )
    return found


TEN_CROPS_MISTAKES = [
    (
        _crops(mirror=lambda crop: crop[::-1]),
        "It looks as if the mirrored crops were turned upside down: mirror left and right, along the axis of the "
        "width.",
    ),
    (
        _crops(mirror=lambda crop: crop[::-1, ::-1]),
        "It looks as if the mirrored crops were rotated by half a turn: mirror the width only.",
    ),
    (
        _crops(mirror=lambda crop: crop[:, :, ::-1]),
        "It looks as if the mirrored crops had their channels reversed: mirror the axis of the width.",
    ),
    (_crops(mirror=lambda crop: crop), "It looks as if the last five were not mirrored."),
    (
        _crops(mirrors_last=False),
        "It looks as if each mirrored crop followed its own: expected are the five crops first, then the five "
        "mirrored ones.",
    ),
    (
        _crops(centre=lambda rest: (rest + 1) // 2),
        "It looks as if the crop in the middle were rounded to the other side: it begins at (H - size) // 2.",
    ),
]

TOP_K_ERROR_MISTAKES = [
    (
        lambda s, labels, k: 1 - top_k_error(s, labels, k),
        "It is the share of right answers: the error is that of wrong ones.",
    ),
    (
        lambda s, labels, k: top_k_error(-s, labels, k),
        "It looks as if the k smallest scores were taken: np.argsort begins with the smallest.",
    ),
    (
        lambda s, labels, k: top_k_error(s, labels, 1),
        "It looks as if only the best answer counted: the label may be any of the k best.",
    ),
    (
        lambda s, labels, k: top_k_error(s, labels, k + 1),
        "It looks as if one class too many were taken: there are k of them.",
    ),
    (
        lambda s, labels, k: top_k_error(s, labels, k - 1),
        "It looks as if one class too few were taken: there are k of them.",
    ),
    (
        lambda s, labels, k: top_k_error(s, labels, k) * len(labels),
        "It is the number of wrong answers: divide by how many there are.",
    ),
    (
        lambda s, labels, k: 1 - (top_k_error(s, labels, k - 1) - top_k_error(s, labels, k)),
        "It looks as if only the k-th best class counted: the label may be any of the k best.",
    ),
]

EXERCISE_17 = Exercise(
    "ten crops, and the top-5 error",
    (
        compared(ten_crops, crop_cases, TEN_CROPS_MISTAKES, "crops"),
        compared(top_k_error, top_k_cases, TOP_K_ERROR_MISTAKES, "error"),
    ),
)
