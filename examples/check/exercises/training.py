"""Exercises 8, 9 and 10: the loss, the step, and a network's size."""

from __future__ import annotations

import math

import numpy as np

from examples.check.judging import Case, Exercise, compared


# -------------------------------------------------------------------------------------- 8: softmax and cross-entropy
def softmax_cross_entropy(logits, labels):
    N = len(logits)
    loss, gradient = 0.0, np.zeros_like(logits)
    for n in range(N):
        row = [float(z) for z in logits[n]]
        largest = max(row)
        total = sum(math.exp(z - largest) for z in row)
        loss += (largest + math.log(total) - row[labels[n]]) / N
        for k, z in enumerate(row):
            gradient[n, k] = (math.exp(z - largest) / total - (k == labels[n])) / N
    return logits.dtype.type(loss), gradient


def loss_cases():
    rng = np.random.default_rng(8)

    def drawn(about, N, K, scale=1.0, dtype="d"):
        return Case(about, ((scale * rng.normal(size=(N, K))).astype(dtype), rng.integers(0, K, N)))

    return [
        Case("one example, logits [[0, 0]]", (np.zeros((1, 2)), np.array([1]))),
        drawn("one example of 4 classes", 1, 4),
        drawn("3 examples of 5 classes", 3, 5),
        drawn("3 examples of 10 classes, logits of a thousand", 3, 10, 1000.0),
        Case(
            "2 examples, logits [[1000, 0], [-1000, -1001]]",
            (np.array([[1000.0, 0], [-1000, -1001]]), np.array([0, 1])),
        ),
        Case("one example, logits [[0, 800]] and label 0", (np.array([[0.0, 800]]), np.array([0]))),
        drawn("4 examples in float32", 4, 3, dtype="f"),
    ]


def _formula(logits, labels, shift=0.0, by_logarithms=False):
    """exp(z) / sum exp(z) and the logarithm of that, or z - log(sum exp(z)) and the power of that; in float64."""
    z = (logits - shift).astype(float)
    powers = np.exp(z)
    p = powers / powers.sum(axis=1, keepdims=True)
    log_p = np.log(p)
    if by_logarithms:
        log_p = z - np.log(powers.sum(axis=1, keepdims=True))
        p = np.exp(log_p)
    rows = np.arange(len(labels))
    gradient = p.copy()
    gradient[rows, labels] -= 1
    return -np.mean(log_p[rows, labels]), gradient / len(labels)


def _losses(change):
    """change(loss, gradient, logits, labels) -> what the mistake makes of them."""
    return lambda logits, labels: change(*softmax_cross_entropy(logits, labels), logits, labels)


def _probabilities(gradient, labels):
    return gradient * len(labels) + np.eye(gradient.shape[1])[labels]


SOFTMAX_CROSS_ENTROPY_MISTAKES = [
    *(
        (
            lambda z, labels, by=by: _formula(z, labels, 0.0, by),
            "exp of a large number is infinite, and inf / inf is not a number: subtract each row's largest logit "
            "first, which changes no probability.",
        )
        for by in (False, True)
    ),
    *(
        (
            lambda z, labels, by=by: _formula(z, labels, z.max(), by),
            "It looks as if the largest of all logits were subtracted: in a row whose own logits are far below it "
            "all powers are 0, so subtract each row's largest.",
        )
        for by in (False, True)
    ),
    (
        lambda z, labels: _formula(z, labels, z.max(axis=1, keepdims=True)),
        "A probability may be rounded to 0, whose logarithm is infinite: compute log p as (z - largest) - log(sum "
        "of exp(z - largest)).",
    ),
    (
        _losses(lambda loss, g, z, labels: (loss * len(z), g * len(z))),
        "It is the sum over the examples: the loss is their mean, and so is its gradient.",
    ),
    (
        _losses(lambda loss, g, z, labels: (-loss, -g)),
        "It has the wrong sign: the loss is minus the logarithm, its gradient p - (1 for the label).",
    ),
    (
        _losses(lambda loss, g, z, labels: (loss / math.log(2), g)),
        "It looks like log2: log is the natural logarithm, np.log.",
    ),
    (
        _losses(lambda loss, g, z, labels: (loss / math.log(10), g)),
        "It looks like log10: log is the natural logarithm, np.log.",
    ),
    (
        _losses(lambda loss, g, z, labels: (loss, _probabilities(g, labels) / len(z))),
        "These are the probabilities divided by N: 1 is to be subtracted at the label.",
    ),
    (
        _losses(lambda loss, g, z, labels: (loss, _probabilities(g, labels))),
        "These are the probabilities: subtract 1 at the label, and divide by N.",
    ),
    (
        _losses(lambda loss, g, z, labels: (loss / z.shape[1], g / z.shape[1])),
        "It is divided by N and by the number of classes too: the mean is over the examples.",
    ),
]

