"""How long does a step of full-size AlexNet take that two processes share over a link of 10 and of 1 Gb/s?

    python -m tests.links        on Linux, as root, with mpi4py and MPICH

Data parallel, and with "one weird trick". The link is a pair of virtual network cards between two network
namespaces, held to its speed by the kernel (tc, tbf). Printed is a step's median beside what `nn.parallel.on_paper`
expects; exit status 1 where they differ by more than 15%.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

import models
from nn import SGD, SoftmaxCrossEntropy
from nn.parallel import Ranks, on_paper
from nn.parallel.mpiexec import mpiexec, settings
from nn.training import History
from nn.training.data_parallel import DataParallel
from nn.training.weird_trick import WeirdTrick

BATCH, STEPS, NEAR = 128, 6, 0.15
SPACES, CARDS = ("lenet_a", "lenet_b"), ("lenet_0", "lenet_1")
ROOT = Path(__file__).resolve().parent.parent
# How the two share the work, and the seconds that they send on paper.
WAYS = {
    "data parallel": (DataParallel, lambda bits: on_paper.seconds_to_add(on_paper.BYTES, 2, bits)),
    "weird trick": (WeirdTrick, lambda bits: on_paper.seconds_of_trick(BATCH, 2, bits)),
}
# Between machines: no shared memory, but TCP. Without UCX_RNDV_THRESH, MPICH's UCX asks before it sends, and sends one
# way after the other, where a link could carry both at a time.
TCP = {"MPIR_CVAR_NOLOCAL": "1", "UCX_TLS": "tcp,self", "UCX_RNDV_THRESH": "inf", "NUM_THREADS": "1"}


def main() -> int:
    alone = {way: measured(way, linked=False) for way in WAYS}
    for way, seconds in alone.items():
        print(
            f"{way}: two processes, one thread each, through this machine's memory: {seconds:.3f} s a step", flush=True
        )
    status = 0
    with link():
        for gigabits in (10, 1):
            for card, space in zip(CARDS, SPACES):
                limit = f"tbf rate {gigabits}gbit burst {2 if gigabits == 10 else 0.25}mb latency 500ms"
                told("ip", "netns", "exec", space, "tc", "qdisc", "replace", "dev", card, "root", *limit.split())
            for way, (_, sending) in WAYS.items():
                found = measured(way, linked=True)
                paper = alone[way] + sending(gigabits * 1e9)
                difference = found / paper - 1
                print(
                    f"{way}, {gigabits} Gb/s: {found:.3f} s a step, on paper {paper:.3f}: {difference:+.0%}", flush=True
                )
                status |= abs(difference) > NEAR
    return int(status)


@contextmanager
def link() -> Iterator[None]:
    """Two namespaces with a card each, which are joined."""
    try:
        for space in SPACES:
            told("ip", "netns", "add", space)
        told("ip", "link", "add", CARDS[0], "type", "veth", "peer", "name", CARDS[1])
        for number, (space, card) in enumerate(zip(SPACES, CARDS), 1):
            told("ip", "link", "set", card, "netns", space)
            told("ip", "-n", space, "addr", "add", f"10.99.0.{number}/24", "dev", card)
            told("ip", "-n", space, "link", "set", card, "up")
            told("ip", "-n", space, "link", "set", "lo", "up")
        yield
    finally:
        for space in SPACES:
            subprocess.run(["ip", "netns", "del", space], check=False)


def told(*command: str) -> None:
    subprocess.run(command, check=True)


def measured(way: str, linked: bool) -> float:
    """The median of a step, in seconds."""
    each = [sys.executable, "-m", "tests.links", "--step", way]
    starter = mpiexec(2)[0]
    command = [starter, "-n", "2", *each]
    if linked:
        command = [starter, "-n", "1", "ip", "netns", "exec", SPACES[0], *each, ":"]
        command += ["-n", "1", "ip", "netns", "exec", SPACES[1], *each]
    environment = os.environ | settings(2) | (TCP if linked else {"NUM_THREADS": "1"})
    said = subprocess.run(command, env=environment, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    return float(said.split()[-1])


def steps(way: str) -> None:
    """What each of the two processes does; the first prints the median."""
    ranks = Ranks.of_mpi()
    network, loss = models.alexnet(1000, rng=0), SoftmaxCrossEntropy()
    optimizer = SGD(network, 0.001, 0.9, 5e-4)
    parallel = WAYS[way][0](ranks)
    parallel.begin(network, optimizer, History(), None, (227, 227, 3))
    rng = np.random.default_rng(0)
    images = rng.normal(0, 50, (BATCH, 227, 227, 3)).astype(np.float32)
    labels = rng.integers(0, 1000, BATCH)
    shards = [(images[begin:end], labels[begin:end]) for begin, end in (parallel.rows(BATCH)[n] for n in parallel.own)]
    times = []
    for _ in range(1 + STEPS):
        ranks.exchange()
        begun = time.perf_counter()
        parallel.step(loss, shards, BATCH, lambda *_: None)
        (parallel.sgd if isinstance(parallel, WeirdTrick) else optimizer).step()
        times.append(time.perf_counter() - begun)
    if ranks.first:
        print(np.median(times[1:]), flush=True)


if __name__ == "__main__":
    if "--step" in sys.argv:
        steps(sys.argv[-1])
    else:
        sys.exit(main())
