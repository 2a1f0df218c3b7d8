"""Exercises that check themselves: write a function, and be told what is right and what is wrong with it.

    python -m examples.check                              lists the exercises, one for each lesson
    python -m examples.check 6                            tells what exercise 6 asks for
    python -m examples.check 6 --start mine.py            writes a file to start from
    python -m examples.check 6 mine.py                    checks it, in cases that the file does not know

A function is called with small images that are not square, several at a time, with strides, with negative numbers, and
its results are compared with those of plain loops. Where the numbers are exactly those of a known mistake, there is a
hint. The exercises blind1 to blind5 are whole programs with a bug that no gradient check can see: find it, and mend it.

Exit status: 0 where all is right, 1 where something is wrong, 2 for bad input.
"""

from __future__ import annotations

import ast
import csv
import textwrap
from collections.abc import Sequence
from pathlib import Path

from examples.check.checker import find_exercise
from examples.check.exercises import EXERCISES
from examples.check.report import Report
from examples.check.running import judge_in_a_process
from examples.shared.command_line import Parser, as_typed, carry_out, how_to_start, positive_number
from examples.shared.options import add_value

EPILOG = """
for those who teach:
  python -m examples.check 6 handed_in/ --csv marks.csv
      checks every .py file of a folder and the folders in it (or those that are named), a line each, and writes a
      table: file, right, score, of, mistake, hint. What is no .py file is named at the end. Files are run, each in a
      process of its own that ends after --seconds; that is no protection against malice, so run what strangers send in
      a container. The answers are in examples/check/solutions, which may be deleted before the project is passed on.
From Python: from examples.check import check; check(6, convolution_backward)
"""

