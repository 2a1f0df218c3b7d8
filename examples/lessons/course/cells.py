"""A lesson as its cells, with what each prints and draws."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

import jupytext

from examples.lessons.figures import FOLDER
from examples.shared.command_line import in_a_process


@dataclass
class Cell:
    """text: Markdown, or Python. output and figures (files, in the order in which they were drawn):
    of Python alone."""

    markdown: bool
    text: str
    output: str = ""
    figures: list[str] = field(default_factory=list)


def read(path: Path) -> list[Cell]:
    """The cells of a lesson, which has not run."""
    notebook = jupytext.read(path)
    return [Cell(cell.cell_type == "markdown", cell.source) for cell in notebook.cells]


def run(path: Path, kept: Path) -> list[Cell]:
    """The cells of a lesson, which runs in a process of its own; not again where `kept`, a file,
    says what came of the same text and all its figures are there.

    RuntimeError: the lesson ended with an error.
    """
    text = hashlib.sha256(path.read_bytes()).hexdigest()
    if kept.exists():
        found = json.loads(kept.read_text(encoding="utf-8"))
        cells = [Cell(**cell) for cell in found["cells"]]
        if found["text"] == text and all(
            Path(figure).exists() for cell in cells for figure in cell.figures
        ):
            return cells
    kept.parent.mkdir(parents=True, exist_ok=True)
    command = [*in_a_process("examples.lessons.course.cells"), str(path), str(kept)]
    ended = subprocess.run(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace"
    )
    if ended.returncode:
        raise RuntimeError(
            f"{path.name} ended with an error: {(ended.stderr.strip().splitlines() or ['?'])[-1]}"
        )
    cells = [Cell(**cell) for cell in json.loads(kept.read_text(encoding="utf-8"))["cells"]]
    kept.write_text(
        json.dumps({"text": text, "cells": [asdict(cell) for cell in cells]}), encoding="utf-8"
    )
    return cells


def execute(path: Path) -> list[Cell]:
    """The cells of a lesson, run here one after the other as in a notebook."""
    names: dict = {"__name__": "__main__"}
    cells = read(path)
    for number, cell in enumerate(cells):
        if cell.markdown:
            continue
        before = _drawn()
        with contextlib.redirect_stdout(io.StringIO()) as said:
            exec(compile(cell.text, f"{path.name}, cell {number}", "exec"), names)
        lines = said.getvalue().splitlines()
        cell.output = "\n".join(
            line for line in lines if not line.startswith(f"-> {FOLDER.as_posix()}")
        )
        after = _drawn()
        new = [figure for figure, time in after.items() if before.get(figure) != time]
        cell.figures = [
            figure.as_posix() for figure in sorted(new, key=lambda figure: after[figure])
        ]
    return cells


def _drawn() -> dict[Path, int]:
    """The figures that there are, and when each was drawn."""
    return {path: path.stat().st_mtime_ns for path in sorted(FOLDER.glob("*.png"))}


if __name__ == "__main__":
    made = execute(Path(sys.argv[1]))
    Path(sys.argv[2]).write_text(
        json.dumps({"text": "", "cells": [asdict(cell) for cell in made]}), encoding="utf-8"
    )
