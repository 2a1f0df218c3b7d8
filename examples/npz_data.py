"""Pictures of your own: a .npz file with `images` and `labels` becomes a training and a test set.

Made with one line of NumPy:

    np.savez_compressed("pictures.npz", images=images, labels=labels)

images                     uint8, (N, H, W) for grey or (N, H, W, 3) for colour pictures
labels                     integers, (N,): the class of each picture, counted from 0
test_images, test_labels   the same, to test with; without them one picture in five is held out
class_names                what to call the classes; without it they are called 0, 1, ...
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from nn.data import Dataset

MOST_CLASSES = 1000
TEST_SHARE = 0.2


def load_npz(path: str | Path, seed: int = 0) -> tuple[Dataset, Dataset]:
    """The (training, test) sets of a .npz file; ValueError where it is not as described above.

    seed: chooses which pictures are held out, where the file has no test pictures of its own.
    """
    arrays = _read(Path(path))
    images, labels = _check_pair(path, arrays, "images", "labels")
    if "test_images" in arrays or "test_labels" in arrays:
        test_images, test_labels = _check_pair(path, arrays, "test_images", "test_labels")
        if test_images.shape[1:] != images.shape[1:]:
            raise ValueError(
                f"{path}: test_images must have the size of images, {images.shape[1:]}, got {test_images.shape[1:]}"
            )
    else:
        order = fair_order(labels, np.random.default_rng(seed))
        held_out = max(1, round(TEST_SHARE * len(order)))
        test_images, test_labels = images[order[:held_out]], labels[order[:held_out]]
        images, labels = images[order[held_out:]], labels[order[held_out:]]

    num_classes = int(max(labels.max(initial=0), test_labels.max())) + 1
    if len(images) == 0 or num_classes < 2:
        raise ValueError(f"{path}: expected at least two pictures and two classes (labels 0 and 1)")
    class_names = _class_names(path, arrays, num_classes)
    return (
        Dataset(images.astype(np.float32) / 255, labels, class_names),
        Dataset(test_images.astype(np.float32) / 255, test_labels, class_names),
    )


def fair_order(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random order in which every beginning holds the classes in proportion.

    The pictures of each class are shuffled and spread evenly over 0..1; sorting all of them by that place
    interleaves the classes. So the first fifth holds a fifth of each class.
    """
    places = np.empty(len(labels))
    for label in np.unique(labels):
        (where,) = np.nonzero(labels == label)
        places[where] = (rng.permutation(len(where)) + rng.random()) / len(where)
    return np.argsort(places, kind="stable")


def _read(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file; expected a .npz file with images and labels")
    wanted = ("images", "labels", "test_images", "test_labels", "class_names")
    try:
        if not zipfile.is_zipfile(path):
            raise ValueError("it is not a zip archive, which every .npz file is")
        # allow_pickle=False: reading somebody's file must never run their code.
        with np.load(path, allow_pickle=False) as file:
            return {name: np.asarray(file[name]) for name in wanted if name in file.files}
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path}: cannot be read as a .npz file, because {_one_line(error)}") from None


def _check_pair(path, arrays: dict, images_name: str, labels_name: str) -> tuple[np.ndarray, np.ndarray]:
    """images as (N, H, W, C) and labels as int64 (N,), or a ValueError that says what is wrong with them."""
    for name in (images_name, labels_name):
        if name not in arrays:
            raise ValueError(f"{path}: holds no array called {name!r}; numpy.savez(path, {name}=...) stores one")
    images, labels = arrays[images_name], arrays[labels_name]
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        raise ValueError(
            f"{path}: {images_name} must be uint8 of shape (N, H, W) or (N, H, W, C), "
            f"got {images.dtype} of shape {images.shape}"
        )
    images = images[..., np.newaxis] if images.ndim == 3 else images
    if images.shape[-1] not in (1, 3) or 0 in images.shape:
        raise ValueError(
            f"{path}: {images_name} must be grey (1 channel) or RGB (3 channels) and not empty, got {images.shape}"
        )
    if not np.issubdtype(labels.dtype, np.integer) or labels.shape != (len(images),):
        raise ValueError(
            f"{path}: {labels_name} must be {len(images)} integers, one a picture, "
            f"got {labels.dtype} of shape {labels.shape}"
        )
    if labels.min() < 0 or labels.max() >= MOST_CLASSES:
        raise ValueError(
            f"{path}: {labels_name} must lie in 0..{MOST_CLASSES - 1}, got {labels.min()} to {labels.max()}"
        )
    return images, labels.astype(np.int64)


def _class_names(path, arrays: dict, num_classes: int) -> tuple[str, ...]:
    names = arrays.get("class_names", np.arange(num_classes))
    if names.ndim != 1 or len(names) < num_classes:
        raise ValueError(f"{path}: class_names must be {num_classes} names, got an array of shape {names.shape}")
    return tuple(str(name) for name in names.tolist())


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
