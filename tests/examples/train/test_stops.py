"""Training runs that are really stopped: by Ctrl-C, by SIGTERM, by a disk that takes no more, by NaN."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from safetensors import safe_open

from examples.train import program as train
from nn.data import digits

PATIENCE = 600  # seconds, after which a process must have hung
posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no such signals")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """2,000 digits: 32 steps a pass."""
    train_set, _ = digits()
    path = tmp_path_factory.mktemp("data") / "digits.npz"
    np.savez(
        path, images=np.rint(train_set.images[:2000, ..., 0] * 255).astype(np.uint8), labels=train_set.labels[:2000]
    )
    return path


def command(data, out, *more):
    arguments = [
        "--model",
        "lenet",
        "--data",
        str(data),
        "--out",
        str(out),
        "--epochs",
        "2",
        "--batch-size",
        "64",
        *more,
    ]
    return [sys.executable, "-m", "examples.train", *arguments]


# The program, but after the seventh step it says so and waits for the signal: it cannot have ended before that comes.
WAITING = """
import sys, time
from examples.train import program as train
from examples.shared.command_line import run_program

class Noted(train.StopSignals):
    def __enter__(self):
        global stop
        stop = self
        return super().__enter__()

def waiting(*arguments, after_step, **options):
    def wait(history):
        if len(history.steps) == 7:
            print("seven steps", flush=True)
            while not stop.asked:
                time.sleep(0.01)
        return after_step(history)

    return loop(*arguments, after_step=wait, **options)

loop = train.train
train.StopSignals, train.train = Noted, waiting
run_program(train.main)
"""


def arrays(path):
    with safe_open(path, framework="numpy") as file:
        return {name: file.get_tensor(name).tobytes() for name in file.keys()}  # noqa: SIM118 (not a dict)


@pytest.fixture(scope="module")
def expected(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "out"
    assert train.main(command(data, out)[3:]) == 0
    return arrays(out / "last.safetensors")


def started(data, out):
    """The program, running, some steps into its first epoch."""
    arguments = command(data, out)[3:]
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while (line := process.stdout.readline()) != "seven steps\n":
        assert line, process.communicate()[1]
    return process


@posix
@pytest.mark.parametrize("name, status", [("SIGINT", 130), pytest.param("SIGTERM", 143, marks=pytest.mark.slow)])
def test_a_signal_finishes_the_step_and_saves(data, expected, tmp_path, name, status):
    out = tmp_path / "out"
    process = started(data, out)
    process.send_signal(getattr(signal, name))
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == status
    assert "Traceback" not in err and "saved; to continue" in err and "--resume" in err
    assert ("Ctrl-C" if name == "SIGINT" else name) in err and "in epoch 1, after 7 batches of it" in err
    assert (out / "checkpoint.safetensors").is_file() and not (out / "last.safetensors").exists()
    # What the sentence says to type is what goes on.
    typed = err.strip().splitlines()[-1].split("to continue: python ")[1].split(" ")
    assert subprocess.run([sys.executable, *typed], timeout=PATIENCE).returncode == 0
    assert arrays(out / "last.safetensors") == expected


@pytest.mark.slow
@posix
def test_a_disk_that_takes_no_more_keeps_the_last_good_checkpoint(data, tmp_path):
    """A limit on the size of files, which the system enforces as it does that of the disk."""
    import resource

    out = tmp_path / "out"
    assert train.main(command(data, out, "--held-out", "1900")[3:]) == 0
    good = arrays(out / "checkpoint.safetensors")

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    result = subprocess.run(
        command(data, out, "--force"), preexec_fn=limit, capture_output=True, text=True, timeout=PATIENCE
    )
    assert result.returncode == 1
    assert result.stderr.count("could not be written") == 1 and "Traceback" not in result.stderr
    assert arrays(out / "checkpoint.safetensors") == good
    assert not list(out.glob("*.partial")) and not list(out.glob(".*.partial"))


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_numbers_gone_wrong_stop_training_and_leave_what_is_good(data, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["--model", "alexnet_small", "--width", "0.05", "--data", str(data), "--out", str(out), "--epochs", "3"]
    assert train.main([*arguments, "--lr", "1000", "--schedule", "constant"]) == 1
    err = capsys.readouterr().err
    (sentence,) = [line for line in err.splitlines() if line.startswith("train: ")]
    assert "in step" in sentence and "no longer a number" in sentence and "lower learning rate" in sentence
    assert not (out / "checkpoint.safetensors").exists() and not (out / "last.safetensors").exists()
