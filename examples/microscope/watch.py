"""Training, watched: the microscope's page with the network that is learning, fed after steps at a bounded cost.

    with Watch({"LeNet": classifier}, image) as watch:
        train(..., optimizer=optimizer, after_step=watch.following("LeNet", optimizer))

It is served on this machine's own address, and may be closed and opened at any time. Nothing is copied while no page
asks. While one does, a copy of the parameters is taken between two steps, never more often than so that copying and
sending take `SHARE` of the time; training goes on with the same numbers, bit for bit, as without.

    GET  /                               the page
    GET  /snapshot/NETWORK?after=STEP    a line of JSON (see `Watch.reply`), then the numbers as float32: parameters,
                                         velocities and gradients, each as `describe` orders them; nothing if there is
                                         no newer step
"""

from __future__ import annotations

import json
import math
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from http.server import ThreadingHTTPServer

import numpy as np

from examples.microscope.data import describe, in_base64, layer_arrays, little_endian
from examples.microscope.page import page
from examples.microscope.server import ADDRESS, Buffer, Handler, Refused
from examples.shared.picture_files import bring_to
from models import Classifier
from nn import SGD, Network
from nn.device import move
from nn.training import History

SHARE = 0.01  # of the training's time that copying and sending may take
SHORTEST = 0.1  # seconds from one copy to the next, however small the network
ASKS = 0.3  # seconds after which a page asks again
OPEN = 3.0  # seconds for which a page counts as open after it has asked
MOST_PARAMETERS = 5_000_000  # of a network that a page can follow
MOST_POINTS = 2_000  # of a curve that are sent at once
LARGEST = 1e30  # is told for a loss that is infinite or not a number
PICTURE_SIDE = 384  # pixels of the longer side of the image that the frame lies on


@dataclass(frozen=True)
class Snapshot:
    """What a page needs of one moment. It is never changed, so that a thread of the server can send it."""

    step: int
    epoch: int
    rate: float
    momentum: float
    losses: Sequence[float]
    held: list[list[float]]
    images_per_second: float
    arrays: list[Buffer]


