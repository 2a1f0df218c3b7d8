"""One number that a layer computes, as the sum that it is: term by term, in plain loops.

    forward_terms(layer, x, at)        the output y[at] of a layer of any kind in `layers`
    backward_terms(layer, x, dy, at)   the gradient dx[at] with respect to its input, from dy, that with respect to its
                                       output

x, y, dx and dy belong to one image: (H, W, C) or (features,), without N. Nothing here calls a layer's forward or
backward: what comes out is computed once more, so that the two can be compared. Convolution, pooling and
normalisation, which look at a window, are in `examples.explain.windows`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from examples.explain import windows
from examples.explain.explanation import Explanation, Term, in_brackets, number, summed
from layers import (
    ELU,
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    Dropout,
    EuclideanRBF,
    Flatten,
    Linear,
    LocalResponseNorm,
    MaxPool2d,
    ReLU,
    ScaledTanh,
    Sigmoid,
    Subsampling2d,
    Tanh,
)
from nn import Layer

Place = tuple[int, ...]


def forward_terms(layer: Layer, x: np.ndarray, at: Sequence[int], training: bool = False) -> Explanation:
    """How y[at] comes about. training: dropout with the last mask that it drew, otherwise without."""
    at = checked(at, layer.output_shape(x.shape), f"{layer.name}'s output")
    return _kind(layer).forward(layer, x, at, training)


def backward_terms(
    layer: Layer, x: np.ndarray, dy: np.ndarray, at: Sequence[int], training: bool = False
) -> Explanation:
    """How dx[at] comes about: the chain rule, a term for each output that x[at] feeds."""
    at = checked(at, x.shape, f"{layer.name}'s input")
    return _kind(layer).backward(layer, x, dy, at, training)


def formulas(layer: Layer) -> tuple[str, str]:
    """What the layer computes forward and backward, in a line or two each."""
    kind = _kind(layer)
    if isinstance(layer, LocalResponseNorm):
        where = {"across": "channels around i", "within": "pixels around i in its map"}[layer.region]
        size = f"{layer.size}" if layer.region == "across" else f"{layer.size}x{layer.size}"
        constants = f"alpha = {layer.alpha:g}, beta = {layer.beta:g}, k = {layer.k:g}; the neighbours: {size} {where}"
        return f"{kind.formula}\n{constants}", kind.slope
    if isinstance(layer, BatchNorm2d):
        where = "mean and variance: the running averages; in training the batch's, over its M values of a channel"
        return f"{kind.formula}\n{where}", kind.slope
    if isinstance(layer, Conv2d) and layer.groups > 1:
        groups = f"{layer.groups} groups: output o sees the channels of its own group alone, and w counts those from 0"
        return f"{kind.formula}\n{groups}", kind.slope
    return kind.formula, kind.slope


def checked(at: Sequence[int], shape: Sequence[int], what: str) -> Place:
    """The place as a tuple of whole numbers; ValueError if there is no such place."""
    at = tuple(int(index) for index in at)
    shape_text = "x".join(map(str, shape))
    if len(at) != len(shape):
        axes = {1: "one coordinate", 3: "three coordinates: row,column,channel"}.get(
            len(shape), f"{len(shape)} coordinates"
        )
        raise ValueError(f"{what} is {shape_text}, so that a place in it has {axes}; got {','.join(map(str, at))}")
    if not all(0 <= index < length for index, length in zip(at, shape)):
        last = ",".join(str(length - 1) for length in shape)
        zeros = ",".join("0" for _ in shape)
        raise ValueError(
            f"{what} is {shape_text}, so that places in it go from {zeros} to {last}; got {','.join(map(str, at))}"
        )
    return at


# ------------------------------------------------------------------------------------------ sums over everything
def linear_forward(layer: Linear, x: np.ndarray, at: Place, training: bool) -> Explanation:
    weight, o = layer.params["weight"], at[0]
    terms = windows.bias_terms(layer, o)
    for i in range(len(x)):
        terms.append(Term.product(f"x[{i}]", x[i], f"W[{i},{o}]", weight[i, o]))
    return summed(terms)


def linear_backward(layer: Linear, x: np.ndarray, dy: np.ndarray, at: Place, training: bool) -> Explanation:
    weight, i = layer.params["weight"], at[0]
    return summed([Term.product(f"dy[{o}]", dy[o], f"W[{i},{o}]", weight[i, o]) for o in range(len(dy))])


def rbf_forward(layer: EuclideanRBF, x: np.ndarray, at: Place, training: bool) -> Explanation:
    prototype, c = layer.prototypes[at[0]], at[0]
    terms = []
    for j in range(len(x)):
        text = f"-(x[{j}]={number(x[j])} - w[{c},{j}]={number(prototype[j])})^2"
        terms.append(Term(text, -((float(x[j]) - float(prototype[j])) ** 2)))
    return summed(terms)


def rbf_backward(layer: EuclideanRBF, x: np.ndarray, dy: np.ndarray, at: Place, training: bool) -> Explanation:
    j = at[0]
    terms = []
    for c in range(len(dy)):
        w = float(layer.prototypes[c, j])
        text = f"-2 * dy[{c}]={number(dy[c])} * (x[{j}]={number(x[j])} - w[{c},{j}]={number(w)})"
        terms.append(Term(text, -2 * float(dy[c]) * (float(x[j]) - w)))
    return summed(terms)


# ------------------------------------------------------------------------------------------ one input, one output
def _squashing(value, text: str, slope, slope_text: str):
    """Forward and backward of an activation y = value(layer, x) whose slope is written in terms of y.

    In the texts {x} and {y} stand for the numbers.
    """

    def forward(layer: Layer, x: np.ndarray, at: Place, training: bool) -> Explanation:
        number_in = float(x[at])
        y = value(layer, number_in)
        finish = text.format(x=number(number_in), layer=layer)
        return Explanation([Term(f"x{in_brackets(at)}", number_in)], "the input", number_in, finish, y)

    def backward(layer: Layer, x: np.ndarray, dy: np.ndarray, at: Place, training: bool) -> Explanation:
        y, gradient = value(layer, float(x[at])), float(dy[at])
        here = in_brackets(at)
        factor = slope_text.format(x=number(float(x[at])), y=number(y), here=here, layer=layer)
        result = gradient * slope(layer, float(x[at]), y)
        return summed([Term(f"dy{here}={number(gradient)} * {factor}", result, scale=abs(gradient))])

    return forward, backward


def _sigmoid(layer: Sigmoid, x: float) -> float:
    small = math.exp(-abs(x))  # of a number that is not positive, so that it cannot overflow
    return 1 / (1 + small) if x >= 0 else small / (1 + small)


def dropout_forward(layer: Dropout, x: np.ndarray, at: Place, training: bool) -> Explanation:
    here, value = in_brackets(at), float(x[at])
    factor, words = _dropout_factor(layer, at, training)
    return summed([Term(f"x{here}={number(value)} * {words}", value * factor)])


def dropout_backward(layer: Dropout, x: np.ndarray, dy: np.ndarray, at: Place, training: bool) -> Explanation:
    here, value = in_brackets(at), float(dy[at])
    factor, words = _dropout_factor(layer, at, training)
    return summed([Term(f"dy{here}={number(value)} * {words}", value * factor)])


def _dropout_factor(layer: Dropout, at: Place, training: bool) -> tuple[float, str]:
    if not training:
        return 1.0, "1 (outside training every unit goes through)"
    kept = bool(layer.mask[(0, *at)])
    factor = (1.0 / (1.0 - layer.p)) if kept else 0.0
    return factor, f"mask={int(kept)} / (1 - p={layer.p:g})"


def flatten_forward(layer: Flatten, x: np.ndarray, at: Place, training: bool) -> Explanation:
    place = tuple(int(index) for index in np.unravel_index(at[0], x.shape))
    return summed([Term(f"x{in_brackets(place)}", float(x[place]))])


def flatten_backward(layer: Flatten, x: np.ndarray, dy: np.ndarray, at: Place, training: bool) -> Explanation:
    place = int(np.ravel_multi_index(at, x.shape))
    return summed([Term(f"dy[{place}]", float(dy[place]))])


# ------------------------------------------------------------------------------------------ which kind is how
@dataclass(frozen=True)
class _Kind:
    formula: str
    slope: str
    forward: object  # (layer, x, at, training) -> Explanation
    backward: object  # (layer, x, dy, at, training) -> Explanation


KINDS = {
    Conv2d: _Kind(
        "y[oh,ow,o] = b[o] + sum over i,j,c of x[oh*SH-PH+i, ow*SW-PW+j, c] * w[i,j,c,o]",
        "dx[h,w,c] = sum over i,j,o, and the (oh,ow) whose kernel element (i,j) lies on (h,w), of dy[oh,ow,o] * "
        "w[i,j,c,o]\ndw[i,j,c,o] = sum over oh,ow of x[oh*SH-PH+i, ow*SW-PW+j, c] * dy[oh,ow,o];   "
        "db[o] = sum over oh,ow of dy[oh,ow,o]",
        windows.conv_forward,
        windows.conv_backward,
    ),
    MaxPool2d: _Kind(
        "y[oh,ow,c] = the largest of x[oh*SH-PH+i, ow*SW-PW+j, c] over i,j",
        "dx[h,w,c] = sum of dy over the windows that x[h,w,c] won",
        windows.max_forward,
        windows.max_backward,
    ),
    AvgPool2d: _Kind(
        "y[oh,ow,c] = the mean of x[oh*SH-PH+i, ow*SW-PW+j, c] over i,j",
        "dx[h,w,c] = sum, over the windows that hold x[h,w,c], of dy / (number of elements)",
        windows.average_forward,
        windows.average_backward,
    ),
    Subsampling2d: _Kind(
        "y[oh,ow,c] = b[c] + w[c] * sum over i,j of x[oh*KH+i, ow*KW+j, c]",
        "dx[h,w,c] = w[c] * dy[h//KH, w//KW, c]\n"
        "dw[c] = sum over oh,ow of dy[oh,ow,c] * (the window's sum);   db[c] = sum over oh,ow of dy[oh,ow,c]",
        windows.subsampling_forward,
        windows.subsampling_backward,
    ),
    LocalResponseNorm: _Kind(
        "y_i = x_i / s_i^beta   with   s_i = k + alpha * sum of x_j^2 over the neighbours j of i",
        "dx_i = dy_i / s_i^beta - 2 alpha beta x_i * sum of dy_j * y_j / s_j over the neighbours j of i",
        windows.norm_forward,
        windows.norm_backward,
    ),
    BatchNorm2d: _Kind(
        "y[h,w,c] = b[c] + w[c] * z[h,w,c]   with   z[h,w,c] = (x[h,w,c] - mean[c]) / sqrt(variance[c] + epsilon)",
        "dx[h,w,c] = dy[h,w,c] * w[c] / sqrt(variance[c] + epsilon)\n"
        "in training (dy[h,w,c] - db[c] / M - z[h,w,c] * dw[c] / M) * w[c] / sqrt(variance[c] + epsilon)\n"
        "dw[c] = sum over h,w of dy[h,w,c] * z[h,w,c];   db[c] = sum over h,w of dy[h,w,c]",
        windows.batch_norm_forward,
        windows.batch_norm_backward,
    ),
    ReLU: _Kind(
        "y = max(0, x)",
        "dx = dy where x > 0, else 0",
        *_squashing(
            lambda layer, x: max(0.0, x),
            "max(0, {x})",
            lambda layer, x, y: float(x > 0),
            "(1 if x{here}={x} > 0 else 0)",
        ),
    ),
    ELU: _Kind(
        "y = x where x > 0, else alpha * (exp(x) - 1)",
        "dx = dy where y > 0, else dy * (y + alpha)",
        *_squashing(
            lambda layer, x: x if x > 0 else layer.alpha * math.expm1(x),
            "({x} if it is above 0, else {layer.alpha:g} * (exp({x}) - 1))",
            lambda layer, x, y: 1.0 if y > 0 else y + layer.alpha,
            "(1 if y{here}={y} > 0 else y{here}={y} + {layer.alpha:g})",
        ),
    ),
    Sigmoid: _Kind(
        "y = 1 / (1 + exp(-x))",
        "dx = dy * y * (1 - y)",
        *_squashing(
            _sigmoid,
            "1 / (1 + exp(-({x})))",
            lambda layer, x, y: y * (1 - y),
            "y{here}={y} * (1 - {y})",
        ),
    ),
    Tanh: _Kind(
        "y = tanh(x)",
        "dx = dy * (1 - y^2)",
        *_squashing(
            lambda layer, x: math.tanh(x),
            "tanh({x})",
            lambda layer, x, y: 1 - y * y,
            "(1 - (y{here}={y})^2)",
        ),
    ),
    ScaledTanh: _Kind(
        "y = A tanh(S x)   with   A = 1.7159, S = 2/3",
        "dx = dy * S * (A - y^2 / A)",
        *_squashing(
            lambda layer, x: layer.amplitude * math.tanh(layer.slope * x),
            "{layer.amplitude} * tanh(2/3 * {x})",
            lambda layer, x, y: layer.slope * (layer.amplitude - y * y / layer.amplitude),
            "2/3 * ({layer.amplitude} - (y{here}={y})^2 / {layer.amplitude})",
        ),
    ),
    Dropout: _Kind(
        "y = x * mask / (1 - p) in training, y = x otherwise",
        "dx = dy * mask / (1 - p) in training, dx = dy otherwise",
        dropout_forward,
        dropout_backward,
    ),
    Flatten: _Kind(
        "y[(h*W + w)*C + c] = x[h,w,c]",
        "dx[h,w,c] = dy[(h*W + w)*C + c]",
        flatten_forward,
        flatten_backward,
    ),
    Linear: _Kind(
        "y[o] = b[o] + sum over i of x[i] * W[i,o]",
        "dx[i] = sum over o of dy[o] * W[i,o]\ndW[i,o] = x[i] * dy[o];   db[o] = dy[o]",
        linear_forward,
        linear_backward,
    ),
    EuclideanRBF: _Kind(
        "y[c] = - sum over j of (x[j] - w[c,j])^2",
        "dx[j] = -2 * sum over c of dy[c] * (x[j] - w[c,j])",
        rbf_forward,
        rbf_backward,
    ),
}


def _kind(layer: Layer) -> _Kind:
    for kind, how in KINDS.items():
        if isinstance(layer, kind):
            return how
    raise TypeError(f"{layer.label} is of a kind that is not explained, expected one of those in layers/")
