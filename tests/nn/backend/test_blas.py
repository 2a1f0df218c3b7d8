"""BLAS has one thread while a network computes, in whichever Python thread, and as many as before afterwards."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController

from nn.backend.runtime import blas, threads
from nn.backend.runtime.blas import single_threaded_blas
from nn.backend.runtime.pool import run_parallel

ROOT = Path(__file__).parents[3]
BLAS = [library for library in ThreadpoolController().lib_controllers if library.user_api == "blas"]


def numbers():
    return [library.get_num_threads() for library in BLAS]


def set_numbers(wanted):
    for library, number in zip(BLAS, wanted, strict=True):
        getattr(library, "clear_controlling_thread", lambda force: None)(force=True)
        library.set_num_threads(number)


@pytest.fixture(autouse=True)
def two_threads_of_blas():
    """Two, even where there is one core or the environment says one: else nothing could be seen."""
    before = numbers()
    set_numbers([2] * len(BLAS))
    if not BLAS or numbers() != [2] * len(BLAS):
        pytest.skip("NumPy's BLAS cannot be told how many threads to use.")
    yield
    assert numbers() == [2] * len(BLAS), "after the last user the number is as before"
    set_numbers(before)


@single_threaded_blas
def inside(then=numbers):
    return then()


def in_a_new_thread(function):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result(60)


def test_in_the_first_thread_and_in_a_second_one():
    assert inside() == [1] * len(BLAS)
    for _ in range(3):  # each a thread of its own
        assert in_a_new_thread(inside) == [1] * len(BLAS)
        assert numbers() == [2] * len(BLAS)
    assert inside() == [1] * len(BLAS)


def test_in_the_parts_of_run_parallel_called_by_a_second_thread():
    seen = []
    in_a_new_thread(lambda: run_parallel(lambda part: seen.append(numbers()), range(8)))
    assert seen == [[1] * len(BLAS)] * 8


@pytest.mark.parametrize("first_to_leave", ["the first to come", "the last to come"])
def test_users_in_two_threads_that_overlap(first_to_leave):
    """Whoever leaves last restores the number, though another thread was the first to set it."""
    came, go = [threading.Event(), threading.Event()], [threading.Event(), threading.Event()]

    @single_threaded_blas
    def use(number):
        came[number].set()
        go[number].wait(60)
        return numbers()

    with ThreadPoolExecutor(2) as pool:
        users = []
        for number in (0, 1):
            users.append(pool.submit(use, number))
            came[number].wait(60)
        for number in (0, 1) if first_to_leave == "the first to come" else (1, 0):
            go[number].set()
            assert users[number].result(60) == [1] * len(BLAS)
    assert numbers() == [2] * len(BLAS)


def test_one_user_inside_another():
    assert inside(lambda: (inside(), numbers())) == ([1] * len(BLAS), [1] * len(BLAS))


def test_after_an_error():
    def fail():
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        inside(fail)
    assert numbers() == [2] * len(BLAS)
    with pytest.raises(ValueError, match="wrong"):
        in_a_new_thread(lambda: inside(fail))
    with pytest.raises(ValueError, match="wrong"):
        run_parallel(lambda part: fail(), range(4))


def test_many_threads_that_come_and_go():
    wrong = []

    def use():
        for _ in range(300):
            if inside() != [1] * len(BLAS):
                wrong.append(threading.current_thread())

    users = [threading.Thread(target=use) for _ in range(4)]
    for user in users:
        user.start()
    for user in users:
        user.join()
    assert not wrong


def steps_until(point: int) -> int:
    """Hold BLAS, and in the middle of it once more, at the step of that number. The number of steps up to there."""
    points = 0

    def trace(frame, event, _):
        nonlocal points
        if not frame.f_code.co_filename.endswith("blas.py"):
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            points += 1
            if points == point:
                seen.append(inside())
        return trace  # meanwhile Python traces nothing

    seen = []
    before = sys.gettrace()
    sys._getframe().f_trace_opcodes = True  # Python 3.12 reports instructions only if a frame asks by now
    sys.settrace(trace)
    try:
        seen.append(inside())
    finally:
        sys.settrace(before)
    assert seen == [[1] * len(BLAS)] * len(seen), point
    return points


@pytest.mark.parametrize("number", [1, 2])
def test_a_user_who_comes_in_between_any_two_steps(number):
    """A signal handler runs a network while BLAS's number is being set, or restored, in the same thread."""
    before = threads.num_threads()
    threads.set_num_threads(number)
    try:
        point = points = 0
        while point <= points:
            point, points = point + 1, steps_until(point)
            assert numbers() == [2] * len(BLAS) and not blas._blas._users, point
        assert points > 50
    finally:
        threads.set_num_threads(before)


PREDICTIONS = """
import threading
import numpy as np
import models
from nn.data import digits

images = digits()[1].images[:96].reshape(8, 12, 28, 28, 1)
for network in (models.lenet(rng=0), models.alexnet_small(10, (28, 28, 1), rng=0)):
    expected = [network.predict(batch).tobytes() for batch in images]
    same = []
    for number in range(8):
        ask = lambda: same.append(network.predict(images[number]).tobytes() == expected[number])
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
    print(sum(same))
"""


@pytest.mark.parametrize("kernels", [None, "Haswell"])
def test_predictions_of_other_threads_have_the_bits_of_the_first(kernels):
    """With the machine's own BLAS kernels, and with those of a processor with AVX2 (as OpenBLAS calls them)."""
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
    if kernels:
        if not any("openblas" in library.internal_api for library in BLAS):
            pytest.skip("NumPy's BLAS is not OpenBLAS.")
        environment["OPENBLAS_CORETYPE"] = kernels
    done = subprocess.run(
        [sys.executable, "-c", PREDICTIONS], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.stdout.split() == ["8", "8"], done.stderr


def test_a_training_step_of_another_thread_has_the_bits_of_the_first():
    import models

    def step():
        network = models.alexnet_small(10, (28, 28, 1), rng=0)
        y = network.forward(np.random.default_rng(0).random((16, 28, 28, 1), np.float32), training=True)
        network.backward(y)
        return [y, *network.grads.values()]

    for array, other in zip(step(), in_a_new_thread(step), strict=True):
        assert np.array_equal(array, other)
