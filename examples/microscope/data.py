"""A classifier and an image as one JSON-able description, from which examples/microscope/static/engine.js computes.

    describe(classifier, picture, title)    everything: the layers, their weights, the preparation, the image
    training_data(classifier)               what LeNet needs to learn in the page

All parameters lie one after the other in a single blob, "weights", in base64: as little-endian float16 if every one of
them is a float16 exactly, which halves the file, else as float32. Each layer says where its arrays begin.
"""

from __future__ import annotations

import base64
import zlib
from dataclasses import replace

import numpy as np

from examples.explain.terms import formulas
from layers import Conv2d, ReLU, Sigmoid, Subsampling2d, Tanh
from models.classifier import Classifier
from models.lenet import lenet
from nn import Layer, Network
from nn.data import digits

# What each layer has of these is what its arithmetic depends on, apart from its arrays.
ATTRIBUTES = (
    *("kernel_size", "stride", "padding", "ceil_mode", "groups"),  # convolution and pooling
    *("size", "alpha", "beta", "k", "region"),  # local response normalisation
    "epsilon",  # batch normalisation
    *("amplitude", "slope"),  # the scaled tanh; the ELU has alpha
    "p",  # dropout
)
LEARNED, HELD = 2000, 500  # digits that a network learns from in the page, and is tested with


def describe(
    classifier: Classifier, picture: np.ndarray, title: str = "", about: str = "", with_weights: bool = True
) -> dict:
    """The classifier and the image, uint8 (H, W, C) of any size with the channels that the network reads.

    The result goes through json.dumps as it is:

        name            of the network: "lenet"
        title, about    what people call it, in a word and in a line
        image_shape, class_names    of its input, of its classes
        preparation     `Preparation.to_json`
        layers          a list, in order, of
                            name, kind                  "conv1", "Conv2d"
                            attributes                  {"kernel_size": [5, 5], ...}
                            input_shape, output_shape   of one image: [28, 28, 6] or [120]
                            weights                     {"weight": {"shape": [5, 5, 1, 6], "offset": 0}, ...}
                            parameters                  how many
                            formula, slope              forward and backward, in words
        dtype, weights  "float16" or "float32", and the blob, null if not with_weights; offsets count its numbers
        picture         {"shape": [28, 28, 1], "levels": base64 of the uint8 levels}, brought to the network's size

    The image is taken as it is: `Classifier.as_learned` inverts dark ink on paper. Raises TypeError for what is
    no such image.
    """
    network, preparation = classifier.network, classifier.preparation
    if getattr(picture, "dtype", None) != np.uint8 or picture.ndim != 3 or picture.shape[2] != preparation.channels:
        raise TypeError(
            f"expected an image as a uint8 array (H, W, {preparation.channels}), "
            f"got {getattr(picture, 'dtype', type(picture).__name__)} of shape {getattr(picture, 'shape', ())}"
        )
    layers, arrays, offset = [], [], 0
    shape = network.image_shape
    for layer in network.layers.values():
        held = layer_arrays(layer)
        layers.append(_describe_layer(layer, shape, held, offset))
        arrays += held.values()
        offset += sum(array.size for array in held.values())
        shape = layer.output_shape(shape)
    dtype = _smallest_dtype(arrays) if with_weights else np.dtype(np.float32)
    levels = preparation.resized(picture[None])[0]
    return {
        "name": network.name,
        "title": title or network.name,
        "about": about or title or network.name,
        "image_shape": list(network.image_shape),
        "class_names": list(classifier.class_names),
        "preparation": preparation.to_json(),
        "layers": layers,
        "dtype": dtype.name,
        "weights": in_base64(b"".join(little_endian(array, dtype) for array in arrays)) if with_weights else None,
        "picture": {"shape": list(levels.shape), "levels": in_base64(levels.tobytes())},
    }


def training_data(classifier: Classifier) -> dict:
    """Digits to learn and others to be tested with, and the classifier's network, LeNet, with each activation that it
    may learn with:

        digits      {"count": 2000, "held": 500, "levels", "labels"}: those to learn from first. levels: uint8 (2500,
                    28, 28), compressed by zlib, in base64
        variants    by the name of the activation, the network's description without weights or image

    The digits are the first of the included training and test sets, which are in mixed order.
    """
    parts = [(part.images[:number, ..., 0], part.labels[:number]) for part, number in zip(digits(), (LEARNED, HELD))]
    levels = np.rint(255 * np.concatenate([images for images, _ in parts])).astype(np.uint8)
    labels = np.concatenate([labels for _, labels in parts])
    image = levels[0, ..., np.newaxis]
    variants = {}
    for activation in (Sigmoid, Tanh, ReLU):
        plain = lenet(rng=0)  # whose weights are not sent: the page draws its own
        layers = [(name, activation() if isinstance(each, Sigmoid) else each) for name, each in plain.layers.items()]
        network = Network(layers, image_shape=plain.image_shape, name=plain.name)
        variant = replace(classifier, network=network)
        variants[activation.__name__] = describe(variant, image, with_weights=False) | {"picture": None}
    packed = in_base64(zlib.compress(levels.tobytes(), 9))
    return {
        "digits": {"count": LEARNED, "held": HELD, "levels": packed, "labels": labels.tolist()},
        "variants": variants,
    }


def layer_arrays(layer: Layer) -> dict[str, np.ndarray]:
    """The layer's arrays that are described, by name, in the order in which they are sent."""
    return layer.params | layer.state  # which is not learned, but the network's all the same


def little_endian(array: np.ndarray, dtype: np.dtype | type = np.float32) -> memoryview:
    """The bytes of the array's numbers; without a copy where it has them so."""
    return np.ascontiguousarray(array, np.dtype(dtype).newbyteorder("<")).reshape(-1).view(np.uint8).data


def _describe_layer(layer: Layer, input_shape: tuple[int, ...], arrays: dict[str, np.ndarray], offset: int) -> dict:
    """The layer's part of the description; its arrays lie in the blob from `offset` on."""
    weights = {}
    for name, array in arrays.items():
        weights[name] = {"shape": list(array.shape), "offset": offset}
        offset += array.size
    formula, slope = formulas(layer)
    return {
        "name": layer.name,
        "kind": type(layer).__name__,
        "attributes": _attributes(layer),
        "input_shape": list(input_shape),
        "output_shape": list(layer.output_shape(input_shape)),
        "weights": weights,
        "parameters": layer.num_parameters,
        "formula": formula,
        "slope": slope,
    }


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


def in_base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
