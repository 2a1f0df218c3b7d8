"""MNIST and what is published like it: Fashion-MNIST, EMNIST and QMNIST. Four files each, in a format called IDX.

MNIST: 70,000 handwritten digits. LeCun, Cortes, Burges; described in LeCun, Bottou, Bengio, Haffner 1998,
"Gradient-based learning applied to document recognition", section III. Licence CC BY-SA 3.0.
Fashion-MNIST: 70,000 images of clothes in the same form. Xiao, Rasul, Vollgraf 2017, "Fashion-MNIST: a novel image
dataset for benchmarking machine learning algorithms". Licence MIT.
EMNIST: letters and digits, in six divisions. Cohen, Afshar, Tapson, van Schaik 2017, "EMNIST: an extension of MNIST to
handwritten letters"; from NIST. Every image lies transposed in its files.
QMNIST: MNIST made anew, with 60,000 digits to test with. Yadav, Bottou 2019, "Cold case: the lost MNIST digits"; the
files are described on github.com/facebookresearch/qmnist.
"""

from __future__ import annotations

import gzip
import math
import re
import string
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Naming:
    """What the four files of a set are called, and what is in them."""

    train: tuple[str, str]  # images, labels
    test: tuple[str, str]
    class_names: tuple[str, ...] = MNIST_CLASSES
    first_label: int = 0
    transposed: bool = False

    @property
    def files(self) -> tuple[str, ...]:
        return (*self.train, *self.test)


def _emnist(division: str, class_names: str, first_label: int = 0) -> Naming:
    train, test = (
        (f"emnist-{division}-{part}-images-idx3-ubyte.gz", f"emnist-{division}-{part}-labels-idx1-ubyte.gz")
        for part in ("train", "test")
    )
    return Naming(train, test, tuple(class_names), first_label, transposed=True)


MNIST = Naming((TRAIN_IMAGES, TRAIN_LABELS), (TEST_IMAGES, TEST_LABELS))
FASHION = Naming(MNIST.train, MNIST.test, FASHION_CLASSES)
# Small letters that look like their capitals are one class with them, except in "byclass".
MERGED = string.digits + string.ascii_uppercase + "abdefghnqrt"
NAMINGS = {
    "MNIST": MNIST,
    "QMNIST": Naming(
        ("qmnist-train-images-idx3-ubyte.gz", "qmnist-train-labels-idx2-int.gz"),
        ("qmnist-test-images-idx3-ubyte.gz", "qmnist-test-labels-idx2-int.gz"),
    ),
    "EMNIST balanced": _emnist("balanced", MERGED),
    "EMNIST byclass": _emnist("byclass", string.digits + string.ascii_uppercase + string.ascii_lowercase),
    "EMNIST bymerge": _emnist("bymerge", MERGED),
    "EMNIST digits": _emnist("digits", string.digits),
    "EMNIST letters": _emnist("letters", string.ascii_uppercase, first_label=1),
    "EMNIST mnist": _emnist("mnist", string.digits),
}
INNER_FOLDERS = ("raw", "gzip")  # torchvision's, and the one in EMNIST's zip

UNSIGNED_BYTE, INTEGER = 0x08, 0x0C
DTYPES = {UNSIGNED_BYTE: "u1", INTEGER: ">i4"}
MOST_BYTES = 2**30  # the largest published set of this form, EMNIST, has half of it


def mnist(path: str | Path | None = None) -> tuple[Dataset, Dataset]:
    """MNIST: 60,000 digits to train on and 10,000 to test with, uint8 (N, 28, 28, 1); 0 is paper, 255 ink.

    path: a folder with the four files (train-images-idx3-ubyte, ..., with or without .gz), or one of the four; without
    it they are downloaded, 12 MB, and kept. Any other set in the same form can be read this way, up to ten classes; and
    QMNIST and the divisions of EMNIST by the names of their files, with their classes, EMNIST's images upright.
    """
    folder, naming = (None, MNIST) if path is None else _recognised(Path(path))
    return _read_set(_finder(folder, MNIST_FILES, MNIST_MIRRORS, "mnist"), naming)


def fashion_mnist(path: str | Path | None = None) -> tuple[Dataset, Dataset]:
    """Fashion-MNIST: 60,000 images of clothes to train on and 10,000 to test with, uint8 (N, 28, 28, 1).

    path: as for `mnist`; 31 MB are downloaded without one.
    """
    return _read_set(_finder(path, FASHION_FILES, FASHION_MIRRORS, "fashion_mnist"), FASHION)


def is_idx_folder(folder: Path) -> bool:
    """Whether a folder holds any of the files, or the same as tables: then it is meant to be read by `mnist`."""
    return bool(_namings_in(_inner(folder)) or _tables_in(folder))


def is_idx_file(name: str) -> bool:
    """Whether a file is called like one of those that `mnist` reads."""
    return any(name in _variants(file) for naming in NAMINGS.values() for file in naming.files)


