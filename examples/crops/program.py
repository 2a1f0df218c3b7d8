"""Crop images, down to a sixteenth of their area, and see for how long a network still knows what is in them.

    python -m examples.crops

asks LeNet and AlexNet, each trained on whole images and on random portions of them, about crops of rendered images
that none of them was trained on: cats, dogs, cars and vernier callipers. Of each image, crops of 100, 75, 50, 25,
12.5 and 6.25% of the area are taken at the centre, in the corners and at random. It writes

    curves.png      accuracy and confidence against the portion, and against how much of the object the crop holds
    crops_*.png     some images, each crop with the network's answer: right in green, wrong in red
    results.json    all figures
    table.txt       the accuracies
    report.html     one page with all of the above

    python -m examples.crops my_cat.jpg my_pictures/

does the same with images of your own. Their class is known for a folder with one sub-folder per class, or from --label;
for other images the network's answer to the whole image is taken to be right, and no curves are drawn. What the
network says of each image is printed.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from examples.classify import remark
from examples.crops.page import write_page
from examples.crops.windows import PLACES, PORTIONS, Window, windows
from examples.shared.command_line import (
    Parser,
    carry_out,
    output_folder,
    plain_warnings,
    remove_files_of_an_earlier_run,
    whole_number,
)
from examples.shared.named_classifiers import class_number, named_classifiers
from examples.shared.options import add_device, add_label, add_output, add_seed, add_value, add_weights
from examples.shared.picture_files import PictureFiles, printable
from models import Classifier
from nn import plots
from nn.data.bars import bar
from nn.data.pixels import fit, to_array, to_image
from nn.data.rendered import CLASS_NAMES, objects_with_boxes

EXAMPLES = """
examples:
  python -m examples.crops --count 100
      a first look at the experiment
  python -m examples.crops my_cat.jpg --label cat
  python -m examples.crops my_pictures/ --weights runs/train/alexnet_small/last.safetensors
