"""The program `lenet check`: what it prints, what it writes, and how it ends; the student's file runs in a process."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

import examples.check
from examples.check.exercises import EXERCISES
from examples.check.program import main, skeleton
from examples.check.running import judge_in_a_process

FOLDER = Path(examples.check.__file__).parent
RIGHT = "import numpy as np\n\n\ndef matrix_product(a, b):\n    return a @ b\n"


@pytest.fixture
def handed_in(tmp_path):
    """handed_in(text): a student's file with this text."""

    def write(text: str, name: str = "mine.py") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_all_exercises_are_listed(capsys):
    assert main([]) == 0
    listed = capsys.readouterr().out
    for name, exercise in EXERCISES.items():
        assert f"{name}  {exercise.title}\n" in listed
    assert list(EXERCISES)[:21] == [str(number) for number in range(21)]


@pytest.mark.parametrize("name", EXERCISES)
def test_a_task_is_told(name, capsys):
    assert main([name]) == 0
    told = capsys.readouterr().out
    assert "--start mine.py" in told and "THIS_FILE" not in told
    if name.isdecimal():
        assert told.startswith(f"Exercise {name}: ") and all(f"\n{f}(" in told for f in EXERCISES[name].names)


def test_a_skeleton_is_written_and_never_over_another_file(tmp_path, capsys):
    mine = tmp_path / "mine.py"
    assert main(["6", "--start", str(mine)]) == 0
    written = mine.read_text(encoding="utf-8")
    assert "lenet check 6 mine.py" in written and "raise NotImplementedError" in written
    assert written == skeleton("6").read_text(encoding="utf-8").replace("THIS_FILE", "mine.py")
    mine.write_text("my work")
    with pytest.raises(SystemExit, match="2"):
        main(["6", "--start", str(mine)])
    assert "exists already and is never replaced" in capsys.readouterr().err
    assert mine.read_text() == "my work"


def test_right_is_status_0_and_wrong_is_status_1(handed_in, capsys):
    assert main(["0", str(handed_in(RIGHT))]) == 0
    assert capsys.readouterr().out.endswith("All of it is right.\n")
    assert main(["0", str(handed_in(RIGHT.replace("a @ b", "(a @ b).T")))]) == 1
    out = capsys.readouterr().out
    assert "WRONG  c is wrong" in out and "Hint:  The numbers are right, but rows and columns are exchanged" in out


def test_a_whole_folder_is_graded(handed_in, tmp_path, capsys):
    handed_in(RIGHT, "anna.py")
    handed_in("def matrix_product(a, b):\n    return a * b\n", "ben.py")
    handed_in("def matrix_produkt(a, b):\n    return a @ b\n", "carl.py")
    handed_in("def matrix_product(a, b):\n    return a @ b[1:]\n", "doris.py")
    table = tmp_path / "marks.csv"
    assert main(["0", str(tmp_path), "--csv", str(table)]) == 1
    anna, ben, carl, doris, summary = capsys.readouterr().out.splitlines()
    assert "anna.py" in anna and "right  1 of 1" in anna
    assert "wrong  0 of 1  matrix_product: c is wrong for 2x2" in ben and "there is no function" in carl
    assert "wrong  0 of 1  matrix_product: for 2x2" in doris and "it raises ValueError" in doris
    assert summary == f"4 files, 1 right, 3 wrong; see {table}"
    head, *rows = csv.reader(table.read_text(encoding="utf-8").splitlines())
    assert head == ["file", "right", "score", "of", "mistake", "hint"]
    assert [(Path(row[0]).name, *row[1:4]) for row in rows] == [
        ("anna.py", "1", "1", "1"),
        ("ben.py", "0", "0", "1"),
        ("carl.py", "0", "0", "1"),
        ("doris.py", "0", "0", "1"),
    ]
    assert rows[2][5] == "Did you mean matrix_produkt?"
    with pytest.raises(SystemExit, match="2"):
        main(["0", str(tmp_path), "--csv", str(table)])


@pytest.mark.parametrize(
    ("text", "sentence", "hint"),
    [
        (
            "def matrix_product(a, b)\n    return a\n",
            "the file cannot be run: SyntaxError: expected ':', in line 1 of mine.py: def matrix_product(a, b)",
            "",
        ),
        ("import numpi\n", "ModuleNotFoundError: No module named 'numpi', in line 1 of mine.py: import numpi", ""),
        ("def f():\n    return 1 / 0\n\n\nf()\n", "division by zero, in line 2 of mine.py: return 1 / 0", ""),
        ("name = input()\n", "EOFError", "__name__ == '__main__'"),
        ("raise SystemExit(3)\n", "SystemExit: 3", "__name__ == '__main__'"),
        ("open('numbers.txt')\n", "FileNotFoundError", "__name__ == '__main__'"),
        ("def f():\n    raise NotImplementedError\n\n\nf()\n", "NotImplementedError", "__name__ == '__main__'"),
        ("import os\n\nos._exit(7)\n", "the process in which the file ran ended with status 7", "os._exit"),
    ],
)
def test_a_file_that_cannot_be_run(handed_in, text, sentence, hint):
    trouble = judge_in_a_process(handed_in(text), "0", 60).trouble
    assert sentence in trouble.text and hint in trouble.hint


