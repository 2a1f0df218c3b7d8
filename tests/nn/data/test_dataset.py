import numpy as np
import pytest

from nn.data import Dataset


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
        ((images(4, np.uint8), np.zeros(4, int), ("a",)), TypeError, "must be floating, got uint8"),
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
