"""Pictures that stay on the disk: the same as in memory, for any number of threads, in constant memory."""

import threading
import tracemalloc

import numpy as np
import pytest

from nn.data import Dataset, batches, load, split
from nn.data import load as loading
from nn.data.augmentation import principal_colours
from nn.data.preparation import Preparation
from nn.data.sources import DataLost, folder_sources
from nn.data.statistics import Statistics
from nn.data.stream import StreamedImages, measure
from tests.streamed import jpeg, make_folder, make_shards

SIZE = 16


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("LENET_TO_ALEXNET_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("stream"))


def test_streamed_images_are_those_in_memory(folder):
    for streamed, expected in zip(load(folder, SIZE, stream=True), load(folder, SIZE, stream=False), strict=True):
        assert isinstance(streamed.images, StreamedImages) and isinstance(expected.images, np.ndarray)
        assert np.array_equal(np.asarray(streamed.images), expected.images)
        assert np.array_equal(streamed.labels, expected.labels) and streamed.class_names == expected.class_names
        assert streamed.image_shape == expected.image_shape and repr(streamed) == repr(expected)
        assert np.array_equal(streamed.images[3], expected.images[3])
        assert all(np.array_equal(one, other) for one, other in zip(streamed.images, expected.images, strict=True))


def test_shards_are_read_into_memory_for_those_who_ask_for_arrays(tmp_path):
    path = make_shards(tmp_path)
    assert isinstance(load(path, SIZE)[0].images, np.ndarray)
    assert isinstance(load(path, SIZE, stream=None)[0].images, StreamedImages)
    assert np.array_equal(load(path, SIZE)[0].images, load(path, SIZE, stream=True)[0].images)
    with pytest.raises(ValueError, match="image_size=256"):
        load(path)
    assert load(path, stream=None, streamed_size=24)[0].image_shape == (24, 24, 3)


def test_a_folder_is_streamed_where_it_would_fill_half_of_the_memory(folder, monkeypatch):
    needed = (30 + 12) * SIZE * SIZE * 3
    module = __import__("sys").modules[loading.__module__]
    for free, streams in ((2 * needed - 2, True), (2 * needed, False), (None, False)):
        monkeypatch.setattr(module, "free_memory", lambda free=free: free)
        assert isinstance(load(folder, SIZE, stream=None)[0].images, StreamedImages) == streams
    monkeypatch.setattr(module, "free_memory", lambda: 1)
    assert isinstance(load(folder, SIZE)[0].images, np.ndarray)
    assert load(folder, stream=None, streamed_size=24)[0].image_shape == (24, 24, 3)


def test_a_small_folder_is_read_as_ever(tmp_path):
    """Also where names say less than contents: nothing is said twice, and nothing refused."""
    make_folder(tmp_path)
    (tmp_path / "train" / "cat" / "picture").write_bytes(jpeg(3))
    (tmp_path / "train" / "notes.txt").write_text("")
    with pytest.warns(UserWarning) as warned:
        train_set, _ = load(tmp_path, SIZE, stream=None)
    assert len(train_set) == 31 and len(warned) == 1


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_batches_are_the_same_for_any_number_of_threads(folder, threads):
    source, _ = folder_sources(folder)
    streamed = Dataset(StreamedImages(source, SIZE, threads=threads), source.labels, source.class_names)
    expected, _ = load(folder, SIZE)
    for (one, labels), (other, known) in zip(batches(streamed, 7, 3), batches(expected, 7, 3), strict=True):
        assert np.array_equal(np.asarray(one), other) and np.array_equal(labels, known)


def test_parts_of_them_are_decoded_when_they_are_used(folder, monkeypatch):
    train_set, _ = load(folder, SIZE, stream=True)
    read = []
    real = train_set.images.source.read
    monkeypatch.setattr(train_set.images.source, "read", lambda number: read.append(number) or real(number))
    rest, held = split(train_set, 6)
    assert len(rest) == 24 and len(held) == 6 and read == []
    expected = split(load(folder, SIZE)[0], 6)
    assert np.array_equal(np.asarray(held.images[2:4]), expected[1].images[2:4]) and len(read) == 2
    assert np.array_equal(
        Preparation((8, 8), 3, (8, 8))(rest.images[:3]), Preparation((8, 8), 3, (8, 8))(expected[0].images[:3])
    )


def test_decoding_is_shared_among_threads(folder, monkeypatch):
    source, _ = folder_sources(folder)
    images = StreamedImages(source, SIZE, threads=2)
    meeting = threading.Barrier(2, timeout=10)
    real = source.read
    monkeypatch.setattr(source, "read", lambda number: meeting.wait() and None or real(number))
    np.asarray(images[:4])  # which would break the barrier if one thread did it all


def test_statistics_are_those_of_all_where_all_are_few(folder):
    """Against float64 arithmetic over the images in memory."""
    train_set, _ = load(folder, SIZE, stream=True)
    levels = load(folder, SIZE)[0].images / 255
    found = train_set.images.statistics()
    assert found.count == 30 and np.allclose(found.mean_picture, levels.mean(axis=0), atol=1e-7)
    mean, deviation = found.of_channels()
    assert np.allclose(mean, levels.mean(axis=(0, 1, 2)), atol=1e-7)
    assert np.allclose(deviation, levels.std(axis=(0, 1, 2)), atol=1e-7)
    values, vectors = found.principal_colours()
    expected_values, expected_vectors = np.linalg.eigh(np.cov(levels.reshape(-1, 3).T, bias=True))
    assert np.allclose(values, expected_values, atol=1e-12)
    assert np.allclose(np.abs(np.sum(vectors * expected_vectors, axis=0)), 1)
    assert np.allclose(values, principal_colours(load(folder, SIZE)[0].images)[0], atol=1e-12)


def test_statistics_of_a_sample_are_those_of_its_pictures_whatever_the_threads(folder):
    source, _ = folder_sources(folder)
    drawn = np.random.default_rng(5).permutation(30)[:11]
    expected = load(folder, SIZE)[0].images[drawn].sum(axis=0, dtype=np.int64)
    for threads in (1, 8):
        found = measure(StreamedImages(source, SIZE, threads=threads), 11, seed=5)
        assert found.count == 11 and np.array_equal(found.total, expected)


def test_statistics_are_kept_with_shards(tmp_path):
    path = make_shards(tmp_path)
    found = load(path, SIZE, stream=True)[0].images.statistics()
    Statistics(7, found.total + 1, found.products).save(path)
    kept = load(path, stream=True)[0].images
    assert kept.shape == (60, SIZE, SIZE, 3) and kept.statistics().count == 7
    assert kept[:4].statistics().count == 7, "a batch is of the same set"
    assert load(path, 8, stream=True)[0].images.statistics().count == 60, "of another size they are taken anew"
    (path / "statistics.npz").write_bytes(b"PK damaged")
    with pytest.raises(ValueError, match="is damaged"):
        load(path, stream=True)


def test_in_the_place_of_a_broken_picture_stands_the_next_of_its_class(tmp_path):
    make_folder(tmp_path)
    good, _ = load(tmp_path, SIZE)
    (tmp_path / "train" / "dog" / "1.jpg").write_bytes(b"broken")
    (tmp_path / "train" / "dog" / "4.jpg").write_bytes(b"")
    train_set, _ = load(tmp_path, SIZE, stream=True)
    for _ in range(2):  # the second time they are known
        images = np.asarray(train_set.images)
        assert np.array_equal(images[6], good.images[7]), "the next one"
        assert np.array_equal(images[9], good.images[5]), "behind the last of the class comes its first"
        assert np.array_equal(np.delete(images, [6, 9], axis=0), np.delete(good.images, [6, 9], axis=0))
    said = train_set.images.said_of_unread()
    assert said.startswith("2 of 30 images cannot be read") and "train/dog/1.jpg: not an image" in said
    assert train_set.images.said_of_unread() == "", "said once"


def test_no_held_out_picture_stands_in(tmp_path):
    make_folder(tmp_path)
    good, _ = load(tmp_path, SIZE)
    (tmp_path / "train" / "dog" / "1.jpg").write_bytes(b"broken")
    train_set, _ = load(tmp_path, SIZE, stream=True)
    rest = train_set.subset(np.delete(np.arange(30), [7, 8]))
    assert np.array_equal(rest.images[[6]][0], good.images[9])
    alone = train_set.subset(np.array([5, 6, 25]))
    assert np.array_equal(alone.images[1], good.images[5])


def test_a_disk_that_is_gone_ends_it(tmp_path):
    make_folder(tmp_path / "set")
    train_set, _ = load(tmp_path / "set", SIZE, stream=True)
    (tmp_path / "set").rename(tmp_path / "away")
    with pytest.raises(DataLost, match=r"train/cat/0\.jpg and the images of its class .* cannot be read: No such file"):
        np.asarray(train_set.images)


def test_memory_does_not_grow_with_the_number_of_pictures(tmp_path):
    """All batches of 1,000 pictures of 49 kB each, which would be 49 MB."""
    images = StreamedImages(_Same(1000), 128)
    dataset = Dataset(images, images.source.labels, images.source.class_names)
    tracemalloc.start()
    for part, _ in batches(dataset, 20, 0):
        np.asarray(part)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10e6


class _Same:
    """Many pictures that are all one file."""

    def __init__(self, count):
        self.content, self.labels, self.class_names = jpeg(0, 160, 128), np.arange(count) % 2, ("a", "b")

    def __len__(self):
        return len(self.labels)

    def read(self, number):
        return self.content

    def name(self, number):
        return str(number)