class Watch:
    """A server of one page for these networks, by the names that people call them.

    image: what the page shows first, (H, W, C), uint8 or in 0..1. ValueError where a network is too large for a page.
    """

    def __init__(self, classifiers: dict[str, Classifier], image: np.ndarray, port: int = 0) -> None:
        for name, classifier in classifiers.items():
            if classifier.network.num_parameters > MOST_PARAMETERS:
                raise ValueError(
                    f"--watch: {name} has {classifier.network.num_parameters:,} parameters, more than the "
                    f"{MOST_PARAMETERS:,} that a page can follow; leave --watch out, or watch a smaller network"
                )
        self.networks = {name: classifier.network for name, classifier in classifiers.items()}
        self.snapshots: dict[str, Snapshot] = {}
        self._asked = -math.inf  # when a page asked last
        self._next = -math.inf  # when the next copy may be taken
        image = image if image.dtype == np.uint8 else np.rint(255 * image).astype(np.uint8)
        networks = [describe(classifier, image, name) for name, classifier in classifiers.items()]
        source = bring_to(image, PICTURE_SIDE)
        data = {
            "networks": networks,
            "source": {"shape": list(source.shape), "levels": in_base64(source.tobytes())},
            "target": None,
            "training": {"watched": True},
        }
        self.server = ThreadingHTTPServer((ADDRESS, port), WatchHandler)
        self.server.daemon_threads = True
        self.server.page = page(data, served=True).encode("utf-8")
        self.server.classifiers = []  # whose weights could be asked for while they change
        self.server.watch = self
        self._thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    @property
    def address(self) -> str:
        return "http://{}:{}/".format(*self.server.server_address)

    def __enter__(self) -> Watch:
        self._thread.start()
        print(f"Watch it learn at\n{self.address}", flush=True)  # alone on its line, to be clicked or copied
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()

    def following(self, name: str, optimizer: SGD) -> Callable[[History], bool]:
        """What `nn.training.train` calls as after_step for this network."""

        def after_step(history: History) -> bool:
            self.after_step(name, optimizer, history)
            return False  # go on

        return after_step

    def after_step(self, name: str, optimizer: SGD, history: History) -> None:
        """Take a copy if a page is open and it is time. The training thread calls it between two steps."""
        now = time.perf_counter()
        if now < self._next or now - self._asked > OPEN:
            return
        self.snapshots[name] = _snapshot(self.networks[name], optimizer, history)
        self.spend(max(time.perf_counter() - now, SHORTEST * SHARE))

    def after_training(self, name: str, optimizer: SGD, history: History) -> None:
        """Take the last copy, and give a page that is open the time to fetch it."""
        if time.perf_counter() - self._asked > OPEN:
            return
        self.snapshots[name] = _snapshot(self.networks[name], optimizer, history)
        time.sleep(3 * ASKS)

    def spend(self, seconds: float) -> None:
        """Count what it took: nothing more is done until it is no more than `SHARE` of the time."""
        self._next = max(self._next, time.perf_counter()) + seconds / SHARE

    def reply(self, place: int, after: int) -> list[Buffer]:
        """What a page gets that knows the steps up to `after`; nothing where there is nothing new.

        The line of JSON: network, step, epoch; rate and momentum; imagesPerSecond; losses: the mean loss of every
        `every` steps from step `first` on; held: for each epoch its last step, and loss and accuracy on the images
        that are held out.
        """
        self._asked = time.perf_counter()
        if place >= len(self.networks):
            raise Refused(HTTPStatus.NOT_FOUND, "there is no such network")
        name = list(self.networks)[place]
        snapshot = self.snapshots.get(name)
        if snapshot is None or snapshot.step <= after:
            return []
        losses = np.array(snapshot.losses[after : snapshot.step], np.float64)
        losses[~np.isfinite(losses)] = LARGEST  # JSON has no other numbers
        every = -(-len(losses) // MOST_POINTS)
        told = {
            "network": name,
            "step": snapshot.step,
            "epoch": snapshot.epoch,
            "rate": snapshot.rate,
            "momentum": snapshot.momentum,
            "imagesPerSecond": snapshot.images_per_second,
            "first": after,
            "every": every,
            "losses": [float(losses[start : start + every].mean()) for start in range(0, len(losses), every)],
            "held": [row for row in snapshot.held if row[0] > after],
        }
        return [json.dumps(told).encode() + b"\n", *snapshot.arrays]


class WatchHandler(Handler):
    """Serves the page and what it asks; counts what that takes."""

    def do_GET(self) -> None:
        begun = time.thread_time()
        super().do_GET()
        self.server.watch.spend(time.thread_time() - begun)

    def do_POST(self) -> None:
        self._reply(self._nothing)

    def _nothing(self) -> tuple[str, list[Buffer]]:
        raise Refused(HTTPStatus.NOT_FOUND, "there is no such page")

    def _found(self) -> tuple[str, list[Buffer]]:
        asked = re.fullmatch(r"/snapshot/([0-9]{1,2})\?after=([0-9]{1,12})", self.path)
        if asked is None:
            return super()._found()
        return "application/octet-stream", self.server.watch.reply(int(asked[1]), int(asked[2]))


def _snapshot(network: Network, optimizer: SGD, history: History) -> Snapshot:
    unfinished = history.unfinished or {"batches": 0, "seen": 0, "seconds": 0.0}
    done = len(history.steps) - unfinished["batches"]  # steps of whole epochs
    ends = [done * (number + 1) // len(history.epochs) for number in range(len(history.epochs))]
    held = [
        [end, row["test_loss"], row["test_accuracy"]]
        for end, row in zip(ends, history.epochs)
        if math.isfinite(row["test_loss"])
    ]
    seconds = history.seconds + unfinished["seconds"]
    seen = unfinished["seen"] + sum(row["seconds"] * row["images_per_second"] for row in history.epochs)
    return Snapshot(
        step=len(history.steps),
        epoch=len(history.epochs) + (unfinished["batches"] > 0),
        rate=float(optimizer.lr),
        momentum=float(optimizer.momentum),
        losses=history.steps,  # which only grows, so that its first `step` numbers are those of this moment
        held=held,
        images_per_second=seen / seconds if seconds else 0.0,
        arrays=[
            *_copies(network, {}),
            *_copies(network, optimizer.velocities),
            *_copies(network, network.grads),
        ],
    )


def _copies(network: Network, instead: dict[str, np.ndarray]) -> list[Buffer]:
    """Copies of all arrays that `describe` has, or, where `instead` is given, of what it has by their names; what it
    lacks, as of numbers that are not learned, is 0."""
    copies = []
    for name, layer in network.layers.items():
        for key, array in layer_arrays(layer).items():
            if instead:
                found = instead.get(f"{name}.{key}")
                array = np.zeros(array.shape, np.float32) if found is None else found
            copies.append(little_endian(np.array(move(array, "cpu"), np.float32)))
    return copies
