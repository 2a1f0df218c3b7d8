"""Where the lessons' figures go: into files, and in a notebook also below the cell that draws
them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from nn.plots.style import picture

FOLDER = Path("runs/lessons")
ROOT = Path(__file__).resolve().parents[2]  # the folder that holds the packages
_drawn: list[Path] = []  # in a notebook: the figures of the cell that runs


def figure_path(name: str) -> Path:
    """The file of a figure, runs/lessons/NAME.png; its folder is made, and the name printed.

    In a notebook (Jupyter, VS Code's cells) the figure is shown below the cell instead.
    Where it cannot be written the program ends with one sentence: SystemExit.
    """
    notebook = _notebook()
    path = _folder(notebook is not None) / f"{name}.png"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("ab").close()  # so that every drawing program finds it writable
    except OSError as error:
        raise SystemExit(f"cannot write {path.as_posix()}: {error.strerror or error}") from None
    if notebook is None:
        print(f"-> {path.as_posix()}")
    else:
        _show_after_the_cell(notebook, path)
    return path


@contextmanager
def figure(name: str, width: float = 11, height: float = 4) -> Iterator[Figure]:
    """A figure of width x height inches in the library's style, saved as runs/lessons/NAME.png
    after the with-block."""
    with picture(figure_path(name), width, height) as drawing:
        yield drawing


def _notebook() -> Any | None:
    """IPython's shell where it shows pictures (not in a terminal), else None; not imported here."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return shell if hasattr(shell, "kernel") else None


def _folder(in_notebook: bool) -> Path:
    """A notebook runs in the folder that it lies in; from anywhere in a checkout the figures go to
    one place."""
    in_checkout = (ROOT / "setup.cfg").exists() and ROOT in Path.cwd().parents
    return ROOT / FOLDER if in_notebook and in_checkout else FOLDER


def _show_after_the_cell(shell: Any, path: Path) -> None:
    if _show not in shell.events.callbacks["post_run_cell"]:
        shell.events.register("post_run_cell", _show)
    if path not in _drawn:
        _drawn.append(path)


def _show(result: Any) -> None:
    """Called by IPython when a cell has ended: show its figures, unless it failed and they may be
    of an earlier run."""
    from IPython.display import Image, display

    if result.success:
        for path in _drawn:
            display(Image(filename=path, alt=f"Figure {path.stem}"))
    _drawn.clear()
