"""Mistakes as students make them, planted in the right answers: (exercise, what is replaced, by what, what the checker
must say). Where an empty text is replaced, the other is added at the end: a function that takes the old one's place."""

from __future__ import annotations

WRONG = [
    # 0: the matrix product
    ("0", "c[i, j] += a", "c[i, j] = a", "= where += adds"),
    ("0", "range(K):", "range(K - 1):", "stopped one short"),
    ("0", "range(K):", "range(1, K):", "began at 1"),
    ("0", "return c", "return c.T", "rows and columns are exchanged"),
    ("0", ", a.dtype)", ")", "c has the dtype float64"),
    ("0", "c = np.zeros((N, M), a.dtype)", "c = a", "IndexError"),
    # 1: a layer
    ("1", " + bias", "", "bias were left out"),
    ("1", "np.exp(-z)", "np.exp(z)", "exponent had the wrong sign"),
    ("1", "return 1 / (1 + np.exp(-z))", "return z", "sigmoid were left out"),
    ("1", "return 1 / (1 + np.exp(-z))", "return np.exp(z) / (1 + np.exp(z))", "exp(z) overflowed"),
    ("1", "return 1 / (1 + np.exp(-z))", "return (z > 0).astype(x.dtype)", "answered only 0 or 1"),
    ("1", "z = x @ weight + bias", "z = x @ weight - bias", "bias were subtracted"),
    # 2: backpropagation
    ("2", " / y.size", "", "sum of the examples' gradients"),
    ("2", "2 * (y - target)", "(y - target)", "half of the gradient"),
    ("2", "* y * (1 - y)", "", "slope of the last sigmoid"),
    ("2", " * a * (1 - a)", "", "slope of the hidden sigmoid"),
    ("2", "dz2.sum(axis=0)", "dz2.mean(axis=0)", "the mean over the examples"),
    ("2", "(y - target)", "(target - y)", "wrong sign"),
    ("2", "y.size", "len(y)", "number of examples only"),
    ("2", "return x.T @ dz1, dz1.sum(axis=0), ", "return ", "it returns 2 results, expected 4"),
    # 3: the measured gradient
    ("3", "x[index] = before - h\n", "x[index] = before\n", "second value were f(x) itself"),
    ("3", "(2 * h)", "h", "the way is 2 h"),
    ("3", "        x[index] = before\n", "", "put back the number"),
    ("3", "x = x.copy()\n", "x += 1\n", "it changes its argument x"),
    (
        "3",
        "",
        "def measured_gradient(f, x, h):\n    g = np.zeros_like(x)\n    for i in np.ndindex(x.shape):\n"
        "        up = x.copy()\n        up[i] += h\n        g[i] = (f(up) - f(x)) / h\n    return g\n",
        "difference to one side",
    ),
    (
        "3",
        "",
        "def measured_gradient(f, x, h):\n    x = x.copy('K')\n    flat, g = x.reshape(-1), []\n"
        "    for i in range(x.size):\n        flat[i] += h\n        up = f(x)\n        flat[i] -= 2 * h\n"
        "        g.append((up - f(x)) / (2 * h))\n        flat[i] += h\n    return np.array(g).reshape(x.shape)\n",
        "are copies, and f never sees the change",
    ),
    # 4: convolution
    ("4", "weight[i, j]", "weight[KH - 1 - i, KW - 1 - j]", "rotated by half a turn"),
    ("4", " + bias", "", "bias were left out"),
    ("4", "y += seen", "y = bias + seen", "only the last product counted"),
    ("4", "(padding, padding), (0, 0)))", "(padding, padding), (0, 0)), 'edge')", "repeated the edge"),
    (
        "4",
        "seen = x[:, i : i + OH * stride : stride, j : j + OW * stride : stride][:, :OH, :OW]",
        "seen = x[:, i : i + OH, j : j + OW]",
        "the window seems to move by 1 only",
    ),
    (
        "4",
        "    y = np.zeros",
        "    stride = 1\n    OH, OW = x.shape[1] - KH + 1, x.shape[2] - KW + 1\n    y = np.zeros",
        "stride were left out",
    ),
    ("4", "    x = np.pad", "    padding = 0\n    x = np.pad", "padding were left out"),
    ("4", "y += seen", "y[...] = seen", "only the last product counted"),
    ("4", "return y", "return y.transpose(0, 3, 1, 2)", "its shape is"),
    # 5: im2col
    ("5", "return rows.reshape", "return rows.transpose(0, 1, 2, 5, 3, 4).reshape", "channel comes first"),
    ("5", "return rows.reshape", "return rows.transpose(1, 2, 0, 3, 4, 5).reshape", "order (OH, OW, N)"),
    ("5", "KH * KW * C)\n", "KH * KW * C).T\n", "as columns, not as rows"),
    (
        "5",
        "return rows.reshape",
        "return rows.transpose(0, 1, 2, 4, 3, 5).reshape",
        "columns of the window come before",
    ),
    ("5", "OH * stride : stride, j : j + OW * stride : stride", "OH, j : j + OW", "seem to lie side by side"),
    # 6: the convolution backwards
    ("6", "weight[i, j].T", "weight[KH - 1 - i, KW - 1 - j].T", "wrongly rotated"),
    ("6", "dx[seen] += dy", "dx[seen] = dy", "= stood where += adds"),
    ("6", "return dx[:, padding : padding + H, padding : padding + W]", "return dx", "border of the padding"),
    ("6", "dy.sum(axis=(0, 1, 2))", "dy.sum(axis=0)", "sum over (N, OH, OW)"),
    ("6", "dy.sum(axis=(0, 1, 2))", "dy.sum(axis=(1, 2))", "sum over the images too"),
    ("6", "dy.sum(axis=(0, 1, 2))", "dy.mean(axis=(0, 1, 2))", "mean over images and places"),
    ("6", "dy.sum(axis=(0, 1, 2))", "dy.sum()", "a single number, expected an array"),
    ("6", "dw, dy.sum", "dw[::-1, ::-1], dy.sum", "gradient were rotated"),
    ("6", "dw, dy.sum", "dw / len(x), dy.sum", "divided by the number of images"),
    # 7: max-pooling
    ("7", "np.full((N, OH, OW, C), -np.inf, x.dtype)", "np.zeros((N, OH, OW, C), x.dtype)", "began with 0"),
    ("7", "free &= ~here", "pass", "every pixel that equals the largest"),
    ("7", "dx[seen] += dy * here", "dx[seen] = np.where(here, dy, dx[seen])", "= stood where += adds"),
    ("7", "np.maximum(y, x", "np.minimum(np.abs(y), x", "y is wrong for one image"),
    (
        "7",
        "",
        "def max_pool(x, kernel, stride):\n    N, H, W, C = x.shape\n    y = np.zeros((N, (H - kernel) // stride + 1,"
        " (W - kernel) // stride + 1, C), x.dtype)\n    for h in range(y.shape[1]):\n"
        "        for w in range(y.shape[2]):\n"
        "            window = x[:, h * stride :, w * stride :][:, :kernel, :kernel]\n"
        "            y[:, h, w] = window.mean(axis=(1, 2))\n    return y\n",
        "mean of the window",
    ),
    # 8: softmax with cross-entropy
    ("8", "z = logits - logits.max(axis=1, keepdims=True)", "z = logits", "subtract each row's largest"),
    ("8", "logits.max(axis=1, keepdims=True)", "logits.max()", "the largest of all logits"),
    ("8", ".mean(), dlogits / N", ".sum(), dlogits", "sum over the examples"),
    (
        "8",
        "log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))",
        "p = np.exp(z)\n    p = p / p.sum(axis=1, keepdims=True)\n    log_p = np.log(p)",
        "may be rounded to 0",
    ),
    ("8", "    dlogits[np.arange(N), labels] -= 1\n", "", "subtracted at the label"),
    ("8", "return -log_p", "return log_p", "wrong sign"),
    ("8", "labels].mean()", "labels].mean() / np.log(2)", "natural logarithm"),
    ("8", "labels].mean(), dlogits", "labels], dlogits", "its shape is"),
    # 9: momentum
    ("9", " - lr * weight_decay * w", "", "weight decay were left out"),
    ("9", "lr * weight_decay", "weight_decay", "decay were not multiplied by the learning rate"),
    ("9", "momentum * v - lr", "-lr", "speed is forgotten"),
    ("9", "w + v, v", "w + momentum * v, v", "w is wrong for w = [1]"),
    (
        "9",
        "v = momentum * v - lr * weight_decay * w - lr * dw",
        "v *= momentum\n    v -= lr * weight_decay * w + lr * dw",
        "it changes its argument v",
    ),
    (
        "9",
        "v = momentum * v - lr * weight_decay * w - lr * dw\n    return w + v, v",
        "v = momentum * v + dw + weight_decay * w\n    return w - lr * v, v",
        "other form",
    ),
    (
        "9",
        "v = momentum * v - lr * weight_decay * w - lr * dw\n    return w + v, v",
        "u = momentum * v - lr * weight_decay * w - lr * dw\n    return w + v, u",
        "moved by the old speed",
    ),
    # 10: counting
    ("10", "* C * channels + channels", "* C * channels", "biases of the convolutions were not counted"),
    ("10", "H * W * C * numbers[0]", "C * numbers[0]", "read the channels only"),
    (
        "10",
        "(H + 2 * padding - kernel) // stride + 1, (W + 2 * padding - kernel) // stride + 1",
        "(H - kernel) // stride + 1, (W - kernel) // stride + 1",
        "padding were left out",
    ),
    ("10", "return np.array(rows)", "return rows", "of the type list"),
    # 11: LeNet-5
    ("11", ".sum(axis=(2, 4))", ".mean(axis=(2, 4))", "mean of the window"),
    ("11", ".sum(axis=(2, 4))", ".max(axis=(2, 4))", "largest number of the window"),
    ("11", "* weight + bias", "* weight[0] + bias", "weight of the first"),
    ("11", " * connected", "", "every output map saw all input maps"),
    # 12: activations
    ("12", "dy * y * (1 - y)", "y * (1 - y)", "the slope alone"),
    ("12", "dy * (1 - y**2)", "dy * (1 - np.tanh(y) ** 2)", "tanh were applied to y once more"),
    ("12", "y > 0", "y >= 0", "y = 0 let the gradient through"),
    ("12", "y > 0", "dy > 0", "sign of dy decided"),
    # 13: three sets
    ("13", "order = rng.permutation(n)", "order = np.arange(n)", "pieces of the file"),
    ("13", "order = rng.permutation(n)", "order = rng.integers(0, n, n)", "drawn with repetition"),
    ("13", "order = rng.permutation(n)", "order = np.random.default_rng(0).permutation(n)", "not with one made within"),
    ("13", "order = rng.permutation(n)", "order = np.random.default_rng().permutation(n)", "not with np.random"),
    ("13", "order[n_validation:held_out]", "order[:n_test]", "cut one order"),
    ("13", "order[n_validation:held_out]", "order[n_validation:]", "expected (30, 12, 8)"),
    ("13", "(test - mean) / std", "(test - test.mean(axis=(0, 1, 2))) / test.std(axis=(0, 1, 2))", "by its own mean"),
    (
        "13",
        "mean, std = training.mean(axis=(0, 1, 2)), training.std(axis=(0, 1, 2))",
        "mean, std = training.mean(), training.std()",
        "all channels together",
    ),
    (
        "13",
        "mean, std = training.mean(axis=(0, 1, 2)), training.std(axis=(0, 1, 2))",
        "both = np.concatenate([training, validation, test])\n"
        "    mean, std = both.mean(axis=(0, 1, 2)), both.std(axis=(0, 1, 2))",
        "all images together",
    ),
    # 14: response normalisation
    ("14", "alpha * of_neighbours", "alpha / size * of_neighbours", "alpha were divided by the size"),
    ("14", " - 2 * alpha * beta * x * crossed", "", "cross terms were left out"),
    ("14", "- 2 * alpha", "- alpha", "factor 2 were missing"),
    ("14", "(-beta - 1)", "-beta", "s were raised to -beta"),
    ("14", "k + alpha", "alpha", "k were left out"),
    ("14", "of_neighbours(dy * x * s ** (-beta - 1), size)", "dy * x * s ** (-beta - 1)", "own sum counted"),
    # 15: dropout
    ("15", " / (1 - p)", "", "division by 1 - p were left out"),
    ("15", ">= p) / (1 - p)", "< p) / p", "p and 1 - p were exchanged"),
    ("15", "rng.random(x.shape) >= p", "rng.random(x.shape) < p", "it drops 75%"),
    ("15", "rng.random(x.shape)", "np.random.default_rng().random(x.shape)", "not with np.random"),
    ("15", "rng.random(x.shape)", "rng.random(x.shape[1:])", "expected that of x"),
    (
        "15",
        "rng.random(x.shape)",
        "np.broadcast_to(rng.random(x.shape[1:]), x.shape)",
        "all examples have the same mask",
    ),
    ("15", "if not training:", "if False:", "dropped outside training too"),
    ("15", "return x.copy(), ", "return x * (1 - p), ", "multiplied by 1 - p"),
    ("15", "return dy * mask", "return dy * (mask > 0)", "1 / (1 - p) were left out"),
    ("15", "return dy * mask", "return dy", "gradient passed unchanged"),
    ("15", ".astype(x.dtype)", "", "are float64 and float64"),
    # 16: groups
    ("16", "own = slice(g * C, (g + 1) * C)", "own = slice(0, C)", "every group read the first group's channels"),
    ("16", "own = slice(g * C, (g + 1) * C)", "own = slice(g, None, groups)", "channels were dealt out in turn"),
    (
        "16",
        "kernels = slice(g * C_out // groups, (g + 1) * C_out // groups)",
        "kernels = slice(g, None, groups)",
        "kernels were dealt out in turn",
    ),
    # 17: ten crops
    ("17", "crops[:, :, ::-1]", "crops[:, ::-1]", "turned upside down"),
    ("17", "crops[:, :, ::-1]", "crops", "last five were not mirrored"),
    (
        "17",
        "(H - size) // 2, (W - size) // 2)",
        "-(-(H - size) // 2), -(-(W - size) // 2))",
        "rounded to the other side",
    ),
    ("17", "np.argsort(-scores", "np.argsort(scores", "k smallest scores"),
    ("17", "[:, :k]", "[:, :1]", "only the best answer"),
    ("17", "return 1 - np.mean", "return np.mean", "share of right answers"),
    # 18: which is better?
    ("18", "np.sqrt(len(d))", "1", "standard deviation of one image's difference"),
    ("18", "ddof=1", "ddof=0", "N - 1: ddof=1"),
    ("18", "right_a.astype(float) - right_b", "right_b.astype(float) - right_a", "wrong sign"),
    ("18", "min(1.0, 2 * sum", "min(1.0, sum", "one side only"),
    (
        "18",
        "few, m = min(a_only, b_only), a_only + b_only",
        "few, m = min(a_only, b_only), len(right_a)",
        "images counted on which both",
    ),
    (
        "18",
        "d.std(ddof=1) / np.sqrt(len(d))",
        "np.sqrt((right_a.var() + right_b.var()) / len(d))",
        "two independent samples",
    ),
    # 19: saliency
    ("19", " * active", "", "through all hidden units"),
    ("19", "np.abs(dx.reshape(images.shape)).max", "dx.reshape(images.shape).max", "sign were kept"),
    ("19", ".max(axis=3)", ".sum(axis=3)", "sum over the channels"),
    ("19", "W2[:, labels].T", "W2.sum(axis=1)", "sum of all scores"),
    ("19", "dx.reshape(images.shape)", "images * dx.reshape(images.shape)", "multiplied by the image"),
    # the programs with a hidden bug: half mended, or mended wrongly
    ("blind1", "x[order], labels[order]", "x[order], labels[rng.permutation(len(x))]", "still belong together"),
    ("blind1", "order = rng.permutation(len(x))", "order = np.arange(len(x))", "sorted by class"),
    (
        "blind1",
        "x[order], labels[order]",
        "x, labels\n        labels[:] = labels[order]\n        x[:] = x[order]",
        "train changes its argument",
    ),
    ("blind2", "training=False", "training=True", "depends on the rng"),
    ("blind2", "p=0.5, training=True", "p=0.0, training=True", "drops nothing any more"),
    (
        "blind2",
        "images, rng, p=0.5, training=True",
        "images, rng, p=0.5, training=False",
        "train drops nothing any more",
    ),
    (
        "blind2",
        "if training else np.ones_like(hidden)",
        "if False else np.ones_like(hidden)",
        "training=True) drops nothing",
    ),
    ("blind3", 'model["mean"]', "images.reshape(len(images), -1).mean(axis=0)", "asked about each alone"),
    (
        "blind3",
        "mean, spread = pixels.mean(axis=0), pixels.std(axis=0) + 0.1 * pixels.std()",
        "mean, spread = 0.0, 1.0",
        "shall stay standardised",
    ),
    (
        "blind4",
        "            dz /= len(chosen)\n",
        "            dz /= len(chosen)\n            optimiser = Momentum([weight, bias], lr, momentum)\n",
        "without momentum",
    ),
    (
        "blind4",
        "        order = rng",
        "        optimiser = Momentum([weight, bias], lr, momentum)\n        order = rng",
        "forgotten after every epoch",
    ),
    ("blind4", "range(0, len(x), batch_size)", "range(0, len(x) - batch_size, batch_size)", "6 steps lead"),
    ("blind5", "images[fifth:], labels[fifth:]", "images, labels", "drawn by lot"),
]
