"""Mistakes in the pictures and the page, for `python -m tests.planted`."""

from tests.planted_mistake import Mistake

CURVES = ("nn/test_plots.py",)

MISTAKES: list[Mistake] = [
    Mistake("nn/plots/kernels.py", "weights[..., index]", "weights[..., 0]", CURVES),
]