def test_a_file_in_another_encoding(tmp_path):
    """What `>` of PowerShell writes, and old editors of Windows."""
    path = tmp_path / "mine.py"
    path.write_bytes(RIGHT.encode("utf-16"))
    trouble = judge_in_a_process(path, "0", 60).trouble
    # A SyntaxError, and before Python 3.12 a ValueError.
    assert re.match(r"the file cannot be run: (Syntax|Value)Error: source code .*null bytes", trouble.text)
    assert "save it as UTF-8" in trouble.hint
    path.write_bytes(RIGHT.encode("utf-8-sig"))
    assert judge_in_a_process(path, "0", 60).right


def test_no_window_opens(handed_in, monkeypatch):
    """Whatever the shell says about where figures go."""
    monkeypatch.setenv("MPLBACKEND", "TkAgg")
    text = "import os\n\nassert os.environ['MPLBACKEND'] == 'Agg'\n\n" + RIGHT
    assert judge_in_a_process(handed_in(text), "0", 60).right


def test_a_folder_of_folders_and_what_is_left_out(handed_in, tmp_path, capsys):
    """A folder for each student, as systems for handing in make them; who handed in something else is not forgotten."""
    for name in ("anna/mine.py", "ben/deep/mine.py", "anna/__pycache__/old.py", "__MACOSX/ben/._mine.py", ".git/no.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        handed_in(RIGHT, name)
    handed_in("{}", "carl.ipynb")
    handed_in(RIGHT, "doris.py.txt")
    assert main(["0", str(tmp_path)]) == 1
    *lines, left_out, summary = capsys.readouterr().out.splitlines()
    assert [Path(line.split()[0]).relative_to(tmp_path).as_posix() for line in lines] == [
        "anna/mine.py",
        "ben/deep/mine.py",
    ]
    assert left_out.startswith("not judged, no .py files: ")
    assert "carl.ipynb" in left_out and "doris.py.txt" in left_out and left_out.count(",") == 2
    assert summary == "2 files, 2 right, 0 wrong, 2 not judged"


def test_a_notebook_is_told_what_to_do(handed_in, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["0", str(handed_in("{}", "mine.ipynb"))])
    assert "check(0, matrix_product)" in capsys.readouterr().err


def test_a_file_that_cannot_be_run_has_all_parts_wrong(handed_in, tmp_path):
    table = tmp_path / "marks.csv"
    assert main(["7", str(handed_in("1 / 0\n")), "--csv", str(table)]) == 1
    assert list(csv.reader(table.read_text(encoding="utf-8").splitlines()))[1][1:4] == ["0", "0", "2"]


def test_what_is_printed_is_narrow(capsys):
    for name in ([], *([name] for name in EXERCISES)):
        assert main(name) == 0
        assert max(map(len, capsys.readouterr().out.splitlines())) <= 120


def test_an_endless_loop_is_found_with_its_line(handed_in):
    text = "def matrix_product(a, b):\n    n = 0\n    while True:\n        n += 1\n"
    trouble = judge_in_a_process(handed_in(text), "0", 3).trouble
    assert trouble.text.startswith("it had not ended after 3 seconds, in line ")
    assert any(f"line {n} of mine.py, in matrix_product" in trouble.text for n in (3, 4))
    assert "never ends" in trouble.hint


def test_what_the_file_prints_is_shown_but_not_all_of_it(handed_in):
    report = judge_in_a_process(handed_in("print('hello', 1)\nprint('x' * 10**6)\n" + RIGHT), "0", 60)
    assert report.right and len(report.printed) == 2000
    assert report.text().startswith("Your file has printed:\n  | hello 1\n")


def test_the_students_folder_hides_nothing_and_stays_as_it_was(handed_in, tmp_path):
    """A package `nn` beside the file is not ours; a helper beside it can be imported."""
    (tmp_path / "nn").mkdir()
    (tmp_path / "nn" / "__init__.py").write_text("raise ImportError('somebody else has written this')\n")
    (tmp_path / "helper.py").write_text("def product(a, b):\n    return a @ b\n")
    text = "from helper import product\n\n\ndef matrix_product(a, b):\n    return product(a, b)\n"
    report = judge_in_a_process(handed_in(text), "0", 60)
    assert report.right, report.text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["helper.py", "mine.py", "nn"]


def test_a_mended_program_is_judged_in_a_process():
    assert judge_in_a_process(FOLDER / "solutions" / "blind_4.py", "blind4", 120).right
    assert not judge_in_a_process(FOLDER / "skeletons" / "blind_4.py", "blind4", 120).right


@pytest.mark.slow
@pytest.mark.parametrize("number", range(1, 6))
def test_the_programs_run_as_they_are(number, capfd):
    """Skeleton and solution, as programs: the bug shows in no error."""
    import subprocess
    import sys

    from examples.shared.command_line import in_a_process

    for folder in ("skeletons", "solutions"):
        command = in_a_process(f"examples.check.{folder}.blind_{number}")
        assert command[0] == sys.executable
        result = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert result.returncode == 0 and "%" in result.stdout, result.stderr
