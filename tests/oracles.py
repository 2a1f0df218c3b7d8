"""Each forward pass a second time, as plain Python loops taken straight from the definitions.

Nothing here is fast and nothing is clever: one number at a time, in Python's own double precision, so that a reader
can see at a glance that it is right. The layers must agree with these loops (`tests.checks` says how closely).
"""

import math

import numpy as np


def pair(value):
    """An integer stands for (integer, integer)."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value, value)


def window_starts(size, kernel, stride, padding, ceil_mode=False):
    """Where the windows start along one axis, counted from the first real element (the left padding is negative).

    Without ceil_mode every window lies inside the padded input. With it, the last window may hang over the right edge
    by less than one stride, if it starts inside the input or the left padding.
    """
    starts = []
    start = -padding
    while True:
        overhang = start + kernel - (size + padding)
        if overhang > 0 and not (ceil_mode and overhang < stride and start < size):
            return starts
        starts.append(start)
        start += stride


def conv2d(x, weight, bias, stride=1, padding=0, groups=1):
    """y[n, i, j, o] = bias[o] + sum over kh, kw, c of x[n, i*SH - PH + kh, j*SW - PW + kw, c] * weight[kh, kw, c, o].

    With groups, output o sees only the input channels of its own group, and c counts within the group.
    """
    N, H, W, C_in = x.shape
    KH, KW, C_group, C_out = weight.shape
    (SH, SW), (PH, PW) = pair(stride), pair(padding)
    assert C_group * groups == C_in
    rows, columns = window_starts(H, KH, SH, PH), window_starts(W, KW, SW, PW)
    y = np.zeros((N, len(rows), len(columns), C_out))
    # Lists of Python's numbers, whose elements are got at several times as fast as an array's.
    x, weight = x.tolist(), weight.tolist()
    for n, i, j, o in np.ndindex(y.shape):
        first_channel = (o // (C_out // groups)) * C_group
        total = float(bias[o])
        for kh in range(KH):
            for kw in range(KW):
                h, w = rows[i] + kh, columns[j] + kw
                if 0 <= h < H and 0 <= w < W:
                    pixel, kernel = x[n][h][w], weight[kh][kw]
                    for c in range(C_group):
                        total += pixel[first_channel + c] * kernel[c][o]
        y[n, i, j, o] = total
    return y


def max_pool(x, kernel_size, stride=None, padding=0, ceil_mode=False):
    """The largest element of each window; padding counts as minus infinity, so it never wins."""
    N, H, W, C = x.shape
    (KH, KW), (PH, PW) = pair(kernel_size), pair(padding)
    SH, SW = pair(kernel_size if stride is None else stride)
    rows, columns = window_starts(H, KH, SH, PH, ceil_mode), window_starts(W, KW, SW, PW, ceil_mode)
    y = np.full((N, len(rows), len(columns), C), -math.inf)
    for n, i, j, c in np.ndindex(y.shape):
        for h in range(rows[i], rows[i] + KH):
            for w in range(columns[j], columns[j] + KW):
                if 0 <= h < H and 0 <= w < W:
                    y[n, i, j, c] = max(y[n, i, j, c], float(x[n, h, w, c]))
    return y


def average_pool(x, kernel_size, stride=None, padding=0, ceil_mode=False):
    """The mean of each window over its cells inside the padded input: padding counts as zeros, cells beyond it do not
    count at all."""
    N, H, W, C = x.shape
    (KH, KW), (PH, PW) = pair(kernel_size), pair(padding)
    SH, SW = pair(kernel_size if stride is None else stride)
    rows, columns = window_starts(H, KH, SH, PH, ceil_mode), window_starts(W, KW, SW, PW, ceil_mode)
    y = np.zeros((N, len(rows), len(columns), C))
    for n, i, j, c in np.ndindex(y.shape):
        total, cells = 0.0, 0
        for h in range(rows[i], rows[i] + KH):
            for w in range(columns[j], columns[j] + KW):
                if h < H + PH and w < W + PW:
                    cells += 1
                    if 0 <= h < H and 0 <= w < W:
                        total += float(x[n, h, w, c])
        y[n, i, j, c] = total / cells
    return y


def subsampling(x, weight, bias, kernel_size=2):
    """LeNet-5's S2 and S4: the sum of a window times one weight a map, plus one bias a map."""
    N, H, W, C = x.shape
    KH, KW = pair(kernel_size)
    y = np.zeros((N, H // KH, W // KW, C))
    for n, i, j, c in np.ndindex(y.shape):
        total = 0.0
        for kh, kw in np.ndindex(KH, KW):
            total += float(x[n, i * KH + kh, j * KW + kw, c])
        y[n, i, j, c] = total * float(weight[c]) + float(bias[c])
    return y


def response_norm(x, size, alpha, beta, k, region="across"):
    """b = a / (k + alpha * sum of a^2)^beta. Across: over `size` neighbouring channels at one pixel. Within: over the
    size x size window around the pixel in its own map. Neighbours beyond the edge do not exist. alpha is
    never divided."""
    N, H, W, C = x.shape
    reach = size // 2
    y = np.zeros(x.shape)
    for n, h, w, c in np.ndindex(x.shape):
        if region == "across":
            neighbours = [(h, w, m) for m in range(c - reach, c + reach + 1)]
        else:
            neighbours = [(i, j, c) for i in range(h - reach, h + reach + 1) for j in range(w - reach, w + reach + 1)]
        total = 0.0
        for i, j, m in neighbours:
            if 0 <= i < H and 0 <= j < W and 0 <= m < C:
                total += float(x[n, i, j, m]) ** 2
        y[n, h, w, c] = float(x[n, h, w, c]) / (k + alpha * total) ** beta
    return y


def linear(x, weight, bias):
    """y[n, o] = bias[o] + sum over i of x[n, i] * weight[i, o]."""
    y = np.zeros((x.shape[0], weight.shape[1]))
    for n, o in np.ndindex(y.shape):
        y[n, o] = float(bias[o]) + sum(float(x[n, i]) * float(weight[i, o]) for i in range(x.shape[1]))
    return y


def euclidean_rbf(x, prototypes):
    """y[n, c] = minus the sum over j of (x[n, j] - prototypes[c, j])^2."""
    y = np.zeros((x.shape[0], prototypes.shape[0]))
    for n, c in np.ndindex(y.shape):
        y[n, c] = -sum((float(x[n, j]) - float(prototypes[c, j])) ** 2 for j in range(x.shape[1]))
    return y


def flatten(x):
    """Rows first, then columns, then channels: the order (H, W, C) is kept."""
    N, H, W, C = x.shape
    y = np.zeros((N, H * W * C))
    for n, h, w, c in np.ndindex(x.shape):
        y[n, (h * W + w) * C + c] = x[n, h, w, c]
    return y


def elementwise(function, x):
    y = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        y[index] = function(float(x[index]))
    return y


def relu(a):
    return a if a > 0 else 0.0


def sigmoid(a):
    # Two forms of the same fraction: the exponential is never larger than 1.
    return 1 / (1 + math.exp(-a)) if a >= 0 else math.exp(a) / (1 + math.exp(a))


def scaled_tanh(a):
    return 1.7159 * math.tanh(2 * a / 3)


def softmax(logits):
    probabilities = np.zeros(logits.shape)
    for n in range(logits.shape[0]):
        largest = max(float(a) for a in logits[n])
        powers = [math.exp(float(a) - largest) for a in logits[n]]
        probabilities[n] = [power / math.fsum(powers) for power in powers]
    return probabilities


def softmax_cross_entropy(logits, labels):
    """The mean over the images of -log(softmax(logits)[label])."""
    losses = []
    for row, label in zip(logits, labels, strict=True):
        largest = max(float(a) for a in row)
        log_sum = largest + math.log(math.fsum(math.exp(float(a) - largest) for a in row))
        losses.append(log_sum - float(row[label]))
    return math.fsum(losses) / len(losses)
