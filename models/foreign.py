"""AlexNet's weights as other programs store them: torchvision's .pth and Caffe's .npy, brought into our order.

The three store the same numbers in different orders:

                  convolution              fully connected    fc6 reads the last maps as    first channel
    here          (KH, KW, C_in, C_out)    (in, out)          (H, W, C)                     red
    torchvision   (C_out, C_in, KH, KW)    (out, in)          (C, H, W)                     red
    Caffe's .npy  (KH, KW, C_in, C_out)    (in, out)          (H, W, C)                     blue
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from nn import Network
from nn.files.foreign import read_caffe_npy, read_pth
from nn.files.weights import assign

# Our layer: torchvision's name for it, by its place in the two lists `features` and `classifier`.
TORCHVISION_NAMES = {
    "conv1": "features.0",
    "conv2": "features.3",
    "conv3": "features.6",
    "conv4": "features.8",
    "conv5": "features.10",
    "fc6": "classifier.1",
    "fc7": "classifier.4",
    "fc8": "classifier.6",
}


def load_torchvision(network: Network, path: str | Path) -> Network:
    """Fill `alexnet_torchvision` with the weights in a .pth file such as alexnet-owt-7be5be79.pth; returns the network.

    Images for it: the short side resized to 256 pixels, the middle 224x224, RGB in 0..1, minus
    (0.485, 0.456, 0.406), divided by (0.229, 0.224, 0.225).
    """
    assign(network, read_torchvision(path, _last_maps(network)), path)
    return network


def load_caffe(network: Network, path: str | Path) -> Network:
    """Fill `alexnet_caffe` with the weights in a .npy file such as bvlc_alexnet.npy; returns the network.

    Images for it: 227x227, RGB (Caffe's own are BGR) in 0..255, minus (124, 117, 104).
    """
    assign(network, read_caffe(path), path)
    return network


def read_torchvision(path: str | Path, image_hw: Sequence[int] = (6, 6)) -> dict[str, np.ndarray]:
    """The `torchvision_params` in a .pth file."""
    arrays = read_pth(path)
    try:
        return torchvision_params(arrays, image_hw)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def read_caffe(path: str | Path) -> dict[str, np.ndarray]:
    """The `caffe_params` in a .npy file."""
    arrays = read_caffe_npy(path)
    try:
        return caffe_params(arrays)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def torchvision_params(arrays: Mapping[str, np.ndarray], image_hw: Sequence[int] = (6, 6)) -> dict[str, np.ndarray]:
    """torchvision's AlexNet by our names and in our order: "features.0.weight" -> "conv1.weight".

    image_hw: height and width of the maps that fc6 reads. Some results are views of `arrays`.
    """
    wanted = [f"{theirs}.{kind}" for theirs in TORCHVISION_NAMES.values() for kind in ("weight", "bias")]
    _check_names(wanted, arrays, "torchvision's AlexNet")
    params = {}
    for ours, theirs in TORCHVISION_NAMES.items():
        weight = arrays[f"{theirs}.weight"]
        _check_axes(f"{theirs}.weight", weight, 4 if ours.startswith("conv") else 2)
        if ours == "fc6":
            # Each unit's weights lie as the maps do in PyTorch: as (C, H, W). Apart, each is transposed like a kernel.
            height, width = image_hw
            if weight.shape[1] % (height * width):
                raise ValueError(
                    f"{theirs}.weight has {weight.shape[1]} inputs, which are not whole maps of {height}x{width}"
                )
            weight = weight.reshape(len(weight), -1, height, width).transpose(2, 3, 1, 0)
            weight = weight.reshape(-1, weight.shape[-1])
        elif weight.ndim == 4:
            weight = weight.transpose(2, 3, 1, 0)
        else:
            weight = weight.T
        params[f"{ours}.weight"] = weight
        params[f"{ours}.bias"] = arrays[f"{theirs}.bias"]
    return params


def caffe_params(arrays: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, np.ndarray]:
    """Caffe's AlexNet, as in bvlc_alexnet.npy, by our names: "conv1" -> "conv1.weight" and "conv1.bias".

    Its arrays are in our order already. Only conv1's input channels are reversed, from BGR to RGB: the network
    then takes images in the usual order. The results are views of `arrays`.
    """
    _check_names(TORCHVISION_NAMES, arrays, "Caffe's AlexNet")
    params = {}
    for name in TORCHVISION_NAMES:
        weight, bias = arrays[name]
        _check_axes(f"{name}.weight", weight, 4 if name.startswith("conv") else 2)
        params[f"{name}.weight"] = weight[:, :, ::-1] if name == "conv1" else weight
        params[f"{name}.bias"] = bias
    return params


def _last_maps(network: Network) -> tuple[int, ...]:
    """Height and width of what `flatten` reads."""
    names = list(network.layers)
    if network.image_shape is None or "flatten" not in names[1:]:
        return 6, 6
    return network.shapes(network.image_shape)[names.index("flatten") - 1][:2]


def _check_names(wanted: Collection[str], found: Collection[str], what: str) -> None:
    for name in wanted:
        if name not in found:
            raise ValueError(f"{name} is missing, expected the weights of {what}")
    for name in found:
        if name not in wanted:
            raise ValueError(f"{name[:80]!r} is there, which {what} does not have")


def _check_axes(name: str, array: np.ndarray, axes: int) -> None:
    if array.ndim != axes:
        raise ValueError(f"{name} has the shape {array.shape}, expected {axes} axes")
