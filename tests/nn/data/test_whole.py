"""Images that keep their shape: decoded when asked for, as small in memory as their files, cut into portions."""

import io

import numpy as np
import pytest
from PIL import Image

from nn.data import Dataset, load
from nn.data.augmentation import random_portions
from nn.data.pixels import fit, read_picture
from nn.data.preparation import Preparation
from nn.data.whole import WholeImages, read_whole


def photograph(width, height, seed=0):
    """Smooth enough for a JPEG to stay small; and what a reader makes of it."""
    rng = np.random.default_rng(seed)
    levels = rng.integers(0, 256, (3, 4, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(levels).resize((width, height), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
    return buffer.getvalue(), np.asarray(Image.open(io.BytesIO(buffer.getvalue())))


@pytest.fixture
def images():
    (first, _), (second, _) = photograph(60, 40, 1), photograph(30, 50, 2)
    return WholeImages([first, np.full((20, 24, 3), 7, np.uint8), second], 40)


def test_each_has_its_own_size_and_all_have_one_as_an_array(images):
    assert [image.shape for image in images] == [(40, 60, 3), (20, 24, 3), (50, 30, 3)]
    assert images.shape == (3, 40, 40, 3) and len(images) == 3
    together = np.asarray(images)
    assert together.shape == images.shape and together.dtype == np.uint8
    for image, one in zip(images, together):
        assert np.array_equal(one, np.asarray(fit(Image.fromarray(image), 40)))
    assert np.asarray(images, np.float32).dtype == np.float32


def test_they_are_what_the_files_hold():
    content, pixels = photograph(60, 40)
    assert np.array_equal(WholeImages([content], 40)[0], pixels)
    assert WholeImages([content], 40, channels=1)[0].shape == (40, 60, 1)


def test_some_of_them(images):
    for which in (slice(1, None), [1, 2], np.array([False, True, True])):
        some = images[which]
        assert isinstance(some, WholeImages) and [image.shape[1] for image in some] == [24, 30]
    assert len(images[[]]) == 0 and np.asarray(images[:0]).shape == (0, 40, 40, 3)
    assert images[-1].shape == images[np.int64(2)].shape == (50, 30, 3)
    with pytest.raises(IndexError):
        images[3]


def test_a_small_photograph_is_kept_as_its_file_and_a_large_one_as_few_pixels():
    content, _ = photograph(60, 40)
    assert read_whole(io.BytesIO(content), 64) == content
    content, _ = photograph(3000, 2000)
    kept = read_whole(io.BytesIO(content), 32)
    assert kept.shape == (32, 48, 3)
    # However it is kept, it looks the same.
    assert np.array_equal(kept, WholeImages([content], 32)[0])


def test_a_broken_file_is_noticed_when_it_is_read():
    content, _ = photograph(60, 40)
    with pytest.raises(OSError):
        read_whole(io.BytesIO(content[: len(content) // 2]), 64)


def test_whole_images_are_shrunk_and_neither_cut_nor_enlarged():
    content, pixels = photograph(90, 60)
    assert read_picture(io.BytesIO(content), 30, whole=True).shape == (30, 45, 3)
    assert np.array_equal(read_picture(io.BytesIO(content), 60, whole=True), pixels)
    assert np.array_equal(read_picture(io.BytesIO(content), 99, whole=True), pixels)


def test_a_data_set_of_them(images):
    dataset = Dataset(images, np.array([0, 1, 0]), ("a", "b"), ("a/1.jpg", "b/1.png", "a/2.jpg"))
    assert dataset.image_shape == (40, 40, 3) and len(dataset) == 3
    some = dataset.subset([2, 1])
    assert [image.shape[:2] for image in some.images] == [(50, 30), (20, 24)] and some.files == ("a/2.jpg", "b/1.png")
    assert dataset.subset(np.array([True, False, False])).files == ("a/1.jpg",)
    assert dataset.as_floats().images.shape == (3, 40, 40, 3)
    with pytest.raises(ValueError, match="one file name an image"):
        Dataset(images, np.array([0, 1, 0]), ("a", "b"), ("a/1.jpg",))


def test_a_preparation_brings_them_to_its_size(images):
    preparation = Preparation((40, 40), 3, (40, 40))
    assert np.array_equal(preparation.resized(images), np.asarray(images))
    assert preparation(images).dtype == np.float32


def test_portions_come_from_all_of_a_photograph_and_keep_its_proportions():
    """Of an image three times as wide as high, whose levels say where they are."""
    across, down = np.meshgrid(np.arange(192), np.arange(64))
    image = np.stack([across, down * 3, 0 * across], axis=-1).astype(np.uint8)
    portions = random_portions(WholeImages([image] * 300, 64), (32, 32), np.random.default_rng(0), least=1 / 4)
    assert portions.shape == (300, 32, 32, 3)
    left, right = portions[:, 16, 0, 0].astype(float), portions[:, 16, -1, 0].astype(float)
    top, bottom = portions[:, 0, 16, 1] / 3, portions[:, -1, 16, 1] / 3
    sides = (right - left) * 32 / 31
    np.testing.assert_allclose(sides, (bottom - top) * 32 / 31, atol=2.1)  # square windows
    assert 30 < sides.min() < 36 and 61 < sides.max() < 66  # from a quarter of 64 x 64 to all of it
    assert left.min() < 6 and right.max() > 185  # from one end to the other
    tall = np.ascontiguousarray(image.transpose(1, 0, 2))
    whole = random_portions(tall[None].repeat(50, axis=0), (32, 32), np.random.default_rng(0), least=1)
    # The largest square is as wide as the image, wherever it lies.
    assert np.ptp(whole[:, 16, 0, 1]) == 0 and np.ptp(whole[:, 0, 16, 0].astype(int)) > 60


def test_folders_are_read_whole(tmp_path):
    for name, width, height in (("cat/1", 60, 40), ("cat/2", 30, 50), ("dog/1", 40, 40)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.jpg").write_bytes(photograph(width, height)[0])
    (tmp_path / "dog" / "broken.jpg").write_bytes(photograph(40, 40)[0][:300])
    with pytest.warns(UserWarning, match=r"dog/broken\.jpg"):
        dataset, none = load(tmp_path, 40, whole=True)
    assert none is None and dataset.files == ("cat/1.jpg", "cat/2.jpg", "dog/1.jpg")
    assert [image.shape[:2] for image in dataset.images] == [(40, 60), (50, 30), (40, 40)]
    assert dataset.labels.tolist() == [0, 0, 1] and dataset.class_names == ("cat", "dog")
    assert all(isinstance(item, bytes) for item in dataset.images.items)
    with pytest.raises(ValueError, match="whole images need an image_size"):
        load(tmp_path, whole=True)


def test_arrays_of_smaller_images_are_not_enlarged(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (4, 20, 20, 3), dtype=np.uint8)
    np.savez(tmp_path / "small.npz", images=images, labels=np.arange(4) % 2)
    dataset, _ = load(tmp_path / "small.npz", 32, whole=True)
    assert isinstance(dataset.images, WholeImages) and dataset.image_shape == (32, 32, 3)
    assert all(np.array_equal(one, other) for one, other in zip(dataset.images, images))
    for size in (20, 10):  # as without it
        dataset, _ = load(tmp_path / "small.npz", size, whole=True)
        assert isinstance(dataset.images, np.ndarray) and dataset.image_shape == (size, size, 3)
