"""Exercises 11 and 16: which maps a map sees, in LeNet-5's table and in AlexNet's groups; and LeNet-5's subsampling."""

from __future__ import annotations

import numpy as np

from examples.check.judging import Case, Exercise, compared


# ------------------------------------------------------------------------------ 11: LeNet-5's subsampling and its table
def subsample(x, weight, bias):
    N, H, W, C = x.shape
    y = np.zeros((N, H // 2, W // 2, C), x.dtype)
    for n, h, w, c in np.ndindex(y.shape):
        window = [float(x[n, 2 * h + i, 2 * w + j, c]) for i in (0, 1) for j in (0, 1)]
        y[n, h, w, c] = sum(window) * weight[c] + bias[c]
    return y


def subsample_cases():
    rng = np.random.default_rng(11)
    found = []
    for about, shape, dtype in (
        ("one image 2x2, 1 map", (1, 2, 2, 1), "d"),
        ("3 images 4x6, 2 maps", (3, 4, 6, 2), "d"),
        ("2 images 6x2, 3 maps", (2, 6, 2, 3), "d"),
        ("2 images 4x4 in float32", (2, 4, 4, 2), "f"),
    ):
        arrays = rng.normal(size=shape), rng.normal(size=shape[3]), rng.normal(size=shape[3])
        found.append(Case(about, tuple(array.astype(dtype) for array in arrays)))
    return found


def _largest(x, weight, bias):
    N, H, W, C = x.shape
    return x.reshape(N, H // 2, 2, W // 2, 2, C).max(axis=(2, 4)) * weight + bias


def table_convolution(x, weight, bias, table, *, by_position=False):
    y = np.zeros((len(x), x.shape[1] - len(weight) + 1, x.shape[2] - weight.shape[1] + 1, len(table)), x.dtype)
    for n, h, w, o in np.ndindex(y.shape):
        total = float(bias[o])
        for position, c in enumerate(table[o]):
            for i, j in np.ndindex(weight.shape[:2]):
                total += float(x[n, h + i, w + j, c]) * float(weight[i, j, position if by_position else c, o])
        y[n, h, w, o] = total
    return y


def table_cases():
    rng = np.random.default_rng(12)
    found = []
    for about, shape, kernel, table, dtype in (
        ("one image 3x3, 2 maps, table ((1,),)", (1, 3, 3, 2), (2, 2), ((1,),), "d"),
        ("3 images 4x5, 3 maps, table ((0, 2), (1,), (0, 1, 2))", (3, 4, 5, 3), (3, 2), ((0, 2), (1,), (0, 1, 2)), "d"),
        ("2 images 5x4, 4 maps, table ((1, 3), (3, 0))", (2, 5, 4, 4), (2, 3), ((1, 3), (3, 0)), "d"),
        ("2 images 4x4 in float32", (2, 4, 4, 2), (3, 3), ((0,), (1,)), "f"),
    ):
        arrays = rng.normal(size=shape), rng.normal(size=(*kernel, shape[3], len(table))), rng.normal(size=len(table))
        found.append(Case(about, (*(array.astype(dtype) for array in arrays), table)))
    return found


def _first_maps(x, weight, bias, table):
    return table_convolution(x, weight, bias, [range(len(maps)) for maps in table])


SUBSAMPLE_MISTAKES = [
    (
        lambda x, w, b: subsample(x, w / 4, b),
        "It looks as if the mean of the window were taken: LeNet-5 adds its four numbers.",
    ),
    (_largest, "It looks as if the largest number of the window were taken: that is AlexNet; LeNet-5 adds all four."),
    (
        lambda x, w, b: subsample(x, 0 * w + w[0], b),
        "It looks as if all maps had the weight of the first: each has its own, weight[c].",
    ),
    (
        lambda x, w, b: subsample(x, w, w * b),
        "It looks as if the bias were multiplied by the weight too: (sum) * weight + bias.",
    ),
    (lambda x, w, b: subsample(x, w, 4 * b), "It looks as if the bias were added once for each of the four numbers."),
    (lambda x, w, b: subsample(x, w, 0 * b), "It looks as if the bias were left out."),
    (
        lambda x, w, b: (x[:, :-1, :-1] + x[:, 1:, :-1] + x[:, :-1, 1:] + x[:, 1:, 1:]) * w + b,
        "It looks as if the windows overlapped: they lie side by side, every 2 rows and columns.",
    ),
]

TABLE_CONVOLUTION_MISTAKES = [
    (
        lambda x, w, b, table: table_convolution(x, w, b, [range(x.shape[3])] * len(table)),
        "It looks as if every output map saw all input maps: map o sees those in table[o] only.",
    ),
    (
        lambda *a: table_convolution(*a, by_position=True),
        "It looks as if the kernels were taken by the position in table[o]: input map c has weight[:, :, c, o].",
    ),
    (_first_maps, "It looks as if the first maps were taken, as many as table[o] names: take the ones that it names."),
    (
        lambda x, w, *rest: table_convolution(x, w[::-1, ::-1], *rest),
        "It looks as if the kernel were rotated by half a turn.",
    ),
    (
        lambda x, w, b, table: table_convolution(x, w, b * [len(maps) for maps in table], table),
        "It looks as if the bias were added once for each map that is seen: it is added once to the sum.",
    ),
    (lambda x, w, b, table: table_convolution(x, w, 0 * b, table), "It looks as if the bias were left out."),
]

EXERCISE_11 = Exercise(
    "LeNet-5: subsampling, and the table of connections",
    (
        compared(subsample, subsample_cases, SUBSAMPLE_MISTAKES),
        compared(table_convolution, table_cases, TABLE_CONVOLUTION_MISTAKES),
    ),
)


# ------------------------------------------------------------------------------------------ 16: a convolution in groups
def grouped_convolution(x, weight, bias, groups, *, inputs=None, outputs=None):
    """inputs, outputs: for mistakes, the group whose channels are read, and that of an output map, otherwise."""
    C, C_out = x.shape[3] // groups, weight.shape[3]
    y = np.zeros((len(x), x.shape[1] - len(weight) + 1, x.shape[2] - weight.shape[1] + 1, C_out), x.dtype)
    for n, h, w, o in np.ndindex(y.shape):
        group = outputs(o) if outputs else o // (C_out // groups)
        total = float(bias[o])
        for i, j, c in np.ndindex(*weight.shape[:2], C):
            channel = inputs(group, c) if inputs else group * C + c
            total += float(x[n, h + i, w + j, channel]) * float(weight[i, j, c, o])
        y[n, h, w, o] = total
    return y


def group_cases():
    rng = np.random.default_rng(16)
    found = []
    for about, N, H, W, C, C_out, kernel, groups, dtype in (
        ("one image 2x2, 2 channels, 2 kernels 1x1, 2 groups", 1, 2, 2, 2, 2, (1, 1), 2, "d"),
        ("3 images 4x5, 4 channels, 6 kernels 2x3, 2 groups", 3, 4, 5, 4, 6, (2, 3), 2, "d"),
        ("2 images 5x4, 6 channels, 6 kernels 3x2, 3 groups", 2, 5, 4, 6, 6, (3, 2), 3, "d"),
        ("2 images 3x3, 2 channels, 3 kernels 2x2, 1 group", 2, 3, 3, 2, 3, (2, 2), 1, "d"),
        ("2 images 4x4 in float32, 2 groups", 2, 4, 4, 4, 4, (3, 3), 2, "f"),
    ):
        arrays = rng.normal(size=(N, H, W, C)), rng.normal(size=(*kernel, C // groups, C_out)), rng.normal(size=C_out)
        found.append(Case(about, (*(array.astype(dtype) for array in arrays), groups)))
    return found


GROUPED_CONVOLUTION_MISTAKES = [
    (
        lambda *a: grouped_convolution(*a, inputs=lambda g, c: c),
        "It looks as if every group read the first group's channels: group g reads from channel g * C/groups on.",
    ),
    (
        lambda x, w, b, groups: grouped_convolution(x, w, b, groups, inputs=lambda g, c: c * groups + g),
        "It looks as if the channels were dealt out in turn: a group has neighbouring ones, the first C/groups for "
        "group 0.",
    ),
    (
        lambda x, w, b, groups: grouped_convolution(x, w, b, groups, outputs=lambda o: o % groups),
        "It looks as if the kernels were dealt out in turn: the first C_out/groups of them are group 0.",
    ),
    (
        lambda x, w, b, groups: grouped_convolution(
            x, w, b, groups, inputs=lambda g, c: (groups - 1 - g) * w.shape[2] + c
        ),
        "It looks as if the groups were put together in the wrong order.",
    ),
    (lambda x, w, b, groups: grouped_convolution(x, w, 0 * b, groups), "It looks as if the bias were left out."),
    (
        lambda x, w, b, groups: grouped_convolution(x, w, np.tile(b[: len(b) // groups], groups), groups),
        "It looks as if every group had the biases of the first.",
    ),
    (
        lambda x, w, *rest: grouped_convolution(x, w[::-1, ::-1], *rest),
        "It looks as if the kernel were rotated by half a turn.",
    ),
]

EXERCISE_16 = Exercise(
    "a convolution in groups, as on AlexNet's two GPUs",
    (compared(grouped_convolution, group_cases, GROUPED_CONVOLUTION_MISTAKES),),
)
