"""What is published in MNIST's format under other names: EMNIST, QMNIST, and the copies that others hand on.

EMNIST: Cohen, Afshar, Tapson, van Schaik 2017, section II and nist.gov/itl/products-and-services/emnist-dataset: IDX
files emnist-DIVISION-train-images-idx3-ubyte.gz ..., "transposed" pictures, letters labelled 1 to 26.
QMNIST: github.com/facebookresearch/qmnist, "The QMNIST dataset": qmnist-train-images-idx3-ubyte.gz, and labels in
qmnist-train-labels-idx2-int.gz, a matrix of N x 8 integers of 4 bytes: the class, the series, the writer, ...
torchvision keeps the files in MNIST/raw; Kaggle's best known copy has names with a dot, and folders of the same names.
"""

import gzip
import string
import struct
import zipfile

import numpy as np
import pytest
from PIL import Image

from nn.data import load, mnist
from nn.data.mnist import INTEGER, read_idx
from tests.checks import one_sentence

RNG = np.random.default_rng(0)


def idx(array, kind=8):
    """A header of big-endian numbers, then the elements one by one, by the format's description."""
    element = {8: ">B", 12: ">i"}[kind]
    content = bytes((0, 0, kind, array.ndim)) + b"".join(struct.pack(">I", size) for size in array.shape)
    return content + b"".join(struct.pack(element, value) for value in array.ravel().tolist())


def some_set(count, classes, first=0):
    """Pictures (N, 28, 28) as they should be seen, a 7 lying nowhere alike, and labels as in the file."""
    return RNG.integers(0, 256, (count, 28, 28), dtype=np.uint8), RNG.permutation(np.arange(count) % classes) + first


def write(folder, files, zipped=True):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / (name + ".gz" * zipped)).write_bytes(gzip.compress(content) if zipped else content)
    return folder


def emnist(division, classes, first=0):
    """(files as published, the two sets)"""
    sets = some_set(classes + 5, classes, first), some_set(classes + 2, classes, first)
    files = {}
    for part, (images, labels) in zip(("train", "test"), sets):
        lying = np.stack([[[image[x][y] for x in range(28)] for y in range(28)] for image in images.tolist()])
        files[f"emnist-{division}-{part}-images-idx3-ubyte"] = idx(lying)
        files[f"emnist-{division}-{part}-labels-idx1-ubyte"] = idx(labels)
    return files, sets


MERGED = [*string.digits, *string.ascii_uppercase, *"abdefghnqrt"]
DIVISIONS = {
    "balanced": (MERGED, 0),
    "bymerge": (MERGED, 0),
    "byclass": ([*string.digits, *string.ascii_uppercase, *string.ascii_lowercase], 0),
    "letters": ([*string.ascii_uppercase], 1),
    "digits": ([*string.digits], 0),
    "mnist": ([*string.digits], 0),
}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("division", DIVISIONS)
def test_emnist(tmp_path, division, zipped):
    names, first = DIVISIONS[division]
    files, sets = emnist(division, len(names), first)
    folder = write(tmp_path / "emnist", files, zipped)
    (folder / f"emnist-{division}-mapping.txt").write_text("0 48\n")
    for read in (load(folder), mnist(folder)):
        for dataset, (images, labels) in zip(read, sets):
            np.testing.assert_array_equal(dataset.images[..., 0], images)
            np.testing.assert_array_equal(dataset.labels, labels - first)
            assert dataset.class_names == tuple(names)


def test_emnists_letters_start_at_1(tmp_path):
    files, _ = emnist("letters", 26, 0)
    with one_sentence(ValueError, "emnist-letters-train-labels", "expected labels 1 to 26, got 0"):
        load(write(tmp_path, files))


def qmnist(count):
    images, digits = some_set(count, 10)
    rest = RNG.integers(0, 2**31, (count, 7))
    return images, digits, np.concatenate([digits[:, np.newaxis], rest], axis=1)


@pytest.mark.parametrize("zipped", [True, False])
def test_qmnist(tmp_path, zipped):
    sets = qmnist(30), qmnist(40)
    files = {}
    for part, (images, _, rows) in zip(("train", "test"), sets):
        files |= {f"qmnist-{part}-images-idx3-ubyte": idx(images), f"qmnist-{part}-labels-idx2-int": idx(rows, 12)}
    folder = write(tmp_path / "qmnist", files, zipped)
    for dataset, (images, digits, _) in zip(load(folder), sets):
        np.testing.assert_array_equal(dataset.images[..., 0], images)
        np.testing.assert_array_equal(dataset.labels, digits)
        assert dataset.class_names == tuple(string.digits)

    write(folder, {"qmnist-test-labels-idx2-int": idx(-sets[1][2], 12)}, zipped)
    with one_sentence(ValueError, "qmnist-test-labels-idx2-int", "expected labels 0 to 9"):
        load(folder)


