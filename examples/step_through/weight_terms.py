"""The gradient with respect to one weight or bias, as the sum that it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from examples.explain.explanation import Explanation, Term, in_brackets, summed
from layers import Conv2d, Linear
from nn import Layer


def weight_terms(layer: Layer, x: np.ndarray, dy: np.ndarray, at: Sequence[int]) -> Explanation:
    """How the weight's gradient at this place comes about; x and dy without N. ValueError for other kinds of layers."""
    if isinstance(layer, Linear):
        i, o = at
        return summed([Term.product(f"x[{i}]", x[i], f"dy[{o}]", dy[o])])
    if not isinstance(layer, Conv2d):
        raise ValueError(f"{layer.label}: weights are taken apart in convolutions and linear layers only")
    i, j, c, o = at
    per_group = layer.params["weight"].shape[2]
    channel = o // (layer.out_channels // layer.groups) * per_group + c
    if layer.connected is not None and not layer.connected[c, o]:
        return summed([])
    terms = []
    for oh, ow in np.ndindex(dy.shape[:2]):
        h, w = oh * layer.stride[0] - layer.padding[0] + i, ow * layer.stride[1] - layer.padding[1] + j
        if 0 <= h < x.shape[0] and 0 <= w < x.shape[1]:  # beyond the edge x is 0
            terms.append(Term.product(f"x[{h},{w},{channel}]", x[h, w, channel], f"dy[{oh},{ow},{o}]", dy[oh, ow, o]))
    return summed(terms)


def bias_terms(layer: Layer, dy: np.ndarray, at: Sequence[int]) -> Explanation:
    """The same for the bias: of a convolution the sum over all places."""
    if not isinstance(layer, Conv2d | Linear):
        raise ValueError(f"{layer.label}: biases are taken apart in convolutions and linear layers only")
    places = [(*place, at[0]) for place in np.ndindex(dy.shape[:-1])]
    return summed([Term(f"dy{in_brackets(place)}", float(dy[place])) for place in places])
