"""Where the lessons' figures go."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from matplotlib.figure import Figure

from nn.plots.style import picture

FOLDER = Path("runs/lessons")


def figure_path(name: str) -> Path:
    """The file of a figure, runs/lessons/NAME.png; its folder is made, and the name printed.

    Where it cannot be written the program ends with one sentence: SystemExit.
    """
    path = FOLDER / f"{name}.png"
    try:
        FOLDER.mkdir(parents=True, exist_ok=True)
        path.open("ab").close()  # so that every drawing program finds it writable
    except OSError as error:
        raise SystemExit(f"cannot write {path.as_posix()}: {error.strerror or error}") from None
    print(f"-> {path.as_posix()}")
    return path


@contextmanager
def figure(name: str, width: float = 11, height: float = 4) -> Iterator[Figure]:
    """A figure of width x height inches in the library's style, saved as runs/lessons/NAME.png after the with-block."""
    with picture(figure_path(name), width, height) as drawing:
        yield drawing
