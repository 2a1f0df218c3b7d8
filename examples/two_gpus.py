"""AlexNet as it was trained in 2012: in two halves, on two graphics cards.

Each half has half of the kernels of every layer, and mostly sees only what it made itself (in the whole network
that is groups=2). The halves exchange numbers where the lines of the paper's figure 2 cross: before conv3, fc6,
fc7 and fc8, and the answers, which the loss compares with each other. On the way back each half gets from the
other the gradient by what it had sent.

The program trains the halves, then the whole grouped network on the same pictures, and prints both losses: they
must be the same but for rounding. (With seven digits and large steps they part after a while: where the input of a
ReLU is nearly 0, the two round it to different sides, and each step makes the difference greater.) The whole
network normalises each half of the maps by itself, as two cards do.

    python -m examples.two_gpus                         on two cards, on one, or in two processes: what there is
    python -m examples.two_gpus --float32               with seven digits instead of sixteen, as in 2012
    python -m examples.two_gpus --full --steps 3        AlexNet in its full size, on digits drawn large
"""

from __future__ import annotations

import argparse
import copy
import itertools
import multiprocessing
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from examples.shared.command_line import Parser, carry_out, positive_number, run_program, whole_number
from layers import Conv2d, Dropout, Linear, LocalResponseNorm
from models import alexnet, alexnet_small
from nn import SGD, Layer, Network, SoftmaxCrossEntropy
from nn.backend.cuda import load_cupy
from nn.backend.runtime.threads import num_threads, set_num_threads
from nn.data import Dataset, batches, load
from nn.data.pixels import fit, to_array, to_image
from nn.device import move

# Between the stages the halves exchange what they have made.
STAGES = [
    ["conv1", "relu1", "norm1", "pool1", "conv2", "relu2", "norm2", "pool2"],
    ["conv3", "relu3", "conv4", "relu4", "conv5", "relu5", "pool5"],
    ["flatten", "fc6", "relu6", "dropout6"],
    ["fc7", "relu7", "dropout7"],
    ["fc8"],
]
WHERE = ("cards", "card", "processes")
MOMENTUM, WEIGHT_DECAY = 0.9, 5e-4  # section 5 of the paper
# With seven digits, steps small enough that 20 of them keep a rounding as small as it is. (At 0.001 each doubles it.)
RATES = {"float64": 0.001, "float32": 0.00003}

PARTED = (
    "two_gpus: the losses part by more than 0.0001; with seven digits they may, once a ReLU's input is so near 0 that "
    "the two round it to different sides; without --float32 they must not"
)

Exchange = Callable[[np.ndarray], np.ndarray]  # hand this to the other half, get what it hands over


@dataclass(frozen=True)
class Settings:
    """What both halves, each where it runs, must know to make the same network and see the same pictures."""

    data: str
    full: bool
    width: float
    seed: int
    steps: int
    batch_size: int
    lr: float
    dtype: str
    device: str


# ------------------------------------------------------------------------------------------------- the halves
class Half:
    """One of the two columns: number 0 or 1."""

    def __init__(self, whole: Network, number: int, settings: Settings) -> None:
        self.number = number
        self.loss = SoftmaxCrossEntropy()
        self.stages = [
            Network([(name, half_of(whole.layers[name], number)) for name in stage]).to(settings.device)
            for stage in STAGES
        ]
        self.optimizers = [SGD(stage, settings.lr, MOMENTUM, WEIGHT_DECAY) for stage in self.stages]

    def step(self, images: np.ndarray, labels: np.ndarray, exchange: Exchange) -> float:
        """Learn from a batch, which both halves see; the loss, which both know."""
        y = images
        for stage in self.stages:
            mine = stage.forward(y, training=True)
            theirs = exchange(mine)
            y = np.concatenate([mine, theirs] if self.number == 0 else [theirs, mine], axis=-1)
        loss = self.loss.forward(y, labels)
        dmine = np.array_split(self.loss.backward(), 2, axis=-1)[self.number]
        for stage in reversed(self.stages):
            first = stage is self.stages[0]  # nobody asks for the gradient by the pictures
            dx = stage.backward(dmine, input_gradient=not first)
            if not first:
                # Both halves read all that both had made. Of the gradient by that, each adds up the part that is its.
                parts = np.split(dx, 2, axis=-1)
                dmine = parts[self.number] + exchange(parts[1 - self.number])
        for optimizer in self.optimizers:
            optimizer.step()
        return float(loss)

    @property
    def params(self) -> dict[str, np.ndarray]:
        return {name: move(param, "cpu") for stage in self.stages for name, param in stage.params.items()}


