import os

import numpy as np
import pytest

from nn.data import digits
from nn.data.digits import PACKED
from nn.data.pack_digits import COUNTS

TEST_COUNTS = [200, 225, 198, 206, 196, 173, 203, 214, 189, 196]


@pytest.fixture(scope="module")
def both():
    return digits()


def as_bytes(dataset):
    return np.rint(dataset.images[..., 0] * 255).astype(np.uint8)


def test_sizes_types_and_range(both):
    for dataset, size in zip(both, (8000, 2000)):
        assert dataset.images.shape == (size, 28, 28, 1) and dataset.images.dtype == np.float32
        assert dataset.labels.shape == (size,) and dataset.labels.dtype == np.int64
        assert dataset.images.min() == 0.0 and dataset.images.max() == 1.0
        assert dataset.class_names == tuple("0123456789")


def test_the_split_is_stratified(both):
    train, test = (np.bincount(dataset.labels, minlength=10) for dataset in both)
    assert test.tolist() == TEST_COUNTS
    assert (train + test).tolist() == list(COUNTS)
    assert np.abs(test - (train + test) / 5).max() < 1


def test_no_image_occurs_twice_least_of_all_on_both_sides(both):
    train, test = ([image.tobytes() for image in as_bytes(dataset)] for dataset in both)
    assert len(set(train) | set(test)) == 10_000


def test_the_classes_are_mixed(both):
    """The first tenth of each set already has every class in about its share."""
    for dataset in both:
        share = np.bincount(dataset.labels[: len(dataset) // 10], minlength=10) / (len(dataset) // 10)
        assert share.min() > 0.04 and share.max() < 0.16


def test_ink_is_bright_and_in_the_middle(both):
    mean = both[0].images.mean(axis=0)[..., 0]
    assert mean[8:20, 8:20].mean() > 0.25
    assert mean[0].max() < 0.01 and mean[:, 0].max() < 0.01


@pytest.mark.parametrize("image_size, before", [(29, 0), (32, 2), (33, 2)])
def test_a_larger_image_size_adds_a_border(both, image_size, before):
    for dataset, plain in zip(digits(image_size=image_size), both):
        assert dataset.image_shape == (image_size, image_size, 1)
        inner = dataset.images[:, before : before + 28, before : before + 28]
        np.testing.assert_array_equal(inner, plain.images)
        np.testing.assert_allclose(dataset.images.sum(dtype=np.float64), plain.images.sum(dtype=np.float64))


def test_a_smaller_image_size_is_refused():
    with pytest.raises(ValueError, match="at least 28, the size of the digits, got 20"):
        digits(image_size=20)


def test_the_file_is_small_and_needs_no_pickle():
    assert PACKED.stat().st_size <= 2_500_000
    with np.load(PACKED, allow_pickle=False) as packed:
        assert all(packed[name].dtype == np.uint8 for name in packed.files)


@pytest.mark.skipif("MNIST_NPZ" not in os.environ, reason="MNIST_NPZ names no copy of MNIST's training set")
def test_all_digits_are_in_mnists_training_set_with_the_same_label(both):
    with np.load(os.environ["MNIST_NPZ"], allow_pickle=False) as mnist:
        label_of = {image.tobytes(): label for image, label in zip(mnist["images"], mnist["labels"].tolist())}
    for dataset in both:
        assert [label_of.get(image.tobytes()) for image in as_bytes(dataset)] == dataset.labels.tolist()


def test_the_first_images_show_every_digit():
    # Whoever takes the first few of a set, as a first try does, should not get two or three classes only.
    for part in digits():
        assert np.bincount(part.labels[:100], minlength=10).min() > 0
