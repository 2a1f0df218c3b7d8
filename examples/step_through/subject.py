"""Which network `examples.step_through` steps through, and with which image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from examples.shared.named_classifiers import class_number
from examples.shared.picture_files import PictureFiles
from models import Classifier, load_classifier
from models.recipes import RECIPES
from models.registry import MODELS
from nn import SoftmaxCrossEntropy
from nn.data import digits
from nn.data.preparation import Preparation
from nn.data.rendered import CLASS_NAMES, render

RENDERED = 8  # images, of which one is taken
# With random weights: the arguments of models that need some.
MADE_FOR = {"alexnet_small": {"num_classes": len(CLASS_NAMES), "image_shape": (64, 64, 3)}}


@dataclass(frozen=True)
class Subject:
    """A network, and an image for it."""

    classifier: Classifier
    picture: np.ndarray  # (H, W, C) uint8, as it is drawn
    image: np.ndarray  # (H, W, C), as the network reads it
    label: int | None
    loss: object

    def in_words(self, label: int) -> str:
        network, name = self.classifier.network, self.classifier.class_names[label]
        return (
            f"{network.name}: {network.num_parameters:,} parameters, {len(network.layers)} layers; "
            f"the loss asks for the class {name}{'' if self.label is not None else ', the most likely'}"
        )


def find_subject(model: str | None, weights: str | None, path: Path | None, label: str | None, seed: int) -> Subject:
    """From what the command line says; ValueError or OSError where that cannot be found."""
    if model is not None:
        classifier = random_classifier(model, seed)
    else:
        classifier = load_classifier(weights or "digits_lenet")
    picture, known = the_picture(classifier, path, seed)
    sized = classifier.preparation.resized(picture[None])
    recipe = next((recipe for name, recipe in RECIPES.items() if name.split()[0] == classifier.network.name), None)
    return Subject(
        classifier,
        classifier.preparation.seen(sized)[0],
        classifier.preparation(sized)[0],
        class_number(label, classifier.class_names) if label is not None else known,
        SoftmaxCrossEntropy() if recipe is None else recipe.loss(),
    )


def random_classifier(model: str, seed: int) -> Classifier:
    """A network that has learned nothing, and images prepared as its recipe has them, around a middling grey."""
    network = MODELS[model](**MADE_FOR.get(model, {}), rng=seed)
    classes = network.output_shape(network.image_shape)[0]
    height, width, channels = network.image_shape
    levels = next(recipe.levels for name, recipe in RECIPES.items() if name.split()[0] == model)
    if levels == "lenet5":
        preparation = Preparation((28, 28), 1, (height, width), levels)
    else:
        mean, deviation = (0.13, 0.31) if channels == 1 else (0.5, 0.25)  # grey images: digits
        deviation = 1 / 255 if levels == "minus mean picture" else deviation
        size = (height, width)
        preparation = Preparation(size, channels, size, levels, np.float32(mean), np.float32(deviation))
    names = CLASS_NAMES if classes == len(CLASS_NAMES) else tuple(str(number) for number in range(classes))
    return Classifier(network, preparation, names)


def the_picture(classifier: Classifier, path: Path | None, seed: int, side: int = 64) -> tuple[np.ndarray, int | None]:
    """The image, uint8, and its class among the network's if it is known. side: pixels of one that is rendered, at
    least, on each side."""
    channels, names = classifier.preparation.channels, classifier.class_names
    if path is not None:
        files = PictureFiles([path], channels)
        for _, picture in files:
            return classifier.as_learned(picture), None
        raise ValueError(files.complaint() or f"there is no image in {path}")
    if channels == 1:
        _, test_set = digits()
        first = 100 * seed % len(test_set)
        images = np.rint(test_set.images[first : first + 100] * 255).astype(np.uint8)
        # Of a hundred digits the one that the network is least sure of: where it is sure, all gradients are close to 0.
        number = int(classifier.probabilities(images).max(axis=1).argmin())
        label = str(test_set.labels[first + number])
        return images[number], names.index(label) if label in names else None
    name = next((name for name in names if name in CLASS_NAMES), "cat")
    size = max(side, *classifier.preparation.size)
    pictures = [np.asarray(render(name, size, RENDERED * seed + number)[0]) for number in range(RENDERED)]
    sure = classifier.probabilities(pictures).max(axis=1)  # as above
    return pictures[int(sure.argmin())], names.index(name) if name in names else None
