"""Right answers, in other ways than examples/check/solutions goes: by the library itself where it has the function, by
other formulas, or by loops."""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from layers import Conv2d, LocalResponseNorm, MaxPool2d, Subsampling2d
from nn import SoftmaxCrossEntropy, plain


def matrix_product(a, b):
    return a @ b


def layer(x, weight, bias):
    z = np.einsum("ni,io->no", x, weight) + bias
    return (1 + np.tanh(z / 2)) / 2


def backward(x, target, W1, b1, W2, b2):
    gradients = [np.zeros_like(array) for array in (W1, b1, W2, b2)]
    for row, wanted in zip(x, target):  # one example after the other
        a = 1 / (1 + np.exp(-(row @ W1 + b1)))
        y = 1 / (1 + np.exp(-(a @ W2 + b2)))
        outer = 2 * (y - wanted) * y * (1 - y)
        inner = W2 @ outer * a * (1 - a)
        for gradient, more in zip(gradients, (np.outer(row, inner), inner, np.outer(a, outer), outer)):
            gradient += more
    return [gradient / target.size for gradient in gradients]


def measured_gradient(f, x, h):
    steps = h * np.eye(x.size).reshape(x.size, *x.shape)
    return np.array([(f(x + step) - f(x - step)) / (2 * h) for step in steps]).reshape(x.shape)


def _forward(made, x, weight, bias):
    """The outputs of a layer of the library, with these parameters."""
    made.astype(x.dtype)
    made.params["weight"][...], made.params["bias"][...] = weight, bias
    with plain():
        return made.forward(x, training=True)


def conv2d(x, weight, bias, stride, padding):
    KH, KW, C_in, C_out = weight.shape
    return _forward(Conv2d(C_in, C_out, (KH, KW), stride, padding), x, weight, bias)


def im2col(x, KH, KW, stride):
    windows = sliding_window_view(x, (KH, KW), axis=(1, 2))[:, ::stride, ::stride]
    return windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, KH * KW * x.shape[3])


def convolution_backward(dy, x, weight, stride, padding):
    KH, KW, C_in, C_out = weight.shape
    made = Conv2d(C_in, C_out, (KH, KW), stride, padding)
    _forward(made, x, weight, np.zeros(C_out))
    with plain():
        return made.backward(dy), made.grads["weight"], made.grads["bias"]


def max_pool(x, kernel, stride):
    with plain():
        return MaxPool2d(kernel, stride).forward(x)


def max_pool_backward(dy, x, kernel, stride):
    made = MaxPool2d(kernel, stride)
    with plain():
        made.forward(x, training=True)
        return made.backward(dy)


def softmax_cross_entropy(logits, labels):
    made = SoftmaxCrossEntropy()
    return made.forward(logits, labels), made.backward()


def momentum_step(w, v, dw, lr, momentum, weight_decay):
    w, v = w.copy(), v.copy()
    v *= momentum
    v -= lr * (dw + weight_decay * w)
    w += v
    return w, v


def count(image_shape, layers):
    if not layers:
        return np.zeros((0, 4), int)
    (kind, *numbers), *others = layers
    H, W, C = image_shape
    if kind == "linear":
        shape, parameters = (1, 1, numbers[0]), (math.prod(image_shape) + 1) * numbers[0]
    else:
        kernel, stride, padding = numbers[-3:] if kind == "conv" else (*numbers, 0)
        sides = [len(range(0, side + 2 * padding - kernel + 1, stride)) for side in (H, W)]
        shape = (*sides, numbers[0] if kind == "conv" else C)
        parameters = (kernel**2 * C + 1) * numbers[0] if kind == "conv" else 0
    return np.concatenate([[[*shape, parameters]], count(shape, others)])


def subsample(x, weight, bias):
    return _forward(Subsampling2d(x.shape[3]), x, weight, bias)


def table_convolution(x, weight, bias, table):
    KH, KW, C_in, C_out = weight.shape
    made = Conv2d(C_in, C_out, (KH, KW), connections=table)
    return _forward(made, x, weight * made.connected, bias)


def sigmoid_backward(dy, y):
    return dy * (y - y * y)


def tanh_backward(dy, y):
    return dy * (1 - y) * (1 + y)


def relu_backward(dy, y):
    dx = dy.copy()
    dx[y <= 0] = 0
    return dx


def split(n, n_validation, n_test, rng):
    numbers = list(range(n))
    rng.shuffle(numbers)
    return numbers[: n - n_validation - n_test], numbers[n - n_validation - n_test : n - n_test], numbers[n - n_test :]


def standardise(training, validation, test):
    sets = [np.empty_like(images) for images in (training, validation, test)]
    for c in range(training.shape[3]):
        seen = training[..., c]
        for images, result in zip((training, validation, test), sets):
            result[..., c] = (images[..., c] - np.mean(seen)) / np.sqrt(np.mean((seen - np.mean(seen)) ** 2))
    return sets


def lrn(x, size, alpha, beta, k):
    with plain():
        return LocalResponseNorm(size, alpha, beta, k).forward(x)


def lrn_backward(dy, x, size, alpha, beta, k):
    made = LocalResponseNorm(size, alpha, beta, k)
    with plain():
        made.forward(x, training=True)
        return made.backward(dy)


def dropout(x, p, training, rng):
    mask = np.ones_like(x)
    if training:
        mask[...] = rng.binomial(1, 1 - p, x.shape)
        mask /= 1 - p
    return mask * x, mask


