"""Batches of streamed images: some ahead of the network and no more, and how long it waited for them."""

import time

import numpy as np
import pytest

from nn.data import Dataset
from nn.data.stream import StreamedImages
from nn.training.prefetch import AHEAD, Prefetch
from tests.streamed import jpeg


class Source:
    """Pictures that are all one file, and take some time; it counts them."""

    def __init__(self, count, seconds=0.0):
        self.content, self.labels, self.class_names = jpeg(0), np.arange(count) % 2, ("a", "b")
        self.seconds, self.count = seconds, 0

    def __len__(self):
        return len(self.labels)

    def read(self, number):
        time.sleep(self.seconds)
        self.count += 1
        return self.content

    def name(self, number):
        return str(number)


def walk(source, threads=2):
    dataset = Dataset(StreamedImages(source, 8, threads=threads), source.labels, source.class_names)
    return Prefetch(dataset, 4, np.random.default_rng(0), "cpu", lambda images, rng: np.asarray(images))


def test_they_are_prepared_a_few_batches_ahead():
    source = Source(80)
    batches = iter(walk(source))
    for taken in (1, 2, 3):
        next(batches)
        limit = time.monotonic() + 10
        while source.count < 4 * (taken + AHEAD) and time.monotonic() < limit:
            time.sleep(0.01)
        time.sleep(0.05)
        assert source.count == 4 * (taken + AHEAD)
    batches.close()


@pytest.mark.parametrize("slow", ["reading", "learning"])
def test_the_share_of_the_time_that_was_waited(slow):
    found = walk(Source(24, 0.05 if slow == "reading" else 0.0), threads=1)
    begun, waited, asked = time.perf_counter(), 0.0, time.perf_counter()
    for _ in found:
        waited += time.perf_counter() - asked
        time.sleep(0.05 if slow == "learning" else 0.0)
        asked = time.perf_counter()
    assert found.waited == pytest.approx(waited / (time.perf_counter() - begun), abs=0.15)
    assert found.waited > 0.7 if slow == "reading" else found.waited < 0.4


def test_of_images_in_memory_nothing_is_said():
    images = np.zeros((8, 4, 4, 3), np.uint8)
    found = Prefetch(Dataset(images, np.arange(8) % 2, ("a", "b")), 4, np.random.default_rng(0), "cpu")
    assert len(list(found)) == 2 and found.waited is None
