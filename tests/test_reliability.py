"""What `python -m tests.reliability` tries for long, tried shortly; damaged files and bad command lines have files of
their own."""

import subprocess
import sys
import time

import pytest

from tests import reliability


def kept(lines):
    for line in lines:
        assert line.kept == line.tried > 0, line


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return reliability.alone(tmp_path_factory.mktemp("alone"))


@pytest.mark.slow
def test_a_killed_training_goes_on_to_the_same_bits(runs):
    kept(reliability.kills(2, runs))


@pytest.mark.slow
def test_a_kill_between_the_two_renames_of_a_checkpoint_loses_nothing(runs):
    """The moment at which there is none of its name: the one before it is used."""
    out = runs.folder / "renames"
    command = reliability.training("lenet", runs.data, out)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (out / "checkpoint.previous.safetensors").is_file() and process.poll() is None:
        time.sleep(0.005)
    process.kill()
    process.wait()
    (out / "checkpoint.safetensors").unlink(missing_ok=True)
    done = subprocess.run([*command, "--resume"], capture_output=True, text=True)
    assert done.returncode == 0 and "the one before it is used" in done.stderr
    assert reliability.results(out) == runs.expected["lenet"]


@pytest.mark.slow
def test_trainings_side_by_side(runs):
    kept(reliability.side_by_side(runs))


def test_threads_that_predict():
    kept(reliability.predicting(3))


@pytest.mark.slow
@pytest.mark.skipif(not reliability.resident(), reason="this system does not tell how much memory a process has")
def test_memory_stays_the_same():
    kept(reliability.soak("LeNet", 300) + reliability.soak("small AlexNet", 30))


def test_what_is_not_kept_shows(monkeypatch, capsys):
    """The table, and the exit status, of a promise that is broken."""
    monkeypatch.setitem(reliability.PARTS, "threads", lambda: [reliability.Line("nothing breaks", 50, 49, "one did")])
    assert reliability.main(["--only", "threads"]) == 1
    assert capsys.readouterr().out.splitlines()[-1].split() == ["nothing", "breaks", "50", "49", "one", "did"]


@pytest.mark.slow
@pytest.mark.skipif(not reliability.resident(), reason="this system does not tell how much memory a process has")
def test_a_leak_shows():
    """A tenth of a megabyte a step."""
    code = """
from tests import reliability
leak, train = [], reliability.train
def leaking(*arguments, after_step, **options):
    def step(history):
        leak.append(bytearray(b"x" * 100_000))
        return after_step(history)
    return train(*arguments, after_step=step, **options)
reliability.train = leaking
start, end = reliability.memory_of("LeNet", 100)
print(end - start)
"""
    grown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert float(grown) > 0.02 * 200e6
