"""The four IDX files: read as published, from folders and over the network, and refused in one sentence otherwise."""

import gzip
import hashlib
import importlib
import struct

import numpy as np
import pytest

from nn.data import fashion_mnist, mnist
from nn.data.download import WebFile
from nn.data.mnist import read_idx

module = importlib.import_module("nn.data.mnist")

RNG = np.random.default_rng(0)
TRAIN = RNG.integers(0, 256, (30, 28, 28)), RNG.permutation(np.arange(30) % 10)
TEST = RNG.integers(0, 256, (20, 28, 28)), RNG.permutation(np.arange(20) % 10)


def idx_images(images):
    """By the description: big-endian magic number 0x00000803, count, rows, columns, then one byte a pixel."""
    return struct.pack(">IIII", 0x803, *images.shape) + bytes(images.ravel().tolist())


def idx_labels(labels):
    return struct.pack(">II", 0x801, len(labels)) + bytes(labels.tolist())


def published(train=TRAIN, test=TEST):
    return {
        "train-images-idx3-ubyte": idx_images(train[0]),
        "train-labels-idx1-ubyte": idx_labels(train[1]),
        "t10k-images-idx3-ubyte": idx_images(test[0]),
        "t10k-labels-idx1-ubyte": idx_labels(test[1]),
    }


def write(folder, contents, zipped=True, dotted=False):
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        name = name.replace("-idx", ".idx") if dotted else name
        (folder / (name + ".gz" * zipped)).write_bytes(gzip.compress(content) if zipped else content)
    return folder


def check(sets):
    for dataset, (images, labels) in zip(sets, (TRAIN, TEST)):
        assert dataset.images.dtype == np.uint8 and dataset.image_shape == (28, 28, 1)
        np.testing.assert_array_equal(dataset.images[..., 0], images)
        np.testing.assert_array_equal(dataset.labels, labels)
        assert dataset.class_names == tuple("0123456789")


@pytest.mark.parametrize("form", [{}, {"zipped": False}, {"zipped": False, "dotted": True}])
def test_from_a_folder(tmp_path, form):
    check(mnist(write(tmp_path / "mnist", published(), **form)))
    check(mnist(str(tmp_path / "mnist")))


def test_fashion_has_names_for_its_classes(tmp_path):
    train_set, test_set = fashion_mnist(write(tmp_path / "clothes", published()))
    assert train_set.class_names == test_set.class_names
    assert len(set(train_set.class_names)) == 10
    assert train_set.class_names[0] == "T-shirt/top" and train_set.class_names[9] == "ankle boot"


@pytest.mark.parametrize(("function", "name"), [(mnist, "MNIST"), (fashion_mnist, "FASHION")])
def test_from_the_network_once_then_from_the_cache(server, cache, monkeypatch, function, name):
    server.files = {f"{key}.gz": gzip.compress(content) for key, content in published().items()}
    files = [WebFile(key, len(content), hashlib.sha256(content).hexdigest()) for key, content in server.files.items()]
    monkeypatch.setattr(module, f"{name}_FILES", files)
    monkeypatch.setattr(module, f"{name}_MIRRORS", [server.mirror("missing"), server.mirror("whole")])
    train_set, _ = function()
    np.testing.assert_array_equal(train_set.images[..., 0], TRAIN[0])
    assert len(server.requests) == 8
    function()
    assert len(server.requests) == 8
    # The two sets have files of the same names, in folders of their own.
    assert {path.parent.name for path in cache.rglob("*.gz")} == {function.__name__}


def test_a_folder_without_the_files(tmp_path):
    write(tmp_path / "half", dict(list(published().items())[:3]))
    for path, missing in ((tmp_path / "half", "t10k-labels-idx1-ubyte.gz"), (tmp_path / "none", "train-images")):
        with pytest.raises(FileNotFoundError, match=rf"{path.name} must be a folder that holds {missing}"):
            mnist(path)


LABELS = idx_labels(TRAIN[1])
IMAGES = idx_images(TRAIN[0])


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "begins with 00000803, got an empty file"),
        (b"\x00", "got 00"),
        (LABELS, "got 00000801"),
        (IMAGES[::-1], "expected an IDX file"),
        (b"\x00\x00\x0d\x03" + IMAGES[4:], "got 00000d03"),  # floats
        (struct.pack("<IIII", 0x803, 30, 28, 28) + IMAGES[16:], "got 03080000"),
        (IMAGES[:10], "ends within its header"),
        (IMAGES[:-1], "expected 23,520 bytes after its header, got 23,519: it is cut off"),
        (IMAGES + b"\x00", "and there are more"),
        (struct.pack(">IIII", 0x803, 0, 28, 28), r"announces the shape \(0, 28, 28\)"),
        (struct.pack(">IIII", 0x803, 2**32 - 1, 2**32 - 1, 2**32 - 1) + IMAGES, "expected 1 to"),
    ],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_files_that_are_not_as_described(tmp_path, content, complaint, zipped):
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(gzip.compress(content) if zipped else content)
    with pytest.raises(ValueError, match=complaint) as error:
        read_idx(path, 3)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("damage", ["cut", "flipped", "check sum", "header"])
def test_damaged_gzip(tmp_path, damage):
    whole = gzip.compress(IMAGES)
    content = {
        "cut": whole[: len(whole) // 2],
        "flipped": whole[:5000] + bytes([whole[5000] ^ 16]) + whole[5001:],
        "check sum": whole[:-8] + bytes(4) + whole[-4:],
        "header": whole[:2] + b"\x01" + whole[3:],
    }[damage]
    path = tmp_path / "images.gz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"images\.gz"):
        read_idx(path, 3)


def test_a_gzip_bomb_is_not_unpacked(tmp_path, monkeypatch):
    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(struct.pack(">IIII", 0x803, 1, 2, 3))
        for _ in range(64):
            file.write(bytes(2**20))
    read = []
    original = gzip.GzipFile.read
    monkeypatch.setattr(gzip.GzipFile, "read", lambda self, size: read.append(size) or original(self, size))
    with pytest.raises(ValueError, match="expected 6 bytes after its header, and there are more"):
        read_idx(path, 3)
    assert sum(read) < 100


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"train-labels-idx1-ubyte": idx_labels(TRAIN[1][:-1])}, "one label for each of the 30 images .*, got 29"),
        ({"t10k-labels-idx1-ubyte": idx_labels(TEST[1] + 1)}, "expected labels 0 to 9, got 10"),
        ({"t10k-images-idx3-ubyte": idx_images(TEST[0][:, :27])}, r"expected images of the training set's size"),
        ({"train-images-idx3-ubyte": LABELS, "train-labels-idx1-ubyte": IMAGES}, "with 3 dimensions"),
    ],
)
def test_files_that_do_not_belong_together(tmp_path, change, complaint):
    with pytest.raises(ValueError, match=complaint):
        mnist(write(tmp_path / "mnist", published() | change))
