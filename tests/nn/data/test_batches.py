import numpy as np
import pytest

from nn.data import Dataset, batches
from nn.data.batches import evenly


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


# ------------------------------------------------------------------------------------------- as many of each class
LABELS = np.repeat([0, 1, 2], [50, 7, 3])


def test_every_class_is_drawn_as_often():
    draw = evenly(LABELS, 10)
    drawn = draw(np.random.default_rng(0))
    assert np.bincount(LABELS[drawn]).tolist() == [10, 10, 10]
    times = np.bincount(drawn, minlength=60)
    assert set(times[:50]) == {0, 1} and set(times[50:57]) == {1, 2} and sorted(times[57:]) == [3, 3, 4]
    assert np.any(np.diff(LABELS[drawn]) < 0), "they are mixed"


def test_epochs_differ_and_seeds_fix_them():
    draw = evenly(LABELS, 10)
    rng = np.random.default_rng(0)
    first, second = draw(rng), draw(rng)
    assert not np.array_equal(first, second)
    assert np.array_equal(first, evenly(LABELS, 10)(np.random.default_rng(0)))
    seen = np.bincount(np.concatenate([draw(rng) for _ in range(100)])[:], minlength=60)
    assert seen[:50].min() > 5, "over many epochs all images are seen, each 20 times on average"


def test_each_data_set_gives_its_part():
    origins = np.zeros(60, int)
    origins[40:50] = origins[56] = 1
    drawn = evenly(LABELS, 10, origins)(np.random.default_rng(0))
    parts = [
        [int(np.sum((LABELS[drawn] == label) & (origins[drawn] == origin))) for origin in (0, 1)] for label in range(3)
    ]
    assert parts == [[5, 5], [8, 2], [10, 0]]
    assert np.sum(drawn == 56) == 2  # the only one of its class in that set, which the other need not repeat
    odd = evenly(LABELS, 7, origins)(np.random.default_rng(0))
    assert np.bincount(LABELS[odd]).tolist() == [7, 7, 7]


def test_batches_of_what_is_drawn(dataset):
    draw = evenly(dataset.labels, 3)
    seen = list(batches(dataset, 8, 0, draw=draw))
    assert [len(labels) for _, labels in seen] == [8, 8, 8, 6]
    assert sorted(order(seen)) == sorted([*range(10)] * 3)
    assert order(batches(dataset, 8, 0, start=1, draw=draw)) == order(seen)[8:]
    for images, labels in seen:
        assert np.array_equal(images[:, 0, 0, 0], labels)


def test_none_of_each_class_is_refused():
    with pytest.raises(ValueError, match="per_class must be at least 1, got 0"):
        evenly(LABELS, 0)
