"""Render images of cars, cats, dogs and vernier callipers, to look at or to train with.

The networks of examples.crops learned from such images. Written are

    objects.npz      one file with all images and their classes, which --data of examples.train reads
    train/ test/     or, with --folder, PNG files to look at, in one sub-folder per class

into the folder --out.

The same numbers give the same images. They are drawings: a network trained on them knows no photographs.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image

from examples.shared.command_line import Parser, carry_out, is_below_runs, output_folder, run_program, whole_number
from examples.shared.options import add_image_size, add_output, add_seed, add_value
from nn.data import Dataset
from nn.data.rendered import objects

EXAMPLES = """
examples:
  python -m examples.render --train 40 --test 0 --image-size 256 --folder
      a few to look at, in runs/render/
  python -m examples.render --train 16000 --image-size 128
      what the networks in the box learned from, runs/render/objects.npz, about five minutes and 800 MB
"""

FILE = "objects.npz"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program. Exit status: 0; 1 images could not be written; 2 bad input; 130 stopped by Ctrl-C."""
    parser = make_parser()
    options = parser.parse_args(arguments)

    def make() -> tuple:
        out = options.out
        if options.folder and out.is_dir() and any(out.iterdir()) and not (is_below_runs(out) or options.force):
            raise ValueError(f"--out: {out} is not empty; add --force to replace its images, or name another folder")
        output_folder(out, [] if options.folder else [FILE], options.force)
        sets = objects(options.image_size, options.train, options.test, options.seed, progress=True)
        return out if options.folder else out / FILE, sets

    def work(made: tuple) -> None:
        target, sets = made
        (write_folder if options.folder else write_npz)(target, *sets)
        print(f"{options.train:,} images to train and {options.test:,} to test are in {target}.")

    stopped = "stopped by Ctrl-C before all images were written"
    return carry_out(parser, make, work, stopped=stopped, unwritten="the images could not be written: {reason}")


def make_parser() -> Parser:
    parser = Parser(prog="python -m examples.render", description=__doc__, epilog=EXAMPLES)
    add_value(parser, "--train", "images to train with", default=4000, type=whole_number(1), metavar="N")
    add_value(parser, "--test", "other images, to test with", default=1000, type=whole_number(0), metavar="N")
    add_image_size(parser, 64, here="of those that are drawn", smallest=8)
    add_seed(parser, "for all that differs between the images of a class")
    parser.add_argument("--folder", action="store_true", help="write PNG files instead of one .npz file")
    add_output(parser, "runs/render")
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
        if not len(dataset):  # the folders of earlier ones would be taken for classes without images
            for folder in (*(path / part / name for name in train_set.class_names), path / part):
                with suppress(OSError):  # there may be none, or something else in it
                    folder.rmdir()
        for number, (image, label) in enumerate(zip(dataset.images, dataset.labels)):
            Image.fromarray(image).save(path / part / dataset.class_names[label] / f"{number:05}.png")


if __name__ == "__main__":
    run_program(main)
