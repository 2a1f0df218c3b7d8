"""Ask a network about all images of a data set whose classes are known, and count its right answers.

    python -m examples.evaluate runs/train/alexnet/best.safetensors imagenet

Printed are the shares of images whose class is the likeliest (top-1) and among the likeliest five (top-5), when the
network reads the middle of each image; with --ten-crop also when it reads corners, middle and mirror images and its
probabilities are averaged, as the paper's table 1 has it. A line for each class says what it is most often taken for.
All classes are in classes.csv, in the folder --out.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from examples.shared.command_line import (
    Parser,
    carry_out,
    one_of,
    output_folder,
    plain_warnings,
    run_program,
)
from examples.shared.options import ABOUT_DATA, add_device, add_held_out, add_output, add_value
from examples.train.sets import HELD_OUT, STREAM, load_sets
from models import Classifier, shipped
from models.registry import find_weights
from models.start import read_start
from nn.data import Dataset
from nn.data.bars import bar
from nn.data.divisions import listed
from nn.data.sources import DataLost
from nn.data.stream import StreamedImages
from nn.device import move
from nn.labels import places_of

EXAMPLES = f"""
examples:
  python -m examples.evaluate digits_lenet digits
  python -m examples.evaluate --ten-crop cifar10_alexnet cifar10
  python -m examples.evaluate alexnet-owt-7be5be79.pth imagenet
      torchvision's weights on ImageNet's images to test with, from a folder or from shards
  python -m examples.evaluate --held-out 500 runs/train/lenet/best.safetensors my_pictures
      the images that a training with --held-out 500 has not seen

{ABOUT_DATA.replace("--data is", "DATA is")}

Classes are told apart by their names, or by their numbers where either side has only these. What cannot be read of a
folder or of shards is left out.
"""

FILE = "classes.csv"
BATCH, CROPPED = 128, 64  # images at a time
FEW, SHOWN = 20, 10  # classes, of which all are printed; and of more, how many


@dataclass
class Found:
    """labels (N,), and for each way of looking, "centre" and perhaps "ten crops": how many classes come before the
    right one, and the likeliest class, (N,) each."""

    labels: np.ndarray
    places: dict[str, np.ndarray] = field(default_factory=dict)
    answers: dict[str, np.ndarray] = field(default_factory=dict)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program. Exit status: 0; 1 results could not be written; 2 bad input; 130 stopped by Ctrl-C."""
    parser = make_parser()
    options = parser.parse_args(arguments)

    def make() -> tuple[Classifier, Dataset]:
        with plain_warnings("evaluate"):
            classifier = read_start(options.weights)
            dataset = as_learned(load_images(options, classifier), classifier)
        classifier.network.to(options.device)
        output_folder(options.out, [FILE], options.force)
        return classifier, dataset

    def work(made: tuple[Classifier, Dataset]) -> None:
        classifier, dataset = made
        names = classifier.class_names
        found = ask(classifier, dataset, options.ten_crop)
        print(f"{classifier.network.name}: {len(found.labels):,} images of {len(np.unique(found.labels)):,} classes")
        print(in_words(found, len(names)))
        rows = by_class(found, names)
        print(table(rows, len(names)))
        with open(options.out / FILE, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)
        print(f"All classes are in {options.out / FILE}.")
        if isinstance(dataset.images, StreamedImages) and (said := dataset.images.said_of_unread("are left out")):
            print(f"evaluate: {said}", file=sys.stderr)

    return carry_out(parser, make, work, failures=(DataLost,))


def make_parser() -> Parser:
    parser = Parser(prog="python -m examples.evaluate", description=__doc__, epilog=EXAMPLES)
    files = f"what examples.train wrote, {', '.join(shipped())}, torchvision's AlexNet (.pth) or Caffe's (.npy)"
    parser.add_argument("weights", metavar="WEIGHTS", help=files)
    parser.add_argument("data", metavar="DATA", help="the images: those to test with, else all; see below")
    parser.add_argument("--ten-crop", action="store_true", help="average over corners, centre and mirror images")
    add_held_out(parser, 0, here="those that examples.train held out with the same N", smallest=0)
    meaning = "whether the images of a folder stay on the disk, and are decoded while the network learns"
    kind, here = "|".join(STREAM), "auto: where they would take more than half of the free memory"
    add_value(parser, "--stream", meaning, here=here, default="auto", type=one_of(STREAM), metavar=kind)
    add_device(parser)
    add_output(parser, "runs/evaluate")
    return parser


