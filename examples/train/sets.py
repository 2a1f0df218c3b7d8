"""The images that a training run learns from and is tested on, put together from the command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from examples.shared.command_line import one_of, positive_number, whole_number
from examples.shared.options import add_data, add_held_out, add_value
from models import Classifier
from nn.data import Dataset, Draw, evenly, load
from nn.data.dataset import fair_order
from nn.data.divisions import listed
from nn.data.duplicates import hold_out, near_duplicates
from nn.data.sources import DataLost
from nn.data.stream import StreamedImages
from nn.data.united import unite
from nn.spelling import did_you_mean

LEAST_PORTION = 1 / 16
STREAM = {"yes": True, "no": False, "auto": None}
LARGE, LARGE_SIZE = ("alexnet", "alexnet_caffe", "alexnet_torchvision"), 256  # models, and the paper's images
ABOUT_SETS = """\
With portion, the images in folders and zips keep their shape: the portions are squares from anywhere in a photograph,
whose short side is brought to --image-size if it is longer. They are kept in memory as they lie in their files, and
decoded by a thread while the network learns: 20,000 photographs of 128 pixels take 120 MB.

Images in shards (tar files, see lenet pack) are streamed: they stay on the disk, and are decoded by threads while the
network learns, so that a million take no more memory than a thousand. So are those of a folder that would take more
than half of the free memory, or with --stream yes; alexnet then reads 227 pixels of 256 without --image-size. Of
streamed images a fair random part is held out, and near duplicates are not looked for; their mean and colours are those
that lenet pack wrote, or of 1,000 of them. One that cannot be read is named, and another of its class stands in for it.

Of folders and zips, images are held out together with all that nearly are the same: thumbnails of 16x16 that correlate
by more than 0.92, mirrored too. To find them takes ten seconds for 20,000 images, a minute or two for 70,000. With
--per-class, as many images of each class and data set are held out, at most half of any; a whole source is held out by
how its files' names begin (--held-out-files), of one class with its folder: dog/pacs_.