EXERCISE_8 = Exercise(
    "softmax with cross-entropy",
    (compared(softmax_cross_entropy, loss_cases, SOFTMAX_CROSS_ENTROPY_MISTAKES, ("loss", "dlogits")),),
)


# --------------------------------------------------------------------------------------------- 9: a step with momentum
def momentum_step(w, v, dw, lr, momentum, weight_decay):
    new_w, new_v = np.zeros_like(w), np.zeros_like(v)
    for place in np.ndindex(w.shape):
        speed = momentum * float(v[place]) - lr * weight_decay * float(w[place]) - lr * float(dw[place])
        new_v[place] = speed
        new_w[place] = float(w[place]) + speed
    return new_w, new_v


def step_cases():
    rng = np.random.default_rng(9)
    found = [Case("w = [1], v = [0], dw = [2]", (np.array([1.0]), np.array([0.0]), np.array([2.0]), 0.1, 0.9, 0.0))]
    for about, shape, momentum, decay, dtype in (
        ("w of shape (3,), the ball at rest, no weight decay", (3,), 0.9, 0.0, "d"),
        ("w of shape (2, 3), a rolling ball, no weight decay", (2, 3), 0.9, 0.0, "d"),
        ("w of shape (4, 2), a rolling ball with weight decay", (4, 2), 0.8, 0.05, "d"),
        ("w of shape (3, 2), no momentum, weight decay", (3, 2), 0.0, 0.1, "d"),
        ("w in float32", (2, 2), 0.9, 0.01, "f"),
    ):
        w, v, dw = (rng.normal(size=shape).astype(dtype) for _ in range(3))
        found.append(Case(about, (w, v * ("rest" not in about), dw, 0.2, momentum, decay)))
    return found


def _step(speed, way=None):
    """speed, way: (w, v, dw, lr, m, d) -> the new v; (w, new v, old v) -> the new w."""

    def mistake(w, v, dw, lr, m, d):
        new_v = speed(w, v, dw, lr, m, d)
        return (way(w, new_v, v) if way else w + new_v), new_v

    return mistake


def _speed(w, v, dw, lr, m, d):
    return m * v - lr * d * w - lr * dw


MOMENTUM_STEP_MISTAKES = [
    (_step(lambda w, v, dw, lr, m, d: m * v - lr * dw), "It looks as if the weight decay were left out."),
    (
        _step(lambda w, v, dw, lr, m, d: m * v - d * w - lr * dw),
        "It looks as if the weight decay were not multiplied by the learning rate: momentum v - lr weight_decay w "
        "- lr dw.",
    ),
    (
        _step(lambda w, v, dw, lr, m, d: m * v + lr * d * w - lr * dw),
        "It looks as if the weight decay had the wrong sign: it draws weights to 0.",
    ),
    (
        _step(lambda w, v, dw, lr, m, d: -lr * d * w - lr * dw),
        "It looks as if momentum were left out: the speed is forgotten.",
    ),
    (
        _step(lambda w, v, dw, lr, m, d: m * v + lr * d * w + lr * dw),
        "It looks as if the step went uphill: the gradient is subtracted.",
    ),
    (
        _step(_speed, lambda w, new_v, v: w + v),
        "It looks as if w moved by the old speed: v is made new first, and then w moves by it.",
    ),
    (
        _step(_speed, lambda w, new_v, v: w + 0.2 * new_v),
        "It looks as if the learning rate were applied twice: v holds it already, so w moves by v.",
    ),
    (
        _step(lambda w, v, dw, lr, m, d: m * v + dw + d * w, lambda w, new_v, v: w - 0.2 * new_v),
        "It is the other form, v <- momentum v + dw + weight_decay w and w <- w - lr v, as in PyTorch: a good one, "
        "but asked for is the paper's, v <- momentum v - lr weight_decay w - lr dw and w <- w + v.",
    ),
    (
        _step(lambda w, v, dw, lr, m, d: m * v - (1 - m) * lr * (dw + d * w)),
        "It looks as if the gradient were multiplied by 1 - momentum, as in an average: here it counts in full.",
    ),
    (
        _step(_speed, lambda w, new_v, v: w - new_v),
        "It looks as if v were subtracted from w: the minus is in v already.",
    ),
]

