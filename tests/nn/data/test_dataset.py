import numpy as np
import pytest

from nn.data import Dataset, split
from nn.data.dataset import fair_order


def images(count, dtype=np.float32):
    return np.arange(count * 6, dtype=dtype).reshape(count, 2, 3, 1)


def test_properties():
    dataset = Dataset(images(4), np.array([0, 1, 2, 0]), ("a", "b", "c"))
    assert len(dataset) == 4
    assert dataset.image_shape == (2, 3, 1)
    assert dataset.num_classes == 3
    assert repr(dataset) == "Dataset(4 images of 2x3x1, float32, 3 classes)"


def test_labels_become_int64_and_images_are_not_copied():
    pixels = images(3)
    dataset = Dataset(pixels, np.array([0, 1, 1], dtype=np.uint8), ["a", "b"])
    assert dataset.labels.dtype == np.int64
    assert dataset.images is pixels
    assert dataset.class_names == ("a", "b")


@pytest.mark.parametrize(
    "indices, expected",
    [
        (slice(1, 3), [1, 2]),
        ([3, 0], [3, 0]),
        (np.array([2]), [2]),
        (np.array([True, False, False, True]), [0, 3]),
        ([], []),
    ],
)
def test_subset_picks_images_with_their_labels(indices, expected):
    dataset = Dataset(images(4), np.array([3, 2, 1, 0]), tuple("abcd"))
    subset = dataset.subset(indices)
    np.testing.assert_array_equal(subset.images, dataset.images[np.array(expected, dtype=int)])
    assert subset.labels.tolist() == [3 - index for index in expected]
    assert subset.class_names == dataset.class_names


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ((np.zeros((4, 28, 28), np.float32), np.zeros(4, int), "ab"), TypeError, "got one string 'ab'"),
        (
            (np.zeros((4, 28, 28), np.float32), np.zeros(4, int), ("a",)),
            ValueError,
            r"\(N, H, W, C\), got \(4, 28, 28\)",
        ),
        ((images(4, np.int16), np.zeros(4, int), ("a",)), TypeError, r"uint8 \(0..255\) or floating, got int16"),
        ((images(4), np.zeros(4), ("a",)), TypeError, r"got float64 of shape \(4,\)"),
        ((images(4), np.zeros((4, 1), int), ("a",)), TypeError, r"got int64 of shape \(4, 1\)|got int32"),
        ((images(4), np.zeros(3, int), ("a",)), ValueError, "got 4 images and 3 labels"),
        ((images(4), np.zeros(4, int), ()), ValueError, "at least one class"),
        ((images(2), np.array([0, 2]), ("a", "b")), ValueError, r"0\.\.1, .* got 2 at index 1"),
        ((images(2), np.array([-1, 0]), ("a", "b")), ValueError, "got -1 at index 0"),
    ],
)
def test_bad_arguments_are_named_in_one_sentence(arguments, error, message):
    with pytest.raises(error, match=message) as caught:
        Dataset(*arguments)
    assert str(caught.value).startswith("Dataset: ") and "\n" not in str(caught.value)


def test_bytes_stay_bytes_until_floats_are_asked_for():
    pixels = np.array([0, 51, 255, 1, 2, 3], np.uint8).reshape(1, 2, 3, 1)
    dataset = Dataset(pixels, np.array([0]), ("a",))
    assert dataset.images is pixels
    floats = dataset.as_floats()
    assert floats.images.dtype == np.float32
    np.testing.assert_allclose(floats.images.ravel(), np.array([0, 51, 255, 1, 2, 3]) / 255, rtol=1e-6)
    assert floats.as_floats() is floats


def test_every_beginning_of_a_fair_order_is_fair():
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    order = fair_order(labels, np.random.default_rng(0))
    assert sorted(order) == list(range(100))
    for size in (10, 20, 50):
        assert np.abs(np.bincount(labels[order[:size]], minlength=3) - size * np.array([0.6, 0.3, 0.1])).max() <= 1


def numbered(labels):
    """Each image is filled with its own number."""
    count = len(labels)
    return Dataset(np.arange(count, dtype=np.uint8).reshape(count, 1, 1, 1), np.array(labels), tuple("abc"))


def numbers(dataset):
    return dataset.images[:, 0, 0, 0].tolist()


@pytest.mark.parametrize(("held_out", "sizes"), [(20, (80, 20)), (0.2, (80, 20)), (1, (99, 1)), (99, (1, 99))])
def test_split_loses_nothing_and_keeps_labels_and_order(held_out, sizes):
    dataset = numbered(np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [60, 30, 10])))
    rest, held = split(dataset, held_out, seed=3)
    assert (len(rest), len(held)) == sizes
    assert sorted(numbers(rest) + numbers(held)) == list(range(100))
    for part in (rest, held):
        assert numbers(part) == sorted(numbers(part))
        np.testing.assert_array_equal(part.labels, dataset.labels[numbers(part)])
        assert part.class_names == dataset.class_names


def test_split_takes_every_classs_share():
    dataset = numbered(np.repeat([0, 1, 2], [100, 60, 40]))
    assert np.bincount(split(dataset, 0.1, seed=0)[1].labels).tolist() == [10, 6, 4]


def test_the_seed_decides_the_split():
    dataset = numbered(np.repeat([0, 1], 50))
    first, again, other = (numbers(split(dataset, 20, seed)[1]) for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize(
    ("held_out", "error", "message"),
    [
        (0, ValueError, "1 to 9 of 10, got 0"),
        (10, ValueError, "1 to 9 of 10, got 10"),
        (-1, ValueError, "got -1"),
        (1.5, ValueError, "between 0 and 1, got 1.5"),
        (float("nan"), ValueError, "between 0 and 1, got nan"),
        (True, TypeError, "got True"),
        ("5", TypeError, "got '5'"),
    ],
)
def test_a_split_that_leaves_a_side_empty_is_refused(held_out, error, message):
    with pytest.raises(error, match=message):
        split(numbered([0, 1] * 5), held_out)
