"""Try for a long time to make the library lose work, break on bad input, forget memory or give other bits.

    python -m tests.reliability                   everything, about eight minutes on two cores
    python -m tests.reliability --only files      one part of it

Ends with a table: a line for each promise, how often it was tried and how often it was kept. The test suite does the
same, shorter.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

import models
from nn import SGD, Network
from nn.data import Dataset, digits
from nn.training import History, train
from tests import fuzz, invocations, storm

MOST_GROWTH = 0.02


@dataclass
class Line:
    """Of the table."""

    promise: str
    tried: int
    kept: int
    remark: str = ""

    def __str__(self) -> str:
        return f"{self.promise:<62} {self.tried:>7,} {self.kept:>7,}   {self.remark}"


# ------------------------------------------------------------------------------------------------- kills
# An epoch takes some tenths of a second and a checkpoint is written after every few steps, so that many kills hit a
# file being written. The AlexNet has all that a checkpoint must hold: dropout's generator and random changes.
TRAININGS = {
    "lenet": ["--model", "lenet", "--epochs", "6", "--batch-size", "8"],
    "alexnet": ["--model", "alexnet_small", "--width", "0.05", "--epochs", "4", "--batch-size", "25", "--image-size"]
    + ["32", "--augment", "crop,mirror", "--weight-decay", "0.001"],
}


def some_digits(folder: Path, count: int = 400) -> Path:
    train_set, _ = digits()
    path = folder / "digits.npz"
    pixels = np.rint(train_set.images[:count, ..., 0] * 255).astype(np.uint8)
    np.savez(path, images=pixels, labels=train_set.labels[:count])
    return path


def training(name: str, data: Path, out: Path, *more: str) -> list[str]:
    command = [sys.executable, "-m", "examples.train", *TRAININGS[name], "--data", str(data), "--out", str(out)]
    return [*command, "--save-every", "0.01", *more]


def whole_run(name: str, data: Path, out: Path) -> tuple[dict[str, bytes], float]:
    """What an undisturbed run leaves, and how many seconds it takes from its first checkpoint on."""
    process = subprocess.Popen(training(name, data, out), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    begun = first_checkpoint(process, out)
    process.communicate()
    if process.returncode:
        raise RuntimeError(f"training {name} undisturbed ended with status {process.returncode}")
    return results(out), time.monotonic() - begun


def first_checkpoint(process: subprocess.Popen, out: Path) -> float:
    """Wait until the run has one, or has ended; the time."""
    while not (out / "checkpoint.safetensors").is_file() and process.poll() is None:
        time.sleep(0.005)
    return time.monotonic()


def results(out: Path) -> dict[str, bytes]:
    """The bytes of the weights that a run leaves; what its log says of times differs from run to run."""
    return {name: (out / name).read_bytes() for name in ("last.safetensors", "best.safetensors")}


def kill_and_resume(name: str, data: Path, out: Path, seconds: float, expected: dict[str, bytes]) -> tuple[bool, str]:
    """Kill a run so many seconds after its first checkpoint, go on from there, and compare. Was anything being
    written?"""
    process = subprocess.Popen(training(name, data, out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    first_checkpoint(process, out)
    time.sleep(seconds)
    process.kill()  # SIGKILL; on Windows TerminateProcess
    process.wait()
    if (out / "last.safetensors").is_file():
        return results(out) == expected, "ended"
    writing = "writing" if list(out.glob(".*.partial")) else "computing"
    done = subprocess.run(training(name, data, out, "--resume"), capture_output=True, text=True)
    left = list(out.glob(".*.partial"))
    same = done.returncode == 0 and not left and results(out) == expected
    return same, writing if same else f"status {done.returncode}, {left} left: {done.stderr}"


@dataclass
class Alone:
    """What each training leaves when nothing disturbs it, and the seconds it takes from its first checkpoint on."""

    folder: Path
    data: Path
    expected: dict[str, dict[str, bytes]]
    seconds: dict[str, float]


def alone(folder: Path) -> Alone:
    data = some_digits(folder)
    found = {name: whole_run(name, data, folder / f"{name} alone") for name in TRAININGS}
    return Alone(folder, data, *({name: pair[n] for name, pair in found.items()} for n in (0, 1)))


def kills(count: int, runs: Alone, seed: int = 0, workers: int = 2) -> list[Line]:
    """kill -9 at random moments; two runs at a time, side by side."""
    rng = random.Random(seed)
    moments = [rng.random() for _ in range(count)]

    def once(number: int) -> tuple[bool, str]:
        name = list(TRAININGS)[number % len(TRAININGS)]
        moment = moments[number] * runs.seconds[name]
        return kill_and_resume(name, runs.data, runs.folder / str(number), moment, runs.expected[name])

    with ThreadPoolExecutor(workers) as pool:
        outcomes = list(progress(pool.map(once, range(count)), "kill -9", count))
    where = ", ".join(f"{sum(how == kind for _, how in outcomes)} {kind}" for kind in ("computing", "writing", "ended"))
    wrong = "; ".join(how for same, how in outcomes if not same)
    kept = sum(same for same, _ in outcomes)
    return [Line("kill -9 at a random moment, resumed to the same bits", count, kept, wrong or f"killed while {where}")]


# ------------------------------------------------------------------------------------------------- bad input
def damaged_files(count: int) -> list[Line]:
    counts, wrong = fuzz.run(count)
    total = {outcome: sum(one[outcome] for one in counts.values()) for outcome in ("loaded", "refused", "wrong")}
    remark = f"{total['loaded']:,} loaded, {total['refused']:,} refused, {total['wrong']} crashed"
    kept = total["loaded"] + total["refused"]
    return [Line(f"damaged files of {len(counts)} formats", count, kept, "; ".join([remark, *wrong]))]


def bad_invocations(workers: int = 2) -> list[Line]:
    """Each as a process of its own, as somebody would type it."""
    cases = [case for case in invocations.CASES if not invocations.needless(case)]
    with tempfile.TemporaryDirectory() as folder, invocations.place(Path(folder) / "files") as place:

        def once(number: int) -> str:
            here = Path(folder) / str(number)
            here.mkdir()
            return invocations.typed(cases[number], place, here)

        with ThreadPoolExecutor(workers) as pool:
            outcomes = list(progress(pool.map(once, range(len(cases))), "bad command lines", len(cases)))
    wrong = [outcome for outcome in outcomes if outcome]
    remark = "; ".join(wrong) or "one sentence, exit status 2, nothing written"
    return [Line("bad command lines", len(cases), len(cases) - len(wrong), remark)]


# ------------------------------------------------------------------------------------------------- long runs
def resident() -> float:
    """Bytes of memory that this process has now; 0 where the system does not tell."""
    if Path("/proc/self/statm").is_file():
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    asked = subprocess.run(["ps", "-o", "rss=", "-p", str(os.getpid())], capture_output=True, text=True, check=False)
    return int(asked.stdout or 0) * 1024


SOAKS: dict[str, tuple[Callable[[], Network], Callable[[], Dataset], int]] = {
    # name: (network, pictures, batch size)
    "LeNet": (lambda: models.lenet(rng=0), lambda: digits()[0], 64),
    "AlexNet": (lambda: models.alexnet(rng=0), lambda: noise(64, (227, 227, 3)), 16),
    "small AlexNet": (lambda: models.alexnet_small(10, (28, 28, 1), rng=0), lambda: digits()[0], 64),
}


def noise(count: int, shape: tuple[int, int, int]) -> Dataset:
    rng = np.random.default_rng(0)
    images = rng.normal(size=(count, *shape)).astype(np.float32)
    return Dataset(images, rng.integers(0, 1000, count), [str(number) for number in range(1000)])


def memory_of(name: str, steps: int) -> tuple[float, float]:
    """The memory of a training of so many steps: after a tenth of them, and at the end."""
    make, pictures, batch_size = SOAKS[name]
    network, data, seen = make(), pictures(), {}
    warm = steps // 10
    counter = tqdm(total=steps, desc=name, unit="step", disable=not sys.stderr.isatty())

    def look(history: History) -> bool:
        counter.update()
        if len(history.steps) == warm:
            seen["start"] = resident()
        return len(history.steps) == steps

    epochs = -(-steps * batch_size // len(data)) + 1
    settings = {"epochs": epochs, "batch_size": batch_size, "optimizer": SGD(network, lr=1e-4, momentum=0.9)}
    train(network, data, None, progress=False, after_step=look, after_epoch=look, **settings)
    counter.close()
    return seen["start"], resident()


def soak(name: str, steps: int) -> list[Line]:
    """In a process of its own, so that nothing else is measured."""
    code = f"from tests.reliability import memory_of; print(*memory_of({name!r}, {steps}))"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    start, end = map(float, done.stdout.split())
    growth = end / start - 1 if start else 0.0
    remark = f"{start / 1e6:,.0f} MB after {steps // 10:,} steps, {end / 1e6:,.0f} MB at the end: {growth:+.1%}"
    return [Line(f"memory stays the same over {steps:,} steps of {name}", 1, int(growth < MOST_GROWTH), remark)]


# ------------------------------------------------------------------------------------------------- side by side
def side_by_side(runs: Alone) -> list[Line]:
    """Two trainings at the same time end as each does alone."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    processes = [subprocess.Popen(training(name, runs.data, runs.folder / name), **quiet) for name in TRAININGS]
    for process in processes:
        process.wait()
    kept = sum(results(runs.folder / name) == runs.expected[name] for name in TRAININGS)
    return [Line("two trainings side by side end as each does alone", len(TRAININGS), kept)]


