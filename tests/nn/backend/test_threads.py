"""Work in parts: every part once, errors come through, and the number of threads changes no bit."""

import os
import signal
import sys
import threading
import time

import numpy as np
import pytest

from layers import AvgPool2d, Conv2d, Linear, LocalResponseNorm, MaxPool2d, ReLU, Sigmoid, Subsampling2d
from nn.backend.runtime import pool, threads
from tests.checks import distinct, interrupt_while_waiting, one_sentence, randomise


@pytest.fixture(autouse=True)
def restore_number_of_threads():
    before = threads.num_threads()
    yield
    threads.set_num_threads(before)


@pytest.mark.parametrize("number", [1, 2, 5])
@pytest.mark.parametrize("parts", [0, 1, 2, 37])
def test_every_part_is_done_exactly_once(parts, number):
    threads.set_num_threads(number)
    done, lock = [], threading.Lock()

    def work(part):
        time.sleep(0.001)
        with lock:
            done.append(part)

    pool.run_parallel(work, range(parts))
    assert sorted(done) == list(range(parts))


@pytest.mark.parametrize("number", [1, 3])
def test_an_error_in_any_part_is_raised(number):
    threads.set_num_threads(number)

    def work(part):
        if part == 11:
            raise ValueError("part 11 went wrong")

    for _ in range(5):
        with pytest.raises(ValueError, match="part 11"):
            pool.run_parallel(work, range(20))
    done = []
    pool.run_parallel(done.append, range(4))  # and it still works afterwards
    assert sorted(done) == [0, 1, 2, 3]


def test_an_error_in_a_worker_comes_out_of_the_calling_one():
    threads.set_num_threads(2)
    failed = threading.Event()

    def work(part):
        if threading.current_thread() is threading.main_thread():
            failed.wait(10)
            time.sleep(0.05)
        else:
            failed.set()
            raise ValueError("wrong in another thread")

    with pytest.raises(ValueError, match="wrong in another thread"):
        pool.run_parallel(work, range(50))


@pytest.mark.filterwarnings("error")
def test_a_worker_does_not_warn():
    """Whatever other threads are told: NumPy 1 counts how many have a setting of their own, and may count too few."""
    threads.set_num_threads(2)
    both = threading.Barrier(2, timeout=30)

    def overflow(part):
        both.wait()  # each thread has one
        if threading.current_thread() is not threading.main_thread():
            large[part] *= large[part]

    for _ in range(3):
        for _ in range(100):
            with np.errstate(over="warn"):  # which is the default
                pass
        large = np.full((2, 9), 1e38, np.float32)
        pool.run_parallel(overflow, range(2))
        assert np.isinf(large).any()


@pytest.mark.skipif(os.name != "posix", reason="Windows cannot send a signal to a thread")
def test_an_interrupt_while_waiting_for_the_workers_comes_out_when_they_are_done():
    threads.set_num_threads(2)
    finished = threading.Event()
    interrupt_while_waiting(finished)
    assert finished.is_set()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no fork, or it is not safe beside threads")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_gets_workers_of_its_own():
    threads.set_num_threads(2)
    pool.run_parallel(lambda part: time.sleep(0.001), range(8))  # the parent has a worker, which the child has not
    child = os.fork()
    if child == 0:  # no test any more: whatever happens, nothing of pytest's may run here
        try:
            signal.alarm(60)
            both = threading.Barrier(2, timeout=30)
            pool.run_parallel(lambda part: both.wait(), range(2))  # passes when two threads are there at once
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_nothing_is_written_any_more_when_an_interrupt_comes_out():
    threads.set_num_threads(2)
    finished = threading.Event()
    helping = threading.Event()

    def work(part):
        if threading.current_thread() is threading.main_thread():
            helping.wait(10)
            raise KeyboardInterrupt
        helping.set()
        time.sleep(0.2)
        finished.set()

    with pytest.raises(KeyboardInterrupt):
        pool.run_parallel(work, range(2))
    assert finished.is_set()


def test_no_part_is_begun_after_an_interrupt_of_the_calling_thread():
    threads.set_num_threads(2)
    begun, helping = [], threading.Event()

    def work(part):
        if threading.current_thread() is threading.main_thread():
            helping.wait(10)
            raise KeyboardInterrupt
        begun.append(part)
        helping.set()
        time.sleep(0.02)

    with pytest.raises(KeyboardInterrupt):
        pool.run_parallel(work, range(50))
    assert len(begun) == 1


def test_no_part_is_begun_after_an_error():
    for number in (1, 2):
        threads.set_num_threads(number)
        begun = []

        def work(part, begun=begun):
            begun.append(part)
            time.sleep(0.01)
            raise ValueError("wrong")

        with pytest.raises(ValueError, match="wrong"):
            pool.run_parallel(work, range(50))
        assert len(begun) <= number


