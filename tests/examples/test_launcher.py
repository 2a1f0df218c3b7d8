"""`lenet`, the one command for all programs, and what it does about misspelt words and packages that are not there."""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import examples.__main__ as launcher
import nn
from examples.shared import command_line
from examples.shared.command_line import Parser, as_typed, how_to_start, in_a_process
from nn.spelling import did_you_mean
from tests.installed import COMMANDS, split

ROOT = Path(launcher.__file__).resolve().parent.parent


def only_line(text: str) -> str:
    """What was said, which must be one line."""
    assert text.endswith("\n") and text.count("\n") == 1, text
    return text[:-1]


@pytest.fixture
def as_lenet(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/lenet", "train"])


def test_every_program_is_listed_and_can_be_started(capsys):
    assert launcher.main([]) == launcher.main(["--help"]) == 0
    listed = capsys.readouterr().out
    for name in launcher.PROGRAMS:
        assert f"\n  {name} " in listed
        assert callable(import_module(launcher._module(name)).main)
    found = {path.stem for path in ROOT.glob("examples/*.py")} | {
        path.parent.name for path in ROOT.glob("examples/*/__main__.py")
    }
    assert found - {"__init__", "__main__"} == set(launcher.PROGRAMS)


def test_a_program_gets_its_arguments_and_its_status_comes_back(monkeypatch):
    asked = []
    monkeypatch.setattr("examples.step_through.__main__.main", lambda arguments: asked.append(arguments) or 7)
    assert launcher.main(["step-through", "--layer", "conv2"]) == 7
    assert asked == [["--layer", "conv2"]]


def test_version(capsys):
    assert launcher.main(["--version"]) == 0
    assert capsys.readouterr().out == f"lenet-to-alexnet {nn.__version__}\n"


def test_a_program_that_does_not_exist(capsys):
    assert launcher.main(["Clasify", "cat.jpg"]) == 2
    assert only_line(capsys.readouterr().err) == "lenet: there is no program 'Clasify'; did you mean classify?"
    assert launcher.main(["vgg"]) == 2
    assert "'vgg', expected one of compare, classify" in only_line(capsys.readouterr().err)


def test_words_that_are_alike():
    assert did_you_mean("minst", ["digits", "mnist"]) == "; did you mean mnist?"
    assert did_you_mean("AlexNet", ["lenet", "alexnet"]) == "; did you mean alexnet?"
    assert did_you_mean("vgg", ["lenet", "alexnet"]) == ""


@pytest.mark.parametrize("typed", ["--wieghts", "--wieghts=x"])
def test_a_misspelt_option_is_named_before_what_is_missing_because_of_it(capsys, typed):
    parser = Parser(prog="python -m examples.classify")
    parser.add_argument("--weights", required=True)
    with pytest.raises(SystemExit, match="2"):
        parser.parse_args([typed])
    expected = "classify: there is no option --wieghts; did you mean --weights?"
    assert only_line(capsys.readouterr().err) == expected
    with pytest.raises(SystemExit, match="2"):
        parser.parse_args(["--colour", "red"])
    assert "there is no option --colour; --help explains" in only_line(capsys.readouterr().err)
    assert parser.parse_args(["--weights", "x"]).weights == "x"


def test_what_stands_behind_two_dashes_is_no_option():
    parser = Parser()
    parser.add_argument("words", nargs="+")
    assert parser.parse_args(["--", "--wieghts"]).words == ["--wieghts"]


def test_help_shows_commands_as_they_are_typed(as_lenet):
    assert how_to_start("train") == "lenet train"
    assert as_typed("python -m examples.train --model lenet") == "lenet train --model lenet"
    parser = Parser(prog="python -m examples.train", epilog="  python -m examples.train --resume")
    assert "usage: lenet train " in parser.format_help() and "  lenet train --resume" in parser.format_help()
    assert parser.name == "train"


def test_without_lenet_help_shows_what_works_from_a_checkout(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/checkout/examples/train/__main__.py"])
    assert as_typed("python -m examples.train x") == "python -m examples.train x"


def test_a_folder_called_models_does_not_get_in_the_way_of_processes(tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "__init__.py").write_text("raise SystemExit('the wrong models')")
    command = [*in_a_process("examples.__main__"), "classify", "--help"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0 and "usage: " in result.stdout, result.stderr


def test_a_python_without_what_is_needed_says_so_in_a_sentence(tmp_path):
    program = (
        "import importlib.util as util, sys; found = util.find_spec;"
        "util.find_spec = lambda name, *rest: None if name in ('numba', 'tqdm') else found(name, *rest);"
        f"sys.path.insert(0, {str(ROOT)!r}); import examples"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert result.returncode == 1
    said = only_line(result.stderr)
    assert said.startswith("numba, tqdm cannot be found by this Python") and sys.executable in said


def test_the_versions_agree():
    assert command_line.__name__ == "examples.shared.command_line"  # the module that the programs use
    assert "version = attr: nn.__version__" in (ROOT / "setup.cfg").read_text(encoding="utf-8")


def test_the_wheel_is_tried_with_every_program():
    assert {split(command)[1] for command in COMMANDS[2:]} == set(launcher.PROGRAMS)
    assert split("lenet benchmark --only 'LeNet forward, 1'") == ["lenet", "benchmark", "--only", "LeNet forward, 1"]