def predicting(rounds: int, threads: int = 8) -> list[Line]:
    """Many threads ask one network at the same time; each must get the answer that it gets alone."""
    images = digits()[1].images[: threads * 12].reshape(threads, 12, 28, 28, 1)
    kept, lock = 0, threading.Lock()
    networks = [models.lenet(rng=0), models.alexnet_small(10, (28, 28, 1), rng=0)]
    for network in networks:
        expected = [network.predict(batch) for batch in images]

        def ask(number: int, network=network, expected=expected) -> None:
            nonlocal kept
            right = sum(np.array_equal(network.predict(images[number]), expected[number]) for _ in range(rounds))
            with lock:
                kept += right

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(ask, range(threads)))
    return [Line(f"{threads} threads predict with one network", len(networks) * threads * rounds, kept)]


# ------------------------------------------------------------------------------------------------- all of it
def trainings() -> list[Line]:
    with tempfile.TemporaryDirectory() as folder:
        runs = alone(Path(folder))
        return side_by_side(runs) + kills(50, runs)


def interrupts(count: int) -> list[Line]:
    """Ctrl-C again and again, at any moment of a training step."""
    if os.name != "posix":
        return []
    said = storm.run(count)
    kept = count if said == storm.KEPT else 0
    return [Line("interrupts leave threads, BLAS and the next steps as they were", count, kept, said)]


PARTS: dict[str, Callable[[], list[Line]]] = {
    "trainings": trainings,
    "files": lambda: damaged_files(20_000),
    "commands": bad_invocations,
    "memory": lambda: soak("LeNet", 20_000) + soak("AlexNet", 300),
    "threads": lambda: predicting(100),
    "interrupts": lambda: interrupts(10_000),
}


def progress(items, title: str, total: int):
    return tqdm(items, title, total, disable=not sys.stderr.isatty())


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=tuple(PARTS), nargs="+", default=tuple(PARTS))
    options = parser.parse_args(arguments)
    lines = []
    for name in options.only:
        start = time.monotonic()
        lines += PARTS[name]()
        print(f"{name}: {time.monotonic() - start:.0f} s", flush=True)
    print(f"\n{'promise':<62} {'tried':>7} {'kept':>7}")
    for line in lines:
        print(line)
    return int(any(line.kept < line.tried for line in lines))


if __name__ == "__main__":
    sys.exit(main())
