"""A classifier and a picture as one JSON-able description, from which examples/microscope/engine.js computes.

    describe(classifier, picture)    everything: the layers, their weights, the preparation, the picture

All parameters lie one after the other in a single blob, "weights", in base64: as little-endian float16 if every one of
them is a float16 exactly, which halves the file, else as float32. Each layer says where its arrays begin.
"""

from __future__ import annotations

import base64
import math

import numpy as np

from examples.explain import formulas
from layers import Conv2d, EuclideanRBF, Subsampling2d
from models.classifier import Classifier
from nn import Layer

# What each layer has of these is what its arithmetic depends on, apart from its arrays.
ATTRIBUTES = (
    *("kernel_size", "stride", "padding", "ceil_mode", "groups"),  # convolution and pooling
    *("size", "alpha", "beta", "k", "region"),  # local response normalisation
    *("amplitude", "slope"),  # the scaled tanh
    "p",  # dropout
)


def describe(classifier: Classifier, picture: np.ndarray) -> dict:
    """The classifier and the picture, uint8 (H, W, C) of any size with the channels that the network reads.

    The result goes through json.dumps as it is:

        name, image_shape, class_names, data     of the network, of its input, of its classes, of its training set
        preparation     `Preparation.to_json`
        layers          a list, in order, of
                            name, kind                  "conv1", "Conv2d"
                            attributes                  {"kernel_size": [5, 5], ...}
                            input_shape, output_shape   of one picture: [28, 28, 6] or [120]
                            weights                     {"weight": {"shape": [5, 5, 1, 6], "offset": 0}, ...}
                            parameters, multiply_adds   how many
                            formula, slope              forward and backward, in words
        dtype, weights  "float16" or "float32", and the blob; offsets count its numbers, not its bytes
        picture         {"shape": [28, 28, 1], "levels": base64 of the uint8 levels}, brought to the network's size

    The picture is taken as it is: `Classifier.as_learned` turns dark ink on paper round. Raises TypeError for what is
    no such picture.
    """
    network, preparation = classifier.network, classifier.preparation
    if getattr(picture, "dtype", None) != np.uint8 or picture.ndim != 3 or picture.shape[2] != preparation.channels:
        raise TypeError(
            f"expected a picture as a uint8 array (H, W, {preparation.channels}), "
            f"got {getattr(picture, 'dtype', type(picture).__name__)} of shape {getattr(picture, 'shape', ())}"
        )
    layers, arrays, offset = [], [], 0
    shape = network.image_shape
    for layer in network.layers.values():
        described, held = _describe_layer(layer, shape, offset)
        layers.append(described)
        arrays += held
        offset += sum(array.size for array in held)
        shape = layer.output_shape(shape)
    dtype = _smallest_dtype(arrays)
    levels = preparation.resized(picture[None])[0]
    return {
        "name": network.name,
        "image_shape": list(network.image_shape),
        "class_names": list(classifier.class_names),
        "data": classifier.data,
        "preparation": preparation.to_json(),
        "layers": layers,
        "dtype": dtype.name,
        "weights": _base64(b"".join(array.astype(dtype.newbyteorder("<")).tobytes() for array in arrays)),
        "picture": {"shape": list(levels.shape), "levels": _base64(levels.tobytes())},
    }


def _describe_layer(layer: Layer, input_shape: tuple[int, ...], offset: int) -> tuple[dict, list[np.ndarray]]:
    """The layer's part of the description, and its arrays in the order of their places from `offset` on."""
    arrays = dict(layer.params)
    if isinstance(layer, EuclideanRBF):
        arrays["prototypes"] = layer.prototypes  # fixed, and so no parameters, but the network's all the same
    weights = {}
    for name, array in arrays.items():
        weights[name] = {"shape": list(array.shape), "offset": offset}
        offset += math.prod(array.shape)
    formula, slope = formulas(layer)
    described = {
        "name": layer.name,
        "kind": type(layer).__name__,
        "attributes": _attributes(layer),
        "input_shape": list(input_shape),
        "output_shape": list(layer.output_shape(input_shape)),
        "weights": weights,
        "parameters": layer.num_parameters,
        "multiply_adds": layer.multiply_adds(input_shape),
        "formula": formula,
        "slope": slope,
    }
    return described, list(arrays.values())


def _attributes(layer: Layer) -> dict:
    found = {}
    for name in ATTRIBUTES:
        if hasattr(layer, name):
            value = getattr(layer, name)
            found[name] = list(value) if isinstance(value, tuple) else value
    if isinstance(layer, Subsampling2d):  # whose windows lie side by side
        found |= {"stride": list(layer.kernel_size), "padding": [0, 0]}
    if isinstance(layer, Conv2d):
        table = layer.connected
        found["connections"] = None if table is None else [np.flatnonzero(inputs).tolist() for inputs in table.T]
    return found


def _smallest_dtype(arrays: list[np.ndarray]) -> np.dtype:
    """float16 if each number is one exactly, else float32."""
    with np.errstate(over="ignore"):  # too large for float16: it becomes infinity, which is not the number
        exact = all(np.array_equal(array.astype(np.float16).astype(array.dtype), array) for array in arrays)
    return np.dtype(np.float16 if exact else np.float32)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
