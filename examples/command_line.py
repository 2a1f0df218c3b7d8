"""What the programs' command lines have in common."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable


class Parser(argparse.ArgumentParser):
    """argparse, but a mistake gets one sentence instead of the whole usage, and long texts keep their lines."""

    def __init__(self, **arguments) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **arguments)

    def error(self, message: str) -> None:
        name = self.prog.split(".")[-1]
        self.exit(2, f"{name}: {' '.join(message.split())}; --help explains the options\n")


def whole_number(smallest: int) -> Callable[[str], int]:
    """An argument type: a whole number of at least `smallest`."""

    def convert(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = smallest - 1
        if number < smallest:
            raise argparse.ArgumentTypeError(f"expected a whole number of at least {smallest}, got {text!r}")
        return number

    return convert


def positive_number(most: float) -> Callable[[str], float]:
    """An argument type: a number above 0 and at most `most`."""

    def convert(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not (0 < number <= most):  # so written that NaN fails too
            raise argparse.ArgumentTypeError(f"expected a number above 0 and at most {most:g}, got {text!r}")
        return number

    return convert
