"""One name or path, one data set: what `load` takes for what, and how it brings sizes and channels together."""

import gzip
import importlib
import os
import struct
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from nn.data import Dataset, digits, load

module = importlib.import_module("nn.data.load")

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (20, 28, 28), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (20, 16, 16, 3), dtype=np.uint8)
LABELS = np.arange(20) % 4


def save_npz(folder, **arrays):
    np.savez(folder / "pictures.npz", **{"images": GREY, "labels": LABELS} | arrays)
    return folder / "pictures.npz"


def save_pictures(folder, top=""):
    for number, (image, label) in enumerate(zip(COLOUR, LABELS)):
        path = folder / top / f"class{label}" / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return folder


def save_idx(folder):
    for part in ("train", "t10k"):
        (folder / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 0x803, *GREY.shape) + GREY.tobytes())
        labels = gzip.compress(struct.pack(">II", 0x801, 20) + bytes(LABELS.tolist()))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(labels)
    return folder


def save_cifar(folder):
    for name in [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]:
        (folder / name).write_bytes(bytes([3]) + bytes(1024) + b"\x01" * 1024 + b"\x02" * 1024)
    return folder


def test_names(monkeypatch):
    for name in ("mnist", "fashion_mnist", "cifar10"):
        made = Dataset(GREY[..., np.newaxis], LABELS, ("0", "1", "2", name)), None
        monkeypatch.setattr(module, name, lambda made=made: made)
    for asked in ("mnist", "fashion_mnist", "cifar10", "MNIST", "fashion-mnist"):
        assert load(asked)[0].class_names[-1] == asked.lower().replace("-", "_")


def test_the_digits_in_the_box_are_bytes_like_every_other_set():
    for loaded, original in zip(load("digits"), digits()):
        assert loaded.images.dtype == np.uint8
        np.testing.assert_array_equal(loaded.as_floats().images, original.images)
        np.testing.assert_array_equal(loaded.labels, original.labels)


def test_npz(tmp_path):
    train_set, test_set = load(save_npz(tmp_path))
    np.testing.assert_array_equal(train_set.images[..., 0], GREY)
    assert test_set is None
    train_set, test_set = load(str(save_npz(tmp_path, test_images=GREY[:3], test_labels=LABELS[:3])))
    assert (len(train_set), len(test_set)) == (20, 3)


def test_npz_under_another_name(tmp_path):
    assert len(load(save_npz(tmp_path).rename(tmp_path / "pictures.zip"))[0]) == 20


def test_folder_and_zip_of_pictures(tmp_path):
    folder = save_pictures(tmp_path / "folder")
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
        for file in folder.rglob("*.png"):
            archive.write(file, "top" / file.relative_to(folder))
    for path in (folder, tmp_path / "pictures.zip"):
        train_set, test_set = load(path)
        assert test_set is None
        assert train_set.class_names == ("class0", "class1", "class2", "class3")
        np.testing.assert_array_equal(train_set.images, COLOUR[np.argsort(LABELS, kind="stable")])
    small, _ = load(folder, image_size=5, channels=1)
    assert small.images.shape == (20, 5, 5, 1)


def test_train_and_test_folders(tmp_path):
    save_pictures(save_pictures(tmp_path, "train"), "test")
    train_set, test_set = load(tmp_path)
    assert len(train_set) == len(test_set) == 20
    np.testing.assert_array_equal(train_set.images, test_set.images)


def test_idx_files(tmp_path):
    for dataset in load(save_idx(tmp_path)):
        np.testing.assert_array_equal(dataset.images[..., 0], GREY)
        assert dataset.num_classes == 10


def test_cifar_files(tmp_path):
    folder = tmp_path / "cifar"
    folder.mkdir()
    save_cifar(folder)
    with tarfile.open(tmp_path / "cifar.tar.gz", "w:gz") as archive:
        archive.add(folder, "cifar-10-batches-bin")
    for path in (folder, tmp_path / "cifar.tar.gz"):
        train_set, test_set = load(path)
        assert (len(train_set), len(test_set)) == (5, 1)
        assert (train_set.images == [0, 1, 2]).all() and train_set.labels.tolist() == [3] * 5


def test_grey_gets_a_border_up_to_a_few_pixels(tmp_path):
    train_set, test_set = load(save_npz(tmp_path, test_images=GREY, test_labels=LABELS), image_size=32)
    for dataset in (train_set, test_set):
        assert dataset.image_shape == (32, 32, 1)
        np.testing.assert_array_equal(dataset.images[:, 2:30, 2:30, 0], GREY)
        assert dataset.images.sum(dtype=int) == GREY.sum(dtype=int)
    three, _ = load(tmp_path / "pictures.npz", image_size=32, channels=3)
    np.testing.assert_array_equal(three.images, np.repeat(train_set.images, 3, axis=-1))


def as_pillow(images, size):
    return [np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC)) for image in images]


@pytest.mark.parametrize("size", [14, 37, 64])
def test_grey_is_resized_otherwise(tmp_path, size):
    dataset, _ = load(save_npz(tmp_path), image_size=size)
    np.testing.assert_array_equal(dataset.images[..., 0], as_pillow(GREY, size))


@pytest.mark.parametrize("size", [8, 18])
def test_colour_is_always_resized(tmp_path, size):
    dataset, _ = load(save_npz(tmp_path, images=COLOUR), image_size=size)
    np.testing.assert_array_equal(dataset.images, as_pillow(COLOUR, size))


def test_channels(tmp_path):
    grey, _ = load(save_npz(tmp_path, images=COLOUR), channels=1)
    expected = COLOUR @ np.array([0.299, 0.587, 0.114])
    assert grey.images.dtype == np.uint8 and np.abs(grey.images[..., 0] - expected).max() <= 1
    three, _ = load(save_npz(tmp_path), channels=3)
    np.testing.assert_array_equal(three.images, np.stack([GREY] * 3, axis=-1))
    assert load(tmp_path / "pictures.npz", channels=1)[0].image_shape == (28, 28, 1)


def test_what_is_neither_a_name_nor_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="cifar is neither .*digits, objects, mnist, fashion_mnist, cifar10"):
        load("cifar")
    (tmp_path / "text.txt").write_text("text")
    with pytest.raises(ValueError, match=r"text\.txt: expected a \.npz file, a zip of images, or cifar"):
        load("text.txt")


def test_a_name_comes_before_a_folder_of_the_same_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_pictures(tmp_path / "digits")
    assert len(load("digits")[0]) == 8000
    assert len(load("./digits")[0]) == 20


@pytest.mark.parametrize("content", [b"PK\x05\x06" + b"\xff" * 16 + bytes(2), b"\x1f\x8b broken", b""])
@pytest.mark.parametrize("name", ["a.npz", "a.zip", "a.tar.gz", "a"])
def test_broken_files_are_one_sentence(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=name) as error:
        load(tmp_path / name)
    assert "\n" not in str(error.value)


def test_wrong_arguments():
    with pytest.raises(ValueError, match="channels must be 1 .* or 3 .*, got 2"):
        load("digits", channels=2)
    with pytest.raises(ValueError, match="image_size must be at least 1, got 0"):
        load("digits", image_size=0)


@pytest.mark.skipif("MNIST_NPZ" not in os.environ, reason="MNIST_NPZ names no copy of MNIST's training set")
def test_the_whole_training_set_at_lenet5s_size():
    dataset, _ = load(os.environ["MNIST_NPZ"], image_size=32)
    assert dataset.images.shape == (60_000, 32, 32, 1)
    assert np.bincount(dataset.labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
