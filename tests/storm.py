"""Real interrupts (SIGINT), hundreds a second, hit the training steps of two networks.

    python -m tests.storm 500

It prints KEPT if every interrupt came out as KeyboardInterrupt, every step that ended and those after the storm have
the bits of an undisturbed one, and the threads of BLAS and the cores of the calling thread are as they were. Not on
Windows, which cannot send a signal to a thread.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

import models
from nn import Network, SoftmaxCrossEntropy
from nn.backend.runtime import blas, threads

KEPT = "kept"


def step(network: Network, images: np.ndarray, labels: np.ndarray) -> list:
    """The loss and the gradients; dropout draws the same mask each time."""
    for layer in network.layers.values():
        if hasattr(layer, "mask"):
            layer.rng = np.random.default_rng(1)
    loss = SoftmaxCrossEntropy()
    value = loss.forward(network.forward(images, training=True), labels)
    network.backward(loss.backward())
    return [value, *(gradient.tobytes() for gradient in network.grads.values())]


def state() -> tuple:
    """What an interrupt must leave as it was."""
    numbers = [library.get_num_threads() for library in blas.blas_libraries()]
    return numbers, os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None


def main(wanted: int) -> str:
    threads.set_num_threads(2)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # even where the program runs in the background
    rng = np.random.default_rng(0)
    images, labels = rng.random((16, 28, 28, 1), np.float32), rng.integers(0, 10, 16)
    networks = [models.lenet(rng=0), models.alexnet_small(10, (28, 28, 1), width=0.1, rng=0)]
    expected = [step(network, images, labels) for network in networks]
    before, begun, stop = state(), threading.Event(), threading.Event()

    def interrupt() -> None:
        """Moments from nothing to a bit more than a step; every fifth time twice."""
        moments = np.random.default_rng(2)
        begun.wait()
        while not stop.is_set():
            time.sleep(moments.uniform(0, 0.006))
            for _ in range(1 + (moments.random() < 0.2)):
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    storm = threading.Thread(target=interrupt, daemon=True)
    storm.start()  # in peace: an interrupt within it may leave it neither alive nor to be started again
    turn = caught = wrong = finished = 0
    while caught < wanted:
        try:
            begun.set()
            turn += 1
            wrong += step(networks[turn % 2], images, labels) != expected[turn % 2]
            finished += 1
        except KeyboardInterrupt:
            caught += 1
    while storm.is_alive():
        try:
            stop.set()
            storm.join()
        except KeyboardInterrupt:
            pass
    wrong += sum(step(network, images, labels) != right for network, right in zip(networks, expected, strict=True))
    if wrong or not finished or state() != before:
        return f"{caught:,} interrupts, {finished:,} steps ended, {wrong} wrong; {before} before, {state()} after"
    return KEPT


def run(wanted: int) -> str:
    """The same in a process of its own; what it says, or what went wrong."""
    program = [sys.executable, "-X", "faulthandler", "-m", "tests.storm", str(wanted)]
    root = Path(__file__).parents[1]
    done = subprocess.run(program, cwd=root, capture_output=True, text=True, timeout=60 + wanted // 10)
    return done.stdout.strip() or done.stderr


if __name__ == "__main__":
    print(main(int(sys.argv[1])))
