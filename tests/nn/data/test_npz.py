"""A .npz file of one's own: how it is read and split, and one sentence for everything that can be wrong with it."""

import zipfile

import numpy as np
import pytest

from nn.data.npz import load_npz, npz

IMAGES = np.random.default_rng(0).integers(0, 256, (50, 6, 5), dtype=np.uint8)
LABELS = np.arange(50) % 5


def save(tmp_path, **arrays):
    np.savez(tmp_path / "pictures.npz", **arrays)
    return tmp_path / "pictures.npz"


def test_pictures_are_what_was_saved(tmp_path):
    train_set, test_set = npz(save(tmp_path, images=IMAGES, labels=LABELS))
    assert test_set is None
    np.testing.assert_array_equal(train_set.images, IMAGES[..., np.newaxis])
    assert train_set.images.dtype == np.uint8
    np.testing.assert_array_equal(train_set.labels, LABELS)
    assert train_set.class_names == ("0", "1", "2", "3", "4")


def test_test_pictures_in_the_file_are_used(tmp_path):
    path = save(tmp_path, images=IMAGES[:40], labels=LABELS[:40], test_images=IMAGES[40:], test_labels=LABELS[40:] + 1)
    for train_set, test_set in (npz(path), load_npz(path)):
        np.testing.assert_array_equal(train_set.images[..., 0], IMAGES[:40])
        np.testing.assert_array_equal(test_set.images[..., 0], IMAGES[40:])
        np.testing.assert_array_equal(test_set.labels, LABELS[40:] + 1)
        assert train_set.num_classes == test_set.num_classes == 6


def test_one_in_five_is_held_out_class_by_class(tmp_path):
    train_set, test_set = load_npz(save(tmp_path, images=IMAGES, labels=LABELS))
    assert np.bincount(train_set.labels).tolist() == [8] * 5
    assert np.bincount(test_set.labels).tolist() == [2] * 5
    both = np.concatenate([train_set.images, test_set.images])[..., 0]
    assert sorted(both.tolist()) == sorted(IMAGES.tolist())


