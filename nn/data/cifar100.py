"""CIFAR-100 from its binary version: 60,000 photographs of 32x32 in a hundred classes, CIFAR-10's sibling.

Source: Krizhevsky 2009, "Learning multiple layers of features from tiny images"; the format is described on
www.cs.toronto.edu/~kriz/cifar.html.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nn.data.cifar10 import PIXELS, first_member, read_archive, read_file, to_images
from nn.data.dataset import Dataset

FOLDER = "cifar-100-binary"
ARCHIVE = "cifar-100-binary.tar.gz"
PICTURES = ("train.bin", "test.bin")
NAMES = "fine_label_names.txt"
RECORD = 2 + PIXELS  # the label of one of 20 groups, the label of the class, then the planes R, G and B
CLASSES = 100
MOST_BYTES = 2**28  # of one file; the larger of the published ones has 154 million


def cifar100(path: str | Path) -> tuple[Dataset, Dataset]:
    """CIFAR-100: 50,000 images to train on and 10,000 to test with, uint8 (N, 32, 32, 3), RGB.

    path: cifar-100-binary.tar.gz, or the folder that it lies in or was unpacked into. The labels are the hundred "fine"
    ones, by the names that lie beside the images.
    """
    path = _inner(Path(path))
    if path.is_dir():
        members = (*PICTURES, NAMES)
        contents = {name: read_file(path / name, MOST_BYTES) for name in members if (path / name).is_file()}
    elif path.is_file():
        contents = read_archive(path, (*PICTURES, NAMES), MOST_BYTES)
    else:
        raise FileNotFoundError(f"cifar100: {path} is neither a file nor a folder; expected {ARCHIVE}, or its folder")
    missing = [name for name in (*PICTURES, NAMES) if name not in contents]
    if missing:
        raise ValueError(
            f"{path}: expected the binary version of CIFAR-100 ({ARCHIVE}), but there is no {', '.join(missing)} in it"
        )
    class_names = tuple(contents[NAMES].decode("ascii", "replace").split())
    if len(class_names) != CLASSES:
        raise ValueError(f"{path}: {NAMES} must hold {CLASSES} names, got {len(class_names):,}")
    train_set, test_set = (_decode(path, name, contents[name], class_names) for name in PICTURES)
    return train_set, test_set


def is_cifar100(path: Path) -> bool:
    """Whether a folder holds the files, or the archive of them; or an archive begins as that one does."""
    path = _inner(path)
    if path.is_dir():
        return sum((path / name).is_file() for name in (*PICTURES, NAMES)) >= 2
    return path.name == ARCHIVE or first_member(path).split("/")[0] in (FOLDER, *PICTURES, NAMES)


def _inner(path: Path) -> Path:
    """What to read where a folder is named that holds the unpacked folder or the archive."""
    return next((path / name for name in (FOLDER, ARCHIVE) if (path / name).exists()), path)


def _decode(path: Path, name: str, content: bytes, class_names: tuple[str, ...]) -> Dataset:
    if not content or len(content) % RECORD:
        raise ValueError(
            f"{path}: {name} must hold records of {RECORD:,} bytes, got {len(content):,} bytes: it is damaged"
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, RECORD)
    labels = records[:, 1]
    if labels.max() >= CLASSES:
        raise ValueError(f"{path}: expected labels 0 to {CLASSES - 1}, got {labels.max()}: it is damaged")
    return Dataset(to_images(records[:, 2:]), labels, class_names)
