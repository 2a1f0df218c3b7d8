"""The lowest versions are those that setup.cfg says, each of them, and the gate asks for them."""

import ast
import re
import sys

import pytest

from tests.checks import one_sentence
from tests.lowest import SETUP, lowest


def test_a_pin_for_each_requirement():
    pins = lowest(["test"])
    assert pins[0] == "numpy==1.26" and "pytest==8" in pins
    text = SETUP.read_text(encoding="utf-8")  # a source distribution has it with other white space
    promised = re.findall(r"^\s+([a-z-]+)>=([0-9.]+)$", text, re.MULTILINE)
    assert set(pins) <= {f"{name}=={version}" for name, version in promised}
    needed = re.search(r"^install_requires = ?\n((?:[ \t].*\n)+)", text, re.MULTILINE)[1]
    assert len(lowest()) == len(needed.split())


@pytest.mark.parametrize("requirement", ["numpy", "numpy<2", "numpy>=1.26,<3", "numpy!=2"])
def test_a_requirement_without_a_lowest_version_is_named(requirement, tmp_path):
    path = tmp_path / "setup.cfg"
    path.write_text(f"[options]\ninstall_requires =\n    tqdm>=4\n    {requirement}\n")
    with one_sentence(ValueError, repr(requirement), "numpy>=1.26"):
        lowest(setup=path)


def test_what_is_imported_is_required():
    """By the project itself, not only by something that brings it along; what only an extra needs may be missing."""
    ours = {"nn", "layers", "models", "examples"}
    optional = {"cupy", "cupyx", "torch", "onnx", "onnxruntime", "jax", "openvino", "mpi4py", "IPython"}
    optional |= {"jupytext", "latex2mathml", "markdown_it", "mdit_py_plugins"}  # examples/lessons/course
    imported = set()
    for path in (path for folder in ours for path in (SETUP.parent / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            imported |= {name.partition(".")[0] for name in names}
    required = {{"pillow": "PIL"}.get(name, name) for name in (pin.partition("==")[0] for pin in lowest())}
    assert imported - ours - optional - set(sys.stdlib_module_names) <= required
