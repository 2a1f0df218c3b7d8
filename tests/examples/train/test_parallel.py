"""`train --processes`: the same files as one process writes, one sentence where a process dies, and its options."""

import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from examples.train import launcher, parallel
from examples.train import program as train
from nn.data import digits
from nn.parallel import Ranks
from nn.training.checkpoint import save_checkpoint
from nn.training.schedules import Plateau
from nn.training.weird_trick import WeirdTrick
from tests.checks import interrupted_starts
from tests.mpi import LIMIT, ROOT, ended, needs_mpi
from tests.streamed import make_folder, make_shards

posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no such signals")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """700 digits: three steps an epoch, the last of 188 images."""
    train_set, test_set = digits()
    path = tmp_path_factory.mktemp("data") / "digits.npz"
    parts = {}
    for name, each, count in (("", train_set, 700), ("test_", test_set, 600)):
        parts[f"{name}images"] = np.rint(each.images[:count, ..., 0] * 255).astype(np.uint8)
        parts[f"{name}labels"] = each.labels[:count]
    np.savez(path, **parts)
    return path


def command(data, out, *more):
    these = ["--model", "lenet", "--data", data, "--out", out, "--epochs", 2, "--batch-size", 256]
    these += ["--augment", "mirror"]
    return [sys.executable, "-m", "examples.train", *map(str, these), *map(str, more)]


def results(folder):
    """What a run has written, but for times."""
    files = {name: (folder / name).read_bytes() for name in ("last.safetensors", "best.safetensors")}
    lines = (folder / "metrics.csv").read_text().splitlines()
    return files | {"metrics": [line.split(",")[:6] for line in lines]}


@needs_mpi
def test_two_processes_write_what_one_does(data, tmp_path):
    one = ended(command(data, tmp_path / "one", "--shards", 4), 0)
    two = ended(command(data, tmp_path / "two", "--shards", 4, "--processes", 2))
    assert one.status == two.status == 0, one.err + two.err
    said = [re.sub(r"[\d.]+ s of training.*", "", each.out) for each in (one, two)]
    assert said[0] == said[1]  # once, and the same
    assert results(tmp_path / "one") == results(tmp_path / "two")

    other = ended(command(data, tmp_path / "two", "--shards", 2, "--processes", 2, "--resume"))
    assert other.status == 2
    assert len(other.err.strip().splitlines()) == 1 and "--shards 4" in other.err


@pytest.fixture
def streamed(tmp_path):
    make_folder(tmp_path / "folder", each=9, test=3)
    make_shards(tmp_path / "shards")
    return tmp_path


def streaming(data, out, *more):
    """Seven epochs of six steps, the last of each of four images from a folder: some ranks' shards are empty."""
    these = ["--model", "alexnet_small", "--width", 0.05, "--data", data, "--stream", "yes", "--image-size", 32]
    these += ["--augment", "mirror", "--batch-size", 10, "--epochs", 7, "--shards", 4, "--out", out]
    return [sys.executable, "-m", "examples.train", *map(str, these), *map(str, more)]


@needs_mpi
@pytest.mark.parametrize("kind", ["folder", "shards"])
def test_what_is_streamed_is_shared_to_the_same_bits(streamed, kind):
    """40 steps and a few, from the disk; the test images, where there are any, are shared out as well."""
    written = []
    for processes in (1, 2, 4):
        out = streamed / f"{kind} {processes}"
        run = ended(streaming(streamed / kind, out, "--processes", processes))
        assert run.status == 0, run.err
        written.append(results(out))
    assert len(written[0]["metrics"]) == 1 + 7
    assert written[0] == written[1] == written[2]


# What Python imports when it starts: the program, but one rank comes to harm after the fourth step.
HARM = """
import signal, os, sys
from examples.train import program
def harmed(*arguments, after_step, parallel, **options):
    def step(history):
        if len(history.steps) == 4 and parallel.ranks.rank == {rank}:
            {harm}
        return after_step(history)
    return train(*arguments, after_step=step, parallel=parallel, **options)
train, program.train = program.train, harmed
"""
HARMS = {
    "kill": ("os.kill(os.getpid(), signal.SIGKILL)", 1, "SIGKILL"),
    "raise": ("raise RuntimeError('planted')", 1, "RuntimeError: planted"),
    "exit": ("sys.exit(0)", 1, "ended before the others"),
    "vanish": ("os._exit(0)", 1, "died"),
    "full disk": ("raise OSError(28, 'No space left on device')", 0, "No space left on device"),
}


