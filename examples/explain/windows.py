"""The layers that look at a window of the image, explained: see `examples.explain.terms`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from examples.explain.explanation import Explanation, Term, in_brackets, number, summed
from layers import AvgPool2d, BatchNorm2d, Conv2d, LocalResponseNorm, MaxPool2d, Subsampling2d
from nn import Layer

Place = tuple[int, int, int]


# -------------------------------------------------------------------------------------------------- convolution
def conv_forward(layer: Conv2d, x: np.ndarray, at: Place, training: bool) -> Explanation:
    weight = layer.params["weight"]
    oh, ow, o = at
    terms = bias_terms(layer, o)
    first = _group(layer, o) * weight.shape[2]  # the first channel that this output's group sees
    for i, h in _window(layer, 0, oh, x.shape[0]):
        for j, w in _window(layer, 1, ow, x.shape[1]):
            for c in range(weight.shape[2]):
                if layer.connected is None or layer.connected[c, o]:
                    place, kernel = f"x[{h},{w},{first + c}]", f"w[{i},{j},{c},{o}]"
                    terms.append(Term.product(place, x[h, w, first + c], kernel, weight[i, j, c, o]))
    return summed(terms)


def bias_terms(layer: Layer, output: int) -> list[Term]:
    """The bias of an output; none where the layer has none."""
    bias = layer.params.get("bias")
    return [] if bias is None else [Term(f"b[{output}]", float(bias[output]))]


def conv_backward(layer: Conv2d, x: np.ndarray, dy: np.ndarray, at: Place, training: bool) -> Explanation:
    weight = layer.params["weight"]
    h, w, channel = at
    c = channel % weight.shape[2]
    per_group = layer.out_channels // layer.groups
    first = channel // weight.shape[2] * per_group  # the first output of the group that sees this channel
    terms = []
    for oh, i in _windows_over(layer, 0, h, dy.shape[0]):
        for ow, j in _windows_over(layer, 1, w, dy.shape[1]):
            for o in range(first, first + per_group):
                if layer.connected is None or layer.connected[c, o]:
                    kernel = f"w[{i},{j},{c},{o}]"
                    terms.append(Term.product(f"dy[{oh},{ow},{o}]", dy[oh, ow, o], kernel, weight[i, j, c, o]))
    return summed(terms)


def _group(layer: Conv2d, output: int) -> int:
    return output // (layer.out_channels // layer.groups)


# ------------------------------------------------------------------------------------------------------ pooling
def max_forward(layer: MaxPool2d, x: np.ndarray, at: Place, training: bool) -> Explanation:
    oh, ow, c = at
    winner, terms = _winner(layer, x, oh, ow, c), []
    for _, h in _window(layer, 0, oh, x.shape[0]):
        for _, w in _window(layer, 1, ow, x.shape[1]):
            mark = " (the winner)" if (h, w) == winner else ""
            terms.append(Term(f"x[{h},{w},{c}]{mark}", float(x[h, w, c])))
    largest = float(x[(*winner, c)])
    return Explanation(terms, f"the largest, x[{winner[0]},{winner[1]},{c}]", largest, "", largest)


def max_backward(layer: MaxPool2d, x: np.ndarray, dy: np.ndarray, at: Place, training: bool) -> Explanation:
    h, w, c = at
    terms = []
    for oh, _ in _windows_over(layer, 0, h, dy.shape[0]):
        for ow, _ in _windows_over(layer, 1, w, dy.shape[1]):
            row, column = _winner(layer, x, oh, ow, c)
            won = (row, column) == (h, w)
            words = "1 (it won this window)" if won else f"0 (x[{row},{column},{c}] won this window)"
            gradient = float(dy[oh, ow, c])
            terms.append(Term(f"dy[{oh},{ow},{c}]={number(gradient)} * {words}", gradient * won))
    return summed(terms)


def _winner(layer: MaxPool2d, x: np.ndarray, oh: int, ow: int, c: int) -> tuple[int, int]:
    """The place of the largest element of a window; the first of equal ones."""
    best = None
    for _, h in _window(layer, 0, oh, x.shape[0]):
        for _, w in _window(layer, 1, ow, x.shape[1]):
            if best is None or x[h, w, c] > x[(*best, c)]:
                best = h, w
    return best


def average_forward(layer: AvgPool2d, x: np.ndarray, at: Place, training: bool) -> Explanation:
    oh, ow, c = at
    terms = []
    for _, h in _window(layer, 0, oh, x.shape[0]):
        for _, w in _window(layer, 1, ow, x.shape[1]):
            terms.append(Term(f"x[{h},{w},{c}]", float(x[h, w, c])))
    total, count = summed(terms).total, _elements(layer, x.shape, oh, ow)
    return Explanation(terms, "sum", total, f"the sum / {count}", total / count)


def average_backward(layer: AvgPool2d, x: np.ndarray, dy: np.ndarray, at: Place, training: bool) -> Explanation:
    h, w, c = at
    terms = []
    for oh, _ in _windows_over(layer, 0, h, dy.shape[0]):
        for ow, _ in _windows_over(layer, 1, w, dy.shape[1]):
            gradient, count = float(dy[oh, ow, c]), _elements(layer, x.shape, oh, ow)
            terms.append(Term(f"dy[{oh},{ow},{c}]={number(gradient)} / {count}", gradient / count))
    return summed(terms)


def _elements(layer: AvgPool2d, x_shape: Sequence[int], oh: int, ow: int) -> int:
    """The elements of a window inside the padded image: fewer where it runs off the far edge."""
    count = 1
    for axis, start in enumerate((oh * layer.stride[0], ow * layer.stride[1])):
        count *= min(layer.kernel_size[axis], x_shape[axis] + 2 * layer.padding[axis] - start)
    return count


def subsampling_forward(layer: Subsampling2d, x: np.ndarray, at: Place, training: bool) -> Explanation:
    (height, width), (oh, ow, c) = layer.kernel_size, at
    terms = bias_terms(layer, c)
    for h in range(oh * height, (oh + 1) * height):
        for w in range(ow * width, (ow + 1) * width):
            terms.append(Term.product(f"w[{c}]", layer.params["weight"][c], f"x[{h},{w},{c}]", x[h, w, c]))
    return summed(terms)


def subsampling_backward(layer: Subsampling2d, x: np.ndarray, dy: np.ndarray, at: Place, training: bool) -> Explanation:
    h, w, c = at
    oh, ow = h // layer.kernel_size[0], w // layer.kernel_size[1]
    if oh >= dy.shape[0] or ow >= dy.shape[1]:  # left over at the far edge, in no window
        return summed([])
    return summed([Term.product(f"w[{c}]", layer.params["weight"][c], f"dy[{oh},{ow},{c}]", dy[oh, ow, c])])


# ------------------------------------------------------------------------------------------------ normalisation
def norm_forward(layer: LocalResponseNorm, x: np.ndarray, at: Place, training: bool) -> Explanation:
    terms = [Term("k", layer.k)]
    for place in _neighbours(layer, x.shape, at):
        value = float(x[place])
        text = f"alpha={layer.alpha:g} * (x{in_brackets(place)}={number(value)})^2"
        terms.append(Term(text, layer.alpha * value * value))
    s = summed(terms).total
    finish = f"x{in_brackets(at)}={number(x[at])} / (the sum)^{layer.beta:g}"
    return Explanation(terms, "sum", s, finish, float(x[at]) * s**-layer.beta)


def norm_backward(layer: LocalResponseNorm, x: np.ndarray, dy: np.ndarray, at: Place, training: bool) -> Explanation:
    s = _denominator(layer, x, at)
    here, gradient, value = in_brackets(at), float(dy[at]), float(x[at])
    terms = [Term(f"dy{here}={number(gradient)} / (s{here}={number(s)})^{layer.beta:g}", gradient * s**-layer.beta)]
    for place in _neighbours(layer, x.shape, at):
        s, there = _denominator(layer, x, place), in_brackets(place)
        y = float(x[place]) * s**-layer.beta
        factor = -2 * layer.alpha * layer.beta * value
        text = f"{number(factor)} * dy{there}={number(dy[place])} * y{there}={number(y)} / s{there}={number(s)}"
        terms.append(Term(text, factor * float(dy[place]) * y / s))
    return summed(terms)


def _denominator(layer: LocalResponseNorm, x: np.ndarray, at: Place) -> float:
    """s: what is raised to the power beta and divided by."""
    s = layer.k
    for place in _neighbours(layer, x.shape, at):
        s += layer.alpha * float(x[place]) ** 2
    return s


def _neighbours(layer: LocalResponseNorm, shape: Sequence[int], at: Place) -> Iterator[Place]:
    """The places around `at`, itself included: across the channels of a pixel, or within the map of a channel."""
    h, w, c = at
    half = layer.size // 2
    if layer.region == "across":
        for channel in range(max(0, c - half), min(shape[2], c + half + 1)):
            yield h, w, channel
    else:
        for row in range(max(0, h - half), min(shape[0], h + half + 1)):
            for column in range(max(0, w - half), min(shape[1], w + half + 1)):
                yield row, column, c


def batch_norm_forward(layer: BatchNorm2d, x: np.ndarray, at: Place, training: bool) -> Explanation:
    here, c, value = in_brackets(at), at[2], float(x[at])
    mean, variance, _ = _statistics(layer, x, c, training)
    w, spread = float(layer.params["weight"][c]), math.sqrt(variance + layer.epsilon)
    text = (
        f"w[{c}]={number(w)} * (x{here}={number(value)} - mean={number(mean)}) / "
        f"sqrt(variance={number(variance)} + {layer.epsilon:g})"
    )
    product = w * (value - mean) / spread
    return summed([*bias_terms(layer, c), Term(text, product, abs(w) * (abs(value) + abs(mean)) / spread)])


def batch_norm_backward(layer: BatchNorm2d, x: np.ndarray, dy: np.ndarray, at: Place, training: bool) -> Explanation:
    here, c, gradient = in_brackets(at), at[2], float(dy[at])
    mean, variance, of_batch = _statistics(layer, x, c, training)
    spread = math.sqrt(variance + layer.epsilon)
    factor = float(layer.params["weight"][c]) / spread
    words = f"(w[{c}] / sqrt(variance + {layer.epsilon:g}) = {number(factor)})"
    terms = [Term(f"dy{here}={number(gradient)} * {words}", gradient * factor)]
    if of_batch:  # which a change of x[at] moves as well
        M, z = x[..., c].size, (float(x[at]) - mean) / spread
        shifted = [float(value) for value in dy[..., c].flat]
        scaled = [value * (float(x_) - mean) / spread for value, x_ in zip(shifted, x[..., c].flat, strict=True)]
        for text, part, sizes in (("-db[{c}]={total}", 1.0, shifted), ("-z{here}={z} * dw[{c}]={total}", z, scaled)):
            total = math.fsum(sizes)
            text = text.format(here=here, c=c, z=number(z), total=number(total))
            scale = math.fsum(abs(size) for size in sizes) * abs(part * factor) / M
            terms.append(Term(f"{text} / {M} * {words}", -part * total / M * factor, scale))
    return summed(terms)


def _statistics(layer: BatchNorm2d, x: np.ndarray, c: int, training: bool) -> tuple[float, float, bool]:
    """Mean and variance of a channel, and whether they are the image's own, as in training with a batch of one."""
    if not training or layer.frozen:
        return float(layer.state["running_mean"][c]), float(layer.state["running_variance"][c]), False
    values = [float(value) for value in x[..., c].flat]
    mean = math.fsum(values) / len(values)
    return mean, math.fsum((value - mean) ** 2 for value in values) / len(values), True


# ------------------------------------------------------------------------------------------------------ windows
def _window(layer, axis: int, output: int, length: int) -> Iterator[tuple[int, int]]:
    """(place in the kernel, place in the image) for an output's window along one axis, inside the image alone."""
    for i in range(layer.kernel_size[axis]):
        place = output * layer.stride[axis] - layer.padding[axis] + i
        if 0 <= place < length:
            yield i, place


def _windows_over(layer, axis: int, place: int, outputs: int) -> Iterator[tuple[int, int]]:
    """(output, place in the kernel) for all windows that hold a place of the image, along one axis."""
    for output in range(outputs):
        i = place + layer.padding[axis] - output * layer.stride[axis]
        if 0 <= i < layer.kernel_size[axis]:
            yield output, i
