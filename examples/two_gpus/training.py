"""Training: the whole grouped network, and the two halves side by side, in two threads or in two processes."""

from __future__ import annotations

import itertools
import multiprocessing
import queue
import signal
import threading
from collections.abc import Iterator
from contextlib import nullcontext, suppress

import numpy as np

from examples.two_gpus.halves import MOMENTUM, WEIGHT_DECAY, Exchange, Half, Settings, SplitNorm
from layers import LocalResponseNorm
from models import alexnet, alexnet_small
from nn import SGD, Network, SoftmaxCrossEntropy
from nn.backend.cuda import load_cupy
from nn.backend.runtime.threads import num_threads, set_num_threads
from nn.data import Dataset, batches, load
from nn.data.bars import bar
from nn.data.pixels import fit, to_array, to_image
from nn.device import move


def pictures(settings: Settings) -> Dataset:
    """As many training images as are seen, with pixels of mean 0 and deviation 1."""
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
    return bar(steps, desc=what, total=settings.steps, unit="step")


def train_halves(settings: Settings, where: str) -> tuple[list[float], dict[str, np.ndarray], int]:
    """Both halves side by side: the losses, the weights put together, and the bytes that one half sent."""
    run = in_processes if where == "processes" else in_threads
    (losses, first), (_, second), sent = run(settings, where)
    return losses, {name: np.concatenate([first[name], second[name]], axis=-1) for name in first}, sent


def in_threads(settings: Settings, where: str) -> tuple:
    """A thread for each half, which queues the work of its GPU."""
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
            return cupy.asarray(got)  # copied, if it lies on the other GPU

        try:
            with cupy.cuda.Device(number) if where == "gpus" else nullcontext():
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