def test_the_seed_decides_the_split(tmp_path):
    path = save(tmp_path, images=IMAGES, labels=LABELS)
    first, again, other = (load_npz(path, seed)[1].images for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_colour_and_class_names(tmp_path):
    colour = np.repeat(IMAGES[..., np.newaxis], 3, axis=-1)
    train_set, _ = npz(save(tmp_path, images=colour, labels=LABELS.astype(np.uint8), class_names=list("abcde")))
    assert train_set.image_shape == (6, 5, 3)
    assert train_set.class_names == tuple("abcde")


def test_labels_that_start_at_1_are_counted_from_0_and_keep_their_names(tmp_path):
    """As in files from MATLAB; 1 to 10, where 10 may be the digit 0, are ten classes and not eleven."""
    train_set, test_set = npz(
        save(tmp_path, images=IMAGES, labels=LABELS + 1, test_images=IMAGES[:9], test_labels=LABELS[:9] + 1)
    )
    np.testing.assert_array_equal(train_set.labels, LABELS)
    np.testing.assert_array_equal(test_set.labels, LABELS[:9])
    assert train_set.class_names == test_set.class_names == ("1", "2", "3", "4", "5")
    for labels in ((LABELS + 1).astype(np.uint8), (LABELS + 1).astype(">i4")):
        named, _ = npz(save(tmp_path, images=IMAGES, labels=labels, class_names=list("abcde")))
        np.testing.assert_array_equal(named.labels, LABELS)
        assert named.class_names == tuple("abcde")
    thousand = np.append(np.arange(1, 50), 1000)
    assert npz(save(tmp_path, images=IMAGES, labels=thousand))[0].num_classes == 1000
    for train_set in load_npz(save(tmp_path, images=IMAGES, labels=LABELS + 1)):
        assert set(train_set.labels) == {0, 1, 2, 3, 4} and train_set.class_names[0] == "1"


@pytest.mark.parametrize(
    "arrays",
    [
        {"labels": LABELS + 1, "class_names": list("abcdef")},  # there is a name for label 0
        {"labels": LABELS + 1, "test_images": IMAGES, "test_labels": LABELS},  # and here pictures
        {"labels": LABELS, "test_images": IMAGES, "test_labels": LABELS + 1},
        {"labels": LABELS + 2},  # whatever the first two are, they are not called 1 and 2
    ],
)
def test_labels_that_start_elsewhere_stay_as_they_are(tmp_path, arrays):
    train_set, test_set = npz(save(tmp_path, images=IMAGES, **arrays))
    np.testing.assert_array_equal(train_set.labels, arrays["labels"])
    if test_set is not None:
        np.testing.assert_array_equal(test_set.labels, arrays["test_labels"])


@pytest.mark.parametrize(
    ("arrays", "complaint"),
    [
        ({"labels": LABELS}, "no array called 'images'"),
        ({"images": IMAGES}, "no array called 'labels'"),
        ({"images": IMAGES / 255, "labels": LABELS}, "must be uint8"),
        ({"images": IMAGES[0], "labels": LABELS}, "must be uint8 of shape"),
        ({"images": np.zeros((50, 6, 5, 2), np.uint8), "labels": LABELS}, "grey .* or RGB"),
        ({"images": IMAGES[:0], "labels": LABELS[:0]}, "not empty"),
        ({"images": IMAGES, "labels": LABELS[:-1]}, "50 integers"),
        ({"images": IMAGES, "labels": LABELS.astype(float)}, "50 integers"),
        ({"images": IMAGES, "labels": LABELS[:, np.newaxis]}, "50 integers"),
        ({"images": IMAGES, "labels": LABELS - 1}, "must lie in 0..999"),
        ({"images": IMAGES, "labels": LABELS + 10**9}, "must lie in 0..999"),
        ({"images": IMAGES, "labels": LABELS * 0}, "two classes"),
        ({"images": IMAGES[:1], "labels": LABELS[:1] + 1}, "two images"),
        ({"images": IMAGES, "labels": LABELS, "test_images": IMAGES}, "no array called 'test_labels'"),
        ({"images": IMAGES, "labels": LABELS, "test_images": IMAGES[:, 1:], "test_labels": LABELS}, "size of images"),
        ({"images": IMAGES, "labels": LABELS, "class_names": ["one"]}, "must be 5 names"),
        ({"images": IMAGES, "labels": LABELS + 1, "class_names": "one"}, "must be 6 names"),
        # 0x110000 is one more than the last character.
        ({"images": IMAGES, "labels": LABELS, "class_names": np.full(5, 0x110000, "u4").view("U1")}, "must be text"),
        ({"images": np.array([None] * 50), "labels": LABELS}, "cannot be read"),
    ],
)
def test_wrong_arrays(tmp_path, arrays, complaint):
    path = save(tmp_path, **arrays)
    with pytest.raises(ValueError, match=complaint) as error:
        load_npz(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"no archive at all", b"PK\x03\x04 cut off", b"PK\x05\x06" + bytes(18)])
def test_files_that_are_no_npz(tmp_path, content):
    (tmp_path / "pictures.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"pictures\.npz: "):
        npz(tmp_path / "pictures.npz")


def test_damaged_files(tmp_path):
    path = save(tmp_path, images=IMAGES, labels=LABELS)
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + bytes(200) + whole[300:])
    with pytest.raises(ValueError, match=r"pictures\.npz: cannot be read"):
        npz(path)


def test_a_header_that_announces_more_than_memory_holds(tmp_path):
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000, 60000, 3), }".ljust(117) + b"\n"
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w") as archive:
        archive.writestr("images.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(ValueError, match=r"bomb\.npz: cannot be read"):
        npz(tmp_path / "bomb.npz")


def test_a_folder_and_a_missing_file(tmp_path):
    for path in (tmp_path, tmp_path / "missing.npz"):
        with pytest.raises(FileNotFoundError, match="there is no such file"):
            npz(path)
