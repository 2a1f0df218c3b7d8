"""One dialect of options: what has one name means the same in every program, and every help says its default."""

import argparse
import re

import pytest

from examples.__main__ import PROGRAMS
from examples.shared.command_line import Parser, one_of
from examples.shared.options import add_seed, add_value
from nn.data import load
from nn.data.load import DATA_SETS
from tests.invocations import program_called

# The kinds of values. A name is a model's or a layer's; what has few values lists them: cpu|cuda.
NUMBERS = {"N", "SECONDS", "RATE", "SHARE", "PIXELS", "I,J,C"}
METAVARS = NUMBERS | {"FOLDER", "FILE", "DATA", "CLASS", "NAME", "NAMES", "TEXT", "KINDS"}
# What must mean the same wherever it occurs, and in how many programs it does.
SHARED = {
    "--data": 6,
    "--image-size": 3,
    "--held-out": 4,
    "--weights": 5,
    "--model": 3,
    "--watch": 2,
    "--width": 3,
    "--picture": 2,
    "--label": 3,
    "--epochs": 5,
    "--batch-size": 3,
    "--lr": 2,
    "--seed": 7,
    "--seeds": 3,
    "--device": 7,
    "--out": 12,
    "--force": 13,
    "--resume": 2,
    "--stream": 2,
    "--ten-crop": 2,
}
# Where not all programs can have the same default, the only ones that there are.
DEFAULTS = {
    "--data": {"digits", "cifar10"},  # of which the second are colour images
    "--weights": {
        "digits_lenet",
        "photos_alexnet",  # where the image is the user's own: a photograph, most likely
        "photos_alexnet for your images, the four objects networks for rendered ones",
        "the features are learned first",
    },
    "--seed": {"0"},
    "--seeds": {"3"},
    "--width": {"0.25"},
    "--device": {"cpu"},
}
PARSERS = {name: program_called("lessons.__main__" if name == "lessons" else name).make_parser() for name in PROGRAMS}
OPTIONS = [(name, action) for name, parser in PARSERS.items() for action in parser._actions if action.dest != "help"]


def in_words(action: argparse.Action) -> str:
    return action.option_strings[0] if action.option_strings else action.metavar


def meaning(text: str) -> str:
    """What an option means everywhere: the help without what holds in one program alone, and without the default."""
    return re.sub(r"(;.*)? \((required|default: .*)\)$", "", text).partition(";")[0]


def default(text: str) -> str:
    """What the help tells at its end."""
    told = re.search(r"\((?:default: )?([^()]*)\)$", text)
    return told[1] if told else ""


def mistakes(options: list[tuple[str, argparse.Action]]) -> list[str]:
    """What is wrong with the options of these programs, a line each."""
    found, meanings = [], {}
    for program, action in options:
        name, text = in_words(action), action.help or ""
        takes_value = action.nargs != 0
        if not text:
            found.append(f"{program} {name} has no help")
        if takes_value and action.option_strings and not re.search(r"\((required|default: .+)\)$", text):
            found.append(f"{program} {name} does not tell its default")
        if "default: None" in text or "%(default)s" in text and action.default in (None, ""):
            found.append(f"{program} {name} tells a default that is none")
        if takes_value and action.option_strings and not (action.metavar in METAVARS or "|" in str(action.metavar)):
            found.append(f"{program} {name} takes a {action.metavar}")
        name = re.sub("--(lenet|alexnet)-", "--", name)  # compare has some of its own for either network
        if name in SHARED:
            other, *same = meanings.setdefault(name, (program, action.metavar, meaning(text)))
            if same != [action.metavar, meaning(text)]:
                found.append(f"{name} of {program} is not that of {other}")
        if name in DEFAULTS and default(text) not in DEFAULTS[name]:
            found.append(f"{program} {name} has the default {default(text)}")
    return found


def test_every_option_means_the_same_everywhere_and_tells_its_default():
    assert mistakes(OPTIONS) == []


def test_the_table_is_whole():
    """What occurs in two programs and is not in the table might mean two things."""
    names = [in_words(action) for _, action in OPTIONS if action.option_strings]
    assert {name: names.count(name) for name in names if names.count(name) > 1} == SHARED


def test_defaults_are_told_as_they_are():
    for program, action in OPTIONS:
        if action.option_strings and action.nargs is None and action.default not in (None, ""):
            assert default(action.help % {"default": action.default}) == str(action.default), program


@pytest.mark.parametrize(
    "planted, expected",
    [
        ({"help": None}, "train --seed has no help"),
        ({"help": "the same N gives the same random numbers"}, "train --seed does not tell its default"),
        ({"help": "the same N gives the same random numbers (default: None)"}, "tells a default that is none"),
        ({"help": "the same N gives the same random numbers (default: 1)"}, "has the default 1"),
        ({"help": "for random numbers (default: 0)"}, "--seed of train is not that of compare"),
        ({"metavar": "SEED"}, "train --seed takes a SEED"),
        ({"metavar": "FILE"}, "--seed of train is not that of compare"),
    ],
)
def test_a_mistake_is_noticed(monkeypatch, planted, expected):
    action = next(action for name, action in OPTIONS if name == "train" and in_words(action) == "--seed")
    for name, value in planted.items():
        monkeypatch.setattr(action, name, value)
    assert expected in "\n".join(mistakes([option for option in OPTIONS if option[1].help or option[1] is action]))


def test_what_holds_in_one_program_alone_stands_behind_a_semicolon():
    parser = argparse.ArgumentParser()
    add_value(parser, "--few", "how many", here="here few", default=0)
    add_value(parser, "--many", "how many", told="as many as there are")
    add_value(parser, "--all", "how many", required=True)
    add_seed(parser, "for nothing")
    _, few, many, all_, seed = (action.help for action in parser._actions)
    assert few == "how many; here few (default: 0)" and meaning(few) == meaning(many) == meaning(all_) == "how many"
    assert (default(many), default(all_)) == ("as many as there are", "required")
    assert seed == "the same N gives the same random numbers; for nothing (default: 0)"


@pytest.mark.parametrize("program", ["train", "compare", "ablations", "figure1", "two_gpus"])
def test_every_data_set_is_named(program):
    told = PARSERS[program].format_help()
    assert all(name in told for name in DATA_SETS) and "objects" in DATA_SETS
    with pytest.raises(FileNotFoundError) as caught:
        load("nowhere")
    assert all(name in str(caught.value) for name in DATA_SETS)


def test_one_of_some_names(capsys):
    parser = Parser(prog="python -m examples.some")
    parser.add_argument("--model", type=one_of(("lenet", "alexnet")))
    assert parser.parse_args(["--model", "lenet"]).model == "lenet"
    for typed, said in (
        ("AlexNet", "some: argument --model: there is no 'AlexNet'; did you mean alexnet?\n"),
        ("vgg", "some: argument --model: there is no 'vgg', expected one of lenet, alexnet; --help explains"),
    ):
        with pytest.raises(SystemExit, match="2"):
            parser.parse_args(["--model", typed])
        assert capsys.readouterr().err.startswith(said)
