"""Start from learned weights: the features that a network has learned for some classes serve for others.

    start = models.start_from("photos_alexnet", train_set.class_names, rng=0)
    nn.freeze(start.network, "conv")
    sgd = nn.SGD(start.network, lr=0.01)
    nn.train(start.network, train_set, epochs=5, optimizer=sgd, prepare=lambda x, rng: start.preparation(x))
    start.probabilities([picture])

The first layers see edges, colours and corners, whatever the classes are; with few images of one's own they are better
taken over than learned anew. Source: Yosinski, Clune, Bengio, Lipson 2014, "How transferable are features in deep
neural networks?".
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.classifier import Classifier, load_classifier
from models.foreign import read_caffe, read_torchvision
from models.registry import MODELS, find_weights
from nn import Network
from nn.data.preparation import Preparation
from nn.device import move
from nn.files.weights import arrays_of, assign

# What the two published networks were trained on: RGB, the middle of 256x256 pixels.
TORCHVISION = Preparation(
    (256, 256),
    3,
    (224, 224),
    mean=np.array([0.485, 0.456, 0.406], np.float32),
    deviation=np.array([0.229, 0.224, 0.225], np.float32),
)
CAFFE = Preparation(
    (256, 256),
    3,
    (227, 227),
    mean=np.array([124, 117, 104], np.float32) / np.float32(255),
    deviation=np.float32(1 / 255),
)


def start_from(
    start: str | Path | Classifier, class_names: Sequence[str], rng: int | np.random.Generator | None = None
) -> Classifier:
    """A classifier for these classes that begins with what another one has learned: the same model, of which the last
    layer with parameters is new, and the same preparation of images.

    start: a classifier, or a file for `read_start`. rng: for the new layer, which starts as in a new network of this
    model, and for dropout. Every layer learns, until `nn.freeze` says otherwise.

    Raises what `read_start` raises; ValueError for a network that no function of `models` makes, and for another number
    of classes than ten where the model is lenet5_1998, whose outputs are the drawings of ten digits (there F6 is new).
    """
    if isinstance(class_names, str) or not isinstance(class_names, Sequence):
        raise TypeError(
            f"start_from: class_names is {class_names!r}, expected the names of the new classes, such as "
            "train_set.class_names"
        )
    old = start if isinstance(start, Classifier) else read_start(start)
    network = made_anew(old, class_names, rng)
    new, fresh = last_layer(network), arrays_of(network)
    kept = {
        name: fresh[name] if name.partition(".")[0] == new else move(array, "cpu")
        for name, array in arrays_of(old.network).items()
    }
    assign(network, kept, "start_from")
    return Classifier(network, old.preparation, tuple(class_names))


def read_start(path: str | Path) -> Classifier:
    """The classifier in a file to start from: one that `load_classifier` reads, torchvision's AlexNet in a .pth such as
    alexnet-owt-7be5be79.pth, or Caffe's in a .npy such as bvlc_alexnet.npy, whose classes are then called by numbers.

    Raises FileNotFoundError; ValueError for a file that is damaged or does not say how images are prepared.
    """
    path = find_weights(path)
    ending = path.suffix.lower()
    if ending in (".pth", ".pt"):
        return _published(path, "alexnet_torchvision", read_torchvision(path), TORCHVISION)
    if ending == ".npy":
        return _published(path, "alexnet_caffe", read_caffe(path), CAFFE)
    return load_classifier(path)


def made_anew(old: Classifier, class_names: Sequence[str], rng: int | np.random.Generator | None = None) -> Network:
    """A network of the same model and size for these classes, which has learned nothing yet: what `start_from` begins
    with, and what may be compared with it. Raises ValueError as that does."""
    model: Any = old.network.model
    if model is None or model["function"] not in MODELS:
        raise ValueError(
            f"start_from: {old.network.name} was made by no function of models, expected one of {', '.join(MODELS)}; "
            "of another network, copy the layers' params yourself"
        )
    function, arguments = MODELS[model["function"]], model["arguments"]
    if "num_classes" in inspect.signature(function).parameters:
        arguments = arguments | {"num_classes": len(class_names)}
    elif len(class_names) != len(old.class_names):
        raise ValueError(
            f"start_from: {old.network.name} always has {len(old.class_names)} classes, got {len(class_names)}; start "
            "from another model"
        )
    return function(**arguments, rng=rng)


def last_layer(network: Network) -> str:
    """The name of the last layer with parameters, which answers with classes."""
    return [name for name, layer in network.layers.items() if layer.params][-1]


def _published(path: str | Path, model: str, params: Mapping[str, np.ndarray], preparation: Preparation) -> Classifier:
    classes = params["fc8.weight"].shape[1]
    network = MODELS[model](num_classes=classes, rng=0)
    assign(network, params, path)
    return Classifier(network, preparation, tuple(map(str, range(classes))))
