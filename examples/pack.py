"""Pack a folder of images into shards, to train with: a large data set is then read four times as fast.

    python -m examples.pack ILSVRC2012 shards --labels val.txt
    python -m examples.train --model alexnet --data shards

The short side of every image is brought to 256 pixels, and the square in the middle cut out; it becomes a JPEG file of
about 36 kB. 5,000 of them are in each tar file, the way WebDataset has it (NAME.jpg, NAME.cls), which many other
programs read. A folder has one sub-folder for each class, or train/ and val/ (or test/) with such folders, and the
shards are divided as it is. With them are written

    classes.txt       the names of class 0, class 1, ...
    index.npz         where each image begins
    statistics.npz    the mean picture and the colours of 10,000 of the images, which training subtracts and varies

What cannot be read is left out and named. Nothing is at its place before all is written: stopped by Ctrl-C, it leaves
nothing behind.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from examples.shared.command_line import Parser, carry_out, plain_warnings, run_program, whole_number
from examples.shared.options import add_image_size, add_value
from nn.data.packing import pack, size_of
from nn.data.shards import is_shards
from nn.data.sources import FolderSource, folder_sources

EXAMPLES = """
examples:
  python -m examples.pack my_pictures my_shards
  python -m examples.pack ILSVRC2012 shards --labels val.txt
      ImageNet as it is unpacked, train/n01440764/... and val/ILSVRC2012_val_00000001.JPEG ...: 1.28 million images,
      46 GB, half an hour on two cores

--labels is a text file for test images that lie in no folders of classes: lines such as
ILSVRC2012_val_00000001.JPEG n01751748, or the class alone for each image in alphabetical order. A class is the name of
its folder in train/, or its number among them in alphabetical order, from 0.
"""

FORCED = "replace results that lie outside runs/"  # as all programs have it
SHOWN = 5  # left-out images that are named


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program. Exit status: 0; 1 shards could not be written; 2 bad input; 130 stopped by Ctrl-C."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    target: Path = options.shards
    partial = target.with_name(f".{target.name}.partial")

    def make() -> dict[str, FolderSource]:
        check_target(target, options.force)
        with plain_warnings("pack"):
            train, test = folder_sources(options.folder, options.labels)
        target.parent.mkdir(parents=True, exist_ok=True)
        return {"": train} if test is None else {"train": train, "val": test}

    def work(sources: dict[str, FolderSource]) -> int:
        shutil.rmtree(partial, ignore_errors=True)  # of a run that was killed
        left_out = []
        try:
            for part, source in sources.items():
                (partial / part).mkdir(parents=True)
                what = f"packing {part}".strip()
                left_out += pack(source, partial / part, options.image_size, options.per_shard, description=what)
            put(partial, target)
        except ValueError as error:
            print(f"pack: {options.folder}: {error}", file=sys.stderr)
            return 1
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        total = sum(map(len, sources.values()))
        if left_out:
            named = "; ".join(f"{name}: {reason}" for name, reason in left_out[:SHOWN])
            more = f"; and {len(left_out) - SHOWN:,} more" if len(left_out) > SHOWN else ""
            print(f"pack: {len(left_out):,} of {total:,} images were left out: {named}{more}", file=sys.stderr)
        divided = f" ({' and '.join(f'{part}/' for part in sources)})" if len(sources) > 1 else ""
        size = size_of(target) / 1e6
        print(f"{total - len(left_out):,} images, {size:,.1f} MB, are in {target}{divided}.")
        return 0

    stopped = "stopped by Ctrl-C; nothing was written"
    return carry_out(parser, make, work, stopped=stopped, unwritten="the shards could not be written: {reason}")


def make_parser() -> Parser:
    parser = Parser(prog="python -m examples.pack", description=__doc__, epilog=EXAMPLES)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="images, in one sub-folder for each class")
    parser.add_argument("shards", type=Path, metavar="SHARDS", help="the folder to be made, for the shards")
    meaning = "the classes of test images that lie in no folders of classes"
    add_value(parser, "--labels", meaning, here="see below", told="none", type=Path, metavar="FILE")
    add_image_size(parser, 256, here="of those that are written", smallest=8)
    add_value(parser, "--per-shard", "images in each shard", default=5000, type=whole_number(1), metavar="N")
    parser.add_argument("--force", action="store_true", help=f"{FORCED}; here shards that were packed before")
    return parser


def check_target(target: Path, force: bool) -> None:
    """ValueError where the shards cannot be put there."""
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if not (target.is_dir() and is_shards(target)):
        raise ValueError(f"{target} exists and holds no shards, expected a name that is free")
    if not force:
        raise ValueError(f"{target} has shards already; add --force to replace them, or name another folder")


def put(partial: Path, target: Path) -> None:
    """Give the finished folder its name, in the place of what is there."""
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    partial.rename(target)
    shutil.rmtree(old, ignore_errors=True)


if __name__ == "__main__":
    run_program(main)
