"""One image through one network, a layer at a time: forward to the loss, and the gradient all the way back.

    python -m examples.step_through

At each stop: the layer's shapes, its formula, its numbers and how long it took, and a plot of its output. Enter goes
on; b goes back; a layer's name jumps there; q quits. With --layer and --at a single number is broken down into the
terms of the sum that it is, and so is the gradient with respect to one input.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import numpy as np

from examples.explain.explanation import in_brackets, in_lines
from examples.explain.terms import backward_terms, checked, formulas, forward_terms
from examples.shared.command_line import Parser, carry_out, output_folder, plain_warnings
from examples.shared.options import add_label, add_model, add_output, add_picture, add_seed, add_value, add_weights
from examples.step_through.pages import Page, Visit, pages, settings, volume, walk
from examples.step_through.subject import Subject, find_subject
from nn.inspect import layer_called
from nn.spelling import did_you_mean

EXAMPLES = """
examples:
  python -m examples.step_through
  python -m examples.step_through --picture my_digit.png --label 7
  python -m examples.step_through --layer conv2 --at 4,5,7
      the output of conv2 in row 4, column 5, channel 7, term by term
  python -m examples.step_through --layer conv2 --at 4,5,7 --input-at 6,7,0 --all
      all terms, and the gradient with respect to an input of your choice
  python -m examples.step_through --weights cifar10_alexnet --picture my_cat.jpg
  python -m examples.step_through --model alexnet --no-pause
      AlexNet at full size, with random weights, without waiting for Enter
"""

HELP = """  Enter: the next stop     b: the one before     q: quit
  a layer's name: go there (while going backward, to its backward pass); also input and loss
  layers: {names}"""
SHOWN = 6  # terms at the beginning and at the end of a long sum


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program. Exit status: 0; 1 a plot could not be written; 2 bad input; 130 stopped by Ctrl-C."""
    parser = make_parser()
    options = parser.parse_args(arguments)

    def make() -> tuple[list[str], list[Page], str]:
        check_together(options)
        with plain_warnings("step_through"):
            subject = find_subject(options.model, options.weights, options.picture, options.label, options.seed)
        if options.layer is not None:
            layer_called(subject.classifier.network, options.layer)
        if options.at is not None:
            return take_apart(subject, options), [], ""
        visits, loss_value, label = walk(
            subject.classifier.network, subject.image, subject.label, subject.loss, options.training, times=3
        )
        names = subject.classifier.class_names
        stops = pages(subject.classifier.network, visits, subject.picture, names, subject.loss, (loss_value, label))
        if options.pictures:
            output_folder(options.out, [name for page in stops for name in page.drawings], options.force)
        return [], stops, subject.in_words(label)

    def work(made: tuple[list[str], list[Page], str]) -> None:
        lines, stops, first_line = made
        if lines:
            print("\n".join(lines), flush=True)
        else:
            step(stops, options, first_line)

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
    inside = "with --at: break down the gradient with respect to this input"
    add_value(parser, "--input-at", inside, told="the same place", type=place, metavar="I,J,C")
    parser.add_argument("--all", action="store_true", help="show every term of a long sum")
    parser.add_argument("--training", action="store_true", help="with dropout, as in training")
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
    if options.input_at is not None and options.at is None:
        raise ValueError("--input-at goes with --at")


# --------------------------------------------------------------------------------------------- going along
def step(stops: list[Page], options: argparse.Namespace, first_line: str) -> None:
    """Show one stop after the other, and ask where to go."""
    waiting = options.pause and at_a_terminal()
    index = 0 if options.layer is None else next(n for n, page in enumerate(stops) if page.name == options.layer)
    print(first_line)
    if waiting:
        print("Enter goes on, ? explains the other commands.")
    drawn: set[str] = set()
    while index is not None and index < len(stops):
        show(stops[index], index, len(stops), options, drawn)
        index = ask(stops, index) if waiting else index + 1


def at_a_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def show(page: Page, index: int, count: int, options: argparse.Namespace, drawn: set[str]) -> None:
    print(f"\n[{index + 1}/{count}] {page.way}: {page.title}")
    for line in page.lines:
        print(f"  {line}")
    for name, draw in page.drawings.items() if options.pictures else ():
        if name not in drawn:
            draw(options.out / name)
            drawn.add(name)
        print(f"  -> {options.out / name}")
    sys.stdout.flush()


def ask(stops: list[Page], index: int) -> int | None:
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
        if answer == "q":
            return None
        if answer == "b":
            if index:
                return index - 1
            print("This is the first stop.")
        elif answer == "?":
            print(HELP.format(names=", ".join(names)))
        elif answer in names:
            return goal(stops, index, answer)
        else:
            hint = did_you_mean(answer, names) or "."
            print(f"There is no layer {answer!r}{hint} Enter goes on, b back, q quits, ? lists the layers.")


def goal(stops: list[Page], index: int, name: str) -> int:
    """The layer's stop on the way that we are on, or its only one."""
    found = [number for number, page in enumerate(stops) if page.name == name]
    same = [number for number in found if stops[number].way == stops[index].way]
    return (same or found)[0]


# ---------------------------------------------------------------------------------------------- one number
def take_apart(subject: Subject, options: argparse.Namespace) -> list[str]:
    """One output of a layer and the gradient with respect to one of its inputs, each as the sum that it is."""
    network = subject.classifier.network.astype(np.float64)
    shapes = dict(zip(network.layers, network.shapes(network.image_shape)))
    at = checked(options.at, shapes[options.layer], f"--at: {options.layer}'s output")
    image = subject.image.astype(np.float64)
    visits, _, label = walk(network, image, subject.label, subject.loss, options.training)
    visit = next(visit for visit in visits if visit.layer.name == options.layer)
    inside, remark = input_place(options, at, visit)
    layer, (forward, backward) = visit.layer, formulas(visit.layer)
    shown = SHOWN if sys.stdout.isatty() and not options.all else None
    explained = forward_terms(layer, visit.x, at, options.training)
    gradient = backward_terms(layer, visit.x, visit.dy, inside, options.training)
    y, dx, name = f"y{in_brackets(at)}", f"dx{in_brackets(inside)}", subject.classifier.class_names[label]
    return [
        f"{layer.label}: {volume(visit.x.shape)} -> {volume(visit.y.shape)}, in double precision",
        "",
        f"The output {y}, by",
        *(f"  {line}" for line in [*forward.split("\n"), *settings(layer)]),
        *in_lines(explained, y, visit.y[at], shown),
        "",
        f"The gradient {dx} of the loss (for the class {name}) with respect to the input x{in_brackets(inside)}"
        f"{remark}, by",
        f"  {backward.split(chr(10))[0]}",
        *in_lines(gradient, dx, visit.dx[inside], shown),
    ]


def input_place(options: argparse.Namespace, at: tuple[int, ...], visit: Visit) -> tuple[tuple[int, ...], str]:
    """The input whose gradient is taken apart: the one asked for, or the nearest to the output's own place."""
    shape = visit.x.shape
    if options.input_at is not None:
        return checked(options.input_at, shape, f"--input-at: {options.layer}'s input"), ""
    if len(at) != len(shape):  # flatten: the number that lands at the output's place
        return tuple(int(index) for index in np.unravel_index(at[0], shape)), ""
    inside = tuple(min(index, length - 1) for index, length in zip(at, shape))
    return inside, "" if inside == at else " (the nearest place that it has; --input-at chooses)"
