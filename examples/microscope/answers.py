"""What the microscope's server computes: one image through a network of which parts are switched off, and back."""

from __future__ import annotations

import base64
import json
import math
import threading
from collections.abc import Sequence

import numpy as np

from layers import Dropout
from models import Classifier
from nn import softmax
from nn.backend.runtime.blas import single_threaded_blas
from nn.inspect import twin
from nn.layer import Layer

UNCHANGED = {"off": False, "channels_off": [], "units_off": [], "scale": None}


class Answerer:
    """Answers the page's questions about these networks, one at a time."""

    def __init__(self, classifiers: Sequence[Classifier]) -> None:
        self.classifiers = list(classifiers)
        self.layers = [
            {name: twin(layer) for name, layer in classifier.network.layers.items()} for classifier in classifiers
        ]
        self.lock = threading.Lock()  # a backward pass finds in the layers what its forward pass left there

    @single_threaded_blas
    def __call__(self, body: bytes) -> list[np.ndarray]:
        """Every layer's outputs for one image, then the gradients with respect to the input and to all those outputs.

        body: {"network": 0, "levels": base64, "target": 3 or null, "changes": {layer: {"off": false, "channels_off":
        [0], "units_off": [], "mask": base64 or null}}}, as JSON. ValueError where it is something else.

        The gradients are those of cross-entropy after softmax for the class `target`, null for that of the answer.
        Nothing flows back through what is switched off; a layer that is off passes image and gradient on if its
        output has its input's shape, and else gives 0.
        """
        place, levels, changes, target = read_question(body, self.classifiers)
        classifier = self.classifiers[place]
        x = classifier.preparation(levels[None]).astype(classifier.network.dtype, copy=False)
        with self.lock:
            layers = [Switched(layer, changes.get(name, UNCHANGED)) for name, layer in self.layers[place].items()]
            outputs = []
            for layer in layers:
                x = layer.forward(x)
                outputs.append(x)
            gradient = softmax(x)
            gradient[0, gradient.argmax() if target is None else target] -= 1
            gradients = []
            for layer in reversed(layers):
                gradients.append(gradient)
                gradient = layer.backward(gradient)
        return [*outputs, gradient, *reversed(gradients)]


class Switched:
    """A layer of which some outputs are switched off; dropout with the mask that it is given."""

    def __init__(self, layer: Layer, change: dict) -> None:
        self.layer = layer
        self.change = change

    def forward(self, x: np.ndarray) -> np.ndarray:
        if self.change["off"]:
            self.input_shape = x.shape
            shape = (1, *self.layer.output_shape(x.shape[1:]))
            return x if shape == x.shape else np.zeros(shape, x.dtype)
        y = self.layer.forward(x, training=True) if self.change["scale"] is None else x * self.change["scale"]
        return self._without_silenced(y)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        if self.change["off"]:
            return dy if dy.shape == self.input_shape else np.zeros(self.input_shape, dy.dtype)
        dy = self._without_silenced(dy)
        if self.change["scale"] is not None:
            return dy * self.change["scale"]
        return self.layer.backward(dy).copy()  # which may be an array that the layer reuses

    def _without_silenced(self, values: np.ndarray) -> np.ndarray:
        values = values.copy()
        values[..., self.change["channels_off"]] = 0
        values.reshape(-1)[self.change["units_off"]] = 0
        return values


def read_question(body: bytes, classifiers: Sequence[Classifier]) -> tuple[int, np.ndarray, dict, int | None]:
    """The number of the classifier, the levels (H, W, C), what is switched off, the target: see `Answerer`."""
    try:
        question = json.loads(body)
        place = _whole(question["network"], len(classifiers))
        network, preparation = classifiers[place].network, classifiers[place].preparation
        levels = np.frombuffer(base64.b64decode(question["levels"], validate=True), np.uint8)
        levels = levels.reshape(*preparation.size, preparation.channels)
        target = question["target"]
        if target is not None:
            _whole(target, len(classifiers[place].class_names))
        shapes = dict(zip(network.layers, network.shapes(network.image_shape)))
        changes = {}
        for name, change in question["changes"].items():
            shape = shapes[name]
            changes[name] = {
                "off": change["off"] is True,
                "channels_off": [_whole(channel, shape[-1]) for channel in change["channels_off"]],
                "units_off": [_whole(unit, math.prod(shape)) for unit in change["units_off"]],
                "scale": _scale(change["mask"], network.layers[name], shape),
            }
    except (LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{type(error).__name__} {error}") from None
    return place, levels, changes, target


def _scale(mask: object, layer: Layer, shape: tuple[int, ...]) -> np.ndarray | None:
    """What a dropout layer with this mask multiplies its input by."""
    if mask is None:
        return None
    if not isinstance(layer, Dropout):
        raise ValueError(f"expected no mask for {layer.label}")
    kept = np.frombuffer(base64.b64decode(mask, validate=True), np.uint8).reshape(shape) != 0
    return kept.astype(np.float32) / np.float32(1 - layer.p)


def _whole(number: object, end: int) -> int:
    if type(number) is not int or not 0 <= number < end:
        raise ValueError(f"expected a whole number from 0 to {end - 1}, got {number!r}")
    return number
