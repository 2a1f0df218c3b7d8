"""Exercises 7, 12 and 19: the largest of a window, activation functions, and what a score depends on."""

from __future__ import annotations

import math

import numpy as np

from examples.check.judging import Case, Exercise, compared


# -------------------------------------------------------------------------------------------------- 7: max-pooling
def _windows(x, kernel, stride):
    """(place in the output, the window's elements in reading order as (value, place in the input))."""
    N, H, W, C = x.shape
    for n, oh, ow, c in np.ndindex(N, (H - kernel) // stride + 1, (W - kernel) // stride + 1, C):
        inside = [(n, oh * stride + i, ow * stride + j, c) for i in range(kernel) for j in range(kernel)]
        yield (n, oh, ow, c), [(x[place], place) for place in inside]


def _pooled(x, kernel, stride, best):
    N, H, W, C = x.shape
    y = np.zeros((N, (H - kernel) // stride + 1, (W - kernel) // stride + 1, C), x.dtype)
    for place, window in _windows(x, kernel, stride):
        y[place] = best([value for value, _ in window])
    return y


def max_pool(x, kernel, stride):
    return _pooled(x, kernel, stride, max)


def max_pool_backward(dy, x, kernel, stride, *, winners="first", only=None):
    """For mistakes: which of several largest wins; only the first or the last window of a pixel counts."""
    dx = np.zeros_like(x)
    for place, window in _windows(x, kernel, stride):
        largest = max(value for value, _ in window)
        tied = [where for value, where in window if value == largest]
        chosen = {"first": tied[:1], "last": tied[-1:], "all": tied, "shared": tied}[winners]
        for where in chosen:
            share = dy[place] / (len(chosen) if winners == "shared" else 1)
            if only == "last" or (only == "first" and not dx[where]):
                dx[where] = share
            elif not only:
                dx[where] += share
    return dx


def _spread(dy, x, kernel, stride):
    dx = np.zeros_like(x)
    for place, window in _windows(x, kernel, stride):
        for _, where in window:
            dx[where] += dy[place] / kernel**2
    return dx


POOLS = [
    ("one image 2x2, kernel 2", (1, 2, 2, 1), 2, 2, "d"),
    ("3 images 4x6, 2 channels, kernel 2, stride 2", (3, 4, 6, 2), 2, 2, "d"),
    ("2 images 5x7, kernel 3, stride 2, so that windows overlap", (2, 5, 7, 2), 3, 2, "d"),
    ("an image 6x5, kernel 2, stride 3, where not all pixels are used", (1, 6, 5, 3), 2, 3, "d"),
    ("2 images 4x4 in float32", (2, 4, 4, 2), 2, 2, "f"),
]


def pool_cases():
    rng = np.random.default_rng(7)
    drawn = [Case(a, (rng.normal(size=shape).astype(dtype), k, stride)) for a, shape, k, stride, dtype in POOLS]
    return [*drawn, Case("an image 4x3 of negative numbers only", (-1 - rng.random((1, 4, 3, 2)), 2, 1))]


def pool_backward_cases():
    rng = np.random.default_rng(8)
    found = [
        Case(about, (rng.normal(size=max_pool(np.zeros(shape), k, s).shape).astype(dtype), x.astype(dtype), k, s))
        for about, shape, k, s, dtype in POOLS
        for x in [rng.normal(size=shape)]
    ]
    tied = rng.integers(0, 2, (2, 4, 6, 1)).astype(float)
    return [
        *found,
        Case(
            "images of 0 and 1 only, so that the largest is there several times",
            (rng.normal(size=(2, 2, 3, 1)), tied, 2, 2),
        ),
    ]


MAX_POOL_MISTAKES = [
    (
        lambda *a: _pooled(*a, lambda window: max(0, *window)),
        "It looks as if the search for the largest began with 0: where all numbers are negative the result is one "
        "of them.",
    ),
    (
        lambda *a: _pooled(*a, lambda window: sum(window) / len(window)),
        "It is the mean of the window, expected is its largest number.",
    ),
    (lambda *a: _pooled(*a, min), "It is the smallest number of the window, expected is the largest."),
    (
        lambda x, kernel, stride: max_pool(x, kernel, kernel),
        "It looks as if the windows lay side by side: they begin every `stride` pixels, not every `kernel`.",
    ),
    (lambda x, kernel, stride: max_pool(x, kernel, 1), "It looks as if the stride were left out."),
    (lambda x, *rest: max_pool(np.abs(x), *rest), "It is the largest in size, without its sign."),
]

MAX_POOL_BACKWARD_MISTAKES = [
    (
        lambda *a: max_pool_backward(*a, winners="all"),
        "It looks as if every pixel that equals the largest got the gradient: only the first of them, in reading "
        "order, does.",
    ),
    (
        lambda *a: max_pool_backward(*a, winners="shared"),
        "It looks as if the pixels that equal the largest shared the gradient: the first of them, in reading "
        "order, gets all of it.",
    ),
    (
        lambda *a: max_pool_backward(*a, winners="last"),
        "It looks as if the last of several largest got the gradient: expected is the first, in reading order.",
    ),
    *(
        (
            lambda *a, window=window: max_pool_backward(*a, only=window),
            "It looks as if = stood where += adds: in windows that overlap a pixel may be the largest of several.",
        )
        for window in ("last", "first")
    ),
    (
        _spread,
        "It looks as if the gradient were spread over the window: that is the mean's; here the largest gets all of it.",
    ),
    (
        lambda dy, x, *rest: max_pool_backward(dy, x, *rest) * x,
        "It looks as if the gradient were multiplied by the pixel: the slope of the largest is 1.",
    ),
]

EXERCISE_7 = Exercise(
    "max-pooling, forward and backward",
    (
        compared(max_pool, pool_cases, MAX_POOL_MISTAKES),
        compared(max_pool_backward, pool_backward_cases, MAX_POOL_BACKWARD_MISTAKES, "dx"),
    ),
)


# ------------------------------------------------------------------------------------------ 12: activation functions
def sigmoid_backward(dy, y):
    return _by_number(lambda g, a: g * a * (1 - a), dy, y)


def tanh_backward(dy, y):
    return _by_number(lambda g, a: g * (1 - a * a), dy, y)


def relu_backward(dy, y):
    return _by_number(lambda g, a: g if a > 0 else 0.0, dy, y)


def _by_number(function, dy, y):
    dx = np.zeros_like(dy)
    for place in np.ndindex(dy.shape):
        dx[place] = function(float(dy[place]), float(y[place]))
    return dx


def _mistake(function):
    return lambda dy, y: _by_number(function, dy, y)


def activation_cases(function):
    """The outputs y of the activation for random inputs, and a gradient for each."""

    def make():
        rng = np.random.default_rng(12)
        found = []
        for about, shape, dtype in (
            ("one number", (1,), "d"),
            ("2 examples of 3", (2, 3), "d"),
            ("3 images 2x4, 2 channels", (3, 2, 4, 2), "d"),
            ("2 examples in float32", (2, 4), "f"),
        ):
            y = np.vectorize(function, otypes=[float])(2 * rng.normal(size=shape))
            found.append(Case(about, (rng.normal(size=shape).astype(dtype), y.astype(dtype))))
        return found

    return make


def _sigmoid(z):
    return 1 / (1 + math.exp(-z))


SIGMOID_BACKWARD_MISTAKES = [
    (
        _mistake(lambda g, a: g * _sigmoid(a) * (1 - _sigmoid(a))),
        "It looks as if the sigmoid were applied to y once more: y is its output already, the slope is y (1 - y).",
    ),
    (_mistake(lambda g, a: a * (1 - a)), "It is the slope alone: the chain rule multiplies it by dy."),
    (_mistake(lambda g, a: g * (1 - a)), "The slope of the sigmoid is y (1 - y), here it looks like 1 - y."),
    (_mistake(lambda g, a: g * (1 - a * a)), "It looks like tanh's slope, 1 - y**2; the sigmoid's is y (1 - y)."),
]

TANH_BACKWARD_MISTAKES = [
    (
        _mistake(lambda g, a: g * (1 - math.tanh(a) ** 2)),
        "It looks as if tanh were applied to y once more: y is its output already, the slope is 1 - y**2.",
    ),
    (_mistake(lambda g, a: 1 - a * a), "It is the slope alone: the chain rule multiplies it by dy."),
    (_mistake(lambda g, a: g * a * (1 - a)), "It looks like the sigmoid's slope, y (1 - y); tanh's is 1 - y**2."),
    (_mistake(lambda g, a: g * (1 - a)), "The slope of tanh is 1 - y**2, here it looks like 1 - y."),
]

RELU_BACKWARD_MISTAKES = [
    (
        lambda dy, y: dy.copy(),
        "It looks as if numbers with y = 0 let the gradient through: where ReLU has answered 0, its slope is 0.",
    ),
    (
        _mistake(lambda g, a: max(g, 0.0)),
        "It looks as if the sign of dy decided: that of y does, for it tells whether the unit was active.",
    ),
    (_mistake(lambda g, a: float(a > 0)), "It is the slope alone: the chain rule multiplies it by dy."),
    (
        _mistake(lambda g, a: g * a),
        "It looks as if dy were multiplied by y: the slope is 1 where y is positive, whatever its size.",
    ),
]

EXERCISE_12 = Exercise(
    "sigmoid, tanh and ReLU backwards, from their outputs",
    (
        compared(sigmoid_backward, activation_cases(_sigmoid), SIGMOID_BACKWARD_MISTAKES, "dx"),
        compared(tanh_backward, activation_cases(math.tanh), TANH_BACKWARD_MISTAKES, "dx"),
        compared(relu_backward, activation_cases(lambda z: max(z, 0.0)), RELU_BACKWARD_MISTAKES, "dx"),
    ),
)


# ------------------------------------------------------------------------------------------------------ 19: saliency
def saliency(images, W1, b1, W2, b2, labels, *, slope=None, masked=True, signed=False, channels=max):
    """slope: for mistakes, (scores, label) -> the gradient with respect to the scores."""
    N, H, W, C = images.shape
    found = np.zeros((N, H, W), images.dtype)
    for n in range(N):
        x = [float(value) for value in images[n].reshape(-1)]
        z = [sum(x[i] * W1[i, j] for i in range(len(x))) + b1[j] for j in range(len(b1))]
        scores = [sum(max(z[j], 0) * W2[j, k] for j in range(len(z))) + b2[k] for k in range(len(b2))]
        of_scores = slope(scores, labels[n]) if slope else [float(k == labels[n]) for k in range(len(scores))]
        dz = [sum(s * W2[j, k] for k, s in enumerate(of_scores)) * (z[j] > 0 or not masked) for j in range(len(z))]
        dx = np.reshape([sum(W1[i, j] * dz[j] for j in range(len(dz))) for i in range(len(x))], (H, W, C))
        for h, w in np.ndindex(H, W):
            found[n, h, w] = channels([value if signed else abs(value) for value in dx[h, w]])
    return found


def saliency_cases():
    rng = np.random.default_rng(19)
    found = []
    for about, (N, H, W, C), hidden, classes, dtype in (
        ("one image 2x2, 1 channel, 3 hidden units, 2 classes", (1, 2, 2, 1), 3, 2, "d"),
        ("3 images 3x4, 3 channels, 5 hidden units, 4 classes", (3, 3, 4, 3), 5, 4, "d"),
        ("2 images 4x2, 2 channels, 6 hidden units, 3 classes", (2, 4, 2, 2), 6, 3, "d"),
        ("2 images in float32", (2, 3, 3, 2), 4, 3, "f"),
    ):
        shapes = (N, H, W, C), (H * W * C, hidden), (hidden,), (hidden, classes), (classes,)
        arrays = [rng.normal(size=shape).astype(dtype) for shape in shapes]
        found.append(Case(about, (*arrays, rng.integers(0, classes, N))))
    return found


def _probabilities(scores):
    powers = [math.exp(score - max(scores)) for score in scores]
    return [power / sum(powers) for power in powers]


def _of_the_probability(scores, label):
    p = _probabilities(scores)
    return [p[label] * ((k == label) - p[k]) for k in range(len(p))]


def _of_the_loss(scores, label):
    return [p - (k == label) for k, p in enumerate(_probabilities(scores))]


def _but(**names):
    return lambda *arguments: saliency(*arguments, **names)


def _mean(values):
    return sum(values) / len(values)


def _times_the_image(images, W1, b1, W2, b2, labels):
    signed = np.stack(
        [
            _but(signed=True, channels=lambda v, c=c: v[c])(images, W1, b1, W2, b2, labels)
            for c in range(images.shape[3])
        ],
        -1,
    )
    return np.abs(signed * images).max(axis=3)


SALIENCY_MISTAKES = [
    (
        _but(masked=False),
        "It looks as if the gradient went through all hidden units: those whose z is negative let nothing through.",
    ),
    (
        _but(slope=_of_the_probability),
        "It is the gradient of the probability: the score before softmax is asked for, which no other class can hide.",
    ),
    (
        _but(slope=_of_the_loss),
        "It is the gradient of the loss: the score of one class is asked for, whose gradient with respect to the "
        "scores is 1 for this class and 0 for the others.",
    ),
    (
        _but(slope=lambda scores, label: [1.0] * len(scores)),
        "It is the gradient of the sum of all scores: begin with 1 for the class of the image and 0 for the others.",
    ),
    (
        _but(slope=lambda scores, label: [float(k == scores.index(max(scores))) for k in range(len(scores))]),
        "It looks as if the largest score were taken and not that of the label.",
    ),
    (
        _but(signed=True),
        "It looks as if the sign were kept: a pixel that lowers the score matters as well, so take the size |dx|.",
    ),
    (_but(channels=sum), "It is the sum over the channels: expected is the largest of them."),
    (_but(channels=_mean), "It is the mean over the channels: expected is the largest of them."),
    (_times_the_image, "It looks as if the gradient were multiplied by the image."),
    (
        lambda *a: saliency(*a[:-1], 0 * a[-1] + a[-1][0]),
        "It looks as if every image were asked about the label of the first.",
    ),
]

EXERCISE_19 = Exercise(
    "saliency: which pixels a class's score depends on",
    (compared(saliency, saliency_cases, SALIENCY_MISTAKES, "maps"),),
)
