"""Exercises 4, 5 and 6: convolution, its patches, and its gradients."""

from __future__ import annotations

import numpy as np

from examples.check.judging import Case, Exercise, compared

# What several exercises are asked about: (in words, images, H, W, C_in, C_out, (KH, KW), stride, padding, dtype).
SIZES = [
    ("one image 3x3, 1 channel, kernel 2x2", 1, 3, 3, 1, 1, (2, 2), 1, 0, "d"),
    ("3 images 5x4, 2 channels, 3 kernels 3x2", 3, 5, 4, 2, 3, (3, 2), 1, 0, "d"),
    ("2 images 4x6, 3 channels, 2 kernels 2x3, stride 2", 2, 4, 6, 3, 2, (2, 3), 2, 0, "d"),
    ("2 images 4x5, 1 channel, 2 kernels 3x3, padding 1", 2, 4, 5, 1, 2, (3, 3), 1, 1, "d"),
    ("3 images 7x6, 2 channels, 2 kernels 3x3, stride 3, padding 2", 3, 7, 6, 2, 2, (3, 3), 3, 2, "d"),
    ("2 images 4x4 in float32", 2, 4, 4, 2, 2, (3, 3), 1, 1, "f"),
]


def cases(seed: int, make) -> list[Case]:
    """make(rng, size without its words) -> the arguments, in float64; then they get the dtype."""
    rng = np.random.default_rng(seed)
    found = []
    for about, *size, dtype in SIZES:
        arguments = make(rng, *size)
        found.append(Case(about, tuple(a.astype(dtype) if isinstance(a, np.ndarray) else a for a in arguments)))
    return found


def places(size, kernel, stride, padding):
    """How often the kernel fits along one side."""
    return (size + 2 * padding - kernel) // stride + 1


# --------------------------------------------------------------------------------------------------- 4: convolution
def conv2d(x, weight, bias, stride, padding, *, step=None):
    """step: for a mistake, how far the window moves where the number of places is that of `stride`."""
    N, H, W, C = x.shape
    KH, KW, _, C_out = weight.shape
    step = stride if step is None else step
    y = np.zeros((N, places(H, KH, stride, padding), places(W, KW, stride, padding), C_out), x.dtype)
    for n, oh, ow, o in np.ndindex(y.shape):
        total = float(bias[o])
        for i, j, c in np.ndindex(KH, KW, C):
            h, w = oh * step - padding + i, ow * step - padding + j
            if 0 <= h < H and 0 <= w < W:
                total += float(x[n, h, w, c]) * float(weight[i, j, c, o])
        y[n, oh, ow, o] = total
    return y


def _conv_arguments(rng, N, H, W, C, C_out, kernel, stride, padding):
    return rng.normal(size=(N, H, W, C)), rng.normal(size=(*kernel, C, C_out)), rng.normal(size=C_out), stride, padding


def _edges_repeated(x, weight, bias, stride, padding):
    border = (0, 0), (padding, padding), (padding, padding), (0, 0)
    return conv2d(np.pad(x, border, "edge"), weight, bias, stride, 0)


def _one_more_place(x, weight, bias, stride, padding):
    """The division is rounded up: the last window looks over the edge."""
    N, H, W, C = x.shape
    KH, KW = weight.shape[:2]
    more = [-(size + 2 * padding - kernel) % stride for size, kernel in ((H, KH), (W, KW))]
    padded = np.pad(x, ((0, 0), (padding, padding + more[0]), (padding, padding + more[1]), (0, 0)))
    return conv2d(padded, weight, bias, stride, 0)


def _last_place(weight, channel=slice(None)):
    """The kernels with nothing but their last place left, of all channels or of one."""
    last = np.zeros_like(weight)
    last[-1, -1, channel] = weight[-1, -1, channel]
    return last


