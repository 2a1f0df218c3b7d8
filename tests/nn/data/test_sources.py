"""Where the files of large data sets lie: the same pictures in the same order as where they are read into memory."""

import io
import os
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest

from nn.data.pictures import picture_sets
from nn.data.pixels import read_picture
from nn.data.sources import folder_sources, in_threads
from tests.streamed import jpeg, make_folder


def test_a_folder_has_what_is_read_of_it_into_memory(tmp_path):
    """Deeper folders, hidden files and links included."""
    make_folder(tmp_path / "top" / "set")
    inside = tmp_path / "top" / "set" / "train" / "dog"
    (inside / "10").mkdir()
    (inside / "10" / "x.jpg").write_bytes(jpeg(77))
    (inside / ".hidden.jpg").write_bytes(b"")
    with suppress(OSError):  # Windows lets only some make links
        os.symlink(inside / "0.jpg", inside / "link.jpg")
        os.symlink(inside, inside / "circle")
    for path in (tmp_path, tmp_path / "top" / "set"):
        expected = picture_sets(path, 16)[:2]
        for source, images in zip(folder_sources(path), expected, strict=True):
            assert source.class_names == images.class_names and np.array_equal(source.labels, images.labels)
            assert [source.name(n) for n in range(len(source))] == list(images.files)
            for number, image in enumerate(images.images):
                assert np.array_equal(read_picture(io.BytesIO(source.read(number)), 16), image)


def test_a_folder_without_divisions(tmp_path):
    folder = make_folder(tmp_path) / "train"
    source, test = folder_sources(folder)
    assert test is None and len(source) == 30
    assert np.array_equal(source.labels, picture_sets(folder, 8)[0].labels)


def test_what_is_called_unlike_a_picture_is_left_out_and_counted(tmp_path):
    make_folder(tmp_path)
    (tmp_path / "train" / "cat" / "notes.txt").write_text("no")
    (tmp_path / "train" / "loose.jpg").write_bytes(jpeg(1))
    with pytest.warns(
        UserWarning, match="1 are not called like images, or cannot be listed; 1 lie in no class's folder"
    ):
        train, _ = folder_sources(tmp_path)
    assert len(train) == 30


@pytest.mark.parametrize(
    "labels",
    [
        "a1.jpg gnu\na2.jpg cat\na3.jpg hen\n",
        "val/a3.jpg,5 1 2 3\na1.jpg,4\na2.jpg,0\n",
        "gnu\ncat\nhen\n",
    ],
)
def test_test_images_without_folders_get_their_classes_from_a_file(tmp_path, labels):
    make_folder(tmp_path, test=0)
    for folder in (tmp_path / "test").iterdir():
        folder.rmdir()
    for number in (3, 1, 2):
        (tmp_path / "test" / f"a{number}.jpg").write_bytes(jpeg(number))
    with pytest.raises(ValueError, match="test has 3 images and no folders of classes; --labels"):
        folder_sources(tmp_path)
    (tmp_path.parent / "labels.txt").write_text(labels)
    _, test = folder_sources(tmp_path, tmp_path.parent / "labels.txt")
    assert [test.class_names[label] for label in test.labels] == ["gnu", "cat", "hen"]
    assert test.read(1) == jpeg(2)


@pytest.mark.parametrize(
    "labels, said",
    [
        ("a1.jpg gnu\n", "no line for 'a2.jpg'"),
        ("a1.jpg gnu\na2.jpg wolf\n", "names classes that no folder to train with has: 'wolf'"),
        ("490\n361\n", "numbers alone"),
        ("gnu\n", "has 1 lines, expected one for each of 2 images"),
    ],
)
def test_labels_that_do_not_fit(tmp_path, labels, said):
    make_folder(tmp_path, test=0)
    for folder in (tmp_path / "test").iterdir():
        folder.rmdir()
    for number in (1, 2):
        (tmp_path / "test" / f"a{number}.jpg").write_bytes(jpeg(number))
    (tmp_path / "labels.txt").write_text(labels)
    with pytest.raises(ValueError, match=said):
        folder_sources(tmp_path, tmp_path / "labels.txt")


def test_a_folder_that_is_no_data_set(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        folder_sources(tmp_path / "gone")
    with pytest.raises(ValueError, match="at least two sub-folders"):
        folder_sources(tmp_path)
    make_folder(tmp_path)
    (tmp_path / "train" / "owl").mkdir()
    with pytest.raises(ValueError, match="none in 'owl'"):
        folder_sources(tmp_path)
    (tmp_path / "test" / "yak").mkdir()
    (tmp_path / "train" / "owl" / "1.jpg").write_bytes(jpeg(1))
    with pytest.raises(ValueError, match="'yak' to test with only"):
        folder_sources(tmp_path)


def test_many_names_take_little_memory(tmp_path):
    """A string each would take 70 bytes beside the path's object of 200."""
    kept = []
    for count in (10, 2000):
        folder = tmp_path / str(count)
        for name in ("cat", "dog"):
            (folder / name).mkdir(parents=True)
            (folder / name / "0.jpg").write_bytes(b"")
            for number in range(1, count):
                os.link(folder / name / "0.jpg", folder / name / f"n01440764_{number:05}.jpg")
        tracemalloc.start()
        source, _ = folder_sources(folder)
        kept.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
    assert len(source) == 4000 and source.name(3999) == "dog/n01440764_01999.jpg"
    assert kept[1] - kept[0] < 4000 * 60


@pytest.mark.parametrize("ahead", [1, 5, 500])
def test_threads_give_their_results_in_order_and_not_too_far_ahead(ahead):
    begun = []
    with ThreadPoolExecutor(4) as pool:
        for number, found in enumerate(in_threads(pool, lambda n: begun.append(n) or n * n, range(200), ahead)):
            assert found == number * number and len(begun) <= number + ahead
    assert sorted(begun) == list(range(200))


def test_what_fails_in_a_thread_fails_where_it_is_asked_for_and_the_rest_is_not_begun():
    begun = []
    with ThreadPoolExecutor(1) as pool, pytest.raises(ZeroDivisionError):
        for _ in in_threads(pool, lambda n: begun.append(n) or 1 / (n - 3), range(200), 10):
            pass
    assert len(begun) < 200