"""

OURS = {
    "objects_lenet": "LeNet, trained on whole images",
    "objects_lenet_portions": "LeNet, trained on portions",
    "objects_alexnet": "AlexNet, trained on whole images",
    "objects_alexnet_portions": "AlexNet, trained on portions",
}
PHOTOGRAPHS = "photos_alexnet"  # what is asked about images of the user's own
RESULTS = ("curves.png", "results.json", "table.txt", "report.html")
STALE = ("crops_[0-9]*.png", "curves.png", "table.txt")  # of an earlier run; the others are always written anew
SIZE = 256  # pixels of an image's side before it is cut
TOGETHER = 8  # images whose crops go through a network together
GROUPS = {"centre": ("centre",), "corners": PLACES[1:], "random": ("random",)}
HELD = (0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)  # bounds of the share of the object that a crop holds


@dataclass(frozen=True)
class Case:
    """A square image, and what is known about it: its class (a number), where the object is."""

    name: str
    figure: str  # the name of the file that shows its crops
    picture: np.ndarray  # (SIZE, SIZE, C), uint8
    label: int | None = None
    box: np.ndarray | None = None


@dataclass
class Outcome:
    """What the networks said about the windows of one image."""

    windows: list[Window]
    probabilities: dict[str, np.ndarray]  # network -> (windows, classes)
    label: int | None
    held: list[float] | None  # for each window, the share of the object in it
    name: str = ""  # of the image
    figure: Path | None = None  # where its crops are drawn, if they are

    def taken_for(self, network: str) -> int:
        """What its crops should be taken for: its class; where that is unknown, what the whole of it is taken for."""
        return int(self.probabilities[network][0].argmax()) if self.label is None else self.label


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program. Exit status: 0; 1 results could not be written; 2 bad input; 130 stopped by Ctrl-C."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    parser = make_parser()
    options = parser.parse_args(arguments)

    def make() -> tuple:
        classifiers = load_classifiers(options)
        names = next(iter(classifiers.values())).class_names
        label = None if options.label is None else class_number(options.label, names)
        files = None
        if options.pictures:
            files = PictureFiles(options.pictures, next(iter(classifiers.values())).preparation.channels)
        figures = figure_names(files, options.count)
        output_folder(options.out, [*RESULTS, *figures], options.force)
        return classifiers, label, files, figures

    def work(made: tuple) -> None:
        classifiers, label, files, figures = made
        if files is None:
            cases = rendered(figures)
        else:
            for sentence in dict.fromkeys(filter(None, map(remark, classifiers.values()))):
                print(sentence, flush=True)
            cases = from_files(files, figures, options.pictures, classifiers, label)
        with plain_warnings("crops"):
            outcomes = ask(cases, len(figures), classifiers, options)
        if not outcomes:
            parser.error(files.complaint() or f"there are no images in {', '.join(options.pictures)}")
        command = shlex.join(["python", "-m", "examples.crops", *arguments])
        finish(outcomes, classifiers, options, command)
        if files is not None and files.left_out:
            print(f"crops: {files.complaint()}", file=sys.stderr)

    return carry_out(parser, make, work)


def make_parser() -> Parser:
    parser = Parser(prog="python -m examples.crops", description=__doc__, epilog=EXAMPLES)
    parser.add_argument("pictures", nargs="*", metavar="PICTURE", help="files or folders; none: rendered images")
    told = f"{PHOTOGRAPHS} for your images, the four objects networks for rendered ones"
    add_weights(parser, None, told=told, several=True)
    told = "the folder's name where that is a class, else the network's answer to the whole image"
    add_label(parser, told, here="of all images that are named")
    add_value(parser, "--count", "rendered images", default=600, type=whole_number(4), metavar="N")
    add_value(parser, "--random", "random crops of each size", default=3, type=whole_number(1), metavar="N")
    add_value(parser, "--figures", "images to draw", default=8, type=whole_number(0), metavar="N")
    add_seed(parser, "for the random crops")
    add_device(parser)
    add_output(parser, "runs/crops")
    return parser


# ------------------------------------------------------------------------------------------------- what to ask
def load_classifiers(options: argparse.Namespace) -> dict[str, Classifier]:
    """By the names that figures call them."""
    if options.label is not None and not options.pictures:
        raise ValueError("--label says what your images show, and no image is named")
    wanted = options.weights or ([PHOTOGRAPHS] if options.pictures else list(OURS))
    classifiers = named_classifiers(wanted, OURS)
    for classifier in classifiers.values():
        classifier.network.to(options.device)
    first = next(iter(classifiers.values()))
    if not options.pictures and first.class_names != CLASS_NAMES:
        raise ValueError("--weights: these weights did not learn the rendered objects; name images to ask about")
    return classifiers


def rendered(figures: Sequence[str]) -> Iterator[Case]:
    """Images of the rendered objects' test set, with their boxes, one for each figure that might be drawn."""
    dataset, boxes = objects_with_boxes(SIZE, len(figures), "test", progress=True)
    every = zip(figures, dataset.images, dataset.labels.tolist(), boxes)
    return (Case("rendered", figure, picture, label, box) for figure, picture, label, box in every)


def from_files(
    files: PictureFiles,
    figures: Sequence[str],
    paths: Sequence[str],
    classifiers: Mapping[str, Classifier],
    label: int | None,
) -> Iterator[Case]:
    """The images at these paths; in a folder, a sub-folder named as a class tells the label."""
    classes = {name.casefold(): n for n, name in enumerate(next(iter(classifiers.values())).class_names)}
    folders = [Path(path) for path in paths if Path(path).is_dir()]
    figure_of = dict(zip(files.files, figures))
    for path, picture in files:
        picture = next(iter(classifiers.values())).as_learned(picture)
        known, name = label, path.name
        for folder in folders:
            if folder in path.parents:
                name = path.relative_to(folder).as_posix()  # with its sub-folder: another may have a file of this name
                inside = path.relative_to(folder).parts[:-1]
                if known is None:
                    known = next((classes[part.casefold()] for part in inside if part.casefold() in classes), None)
        square = to_array(fit(to_image(picture), SIZE))
        yield Case(printable(name), figure_of[path], square, known)


