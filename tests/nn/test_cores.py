"""Threads that have rested are kept on cores of their own for a moment, and then given all of them back."""

import os
import threading

import pytest

from nn import cores, threads
from tests.checks import interrupt_while_waiting

pytestmark = pytest.mark.skipif(
    cores._current_core is None or len(os.sched_getaffinity(0)) < 2, reason="needs Linux and two cores"
)


@pytest.fixture
def two_threads():
    before = threads.num_threads()
    threads.set_num_threads(2)
    yield
    threads.set_num_threads(before)


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test sets."""
    now = [1000.0]
    monkeypatch.setattr(cores.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(cores, "_rest_began", -1e9)
    monkeypatch.setattr(cores, "_work_began", -1e9)
    return now


def allowed():
    """The cores of the calling thread and of the helping ones."""
    return os.sched_getaffinity(0), [os.sched_getaffinity(helper) for helper in threads._helpers]


def seen_at_work():
    """What `allowed` is inside a part that the calling thread does."""
    seen, main = [], threading.get_native_id()

    def work(part):
        if threading.get_native_id() == main:
            seen.append(allowed())

    while not seen:
        threads.run_parallel(work, range(20))
    return seen[0]


@pytest.mark.parametrize(
    "text, number", [("max 100000\n", None), ("150000 100000\n", 1), ("50000 100000\n", 1), ("99900000 100000\n", None)]
)
def test_a_container_with_less_time_gets_fewer_threads(text, number, tmp_path, monkeypatch):
    monkeypatch.setattr(cores, "QUOTA", tmp_path / "cpu.max")
    everything = len(os.sched_getaffinity(0))
    assert cores.available() == everything, "where there is no such file"
    cores.QUOTA.write_text(text)
    assert cores.available() == (number or everything)


def test_after_a_rest_each_has_its_own_for_a_tenth_of_a_second(two_threads, clock):
    everything = os.sched_getaffinity(0)
    mine, helpers = seen_at_work()
    assert len(mine) == 1 and helpers
    assert all(theirs == everything - mine for theirs in helpers)
    assert allowed()[0] == everything, "the calling thread is not bound when the work is done"

    clock[0] += cores.REST / 2  # no rest; the tenth of a second is not over
    assert len(seen_at_work()[0]) == 1
    for _ in range(30):
        clock[0] += cores.REST / 2
        mine, helpers = seen_at_work()
    assert mine == everything and all(theirs == everything for theirs in helpers)

    clock[0] += 2 * cores.REST
    assert len(seen_at_work()[0]) == 1


def test_an_error_in_the_work_binds_nobody(two_threads, clock):
    everything = os.sched_getaffinity(0)

    def work(part):
        raise ValueError("went wrong")

    with pytest.raises(ValueError, match="went wrong"):
        threads.run_parallel(work, range(4))
    assert allowed()[0] == everything


def test_an_interrupt_while_waiting_for_the_helpers_binds_nobody(two_threads, clock):
    everything = os.sched_getaffinity(0)
    interrupt_while_waiting(threading.Event())
    assert os.sched_getaffinity(0) == everything


def test_a_thread_that_may_use_one_core_stays_as_it_is(two_threads, clock):
    everything = os.sched_getaffinity(0)
    core = {min(everything)}
    os.sched_setaffinity(0, core)
    try:
        assert seen_at_work()[0] == core
        assert os.sched_getaffinity(0) == core
    finally:
        os.sched_setaffinity(0, everything)


def test_a_system_that_cannot_tell_is_left_alone(two_threads, clock, monkeypatch):
    monkeypatch.setattr(cores, "_current_core", None)
    before = allowed()
    assert seen_at_work()[0] == before[0]
    assert allowed() == before
