"""The lists of mistakes fit the project, and planting one tells what is noticed from what is not."""

import sys

import pytest

from tests import planted, planted_plots
from tests.planted_mistake import ROOT, Mistake

NOTICED = Mistake("nn/plots/report.py", "<p>{escape(picture.explanation)}</p>", "<p></p>", ("nn/plots/test_report.py",))
SURVIVES = Mistake("nn/plots/report.py", "that dark mode is", "that the dark mode is", ("nn/plots/test_report.py",))


@pytest.mark.parametrize("mistake", planted.MISTAKES, ids=str)
def test_each_mistake_can_be_planted(mistake):
    assert mistake.source() != (ROOT / mistake.file).read_text(encoding="utf-8")


def test_there_are_enough():
    assert len(planted_plots.MISTAKES) >= 35
    assert len(set(planted.MISTAKES)) == len(planted.MISTAKES)


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (
            Mistake("nn/plots/report.py", "no such line", "x", ()),
            "nn/plots/report.py: 'no such line' is there 0 times, expected",
        ),
        (
            Mistake("nn/plots/report.py", "escape", "x", ()),
            r"nn/plots/report.py: 'escape' is there \d\d times, expected exactly once",
        ),
        (Mistake("nn/plots/report.py", "import base64", "", ("no.py",)), "there is no tests/no.py; mend this entry"),
    ],
)
def test_a_list_that_has_rotted_is_refused_in_a_sentence(mistake, message):
    with pytest.raises(ValueError, match=message):
        mistake.source()


@pytest.mark.slow
def test_one_is_noticed_and_one_is_not(monkeypatch, capsys):
    before = (ROOT / "nn" / "plots" / "report.py").read_bytes()
    monkeypatch.setattr(planted, "MISTAKES", [NOTICED, SURVIVES])
    monkeypatch.setattr(sys, "argv", ["planted", "--workers", "1"])
    assert planted.main() == 1
    said = capsys.readouterr().out
    assert "FAILED tests/nn/plots/test_report.py::" in said and "; 1 survive (at most 5% should)." in said
    assert said.rstrip().endswith("survived: nn/plots/report.py: that dark mode is  ->  that the dark mode is")
    assert (ROOT / "nn" / "plots" / "report.py").read_bytes() == before


def test_only_some_are_listed(monkeypatch, capsys):
    monkeypatch.setattr(planted, "MISTAKES", [NOTICED, SURVIVES])
    monkeypatch.setattr(sys, "argv", ["planted", "--list", "--only", "explanation"])
    assert planted.main() == 0
    assert capsys.readouterr().out == f"{NOTICED}\n1 mistakes\n"
