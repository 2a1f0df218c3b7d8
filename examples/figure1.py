"""Figure 1 of the AlexNet paper: how many steps does a network take to 25% training error, with ReLU and with tanh?

The paper trained a four-layer convolutional network on CIFAR-10, without any regularisation, "the learning rates for
each network chosen independently to make training as fast as possible", and found ReLU six times as fast. Here it is
the author's own small network for CIFAR-10 ("18pct") without its normalisation: three convolutions and one fully
connected layer, with his initial weights. With the first seed each rate of --rates is tried, and given up once it has
taken more steps than the best so far; the other seeds take the best. The training error is that of the same 5,000
training images every 50 steps. figure1.png and figure1.json are written to the folder --out and updated after
every run; with --resume those runs are not repeated, and other rates may be added.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Sequence
from itertools import chain, count
from pathlib import Path

import numpy as np

from examples.shared.command_line import (
    Parser,
    carry_out,
    is_below_runs,
    output_folder,
    positive_number,
    run_program,
)
from examples.shared.options import add_data, add_epochs, add_output, add_resume, add_seeds, add_value
from layers import LocalResponseNorm, ReLU, Tanh
from models import alexnet_cifar10
from nn import SGD, Network, SoftmaxCrossEntropy
from nn.data import Dataset, batches, load
from nn.data.bars import bar
from nn.plots.style import COLOURS, GREY, picture

ACTIVATIONS = {"ReLU": ReLU, "tanh": Tanh}
TARGET, BATCH, PROBE, EVERY = 0.25, 128, 5000, 50


def make_network(activation: str, classes: int, image_shape: tuple[int, int, int], seed: int) -> Network:
    """The small network without normalisation, with this activation after each convolution."""
    layers = []
    for name, layer in alexnet_cifar10("18pct", classes, image_shape, rng=seed).layers.items():
        if isinstance(layer, ReLU):
            layer = ACTIVATIONS[activation]()
        if not isinstance(layer, LocalResponseNorm):
            layers.append((name, layer))
    return Network(layers, image_shape, name=activation)


def run(activation: str, rate: float, seed: int, pictures: Dataset, most_steps: int) -> dict:
    """Train until 25% training error is reached, or until so many steps are done without reaching it."""
    mean = pictures.images.mean(axis=0, dtype=np.float32)  # images are 0..255 minus their mean, as published
    probe = pictures.subset(np.random.default_rng(0).permutation(len(pictures))[:PROBE])
    network = make_network(activation, pictures.num_classes, pictures.image_shape, seed)
    loss, sgd = SoftmaxCrossEntropy(), SGD(network, rate, momentum=0.9)
    errors, start, last_loss = [], time.perf_counter(), 0.0
    passes = (batches(pictures, BATCH, np.random.default_rng([seed, epoch])) for epoch in count())
    title = f"{activation}, rate {rate:g}, seed {seed}"
    with bar(total=most_steps, desc=title, unit="step") as shown:
        for step, (images, labels) in enumerate(chain.from_iterable(passes)):
            if step % EVERY == 0:
                answers = network.forward(probe.images - mean).argmax(axis=1)
                errors.append(float((answers != probe.labels).mean()))
                shown.set_postfix_str(f"training error {errors[-1]:.1%}")
                reached = errors[-1] <= TARGET
                if reached or step >= most_steps or not math.isfinite(last_loss):
                    break
            with np.errstate(over="ignore", invalid="ignore"):  # a rate may be too high
                last_loss = float(loss.forward(network.forward(images - mean, training=True), labels))
                network.backward(loss.backward(), input_gradient=False)
                sgd.step()
            shown.update()
    seconds = round(time.perf_counter() - start, 1)
    found = f"{step:,} steps" if reached else f"given up after {step:,} steps at {errors[-1]:.1%}"
    print(f"{title}: {found}, {seconds:.0f} s", flush=True)
    row = {"activation": activation, "rate": rate, "seed": seed, "seconds": seconds}
    return row | {"steps": step if reached else None, "errors": errors}


def best(runs: Sequence[dict], activation: str, seed: int) -> dict | None:
    """The run of this activation and seed that took the fewest steps, if any reached the target."""
    done = [row for row in runs if (row["activation"], row["seed"]) == (activation, seed) and row["steps"] is not None]
    return min(done, key=lambda row: row["steps"], default=None)


def summary(runs: Sequence[dict]) -> dict[str, list[int]]:
    """For each activation, the steps of every seed that reached the target."""
    seeds = sorted({row["seed"] for row in runs})
    return {name: [row["steps"] for seed in seeds if (row := best(runs, name, seed))] for name in ACTIVATIONS}


def about(options: argparse.Namespace) -> dict:
    """What must be the same for runs to be compared."""
    settings = {"data": Path(options.data).stem, "epochs": options.epochs}
    return settings | {"batch": BATCH, "target": TARGET, "every": EVERY}


def finished(options: argparse.Namespace) -> list[dict]:
    """The runs that an earlier call has left."""
    path = options.out / f"{options.name}.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if {name: found[name] for name in about(options)} != about(options):
            raise ValueError(f"--resume: {path} is of other images or other settings; name another --out")
        return found["runs"]
    except FileNotFoundError:
        raise ValueError(f"--resume: there is no {path}; leave --resume out") from None
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"--resume: {path} is not what this program writes: {error!r}") from None


def write(options: argparse.Namespace, runs: Sequence[dict], steps_per_epoch: int) -> None:
    """The numbers, and the figure: the training error of every seed at the best rate."""
    text = json.dumps(about(options) | {"steps": summary(runs), "runs": list(runs)}, indent=1)
    (options.out / f"{options.name}.json").write_text(text, encoding="utf-8")
    with picture(options.out / f"{options.name}.png", 8, 4.8) as figure:
        axes = figure.subplots()
        for activation, colour, line in zip(ACTIVATIONS, COLOURS, ("-", "--")):
            rate = (best(runs, activation, 0) or {"rate": None})["rate"]
            for row in runs:
                if row["activation"] == activation and row["rate"] == rate:
                    passes = EVERY * np.arange(len(row["errors"])) / steps_per_epoch
                    label = f"{activation}, rate {rate:g}" if row["seed"] == 0 else None
                    axes.plot(passes, 100 * np.array(row["errors"]), line, color=colour, linewidth=1.5, label=label)
        axes.axhline(100 * TARGET, color=GREY, linewidth=1, linestyle=":")
        axes.set(xlabel="epochs", ylabel="training error, %", ylim=(0, 100), xlim=(0, None))
        axes.set_title("Steps to 25% training error: a line for each seed")
        if axes.lines[1:]:
            axes.legend()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program. Exit status: 0; 1 results could not be written; 2 bad input; 130 stopped by Ctrl-C."""
    parser = make_parser()
    options = parser.parse_args(arguments)

    def make() -> tuple[Dataset, list[dict]]:
        if Path(options.name).name != options.name:
            raise ValueError(f"--name: {options.name!r} must be a name without folders")
        pictures = load(options.data)[0]
        if pictures.images.dtype != np.uint8 or pictures.image_shape[2] != 3:
            raise ValueError(f"--data: expected colour images, got {pictures!r}")
        output_folder(options.out, [f"{options.name}.png", f"{options.name}.json"], options.force)
        return pictures, finished(options) if options.resume else []

    def work(made: tuple[Dataset, list[dict]]) -> None:
        pictures, runs = made
        steps_per_epoch = -(-len(pictures) // BATCH)
        for seed in range(options.seeds):
            for activation in ACTIVATIONS:
                chosen = best(runs, activation, 0)
                for rate in options.rates if seed == 0 else [chosen["rate"]] if chosen else []:
                    if any((activation, rate, seed) == (r["activation"], r["rate"], r["seed"]) for r in runs):
                        continue
                    quickest = best(runs, activation, seed)
                    most_steps = quickest["steps"] if quickest else options.epochs * steps_per_epoch
                    runs.append(run(activation, rate, seed, pictures, most_steps))
                    write(options, runs, steps_per_epoch)
        for name, steps in summary(runs).items():
            print(f"{name}: {steps} steps, a number for each seed that got there in {options.epochs} epochs")
        relu, tanh = summary(runs).values()
        if len(relu) == len(tanh) == options.seeds:  # else the mean would leave out the slowest
            print(f"ReLU is {np.mean(tanh) / np.mean(relu):.1f} times as fast as tanh (the paper: six times).")
        print(f"Results are in {options.out}.")

    resume = "--resume" if is_below_runs(options.out) else "--resume --force"
    stopped = f"stopped by Ctrl-C; the runs so far are in {options.out}, and {resume} does the others"
    return carry_out(parser, make, work, stopped=stopped)


def make_parser() -> Parser:
    parser = Parser(prog="python -m examples.figure1", description=__doc__)
    add_data(parser, "cifar10", here="colour images")
    add_seeds(parser)
    add_epochs(parser, 50, here="after that a run is given up")
    add_value(
        parser,
        "--rates",
        "learning rates to try",
        default=(0.001, 0.002, 0.004, 0.008, 0.016),
        told="0.001, doubled up to 0.016",
        type=positive_number(10),
        nargs="+",
        metavar="RATE",
    )
    add_output(parser, "runs/figure1")
    add_value(parser, "--name", "of the two files, without their endings", default="figure1", metavar="NAME")
    add_resume(parser, "outside runs/ it needs --force too, since the files are written anew")
    return parser


if __name__ == "__main__":
    run_program(main)
