"""One image through one network, a layer at a time: forward to the loss, and the gradient all the way back.

    python -m examples.step_through

At each stop: the layer's shapes, its formula, some of its numbers and how long it took, and a plot of its output, which
a browser shows. Enter goes on; b goes back; a layer's name jumps there; q quits. conv2 4,5,12 breaks a single number
down into the terms of the sum that it is; with --layer and --at that is all that is done.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence

from examples.shared.command_line import Parser, carry_out, output_folder, plain_warnings
from examples.shared.options import add_label, add_model, add_output, add_picture, add_seed, add_value, add_weights
from examples.step_through.album import Album, can_open
from examples.step_through.one_number import QUANTITIES, SHOWN, OneNumber, is_a_place
from examples.step_through.pages import Page, pages, walk
from examples.step_through.subject import find_subject
from nn.inspect import layer_called
from nn.spelling import did_you_mean

EXAMPLES = """
examples:
  python -m examples.step_through
  python -m examples.step_through --picture my_digit.png --label 7
  python -m examples.step_through --layer conv2 --at 4,5,12
      the output of conv2 in row 4, column 5, map 12: its largest terms, and what they add up to
  python -m examples.step_through --layer conv2 --input-at 6,5,4 --all
      the gradient with respect to an input, with all its terms
  python -m examples.step_through --weights cifar10_alexnet --picture my_cat.jpg
  python -m examples.step_through --model alexnet --no-pause
      AlexNet at full size, with random weights, without waiting for Enter
"""

Made = tuple[
    list[str], list[Page], str, OneNumber
]  # what to print at once; or the stops, a first line; and the numbers
HELP = """  Enter: the next stop     b: the one before     q: quit
  a layer's name: go there (while going backward, to its backward pass); also input and loss
  conv2 4,5,12: what this output is the sum of, in row 4, column 5, map 12
  conv2 dx 6,5,4: the same for the gradient with respect to this input
  conv2 dw 0,1,3,12 and conv2 db 12: the same for the gradient with respect to this weight and this bias
  4,5,12: for this layer, forward or backward as we go; all behind a place: every term
  layers: {names}"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program. Exit status: 0; 1 a plot could not be written; 2 bad input; 130 stopped by Ctrl-C."""
    parser = make_parser()
    options = parser.parse_args(arguments)

    def make() -> Made:
        check_together(options)
        with plain_warnings("step_through"):
            subject = find_subject(options.model, options.weights, options.picture, options.label, options.seed)
        if options.layer is not None:
            layer_called(subject.classifier.network, options.layer)
        number = OneNumber(subject, options.training)
        if options.at is not None or options.input_at is not None:
            return taken_apart(number, options), [], "", number
        visits, loss_value, label = walk(
            subject.classifier.network, subject.image, subject.label, subject.loss, options.training, times=3
        )
        names = subject.classifier.class_names
        stops = pages(
            subject.classifier.network,
            visits,
            subject.picture,
            names,
            subject.loss,
            (loss_value, label),
            options.training,
        )
        if options.pictures:
            output_folder(
                options.out, [name for page in stops for name in page.drawings] + ["pictures.html"], options.force
            )
        return [], stops, subject.in_words(label), number

    def work(made: Made) -> None:
        lines, stops, first_line, number = made
        if lines:
            print("\n".join(lines), flush=True)
        else:
            step(stops, options, first_line, number)

    return carry_out(parser, make, work, unwritten="a plot could not be written: {reason}")


def make_parser() -> Parser:
    parser = Parser(prog="python -m examples.step_through", description=__doc__, epilog=EXAMPLES)
    add_weights(parser, None, told="digits_lenet")
    add_model(parser, here="with random weights, instead of --weights", told="none")
    add_seed(parser, "for random weights, and for which image is taken without --picture")
    add_picture(parser)
    add_label(parser, "the true one where it is known, else the most likely one", here="the loss asks for it")
    layer = "begin at this layer; with --at, the layer to look into"
    add_value(parser, "--layer", layer, told="the input", metavar="NAME")
    at = "break down this output of --layer, counted from 0"
    add_value(parser, "--at", at, told="none", type=place, metavar="I,J,C")
    inside = "break down the gradient with respect to this input of --layer"
    add_value(parser, "--input-at", inside, told="none", type=place, metavar="I,J,C")
    parser.add_argument("--all", action="store_true", help="show every term of a long sum")
    parser.add_argument("--training", action="store_true", help="with dropout, as in training")
    meaning = "show the pictures in a browser; without either, in a terminal on a machine that has a display"
    parser.add_argument("--open", action=argparse.BooleanOptionalAction, default=None, help=meaning)
    parser.add_argument("--no-pause", dest="pause", action="store_false", help="do not wait for Enter")
    parser.add_argument("--no-pictures", dest="pictures", action="store_false", help="draw nothing")
    add_output(parser, "runs/step_through")
    return parser


