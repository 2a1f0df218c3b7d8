"""The runner of the lessons: their order, which are taken, and what a failed one shows."""

import importlib
import re

import pytest

runner = importlib.import_module("examples.lessons.__main__")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of little lessons in the place of the real ones."""
    for name, text in {
        "lesson_01_good": "print('fine')",
        "lesson_02_bad": "print('so far so good'); raise SystemExit('it went wrong')",
        "lesson_10_slow": "import time; print('waiting', flush=True); time.sleep(60)",
        "appendix_last": "",
        "solutions/solution_01": "print('the answer')",
    }.items():
        path = tmp_path / "examples" / "lessons" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        (path.parent / "__init__.py").touch()
    (tmp_path / "examples" / "__init__.py").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(runner, "FOLDER", tmp_path / "examples" / "lessons")


def test_every_lesson_has_answers_and_at_most_100_columns():
    modules = runner.find_modules()
    lessons = [module for module in modules if module.startswith("lesson")]
    assert len({runner.number(module) for module in lessons}) == len(lessons) >= 14
    assert modules[-2:] == ["appendix_it_does_not_learn", "solutions.solution_appendix"]
    answered = [module for module in modules if module.startswith("solutions")]
    assert [runner.number(module) for module in answered] == [*map(runner.number, lessons), None]
    for path in runner.FOLDER.rglob("*.py"):
        assert max(map(len, path.read_text(encoding="utf-8").splitlines()), default=0) <= 100, path


def test_their_order(folder):
    assert runner.find_modules() == [
        "lesson_01_good",
        "solutions.solution_01",
        "lesson_02_bad",
        "lesson_10_slow",
        "appendix_last",
    ]


def test_what_goes_well_is_a_line_and_what_fails_shows_what_it_said(folder, capsys):
    assert runner.main(["1"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"lesson_01_good +\d+\.\d s  ok\n", out) and "2 programs" in out and "all ok" in out
    assert "fine" not in out
    assert runner.main(["1", "2"]) == 1
    out = capsys.readouterr().out
    assert "failed\nso far so good\nit went wrong\n" in out and "3 programs" in out and "1 failed" in out


@pytest.mark.slow
def test_one_that_takes_too_long_is_stopped(folder, capsys):
    assert runner.main(["10", "--limit", "2.5"]) == 1
    out = capsys.readouterr().out
    assert re.search(r"failed: stopped after 2\.5 s, --limit allows more\n(waiting\n)?", out)


@pytest.mark.slow
def test_lessons_run_on_the_plain_backend(tmp_path, monkeypatch, capsys):
    """Those that take seconds there: one to four, six and seven, with their answers."""
    root = runner.FOLDER.parents[1]
    monkeypatch.chdir(tmp_path)  # where the figures go
    monkeypatch.setenv("PYTHONPATH", str(root))
    monkeypatch.setenv("NN_BACKEND", "plain")
    monkeypatch.setenv("MPLBACKEND", "Agg")
    assert runner.main(["1", "2", "3", "4", "6", "7"]) == 0, capsys.readouterr().out
    assert "12 programs" in capsys.readouterr().out
    assert len(list(tmp_path.glob("runs/lessons/*.png"))) >= 6
