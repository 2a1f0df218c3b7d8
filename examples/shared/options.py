"""The options that several programs have: one dialect, so that a name means the same everywhere.

What an option means stands first in its help and is the same in every program; behind a semicolon stands what holds in
one of them alone, and at the end, in parentheses, the default. `add_value` writes it so.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from examples.shared.command_line import one_of, positive_number, whole_number
from models import shipped
from models.registry import MODELS
from nn.data.load import DATA_SETS
from nn.device import DEVICES, check_device

WIDTH = 0.25  # of alexnet_small, where nothing else is asked for

ABOUT_DATA = """--data is digits (which are included), objects (rendered in about a minute), mnist, fashion_mnist or
cifar10 (downloaded on first use), or a path: a folder or zip of images with one sub-folder per class; a folder of
shards, tar files as WebDataset and examples.pack write them; a .npz file with images, uint8 (N, H, W) or (N, H, W, 3),
and labels, integers (N,) from 0, and perhaps test_images and test_labels; a folder with MNIST's files;
cifar-10-binary.tar.gz or cifar-100-binary.tar.gz."""


def add_value(
    parser: argparse.ArgumentParser,
    name: str,
    meaning: str,
    *,
    here: str = "",
    default: Any = None,
    told: str = "",
    **how: Any,
) -> None:
    """An option that takes a value. meaning: in every program that has it; here: what holds in this one alone; told:
    the default in words, where it cannot be shown as it is; how: for `add_argument`."""
    end = "required" if how.get("required") else f"default: {told or default}"
    words = f"{meaning}; {here}" if here else meaning
    parser.add_argument(name, default=default, help=f"{words} ({end})", **how)


def add_data(
    parser: argparse.ArgumentParser,
    default: str | None = "digits",
    told: str = "",
    here: str = "",
    several: bool = False,
) -> None:
    """The option --data, for `nn.data.load`; with `several` a list of them, or None."""
    meaning = f"a path, or one of {', '.join(DATA_SETS)}"
    how = {"action": "append"} if several else {}
    add_value(parser, "--data", meaning, here=here, default=default, told=told, metavar="DATA", **how)


def add_image_size(
    parser: argparse.ArgumentParser, default: int | None, told: str = "", here: str = "", smallest: int = 1
) -> None:
    meaning, kind = "pixels of an image's side", whole_number(smallest)
    add_value(parser, "--image-size", meaning, here=here, default=default, told=told, type=kind, metavar="PIXELS")


def add_held_out(parser: argparse.ArgumentParser, default: int, here: str = "", smallest: int = 1) -> None:
    meaning = "test on N of the training images, and do not train on them"
    add_value(parser, "--held-out", meaning, here=here, default=default, type=whole_number(smallest), metavar="N")


def add_weights(parser: argparse.ArgumentParser, default: str | None, told: str = "", several: bool = False) -> None:
    """The option --weights, for `models.load_classifier`; with `several` a list of them, or None."""
    meaning = f"a file that examples.train wrote, or one of {', '.join(shipped())}"
    how = {"action": "append"} if several else {}
    here = "may be given several times" if several else ""
    add_value(parser, "--weights", meaning, here=here, default=default, told=told, metavar="FILE", **how)


def add_model(parser: argparse.ArgumentParser, here: str = "", told: str = "", required: bool = False) -> None:
    add_value(
        parser,
        "--model",
        f"which network of models/: {', '.join(MODELS)}",
        here=here,
        told=told,
        type=one_of(MODELS),
        metavar="NAME",
        required=required,
    )


def add_width(parser: argparse.ArgumentParser, default: float | None = WIDTH, here: str = "") -> None:
    """The option --width, for `models.alexnet_small`. default: WIDTH, or None for a program that must know whether it
    was given."""
    meaning = "the width of the small AlexNet, as a share of the paper's channels"
    kind = positive_number(4)
    add_value(parser, "--width", meaning, here=here, default=default, told=str(WIDTH), type=kind, metavar="SHARE")


def add_watch(parser: argparse.ArgumentParser) -> None:
    """The option --watch, for `examples.microscope.watch`."""
    meaning = "serve a page to this machine's browser that shows what the network computes while it learns"
    parser.add_argument("--watch", action="store_true", help=meaning)


def add_picture(parser: argparse.ArgumentParser) -> None:
    told = "an included digit; for networks that read colours, a rendered image"
    add_value(parser, "--picture", "an image of your own", told=told, type=Path, metavar="FILE")


def add_label(parser: argparse.ArgumentParser, told: str, here: str = "") -> None:
    """The option --label, for `class_number`."""
    add_value(parser, "--label", "the image's class, by name or number", here=here, told=told, metavar="CLASS")


def add_epochs(
    parser: argparse.ArgumentParser,
    default: int | None,
    told: str = "",
    here: str = "",
    name: str = "--epochs",
    smallest: int = 1,
) -> None:
    meaning = "how often to go through the training images"
    add_value(parser, name, meaning, here=here, default=default, told=told, type=whole_number(smallest), metavar="N")


def add_batch_size(parser: argparse.ArgumentParser, default: int | None, told: str = "") -> None:
    add_value(parser, "--batch-size", "images per step", default=default, told=told, type=whole_number(1), metavar="N")


def add_lr(
    parser: argparse.ArgumentParser, default: float | None, told: str = "", here: str = "", name: str = "--lr"
) -> None:
    meaning = "the learning rate, at its highest"
    add_value(parser, name, meaning, here=here, default=default, told=told, type=positive_number(1000), metavar="RATE")


def add_seed(parser: argparse.ArgumentParser, here: str) -> None:
    """here: what they are for."""
    meaning = "the same N gives the same random numbers"
    add_value(parser, "--seed", meaning, here=here, default=0, type=whole_number(0), metavar="N")


def add_seeds(parser: argparse.ArgumentParser) -> None:
    meaning = "training runs of each network, with the seeds 0, 1, ..."
    add_value(parser, "--seeds", meaning, default=3, type=whole_number(1), metavar="N")


def add_device(parser: argparse.ArgumentParser) -> None:
    """The option --device, for `Network.to`."""
    meaning = "where to compute: cuda needs CuPy and a GPU"
    add_value(parser, "--device", meaning, default="cpu", type=_device, metavar="|".join(DEVICES))


def _device(text: str) -> str:
    try:
        check_device(text)
    except (ValueError, ImportError, RuntimeError) as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def add_output(parser: argparse.ArgumentParser, folder: str | None, told: str = "", forced: str = "") -> None:
    """The options --out and --force, for `output_folder`. forced: what holds of --force in this program alone."""
    default = Path(folder) if folder else None
    add_value(parser, "--out", "for the results", default=default, told=told, type=Path, metavar="FOLDER")
    meaning = "replace results that lie outside runs/"
    parser.add_argument("--force", action="store_true", help=f"{meaning}; {forced}" if forced else meaning)


def add_resume(parser: argparse.ArgumentParser, here: str = "") -> None:
    meaning = "continue the run in --out where it stopped"
    parser.add_argument("--resume", action="store_true", help=f"{meaning}; {here}" if here else meaning)
