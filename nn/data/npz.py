"""Images of your own: a .npz file with `images` and `labels` becomes a training and a test set.

Made with one line of NumPy:

    np.savez_compressed("pictures.npz", images=images, labels=labels)

images                     uint8, (N, H, W) for grey or (N, H, W, 3) for colour images
labels                     integers, (N,): the class of each image, counted from 0; or from 1, then the first class
                           becomes class 0 and is still called "1"
test_images, test_labels   the same, to test with; they may be missing
class_names                what to call the classes; without it they are called 0, 1, ...
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from nn.data.dataset import Dataset, split

MOST_CLASSES = 1000
TEST_SHARE = 0.2
WANTED = ("images", "labels", "test_images", "test_labels", "class_names")


def npz(path: str | Path) -> tuple[Dataset, Dataset | None]:
    """The (training, test) sets of a .npz file, images uint8; no test set where the file has none.

    Raises FileNotFoundError, and ValueError where the file is not as described above.
    """
    path = Path(path)
    arrays = _read(path)
    images, labels = _check_pair(path, arrays, "images", "labels")
    all_labels = [labels]
    test_images = test_labels = None
    if "test_images" in arrays or "test_labels" in arrays:
        test_images, test_labels = _check_pair(path, arrays, "test_images", "test_labels")
        if test_images.shape[1:] != images.shape[1:]:
            raise ValueError(
                f"{path}: test_images must have the size of images, {images.shape[1:]}, got {test_images.shape[1:]}"
            )
        all_labels.append(test_labels)
    num_classes = max(int(each.max()) for each in all_labels) + 1
    if num_classes < 2:
        raise ValueError(f"{path}: expected at least two classes (labels 0 and 1), got label 0 alone")

    starts_at_1 = min(each.min() for each in all_labels) == 1 and num_classes > 2
    if starts_at_1 and ("class_names" not in arrays or arrays["class_names"].size == num_classes - 1):  # none for 0
        arrays.setdefault("class_names", np.arange(1, num_classes))
        num_classes -= 1
        for each in all_labels:
            each -= 1
    class_names = _class_names(path, arrays, num_classes)
    test_set = None if test_images is None else Dataset(test_images, test_labels, class_names)
    return Dataset(images, labels, class_names), test_set


def load_npz(path: str | Path, seed: int = 0) -> tuple[Dataset, Dataset]:
    """As `npz`, but always with a test set: where the file has none, one image in five is held out by `seed`."""
    train_set, test_set = npz(path)
    if test_set is None:
        if len(train_set) < 2:
            raise ValueError(f"{path}: expected at least two images, one to train and one to test, got one")
        train_set, test_set = split(train_set, TEST_SHARE, seed)
    return train_set, test_set


def _read(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file; expected a .npz file with images and labels")
    try:
        if not zipfile.is_zipfile(path):
            raise ValueError("it is not a zip archive, which every .npz file is")
        # allow_pickle=False: reading somebody's file must never run their code.
        # Opened here: a damaged file that NumPy opens stays open, and could not be deleted on Windows.
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            return {name: np.asarray(file[name]) for name in WANTED if name in file.files}
    except MemoryError:
        raise ValueError(f"{path}: cannot be read as a .npz file, because its arrays do not fit into memory") from None
    except Exception as error:  # damaged files make zipfile and NumPy fail in every way there is
        reason = "it holds Python objects, which could run code" if "allow_pickle" in str(error) else _one_line(error)
        raise ValueError(f"{path}: cannot be read as a .npz file, because {reason}") from None


def _check_pair(path: Path, arrays: dict, images_name: str, labels_name: str) -> tuple[np.ndarray, np.ndarray]:
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
            f"{path}: {labels_name} must be {len(images)} integers, one per image, "
            f"got {labels.dtype} of shape {labels.shape}"
        )
    if labels.min() < 0 or labels.max() >= MOST_CLASSES + (labels.min() == 1):
        raise ValueError(
            f"{path}: {labels_name} must lie in 0..{MOST_CLASSES - 1}, got {labels.min()} to {labels.max()}"
        )
    return images, labels.astype(np.int64)


def _class_names(path: Path, arrays: dict, num_classes: int) -> tuple[str, ...]:
    names = arrays.get("class_names", np.arange(num_classes))
    if names.ndim != 1 or len(names) < num_classes:
        raise ValueError(f"{path}: class_names must be {num_classes} names, got an array of shape {names.shape}")
    try:
        return tuple(str(name) for name in names.tolist())
    except Exception:  # numbers that are no characters; Python itself calls it a SystemError
        raise ValueError(f"{path}: class_names must be text, and hold what is none") from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