def dropout_backward(dy, mask):
    return np.where(mask == 0, 0, dy * mask.max())


def grouped_convolution(x, weight, bias, groups):
    KH, KW, C_in, C_out = weight.shape
    return _forward(Conv2d(C_in * groups, C_out, (KH, KW), groups=groups), x, weight, bias)


def ten_crops(image, size):
    H, W, C = image.shape
    crops = np.empty((10, size, size, C), image.dtype)
    for n, (down, right) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1), (0.5, 0.5))):
        top, left = int(down * (H - size)), int(right * (W - size))
        crops[n] = image[top : top + size, left : left + size]
    crops[5:] = np.flip(crops[:5], axis=2)
    return crops


def top_k_error(scores, labels, k):
    of_label = np.take_along_axis(scores, labels[:, None], axis=1)
    return np.mean((scores > of_label).sum(axis=1) >= k)


def difference(right_a, right_b):
    n, a_only, b_only = len(right_a), np.sum(right_a & ~right_b), np.sum(right_b & ~right_a)
    mean = (a_only - b_only) / n
    return mean, math.sqrt((a_only + b_only - n * mean**2) / (n - 1) / n)


def sign_test(right_a, right_b):
    a_only, b_only = int(np.sum(right_a > right_b)), int(np.sum(right_b > right_a))
    m = a_only + b_only
    as_far = [i for i in range(m + 1) if abs(i - m / 2) >= abs(a_only - m / 2)]
    return sum(math.comb(m, i) for i in as_far) / 2**m


def saliency(images, W1, b1, W2, b2, labels):
    maps = []
    for image, label in zip(images, labels):  # one image after the other
        slopes = W1 * (image.reshape(-1) @ W1 + b1 > 0)
        maps.append(np.abs((slopes @ W2[:, label]).reshape(image.shape)).max(axis=-1))
    return np.stack(maps)


def training_work(multiply_adds, learns):
    lowest = learns.index(True)
    of_weights = sum(work for work, own in zip(multiply_adds, learns) if own)
    return sum(multiply_adds), of_weights + sum(multiply_adds[lowest + 1 :])


def slower_step(w, v, dw, lr, momentum, weight_decay, share):
    moved = momentum * v - share * lr * (dw + weight_decay * w)
    return (w + moved, moved) if share else (w + 0, v + 0)


# The programs with a hidden bug, mended in another way than the model solution is: (exercise, its text, another).
MENDED = [
    (
        "blind1",
        "        order = rng.permutation(len(x))\n        x_mixed, labels_mixed = x[order], labels[order]\n",
        "        seed = rng.integers(1000)\n        x_mixed = np.random.default_rng(seed).permutation(x)\n"
        "        labels_mixed = np.random.default_rng(seed).permutation(labels)\n",
    ),
    (
        "blind2",
        "scores, _ = forward(params, images, rng, training=False)",
        "W1, b1, W2, b2 = params\n    scores = np.maximum(images.reshape(len(images), -1) @ W1 + b1, 0) @ W2 + b2",
    ),
    (
        "blind2",
        "",
        "with_masks = forward\n\n\n"
        "def forward(params, images, rng, p=0.5, training=False):\n"
        "    return with_masks(params, images, rng, p, training)\n\n\n"
        "def train(images, labels, epochs, lr, batch_size, rng):\n"
        "    W1, W2 = rng.normal(0, 0.05, (images[0].size, 100)), rng.normal(0, 0.1, (100, 10))\n"
        "    params = [W1, np.zeros(100), W2, np.zeros(10)]\n"
        "    for _ in range(epochs):\n"
        "        order = rng.permutation(len(images))\n"
        "        for start in range(0, len(images), batch_size):\n"
        "            chosen = order[start : start + batch_size]\n"
        "            scores, saved = forward(params, images[chosen], rng, training=True)\n"
        "            dz = softmax(scores)\n"
        "            dz[np.arange(len(chosen)), labels[chosen]] -= 1\n"
        "            for param, gradient in zip(params, backward(params, saved, dz / len(chosen))):\n"
        "                param -= lr * gradient\n"
        "    return params",
    ),
    (
        "blind3",
        "mean, spread = pixels.mean(axis=0), pixels.std(axis=0) + 0.1 * pixels.std()",
        "mean, spread = pixels.mean(), pixels.std()",  # of all pixels together
    ),
    (
        "blind4",
        "optimiser.step([x[chosen].T @ dz, dz.sum(axis=0)])",
        "for n, g in enumerate((x[chosen].T @ dz, dz.sum(axis=0))):\n"
        "                v = optimiser.velocities[n]\n                v[...] = momentum * v - lr * g\n"
        "                optimiser.params[n] += v",
    ),
    (
        "blind5",
        "    images, labels = images[order], labels[order]\n    fifth = len(images) // 5\n"
        "    params = fit(*with_shifted_copies(images[fifth:], labels[fifth:]), epochs, rng)\n"
        "    return accuracy(params, images[:fifth], labels[:fifth])",
        "    fifth = len(images) // 5\n    ours, others = order[:-fifth], order[-fifth:]\n"
        "    params = fit(*with_shifted_copies(images[ours], labels[ours]), epochs, rng)\n"
        "    return accuracy(params, images[others], labels[others])",
    ),
]
