"""Mistakes in the programs and recipes, for `python -m tests.planted`."""

from tests.planted_mistake import Mistake

MISTAKES: list[Mistake] = []