@pytest.mark.parametrize("count, parts", [(10, 3), (3, 10), (1, 1), (7, 7), (100, 8)])
def test_split_covers_everything_in_order(count, parts):
    pieces = pool.split(count, parts)
    numbers = [number for piece in pieces for number in range(count)[piece]]
    assert numbers == list(range(count))
    assert len(pieces) <= parts and all(piece.stop > piece.start for piece in pieces)


LAYERS = {
    "conv": lambda: Conv2d(16, 8, 3, padding=1, groups=2, rng=0),
    "conv stride": lambda: Conv2d(16, 4, 5, stride=2, rng=0),
    "conv without patches": lambda: Conv2d(4, 6, 5, padding=2, rng=0),
    "conv abreast": lambda: Conv2d(1, 6, 5, padding=2, rng=0),
    "conv, few patches": lambda: Conv2d(40, 64, 7, padding=3, rng=0),
    "max": lambda: MaxPool2d(3, stride=2),
    "average": lambda: AvgPool2d(3, stride=2, padding=1, ceil_mode=True),
    "subsampling": lambda: Subsampling2d(16, rng=0),
    "across": lambda: LocalResponseNorm(5, alpha=1.0),
    "within": lambda: LocalResponseNorm(3, alpha=1.0, region="within"),
    "relu": ReLU,
    "sigmoid": Sigmoid,
    "linear": lambda: Linear(40_000, 3, rng=0),
    "linear, small": lambda: Linear(400, 120, rng=0),
    "linear, few images": lambda: Linear(4000, 300, rng=0),
    "linear, one image": lambda: Linear(40_000, 200, rng=0),
}


@pytest.mark.parametrize("name", LAYERS)
def test_the_number_of_threads_changes_no_bit(name):
    # Large enough to be cut into parts: 9 images of 41x40x16 are 236,160 numbers.
    shapes = {"linear": (9, 40_000), "linear, one image": (1, 40_000), "conv without patches": (9, 41, 40, 4)}
    shapes |= {
        "linear, small": (64, 400),
        "linear, few images": (9, 4000),
        "conv abreast": (70, 28, 28, 1),
        "conv, few patches": (1, 13, 13, 40),
    }
    shape = shapes.get(name, (9, 41, 40, 16))
    x = distinct(shape, np.random.default_rng(0), np.float32)
    results = []
    for number in (1, 2, 5):
        threads.set_num_threads(number)
        layer = randomise(LAYERS[name](), np.random.default_rng(1))
        y = layer.forward(x, training=True)
        dy = np.random.default_rng(2).normal(size=y.shape).astype(np.float32)
        results.append([y, layer.backward(dy), *layer.grads.values()])
    for other in results[1:]:
        for array, same in zip(results[0], other, strict=True):
            assert np.array_equal(array, same)

    # And each image's output is what it is when the image is alone (matrix products may round differently).
    alone = np.concatenate([layer.forward(x[n : n + 1]) for n in range(len(x))])
    np.testing.assert_allclose(alone, results[0][0], rtol=0, atol=1e-5 * np.abs(alone).max())


@pytest.mark.parametrize("number", [0, -1, 1.5, "two"])
def test_bad_numbers(number):
    with one_sentence((ValueError, TypeError), "threads", number):
        threads.set_num_threads(number)


@pytest.mark.parametrize("wish, number", [("3", 3), ("", None)])
def test_the_environment_decides_the_number(wish, number, monkeypatch):
    monkeypatch.setenv("NUM_THREADS", wish)
    monkeypatch.setattr(threads, "_number", None)
    assert threads.num_threads() == number or (number is None and 1 <= threads.num_threads() <= os.cpu_count())


@pytest.mark.parametrize("wish", ["0", "-2", "many", "1.5", " "])
def test_bad_numbers_in_the_environment(wish, monkeypatch):
    monkeypatch.setenv("NUM_THREADS", wish)
    monkeypatch.setattr(threads, "_number", None)
    with one_sentence(ValueError, "NUM_THREADS", repr(wish), "at least 1"):
        threads.num_threads()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not bind threads to cores")
def test_who_binds_a_thread_to_a_core_during_a_pass_is_obeyed():
    threads.set_num_threads(2)
    main, everything = threading.get_native_id(), os.sched_getaffinity(0)

    def work(part):
        if part == 5:
            os.sched_setaffinity(main, {min(everything)})
        time.sleep(0.001)

    try:
        pool.run_parallel(work, range(10))
        assert os.sched_getaffinity(0) == {min(everything)}
        pool.run_parallel(work, range(3))
        assert os.sched_getaffinity(0) == {min(everything)}
    finally:
        os.sched_setaffinity(0, everything)


@pytest.mark.parametrize(
    "text, number", [("max 100000\n", None), ("150000 100000\n", 1), ("50000 100000\n", 1), ("99900000 100000\n", None)]
)
def test_a_container_with_less_time_gets_fewer_threads(text, number, tmp_path, monkeypatch):
    monkeypatch.setattr(threads, "QUOTA", tmp_path / "cpu.max")
    everything = threads.available_cores()  # where there is no such file
    threads.QUOTA.write_text(text)
    assert threads.available_cores() == (number or everything)
