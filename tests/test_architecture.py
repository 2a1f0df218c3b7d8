"""The plan of the project, held to by reading its imports: one way, no circles, no cleverness in `layers/`, and few
enough lines to read."""

import ast

import pytest

from tests import architecture
from tests.architecture import FOLDERS, ROOMS, Import, circle, imports, is_in, lines, modules, room_imports, room_of
from tests.drawn import assert_filled, catch

MAY_IMPORT = {
    "nn": ("nn",),
    "layers": ("nn", "layers"),
    "models": ("nn", "layers", "models"),
    "examples": ("nn", "layers", "models", "examples"),
}
# Numbers at the top of a file in layers/ that belong to the formula, not to a machine: (module, name).
MATHEMATICAL: set[tuple[str, str]] = set()
AFTERNOON = (
    *("nn/layer.py", "nn/network.py", "nn/loss.py", "nn/sgd.py", "layers/*.py"),
    *("models/lenet.py", "models/alexnet.py", "nn/training/loop.py"),
)


def said(found: list[Import]) -> str:
    return "; ".join(map(str, found))


def test_no_circles():
    edges: dict[str, set[str]] = {name: set() for name in modules()}
    for found in imports("nn", "layers", "models"):
        edges[found.importer].add(found.imported)
    assert not circle(edges), " -> ".join(circle(edges))


@pytest.mark.parametrize("folder", FOLDERS)
def test_imports_go_one_way(folder):
    wrong = [found for found in imports(folder) if not is_in(found.imported, *MAY_IMPORT[folder])]
    assert not wrong, said(wrong)


def test_layers_start_no_threads():
    wrong = [found for found in imports("layers") if is_in(found.imported, "nn.backend.runtime")]
    assert not wrong, said(wrong)


def test_the_backend_knows_no_layers():
    wrong = [
        found
        for found in imports("nn")
        if is_in(found.importer, "nn.backend")
        and is_in(found.imported, "nn.layer", "nn.network", "nn.training", "nn.data")
    ]
    assert not wrong, said(wrong)


def test_layers_have_no_constants_for_tuning():
    found = {
        (name, target)
        for name, path in modules("layers").items()
        for statement in ast.parse(path.read_text(encoding="utf-8")).body
        for target in _numbers_named_by(statement)
    }
    assert found <= MATHEMATICAL, f"move to nn/backend: {sorted(found - MATHEMATICAL)}"


def _numbers_named_by(statement: ast.stmt) -> list[str]:
    """The names that a statement at the top of a file gives to numbers, or to tuples, lists or dicts with a number."""
    if not isinstance(statement, ast.Assign | ast.AnnAssign) or statement.value is None:
        return []
    parts = list(ast.walk(statement.value))
    if not any(isinstance(part, ast.Constant) and type(part.value) in (int, float) for part in parts):
        return []
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    return [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]


def test_what_counts_as_a_number():
    for source in ("A = 4", "A = 2 << 20", "A: float = -1e-8", "A = (1, 2)", "A = {3: (0, 3 / 4)}", "A = f(16)"):
        assert _numbers_named_by(ast.parse(source).body[0]) == ["A"], source
    assert _numbers_named_by(ast.parse("A, B = 1 << 10, 1 << 16").body[0]) == ["A", "B"]
    for source in ("A = 'text'", "A = ['a', 'b']", "A = True", "A: int", "def f(): a = 4"):
        assert _numbers_named_by(ast.parse(source).body[0]) == [], source


def test_the_layers_are_short():
    assert lines("layers/*.py") <= 1160  # 970 of them without batch_norm.py and elu.py, which LeNet and AlexNet lack


def test_a_reader_s_afternoon():
    assert lines(*AFTERNOON) <= 2210  # 2,020 without those two


# ------------------------------------------------------------------------------------------------- the reader itself
def test_the_shortest_circle_is_found():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a", "b"}, "d": {"a"}}) in (["b", "c", "b"], ["c", "b", "c"])
    assert circle({"a": {"a"}}) == ["a", "a"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_imports_of_every_kind_are_read(tmp_path, monkeypatch):
    files = {
        "nn/__init__.py": "from . import sgd",
        "nn/sgd.py": "def f():\n    import nn.data.load as late\n",
        "nn/data/__init__.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from nn.sgd import SGD\n",
        "nn/data/load.py": "from .. import data\nfrom ..sgd import SGD\nimport numpy as np\nfrom nn.data import load\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(architecture, "ROOT", tmp_path)
    modules.cache_clear(), imports.cache_clear()
    try:
        assert {(found.importer, found.imported, found.line) for found in imports("nn")} == {
            *{("nn", "nn.sgd", 1), ("nn.sgd", "nn.data.load", 2), ("nn.data", "nn.sgd", 3)},
            *{("nn.data.load", "nn.data", 1), ("nn.data.load", "nn.sgd", 2), ("nn.data.load", "nn.data.load", 4)},
        }
        assert str(imports("nn")[0]) == "nn/__init__.py:1 imports nn.sgd"
    finally:
        modules.cache_clear(), imports.cache_clear()


# ------------------------------------------------------------------------------------------------- the picture
def test_all_imports_go_down_in_the_picture():
    wrong = [found for (start, end), found in room_imports().items() if ROOMS[start].floor <= ROOMS[end].floor]
    assert not wrong, said(wrong)


def test_the_rooms_of_some_modules():
    expected = {"nn.sgd": "nn", "nn.data.rendered.cat": "nn/data", "nn.backend.cpu.pooling": "nn/backend"}
    expected |= {"nn": "nn", "layers.conv": "layers", "nn.device": "nn/backend", "models": "models"}
    assert {module: room_of(module) for module in expected} == expected


def test_the_page_names_every_room():
    page = (architecture.ROOT / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert "architecture.png" in page
    for name in ROOMS:
        assert f"`{name}/`" in page, name


def test_the_picture_can_be_read(tmp_path, monkeypatch):
    caught = catch(monkeypatch)
    architecture.draw(tmp_path / "architecture.png")
    caught[0].check()
    assert all(name in caught[0].words() for name in ROOMS)
    assert_filled(tmp_path / "architecture.png", columns=3, width=990)