def test_integers_are_read_up_to_the_same_limits(tmp_path):
    path = tmp_path / "labels-idx2-int"
    rows = np.array([[1, -2], [2**31 - 1, -(2**31)]])
    path.write_bytes(idx(rows, 12))
    np.testing.assert_array_equal(read_idx(path, 2, INTEGER), rows)
    path.write_bytes(idx(rows, 12)[:-1])
    with one_sentence(ValueError, path, "expected 16 bytes after its header, got 15"):
        read_idx(path, 2, INTEGER)
    path.write_bytes(bytes((0, 0, 12, 2)) + struct.pack(">II", 2**14, 2**14 + 1))
    with one_sentence(ValueError, path, "its header announces the shape"):
        read_idx(path, 2, INTEGER)
    with one_sentence(ValueError, path, "of bytes with 2 dimensions, which begins with 00000802, got 00000c02"):
        read_idx(path, 2)


def published():
    sets = some_set(20, 10), some_set(10, 10)
    names = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
    return dict(zip(names, (idx(array) for pair in sets for array in pair))), sets


FORMS = {
    "dots": lambda name: name.replace("-idx", ".idx"),
    "a folder of the same name": lambda name: f"{name}/{name}",
    "dots in both": lambda name: "/".join([name.replace("-idx", ".idx")] * 2),
    "torchvision's": lambda name: f"raw/{name}",
}


@pytest.mark.parametrize("form", FORMS)
def test_copies_of_mnist(tmp_path, form):
    files, sets = published()
    folder = write(tmp_path / "copy", {FORMS[form](name): content for name, content in files.items()}, zipped=False)
    if form == "dots":  # Kaggle's has the folders too
        for name in files:
            (folder / name).mkdir()
    for dataset, (images, labels) in zip(load(folder), sets):
        np.testing.assert_array_equal(dataset.images[..., 0], images)
        np.testing.assert_array_equal(dataset.labels, labels)


def test_several_divisions_in_one_folder_are_named_and_a_file_chooses(tmp_path):
    letters, sets = emnist("letters", 26, 1)
    folder = write(tmp_path / "gzip", emnist("digits", 10)[0] | letters)
    for path in (folder, tmp_path):
        with one_sentence(ValueError, path, "got those of EMNIST digits, EMNIST letters; name one file"):
            load(path)
    train_set, test_set = load(folder / "emnist-letters-test-labels-idx1-ubyte.gz")
    np.testing.assert_array_equal(train_set.images[..., 0], sets[0][0])
    np.testing.assert_array_equal(test_set.images[..., 0], sets[1][0])
    (folder / "emnist-letters-train-images-idx3-ubyte.gz").unlink()
    with one_sentence(FileNotFoundError, "holds emnist-letters-train-images-idx3-ubyte.gz"):
        load(folder / "emnist-letters-test-labels-idx1-ubyte.gz")


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("mnist_train.csv", "label,1x1,1x2\n"),
        ("fashion-mnist_train.csv", "label,pixel1,pixel2\n"),
        ("emnist-letters-train.csv", "23,0,0\n"),
        ("train.csv", "label,pixel0,pixel1\n"),
    ],
)
def test_kaggles_tables_are_named_in_the_refusal(tmp_path, name, start):
    (tmp_path / name).write_text(start)
    with one_sentence(ValueError, tmp_path, f"got the same as tables ({name}), which are not read"):
        load(tmp_path)


def test_a_table_beside_pictures_is_left_out_and_named(tmp_path):
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / label / "1.png")
    (tmp_path / "train.csv").write_text("id,label\n")
    with pytest.warns(UserWarning, match="1 of 3 files were left out: train.csv: it lies in no class's folder"):
        assert load(tmp_path)[0].class_names == ("cat", "dog")


def test_a_zip_of_the_files_is_named_in_the_refusal(tmp_path):
    with zipfile.ZipFile(tmp_path / "gzip.zip", "w") as archive:
        for name, content in emnist("digits", 10)[0].items():
            archive.writestr(f"gzip/{name}.gz", gzip.compress(content))
    with one_sentence(ValueError, tmp_path / "gzip.zip", "unpack it first"):
        load(tmp_path / "gzip.zip")