def _recognised(path: Path) -> tuple[Path, Naming]:
    """The folder with the four files, and which set they are: MNIST where there is nothing to tell it by."""
    if path.is_file():
        called = [naming for naming in NAMINGS.values() if any(path.name in _variants(file) for file in naming.files)]
        return path.parent, called[0] if called else MNIST
    folder = _inner(path)
    found = _namings_in(folder)
    if len(found) > 1:
        raise ValueError(
            f"{path}: expected the four files of one data set, got those of {', '.join(found)}; "
            f"name one file instead of the folder, such as {folder / NAMINGS[found[0]].train[0].removesuffix('.gz')}"
        )
    if not found and _tables_in(folder):
        raise ValueError(
            f"{path}: expected MNIST's four files, such as {TRAIN_IMAGES}, got the same as tables "
            f"({', '.join(_tables_in(folder))}), which are not read: get the files, or make a .npz of the tables"
        )
    return folder, NAMINGS[found[0]] if found else MNIST


def _inner(folder: Path) -> Path:
    inner = [folder / name for name in INNER_FOLDERS if not _namings_in(folder) and _namings_in(folder / name)]
    return inner[0] if inner else folder


def _namings_in(folder: Path) -> list[str]:
    return [name for name, naming in NAMINGS.items() if any(_find(folder, file) for file in naming.files)]


def _tables_in(folder: Path) -> list[str]:
    """Kaggle's MNIST, EMNIST and Fashion-MNIST: one line of numbers per image."""
    found = []
    for path in sorted(folder.glob("*.csv")) if folder.is_dir() else ():
        if re.fullmatch(r"(mnist|fashion-mnist|emnist-[a-z]+)[-_](train|test)\.csv", path.name):
            found.append(path.name)
        elif path.name == "train.csv" and path.is_file():  # also a usual name for other things
            with open(path, "rb") as file:
                if file.read(11) == b"label,pixel":
                    found.append(path.name)
    return found


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
    for variant in _variants(name):
        for candidate in (folder / variant, folder / variant / variant):  # in a folder of its own name: Kaggle's
            if candidate.is_file():
                return candidate
    return None


def _variants(name: str) -> tuple[str, ...]:
    plain = name.removesuffix(".gz")
    return name, plain, plain.replace("-idx", ".idx")


def _read_set(find: Callable[[str], Path], naming: Naming) -> tuple[Dataset, Dataset]:
    # All four are looked for before any is read.
    pairs = [tuple(find(name) for name in pair) for pair in (naming.train, naming.test)]
    train_set, test_set = (_read_pair(images, labels, naming) for images, labels in pairs)
    if train_set.image_shape != test_set.image_shape:
        raise ValueError(
            f"{pairs[1][0]}: expected images of the training set's size, {train_set.image_shape[:2]}, "
            f"got {test_set.image_shape[:2]}"
        )
    return train_set, test_set


def _read_pair(images_path: Path, labels_path: Path, naming: Naming) -> Dataset:
    images = read_idx(images_path, 3)
    # QMNIST's labels are rows of eight numbers; the first is the digit, the others tell who wrote it and where.
    labels = read_idx(labels_path, 2, INTEGER)[:, 0] if "idx2-int" in labels_path.name else read_idx(labels_path, 1)
    if len(images) != len(labels):
        raise ValueError(
            f"{labels_path}: expected one label for each of the {len(images)} images in {images_path.name}, "
            f"got {len(labels)}"
        )
    first, last = naming.first_label, naming.first_label + len(naming.class_names) - 1
    for label in (labels.min(), labels.max()):
        if not first <= label <= last:
            raise ValueError(f"{labels_path}: expected labels {first} to {last}, got {label}")
    if naming.transposed:
        images = np.ascontiguousarray(images.transpose(0, 2, 1))
    return Dataset(images[..., np.newaxis], labels - labels.dtype.type(first), naming.class_names)


def read_idx(path: str | Path, dimensions: int, kind: int = UNSIGNED_BYTE) -> np.ndarray:
    """An array with so many dimensions from an IDX file, gzipped or not; of unsigned bytes, or of INTEGER.

    The format, all numbers big-endian:

        2 bytes     0
        1 byte      the type of an element; 8: unsigned byte, 12: an integer of 4 bytes
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
            shape = _read_shape(path, file.read(4), file, dimensions, kind)
            dtype = np.dtype(DTYPES[kind])
            size = math.prod(shape) * dtype.itemsize
            elements = file.read(size)
            if len(elements) < size:
                raise ValueError(
                    f"{path}: expected {size:,} bytes after its header, got {len(elements):,}: it is cut off"
                )
            if file.read(1):  # also makes gzip compare its check sum
                raise ValueError(f"{path}: expected {size:,} bytes after its header, and there are more")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path}: cannot be unpacked ({error}): it is damaged or cut off") from None
    return np.frombuffer(elements, dtype).reshape(shape)


def _read_shape(path: Path, magic: bytes, file, dimensions: int, kind: int) -> tuple[int, ...]:
    expected = bytes((0, 0, kind, dimensions))
    if magic != expected:
        what = "bytes" if kind == UNSIGNED_BYTE else "integers"
        raise ValueError(
            f"{path}: expected an IDX file of {what} with {dimensions} dimensions, which begins with "
            f"{expected.hex()}, got {magic.hex() or 'an empty file'}"
        )
    sizes = file.read(4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise ValueError(f"{path}: ends within its header")
    shape = struct.unpack(f">{dimensions}I", sizes)
    if 0 in shape or math.prod(shape) * np.dtype(DTYPES[kind]).itemsize > MOST_BYTES:
        raise ValueError(f"{path}: expected 1 to {MOST_BYTES:,} bytes of data, its header announces the shape {shape}")
    return shape
