"""What many tests need: error bounds that are derived, inputs without ties, and what a good error message is."""

import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from nn.backend.runtime.pool import run_parallel


def sum_bound(terms, magnitude, dtype):
    """The rounding error of adding `terms` products in any order: at most gamma * (sum of their absolute values), with
    gamma = n u / (1 - n u), u half the machine epsilon (Higham, Accuracy and Stability, section 3.1). `magnitude` is
    that sum of absolute values: the same oracle, run on absolute values."""
    steps = (terms + 2) * np.finfo(dtype).eps / 2  # each product and the last store round once more
    return steps / (1 - steps) * magnitude


def assert_close(actual, expected, bound):
    """Every |actual - expected| <= its bound (a number or an array), and the shapes are equal."""
    assert actual.shape == expected.shape
    difference = np.abs(np.asarray(actual, dtype=np.float64) - expected)
    excess = difference - bound
    worst = np.unravel_index(np.argmax(excess), excess.shape)
    assert np.all(difference <= bound), (
        f"at {tuple(int(i) for i in worst)}: got {actual[worst]!r}, expected {expected[worst]!r}, difference "
        f"{difference[worst]:.3g}, allowed {np.broadcast_to(bound, difference.shape)[worst]:.3g}"
    )


def distinct(shape, rng, dtype=np.float64):
    """Distinct values around zero, at least 0.01 apart and none within 0.005 of it: no ties and no kinks, however the
    checks step. In random order."""
    count = int(np.prod(shape))
    values = (np.arange(count) - count // 2 + 0.5) * max(0.01, 2.0 / count)
    return rng.permutation(values).reshape(shape).astype(dtype)


def randomise(layer_or_network, rng, scale=0.5):
    """Fill every parameter with random numbers, biases too, so that no test passes because something is zero."""
    for parameter in layer_or_network.params.values():
        parameter[...] = rng.normal(0, scale, parameter.shape)
    return layer_or_network


@contextmanager
def one_sentence(kind, *words):
    """The block must raise `kind` with a one-line message that contains each of `words`: the layer's name, what it
    expected, what it got. A number must stand by itself ("3" is not found in "13")."""
    with pytest.raises(kind) as caught:
        yield caught
    message = str(caught.value)
    assert message.strip(), "the message is empty"
    assert "\n" not in message, f"more than one line: {message!r}"
    assert not re.search(r"[.!?]\s+[A-Z]", message), f"more than one sentence: {message!r}"
    for word in words:
        found = re.search(rf"(?<!\d){re.escape(str(word))}(?!\d)", message)
        assert found, f"{word!r} is missing from the message: {message!r}"


@contextmanager
def interrupted_starts(monkeypatch) -> Iterator[list[subprocess.Popen]]:
    """Ctrl-C comes to this program as soon as it has started a process, before `subprocess` returns it. The processes;
    those that are left running are ended afterwards."""
    running = []

    class Popen(subprocess.Popen):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            running.append(self)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(subprocess, "Popen", Popen)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # even where the tests run in the background
    try:
        yield running
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
        for process in running:
            process.kill()
            process.__exit__(None, None, None)  # which closes its pipes and waits for it


def interrupt_while_waiting(finished: threading.Event) -> None:
    """Let Ctrl-C reach the main thread when its own part of the work is done and a worker's, after which `finished` is
    set, is not. On two threads."""
    helping, waiting = threading.Event(), threading.Event()

    def work(part):
        if threading.current_thread() is threading.main_thread():
            helping.wait(10)
            waiting.set()
        else:
            helping.set()
            waiting.wait(10)
            time.sleep(0.1)  # by now the main thread has nothing left to do but wait for this one
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            time.sleep(0.1)
            finished.set()

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # even where the tests run in the background
    try:
        with pytest.raises(KeyboardInterrupt):
            run_parallel(work, range(2))
    finally:
        signal.signal(signal.SIGINT, before)
