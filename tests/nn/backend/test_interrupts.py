"""Ctrl-C at any moment: nothing hangs, no worker goes on, and everything is as it was.

CPython looks for signals after calls, at the start of a function and at jumps backwards. The first tests raise
KeyboardInterrupt at each of these points in turn, in all that shares out work; the last sends real signals.
"""

import copy
import dis
import faulthandler
import os
import signal
import sys
import threading
import time
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from nn.backend.runtime import blas, pool, tasks, threads
from tests import storm
from tests.nn.backend.test_blas import BLAS, numbers
from tests.nn.backend.test_sharing import SIZE, count

RUNTIME = "nn/backend/runtime/"
SHARING = (*(RUNTIME + name for name in ("pool.py", "blas.py", "threads.py", "tasks.py")), "threadpoolctl.py")


@pytest.fixture(autouse=True)
def two_threads():
    before = threads.num_threads()
    threads.set_num_threads(2)
    faulthandler.dump_traceback_later(240, exit=True)  # a test that hangs says where
    yield
    faulthandler.cancel_dump_traceback_later()
    threads.set_num_threads(before)


@cache
def instructions(code) -> dict[int, str]:
    return {instruction.offset: instruction.opname for instruction in dis.get_instructions(code)}


def looks_for_signals(name: str) -> bool:
    return name.startswith(("CALL", "RESUME", "JUMP_BACKWARD", "JUMP_ABSOLUTE", "POP_JUMP_BACKWARD"))


class Interrupt:
    """`with Interrupt(number):` raises KeyboardInterrupt at the point of that number; `.points` counts them."""

    def __init__(self, number: int) -> None:
        self.number, self.points, self.last = number, 0, {}
        self.where = None

    def __enter__(self):
        self.before = sys.gettrace()
        sys._getframe().f_trace_opcodes = True  # Python 3.12 reports instructions only if a frame asks by now
        sys.settrace(self.trace)
        return self

    def __exit__(self, *error):
        sys.settrace(self.before)

    def trace(self, frame, event, _):
        if not frame.f_code.co_filename.replace(os.sep, "/").endswith(SHARING):
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            before = self.last.get(frame)
            self.last[frame] = instructions(frame.f_code)[frame.f_lasti]
            if before is None or looks_for_signals(before):
                self.points += 1
                if self.points == self.number:
                    self.where = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
                    self.last.clear()
                    raise KeyboardInterrupt
        return self.trace


class Work:
    """Parts of which a worker has one under way when the calling thread has nothing left to do."""

    def __init__(self) -> None:
        self.caller = threading.get_ident()
        self.begun, self.ended = 0, 0  # by workers

    def __call__(self, part: int) -> None:
        if threading.get_ident() == self.caller:
            time.sleep(0.002)
        else:  # there is one
            self.begun += 1
            time.sleep(0.015)
            self.ended += 1


def interrupt_everywhere(do, check) -> int:
    """Interrupt `do(...)` at each of its points; `check` what it leaves. The number of points."""
    number = interrupted = 0
    while True:
        number += 1
        before = numbers()
        with Interrupt(number) as interrupt:
            try:
                do()
            except KeyboardInterrupt:
                interrupted += 1
        if interrupt.where is None:
            return interrupted
        assert numbers() == before, f"BLAS has another number of threads after {interrupt.where}"
        assert not blas._blas._users, f"BLAS is held after {interrupt.where}"
        check(interrupt.where)


def test_at_every_point_of_run_parallel():
    work = Work()
    pool.run_parallel(work, range(6))

    def check(where):
        assert work.begun == work.ended, f"a worker is at work after {where}"
        assert sys.platform != "linux" or os.sched_getaffinity(0) == cores

    cores = os.sched_getaffinity(0) if sys.platform == "linux" else None
    assert interrupt_everywhere(lambda: pool.run_parallel(work, range(3)), check) > 40
    done = []
    pool.run_parallel(done.append, range(50))
    assert sorted(done) == list(range(50))


def test_at_every_point_of_run_parallel_when_threads_must_be_started(monkeypatch):
    work = Work()

    def anew():
        monkeypatch.setattr(pool._pool, "_queue", None)
        pool.run_parallel(work, range(3))

    def check(where):
        assert work.begun == work.ended, f"a worker is at work after {where}"
        done = []
        pool.run_parallel(done.append, range(9))
        assert sorted(done) == list(range(9))

    assert interrupt_everywhere(anew, check) > 60
    monkeypatch.undo()


