"""What all programs do alike: Ctrl-C, an unwritable disk and a closed pipe at any time end in one sentence at most."""

import gc
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from examples.shared.command_line import Parser, carry_out, run_program
from tests.checks import one_sentence
from tests.invocations import program_called

# Arguments; a function that is called while the command line is judged, and one at work.
PROGRAMS = {
    "train": (["--model", "lenet", "--data", "{digits}"], "load_sets", "train"),
    "compare": (["--data", "{digits}"], "load_pictures", "train"),
    "classify": (["{good}"], "load_classifier", "answers"),
    "crops": (["--count", "4"], "load_classifiers", "ask"),
    "render": (["--train", "4", "--test", "0", "--image-size", "8"], "output_folder", "write_npz"),
    "step_through": (["--no-pause", "--no-pictures"], "find_subject", "step"),
    "microscope": (["--serve", "--no-browser"], "find_classifiers", "serve"),
    "ablations": (["--data", "{colours}", "--held-out", "10"], "load", "run"),
    "few_images": (
        ["--data", "{colours}", "--set-aside", "0,1", "--images", "2", "--held-out", "4", "--weights", "objects_lenet"],
        "load",
        "run",
    ),
    "benchmark": (["--only", "LeNet forward", "--without-rivals"], "card_kinds", "own_rates"),
    "figure1": (["--data", "{colours}"], "load", "run"),
    "two_gpus": (["--data", "{digits}", "--where", "processes", "--steps", "1"], "make_whole", "train_halves"),
    "check": (["6", "--start", "mine.py"], "find_exercise", "write_skeleton"),
    "lessons.__main__": (["1"], "find_modules", "run_all"),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory, few_digits):
    folder = tmp_path_factory.mktemp("files")
    images = np.random.default_rng(0).integers(0, 256, (60, 32, 32, 3), dtype=np.uint8)
    np.savez(folder / "colours.npz", images=images, labels=np.arange(60) % 10)
    Image.fromarray(images[0]).save(folder / "good.png")
    return {"digits": few_digits, "colours": folder / "colours.npz", "good": folder / "good.png"}


@pytest.fixture
def call(files, tmp_path, monkeypatch):
    """call(program, point, error): the status of the program, in which the function `point` raises the error."""

    def raising(error):
        def function(*_, **__):
            raise error

        return function

    def call(program, point, error):
        module = program_called(program)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(module, point, raising(error))
        try:
            return module.main([argument.format(**files) for argument in PROGRAMS[program][0]])
        except KeyboardInterrupt:  # which would end the tests as well
            pytest.fail("the program ends in a traceback")

    yield call
    gc.collect()  # a file or socket that is left open is told here, not in whatever test comes later


def the_sentence(capsys, program):
    """What the program said on stderr, at its end: one sentence that begins with its name."""
    said = capsys.readouterr().err
    *_, last = said.strip().splitlines()
    assert "Traceback" not in said and last.startswith(f"{program.split('.')[0]}: "), said
    assert said.count(f"{program.split('.')[0]}: ") == 1, said
    return last


@pytest.mark.parametrize("when", ["judging", "working"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_ctrl_c_is_status_130_and_one_sentence(program, when, call, capsys):
    assert call(program, PROGRAMS[program][1 + (when == "working")], KeyboardInterrupt()) == 130
    assert "stopped by Ctrl-C" in the_sentence(capsys, program)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_full_disk_is_status_1_and_one_sentence(program, call, capsys):
    assert call(program, PROGRAMS[program][2], OSError(28, "No space left on device")) == 1
    assert "No space left on device" in the_sentence(capsys, program)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_closed_pipe_is_left_to_run_program(program, call):
    with pytest.raises(BrokenPipeError):
        call(program, PROGRAMS[program][2], BrokenPipeError())


# --------------------------------------------------------------------------------------- the functions themselves
def ended(capsys, work, **more):
    status = carry_out(Parser(prog="python -m examples.some"), lambda: 7, work, **more)
    return status, capsys.readouterr().err


def test_work_gets_what_was_made_and_says_the_status(capsys):
    assert ended(capsys, lambda made: made) == (7, "")
    assert ended(capsys, lambda made: None) == (0, "")


def test_bad_input_is_status_2(capsys):
    with pytest.raises(SystemExit) as exit_:
        carry_out(Parser(prog="python -m examples.some"), lambda: int("--x"), lambda made: 0)
    assert exit_.value.code == 2
    assert capsys.readouterr().err.startswith("some: invalid literal for int() with base 10: '--x'; --help")


def test_what_may_fail_otherwise_is_status_1_and_the_error_itself(capsys):
    def work(made):
        raise RuntimeError("a half has failed")

    assert ended(capsys, work, failures=(RuntimeError,)) == (1, "some: a half has failed\n")
    with one_sentence(RuntimeError, "a half"):
        ended(capsys, work)


def test_an_interrupt_that_was_swallowed_is_still_one(capsys):
    """The compiler is called back by C, which drops the exception: what it says instead is not what went wrong."""

    def work(made):
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        raise RuntimeError("no compiled object yet")

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # even where the tests run in the background
    try:
        assert ended(capsys, work, failures=(RuntimeError,)) == (130, "\nsome: stopped by Ctrl-C\n")
        assert ended(capsys, work) == (130, "\nsome: stopped by Ctrl-C\n")
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_run_program_leaves_no_traceback(capsys):
    def main():
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as exit_:
        run_program(main)
    assert exit_.value.code == 130 and capsys.readouterr().err.endswith("stopped by Ctrl-C\n")


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such signals")
def test_ctrl_c_in_the_benchmark(tmp_path):
    """A real one, sent as a terminal does: to the program and to the processes that it has started."""
    command = [sys.executable, "-m", "examples.benchmark", "--only", "LeNet training, 1", "--rounds", "100000"]
    command += ["--without-rivals", "--out", str(tmp_path)]
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)  # where the tests run in the background it is ignored
    try:
        program = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
    finally:
        signal.signal(signal.SIGINT, before)
    assert "rivals: none" in program.stdout.readline()
    os.killpg(program.pid, signal.SIGINT)
    _, said = program.communicate(timeout=60)
    assert program.returncode == 130
    assert said.strip().startswith("benchmark: stopped by Ctrl-C") and said.strip().count("\n") == 0, said


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("x: bring them to one size, such as image_size=64", "x: bring them to one size, such as --image-size 64; "),
        ("expected what python -m examples.train wrote", "expected what python -m examples.train wrote\n"),
        ("the following arguments are required: --data", "required: --data; --help explains the options\n"),
        ("x.pdf: PDF is not read", "x.pdf: PDF is not read\n"),
    ],
)
def test_sentences_of_the_library_name_the_options(capsys, message, said):
    """And they point to --help where it helps: where the sentence is about an option."""
    parser = Parser(prog="python -m examples.train")
    parser.add_argument("--image-size")
    with pytest.raises(SystemExit):
        parser.error(message)
    assert said in capsys.readouterr().err


def test_an_option_that_a_program_has_not_is_not_named(capsys):
    with pytest.raises(SystemExit):
        Parser(prog="compare").error("bring them to one size, such as image_size=64")
    assert capsys.readouterr().err == "compare: bring them to one size\n"
