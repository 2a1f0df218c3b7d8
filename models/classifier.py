"""A trained network, with everything needed to ask it about an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.registry import find_weights, load
from nn import Network
from nn.data.placing import placed
from nn.data.preparation import Preparation
from nn.device import move
from nn.files.weights import read_metadata
from nn.inspect import Calibration

DIGITS = tuple("0123456789")  # the classes of a network that reads them
BATCH = 256  # images that are prepared together


@dataclass(frozen=True, eq=False)
class Classifier:
    """A network and what belongs to it.

    network       maps (N, *window, C) to (N, classes)
    preparation   makes that input of uint8 images of any size
    class_names   what to call class 0, class 1, ...
    data          the name of the set that it was trained on, "" if unknown
    calibration   how sure it may be, as was found on images that it was not trained on
    """

    network: Network
    preparation: Preparation
    class_names: tuple[str, ...]
    data: str = ""
    calibration: Calibration = Calibration()

    def as_learned(self, picture: np.ndarray) -> np.ndarray:
        """The image, uint8 (H, W, C), as those are that the network learned.

        If it learned digits, light ink on black as MNIST's are, the digit is brought to its place: see
        `nn.data.placing`. If it learned other images of light ink, dark ink on paper is inverted.
        """
        if self.learned_digits:
            return placed(picture)
        border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
        return 255 - picture if self.learned_light_ink and np.median(border) > 127 else picture

    @property
    def learned_light_ink(self) -> bool:
        """Whether it learned grey images that are mostly black: a guess by their mean level, 0.13 for MNIST."""
        preparation = self.preparation
        return preparation.channels == 1 and (preparation.levels == "lenet5" or float(np.mean(preparation.mean)) < 0.35)

    @property
    def learned_digits(self) -> bool:
        """Whether it learned digits as MNIST's are."""
        return self.learned_light_ink and self.class_names == DIGITS

    def probabilities(self, pictures: Sequence[np.ndarray], ten_crop: bool = False, scales: bool = False) -> np.ndarray:
        """(N, classes) for uint8 images (H, W, C) of any sizes, C as the network reads them. They are calibrated, where
        the weights say how.

        ten_crop: the mean over the corners, the centre, and each mirrored (Krizhevsky et al. 2012, section 4.1).
        scales: the mean over `Preparation.at_scales`, where each scale counts as much; each window also mirrored.
        Raises TypeError for anything else.
        """
        for picture in pictures:
            _check(picture, self.preparation.channels)
        if len(pictures) == 0:
            return np.zeros((0, len(self.class_names)), self.network.dtype)
        if scales:
            return np.stack([self._over_scales(picture) for picture in pictures])
        parts = []
        batch = BATCH // 10 if ten_crop else BATCH
        for start in range(0, len(pictures), batch):
            part = pictures[start : start + batch]
            sized = np.concatenate([self.preparation.resized(picture[None]) for picture in part])
            if ten_crop:
                crops = self.preparation.ten_crops(sized)
                parts.append(np.mean([self._predict(crop) for crop in crops], axis=0))
            else:
                parts.append(self._predict(self.preparation(sized)))
        return np.concatenate(parts)

    def _over_scales(self, picture: np.ndarray) -> np.ndarray:
        means = []
        for windows in self.preparation.at_scales(picture):
            both = np.concatenate([windows, windows[:, :, ::-1]])
            means.append(self._predict(self.preparation(both)).mean(axis=0))
        return np.mean(means, axis=0)

    def answers(self, probabilities: np.ndarray) -> list[int | None]:
        """The likeliest class of each row of probabilities (N, classes); None where none is likely: where its
        probability is one at which the network was wrong too often."""
        least = self.calibration.least_probability
        return [int(row.argmax()) if row.max() >= least else None for row in probabilities]

    def _predict(self, x: np.ndarray) -> np.ndarray:
        logits = self.network.forward(move(x.astype(self.network.dtype, copy=False), self.network.device))
        return self.calibration.probabilities(move(logits, "cpu"))


def _check(picture: np.ndarray, channels: int) -> None:
    shape: tuple = getattr(picture, "shape", ())
    dtype = getattr(picture, "dtype", None)
    if dtype != np.uint8 or len(shape) != 3 or shape[2] != channels or 0 in shape:
        raise TypeError(f"expected images as uint8 arrays (H, W, {channels}), got {dtype} of shape {shape}")


def load_classifier(path: str | Path) -> Classifier:
    """The classifier in a file that `examples.train` wrote, or in one that comes with the library, by its name.

    Raises FileNotFoundError; ValueError for a file that is damaged, that does not say how images are prepared, or
    whose network, images and classes do not match.
    """
    path = find_weights(path)
    network = load(path)
    extra = read_metadata(path)["extra"]
    extra = extra if isinstance(extra, dict) else {}
    try:
        preparation = Preparation.from_json(extra["preparation"])
        class_names = tuple(str(name) for name in extra["class_names"])
    except (ValueError, LookupError, TypeError):
        raise ValueError(
            f"{path} does not say how images are prepared and what the classes are called; expected weights that "
            "python -m examples.train wrote"
        ) from None
    shape = (*preparation.window, preparation.channels)
    read = network.image_shape or shape
    if read != shape or network.output_shape(read) != (len(class_names),):
        raise ValueError(
            f"{path} contradicts itself: its network turns {read} into {network.output_shape(read)}, "
            f"its images are {shape} of {len(class_names)} classes"
        )
    try:
        calibration = Calibration(**extra.get("calibration", {}))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged: {error}; expected the calibration that examples.train wrote") from None
    return Classifier(network, preparation, class_names, str(extra.get("data", "")), calibration)
