"""docs/ADDING_A_LAYER.md: its example runs, gradient check and all, and what it names is there."""

import re
from pathlib import Path

import numpy as np
import pytest

from nn import Network, check_gradients
from nn.layer import Layer

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "ADDING_A_LAYER.md").read_text(encoding="utf-8")


def example(change=lambda code: code):
    """What the page's Python code leaves behind when it is run."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    found = {}
    exec(compile(change(code), "docs/ADDING_A_LAYER.md", "exec"), found)
    return found


def test_the_example_runs():
    found = example()
    assert set(found["report"].arguments) == {"x", "weight"}


def test_its_gradient_check_would_notice_a_mistake():
    def change(code):
        assert code.count("dx[...] = weight * dy") == 1
        return code.replace("dx[...] = weight * dy", "dx[...] = dy")

    layer = example()["Gain"](3)
    layer.params["weight"][...] = 2
    assert check_gradients(layer, np.random.default_rng(0).normal(size=(2, 5, 5, 3))).max_error < 1e-6
    wrong = example(lambda code: change(code).partition("x = np.random")[0])["Gain"](3)
    wrong.params["weight"][...] = 2
    assert check_gradients(wrong, np.random.default_rng(0).normal(size=(2, 5, 5, 3))).max_error > 0.1


def test_the_example_is_saved_with_its_state(tmp_path):
    Gain = example()["Gain"]
    networks = [Network([("gain1", Gain(3))]) for _ in range(2)]
    networks[0].params["gain1.weight"][...] = 3
    networks[0].state["gain1.mean"][...] = 7
    networks[0].save(tmp_path / "gain.safetensors")
    x = np.full((1, 2, 2, 3), 9, np.float32)
    np.testing.assert_array_equal(networks[1].load(tmp_path / "gain.safetensors")(x), np.full(x.shape, 6))


@pytest.mark.parametrize(
    "hook", ["elementwise", "reads_output", "returns_view", "without_noise", "kept_outputs", "present"]
)
def test_every_hook_is_explained_and_exists(hook):
    assert hasattr(Layer, hook) and f"`{hook}" in PAGE


def test_the_files_that_it_names_exist():
    for name in re.findall(r"`((?:nn|layers|tests)/[\w/]*\w(?:\.py)?/?)`", PAGE):
        assert (ROOT / name).exists(), name
