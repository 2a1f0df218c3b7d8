"""MNIST and Fashion-MNIST, from the four files in which they are published, and a reader for their format, IDX.

MNIST: 70,000 handwritten digits. LeCun, Cortes, Burges; described in LeCun, Bottou, Bengio, Haffner 1998,
"Gradient-based learning applied to document recognition", section III. Licence CC BY-SA 3.0.
Fashion-MNIST: 70,000 pictures of clothes in the same form. Xiao, Rasul, Vollgraf 2017, "Fashion-MNIST: a novel image
dataset for benchmarking machine learning algorithms". Licence MIT.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from nn.data.dataset import Dataset
from nn.data.download import WebFile, fetch

MNIST_CLASSES = tuple("0123456789")
FASHION_CLASSES = (
    "T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip

TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"

# The site that published MNIST refuses most downloads today; these keep the same files.
MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
MNIST_FILES = (
    WebFile(TRAIN_IMAGES, 9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
    WebFile(TRAIN_LABELS, 28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
    WebFile(TEST_IMAGES, 1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
    WebFile(TEST_LABELS, 4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
)
# Both belong to the authors: the address they name, and the repository they published it with.
FASHION_MIRRORS = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
)
FASHION_FILES = (
    WebFile(TRAIN_IMAGES, 26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
    WebFile(TRAIN_LABELS, 29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
    WebFile(TEST_IMAGES, 4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
    WebFile(TEST_LABELS, 5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
)

UNSIGNED_BYTE = 0x08
MOST_BYTES = 2**30  # the largest published set of this form, EMNIST, has half of it


def mnist(path: str | Path | None = None) -> tuple[Dataset, Dataset]:
    """MNIST: 60,000 digits to train on and 10,000 to test with, uint8 (N, 28, 28, 1); 0 is paper, 255 ink.

    path: a folder with the four files (train-images-idx3-ubyte, ..., with or without .gz); without one they are
    downloaded, 12 MB, and kept. Any other set in the same form can be read this way, up to ten classes.
    """
    return _read_set(_finder(path, MNIST_FILES, MNIST_MIRRORS, "mnist"), MNIST_CLASSES)


def fashion_mnist(path: str | Path | None = None) -> tuple[Dataset, Dataset]:
    """Fashion-MNIST: 60,000 pictures of clothes to train on and 10,000 to test with, uint8 (N, 28, 28, 1).

    path: as for `mnist`; 31 MB are downloaded without one.
    """
    return _read_set(_finder(path, FASHION_FILES, FASHION_MIRRORS, "fashion_mnist"), FASHION_CLASSES)


def is_idx_folder(folder: Path) -> bool:
    """Whether a folder holds any of the four files: then it is meant to be read by `mnist`."""
    return any(_find(folder, file.name) for file in MNIST_FILES)


def _finder(
    path: str | Path | None, files: Sequence[WebFile], mirrors: Sequence[str], data_set: str
) -> Callable[[str], Path]:
    """A function from a file's published name to where it lies."""
    if path is None:
        return lambda name: fetch(next(file for file in files if file.name == name), mirrors, data_set)

    def find(name: str) -> Path:
        found = _find(Path(path), name)
        if found is None:
            raise FileNotFoundError(
                f"{data_set}: {path} must be a folder that holds {name}, or the same without .gz, and does not"
            )
        return found

    return find


def _find(folder: Path, name: str) -> Path | None:
    """The file under its published name, or as it is often called after unpacking."""
    plain = name.removesuffix(".gz")
    for candidate in (name, plain, plain.replace("-idx", ".idx")):
        if (folder / candidate).is_file():
            return folder / candidate
    return None


def _read_set(find: Callable[[str], Path], class_names: tuple[str, ...]) -> tuple[Dataset, Dataset]:
    # All four are looked for before any is read.
    pairs = [(find(TRAIN_IMAGES), find(TRAIN_LABELS)), (find(TEST_IMAGES), find(TEST_LABELS))]
    train_set, test_set = (_read_pair(images, labels, class_names) for images, labels in pairs)
    if train_set.image_shape != test_set.image_shape:
        raise ValueError(
            f"{pairs[1][0]}: expected pictures of the training set's size, {train_set.image_shape[:2]}, "
            f"got {test_set.image_shape[:2]}"
        )
    return train_set, test_set


def _read_pair(images_path: Path, labels_path: Path, class_names: tuple[str, ...]) -> Dataset:
    images, labels = read_idx(images_path, 3), read_idx(labels_path, 1)
    if len(images) != len(labels):
        raise ValueError(
            f"{labels_path}: expected one label for each of the {len(images)} images in {images_path.name}, "
            f"got {len(labels)}"
        )
    if labels.max() >= len(class_names):
        raise ValueError(f"{labels_path}: expected labels 0 to {len(class_names) - 1}, got {labels.max()}")
    return Dataset(images[..., np.newaxis], labels, class_names)


def read_idx(path: str | Path, dimensions: int) -> np.ndarray:
    """An array of unsigned bytes with so many dimensions from an IDX file, gzipped or not.

    The format, all numbers big-endian:

        2 bytes     0
        1 byte      the type of an element; 8: unsigned byte
        1 byte      how many dimensions, d
        d * 4 bytes the size of each
        then the elements, the last dimension running fastest

    Exactly as many bytes are read as the sizes announce, so a small file cannot unpack into a huge one.
    ValueError for everything else. Source: the description on MNIST's page, yann.lecun.com/exdb/mnist.
    """
    path = Path(path)
    try:
        with open(path, "rb") as raw:
            zipped = raw.read(2) == b"\x1f\x8b"
        with gzip.open(path) if zipped else open(path, "rb") as file:
            shape = _read_shape(path, file.read(4), file, dimensions)
            size = math.prod(shape)
            elements = file.read(size)
            if len(elements) < size:
                raise ValueError(
                    f"{path}: expected {size:,} bytes after its header, got {len(elements):,}: it is cut off"
                )
            if file.read(1):  # also makes gzip compare its check sum
                raise ValueError(f"{path}: expected {size:,} bytes after its header, and there are more")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path}: cannot be unpacked ({error}): it is damaged or cut off") from None
    return np.frombuffer(elements, np.uint8).reshape(shape)


def _read_shape(path: Path, magic: bytes, file, dimensions: int) -> tuple[int, ...]:
    expected = bytes((0, 0, UNSIGNED_BYTE, dimensions))
    if magic != expected:
        raise ValueError(
            f"{path}: expected an IDX file of bytes with {dimensions} dimensions, which begins with "
            f"{expected.hex()}, got {magic.hex() or 'an empty file'}"
        )
    sizes = file.read(4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise ValueError(f"{path}: ends within its header")
    shape = struct.unpack(f">{dimensions}I", sizes)
    if 0 in shape or math.prod(shape) > MOST_BYTES:
        raise ValueError(f"{path}: expected 1 to {MOST_BYTES:,} bytes of data, its header announces the shape {shape}")
    return shape
