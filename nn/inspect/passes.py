"""What happens inside a network: every layer's outputs, and the gradient with respect to each of them.

These functions leave no trace: the network's parameters, gradients, random numbers and any training step that
is under way stay as they are, so that a network can be inspected while it learns.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from nn.backend.runtime.blas import single_threaded_blas
from nn.layer import Layer
from nn.network import Network
from nn.spelling import did_you_mean


@single_threaded_blas
def activations(network: Network, x: np.ndarray) -> dict[str, np.ndarray]:
    """The outputs (N, ...) of every layer for the images x (N, H, W, C), by the layer's name, without dropout.

    Each is an array of its own. The last one is what network.forward(x) returns.
    """
    network._check_input(x)
    outputs = {}
    y = x
    for name, layer in network.layers.items():
        result = layer.forward(y)
        y = result.copy() if np.may_share_memory(result, y) else result  # a layer may return its input as a view
        outputs[name] = y
    return outputs


@single_threaded_blas
def gradients(network: Network, x: np.ndarray, dlogits: np.ndarray) -> dict[str, np.ndarray]:
    """The gradient with respect to every layer's outputs, keyed by the layer's name, and to the images x, under
    "input"; without dropout.

    dlogits (N, classes): the gradient with respect to the network's own outputs. A one at one class asks how that
    class's output changes; what a loss's `backward` returns asks how the loss changes.
    """
    network._check_input(x)
    if "input" in network.layers:
        raise ValueError(f"{network.name} has a layer called 'input', the name that the images' gradient would have")
    layers = [(name, twin(layer)) for name, layer in network.layers.items()]
    y = x
    for _, layer in layers:
        y = layer.forward(y, training=True)
    found = {}
    gradient = dlogits.copy()
    for name, layer in reversed(layers):
        found[name] = gradient
        result: Any = layer.backward(gradient)  # not None, as it is asked for
        gradient = result.copy() if np.may_share_memory(result, gradient) else result
    found["input"] = gradient
    return dict(reversed(found.items()))


def kept_outputs(network: Network) -> dict[str, np.ndarray]:
    """What the activations hold between forward(training=True) and the backward pass that reads it: their outputs
    (N, ...), by the layer's name. No arithmetic; the arrays are the network's own, to be read at once and left alone.

    Of a ReLU it may be its input, which is above 0 exactly where the output is.
    """
    kept = {name: layer.kept_outputs() for name, layer in network.layers.items()}
    return {name: outputs for name, outputs in kept.items() if outputs is not None}


def layer_called(network: Network, name: str) -> Layer:
    """The layer of this name, or one sentence that says which names there are."""
    if name not in network.layers:
        raise ValueError(
            f"{network.name} has no layer {name!r}, expected one of {', '.join(network.layers)}"
            f"{did_you_mean(name, network.layers)}"
        )
    return network.layers[name]


def twin(layer: Layer) -> Layer:
    """A layer that computes the same, for a backward pass on the side.

    It shares the parameters, which passes only read. Its gradients, what it keeps for the backward pass and its random
    numbers are its own. Its dropout drops nothing: as outside training, each unit goes through as it is.
    """
    known = {id(param): param for param in layer.params.values()}  # what deepcopy takes as copied already
    known |= {id(grad): np.empty_like(grad) for grad in layer.grads.values()}
    twin = copy.copy(layer)
    twin._saved = None  # here, and not through `known`: the layer may have the same object elsewhere too
    twin = copy.deepcopy(twin, known)
    twin.without_noise()
    return twin