Where 100 images or more are held out, they tell at the end how sure the network may be: by which temperature its logits
must be divided for its probabilities to be right on average, and from which probability on at most a tenth of its
answers is wrong. Both are written into the weights; below that probability, examples.classify says that it has no
answer. An epoch or a recipe that is chosen by the held-out images makes them a little too confident."""
HELD_OUT = "held_out.txt"  # in a run's folder: the files that are held out


@dataclass
class Sets:
    """draw: which images an epoch has, None for all of them, see `nn.data.batches`. held_out: the files that are."""

    train_set: Dataset
    test_set: Dataset | None
    draw: Draw | None
    held_out: list[str] = field(default_factory=list)


def add_sets(parser: argparse.ArgumentParser) -> None:
    """The options of `load_sets`, and how large portions are, which changes the images that it loads."""
    add_data(
        parser, None, told="digits", here="may be given several times: their classes are united by name", several=True
    )
    meaning = "learn these classes alone, in this order, such as cat,dog"
    add_value(parser, "--classes", meaning, told="all", type=_names, metavar="NAMES")
    meaning = "in every epoch so many images of each class, in equal parts from all --data that have it"
    add_value(parser, "--per-class", meaning, told="each image once", type=whole_number(1), metavar="N")
    meaning = "the least share of an image's area that --augment portion cuts out"
    add_value(parser, "--least-portion", meaning, told="0.0625", type=positive_number(1), metavar="SHARE")
    meaning = "the share of an image's side that a network reads which learned portions, in the middle"
    add_value(parser, "--middle", meaning, told="all of it", type=positive_number(1), metavar="SHARE")
    here = "of folders and zips with all their near duplicates; they replace the data set's own test images"
    add_held_out(parser, 0, here=here, smallest=0)
    meaning = "test also on the files whose names begin so, such as pacs_,dog/tin64_, with all their near duplicates"
    add_value(parser, "--held-out-files", meaning, told="none", type=_beginnings, metavar="NAMES")
    meaning = "whether the images of a folder stay on the disk, and are decoded while the network learns"
    kind = "|".join(STREAM)
    here = "auto: where they would take more than half of the free memory"
    add_value(parser, "--stream", meaning, here=here, default="auto", type=one_of(STREAM), metavar=kind)


def load_sets(options: argparse.Namespace, whole: bool, start: Classifier | None = None) -> Sets:
    """The training and test images; what is held out replaces the data sets' own test images.

    whole: photographs keep their shape, see `nn.data.load`. start: of --start-from, whose channels the images get.
    """
    channels = None if start is None else start.preparation.channels
    pairs = [_load(options, name, channels, whole) for name in options.data]
    train_sets = [pair[0] for pair in pairs]
    test_sets = [pair[1] for pair in pairs if pair[1] is not None]
    if len(pairs) == 1 and options.classes is None:
        train_set, origins = train_sets[0], np.zeros(len(train_sets[0]), np.int64)
        test_set = test_sets[0] if test_sets else None
    else:
        _check_classes(options.classes, train_sets)
        train_set, origins = unite(train_sets, options.classes)
        test_set = unite(test_sets, train_set.class_names)[0] if test_sets else None
    if options.held_out >= len(train_set):
        raise ValueError(f"--held-out is {options.held_out}, expected fewer than the {len(train_set)} images there are")
    names: Sequence[str]
    if isinstance(train_set.images, StreamedImages):
        names = StreamedNames(Path(options.data[0]).name, train_set.images)
    else:
        names = [f"{Path(options.data[origin]).name}/{file}" for origin, file in zip(origins, train_set.files)]
    held = _held_out(options, train_set, origins, names)
    if held.any():
        train_set, test_set, origins = train_set.subset(~held), train_set.subset(held), origins[~held]
    draw = None
    if options.per_class:
        counts = np.bincount(train_set.labels, minlength=train_set.num_classes)
        if missing := [name for name, count in zip(train_set.class_names, counts) if not count]:
            raise ValueError(f"--per-class: there are no images to learn {listed(missing)} from")
        draw = evenly(train_set.labels, options.per_class, origins)
    return Sets(train_set, test_set, draw, [names[number] for number in np.flatnonzero(held)] if names else [])


class StreamedNames(Sequence):
    """What streamed images are called, below the folder `top`; each name is made when it is asked for."""

    def __init__(self, top: str, images: StreamedImages) -> None:
        self._top, self._images = top, images

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, number):
        return f"{self._top}/{self._images.source.name(int(self._images.numbers[number]))}"


def _load(options: argparse.Namespace, name: str, channels: int | None, whole: bool) -> tuple[Dataset, Dataset | None]:
    """One of --data; what is streamed, and why, is said."""
    large = LARGE_SIZE if options.model in LARGE else None
    pair = load(name, options.image_size, channels, whole, STREAM[options.stream], large)
    images = pair[0].images
    if isinstance(images, StreamedImages):
        if len(options.data) > 1:
            raise ValueError(
                f"--data: {name} is streamed, which one data set alone can be; take the others out, or --stream no"
            )
        side = images.image_size
        print(f"{Path(name).name}: {len(images):,} images of {side}x{side} are streamed from the disk.", flush=True)
    return pair


@contextmanager
def told_to_resume(resume: str) -> Iterator[None]:
    """Where images get lost in the with-block, say also how to continue once they are there again."""
    try:
        yield
    except DataLost as error:
        raise DataLost(f"{error}; then, to continue from the last checkpoint, if there is one: {resume}") from None


def tell_unread(*sets: Dataset | None) -> None:
    """Which images of streamed sets could not be read, in a sentence on stderr; each time that there are more."""
    for each in sets:
        if each is not None and isinstance(each.images, StreamedImages) and (said := each.images.said_of_unread()):
            print(f"train: {said}", file=sys.stderr, flush=True)


def _held_out(options: argparse.Namespace, images: Dataset, origins: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Which images are held out, (N,) of booleans. A resumed run reads it in its folder."""
    held = np.zeros(len(images), bool)
    is_streamed = isinstance(images.images, StreamedImages)
    if options.held_out_files and is_streamed:
        raise ValueError("--held-out-files: of streamed images a random part can be held out; take --held-out N")
    if options.held_out_files and not names:
        raise ValueError("--held-out-files: the images have no files, expected those of a folder or zip")
    if not names:
        held[fair_order(images.labels, np.random.default_rng(0))[: options.held_out]] = True
        return held
    if not options.held_out and not options.held_out_files:
        return held
    listing = options.out / HELD_OUT if options.resume else None
    if listing and listing.is_file():
        known = set(listing.read_text(encoding="utf-8").splitlines())
        held = np.array([name in known for name in names])
        if missing := known - {names[number] for number in np.flatnonzero(held)}:
            raise ValueError(f"{listing} names images that --data has not: {listed(missing)}")
        return held
    if is_streamed:
        print("Images are held out at random; near duplicates of streamed images are not looked for.", flush=True)
        held[fair_order(images.labels, np.random.default_rng(0))[: options.held_out]] = True
        return held
    groups = near_duplicates(images.images)
    if options.held_out_files:
        begin = np.array([_begins(PurePosixPath(file), options.held_out_files) for file in images.files])
        if not begin.any():
            raise ValueError(f"--held-out-files: no file's name begins with {' or '.join(options.held_out_files)}")
        held = np.isin(groups, groups[begin])
    if options.held_out:
        # Even where the training images of an epoch are: else in proportion to how many there are.
        cells = images.labels * (1 + origins.max()) + origins
        held |= hold_out(groups, cells, options.held_out, even=options.per_class is not None, never=held)
    if not held.any() or held.all():
        raise ValueError(
            "--held-out: groups of near duplicates leave no images on one of the two sides; take another N"
        )
    return held


def _begins(file: PurePosixPath, names: tuple[str, ...]) -> bool:
    """Whether the file's name begins with one of the names, alone or after its folder's: "dog/pacs_" for a class's."""
    return file.name.startswith(names) or f"{file.parent.name}/{file.name}".startswith(names)


def _beginnings(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if "" in names:
        raise argparse.ArgumentTypeError(f"expected beginnings of names with commas between, got {text!r}")
    return names


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if len(names) < 2 or len(set(names)) < len(names) or "" in names:
        raise argparse.ArgumentTypeError(f"expected at least two different names with commas between, got {text!r}")
    return names


def _check_classes(names: Sequence[str] | None, sets: Sequence[Dataset]) -> None:
    """ValueError for a class that no set has images of."""
    known = {name for each in sets for number, name in enumerate(each.class_names) if number in each.labels}
    for name in names or ():
        if name not in known:
            hint = did_you_mean(name, known) or f", expected some of {listed(known)}"
            raise ValueError(f"--classes: no images are of a class {name!r}{hint}")
