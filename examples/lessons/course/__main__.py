"""Make slides and one-page sheets from the lessons.

    python -m examples.lessons.course            all lessons
    python -m examples.lessons.course 4 6        lessons 4 and 6

In runs/course/, or the folder of --out: for each lesson a file of slides (arrows go on and back, n
shows the lesson's prose as notes) and a sheet of paper (print it on A4), and index.html, which
leads to them. Each file is complete and needs no network. A lesson runs first if its figures are
not there, or if its text has changed since.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from pathlib import Path

from examples.lessons.__main__ import FOLDER, number
from examples.shared.command_line import Parser, carry_out, output_folder, run_program, whole_number
from examples.shared.options import add_output

NEEDED = {"jupytext", "latex2mathml", "markdown_it", "mdit_py_plugins"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program. Exit status: 0; 1 a lesson failed; 2 bad input; 130 stopped by Ctrl-C."""
    parser = Parser(prog="python -m examples.lessons.course", description=__doc__)
    parser.add_argument(
        "lesson", nargs="*", type=whole_number(0), metavar="N", help="lessons (default: all)"
    )
    add_output(parser, "runs/course")
    options = parser.parse_args(arguments)

    def make() -> list[Path]:
        try:
            import examples.lessons.course.cells
            import examples.lessons.course.markup  # noqa: F401
        except ModuleNotFoundError as error:
            name = error.name.partition(".")[0]
            if name not in NEEDED:
                raise
            raise ImportError(
                f'{name} is needed to make them: pip install "lenet-to-alexnet[book]"'
            ) from None
        paths = lessons(options.lesson)
        output_folder(options.out, ["index.html"], options.force)
        return paths

    return carry_out(parser, make, lambda paths: make_all(paths, options.out), unwritten="{reason}")


def lessons(wanted: Sequence[int]) -> list[Path]:
    """The files of these lessons, of all where none is named; the appendices last."""
    paths = sorted(FOLDER.glob("lesson_*.py")) + sorted(FOLDER.glob("appendix*.py"))
    there = {number(path.stem): path for path in paths if number(path.stem) is not None}
    missing = [each for each in wanted if each not in there]
    if missing:
        raise ValueError(
            f"there is no lesson {missing[0]}, expected numbers from {min(there)} to {max(there)}"
        )
    return [there[each] for each in wanted] or paths


def make_all(paths: Sequence[Path], out: Path) -> int:
    """Write slides and a sheet for each lesson, and a page that leads to them.

    Return 1 if a lesson failed, else 0.
    """
    from examples.lessons.course.cells import run
    from examples.lessons.course.sheets import sheet_page
    from examples.lessons.course.slides import slides_page

    failed = 0
    for path in paths:
        print(f"{path.stem:40}", end="", flush=True)
        try:
            cells = run(path, out / "cells" / f"{path.stem}.json")
        except RuntimeError as error:
            print(f"failed: {error}", flush=True)
            failed += 1
            continue
        title = heading(cells[0].text) or path.stem
        for kind, write in (("slides", slides_page), ("sheet", sheet_page)):
            (out / f"{path.stem}_{kind}.html").write_text(write(cells, title), encoding="utf-8")
        print("ok", flush=True)
    write_index(out)
    print(
        f"{len(paths) - failed} lessons in {out.as_posix()}; "
        f"begin with {(out / 'index.html').as_posix()}",
        flush=True,
    )
    return 1 if failed else 0


def heading(text: str) -> str:
    found = re.search(r"^# (.*)", text, re.MULTILINE)
    return found[1] if found else ""


def write_index(out: Path) -> None:
    """A page with all slides and sheets that are in the folder."""
    from examples.lessons.course.markup import page

    rows = []
    for slides in sorted(
        out.glob("*_slides.html"), key=lambda path: (not path.stem.startswith("lesson"), path.stem)
    ):
        title = html.unescape(
            re.search("<title>(.*?)</title>", slides.read_text(encoding="utf-8"))[1]
        )
        sheet = slides.name.replace("_slides.html", "_sheet.html")
        rows.append(
            f'<tr><td>{html.escape(title)}</td><td><a href="{slides.name}">slides</a></td>'
            f'<td><a href="{sheet}">sheet</a></td></tr>'
        )
    body = f"<main><h1>The lessons</h1>\n<table>\n{chr(10).join(rows)}\n</table></main>"
    (out / "index.html").write_text(page("The lessons", body, style="sheet.css"), encoding="utf-8")


if __name__ == "__main__":
    run_program(main)
