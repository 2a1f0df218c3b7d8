"""AlexNet as it was trained in 2012: in two halves, on two GPUs.

Each half has half of the kernels of every layer, and mostly sees only what it made itself (in the whole network
that is groups=2). The halves exchange numbers where the lines of the paper's figure 2 cross: before conv3, fc6,
fc7 and fc8, and the answers, which the loss compares with each other. On the way back each half gets from the
other the gradient with respect to what it had sent.

The program trains the halves, then the whole grouped network on the same images, and prints both losses: they
must be the same but for rounding. (With seven digits and large steps they part after a while: where the input of a
ReLU is nearly 0, the two round it to different sides, and each step makes the difference greater.) The whole
network normalises each half of the maps by itself, as two GPUs do.

    python -m examples.two_gpus                         on two GPUs, on one, or in two processes: what there is
    python -m examples.two_gpus --float32               with seven digits instead of sixteen, as in 2012
    python -m examples.two_gpus --full --steps 3        AlexNet in its full size, on digits drawn large
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import numpy as np

from examples.shared.command_line import Parser, carry_out, one_of, whole_number
from examples.shared.options import add_batch_size, add_data, add_lr, add_seed, add_value, add_width
from examples.two_gpus.halves import Settings
from examples.two_gpus.training import make_whole, pictures, train_halves, train_whole
from nn.backend.cuda import load_cupy

WHERE = ("gpus", "gpu", "processes")
# With seven digits, steps small enough that 20 of them keep a rounding as small as it is. (At 0.001 each doubles it.)
RATES = {"float64": 0.001, "float32": 0.00003}

PARTED = (
    "two_gpus: the losses part by more than 0.0001; with seven digits they may, once a ReLU's input is so near 0 that "
    "the two round it to different sides; without --float32 they must not"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program. Exit status: 0; 1 not the same, or a half failed; 2 bad input; 130 stopped by Ctrl-C."""
    parser = make_parser()
    options = parser.parse_args(arguments)

    def make() -> tuple[Settings, str, int]:
        try:
            where = choose(options.where)
        except RuntimeError as error:  # there is no GPU
            raise ValueError(str(error)) from None
        dtype, device = "float32" if options.float32 else "float64", "cpu" if where == "processes" else "cuda"
        names = ("data", "full", "width", "seed", "steps", "batch_size")
        rate = options.lr or RATES[dtype]
        settings = Settings(*(getattr(options, name) for name in names), rate, dtype, device)
        return settings, where, make_whole(settings, pictures(settings)).num_parameters

    failures = RuntimeError, MemoryError
    return carry_out(parser, make, lambda made: run(*made), unwritten="{reason}", failures=failures)


def run(settings: Settings, where: str, num_parameters: int) -> int:
    """Train halves and whole, and compare them: 0 if they are the same, else 1."""
    places = {"gpus": "on two GPUs", "gpu": "on one GPU", "processes": "in two processes"}
    print(f"{num_parameters:,} parameters in two halves, {places[where]}, {settings.dtype}", flush=True)
    start = time.perf_counter()
    losses, weights, sent = train_halves(settings, where)
    seconds = time.perf_counter() - start
    expected, whole_weights = train_whole(settings)
    print(make_table(losses, expected))
    farthest = max(np.abs(weights[name] - param).max() / np.abs(param).max() for name, param in whole_weights.items())
    megabytes, seconds = sent / settings.steps / 2**20, seconds / settings.steps
    print(f"Each half sent the other {megabytes:.2f} MB a step; a step took {seconds:.3f} s.")
    print(f"Weights after {settings.steps} steps differ by at most {farthest:.1e} of a layer's largest.")
    in_single = settings.dtype == "float32"
    room = 1e-4 if in_single else 1e-10
    same = np.allclose(losses, expected, rtol=room, atol=room)
    if same:
        print(f"The losses are the same within {room:g}.")
    elif in_single:
        print(PARTED, file=sys.stderr)
        return 0
    else:
        print(f"two_gpus: the losses differ by more than {room:g}, so one of the two is wrong", file=sys.stderr)
    return int(not same)


def make_parser() -> Parser:
    parser = Parser(prog="python -m examples.two_gpus", description=__doc__)
    add_data(parser, here="images of 28 to 128 pixels")
    parser.add_argument("--full", action="store_true", help="AlexNet in its full size, 227x227 images")
    add_width(parser, here="without --full")
    add_value(parser, "--steps", "how many batches to train on", default=20, type=whole_number(1), metavar="N")
    add_batch_size(parser, 32)
    add_lr(parser, None, told=f"{RATES['float64']}, with --float32 {RATES['float32']:.5f}", here="constant")
    add_seed(parser, "for the choice of images, weights, order and dropout")
    parser.add_argument("--float32", action="store_true", help="compute in float32 instead of float64")
    where = "on two GPUs, on one, or in two processes"
    add_value(parser, "--where", where, told="the first that is available", type=one_of(WHERE), metavar="|".join(WHERE))
    return parser


def choose(where: str | None) -> str:
    """The place that was asked for, if it can be had; or the first that can."""
    if where == "processes":
        return where
    try:
        count = load_cupy().cuda.runtime.getDeviceCount()
    except (ImportError, RuntimeError):
        if where is not None:
            raise
        return "processes"
    if where == "gpus" and count < 2:
        raise ValueError("--where: there is one GPU only; choose gpu or processes")
    return where or ("gpus" if count > 1 else "gpu")


def make_table(losses: Sequence[float], expected: Sequence[float]) -> str:
    """Some of the steps, the first and the last among them."""
    lines = [f"{'step':>6}{'two halves':>14}{'whole':>14}{'difference':>14}"]
    for step in sorted({*np.linspace(1, len(losses), 8).round().astype(int).tolist()}):
        ours, theirs = losses[step - 1], expected[step - 1]
        lines.append(f"{step:>6}{ours:>14.8f}{theirs:>14.8f}{abs(ours - theirs):>14.1e}")
    return "\n".join(lines)