@needs_mpi
@posix
@pytest.mark.parametrize("kind", HARMS)
def test_where_one_fails_a_sentence_names_it(data, tmp_path, kind):
    harm, rank, word = HARMS[kind]
    (tmp_path / "sitecustomize.py").write_text(HARM.format(harm=harm, rank=rank))
    found = ended(command(data, tmp_path / "out", "--processes", 2), first=tmp_path)
    assert found.status == 1, found.err
    sentences = [line for line in found.err.splitlines() if re.search(r"rank \d of 2|died", line)]
    assert len(sentences) == 1, found.err
    assert word in sentences[0] and "--processes 2 --resume" in sentences[0]
    if kind != "vanish":
        assert f"rank {rank} of 2" in sentences[0]
    assert "====" not in found.err + found.out and "----" not in found.err + found.out
    assert (tmp_path / "out" / "checkpoint.safetensors").is_file()  # of the first epoch
    if kind == "kill":
        again = ended(command(data, tmp_path / "out", "--processes", 2, "--resume"))
        assert again.status == 0, again.err


@needs_mpi
@posix
def test_a_killed_run_with_the_weird_trick_goes_on_without_it(data, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(HARM.format(harm=HARMS["kill"][0], rank=1))
    trick = ("--processes", 2, "--weird-trick")
    found = ended(command(data, tmp_path / "out", *trick), first=tmp_path)
    assert found.status == 1 and "--weird-trick --processes 2 --resume" in found.err
    again = ended(command(data, tmp_path / "out", "--processes", 2, "--shards", 2, "--resume"))
    assert again.status == 0, again.err
    assert len(results(tmp_path / "out")["metrics"]) == 1 + 2


@needs_mpi
@posix
def test_a_shard_that_vanishes_ends_all_with_a_sentence(streamed, tmp_path):
    harm = f"os.remove({str(streamed / 'shards' / '00001.tar')!r})"
    (tmp_path / "sitecustomize.py").write_text(HARM.format(harm=harm, rank=1))
    found = ended(streaming(streamed / "shards", tmp_path / "out", "--processes", 2), first=tmp_path)
    assert found.status == 1, found.err
    (sentence,) = [line for line in found.err.splitlines() if "rank" in line]
    assert re.search(r"rank [01] of 2", sentence) and "00001.tar" in sentence and "--processes 2 --resume" in sentence
    assert "Traceback" not in found.err


@needs_mpi
@posix
def test_ctrl_c_stops_all_after_the_same_step(data, tmp_path):
    """And the run goes on with one process, to the bits of one that was never stopped."""
    long = ("--epochs", 300, "--shards", 2, "--save-every", 0.1)
    running = subprocess.Popen(
        command(data, tmp_path / "out", *long, "--processes", 2), cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    begun = time.monotonic()
    while not (tmp_path / "out" / "checkpoint.safetensors").is_file():
        assert running.poll() is None and time.monotonic() - begun < LIMIT
        time.sleep(0.1)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=LIMIT)
    assert running.returncode == 130, said
    assert said.count("stopped by Ctrl-C") == 1 and "--processes 2 --resume" in said


@needs_mpi
def test_bad_input_is_said_once(data, tmp_path):
    found = ended(command(data, tmp_path / "out", "--processes", 2, "--shards", 3))
    assert found.status == 2
    assert len(found.err.strip().splitlines()) == 1 and "3 shards cannot be shared by 2 ranks" in found.err


def test_processes_without_mpi_say_what_to_install(data, tmp_path, monkeypatch, capsys):
    def missing(processes):
        raise FileNotFoundError("there is no mpiexec; pip install it")

    monkeypatch.setattr(launcher, "mpiexec", missing)
    with pytest.raises(SystemExit):
        train.main(command(data, tmp_path / "out", "--processes", 2)[3:])
    assert "--processes: there is no mpiexec" in capsys.readouterr().err


def made(data, out, *more):
    arguments = command(data, out, *more)[3:]
    return train.make_run(train.make_parser().parse_args(arguments), "the command", Ranks())


def test_the_learning_rate_of_a_larger_batch(data, tmp_path):
    run = made(data, tmp_path / "a", "--lr", "0.1", "--lr-of-batch", "64", "--schedule", "constant", "--warm-up", "1")
    assert run.recipe.lr == pytest.approx(0.4)
    rates = [run.schedule(fraction) for fraction in (0, 0.25, 0.5, 1)]
    np.testing.assert_allclose(rates, [0.04, 0.22, 0.4, 0.4])
    assert made(data, tmp_path / "b", "--lr", "0.1", "--schedule", "constant").schedule(0) == 0.1
    with pytest.raises(ValueError, match="--warm-up is 3, expected at most the 2 epochs"):
        made(data, tmp_path / "c", "--warm-up", "3")


def test_a_plateau_remembers_within_a_warm_up(data, tmp_path):
    arguments = (data, tmp_path / "a", "--schedule", "plateau", "--warm-up", "1")
    run = made(*arguments)
    for _ in range(5):
        run.schedule.after_epoch(0.5)
    run.history = train.History([1.0], [], [])
    save_checkpoint(
        tmp_path / "a" / train.CHECKPOINT, run.network, run.optimizer, run.history, run.schedule, "the command"
    )
    again = made(*arguments, "--resume")
    assert isinstance(again.schedule.schedule, Plateau)
    assert vars(again.schedule.schedule) == vars(run.schedule.schedule)


def test_a_run_without_the_options_is_not_in_shards(data, tmp_path):
    run = made(data, tmp_path / "a")
    assert run.parallel is None and run.command == "the command"
    run = made(data, tmp_path / "b", "--shards", "ranks")
    assert run.parallel.shards == 1 and run.command == "the command --shards 1"
    with pytest.raises(ValueError, match="--shards: a batch of 256 images"):
        made(data, tmp_path / "c", "--shards", "512")


@pytest.mark.parametrize("shards", [None, 4, "ranks"])
def test_the_line_that_continues_a_run_names_its_shards(shards, data, tmp_path):
    """As it is printed: another number of shards would be refused."""
    more = [] if shards is None else ["--shards", str(shards)]
    options = train.make_parser().parse_args(["--model", "lenet", "--data", str(data), *more])
    line = parallel.how_to_resume(Ranks(), options, f"--model lenet --data {data}")
    again = train.make_parser().parse_args(line.split("train ", 1)[1].split())
    assert again.shards == options.shards and again.resume


def test_what_a_checkpoint_keeps_of_the_arguments():
    arguments = ["--model", "lenet", "--processes", "4", "--shards=8", "--epochs", "2", "--patience", "5"]
    assert parallel.lasting(arguments) == ["--model", "lenet", "--epochs", "2"]


def test_the_weird_trick_is_asked_for(data, tmp_path):
    run = made(data, tmp_path / "a", "--weird-trick")
    assert isinstance(run.parallel, WeirdTrick) and run.command == "the command"
    for more, words in (
        (("--shards", "4"), "--shards: with --weird-trick"),
        (("--watch",), "--watch"),
        (("--model", "lenet5_1998", "--augment", "none"), "output (EuclideanRBF) comes after F6"),
    ):
        with pytest.raises(ValueError, match=re.escape(words)):
            made(data, tmp_path / "b", "--weird-trick", *more)


def test_checkpoints_of_the_weird_trick_are_of_the_same_run():
    trick = "--model lenet --weird-trick --seed 1"
    for other in (
        trick,
        "--model lenet --seed 1",
        "--model lenet --seed 1 --shards 8",
        "--model lenet --shards 2 --seed 1",
    ):
        assert parallel.is_same(trick, other) and parallel.is_same(other, trick)
    assert not parallel.is_same(trick, "--model lenet --seed 2")
    assert not parallel.is_same("--model lenet", "--model lenet --shards 8")


MPICH = b"""
===================================================================================
=   BAD TERMINATION OF ONE OF YOUR APPLICATION PROCESSES
=   PID 4242 RUNNING AT host
=   EXIT CODE: 9
=   CLEANING UP REMAINING PROCESSES
=   YOU CAN IGNORE THE BELOW CLEANUP MESSAGES
===================================================================================
YOUR APPLICATION TERMINATED WITH THE EXIT STRING: Killed (signal 9)
This typically refers to a problem with your application.
Please see the FAQ page for debugging suggestions
"""
OPEN_MPI = b"""--------------------------------------------------------------------------
prterun noticed that process rank 1 with PID 4242 on node host exited on
signal 9 (Killed).
--------------------------------------------------------------------------
"""


def test_ctrl_c_while_mpiexec_starts_ends_it(monkeypatch, capfd):
    """Here a Python that sleeps, in place of mpiexec."""
    monkeypatch.setattr(launcher, "mpiexec", lambda processes: [sys.executable, "-c", "import time; time.sleep(20)"])
    with interrupted_starts(monkeypatch) as running:
        begun = time.monotonic()
        assert launcher.start([], 2, "; do this") == 130
        assert time.monotonic() - begun < 15 and running[0].poll() is not None
    assert capfd.readouterr().err == "\ntrain: stopped by SIGINT; do this\n"


@pytest.mark.parametrize("banner", [MPICH, OPEN_MPI], ids=["MPICH", "Open MPI"])
def test_the_banners_of_mpis_are_read_and_left_out(banner):
    watched = launcher.Watched()
    note = launcher.NOTE.encode() + b'[["a", 4141], ["b", 4242]]\n'
    lines = [note, b"lenet epoch 1/2: loss 1\n", *banner.strip().splitlines(keepends=True), b"\0\0the end\n"]
    shown = [text for line in lines if (text := watched.line(line)) is not None]
    assert shown == ["lenet epoch 1/2: loss 1\n", "the end\n"]
    assert watched.whom(2) == "rank 1 of 2 on b was ended by SIGKILL"
    assert not watched.has_ended and not watched.has_said