CONV2D_MISTAKES = [
    (
        lambda x, w, *rest: conv2d(x, w[::-1, ::-1], *rest),
        "It looks as if the kernel were rotated by half a turn: here, as in all networks, it is laid on the image "
        "as it is.",
    ),
    (lambda x, w, b, *rest: conv2d(x, w, 0 * b, *rest), "It looks as if the bias were left out."),
    (
        lambda x, w, b, *rest: conv2d(x, w, b * w[..., 0].size, *rest),
        "It looks as if the bias were added once for each place in the kernel: it is added once to the sum.",
    ),
    (
        lambda x, w, b, *rest: conv2d(x, w, b * w.shape[0] * w.shape[1], *rest),
        "It looks as if the bias were added once for each row and column of the kernel: it is added once to the sum.",
    ),
    (lambda x, w, b, stride, padding: conv2d(x, w, b, stride, 0), "It looks as if the padding were left out."),
    (_edges_repeated, "It looks as if the padding repeated the edge of the image: outside it everything is 0."),
    (
        lambda x, w, b, stride, padding: conv2d(x, w, b, 1, padding),
        "It looks as if the stride were left out: there are as many places as with stride 1.",
    ),
    (
        lambda x, w, b, stride, padding: conv2d(x, w, b, stride, padding, step=1),
        "It has the right number of places, but the window seems to move by 1 only: place oh begins in row oh * "
        "stride - padding.",
    ),
    *(
        (mistake, "It looks as if only the last product counted: = where += adds to the sum.")
        for mistake in (
            lambda x, w, b, *rest: conv2d(x, _last_place(w), 0 * b, *rest),
            lambda x, w, b, *rest: conv2d(x, _last_place(w), b, *rest),
            lambda x, w, b, *rest: conv2d(x, _last_place(w, channel=-1), 0 * b, *rest),
            lambda x, w, b, *rest: conv2d(x, _last_place(w, channel=-1), b, *rest),
        )
    ),
    (
        lambda x, w, b, *rest: conv2d(x[..., :1], w[:, :, :1], b, *rest),
        "It looks as if only the first channel were read: sum over the channels too.",
    ),
    (
        _one_more_place,
        "It looks as if the number of places were rounded up: a window must lie within the image and its padding.",
    ),
    (
        lambda x, w, *rest: conv2d(x, w.transpose(1, 0, 2, 3), *rest),
        "It looks as if height and width of the kernel were exchanged.",
    ),
]

EXERCISE_4 = Exercise(
    "convolution, with stride and padding", (compared(conv2d, lambda: cases(4, _conv_arguments), CONV2D_MISTAKES),)
)


# -------------------------------------------------------------------------------------------------------- 5: im2col
def im2col(x, KH, KW, stride):
    N, H, W, C = x.shape
    OH, OW = places(H, KH, stride, 0), places(W, KW, stride, 0)
    rows = np.zeros((N * OH * OW, KH * KW * C), x.dtype)
    for n, oh, ow in np.ndindex(N, OH, OW):
        for i, j, c in np.ndindex(KH, KW, C):
            rows[(n * OH + oh) * OW + ow, (i * KW + j) * C + c] = x[n, oh * stride + i, ow * stride + j, c]
    return rows


def _im2col_arguments(rng, N, H, W, C, C_out, kernel, stride, padding):
    return np.arange(N * H * W * C, dtype=float).reshape(N, H, W, C) + 1, *kernel, stride


def _in_order(rows_order=(0, 1, 2), columns_order=(3, 4, 5)):
    """im2col with the axes (N, OH, OW) of the rows and (KH, KW, C) of the columns in another order."""

    def mistake(x, KH, KW, stride):
        N, H, W, C = x.shape
        shape = N, places(H, KH, stride, 0), places(W, KW, stride, 0), KH, KW, C
        ordered = im2col(x, KH, KW, stride).reshape(shape).transpose(*rows_order, *columns_order)
        return ordered.reshape(np.prod(ordered.shape[:3]), -1)

    return mistake


def _windows_side_by_side(x, KH, KW, stride):
    N, H, W, C = x.shape
    near = im2col(x[:, :, :, :], KH, KW, 1).reshape(N, H - KH + 1, W - KW + 1, -1)
    return near[:, : places(H, KH, stride, 0), : places(W, KW, stride, 0)].reshape(-1, KH * KW * C)


IM2COL_MISTAKES = [
    (lambda *a: im2col(*a).T, "These are the right windows as columns, not as rows: transpose."),
    (
        _in_order(columns_order=(5, 3, 4)),
        "Within a row the channel comes first; expected is the order (KH, KW, C), the channel last, as in the weights.",
    ),
    (
        _in_order(columns_order=(4, 3, 5)),
        "Within a row the columns of the window come before its rows: expected is the order (KH, KW, C).",
    ),
    (
        _in_order(rows_order=(1, 2, 0)),
        "The rows are in the order (OH, OW, N): expected is (N, OH, OW), all windows of the first image first.",
    ),
    (
        _in_order(rows_order=(0, 2, 1)),
        "The rows are in the order (N, OW, OH): expected is (N, OH, OW), the windows row by row.",
    ),
    (lambda x, KH, KW, stride: im2col(x, KH, KW, 1), "It looks as if the stride were left out."),
    (
        _windows_side_by_side,
        "There are as many windows as there should be, but they seem to lie side by side: window oh begins in row "
        "oh * stride.",
    ),
    (lambda x, *rest: im2col(x[:1], *rest), "It looks as if only the first image were taken."),
]

EXERCISE_5 = Exercise(
    "im2col: every window becomes a row",
    (compared(im2col, lambda: cases(5, _im2col_arguments), IM2COL_MISTAKES, "rows"),),
)


