"""Compiled loops on all threads: every unit once, whoever comes late or calls at once, and errors come through."""

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from nn.backend.runtime import pool, tasks, threads
from nn.backend.runtime.jit import compiled_loop
from nn.backend.runtime.tasks import share_out

pytestmark = pytest.mark.skipif(not tasks.USABLE, reason="nothing is shared out where nothing is compiled")
SIZE = 1 << 20  # of work that is worth waking threads for


@compiled_loop
def count(part, counts, rounds):
    """Add 1 to each unit, after some arithmetic that takes a while; leave in counts[:, 1] how long the part was."""
    if share_out(part):
        return
    for n in range(part[0], part[1]):
        waste = counts[n, 2]
        for _ in range(rounds):
            waste = (waste * 1103515245 + 12345) % 2147483648
        counts[n, 0] += 1
        counts[n, 1] = part[1] - part[0]
        counts[n, 2] = waste


@compiled_loop
def fail(part, counts):
    if share_out(part):
        return
    for n in range(part[0], part[1]):
        if n == 5:
            raise ValueError("unit 5 went wrong")
        counts[n, 0] += 1


def wait_until(condition):
    end = time.perf_counter() + 30
    while not condition():
        assert time.perf_counter() < end
        time.sleep(0.001)


@pytest.fixture(autouse=True)
def restore_number_of_threads():
    before = threads.num_threads()
    yield
    threads.set_num_threads(before)


@pytest.mark.parametrize("number", [1, 2, 5])
@pytest.mark.parametrize("units", [0, 1, 2, 37, 1000])
def test_every_unit_is_seen_to_exactly_once(units, number):
    threads.set_num_threads(number)
    for _ in range(50):
        counts = np.zeros((units, 3), np.int64)
        count(pool.in_parts(units, SIZE), counts, 10)
        assert np.all(counts[:, 0] == 1)


@pytest.fixture
def tireless(monkeypatch):
    """Two threads, one of which spins for work and never gives up."""
    threads.set_num_threads(2)
    monkeypatch.setattr(pool._pool, "spins", 1 << 40)
    pool.run_parallel(lambda part: time.sleep(0.001), range(8))  # woken, to spin for as long as it takes
    wait_until(lambda: pool.in_parts(8, SIZE) and tasks.slot[tasks.SPINNING] >= 1)
    yield
    monkeypatch.undo()
    pool.run_parallel(lambda part: time.sleep(0.001), range(8))
    wait_until(lambda: tasks.slot[tasks.SPINNING] == 0)


def test_the_parts_are_as_many_as_the_work_is_worth(tireless):
    counts = np.zeros((64, 3), np.int64)
    for size, longest in ((SIZE, 8), (3 * pool.PART_SIZE, 22), (pool.PART_SIZE, 64)):
        count(pool.in_parts(64, size), counts, 0)
        assert counts[:, 1].max() == longest


def test_a_worker_takes_its_share():
    threads.set_num_threads(2)

    def helped():
        count(pool.in_parts(8, SIZE), np.zeros((8, 3), np.int64), 20_000)
        return tasks.slot[tasks.FROM_BACK] > 0

    wait_until(helped)


def test_a_worker_sleeps_when_there_is_nothing_to_do_and_wakes_for_large_work_only(monkeypatch):
    threads.set_num_threads(2)
    pool.in_parts(8, SIZE)
    wait_until(lambda: tasks.slot[tasks.SPINNING] == 0)
    woken = []
    with monkeypatch.context() as patch:
        patch.setattr(pool._pool, "wake", woken.append)
        pool.in_parts(8, pool.WAKING_SIZE - 1)
    assert not any(woken)
    wait_until(lambda: pool.in_parts(8, SIZE) and tasks.slot[tasks.SPINNING] >= 1)


def test_a_worker_that_spins_is_woken_to_do_other_work(tireless):
    both = threading.Barrier(2, timeout=30)
    pool.run_parallel(lambda part: both.wait(), range(2))  # passes when two threads are there at once


def test_a_lower_number_of_threads_holds_at_once():
    threads.set_num_threads(3)
    wait_until(lambda: pool.in_parts(8, SIZE) and tasks.slot[tasks.SPINNING] >= 2)
    threads.set_num_threads(1)
    tasks.slot[tasks.FROM_BACK] = 0
    for _ in range(100):
        count(pool.in_parts(8, SIZE), np.zeros((8, 3), np.int64), 1000)
    assert tasks.slot[tasks.FROM_BACK] == 0


@pytest.mark.parametrize("number", [1, 2])
def test_an_error_in_any_part_is_raised(number):
    threads.set_num_threads(number)
    for _ in range(50):
        with pytest.raises(ValueError, match="unit 5 went wrong"):
            fail(pool.in_parts(8, SIZE), np.zeros((8, 3), np.int64))
    counts = np.zeros((8, 3), np.int64)
    count(pool.in_parts(8, SIZE), counts, 0)  # and it still works afterwards
    assert np.all(counts[:, 0] == 1)


def test_several_threads_may_share_out_work_at_once():
    threads.set_num_threads(2)
    wrong = []

    def work():
        for _ in range(300):
            counts = np.zeros((40, 3), np.int64)
            count(pool.in_parts(40, SIZE), counts, 50)
            if np.any(counts[:, 0] != 1):
                wrong.append(counts)

    callers = [threading.Thread(target=work) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong


def test_work_inside_a_part_of_run_parallel():
    threads.set_num_threads(2)
    counts = np.zeros((6, 40, 3), np.int64)
    for _ in range(50):
        pool.run_parallel(lambda part: count(pool.in_parts(40, SIZE), counts[part], 10), range(6))
    assert np.all(counts[..., 0] == 50)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no fork, or it is not safe beside threads")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_shares_its_work_among_threads_of_its_own():
    threads.set_num_threads(2)
    count(pool.in_parts(8, SIZE), np.zeros((8, 3), np.int64), 10)
    tasks.slot[[tasks.BUSY, tasks.INSIDE]] = 1  # as if another thread were in the midst of it
    child = os.fork()
    if child == 0:  # no test any more: whatever happens, nothing of pytest's may run here
        try:
            counts = np.zeros((8, 3), np.int64)
            helped = 0
            while not helped:
                count(pool.in_parts(8, SIZE), counts, 20_000)
                helped = tasks.slot[tasks.FROM_BACK]
            os._exit(0 if np.ptp(counts[:, 0]) == 0 else 2)
        finally:
            os._exit(1)
    tasks.slot[[tasks.BUSY, tasks.INSIDE]] = 0
    end = time.perf_counter() + 30
    while (done := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.perf_counter() < end:
        time.sleep(0.01)
    assert done[0] == child, "the child waits for threads that it does not have"
    assert os.waitstatus_to_exitcode(done[1]) == 0


def test_no_worker_spins_when_the_process_ends():
    """Else a thread would read the job slot when its memory is somebody else's already."""
    program = """if True:
        import atexit
        from nn.backend.runtime import pool, tasks, threads

        def check():
            assert spun and tasks.slot[tasks.SPINNING] == 0
            print("nobody")

        atexit.register(check)  # called last: later ones come first
        threads.set_num_threads(3)
        pool._pool.spins = 1 << 40
        spun = False
        while not spun:
            pool.in_parts(8, 1 << 20)
            spun = tasks.slot[tasks.SPINNING] == 2
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout == "nobody\n" and done.stderr == ""