def figure_names(files: PictureFiles | None, count: int) -> list[str]:
    """The name of the figure for each image, should it be drawn."""
    if files is None:
        return [f"crops_{number}.png" for number in range(1, count + 1)]
    return [f"crops_{number}_{path.stem[:60]}.png" for number, path in enumerate(files.files, 1)]


# ------------------------------------------------------------------------------------------------- asking
def ask(
    cases: Iterator[Case],
    total: int,
    classifiers: Mapping[str, Classifier],
    options: argparse.Namespace,
) -> list[Outcome]:
    """Cut every image, ask every network about the crops, and draw the first images; print a line for each image of
    the user's own."""
    outcomes = []
    with bar(total=total, desc="crops", unit="img") as shown:
        while some := list(islice(cases, TOGETHER)):
            if not outcomes:
                remove_files_of_an_earlier_run(options.out, STALE)
            cuts = [
                windows(np.random.default_rng([options.seed, len(outcomes) + n]), options.random)
                for n in range(len(some))
            ]
            answered = {name: asked(classifier, some, cuts) for name, classifier in classifiers.items()}
            for number, (case, cut) in enumerate(zip(some, cuts)):
                held = None if case.box is None else [window.share_of(case.box) for window in cut]
                probabilities = {name: parts[number] for name, parts in answered.items()}
                figure = options.out / case.figure if len(outcomes) < options.figures else None
                outcome = Outcome(cut, probabilities, case.label, held, case.name, figure)
                if figure is not None:
                    draw(figure, case, outcome, classifiers)
                if options.pictures:
                    shown.write(in_words(outcome, classifiers), file=sys.stdout)
                outcomes.append(outcome)
            shown.update(len(some))
    return outcomes


def in_words(outcome: Outcome, classifiers: Mapping[str, Classifier]) -> str:
    """What the networks say of one image: a line; where there are several networks, a line for each."""
    lines = []
    for name, classifier in classifiers.items():
        whole, *crops = outcome.probabilities[name]
        wanted = outcome.taken_for(name)
        right = sum(int(probabilities.argmax()) == wanted for probabilities in crops)
        by = f"{name}: " if len(classifiers) > 1 else ""
        lines.append(
            f"{outcome.name}: {by}{classifier.class_names[int(whole.argmax())]}, {100 * float(whole.max()):.1f} %; "
            f"{right} of its {len(crops)} crops are taken for {classifier.class_names[wanted]}"
        )
    return "\n".join(lines)


def asked(classifier: Classifier, cases: Sequence[Case], cuts: Sequence[list[Window]]) -> list[np.ndarray]:
    """For each image the probabilities (windows, classes)."""
    size = classifier.preparation.size
    crops = np.stack([window.cut(case.picture, size) for case, cut in zip(cases, cuts) for window in cut])
    probabilities = classifier.network.predict(classifier.preparation(crops))
    return np.split(probabilities, np.cumsum([len(cut) for cut in cuts])[:-1])


def draw(path: Path, case: Case, outcome: Outcome, classifiers: Mapping[str, Classifier]) -> None:
    """One image's crops, with what the last of the networks said."""
    name, classifier = list(classifiers.items())[-1]
    probabilities = outcome.probabilities[name]
    label = outcome.taken_for(name)
    truth = classifier.class_names[label]
    if case.label is None:
        truth = f"taken for {truth}, as the whole image is"
    plots.crops(
        path,
        f"{case.name}: {truth}. {name}",
        case.picture,
        outcome.windows,
        probabilities,
        label,
        classifier.class_names,
    )


