"""Who imports whom: read from the source, for the tests and for the picture of the rooms in docs/ARCHITECTURE.md.

python -m tests.architecture        draws docs/architecture.png
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from matplotlib import rc_context, rcParamsDefault
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("nn", "layers", "models", "examples")


@cache
def modules(*folders: str) -> dict[str, Path]:
    """Every module of these folders: "nn.sgd" -> nn/sgd.py, "nn.data" -> nn/data/__init__.py."""
    found = {}
    for folder in folders or FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@dataclass(frozen=True)
class Import:
    """`importer` imports `imported`, in this line."""

    importer: str
    imported: str
    line: int

    def __str__(self) -> str:
        return f"{modules()[self.importer].relative_to(ROOT).as_posix()}:{self.line} imports {self.imported}"


@cache
def imports(*folders: str) -> tuple[Import, ...]:
    """All imports of the project's own modules, those within functions and for type checking alone included.

    `nn.backend` looks its backends up by name when an array comes. That is a call, not an import: it is the seam.
    """
    return tuple(
        Import(name, imported, line)
        for name, path in modules(*folders).items()
        for imported, line in sorted(set(_imported(name, path)))
    )


def _imported(name: str, path: Path) -> Iterator[tuple[str, int]]:
    known = modules(*FOLDERS, "tests")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from ((found, node.lineno) for found in [_longest(alias.name, known)] if found)
        elif isinstance(node, ast.ImportFrom):
            home = node.module or ""
            if node.level:  # from . import x: relative to the package
                package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
                home = ".".join([*package[: len(package) - node.level + 1], *([home] if home else [])])
            for alias in node.names:
                yield from ((found, node.lineno) for found in [_longest(f"{home}.{alias.name}", known)] if found)


def _longest(dotted: str, known: dict[str, Path]) -> str | None:
    """The module that a dotted name is of: of "nn.data.Dataset" it is "nn.data"."""
    parts = dotted.split(".")
    return next((name for end in range(len(parts), 0, -1) if (name := ".".join(parts[:end])) in known), None)


def circle(edges: dict[str, set[str]]) -> list[str]:
    """The shortest circle, such as ["a", "b", "a"], or an empty list."""
    shortest: list[str] = []
    for start in edges:
        ways, reached = [[start]], {start}
        while ways:
            way = ways.pop(0)
            for following in sorted(edges.get(way[-1], ())):
                if following == start and (not shortest or len(way) + 1 < len(shortest)):
                    shortest = [*way, start]
                if following not in reached:
                    reached.add(following)
                    ways.append([*way, following])
    return shortest


def is_in(module: str, *packages: str) -> bool:
    """Whether the module is one of these or within one of them."""
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def lines(*patterns: str) -> int:
    """How many lines the files of these patterns have together; each pattern must find one."""
    total = 0
    for pattern in patterns:
        paths = list(ROOT.glob(pattern))
        if not paths:
            raise FileNotFoundError(f"no file is called {pattern}; did it move?")
        total += sum(len(path.read_text(encoding="utf-8").splitlines()) for path in paths)
    return total


# ------------------------------------------------------------------------------------------------- the picture
@dataclass(frozen=True)
class Room:
    """packages: what is in it. left, right, floor: where it is drawn; imports go to lower floors only."""

    packages: tuple[str, ...]
    about: str
    left: float
    right: float
    floor: int


ROOMS = {
    "examples": Room(("examples",), "lessons and programs", 0, 3, 6),
    "models": Room(("models",), "LeNet, AlexNet, recipes", 0, 2, 5),
    "layers": Room(("layers",), "the arithmetic,\none file per kind", 0, 1, 4),
    "nn/training": Room(("nn.training",), "the loop, schedules,\ncheckpoints", 1, 2, 4),
    "nn/plots": Room(("nn.plots",), "figures", 2, 3, 4),
    "nn/data": Room(("nn.data",), "data sets, augmentation,\nrendered objects", 1, 2, 3),
    "nn/inspect": Room(("nn.inspect",), "activations, saliency,\ngradient checks", 2, 3, 3),
    "nn": Room(("nn",), "layer, network,\nloss, SGD", 0, 1, 2),
    "nn/files": Room(("nn.files",), "weights on disk", 1, 2, 1),
    "nn/parallel": Room(("nn.parallel",), "several processes", 2, 3, 1),
    "nn/backend": Room(
        ("nn.backend", "nn.device"), "the same functions, fast:  cpu (numba, BLAS)   cuda   runtime (threads)", 0, 3, 0
    ),
}
SEAM = {("layers", "nn/backend"), ("nn", "nn/backend")}  # by `accelerated`


def room_of(module: str) -> str:
    """The room that a module is in; what is in no other room of nn is in nn itself."""
    packages = [(package, name) for name, room in ROOMS.items() for package in room.packages if is_in(module, package)]
    return max(packages, key=lambda found: len(found[0]))[1]


def room_imports() -> dict[tuple[str, str], Import]:
    """An import for each pair of rooms that has one. nn/__init__.py, which gives names out to users, does not count."""
    pairs = {}
    for found in imports():
        pair = room_of(found.importer), room_of(found.imported)
        if pair[0] != pair[1] and found.importer != "nn":
            pairs.setdefault(pair, found)
    return pairs


def without_detours(pairs: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """The pairs that no way through other rooms says already: examples -> models -> layers says examples -> layers."""
    following = {name: {end for start, end in pairs if start == name} for name in ROOMS}

    def reached(start: str) -> set[str]:
        return following[start].union(*(reached(end) for end in following[start]))

    return {
        (start, end)
        for start, end in pairs
        if not any(end in reached(other) for other in following[start] if other != end)
    }


PICTURE = ROOT / "docs" / "architecture.png"
INK, GREY, BLUE, ORANGE, GREEN = "#222222", "#6b6b6b", "#0072B2", "#D55E00", "#009E73"
WIDTH, HEIGHT, FLOOR = 0.84, 0.62, 1.0  # of a box for each column that it takes; from one floor to the next


def draw(path: Path = PICTURE) -> None:
    """Draw the rooms, an arrow for each that imports another, and the seam."""
    pairs = set(room_imports())
    with rc_context(dict(rcParamsDefault) | {"font.family": "DejaVu Sans", "backend": "agg"}):
        canvas = Figure(figsize=(8.25, 7.6), dpi=120)
        FigureCanvasAgg(canvas)
        axes = canvas.add_axes((0.02, 0.02, 0.96, 0.96))
        axes.set(xlim=(-0.27, 3.02), ylim=(-0.42, 6.42))
        axes.axis("off")
        for name, room in ROOMS.items():
            _draw_box(axes, name, room)
        for start, end in sorted(without_detours(pairs) - SEAM):
            _draw_arrow(axes, ROOMS[start], ROOMS[end])
        for start, end in sorted(pairs & SEAM):
            x = -0.13 if start == "layers" else 0.45
            _draw_arrow(axes, ROOMS[start], ROOMS[end], x, ORANGE)
        axes.text(0.52, 1.0, "accelerated:\nthe seam", color=ORANGE, va="center", fontsize=10)
        canvas.savefig(path, format="png", metadata={"Software": None})


def _box(room: Room) -> tuple[float, float, float, float]:
    """Left, right, bottom and top. What hands its arrays through the seam from above nn is wider than nn."""
    margin = (1 - WIDTH) / 2
    left = room.left + margin - (0.28 if room.left == 0 and room.floor in (0, 4, 5, 6) else 0)
    return left, room.right - margin, room.floor * FLOOR - HEIGHT / 2, room.floor * FLOOR + HEIGHT / 2


def _draw_box(axes: Axes, name: str, room: Room) -> None:
    left, right, bottom, top = _box(room)
    colour = ORANGE if name == "nn/backend" else BLUE if name.startswith("nn") else GREEN
    box = FancyBboxPatch(
        (left, bottom), right - left, top - bottom, boxstyle="round,pad=0,rounding_size=0.06", linewidth=1.4
    )
    box.set(facecolor=to_rgba(colour, 0.10), edgecolor=colour)
    axes.add_patch(box)
    middle = (left + right) / 2
    axes.text(middle, top - 0.16, name, ha="center", va="center", fontsize=12, fontweight="bold", color=INK)
    axes.text(middle, bottom + 0.20, room.about, ha="center", va="center", fontsize=9, color=INK, linespacing=1.1)


def _draw_arrow(axes: Axes, start: Room, end: Room, x: float | None = None, colour: str = GREY) -> None:
    """Down from one box to another: straight where one lies over the other, else from corner to corner."""
    (left, right, bottom, _), (other_left, other_right, _, top) = _box(start), _box(end)
    low, high = max(left, other_left), min(right, other_right)
    if x is not None:
        begin, stop = x, x
    elif low < high:
        begin = stop = (low + high) / 2
    else:
        inside = 0.12 if start.floor == end.floor + 1 else 0.02  # a longer one has to pass the boxes between
        begin, stop = (left + inside, other_right - 0.12) if other_right < left else (right - inside, other_left + 0.12)
    axes.annotate(
        "",
        (stop, top),
        (begin, bottom),
        arrowprops={
            "arrowstyle": "-|>",
            "color": colour,
            "linewidth": 1.4,
            "linestyle": "--" if x is not None else "-",
            "shrinkA": 0,
            "shrinkB": 0,
            "mutation_scale": 13,
        },
    )


if __name__ == "__main__":
    draw()