def test_at_every_point_of_a_compiled_loop_that_is_shared_out():
    counts = np.zeros((8, 3), np.int64)
    count(pool.in_parts(8, SIZE), counts, 10)

    def work():
        while tasks.slot[tasks.SPINNING]:  # so that a worker must be woken
            time.sleep(0.001)
        count(pool.in_parts(8, SIZE), counts, 1000)

    def check(where):
        before = counts.copy()
        time.sleep(0.001)
        assert np.array_equal(before, counts), f"a worker is at work after {where}"
        again = np.zeros((8, 3), np.int64)
        count(pool.in_parts(8, SIZE), again, 10)
        assert np.all(again[:, 0] == 1)

    assert interrupt_everywhere(work, check) > 8


def test_at_every_point_of_the_hold_of_blas():
    if not BLAS:
        pytest.skip("NumPy's BLAS cannot be told how many threads to use.")

    def check(where):
        assert blas.single_threaded_blas(numbers)() == [1] * len(BLAS), where

    assert interrupt_everywhere(blas.single_threaded_blas(lambda: None), check) > 10


def test_a_second_interrupt_while_waiting_for_a_worker():
    """Whoever presses Ctrl-C once more is not heard sooner, and nothing hangs."""
    shared = pool._Job(lambda part: None, [])

    class Lock:
        """Interrupts whoever acquires it: twice before, then when the lock is theirs already."""

        def __init__(self, lock):
            self.lock, self.calls = lock, 0

        def acquire(self):
            self.calls += 1
            if self.calls > 2:
                assert self.lock.acquire(timeout=10), "waits for a lock that nobody releases any more"
            raise KeyboardInterrupt

        def release(self):
            self.lock.release()

    shared._left = Lock(shared._left)
    shared._at_work = 1

    def leave():
        time.sleep(0.05)
        with shared._lock:
            shared._at_work -= 1
            shared._left.release()

    worker = threading.Thread(target=leave)
    worker.start()
    with pytest.raises(KeyboardInterrupt):
        shared.close()
    assert shared._at_work == 0
    worker.join()


@pytest.mark.skipif(os.name != "posix", reason="Windows cannot send a signal to a thread")
def test_five_hundred_real_ones():
    assert storm.run(500) == storm.KEPT


@pytest.mark.skipif(os.name != "posix", reason="there is no such timer on Windows")
def test_a_signal_handler_that_runs_a_network_in_the_middle_of_anothers_pass():
    import models

    images = np.random.default_rng(0).random((16, 28, 28, 1), np.float32)
    network = models.alexnet_small(10, (28, 28, 1), width=0.2, rng=0)
    other = models.alexnet_small(10, (28, 28, 1), width=0.2, rng=1)

    def step():
        for name in ("dropout6", "dropout7"):
            network.layers[name].rng = np.random.default_rng(1)
        y = network.forward(images, training=True)
        network.backward(y)
        return [y, *map(np.copy, network.grads.values())]

    expected, answer = step(), other.predict(images[:5])
    mine = network.predict(images[:5])
    right, answers = [], 0

    def handle(*_):
        nonlocal answers
        answers += 1
        right.append(np.array_equal(other.predict(images[:5]), answer))
        right.append(np.array_equal(network.predict(images[:5]), mine))  # of the very network that is being trained

    before = signal.signal(signal.SIGALRM, handle)
    try:
        end = time.perf_counter() + 60
        moments = np.random.default_rng(2)
        while answers < 60 and time.perf_counter() < end:
            signal.setitimer(signal.ITIMER_REAL, moments.uniform(0.0001, 0.01))
            assert all(np.array_equal(*pair) for pair in zip(step(), expected, strict=True))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert answers >= 60 and all(right)


def test_two_training_passes_of_one_network_at_once_are_refused():
    """Whether a signal handler begins the second or another thread does."""
    import models
    from layers import Flatten

    class Meanwhile(Flatten):
        """Does something in the middle of a pass."""

        def forward(self, x, training=False, out=None):
            then()
            return super().forward(x, training)

        def backward(self, dy, input_gradient=True, out=None):
            then_backwards()
            return super().backward(dy, input_gradient)

    def nothing():
        pass

    then = then_backwards = nothing
    network = models.lenet(rng=0)
    layers = [(name, Meanwhile() if isinstance(layer, Flatten) else layer) for name, layer in network.layers.items()]
    network = type(network)(layers)
    images = np.zeros((2, 28, 28, 1), np.float32)
    dy = np.ones((2, 10), np.float32)

    def another():
        nonlocal then
        then = nothing
        network.forward(images, training=True)

    then = another
    with pytest.raises(RuntimeError, match="another training pass began"):
        network.forward(images, training=True)
    network.forward(images, training=True)
    then_backwards = another
    with pytest.raises(RuntimeError, match="another training pass began"):
        network.backward(dy)
    then_backwards = nothing
    network.forward(images, training=True)
    network.backward(dy)
    assert copy.deepcopy(network)._training_pass is None