def half_of(layer: Layer, number: int) -> Layer:
    """The part of a layer that makes the first or second half of its outputs."""
    if isinstance(layer, Dropout):
        return HalfDropout(number, layer.p, copy.deepcopy(layer.rng))
    if isinstance(layer, SplitNorm):
        return LocalResponseNorm(layer.size, layer.alpha, layer.beta, layer.k)
    if not layer.params:
        return copy.deepcopy(layer)  # ReLU, pooling, flatten: they work on whatever maps they get
    params = {name: np.array_split(param, 2, axis=-1)[number].copy() for name, param in layer.params.items()}
    inputs, outputs = params["weight"].shape[-2:]  # with two groups, the inputs that this half made itself
    if isinstance(layer, Conv2d):
        half = Conv2d(inputs, outputs, layer.kernel_size, layer.stride, layer.padding)
    else:
        half = Linear(inputs, outputs)
    half.astype(params["weight"].dtype)
    half.params = params
    return half


class HalfDropout(Dropout):
    """The whole network's random mask, and of it this half's part."""

    def __init__(self, number: int, p: float, rng: np.random.Generator) -> None:
        super().__init__(p, rng)
        self.number = number

    def draw(self, shape: tuple[int, ...]) -> np.ndarray:
        return np.split(super().draw((*shape[:-1], 2 * shape[-1])), 2, axis=-1)[self.number]


class SplitNorm(LocalResponseNorm):
    """Normalisation within each half of the maps: a pixel's two halves are made two pixels."""

    def forward(self, x: np.ndarray, training: bool = False, out: np.ndarray | None = None) -> np.ndarray:
        return super().forward(_apart(x), training, None if out is None else _apart(out)).reshape(x.shape)

    def backward(self, dy: np.ndarray, input_gradient: bool = True, out: np.ndarray | None = None) -> np.ndarray | None:
        dx = super().backward(_apart(dy), input_gradient, None if out is None else _apart(out))
        return dx if dx is None else dx.reshape(dy.shape)


