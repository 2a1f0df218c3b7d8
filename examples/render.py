"""Render images of cars, cats, dogs and vernier callipers, to look at or to train with.

The networks of examples.crops learned from such images. Written are

    NAME.npz     one file with all images and their classes, which --data of examples.train reads
    NAME/        or, with --folder, PNG files to look at, in train/ and test/, one sub-folder per class

The same numbers give the same images. They are drawings: a network trained on them knows no photographs.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from examples.shared.command_line import Parser, carry_out, output_folder, run_program, whole_number
from nn.data import Dataset
from nn.data.rendered import objects

EXAMPLES = """
examples:
  python -m examples.render --train 40 --test 0 --image-size 256 --folder
      a few to look at, in runs/objects/
  python -m examples.render --train 16000 --image-size 128
      what the networks in the box learned from, runs/objects.npz, about five minutes and 800 MB
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program. Exit status: 0; 1 images could not be written; 2 bad input; 130 stopped by Ctrl-C."""
    parser = make_parser()
    options = parser.parse_args(arguments)

    def make() -> tuple:
        target = options.out
        if not options.folder and target.suffix != ".npz":
            target = target.with_name(f"{target.name}.npz")
        if options.folder and target.is_dir() and any(target.iterdir()) and not options.force:
            raise ValueError(f"--out: {target} is not empty; add --force to replace its images, or name another folder")
        output_folder(target.parent, [] if options.folder else [target.name], options.force)
        return target, objects(options.image_size, options.train, options.test, options.seed, progress=True)

    def work(made: tuple) -> None:
        target, sets = made
        (write_folder if options.folder else write_npz)(target, *sets)
        print(f"{options.train:,} images to train and {options.test:,} to test are in {target}.")

    stopped = "stopped by Ctrl-C before all images were written"
    return carry_out(parser, make, work, stopped=stopped, unwritten="the images could not be written: {reason}")


def make_parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m examples.render", description=__doc__, epilog=EXAMPLES)
    count = whole_number(0)
    parser.add_argument(
        "--train", type=whole_number(1), default=4000, metavar="N", help="images (default: %(default)s)"
    )
    parser.add_argument("--test", type=count, default=1000, metavar="N", help="other images (default: %(default)s)")
    parser.add_argument(
        "--image-size", type=whole_number(8), default=64, metavar="PIXELS", help="their side (default: %(default)s)"
    )
    parser.add_argument("--seed", type=count, default=0, metavar="N", help="another seed, other images")
    parser.add_argument("--folder", action="store_true", help="write PNG files instead of one .npz file")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("runs/objects"),
        metavar="NAME",
        help="of the file, without .npz, or of the folder (default: %(default)s)",
    )
    parser.add_argument("--force", action="store_true", help="replace what is there")
    return parser


def write_npz(path: Path, train_set: Dataset, test_set: Dataset) -> None:
    arrays = {"images": train_set.images, "labels": train_set.labels}
    if len(test_set):
        arrays |= {"test_images": test_set.images, "test_labels": test_set.labels}
    np.savez(path, class_names=np.array(train_set.class_names), **arrays)


def write_folder(path: Path, train_set: Dataset, test_set: Dataset) -> None:
    for part, dataset in (("train", train_set), ("test", test_set)):
        for name in train_set.class_names:  # those of an earlier set would be mixed with these
            for old in (path / part / name).glob("[0-9][0-9][0-9][0-9][0-9].png"):
                old.unlink()
        for name in dataset.class_names if len(dataset) else ():
            (path / part / name).mkdir(parents=True, exist_ok=True)
        for number, (image, label) in enumerate(zip(dataset.images, dataset.labels)):
            Image.fromarray(image).save(path / part / dataset.class_names[label] / f"{number:05}.png")


if __name__ == "__main__":
    run_program(main)
