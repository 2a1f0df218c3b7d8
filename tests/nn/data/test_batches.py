import numpy as np
import pytest

from nn.data import Dataset, batches


@pytest.fixture
def dataset():
    """Ten images, each filled with its own label."""
    labels = np.arange(10)
    pixels = np.broadcast_to(labels.astype(np.float32)[:, None, None, None], (10, 2, 2, 1)).copy()
    return Dataset(pixels, labels, tuple("0123456789"))


def order(walk):
    return [label for _, labels in walk for label in labels.tolist()]


@pytest.mark.parametrize("batch_size, sizes", [(4, [4, 4, 2]), (5, [5, 5]), (10, [10]), (99, [10]), (1, [1] * 10)])
@pytest.mark.parametrize("rng", [None, 0])
def test_every_image_once_with_the_last_partial_batch(dataset, batch_size, sizes, rng):
    seen = list(batches(dataset, batch_size, rng))
    assert [len(labels) for _, labels in seen] == sizes
    assert [images.shape for images, _ in seen] == [(size, 2, 2, 1) for size in sizes]
    assert sorted(order(seen)) == list(range(10))


def test_images_stay_with_their_labels_and_keep_their_types(dataset):
    for images, labels in batches(dataset, 3, rng=1):
        assert images.dtype == np.float32 and labels.dtype == np.int64
        np.testing.assert_array_equal(images[:, 0, 0, 0], labels)


def test_without_rng_the_order_is_the_data_sets(dataset):
    assert order(batches(dataset, 3)) == list(range(10))


def test_shuffling_is_seeded(dataset):
    assert order(batches(dataset, 3, rng=5)) == order(batches(dataset, 3, rng=np.random.default_rng(5)))
    assert order(batches(dataset, 3, rng=5)) != order(batches(dataset, 3, rng=6))


def test_one_generator_gives_each_pass_another_order(dataset):
    rng = np.random.default_rng(5)
    assert order(batches(dataset, 3, rng)) != order(batches(dataset, 3, rng))


def test_the_order_is_drawn_when_batches_is_called(dataset):
    rng = np.random.default_rng(5)
    first, second = batches(dataset, 3, rng), batches(dataset, 3, rng)
    second_order, first_order = order(second), order(first)
    again = np.random.default_rng(5)
    assert first_order == order(batches(dataset, 3, again))
    assert second_order == order(batches(dataset, 3, again))


def test_an_empty_data_set_has_no_batches(dataset):
    assert list(batches(dataset.subset([]), 4, rng=0)) == []


@pytest.mark.parametrize(
    "batch_size, error, message",
    [
        (0, ValueError, "at least 1, got 0"),
        (-3, ValueError, "got -3"),
        (2.5, TypeError, "whole number, got 2.5"),
    ],
)
def test_bad_batch_sizes_are_refused_at_the_call(dataset, batch_size, error, message):
    with pytest.raises(error, match=message):
        batches(dataset, batch_size)
