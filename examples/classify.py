"""Ask a network what is in an image.

    python -m examples.classify my_cat.jpg

Without --weights, a small AlexNet answers that learned photographs, at 128x128 pixels: airplane, automobile, bird, cat,
deer, dog, frog, horse, ship, truck. It knows nothing else. The five most likely classes of each image are printed, and
drawn beside it. Weights may say below which probability their answers were wrong too often on images held out of
training: then there is no answer (--all-answers shows it).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from examples.shared.command_line import (
    Parser,
    carry_out,
    output_folder,
    plain_warnings,
    remove_files_of_an_earlier_run,
    run_program,
)
from examples.shared.options import add_device, add_output, add_weights
from examples.shared.picture_files import PictureFiles, bring_to, printable
from models import Classifier, load_classifier
from nn.data.rendered import CLASS_NAMES
from nn.inspect.saliency_maps import occlusion, saliency

EXAMPLES = """
examples:
  python -m examples.classify my_cat.jpg my_dog.png
  python -m examples.classify --weights digits_lenet my_digit.png
  python -m examples.classify --ten-crop --json holiday_pictures/
  python -m examples.classify --look my_cat.jpg
      also draws where the network looks: by covering parts, and by the gradient
  python -m examples.classify --weights runs/train/alexnet_small/best.safetensors my_pictures/
"""

SHOWN = 5  # classes per image
PAGE = 12  # images per page
STALE = [f"{name}{number}.png" for name in ("answers", "looks") for number in ("", "_[0-9]*")]  # of an earlier run
BAR = 24  # characters
THUMBNAIL = 400  # pixels


@dataclass(frozen=True)
class Answer:
    """What a network said about one image."""

    path: Path
    picture: np.ndarray  # (H, W, C) uint8, made small for drawing
    probabilities: np.ndarray  # (classes,)
    seen: np.ndarray  # the part that the network reads, at the network's size
    x: np.ndarray  # the same at the network's levels


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program. Exit status: 0; 1 results could not be written; 2 bad input; 130 stopped by Ctrl-C."""
    parser = make_parser()
    options = parser.parse_args(arguments)

    def make() -> tuple:
        if options.json and options.look:
            raise ValueError("--json draws nothing and --look draws where the network looks, expected one of the two")
        if options.ten_crop and options.scales:
            raise ValueError("--ten-crop and --scales are two ways to look several times, expected one of the two")
        classifier = load_classifier(options.weights)
        if options.all_answers:
            classifier = replace(classifier, calibration=replace(classifier.calibration, least_probability=0.0))
        classifier.network.to(options.device)
        files = PictureFiles(options.pictures, classifier.preparation.channels)
        pages = page_names(len(files.files), options.look)
        if not options.json:
            output_folder(options.out, [name for page in pages for name in page], options.force)
        return classifier, files, pages

    def work(made: tuple) -> None:
        classifier, files, pages = made
        with plain_warnings("classify"):
            answered = [] if options.json else run(classifier, files, pages, options)
            if options.json:
                answered = [described(answer, classifier) for answer in answers(classifier, files, options)]
        if not answered:
            parser.error(files.complaint() or f"there are no images in {', '.join(options.pictures)}")
        if options.json:
            left_out = [{"file": name, "reason": reason} for name, reason in files.left_out]
            print(json.dumps({"weights": options.weights, "pictures": answered, "left_out": left_out}, indent=2))
        elif files.left_out:
            print(f"classify: {files.complaint()}", file=sys.stderr)

    return carry_out(parser, make, work)


def make_parser() -> Parser:
    parser = Parser(prog="python -m examples.classify", description=__doc__, epilog=EXAMPLES)
    parser.add_argument("pictures", nargs="+", metavar="PICTURE", help="a file, or a folder with any number of them")
    add_weights(parser, "photos_alexnet")
    parser.add_argument("--ten-crop", action="store_true", help="average over corners, centre and mirror images")
    help_ = "average over the image and squares of a half and a quarter of it, and mirror images"
    parser.add_argument("--scales", action="store_true", help=help_)
    parser.add_argument("--look", action="store_true", help="draw where the network looks, too")
    parser.add_argument("--all-answers", action="store_true", help="show the answers, too, where no class is likely")
    parser.add_argument("--json", action="store_true", help="print JSON, draw nothing")
    add_device(parser)
    add_output(parser, "runs/classify")
    return parser


