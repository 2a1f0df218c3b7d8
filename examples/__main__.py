"""lenet PROGRAM ..., or python -m examples PROGRAM ...: one command for all programs.

It imports the one that is asked for, so that none waits for what another needs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

from examples.shared.command_line import run_program
from nn import __version__
from nn.spelling import did_you_mean

PROGRAMS = {
    "compare": "train LeNet and AlexNet on real digits, side by side, and write a report",
    "classify": "say what is on your images: lenet classify my_cat.jpg",
    "crops": "show both networks ever smaller pieces of cats, dogs, cars and callipers",
    "lessons": "run the twenty-one lessons and their answers, from one neuron to AlexNet",
    "check": "check your answers to the exercises: a task for each lesson, and hints",
    "step_through": "take one image through a network, a layer at a time, forward and backward",
    "microscope": "write a page on which to draw a digit and look into every layer",
    "train": "train a network on a data set, or on a folder of your own images",
    "evaluate": "count a network's right answers on a data set, class by class",
    "pack": "pack a large folder of images into shards, which are read faster",
    "render": "draw cats, dogs, cars and callipers: a data set of any size",
    "ablations": "what dropout, normalisation and the rest are worth: one of them left out at a time",
    "few_images": "what features that other classes taught are worth where images are few",
    "figure1": "repeat the paper's figure 1: ReLU against tanh",
    "two_gpus": "cut AlexNet in two halves, as its authors did, and compare with the whole",
    "benchmark": "measure the speed beside PyTorch, JAX, ONNX Runtime and OpenVINO",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Start a program, or list them. Exit status: the program's; 0 for a list; 2 where there is no such program."""
    first, *rest = [*(sys.argv[1:] if arguments is None else arguments)] or ["--help"]
    if first in ("--help", "-h", "help"):
        print(overview())
        return 0
    if first == "--version":
        print(f"lenet-to-alexnet {__version__}")
        return 0
    name = first.replace("-", "_")
    if name not in PROGRAMS:
        hint = did_you_mean(name, PROGRAMS) or f", expected one of {', '.join(PROGRAMS)}"
        print(f"lenet: there is no program {first!r}{hint}", file=sys.stderr)
        return 2
    return import_module(_module(name)).main(rest)


def overview() -> str:
    """What `lenet` alone prints."""
    width = max(map(len, PROGRAMS))
    lines = [f"  {name:<{width}}  {what}" for name, what in PROGRAMS.items()]
    return "\n".join(
        [
            "LeNet and AlexNet from scratch, in programs to run. usage: lenet PROGRAM ...",
            "",
            *lines,
            "",
            "lenet PROGRAM --help tells what it does and what it can be asked; lenet --version, which version this is.",
            "Nothing is written but to runs/, below the folder you are in, and to your user cache folder.",
        ]
    )


def _module(name: str) -> str:
    """Where the program's `main` is: a file, or a folder with one to start from."""
    spec = find_spec(f"examples.{name}")
    return f"examples.{name}.__main__" if spec is not None and spec.submodule_search_locations else f"examples.{name}"


def start() -> None:
    """What the command `lenet` runs."""
    run_program(main)


if __name__ == "__main__":
    start()
