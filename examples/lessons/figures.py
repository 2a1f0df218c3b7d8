"""Where the lessons' figures go."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from matplotlib.figure import Figure

from nn.plots.style import picture

FOLDER = Path("runs/lessons")


def figure_path(name: str) -> Path:
    """The file of a figure, runs/lessons/NAME.png; its folder is made, and the name printed."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.png"
    print(f"-> {path}")
    return path


@contextmanager
def figure(name: str, width: float = 11, height: float = 4) -> Iterator[Figure]:
    """A figure of width x height inches in the library's style, saved as runs/lessons/NAME.png after the with-block."""
    with picture(figure_path(name), width, height) as drawing:
        yield drawing