# ------------------------------------------------------------------------------------------------- figures
def finish(
    outcomes: list[Outcome], classifiers: Mapping[str, Classifier], options: argparse.Namespace, command: str
) -> None:
    """Print the accuracies, write the curves, all numbers and the page."""
    known = [outcome for outcome in outcomes if outcome.label is not None]
    results = {name: summary(known, name) for name in classifiers} if known else {}
    facts = {"pictures": len(outcomes), "with_known_class": len(known), "seed": options.seed, "networks": results}
    (options.out / "results.json").write_text(json.dumps(facts, indent=2), encoding="utf-8")
    if known:
        print(table(results), flush=True)
        (options.out / "table.txt").write_text(f"{table(results).strip()}\n", encoding="utf-8")
        num_classes = len(next(iter(classifiers.values())).class_names)
        plots.crop_curves(options.out / "curves.png", results, len(known), num_classes)
    write_page(options.out, outcomes, results, classifiers, command, options.seed)
    drawn = sum(outcome.figure is not None for outcome in outcomes)
    more = f", --figures {len(outcomes)} draws all" if drawn < len(outcomes) and options.pictures else ""
    print(f"\n{drawn} of {len(outcomes)} drawn{more}.")
    print(f"Results are in {options.out}; open {options.out / 'report.html'} in a browser.")


def summary(outcomes: Sequence[Outcome], name: str) -> dict:
    """A network's accuracy and confidence for each kind of crop and portion, with standard errors.

    The crops of one image are no independent trials: errors are the spread of the images' own means.
    """
    right = [outcome.probabilities[name].argmax(axis=1) == outcome.label for outcome in outcomes]
    confidence = [outcome.probabilities[name][:, outcome.label].astype(np.float64) for outcome in outcomes]
    held = [np.array(outcome.held) if outcome.held is not None else None for outcome in outcomes]

    def measured(chosen: list[np.ndarray]) -> dict:
        return {
            "crops": int(sum(mask.sum() for mask in chosen)),
            "accuracy": over_pictures(right, chosen),
            "confidence": over_pictures(confidence, chosen),
        }

    by_portion = {}
    for group, places in GROUPS.items():
        rows = []
        for portion in PORTIONS:
            at = [
                np.array([w.portion == portion and (w.place in places or portion == 1) for w in o.windows])
                for o in outcomes
            ]
            row = {"portion": portion} | measured(at)
            if all(each is not None for each in held):
                row["held"] = over_pictures(held, at)
            rows.append(row)
        by_portion[group] = rows
    result = {"by_portion": by_portion}
    if all(each is not None for each in held):
        result["by_held"] = [
            {"from": low, "to": high} | measured([(each >= low) & ((each < high) | (high == 1)) for each in held])
            for low, high in zip(HELD, HELD[1:])
        ]
    return result


def over_pictures(values: Sequence[np.ndarray], chosen: Sequence[np.ndarray]) -> dict | None:
    """Mean and standard error over images of the mean of each image's chosen values; None if there are none."""
    means = np.array([each[mask].mean() for each, mask in zip(values, chosen) if mask.any()])
    if len(means) == 0:
        return None
    error = float(means.std(ddof=1) / np.sqrt(len(means))) if len(means) > 1 else None
    return {"mean": float(means.mean()), "standard_error": error}


def table(results: Mapping[str, dict]) -> str:
    """The accuracies, a network a line."""
    width = max(len("accuracy, random crops"), *map(len, results))
    lines = []
    for group in GROUPS:
        heads = "".join(f"{100 * portion:>8g} %" for portion in PORTIONS)
        title = f"accuracy, {group.removesuffix('s')} crops"
        lines.append(f"\n{title:<{width}}{heads}")
        for name, result in results.items():
            cells = "".join(f"{100 * row['accuracy']['mean']:>8.1f} %" for row in result["by_portion"][group])
            lines.append(f"{name:<{width}}{cells}")
    return "\n".join(lines)
