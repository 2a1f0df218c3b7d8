"""A network that has learned, with all it takes to ask it about a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.pretrained import find_weights, load
from nn import Network
from nn.data.preparation import Preparation
from nn.weights import read_metadata

BATCH = 256  # pictures that are prepared together


@dataclass(frozen=True, eq=False)
class Classifier:
    """network, how pictures are prepared for it, what its classes are called, and what it learned from (a name)."""

    network: Network
    preparation: Preparation
    class_names: tuple[str, ...]
    data: str = ""

    def probabilities(self, pictures: Sequence[np.ndarray], ten_crop: bool = False) -> np.ndarray:
        """(N, classes) for uint8 pictures (H, W, C) of any sizes, C as the network reads them.

        ten_crop: the mean over the corners, the centre, and each mirrored (Krizhevsky et al. 2012, section 4.1).
        """
        if len(pictures) == 0:
            return np.zeros((0, len(self.class_names)), self.network.dtype)
        parts = []
        for start in range(0, len(pictures), BATCH):
            part = pictures[start : start + BATCH]
            sized = np.concatenate([self.preparation.resized(picture[None]) for picture in part])
            if ten_crop:
                crops = self.preparation.ten_crops(sized)
                parts.append(np.mean([self.network.predict(crop) for crop in crops], axis=0))
            else:
                parts.append(self.network.predict(self.preparation(sized)))
        return np.concatenate(parts)


def load_classifier(path: str | Path) -> Classifier:
    """The classifier in a file that `examples.train` wrote, or in one that comes with the library, by its name.

    Raises FileNotFoundError, else ValueError.
    """
    path = find_weights(path)
    network = load(path)
    extra = read_metadata(path)["extra"]
    extra = extra if isinstance(extra, dict) else {}
    try:
        preparation = Preparation.from_json(extra.get("preparation"))
        class_names = tuple(str(name) for name in extra["class_names"])
    except (ValueError, LookupError, TypeError):
        raise ValueError(
            f"{path} does not say how pictures are prepared and what the classes are called; expected weights that "
            "python -m examples.train wrote"
        ) from None
    shape = (*preparation.window, preparation.channels)
    if network.image_shape != shape or network.output_shape(shape) != (len(class_names),):
        raise ValueError(
            f"{path} contradicts itself: its network turns {network.image_shape} into "
            f"{network.output_shape(network.image_shape)}, its pictures are {shape} of {len(class_names)} classes"
        )
    return Classifier(network, preparation, class_names, str(extra.get("data", "")))
