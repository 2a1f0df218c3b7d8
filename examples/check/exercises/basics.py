"""Exercises 0 to 3: the matrix product, a layer of neurons, backpropagation, the measured gradient."""

from __future__ import annotations

import math

import numpy as np

from examples.check.judging import Case, Exercise, compared


# ------------------------------------------------------------------------------------------------ 0: matrix product
def matrix_product(a, b):
    c = np.zeros((len(a), b.shape[1]), a.dtype)
    for i in range(c.shape[0]):
        for j in range(c.shape[1]):
            for k in range(len(b)):
                c[i, j] += a[i, k] * b[k, j]
    return c


def product_cases():
    rng = np.random.default_rng(0)
    small = Case(
        "2x2 by 2x2, [[1, 2], [3, 4]] and [[5, 6], [7, 8]]",
        (np.array([[1.0, 2], [3, 4]]), np.array([[5.0, 6], [7, 8]])),
    )
    sizes = [(2, 3, 4), (1, 5, 1), (3, 1, 2), (4, 4, 4)]
    drawn = [Case(f"{n}x{k} by {k}x{m}", (rng.normal(size=(n, k)), rng.normal(size=(k, m)))) for n, k, m in sizes]
    single = Case("3x2 by 2x5 in float32", (rng.normal(size=(3, 2)).astype("f"), rng.normal(size=(2, 5)).astype("f")))
    return [small, *drawn, single]


def _last_product(a, b):
    return np.array([[a[i, -1] * b[-1, j] for j in range(b.shape[1])] for i in range(len(a))], a.dtype)


MATRIX_PRODUCT_MISTAKES = [
    (
        _last_product,
        "It looks as if the result were written with = where += adds to the sum: only the last product is left.",
    ),
    (
        lambda a, b: matrix_product(a[:, :-1], b[:-1]),
        "It looks as if the sum stopped one short: range(K) already ends at K - 1.",
    ),
    (
        lambda a, b: matrix_product(a[:, 1:], b[1:]),
        "It looks as if the sum began at 1: the first element has the index 0.",
    ),
    (
        lambda a, b: matrix_product(a, b).T,
        "The numbers are right, but rows and columns are exchanged: c[i, j] belongs to row i of a and column j of b.",
    ),
]

EXERCISE_0 = Exercise(
    "the matrix product, by loops", (compared(matrix_product, product_cases, MATRIX_PRODUCT_MISTAKES, "c"),)
)


# --------------------------------------------------------------------------------------------- 1: a layer of neurons
def sigmoid(z):
    return 1 / (1 + math.exp(-z)) if z > 0 else math.exp(z) / (1 + math.exp(z))


def layer(x, weight, bias):
    y = np.zeros((len(x), weight.shape[1]), x.dtype)
    for n in range(len(x)):
        for o in range(weight.shape[1]):
            y[n, o] = sigmoid(_sum(x[n], weight[:, o]) + float(bias[o]))
    return y


def _sum(x, w):
    return sum(float(a) * float(b) for a, b in zip(x, w))


def _layer_without_sigmoid(x, weight, bias):
    return matrix_product(x, weight) + bias


def _each(function):
    """The function of a number, for each number of an array."""
    return np.vectorize(function, otypes=[float])


def layer_cases():
    rng = np.random.default_rng(1)
    cases = []
    for about, n, inputs, outputs, scale, dtype in (
        ("one example, 2 inputs, 1 neuron", 1, 2, 1, 1, "d"),
        ("3 examples, 4 inputs, 2 neurons", 3, 4, 2, 1, "d"),
        ("3 examples, 3 inputs, 3 neurons", 3, 3, 3, 1, "d"),
        ("2 examples with inputs of a thousand", 2, 3, 4, 1000, "d"),
        ("3 examples in float32", 3, 5, 2, 1, "f"),
    ):
        x, w, b = scale * rng.normal(size=(n, inputs)), rng.normal(size=(inputs, outputs)), rng.normal(size=outputs)
        cases.append(Case(about, tuple(a.astype(dtype) for a in (x, w, b))))
    return cases