# ------------------------------------------------------------------------------------------ 6: convolution backwards
def convolution_backward(dy, x, weight, stride, padding, *, turned=False, only=None, step=None):
    """For mistakes: turned, the kernel is; only the first or the last window counts; step, by which it moves."""
    N, H, W, C = x.shape
    KH, KW = weight.shape[:2]
    step = stride if step is None else step
    dx, dw, db = np.zeros_like(x), np.zeros_like(weight), np.zeros(weight.shape[3], x.dtype)
    for n, oh, ow in np.ndindex(dy.shape[:3]):
        db += dy[n, oh, ow]
        for i, j, c in np.ndindex(KH, KW, C):
            h, w = oh * step - padding + i, ow * step - padding + j
            if 0 <= h < H and 0 <= w < W:
                kernel = weight[KH - 1 - i, KW - 1 - j, c] if turned else weight[i, j, c]
                share = float(np.sum(dy[n, oh, ow] * kernel))
                if only == "last" or (only == "first" and not dx[n, h, w, c]):
                    dx[n, h, w, c] = share
                elif not only:
                    dx[n, h, w, c] += share
                dw[i, j, c] += x[n, h, w, c] * dy[n, oh, ow]
    return dx, dw, db


def _backward_arguments(rng, N, H, W, C, C_out, kernel, stride, padding):
    x, weight, _, _, _ = _conv_arguments(rng, N, H, W, C, C_out, kernel, stride, padding)
    dy = rng.normal(size=(N, places(H, kernel[0], stride, padding), places(W, kernel[1], stride, padding), C_out))
    return dy, x, weight, stride, padding


def _but(**names):
    return lambda *arguments: convolution_backward(*arguments, **names)


def _changed(dx=None, dw=None, db=None):
    """One of the gradients made anew from the arguments: the functions get (the right one, dy, x, weight, ...)."""

    def mistake(*arguments):
        right = convolution_backward(*arguments)
        return tuple(change(grad, *arguments) if change else grad for grad, change in zip(right, (dx, dw, db)))

    return mistake


def _with_border(dx, dy, x, weight, stride, padding):
    padded = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    return convolution_backward(dy, padded, weight, stride, 0)[0]


def _first_image(dw, dy, x, *rest):
    return convolution_backward(dy[:1], x[:1], *rest)[1]


CONVOLUTION_BACKWARD_MISTAKES = [
    (
        _but(turned=True),
        "It looks as if the kernel were wrongly rotated: who adds (+=) each dy[n, oh, ow] times the kernel to its "
        "window takes the kernel as it is; who gathers for each pixel takes it rotated by half a turn.",
    ),
    *(
        (
            _but(only=window),
            "It looks as if = stood where += adds: a pixel lies in several windows, and their shares add up.",
        )
        for window in ("last", "first")
    ),
    (_but(step=1), "It looks as if the windows lay side by side: window oh begins in row oh * stride - padding."),
    (_changed(dx=_with_border), "It has the border of the padding still: cut it off, dx has the shape of x."),
    (
        lambda dy, x, w, stride, padding: convolution_backward(dy, x, w, stride, 0),
        "It looks as if the padding were left out.",
    ),
    (
        lambda dy, x, w, *rest: tuple(g / len(x) for g in convolution_backward(dy, x, w, *rest)),
        "It is the gradient divided by the number of images: the loss has done that already, so add.",
    ),
    (
        _changed(dw=_first_image, db=lambda db, dy, *_: dy[0].sum(axis=(0, 1))),
        "It looks as if only the first image counted: all of them use the same kernel, so their shares add up.",
    ),
    (_changed(dw=lambda dw, *_: dw[::-1, ::-1]), "It looks as if the kernel's gradient were rotated by half a turn."),
    (_changed(dw=lambda dw, *_: dw.transpose(1, 0, 2, 3)), "It looks as if height and width were exchanged."),
    (
        _changed(db=lambda db, dy, *_: dy.sum(axis=0)),
        "It is the sum over the images only: the bias is added at every place, so sum over (N, OH, OW).",
    ),
    (
        _changed(db=lambda db, dy, *_: dy.sum(axis=(1, 2))),
        "It is the sum over the places only: sum over the images too.",
    ),
    (
        _changed(db=lambda db, dy, *_: dy.mean(axis=(0, 1, 2))),
        "It is the mean over images and places: the bias is added at each, so sum.",
    ),
]

EXERCISE_6 = Exercise(
    "the convolution backwards",
    (
        compared(
            convolution_backward,
            lambda: cases(6, _backward_arguments),
            CONVOLUTION_BACKWARD_MISTAKES,
            ("dx", "dw", "db"),
        ),
    ),
)