EXERCISE_9 = Exercise(
    "a step with momentum and weight decay",
    (compared(momentum_step, step_cases, MOMENTUM_STEP_MISTAKES, ("w", "v"), fresh=True),),
)


# --------------------------------------------------------------------------------------------- 10: how large LeNet is
def count(image_shape, layers, *, biases=("conv", "linear"), padding_counts=True, up=False, whole_input=True):
    """What comes by name is for mistakes."""
    H, W, C = image_shape
    rows = []
    for kind, *numbers in layers:
        parameters = 0
        if kind == "conv":
            channels, kernel, stride, padding = numbers
            parameters = kernel * kernel * C * channels + channels * (kind in biases)
            H, W, C = *(_side(side + 2 * padding * padding_counts, kernel, stride, up) for side in (H, W)), channels
        elif kind == "pool":
            kernel, stride = numbers
            H, W = (_side(side, kernel, stride, up) for side in (H, W))
        elif kind == "linear":
            features = numbers[0]
            parameters = (H * W * C if whole_input else C) * features + features * (kind in biases)
            H, W, C = 1, 1, features
        rows.append((H, W, C, parameters))
    return np.array(rows)


def _side(size, kernel, stride, up):
    return (size - kernel + (stride - 1) * up) // stride + 1


LENET = (("conv", 6, 5, 1, 2), ("pool", 2, 2), ("conv", 16, 5, 1, 0), ("pool", 2, 2))
LENET += (("linear", 120), ("linear", 84), ("linear", 10))


def count_cases():
    front = (("conv", 96, 11, 4, 0), ("pool", 3, 2), ("conv", 256, 5, 1, 2), ("pool", 3, 2))
    return [
        Case("one linear layer behind images 2x3x1", ((2, 3, 1), (("linear", 4),))),
        Case("one convolution over images 7x6x3", ((7, 6, 3), (("conv", 5, 3, 2, 1),))),
        Case("a pooling of images 5x8x2 and a linear layer", ((5, 8, 2), (("pool", 2, 2), ("linear", 3)))),
        Case("LeNet for images 28x28x1", ((28, 28, 1), LENET)),
        Case("the front of AlexNet for images 227x227x3", ((227, 227, 3), front)),
    ]


COUNT_MISTAKES = [
    *(
        (lambda *a, kinds=kinds: count(*a, biases=kinds), f"It looks as if the biases{which} were not counted: {each}.")
        for kinds, which, each in (
            ((), "", "one for each output map or feature"),
            (("linear",), " of the convolutions", "one for each output map"),
            (("conv",), " of the linear layers", "one for each feature"),
        )
    ),
    (
        lambda *a: count(*a, padding_counts=False),
        "It looks as if the padding were left out: there are (size + 2 padding - kernel) // stride + 1 places.",
    ),
    (
        lambda *a: count(*a, up=True),
        "It looks as if the places were rounded up: a window must lie within the image and its padding.",
    ),
    (
        lambda *a: count(*a, whole_input=False),
        "It looks as if a linear layer read the channels only: behind maps it reads H * W * C numbers.",
    ),
]

EXERCISE_10 = Exercise(
    "LeNet's shapes and parameters, counted", (compared(count, count_cases, COUNT_MISTAKES, "rows"),)
)