LAYER_MISTAKES = [
    (lambda x, w, b: layer(x, w, 0 * b), "It looks as if the bias were left out."),
    (_layer_without_sigmoid, "It looks as if the sigmoid were left out: these are the sums z."),
    (
        lambda x, w, b: 1 - layer(x, w, b),
        "It looks as if the exponent had the wrong sign: the sigmoid is 1 / (1 + exp(-z)).",
    ),
    (lambda x, w, b: layer(x, w, -b), "It looks as if the bias were subtracted."),
    (
        lambda x, w, b: layer(x, w, 0 * b) + b,
        "It looks as if the bias were added behind the sigmoid: it belongs to the sum, before it.",
    ),
    (
        lambda x, w, b: (_layer_without_sigmoid(x, w, b) > 0).astype(x.dtype),
        "It looks as if each neuron answered only 0 or 1: the sigmoid has all numbers between them.",
    ),
    (
        lambda x, w, b: _exp_over(_layer_without_sigmoid(x, w, b)),
        "It looks as if exp(z) overflowed for a large z: it is infinite, and inf / inf is not a number.",
    ),
]

EXERCISE_1 = Exercise("a layer of neurons", (compared(layer, layer_cases, LAYER_MISTAKES),))


def _exp_over(z):
    return np.exp(z) / (1 + np.exp(z))


# ------------------------------------------------------------------------------------------------ 2: backpropagation
def backward(x, target, W1, b1, W2, b2, *, factor=2.0, mean=True, outer=True, inner=True, hidden_inputs=True):
    """The gradients by loops. What comes by name is for mistakes: what is left out."""
    dW1, db1, dW2, db2 = (np.zeros_like(array) for array in (W1, b1, W2, b2))
    a, y = layer(x, W1, b1), layer(layer(x, W1, b1), W2, b2)
    for n in range(len(x)):
        dz2 = [
            factor * (y[n, o] - target[n, o]) / (y.size if mean else 1) * (y[n, o] * (1 - y[n, o]) if outer else 1)
            for o in range(y.shape[1])
        ]
        for o, slope in enumerate(dz2):
            db2[o] += slope
            for j in range(a.shape[1]):
                dW2[j, o] += (a[n, j] if hidden_inputs else 1) * slope
        for j in range(a.shape[1]):
            da = sum(dz2[o] * W2[j, o] for o in range(len(dz2)))
            dz1 = da * (a[n, j] * (1 - a[n, j]) if inner else 1)
            db1[j] += dz1
            for i in range(x.shape[1]):
                dW1[i, j] += x[n, i] * dz1
    return dW1, db1, dW2, db2


def backward_cases():
    rng = np.random.default_rng(2)
    cases = []
    for about, n, inputs, hidden, outputs, dtype in (
        ("one example, 1 input, 1 hidden neuron, 1 output", 1, 1, 1, 1, "d"),
        ("one example, 2 inputs, 3 hidden neurons, 1 output", 1, 2, 3, 1, "d"),
        ("3 examples, 2 inputs, 4 hidden neurons, 1 output", 3, 2, 4, 1, "d"),
        ("3 examples, 4 inputs, 3 hidden neurons, 2 outputs", 3, 4, 3, 2, "d"),
        ("3 examples in float32", 3, 2, 3, 2, "f"),
    ):
        shapes = (n, inputs), (n, outputs), (inputs, hidden), (hidden,), (hidden, outputs), (outputs,)
        arrays = [rng.normal(size=shape) for shape in shapes]
        arrays[1] = (arrays[1] > 0).astype(float)
        cases.append(Case(about, tuple(array.astype(dtype) for array in arrays)))
    return cases


def _only_biases(change):
    """The gradients, those of the biases changed: `change(gradient, examples)`."""

    def mistake(x, *rest):
        dW1, db1, dW2, db2 = backward(x, *rest)
        return dW1, change(db1, len(x)), dW2, change(db2, len(x))

    return mistake


def _but(**names):
    return lambda *arguments: backward(*arguments, **names)


def _old_difference(x, target, *rest):
    return tuple(-gradient for gradient in backward(x, target, *rest))


