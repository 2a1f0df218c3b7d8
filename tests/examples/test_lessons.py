"""The runner of the lessons: their order, which are taken, and what a failed one shows."""

import importlib
import os
import re
import sys
from pathlib import Path

import pytest

runner = importlib.import_module("examples.lessons.__main__")
ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "examples" / "lessons"
LESSONS = [path for pattern in ("lesson_*.py", "appendix*.py") for path in sorted(FOLDER.glob(pattern))]
TEXTS = [*LESSONS, *sorted(FOLDER.glob("solutions/solution_*.py"))]

sys.path.append(str(ROOT / "docs" / "book"))  # no package: the book's own little modules
import plan  # noqa: E402


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of little lessons in the place of the real ones."""
    for name, text in {
        "lesson_01_good": "print('fine')",
        "lesson_02_bad": "print('so far so good'); raise SystemExit('it went wrong')",
        "lesson_10_slow": "import time; print('waiting', flush=True); time.sleep(60)",
        "appendix_last": "",
        "appendix_first": "",
        "solutions/solution_appendix_first": "",
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


def test_the_numbers_run_without_a_gap_and_each_lesson_has_answers():
    modules = runner.find_modules()
    lessons = [module for module in modules if module.startswith("lesson")]
    assert [runner.number(module) for module in lessons] == list(range(21))
    assert modules[0::2] == [path.stem for path in LESSONS]
    assert modules[1::2] == [f"solutions.{plan.answers(path.stem)}" for path in LESSONS]
    assert modules[-4::2] == ["appendix_it_does_not_learn", "appendix_silent_bugs"]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_lines_are_at_most_100_columns(path):
    assert [line for line in path.read_text(encoding="utf-8").splitlines() if len(line) > 100] == []


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_ends_with_a_summary_and_exercises(path):
    text = path.read_text(encoding="utf-8")
    answers = f"`solutions/{plan.answers(path.stem)}.py`"
    summary, exercises = "\n# ## In short\n", f"\n# ## Exercises (answers: {answers})\n"
    assert text.count(summary) == text.count(exercises) == 1
    assert text.index(summary) < text.index(exercises)
    assert text[text.index(exercises) + 1 :].count("\n# ## ") == 0, "the exercises come last"
    last = plan.cells(path)[-1]
    assert last[0] and len(re.findall(r"^\d\. ", last[1], re.MULTILINE)) >= 3 and "BUG" in last[1]


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_is_read_within_half_an_hour(path):
    assert plan.reading_minutes(path) <= 30


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_explanations_are_markdown_as_jupyter_and_a_book_read_it(path):
    texts = [text for is_markdown, text in plan.cells(path) if is_markdown]
    assert [fault for text in texts for fault in markdown_faults(text)] == []
    assert sum(len(re.findall(r"^# ", text, re.MULTILINE)) for text in texts) == 1, "one title"


@pytest.mark.parametrize(
    "text",
    [
        "So:\n$$\na = b\n$$\n\nand",
        "So:\n\n$$\na = b\n$$\nand",
        "Two:\n- one\n- two",
        "- one\n- two\nand on",
        "Two:\n1. one",
        "A table:\n| a | b |",
        "Code:\n    x = 1",
        "    x = 1\nand on",
        "It costs 5$, or $a$.",
        "### deeper",
    ],
)
def test_a_missing_blank_line_is_found(text):
    assert len(markdown_faults(text)) == 1


def test_good_markdown_has_no_faults():
    text = "# Title\n\nIf $a = b$ and `$`:\n\n$$\na = b\n$$\n\n- one\n  more\n- two\n\n    code\n\n| a |\n|---|\n\nend"
    assert markdown_faults(text) == []


def markdown_faults(text: str) -> list[str]:
    """What a reader of Markdown would take for something else: lines of a list, a table, a formula or code that are not
    set apart by a blank line; a $ without its partner; headings deeper than ##."""
    faults = []
    lines = text.splitlines()
    kinds = _kinds(lines)
    for line, (before, kind) in zip(lines[1:], zip(kinds, kinds[1:])):
        if before != kind and "blank" not in (before, kind) and "heading" not in (before, kind):
            faults.append(f"no blank line before {line!r}")
    for paragraph in re.split(r"\n\s*\n", re.sub(r"`[^`]*`", "", text)):
        if len(re.findall(r"(?<!\\)\$", paragraph)) % 2:
            faults.append(f"a $ without a partner in {paragraph!r}")
    return faults + [f"{line!r} is a heading deeper than ##" for line in lines if re.match(r"###+ ", line)]