def page_names(count: int, look: bool) -> list[list[str]]:
    """The names of the drawings, a list for each page of so many images."""
    pages = max(1, -(-count // PAGE))
    numbers = [""] if pages == 1 else [f"_{number:0{len(str(pages))}}" for number in range(1, pages + 1)]
    return [[f"answers{number}.png", *([f"looks{number}.png"] if look else [])] for number in numbers]


# ------------------------------------------------------------------------------------------------- asking
def answers(classifier: Classifier, files: PictureFiles, options: argparse.Namespace) -> Iterator[Answer]:
    """The network's answer to each image that can be read."""
    for path, picture in files:
        picture = classifier.as_learned(picture)
        sized = classifier.preparation.resized(picture[None])
        yield Answer(
            path,
            bring_to(picture, THUMBNAIL),
            classifier.probabilities([picture] if options.scales else sized, options.ten_crop, options.scales)[0],
            classifier.preparation.seen(sized)[0],
            classifier.preparation(sized)[0],
        )


# ------------------------------------------------------------------------------------------------ showing
def run(classifier: Classifier, files: PictureFiles, pages: list[list[str]], options: argparse.Namespace) -> int:
    """Ask about every image, print the answers and draw them page by page; how many there were."""
    about = f"{options.weights}: {classifier.network.name}, {len(classifier.class_names)} classes. {remark(classifier)}"
    print(about.strip())
    asked = answers(classifier, files, options)
    count, drawn = 0, []
    for names in pages:
        page = []
        for answer in islice(asked, PAGE):
            print(in_words(answer, classifier), flush=True)
            page.append(answer)
        if page:
            if not drawn:
                remove_files_of_an_earlier_run(options.out, STALE)
            draw(page, classifier, [options.out / name for name in names])
            drawn += names
        count += len(page)
    if drawn:
        print(f"\nDrawn in {', '.join(str(options.out / name) for name in drawn)}.")
    return count


def remark(classifier: Classifier) -> str:
    """What somebody should know who shows it photographs."""
    if classifier.class_names == CLASS_NAMES:
        return "It learned from rendered images and does not know photographs."
    if classifier.learned_digits:
        return (
            "It learned digits in light ink on black and knows nothing else; yours is inverted if need be, cut out and "
            "centred."
        )
    if classifier.learned_light_ink:
        return "It learned from light ink on dark paper; images with a light border are inverted."
    return ""


def in_words(answer: Answer, classifier: Classifier) -> str:
    """The file and its likeliest classes, each with a bar; or that none is likely."""
    class_names = classifier.class_names
    lines = [f"\n{printable(answer.path)}"]
    if classifier.answers(answer.probabilities[None]) == [None]:
        return f"{lines[0]}\n  no answer: none of the {len(class_names)} classes is likely; --all-answers shows them"
    for label in likeliest(answer.probabilities):
        probability = float(answer.probabilities[label])
        lines.append(f"  {class_names[label]:<20.20} {100 * probability:5.1f} %  {bar(probability)}".rstrip())
    return "\n".join(lines)


def bar(share: float) -> str:
    """A bar in blocks, or in what the terminal can write."""
    block = "\u2588"
    try:
        block.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        block = "#"
    return block * round(BAR * share)


def likeliest(probabilities: np.ndarray) -> list[int]:
    return np.argsort(-probabilities, kind="stable")[:SHOWN].tolist()


def described(answer: Answer, classifier: Classifier) -> dict:
    """One image's part of the JSON: its file, its class or null where none is likely, and all, the likeliest first."""
    order = np.argsort(-answer.probabilities, kind="stable")
    (label,) = classifier.answers(answer.probabilities[None])
    return {
        "file": str(answer.path),
        "answer": None if label is None else classifier.class_names[label],
        "answers": [
            {"class": classifier.class_names[label], "probability": float(answer.probabilities[label])}
            for label in order
        ],
    }


def draw(page: list[Answer], classifier: Classifier, paths: Sequence[Path]) -> None:
    """The page's answers, and on a second drawing where the network looked."""
    from nn import plots  # here, because --json draws nothing and need not wait for matplotlib

    titles = [printable(answer.path.name) for answer in page]
    pictures = [answer.picture for answer in page]
    probabilities = [answer.probabilities for answer in page]
    least = classifier.calibration.least_probability
    plots.answers(paths[0], titles, pictures, probabilities, classifier.class_names, least)
    if len(paths) > 1:
        looks = []
        for answer in page:
            label = int(answer.probabilities.argmax())
            looks.append(
                (occlusion(classifier.network, answer.x, label), saliency(classifier.network, answer.x, label))
            )
        plots.looks(paths[1], titles, [answer.seen for answer in page], probabilities, looks, classifier.class_names)


if __name__ == "__main__":
    run_program(main)
