"""Exercises that check themselves: `lenet check`, or from Python `from examples.check import check`."""

from examples.check.checker import check

__all__ = ["check"]