def _kinds(lines: list[str]) -> list[str]:
    kinds: list[str] = []
    in_formula = False
    for line in lines:
        before = kinds[-1] if kinds else "blank"
        in_list = before == "list" or (before == "blank" and "list" in kinds and kinds[::-1].index("list") == 1)
        if in_formula or line.startswith("$$"):
            kind = "formula"
            in_formula ^= line.count("$$") % 2 == 1
        elif not line.strip():
            kind = "blank"
        elif re.match(r"#+ ", line):
            kind = "heading"
        elif re.match(r"\s*([-*+]|\d+\.) ", line) or (in_list and line.startswith("  ") and before == "list"):
            kind = "list"
        elif line.startswith("|"):
            kind = "table"
        elif line.startswith("    "):
            kind = "code"
        else:
            kind = "text"
        kinds.append(kind)
    return kinds


def test_their_order(folder):
    assert runner.find_modules() == [
        "lesson_01_good",
        "solutions.solution_01",
        "lesson_02_bad",
        "lesson_10_slow",
        "appendix_first",
        "solutions.solution_appendix_first",
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


def test_answers_may_be_left_out(folder, capsys):
    assert runner.main(["1", "--no-answers"]) == 0
    out = capsys.readouterr().out
    assert "lesson_01_good" in out and "solution" not in out and "1 programs" in out


def test_several_at_a_time_say_the_same(folder, capsys):
    assert runner.main(["1", "2", "--jobs", "3"]) == 1
    out = capsys.readouterr().out
    for name in ("lesson_01_good", "solutions.solution_01"):
        assert re.search(rf"^{name} +\d+\.\d s  ok\n", out, re.MULTILINE)
    assert re.search(r"^lesson_02_bad +\d+\.\d s  failed\nso far so good\nit went wrong\n", out, re.MULTILINE)
    assert "3 programs" in out and "1 failed" in out


def test_those_that_run_at_the_same_time_share_the_cores(folder, monkeypatch, capsys):
    monkeypatch.setattr(runner, "num_threads", lambda: 8)
    lesson = runner.FOLDER / "lesson_02_bad.py"
    lesson.write_text("import os; raise SystemExit('threads: ' + os.environ['NUM_THREADS'])")
    for jobs, threads in ((1, 8), (3, 2), (9, 1)):
        assert runner.main(["2", "--jobs", str(jobs)]) == 1
        assert f"threads: {threads}\n" in capsys.readouterr().out


@pytest.mark.slow
def test_one_that_takes_too_long_is_stopped(folder, capsys):
    assert runner.main(["10", "--limit", "2.5"]) == 1
    out = capsys.readouterr().out
    assert re.search(r"failed: stopped after 2\.5 s, --limit allows more\n(waiting\n)?", out)


# Those that take some seconds on the plain backend. The others train there for a minute, and lesson 18 for seven:
# LESSONS_ON_PLAIN=all runs them too.
QUICK_WHEN_PLAIN = (*range(9), 13, 14)
ON_PLAIN = () if os.environ.get("LESSONS_ON_PLAIN") == "all" else QUICK_WHEN_PLAIN


@pytest.mark.slow
def test_lessons_run_on_the_plain_backend(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)  # where the figures go
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("NN_BACKEND", "plain")
    monkeypatch.setenv("MPLBACKEND", "Agg")
    count = len(ON_PLAIN or LESSONS)
    assert runner.main([*map(str, ON_PLAIN)]) == 0, capsys.readouterr().out
    assert f"{2 * count} programs" in capsys.readouterr().out
    assert len(list(tmp_path.glob("runs/lessons/*.png"))) >= count
