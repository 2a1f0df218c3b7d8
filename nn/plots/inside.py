"""A look inside a network: what one layer makes of an image, what it has learned, and what its outputs matter."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nn import inspect
from nn.network import Network
from nn.plots.grids import grid


def feature_maps(path: str | Path, network: Network, image: np.ndarray, layer_name: str) -> None:
    """Draw what one layer makes of the image (H, W, C), with the network's dtype: a tile for each map."""
    inspect.layer_called(network, layer_name)
    output = inspect.activations(network, image[None])[layer_name][0]
    grid(path, output, f"{network.name}: output of {layer_name}, {_volume(output.shape)}", "activations", image)


def layer_kernels(path: str | Path, network: Network, layer_name: str) -> None:
    """Draw one layer's weights."""
    layer = inspect.layer_called(network, layer_name)
    if "weight" not in layer.params:
        have = ", ".join(name for name, other in network.layers.items() if "weight" in other.params)
        raise ValueError(f"{network.name}: {layer_name} has no weights to draw, expected one of {have or 'none'}")
    weight = layer.params["weight"]
    title = f"{network.name}: weights of {layer_name}, {_volume(weight.shape)}"
    if getattr(layer, "groups", 1) > 1:
        title += f" in {layer.groups} groups"
    grid(path, weight, title, "kernels")


def layer_gradients(
    path: str | Path, network: Network, image: np.ndarray, label_or_dlogits: int | np.ndarray, layer_name: str
) -> None:
    """Draw how the network's answer depends on one layer's outputs for the image (H, W, C).

    label_or_dlogits: a class, for the gradient of that class's output (not of a loss, which for a sure answer is near
        0 everywhere); or the gradient (classes,) with respect to all outputs, such as a row of what a loss's
        `backward` returns.
    layer_name: "input" for the gradient with respect to the image itself.
    """
    if layer_name != "input":
        inspect.layer_called(network, layer_name)
    dlogits, of_what = _dlogits(network, image, label_or_dlogits)
    gradient = inspect.gradients(network, image[None], dlogits)[layer_name][0]
    where = "the image" if layer_name == "input" else f"{layer_name}'s output"
    title = f"{network.name}: gradient of {of_what} w.r.t. {where}, {_volume(gradient.shape)}"
    grid(path, gradient, title, "gradients", image)


def _dlogits(network: Network, image: np.ndarray, label_or_dlogits: int | np.ndarray) -> tuple[np.ndarray, str]:
    """The gradient (1, classes) with respect to the outputs, and the words for it."""
    if np.ndim(label_or_dlogits):
        return np.asarray(label_or_dlogits, dtype=network.dtype)[None], "the loss"
    classes = network.output_shape(image.shape)[0]
    label = int(label_or_dlogits)
    if not 0 <= label < classes:
        raise ValueError(f"{network.name} has no class {label}, expected a number from 0 to {classes - 1}")
    return np.eye(classes, dtype=network.dtype)[[label]], f"class {label}'s output"


def _volume(shape: tuple[int, ...]) -> str:
    """Such as "28×28×6" or "120 units"."""
    return f"{shape[0]} units" if len(shape) == 1 else "×".join(str(length) for length in shape)