def place(text: str) -> tuple[int, ...]:
    """An argument type: whole numbers with commas between."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected whole numbers such as 4,5,7 or 12, got {text!r}") from None


def check_together(options: argparse.Namespace) -> None:
    """Raise ValueError for options that do not go together."""
    if options.model is not None and options.weights is not None:
        raise ValueError("--model takes random weights and --weights those of a file: give one of the two")
    if options.at is not None and options.layer is None:
        raise ValueError("--at is a place in a layer's output: name the layer with --layer")
    if options.input_at is not None and options.layer is None:
        raise ValueError("--input-at is a place in a layer's input: name the layer with --layer")


def taken_apart(number: OneNumber, options: argparse.Namespace) -> list[str]:
    """What --at and --input-at ask for."""
    visit, shown, lines = number.visit(options.layer), None if options.all else SHOWN, []
    if options.input_at is not None:
        lines += number.gradient(visit, options.input_at, shown, "--input-at: ", "--all shows them")
    if options.at is not None:
        lines += [""] if lines else []
        lines += number.output(visit, options.at, shown, "--at: ", "--all shows them")
    return lines


# --------------------------------------------------------------------------------------------- going along
def step(stops: list[Page], options: argparse.Namespace, first_line: str, number: OneNumber) -> None:
    """Show one stop after the other, and ask where to go."""
    waiting = options.pause and at_a_terminal()
    index = 0 if options.layer is None else next(n for n, page in enumerate(stops) if page.name == options.layer)
    print(first_line)
    print("The numbers are those around the place where there is most to see; * marks the one that is worked out.")
    if waiting:
        print("Enter goes on, conv2 4,5,12 takes that number apart, ? explains the other commands.")
    album = Album(options.out) if options.pictures and waiting else None
    drawn: set[str] = set()
    try:
        while index is not None and index < len(stops):
            show(stops[index], index, len(stops), options, drawn, album)
            index = ask(stops, index, number) if waiting else index + 1
    finally:
        if album is not None:
            album.write(going_on=False)


def at_a_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def show(page: Page, index: int, count: int, options: argparse.Namespace, drawn: set[str], album: Album | None) -> None:
    title = f"[{index + 1}/{count}] {page.way}: {page.title}"
    print(f"\n{title}")
    for line in page.lines:
        print(f"  {line}")
    fresh = [name for name in page.drawings if name not in drawn] if options.pictures else []
    for name in fresh:
        page.drawings[name](options.out / name)
    for name in page.drawings if options.pictures else ():
        print(f"  -> {options.out / name}")
    if album is not None and fresh:
        album.add(title, [options.out / name for name in fresh])
        if not drawn:
            show_in_a_browser(album, options.open)
    drawn.update(fresh)
    sys.stdout.flush()


def show_in_a_browser(album: Album, wanted: bool | None) -> None:
    """Where nobody said that it should not be, and where there is a browser with a display."""
    if wanted is not False and not (can_open() and album.open()) and wanted:
        print(f"  There is no browser that could show the pictures here; open {album.path} where there is one.")


def ask(stops: list[Page], index: int, number: OneNumber) -> int | None:
    """The stop to go to next; None to end."""
    names = list(dict.fromkeys(page.name for page in stops))
    while True:
        try:
            answer = input("> ").strip()
        except EOFError:
            print()
            return None
        if answer == "":
            return index + 1
        if answer in ("q", "quit", "exit"):
            return None
        if answer == "b":
            if index:
                return index - 1
            print("This is the first stop.")
        elif answer == "?":
            print(HELP.format(names=", ".join(names)))
        elif answer in names:
            return goal(stops, index, answer)
        elif is_a_place(answer):
            answer_with_the_number(answer, stops[index], names, number)
        else:
            print(no_layer(answer, names))


def answer_with_the_number(asked: str, page: Page, names: list[str], number: OneNumber) -> None:
    first = re.split(r"[\s,\[(]", asked)[0]
    if first[:1].isalpha() and first not in names and first.lower() not in QUANTITIES:
        print(no_layer(first, names))
        return
    try:
        print("\n".join(number.asked(asked, page.name, page.way)), flush=True)
    except ValueError as error:
        print(f"{error}.")


def no_layer(name: str, names: list[str]) -> str:
    first = name.split()[0]
    if first in names:
        return f"Behind {first} comes a place, such as {first} dx 6,5,4; ? explains what can be asked."
    hint = did_you_mean(name, names) or "."
    return f"There is no layer {name!r}{hint} Enter goes on, b back, q quits, ? lists the layers."


def goal(stops: list[Page], index: int, name: str) -> int:
    """The layer's stop on the way that we are on, or its only one."""
    found = [number for number, page in enumerate(stops) if page.name == name]
    same = [number for number in found if stops[number].way == stops[index].way]
    return (same or found)[0]
