"""AlexNet in two halves equals the whole grouped network, in two processes and in two threads that share a card."""

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest

from examples.two_gpus import halves, program, training
from layers import LocalResponseNorm
from nn import check_gradients
from tests.checks import one_sentence

SMALL = ["--width", "0.0625", "--batch-size", "6"]


@pytest.fixture
def shared_card(gpu, monkeypatch):
    """What `in_threads` asks of CuPy, where the card is none."""
    if not hasattr(gpu, "cuda"):
        stream = SimpleNamespace(synchronize=lambda: None)
        runtime = SimpleNamespace(getDeviceCount=lambda: 1)
        gpu.cuda = SimpleNamespace(
            get_current_stream=lambda: stream, Device=lambda number: nullcontext(), runtime=runtime
        )
        gpu.array = gpu.asarray
        for module in (program, training):
            monkeypatch.setattr(module, "load_cupy", lambda: gpu)
    return gpu


def run(capsys, *options, status=0):
    assert program.main([*SMALL, *map(str, options)]) == status
    return capsys.readouterr()


def differences(out):
    table = [line.split() for line in out.splitlines() if line.split() and line.split()[0].isdigit()]
    return [float(row[3]) for row in table if len(row) == 4]


def test_two_processes_in_double_precision(capsys, few_digits):
    out = run(capsys, "--where", "processes", "--data", few_digits).out
    assert "in two processes, float64" in out and "the same within 1e-10" in out
    assert len(differences(out)) == 8 and max(differences(out)) < 1e-10
    farthest = float(out.split("differ by at most ")[1].split()[0])
    assert farthest < 1e-10


@pytest.mark.slow
def test_two_processes_in_single_precision(capsys):
    """As it is run without other arguments: roundings must not grow in 20 steps."""
    assert program.main(["--float32", "--where", "processes"]) == 0
    out = capsys.readouterr().out
    assert "in two processes, float32" in out and "the same within 0.0001" in out
    assert max(differences(out)) < 1e-4


def test_two_threads_on_one_card(shared_card, capsys, few_digits):
    out = run(capsys, "--where", "gpu", "--data", few_digits, "--steps", 4).out
    assert "on one GPU" in out and max(differences(out)) < 1e-10


@pytest.mark.parametrize("gpu", [pytest.param("cupy", marks=pytest.mark.cuda)], indirect=True)
def test_two_threads_on_one_card_in_single_precision(gpu, capsys):
    assert program.main(["--float32", "--where", "gpu"]) == 0
    out = capsys.readouterr().out
    assert "on one GPU, float32" in out and max(differences(out)) < 1e-4


@pytest.mark.parametrize("gpu", ["plain"], indirect=True)
def test_two_threads_on_two_cards(shared_card, capsys, few_digits):
    if isinstance(shared_card, SimpleNamespace):
        shared_card.cuda.runtime.getDeviceCount = lambda: 2
    out = run(capsys, "--data", few_digits, "--steps", 3).out
    assert "on two GPUs" in out and max(differences(out)) < 1e-10


@pytest.mark.parametrize("gpu", ["plain"], indirect=True)
def test_a_half_that_fails_takes_the_other_along(shared_card, capsys, few_digits, monkeypatch):
    def broken(self, images, labels, exchange):
        if self.number == 1:
            raise RuntimeError("out of memory")
        return exchange(images)

    monkeypatch.setattr(halves.Half, "step", broken)
    err = run(capsys, "--data", few_digits, "--where", "gpu", status=1).err
    assert err.count("\n") == 1 and ("failed" in err or "out of memory" in err)


def test_the_exchange_is_needed(few_digits):
    """A half that got nothing from the other would compute something else."""
    settings = halves.Settings(str(few_digits), False, 0.0625, 0, 1, 4, 0.01, "float64", "cpu")
    train_set = training.pictures(settings)
    half = halves.Half(training.make_whole(settings, train_set), 0, settings)
    images, labels = next(training.some_batches(settings, train_set))
    alone = half.step(images, labels, np.zeros_like)
    assert abs(alone - training.train_whole(settings)[0][0]) > 1e-3


def test_what_is_exchanged_is_what_the_figure_crosses(few_digits):
    settings = halves.Settings(str(few_digits), False, 0.0625, 0, 1, 4, 0.01, "float64", "cpu")
    train_set = training.pictures(settings)
    half = halves.Half(training.make_whole(settings, train_set), 0, settings)
    images, labels = next(training.some_batches(settings, train_set))
    sent = []
    half.step(images, labels, lambda array: (sent.append(array.shape), np.zeros_like(array))[1])
    maps, wide, narrow = (4, 6, 6, 8), (4, 128), (4, 5)  # before conv3; before fc7 and fc8; the answers
    assert sent == [maps, (4, 2, 2, 8), wide, wide, narrow, wide, wide, (4, 2, 2, 8), maps]


def test_normalisation_within_halves():
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 10))
    whole, part = halves.SplitNorm(5, alpha=0.5), LocalResponseNorm(5, alpha=0.5)
    expected = np.concatenate([part.forward(x[..., :5]), part.forward(x[..., 5:])], axis=-1)
    np.testing.assert_array_equal(whole.forward(x), expected)
    assert check_gradients(whole, x).max_error < 1e-6


def test_bad_input(capsys, monkeypatch):
    monkeypatch.setattr(
        program,
        "load_cupy",
        lambda: SimpleNamespace(cuda=SimpleNamespace(runtime=SimpleNamespace(getDeviceCount=lambda: 1))),
    )
    with one_sentence(ValueError, "one GPU"):
        program.choose("gpus")
    assert program.choose(None) == "gpu"
    monkeypatch.undo()
    for options, word in (
        (["--data", "nowhere"], "nowhere"),
        (["--steps", "0"], "--steps"),
        (["--where", "x"], "--where"),
    ):
        with pytest.raises(SystemExit) as ended:
            program.main(options)
        out, err = capsys.readouterr()
        assert ended.value.code == 2 and out == "" and err.count("\n") == 1 and word in err


def test_without_a_card_there_are_processes(monkeypatch):
    def missing():
        raise ImportError("the device cuda needs CuPy")

    monkeypatch.setattr(program, "load_cupy", missing)
    assert program.choose(None) == "processes"
    with pytest.raises(ImportError):
        program.choose("gpu")
