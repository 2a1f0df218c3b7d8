"""What stands around the training loop: prefetched batches, schedules that answer the same calls, an epoch's row."""

import math
import threading

import numpy as np
import pytest

import nn
from layers import Flatten, Linear
from nn import SGD, Network
from nn.backend import _is_plain
from nn.data import Dataset, batches
from nn.data.whole import WholeImages
from nn.training import Epoch, train
from nn.training.prefetch import Prefetch
from nn.training.schedules import Curve, Plateau, Schedule, as_schedule, constant, one_cycle, stairs, steps


def images(N=7):
    return Dataset(np.arange(N * 4, dtype=np.float32).reshape(N, 2, 2, 1), np.arange(N) % 3, ("a", "b", "c"))


def noisy(batch, rng):
    return batch + rng.random(batch.shape, dtype=np.float32)


@pytest.mark.parametrize("fetches", [0, 1, 3])
def test_fetching_changes_the_order_of_work_and_nothing_else(fetches):
    """Three calls fetch no more than one does; the state is that after the batch in hand, not the one fetched."""
    rng = np.random.default_rng(3)
    expected = [
        (noisy(part, rng), labels, rng.bit_generator.state) for part, labels in batches(images(), 3, rng)
    ]  # plainly, one after the other
    found = Prefetch(images(), 3, np.random.default_rng(3), "cpu", noisy)
    count = 0
    for (part, labels), (plain_part, plain_labels, state) in zip(found, expected):
        for _ in range(fetches):
            found.fetch()
        assert np.array_equal(part, plain_part) and np.array_equal(labels, plain_labels)
        assert found.generator_state == state
        count += 1
    assert count == 3 and list(found) == []


def test_the_next_batch_is_prepared_when_it_is_fetched():
    prepared = []
    batch = Prefetch(images(), 3, np.random.default_rng(0), "cpu", lambda part, rng: prepared.append(len(part)) or part)
    walk = iter(batch)
    next(walk)
    assert prepared == [3]
    batch.fetch()
    assert prepared == [3, 3]
    next(walk)
    assert prepared == [3, 3]


def test_it_goes_on_within_an_epoch():
    whole = Prefetch(images(), 3, np.random.default_rng(5), "cpu", noisy)
    walk = iter(whole)
    next(walk)
    state, rest = whole.generator_state, [part for part, _ in walk]
    resumed = Prefetch(images(), 3, np.random.default_rng(5), "cpu", noisy, start=1, generator_state=state)
    for part, expected in zip([part for part, _ in resumed], rest, strict=True):
        assert np.array_equal(part, expected)


def test_images_that_must_be_decoded_are_prepared_by_a_thread_with_the_same_numbers():
    """One batch ahead, with the state after the batch in hand; within `nn.plain` it is plain there, too."""
    arrays = np.random.default_rng(0).integers(0, 256, (7, 5, 4, 3), dtype=np.uint8)
    whole = Dataset(WholeImages(arrays, 6), np.arange(7) % 3, ("a", "b", "c"))
    threads, plain = [], []

    def prepare(batch, rng):
        threads.append(threading.current_thread())
        plain.append(_is_plain.get())
        return noisy(np.asarray(batch), rng)

    rng = np.random.default_rng(3)
    expected = [(prepare(part, rng), labels, rng.bit_generator.state) for part, labels in batches(whole, 3, rng)]
    threads.clear(), plain.clear()
    with nn.plain():
        found = Prefetch(whole, 3, np.random.default_rng(3), "cpu", prepare)
        for (part, labels), (plain_part, plain_labels, state) in zip(found, expected, strict=True):
            assert np.array_equal(part, plain_part) and np.array_equal(labels, plain_labels)
            assert found.generator_state == state
    assert len(set(threads)) == 1 and threads[0] is not threading.current_thread()
    assert all(plain) and len(plain) == 3
    assert not threads[0].is_alive(), "it ends with the epoch"


def test_what_fails_in_the_thread_fails_in_training():
    whole = Dataset(WholeImages([b"no image"] * 4, 6), np.arange(4) % 2, ("a", "b"))
    with pytest.raises(OSError, match="not an image"):
        next(iter(Prefetch(whole, 2, np.random.default_rng(0), "cpu", lambda batch, rng: np.asarray(batch))))


def test_every_schedule_answers_the_same_two_calls():
    schedules = [constant(0.1), one_cycle(0.1), steps(0.1, [0.5]), stairs([0.1], [1]), Plateau(0.1)]
    for schedule in [*schedules, Curve(lambda fraction: 0.1)]:
        assert isinstance(schedule, Schedule) and as_schedule(schedule) is schedule
        assert 0 < schedule(0.3) <= 0.1
        schedule.after_epoch(0.5)
    own = as_schedule(lambda fraction: 1 - fraction)
    assert own(0.25) == 0.75 and own.after_epoch(0.5) is None


def test_a_plateau_gives_the_rate_of_every_step():
    plateau = Plateau(0.5, factor=0.5, patience=1, drops=1)
    assert [plateau(0.0), plateau(0.9)] == [0.5, 0.5]
    plateau.after_epoch(1.0)
    plateau.after_epoch(1.0)
    assert plateau(0.0) == 0.25


def test_a_plateau_hears_the_test_error_or_the_training_loss():
    heard = []

    class Listener(Schedule):
        def __call__(self, fraction):
            return 0.01

        def after_epoch(self, error):
            heard.append(error)

    network = Network([("flatten", Flatten()), ("fc", Linear(4, 3, rng=0))])
    for test_set in (None, images(5)):
        history = train(
            network,
            images(),
            test_set,
            epochs=2,
            optimizer=SGD(network, 0.1),
            batch_size=3,
            schedule=Listener(),
            progress=False,
        )
        rows = history.epochs
        expected = [row["train_loss"] if test_set is None else 1 - row["test_accuracy"] for row in rows]
        assert heard == expected and all(row["learning_rate"] == 0.01 for row in rows)
        heard.clear()


def test_an_epoch_s_row():
    epoch = Epoch()
    epoch.add(2.0, 1, 4)
    epoch.add(0.5, 2, 2)
    epoch.seconds = 3.0
    row = epoch.row(7, np.float32(0.5))
    assert (row["epoch"], row["learning_rate"], row["images_per_second"]) == (7, 0.5, 2.0)
    assert row["train_loss"] == (2.0 * 4 + 0.5 * 2) / 6 and row["train_accuracy"] == 3 / 6
    assert math.isnan(row["test_loss"]) and type(row["learning_rate"]) is float
    assert epoch.batches == 2