BACKWARD_MISTAKES = [
    (
        _but(mean=False),
        "It is the sum of the examples' gradients: the loss is the mean over all numbers of y, so divide by y.size.",
    ),
    (_but(factor=1.0), "It is half of the gradient: the slope of (y - target)**2 is 2 (y - target)."),
    (_old_difference, "It has the wrong sign: the slope of (y - target)**2 is 2 (y - target), not 2 (target - y)."),
    (_but(outer=False), "It looks as if the slope of the last sigmoid, y (1 - y), were left out."),
    (_but(inner=False), "It looks as if the slope of the hidden sigmoid, a (1 - a), were left out."),
    (_but(inner=False, outer=False), "It looks as if the slopes of both sigmoids were left out."),
    (
        _only_biases(lambda db, n: db / n),
        "It is the mean over the examples of the biases' gradients: the division by y.size has done that already, "
        "so add them.",
    ),
    (
        _but(hidden_inputs=False),
        "It looks as if each row were not multiplied by the neuron's inputs, a for the second layer.",
    ),
    (
        lambda x, t, *rest: tuple(g * t.shape[1] for g in backward(x, t, *rest)),
        "It is divided by the number of examples only: the loss is the mean over all numbers of y.",
    ),
]

EXERCISE_2 = Exercise(
    "backpropagation through two layers",
    (compared(backward, backward_cases, BACKWARD_MISTAKES, ("dW1", "db1", "dW2", "db2")),),
)


# ------------------------------------------------------------------------------------------------ 3: measured gradient
def measured_gradient(f, x, h):
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[index] += h
        down[index] -= h
        gradient[index] = (f(up) - f(down)) / (2 * h)
    return gradient


def gradient_cases():
    rng = np.random.default_rng(3)

    def cubes(x):
        return float(np.sum(x**3))

    def mixed(x):
        return float(np.sum(np.sin(x)) + x.flat[0] ** 2 * x.flat[-1])

    h = 0.01
    return [
        Case("x = [2] and f(x) = x**3", (cubes, np.array([2.0]), h)),
        Case("x of shape (4,), f the sum of the cubes", (cubes, rng.normal(size=4), h)),
        Case("x of shape (2, 3), f the sum of the sines and a product", (mixed, rng.normal(size=(2, 3)), h)),
        Case("x of shape (3, 2, 2)", (mixed, rng.normal(size=(3, 2, 2)), h)),
        Case("an x that is a transposed array", (mixed, rng.normal(size=(2, 3)).T, h)),
    ]


def _forward_difference(f, x, h):
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        up = x.copy()
        up[index] += h
        gradient[index] = (f(up) - f(x)) / h
    return gradient


def _not_restored(f, x, h):
    x, gradient = x.copy(), np.zeros_like(x)
    for index in np.ndindex(x.shape):
        x[index] += h
        up = f(x)
        x[index] -= 2 * h
        gradient[index] = (up - f(x)) / (2 * h)
    return gradient


def _flat_copy(f, x, h):
    """The elements of x.ravel() are changed, which for a transposed array are those of a copy."""
    x = x.copy("K")
    flat, gradient = x.ravel(), np.zeros(x.size)
    for n in range(x.size):
        before = flat[n]
        flat[n] = before + h
        up = f(x)
        flat[n] = before - h
        gradient[n] = (up - f(x)) / (2 * h)
        flat[n] = before
    return gradient.reshape(x.shape)


def _all_at_once(f, x, h):
    return np.full_like(x, (f(x + h) - f(x - h)) / (2 * h))


MEASURED_GRADIENT_MISTAKES = [
    (
        _forward_difference,
        "It is the difference to one side, (f(x + h) - f(x)) / h: its error is about h, that of the central "
        "difference about h**2.",
    ),
    (
        lambda f, x, h: 2 * measured_gradient(f, x, h),
        "It looks as if the difference were divided by h: from x - h to x + h the way is 2 h.",
    ),
    (
        _not_restored,
        "It looks as if each element stayed at x - h when its turn was over: put back the number that it had.",
    ),
    (
        lambda f, x, h: _forward_difference(f, x, h) / 2,
        "It looks as if the second value were f(x) itself: after x + h comes x - h, which is 2 h lower.",
    ),
    (
        _flat_copy,
        "For an array that does not lie in memory in order, x.ravel() and x.reshape(-1) are copies, and f never "
        "sees the change: write x[index].",
    ),
    (_all_at_once, "It looks as if all elements were moved at once: move one, and leave the others where they are."),
    (lambda f, x, h: -measured_gradient(f, x, h), "It has the wrong sign: f(x + h) comes first."),
]

EXERCISE_3 = Exercise(
    "the measured gradient, by central differences",
    (compared(measured_gradient, gradient_cases, MEASURED_GRADIENT_MISTAKES, "gradient", tolerance=1e-9),),
)