def load_images(options: argparse.Namespace, classifier: Classifier) -> Dataset:
    """The images to ask about, at the size that the network's preparation brings them to."""
    height, width = classifier.preparation.size
    folder = find_weights(options.weights).parent
    asked = argparse.Namespace(
        data=[options.data],
        image_size=height if height == width else None,
        classes=None,
        per_class=None,
        held_out=options.held_out,
        held_out_files=None,
        stream=options.stream,
        model=None,
        resume=(folder / HELD_OUT).is_file(),  # which images of a folder were held out
        out=folder,
    )
    sets = load_sets(asked, False, classifier)
    if sets.test_set is None:
        print(f"{options.data} has no images to test with: all are taken, whether they were learned or not.")
    return sets.test_set or sets.train_set


def as_learned(dataset: Dataset, classifier: Classifier) -> Dataset:
    """The images with the classes' numbers that they have in the network. ValueError for classes that it has not."""
    names, own = classifier.class_names, dataset.class_names
    unknown = {own[label] for label in np.unique(dataset.labels)} - set(names)
    counted, known_by_number = (all(name.isdigit() for name in each) for each in (own, names))
    if not unknown:
        numbers = np.array([names.index(name) if name in names else 0 for name in own])
    elif (counted and len(own) <= len(names)) or (known_by_number and len(own) == len(names)):
        numbers = np.arange(len(own))
    else:
        raise ValueError(f"the network knows {listed(names)}, and not {listed(unknown)}, which the images are of")
    return Dataset(dataset.images, numbers[dataset.labels], names)


def ask(classifier: Classifier, dataset: Dataset, ten_crop: bool) -> Found:
    """The network's answers to all images that can be read."""
    ways = ["centre", *(["ten crops"] if ten_crop else [])]
    network, size = classifier.network, CROPPED if ten_crop else BATCH
    labels: list[np.ndarray] = []
    answers: dict[str, list[np.ndarray]] = {way: [] for way in ways}
    places: dict[str, list[np.ndarray]] = {way: [] for way in ways}
    with bar(total=len(dataset), desc="asking", unit="img") as shown:
        for start in range(0, len(dataset), size):
            part, right = dataset.images[start : start + size], dataset.labels[start : start + size]
            images = np.asarray(part)
            if isinstance(part, StreamedImages):
                good = ~np.isin(part.numbers, list(part.unread))
                images, right = images[good], right[good]
            for way in ways if len(images) else ():
                if way == "centre":  # logits: of probabilities, many may be 0
                    x = classifier.preparation(images).astype(network.dtype, copy=False)
                    output = move(network.forward(move(x, network.device)), "cpu")
                else:
                    output = classifier.probabilities(images, ten_crop=True)
                answers[way].append(output.argmax(axis=1))
                places[way].append(places_of(output, right))
            labels.append(right)
            shown.update(len(part))
    joined = ({way: np.concatenate(each[way]) for way in ways} for each in (places, answers))
    return Found(np.concatenate(labels), *joined)


def in_words(found: Found, classes: int) -> str:
    """A line for each way of looking: top-1 and, where there are more than five classes, top-5."""
    lines = []
    for way, places in found.places.items():
        five = f", {np.mean(places < 5):7.2%} top-5" if classes > 5 else ""
        lines.append(f"{way:<10}{np.mean(places == 0):8.2%} top-1{five}")
    return "\n".join(lines)


def by_class(found: Found, names: Sequence[str]) -> list[dict]:
    """A row for each class that there are images of, by the last way of looking."""
    way = list(found.places)[-1]
    places, answers, rows = found.places[way], found.answers[way], []
    for label in np.unique(found.labels):
        of_class = found.labels == label
        wrong = answers[of_class & (places > 0)]
        counts = np.bincount(wrong, minlength=len(names))
        rows.append({
            "class": names[label],
            "images": int(of_class.sum()),
            "top1": round(float(np.mean(places[of_class] == 0)), 4),
            "top5": round(float(np.mean(places[of_class] < 5)), 4),
            "taken_for": names[counts.argmax()] if len(wrong) else "",
            "so_often": int(counts.max()),
        })  # fmt: skip
    return rows


def table(rows: Sequence[dict], classes: int) -> str:
    """The rows, or of many those of the classes that are read worst."""
    shown = list(rows) if len(rows) <= FEW else sorted(rows, key=lambda row: row["top1"])[:SHOWN]
    width = max(5, *(len(row["class"]) for row in shown))
    lines = [] if len(rows) <= FEW else [f"The {SHOWN} classes that are read worst:"]
    lines.append(f"{'class':<{width}}  images   top-1{'   top-5' if classes > 5 else ''}  most often taken for")
    for row in shown:
        five = f"{row['top5']:8.1%}" if classes > 5 else ""
        taken = f"  {row['taken_for']} ({row['so_often']:,})" if row["taken_for"] else ""
        lines.append(f"{row['class']:<{width}}{row['images']:8,}{row['top1']:8.1%}{five}{taken}")
    return "\n".join(lines)


if __name__ == "__main__":
    run_program(main)
