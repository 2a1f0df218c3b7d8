"""Forks, the end of a process and modules that are imported again: right, whatever other threads are doing."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FORKS = pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere there is no fork, or it is not safe beside threads"
)


def run(program: str, *arguments: str, seconds: float = 120) -> str:
    """What a program prints; what went wrong instead, if something did."""
    command = [sys.executable, "-W", "ignore", "-X", "faulthandler", "-c", program, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds)
    return done.stdout if done.returncode == 0 and not done.stderr else f"{done.returncode}: {done.stderr}{done.stdout}"


FORK = """
import os, sys, signal, threading, time
import numpy as np
import models
from nn.backend.runtime import blas, pool, threads
from tests.nn.backend.test_blas import BLAS, numbers, set_numbers

callers, number = map(int, sys.argv[1:])
threads.set_num_threads(number)
set_numbers([2] * len(BLAS))
images = np.random.default_rng(0).random((8, 28, 28, 1), np.float32)
networks = [models.alexnet_small(10, (28, 28, 1), rng=0), models.lenet(rng=0)]
expected = [network.predict(images) for network in networks]
stop = threading.Event()

def work():
    while not stop.is_set():
        for network in networks:
            network.predict(images)

threads_at_work = [threading.Thread(target=work, daemon=True) for _ in range(callers)]
for thread in threads_at_work:
    thread.start()
outcomes = []
for turn in range(8):
    time.sleep(0.003 * turn)
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(20)  # a child that hangs ends
            right = numbers() == [2] * len(BLAS) and not blas._blas._users
            right &= all(np.array_equal(net.predict(images), y) for net, y in zip(networks, expected))
            right &= numbers() == [2] * len(BLAS)
            os._exit(0 if right else 3)
        finally:
            os._exit(4)
    outcomes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
stop.set()
for thread in threads_at_work:
    thread.join(20)
print(outcomes, numbers() == [2] * len(BLAS))
"""


@FORKS
@pytest.mark.parametrize(
    "number, callers",
    [(2, 3)] + [pytest.param(*case, marks=pytest.mark.slow) for case in ((1, 0), (1, 1), (1, 3), (2, 0), (2, 1))],
)
def test_forks_while_other_threads_are_inside_a_pass(callers, number):
    assert run(FORK, str(callers), str(number)) == "[0, 0, 0, 0, 0, 0, 0, 0] True\n"


@FORKS
def test_a_fork_in_the_middle_of_ones_own_pass():
    """In a part of run_parallel: the child still holds BLAS, and restores it when the pass has ended."""
    program = """
import os
import numpy as np
from nn.backend.runtime import blas, pool, threads
from tests.nn.backend.test_blas import BLAS, numbers, set_numbers

set_numbers([2] * len(BLAS))
threads.set_num_threads(1)
children = []

def work(part):
    if part == 1:
        children.append(os.fork())
    held.append(numbers() == [1] * len(BLAS))

held = []
pool.run_parallel(work, range(3))
right = all(held) and numbers() == [2] * len(BLAS)
if children[0] == 0:
    os._exit(0 if right else 3)
print(right, os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]))
"""
    assert run(program) == "True 0\n"


@pytest.mark.slow
def test_daemon_threads_that_train_when_the_process_ends():
    program = """
import threading, time
import numpy as np
import models

def work(seed):
    network = models.lenet(rng=seed)
    images = np.zeros((32, 28, 28, 1), np.float32)
    while True:
        network.backward(network.forward(images, training=True))
        begun.set()

begun = threading.Event()
for seed in range(3):
    threading.Thread(target=work, args=(seed,), daemon=True).start()
begun.wait(60)
time.sleep(0.05)
print("end")
"""
    for _ in range(2):
        assert run(program) == "end\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    "module", [*(f"backend.runtime.{n}" for n in ("tasks", "threads", "pool", "blas", "workspace", "jit")), "network"]
)
def test_a_module_that_is_reloaded_between_two_passes(module):
    program = f"""
import importlib
import numpy as np
import models, nn
import nn.{module}

images = np.random.default_rng(0).random((32, 28, 28, 1), np.float32)
network = models.lenet(rng=0)
before = network.forward(images)
for _ in range(3):
    importlib.reload(nn.{module})
    assert np.array_equal(network.forward(images), before)
    assert np.array_equal(models.lenet(rng=0).forward(images), before)
print("right")
"""
    assert run(program) == "right\n"


def test_everything_imported_again():
    program = """
import sys
import numpy as np

def answer():
    import models
    return models.lenet(rng=0).forward(np.random.default_rng(0).random((32, 28, 28, 1), np.float32))

before = answer()
for _ in range(2):
    for name in [name for name in sys.modules if name.split(".")[0] in ("nn", "layers", "models")]:
        del sys.modules[name]
    assert np.array_equal(answer(), before)
print("right")
"""
    assert run(program) == "right\n"