SKELETONS = Path(__file__).with_name("skeletons")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program. Exit status: 0 right; 1 wrong, or something could not be written; 2 bad input; 130 Ctrl-C."""
    parser = make_parser()
    options = parser.parse_args(arguments)

    def make() -> tuple[str, list[Path], list[Path]]:
        if options.exercise is None:
            return "", [], []
        name, _ = find_exercise(options.exercise)
        if options.start and options.file:
            raise ValueError("--start writes a file to start from, expected no other FILE beside it")
        if options.csv and not options.file:
            raise ValueError("--csv is for files that are checked, expected a FILE")
        for path in (options.start, options.csv):
            if path and path.exists():
                raise ValueError(f"{path} exists already and is never replaced, name another file")
        files, left_out = find_files(options.file, name)
        return name, files, left_out

    def work(made: tuple[str, list[Path], list[Path]]) -> int:
        name, files, left_out = made
        if not name:
            print(overview())
        elif options.start:
            write_skeleton(name, options.start)
        elif not files:
            print(task(name))
        elif len(files) == 1 and not left_out and not options.csv:
            return check_one(name, files[0], options.seconds)
        else:
            return check_all(name, files, left_out, options.seconds, options.csv)
        return 0

    return carry_out(parser, make, work)


def make_parser() -> Parser:
    parser = Parser(prog="python -m examples.check", description=__doc__, epilog=EPILOG)
    parser.add_argument("exercise", nargs="?", metavar="EXERCISE", help="0 to 20, or blind1 to blind5")
    parser.add_argument("file", nargs="*", type=Path, metavar="FILE", help="what to check: files, or folders of files")
    add_value(
        parser,
        "--start",
        "write a file to start from, which must not exist yet",
        told="none",
        type=Path,
        metavar="FILE",
    )
    add_value(parser, "--csv", "write a table with a row for each file", told="none", type=Path, metavar="FILE")
    add_value(parser, "--seconds", "for each file", default=60.0, type=positive_number(1e6), metavar="SECONDS")
    return parser


def overview() -> str:
    width = max(map(len, EXERCISES))
    lines = [f"  {name:>{width}}  {exercise.title}" for name, exercise in EXERCISES.items()]
    program = how_to_start("check")
    return "\n".join(
        [
            "The exercises, one for each lesson, and five programs with a bug that no gradient check can see:",
            "",
            *lines,
            "",
            f"{program} 6                    tells what exercise 6 asks for",
            f"{program} 6 --start mine.py    writes a file to start from",
            f"{program} 6 mine.py            checks it",
        ]
    )


def skeleton(name: str) -> Path:
    return SKELETONS / (f"blind_{name[-1]}.py" if name.startswith("blind") else f"exercise_{int(name):02}.py")


def task(name: str) -> str:
    """What an exercise asks for: the text at the top of its skeleton, and of its functions."""
    tree = ast.parse(skeleton(name).read_text(encoding="utf-8"))
    functions = [
        f"{node.name}({ast.unparse(node.args)})\n" + textwrap.indent(ast.get_docstring(node), "    ")
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name in EXERCISES[name].names and ast.get_docstring(node)
    ]
    start = f"To start: {how_to_start('check')} {name} --start mine.py"
    head = ast.get_docstring(tree).rpartition("\n\n")[0]  # without the command at its end
    return "\n\n".join([head, *functions, start])


def write_skeleton(name: str, path: Path) -> None:
    text = skeleton(name).read_text(encoding="utf-8").replace("THIS_FILE", path.name)
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
    print(as_typed(f"{path} is written. When it is done: python -m examples.check {name} {path}"))


def find_files(paths: Sequence[Path], exercise: str) -> tuple[list[Path], list[Path]]:
    """The files to check, and those that are left out since they are no .py files.

    A folder stands for all that is in it and in its folders, but for what systems and editors put there.
    """
    found, left_out = [], []
    for path in paths:
        if path.is_dir():
            inside = [file for file in sorted(path.rglob("*")) if file.is_file() and _of_a_student(file, path)]
            if not any(file.suffix == ".py" for file in inside):
                raise ValueError(f"there is no .py file in the folder {path}")
            found += [file for file in inside if file.suffix == ".py"]
            left_out += [file for file in inside if file.suffix != ".py"]
        elif not path.exists():
            raise ValueError(f"there is no file {path}")
        elif path.suffix == ".ipynb":
            asked = exercise if exercise.isdecimal() else repr(exercise)
            names = ", ".join(EXERCISES[exercise].names)
            raise ValueError(
                f"{path} is a notebook, expected a .py file: save it as one, or write in it "
                f"from examples.check import check; check({asked}, {names})"
            )
        elif path.suffix != ".py":
            raise ValueError(f"{path} is no Python file, expected a name that ends in .py")
        else:
            found.append(path)
    return found, left_out


def _of_a_student(file: Path, folder: Path) -> bool:
    parts = file.relative_to(folder).parts
    return not any(part.startswith(".") or part in ("__pycache__", "__MACOSX") for part in parts)


def check_one(name: str, file: Path, seconds: float) -> int:
    print(f"exercise {name}, {EXERCISES[name].title}: {file}\n", flush=True)
    report = judge_in_a_process(file, name, seconds)
    print(report.text())
    return 0 if report.right else 1


def check_all(name: str, files: Sequence[Path], left_out: Sequence[Path], seconds: float, table: Path | None) -> int:
    """A line for each file, and a row of the table; 1 where one of them is wrong or was left out."""
    if table:
        table.touch(exist_ok=False)  # find out now whether it can be written
    rows, width = [], max(len(str(file)) for file in files)
    for file in files:
        rows.append(row(file, judge_in_a_process(file, name, seconds), len(EXERCISES[name].parts)))
        _, right, score, parts, mistake, _ = rows[-1]
        print(f"{file!s:{width}}  {'right' if right else 'wrong'}  {score} of {parts}  {mistake}".rstrip(), flush=True)
    if table:
        with table.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("file", "right", "score", "of", "mistake", "hint"), *rows])
    wrong = sum(not right for _, right, *_ in rows)
    if left_out:
        print(f"not judged, no .py files: {', '.join(map(str, left_out))}")
    print(
        f"{len(files)} files, {len(files) - wrong} right, {wrong} wrong"
        + (f", {len(left_out)} not judged" if left_out else "")
        + (f"; see {table}" if table else "")
    )
    return 1 if wrong or left_out else 0


def row(file: Path, report: Report, parts: int) -> tuple:
    names, finding = report.first_wrong or ("", None)
    mistake = finding.text if finding else ""
    score, _ = report.score
    return (
        str(file),
        int(report.right),
        score,
        parts,
        f"{names}: {mistake}" if names else mistake,
        (finding.hint if finding else ""),
    )
