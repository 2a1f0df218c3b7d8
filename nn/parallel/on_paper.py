"""How long many machines take, on paper: the formulas of docs/SCALING.md, whose tables `python -m nn.parallel.on_paper`
prints.

S bytes of gradients, n machines, a link of W bits a second. The sum sends 2 (n - 1)/n of S from each machine and as
much to it, in 2 (n - 1) messages:

    t_sum = 2 (n - 1)/n * 8 S / (SHARE W) + 2 (n - 1) LATENCY

A step of B images on each machine takes T seconds there. Nothing is sent meanwhile, so n machines have the speed

    n T / (T + t_sum)      of one, which is the efficiency times n.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

SHARE = 0.9  # of a link, which TCP leaves to the numbers
LATENCY = 20e-6  # seconds for a short message
# AlexNet's 60,965,224 parameters in float32: those of the convolutions, and those of the fully connected layers.
CONVOLUTIONS, FULLY_CONNECTED = 4 * 2_334_080, 4 * 58_631_144
BYTES = CONVOLUTIONS + FULLY_CONNECTED


def bytes_of_activations(inputs: Sequence[int], outputs: int) -> int:
    """Bytes of one image that "one weird trick" exchanges beside the sum of gradients, counted as that is: half of them
    are gathered, half are added and sent back. inputs: how many numbers go into each fully connected layer; their
    gradients come back. outputs: of the last one; from these all machines compute the same loss, so nothing comes back.
    """
    return 4 * sum(inputs) + 4 * outputs // 2


ACTIVATIONS = bytes_of_activations((9216, 4096, 4096), 1000)


def seconds_to_add(size: float, machines: int, bits: float) -> float:
    """Seconds for the sum of vectors of `size` bytes, one on each machine, over links of so many bits a second."""
    return 2 * (machines - 1) * (size / machines * 8 / (SHARE * bits) + LATENCY)


def efficiency(step: float, seconds: float) -> float:
    """What share of its time a machine computes where so many seconds of sending follow each step."""
    return step / (step + seconds)


def bytes_of_trick(batch: int) -> int:
    """Bytes a step that "one weird trick" adds or exchanges, for a batch of all machines together.

    The convolutions have 4% of the parameters and most of the work: their gradients are added. The fully connected
    layers have 96%, so they are cut in n parts, which stay where they are; activations and their gradients are
    exchanged instead. Source: Krizhevsky 2014, "One weird trick for parallelizing convolutional neural networks".
    """
    return CONVOLUTIONS + batch * ACTIVATIONS


def seconds_of_trick(batch: int, machines: int, bits: float) -> float:
    """Seconds for them: as for a sum, but in nine rounds of messages and not in two, as activations are gathered four
    times and their gradients added three times."""
    return seconds_to_add(bytes_of_trick(batch), machines, bits) + 7 * (machines - 1) * LATENCY


def table(step: float, batch: int, gigabits: Sequence[float], machines: Sequence[int]) -> list[str]:
    """Efficiency in percent where each machine has `batch` images, which take it `step` seconds: lines of Markdown."""
    ways: dict[str, Callable[[int, float], float]] = {
        "data parallel": lambda count, bits: seconds_to_add(BYTES, count, bits),
        "weird trick": lambda count, bits: seconds_of_trick(batch * count, count, bits),
    }
    lines = [f"| Gb/s | | {' | '.join(map(str, machines))} |", f"|---|---|{'---|' * len(machines)}"]
    for link in gigabits:
        for way, seconds in ways.items():
            found = [efficiency(step, seconds(count, link * 1e9)) for count in machines]
            lines.append(f"| {link:g} | {way} | {' | '.join(f'{100 * each:.0f}' for each in found)} |")
    return lines


def break_even() -> int:
    """The batch from which on the trick sends more than the sum of all gradients."""
    return math.ceil(FULLY_CONNECTED / ACTIVATIONS)


NODES = {
    "two cores, 128 images each, 1.04 s a step": (1.04, 128),
    "a card that takes 22.9 ms for 128 images": (0.0229, 128),
}


if __name__ == "__main__":
    for name, (step, batch) in NODES.items():
        print(f"{name}:\n", *table(step, batch, (1, 10, 25, 100), (2, 4, 8, 16, 32, 64)), "", sep="\n")