def _apart(x: np.ndarray) -> np.ndarray:
    N, H, W, C = x.shape
    return x.reshape(N, H, 2 * W, C // 2)


# ------------------------------------------------------------------------------------------------- training
def pictures(settings: Settings) -> Dataset:
    """As many training pictures as are seen, with pixels of mean 0 and deviation 1."""
    train_set = load(settings.data)[0]
    some = np.random.default_rng(settings.seed).permutation(len(train_set))[: settings.steps * settings.batch_size]
    train_set = train_set.subset(some).as_floats()
    images = train_set.images
    if settings.full:  # which reads colours
        levels = np.rint(255 * images).astype(np.uint8)
        sized = [fit(to_image(image), (227, 227)).convert("RGB") for image in levels]
        images = np.stack([to_array(image) for image in sized]) / np.float32(255)
    images = (images - images.mean()) / max(float(images.std()), 1e-6)
    return Dataset(images.astype(settings.dtype), train_set.labels, train_set.class_names)


def make_whole(settings: Settings, train_set: Dataset) -> Network:
    """The grouped network, with each half of its maps normalised by itself."""
    if settings.full:
        made = alexnet(train_set.num_classes, rng=settings.seed)
    else:
        made = alexnet_small(train_set.num_classes, train_set.image_shape, settings.width, settings.seed)
    layers = {
        name: SplitNorm(layer.size, layer.alpha, layer.beta, layer.k) if isinstance(layer, LocalResponseNorm) else layer
        for name, layer in made.layers.items()
    }
    return Network(list(layers.items()), made.image_shape, name=made.name).astype(settings.dtype)


def some_batches(settings: Settings, train_set: Dataset) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """So many batches, epoch after epoch in another order, on the device."""
    epochs = (batches(train_set, settings.batch_size, np.random.default_rng([settings.seed, n])) for n in range(10**9))
    for images, labels in itertools.islice(itertools.chain.from_iterable(epochs), settings.steps):
        yield move(images, settings.device), labels


def train_whole(settings: Settings) -> tuple[list[float], dict[str, np.ndarray]]:
    """The loss of every step, and the weights afterwards."""
    train_set = pictures(settings)
    network, loss = make_whole(settings, train_set).to(settings.device), SoftmaxCrossEntropy()
    optimizer = SGD(network, settings.lr, MOMENTUM, WEIGHT_DECAY)
    losses = []
    for images, labels in progress(some_batches(settings, train_set), settings, "whole"):
        losses.append(float(loss.forward(network.forward(images, training=True), labels)))
        network.backward(loss.backward(), input_gradient=False)
        optimizer.step()
    return losses, {name: move(param, "cpu") for name, param in network.params.items()}


def train_half(settings: Settings, number: int, exchange: Exchange) -> tuple[list[float], dict[str, np.ndarray]]:
    """The same for one half."""
    train_set = pictures(settings)
    half = Half(make_whole(settings, train_set), number, settings)
    steps = some_batches(settings, train_set)
    steps = progress(steps, settings, "halves") if number == 0 else steps
    losses = [half.step(images, labels, exchange) for images, labels in steps]
    return losses, half.params


def progress(steps: Iterator, settings: Settings, what: str) -> Iterator:
    return tqdm(steps, desc=what, total=settings.steps, unit="step", disable=not sys.stderr.isatty())


def train_halves(settings: Settings, where: str) -> tuple[list[float], dict[str, np.ndarray], int]:
    """Both halves side by side: the losses, the weights put together, and the bytes that one half sent."""
    run = in_processes if where == "processes" else in_threads
    (losses, first), (_, second), sent = run(settings, where)
    return losses, {name: np.concatenate([first[name], second[name]], axis=-1) for name in first}, sent


def in_threads(settings: Settings, where: str) -> tuple:
    """A thread for each half, which queues the work of its card."""
    queues, results, sent = [queue.SimpleQueue(), queue.SimpleQueue()], [None, None], [0, 0]

    def run(number: int) -> None:
        cupy = load_cupy()

        def exchange(array: np.ndarray) -> np.ndarray:
            cupy.cuda.get_current_stream().synchronize()  # what is handed over must have been computed
            sent[number] += array.nbytes
            queues[1 - number].put(array)
            got = queues[number].get()
            if isinstance(got, BaseException):
                raise RuntimeError("the other half has failed") from got
            return cupy.asarray(got)  # copied, if it lies on the other card

        try:
            with cupy.cuda.Device(number) if where == "cards" else nullcontext():
                results[number] = train_half(settings, number, exchange)
        except BaseException as error:
            results[number] = error
            queues[1 - number].put(error)

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    errors = [result for result in results if isinstance(result, BaseException)]
    if errors:
        raise next((error for error in errors if error.__cause__ is None), errors[0])  # the one that came first
    return (*results, sent[0])


def in_processes(settings: Settings, where: str) -> tuple:
    """This process is the first half, another one the second; each has half of the threads."""
    here, there = multiprocessing.Pipe()
    threads = num_threads()
    other = multiprocessing.get_context("spawn").Process(
        target=second_process, args=(settings, there, max(1, threads // 2)), daemon=True
    )
    # Ctrl-C at a terminal would be for both. This process has the say, and ends the other; which inherits that it is
    # ignored, since it may come before it could be dealt with there.
    ours = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        other.start()
    finally:
        signal.signal(signal.SIGINT, ours)
    there.close()
    sent = 0

    def exchange(array: np.ndarray) -> np.ndarray:
        nonlocal sent
        sent += array.nbytes
        here.send(array)
        return here.recv()

    set_num_threads(max(1, threads - threads // 2))
    try:
        result = train_half(settings, 0, exchange), here.recv(), sent
        other.join()
        return result
    except (EOFError, ConnectionError):
        raise RuntimeError("the process with the other half ended before its time") from None
    finally:
        set_num_threads(threads)
        other.terminate()
        other.join()


def second_process(settings: Settings, pipe, threads: int) -> None:
    """What the other process does. It listens first where the first half talks first: were both to talk at once, each
    would wait for the other to listen."""
    set_num_threads(threads)

    def exchange(array: np.ndarray) -> np.ndarray:
        got = pipe.recv()
        pipe.send(np.ascontiguousarray(array))
        return got

    with suppress(EOFError, ConnectionError, KeyboardInterrupt):  # the first half has ended and says why
        pipe.send(train_half(settings, 1, exchange))


# ------------------------------------------------------------------------------------------------- command line
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program. Exit status: 0; 1 not the same, or a half failed; 2 bad input; 130 stopped by Ctrl-C."""
    parser = make_parser()
    options = parser.parse_args(arguments)

    def make() -> tuple[Settings, str, int]:
        try:
            where = choose(options.where)
        except RuntimeError as error:  # there is no card
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
    places = {"cards": "on two graphics cards", "card": "on one graphics card", "processes": "in two processes"}
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


def make_parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m examples.two_gpus", description=__doc__)
    parser.add_argument("--data", default="digits", help="pictures of 28 to 128 pixels (default: %(default)s)")
    parser.add_argument("--full", action="store_true", help="AlexNet in its full size, 227x227 pictures")
    parser.add_argument("--width", type=positive_number(4), default=0.25, metavar="SHARE", help="of AlexNet's kernels")
    parser.add_argument("--steps", type=whole_number(1), default=20, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--batch-size", type=whole_number(1), default=32, metavar="N", help="(default: %(default)s)")
    defaults = f"(default: {RATES['float64']}, with --float32 {RATES['float32']:.5f})"
    parser.add_argument("--lr", type=positive_number(1000), metavar="RATE", help=defaults)
    parser.add_argument("--seed", type=whole_number(0), default=0, metavar="N", help="of weights, order and dropout")
    parser.add_argument("--float32", action="store_true", help="compute with seven digits instead of sixteen")
    parser.add_argument("--where", choices=WHERE, help="(default: the first of these that there is)")
    return parser


def choose(where: str | None) -> str:
    """The place that was asked for, if it can be had; or the first that can."""
    if where == "processes":
        return where
    try:
        cards = load_cupy().cuda.runtime.getDeviceCount()
    except (ImportError, RuntimeError):
        if where is not None:
            raise
        return "processes"
    if where == "cards" and cards < 2:
        raise ValueError("--where: there is one graphics card only; choose card or processes")
    return where or ("cards" if cards > 1 else "card")


def make_table(losses: Sequence[float], expected: Sequence[float]) -> str:
    """Some of the steps, the first and the last among them."""
    lines = [f"{'step':>6}{'two halves':>14}{'whole':>14}{'difference':>14}"]
    for step in sorted({*np.linspace(1, len(losses), 8).round().astype(int).tolist()}):
        ours, theirs = losses[step - 1], expected[step - 1]
        lines.append(f"{step:>6}{ours:>14.8f}{theirs:>14.8f}{abs(ours - theirs):>14.1e}")
    return "\n".join(lines)


if __name__ == "__main__":
    run_program(main)
