"""Krizhevsky's "one weird trick": convolutions share a batch by images, fully connected layers by units.

AlexNet's convolutions have most of the work and 4% of the parameters, its fully connected layers 96% of the parameters
and little work. So before the first fully connected layer each of n ranks computes with its own images and the whole
parameters, as in `data_parallel`; from there on with all N images of the batch and its own units: an n-th of each
layer's columns of W and entries of b, whose gradients are never sent.

    forward     a    = the activations of the images of all ranks                              gathered
                z_r  = a W_r + b_r, with the columns of rank r's units
                a_r  = ReLU, dropout of z_r
                a    = a_0, a_1, ... beside each other, for the next layer; at the end, for    gathered
                       the loss, z
    backward    dW_r = a^T dz_r,  db_r = the sum of dz_r over the images
                da   = the sum of dz_r W_r^T over the ranks r. Each gets what it goes on       added
                       with: its units' columns; of the first layer's, its images' rows

Source: Krizhevsky 2014, "One weird trick for parallelizing convolutional neural networks" (arXiv 1404.5997), section 4,
where all images are sent at once: his scheme (a).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from nn.checks import Shape
from nn.device import move
from nn.freezing import learning
from nn.layer import Layer
from nn.network import Network
from nn.parallel import Ranks
from nn.sgd import SGD
from nn.training.data_parallel import DataParallel, Shard
from nn.training.diagnosis import not_finite
from nn.training.history import History


class WeirdTrick(DataParallel):
    """What `train` needs for it, in the place of a `DataParallel` whose shards are as many as the ranks.

        parallel = WeirdTrick(Ranks.of_mpi())
        train(network, ..., parallel=parallel)

    Each rank trains `part`, a network of the layers up to the first `Linear`, which are those of the network itself,
    and of narrower copies of the others, with an SGD of its own for them. So the layers know nothing of it, and a rank
    computes, updates and looks through its own units alone. The network keeps all its arrays; what lies in them of the
    fully connected layers, and of their velocities, is brought up to date by `gather`: after each epoch, where training
    stops, and in `saves`. Whoever reads them elsewhere calls `gather`, on all ranks. Checkpoints are those of one
    process.

    The results are those of one process but for rounding: matrices have other shapes, and sums are added in the order
    of the ranks. They are other bits with each number of ranks. Dropout masks are those that one process would draw:
    each rank draws all units' and takes its own. The statistics of an epoch are those of rank 0's images and units.

    Raises ValueError for an optimizer other than `nn.SGD`, and for a network without a `Linear` after other layers,
    with fewer units in one than ranks, or with something between or after them that does not work unit by unit.
    """

    def __init__(self, ranks: Ranks) -> None:
        super().__init__(ranks)

    def check(self, network: Network) -> None:
        layers = list(network.layers.items())
        names = [name for name, layer in layers if is_fully_connected(layer)]
        if not names or names[0] == layers[0][0]:
            raise ValueError(
                f"{network.name} has no fully connected layer after others, so there are no units to share out; train "
                "it without the weird trick"
            )
        for name, layer in layers[list(network.layers).index(names[0]) :]:
            if is_fully_connected(layer):
                if layer.out_features < self.ranks.size:  # type: ignore[attr-defined]
                    raise ValueError(
                        f"{name} has {layer.out_features} units for {self.ranks.size} ranks, "  # type: ignore[attr-defined]
                        "expected at least one for each; take fewer ranks, or train without the weird trick"
                    )
            elif not layer.elementwise or layer.params or (hasattr(layer, "rng") and not hasattr(layer, "draw")):
                raise ValueError(
                    f"{name} ({type(layer).__name__}) comes after {names[0]} and its units cannot be shared out, "
                    "expected Linear, Dropout or an activation; train without the weird trick"
                )
        super().check(network)

    def begin(
        self, network: Network, optimizer: Any, history: History, schedule: Any, image_shape: tuple[int, ...]
    ) -> History:
        if not isinstance(optimizer, SGD):
            raise ValueError(
                f"the weird trick updates each rank's units with nn.SGD, got a {type(optimizer).__name__}; train with "
                "nn.SGD, or without the trick"
            )
        history = super().begin(network, optimizer, history, schedule, image_shape)
        self._take_units(network, optimizer)
        return history

    def step(
        self, loss: Any, shards: list[Shard], count: int, after_forward: Callable[[np.ndarray, Any, Any], None]
    ) -> tuple[float, int]:
        """Forward, loss and backward for a batch of `count` images, of which this rank has one shard; then the
        gradients of the convolutions and of this rank's units are in `part.grads`. Returns the mean loss, and how many
        answers are right."""
        rows, (shard,) = self.rows(count), shards
        begin, end = rows[self.ranks.rank]
        labels = self._labels_of_all(shard, rows)
        self._skip(begin)
        mine = None if shard is None else self.images.forward(shard[0], training=True)
        self._skip(count - end)
        logits = self.units.forward(self._all_images(mine, rows), training=True)
        value = loss.forward(logits, labels)
        if self.ranks.first:
            after_forward(logits, loss, value)
        gradient = self.units.backward(loss.backward(), input_gradient=self._images_learn)
        if self._images_learn:
            gradient = self._own_images(gradient, rows)
            if shard is None:
                self._flat[...] = 0
            else:
                self.images.backward(gradient, input_gradient=False)
        right = int((move(logits.argmax(axis=1), "cpu") == labels).sum())
        value, right = self.ranks.exchange([float(value), right])[0]  # rank 0's, should others round differently
        if self._images_learn:
            self._add_gradients()
        return float(value), int(right)

    def train_epoch(self, optimizer: Any, loss: Any, schedule: Any, epochs: int, record: Any) -> None:
        record.network = self.part
        for shards, count in record.batches():
            if schedule is not None:
                optimizer.lr = schedule(record.fraction_done(epochs))
            value, right = self.step(loss, shards, count, record.after_forward)
            is_good = record.after_shards([], value, right, count)  # each rank looks at its own units
            if self.ranks.any(not is_good):
                self.gather(gradients=True)
                images = None if shards[0] is None else shards[0][0]
                record.history.failure = not_finite(self.network, images, value, len(record.history.steps))
            else:
                self.sgd.lr = optimizer.lr
                self.sgd.step()
        self.check_alike()

    def check_alike(self) -> None:
        self.gather()
        super().check_alike()

    def saves(self, is_due: bool) -> bool:
        is_due = bool(self.ranks.exchange([is_due])[0, 0])  # rank 0's clock decides
        if is_due:
            self.gather()
        return self.ranks.first and is_due

    def gather(self, gradients: bool = False) -> None:
        """Put the units of all ranks into the network's parameters and the optimizer's velocities, on all ranks; and
        their gradients, too, where they are asked for. All ranks call it."""
        for name, part in learning(self.units, self.units.params).items():
            wholes = [(self.network.params, part), (self._velocities, self.sgd.velocities[name])]
            if gradients:
                wholes.append((self.network.grads, self.units.grads[name]))
            for whole, own in wholes:
                join_columns(self.ranks, own, whole[name])

    def _prepare(self, network: Network, image_shape: tuple[int, ...]) -> None:
        first = next(number for number, layer in enumerate(network.layers.values()) if is_fully_connected(layer))
        self.images = Network(list(network.layers.items())[:first], name=network.name)
        self.images.device = network.device
        self._images_learn = bool(learning(self.images, self.images.grads))
        if self._images_learn:
            self._gather_gradients(self.images)
        self._find_noise(self.images, image_shape)

    def _take_units(self, network: Network, optimizer: SGD) -> None:
        """Make this rank's part of the network, and an SGD for it."""
        layers: list[tuple[str, Layer]] = []
        units = 0
        for name, layer in list(network.layers.items())[len(self.images.layers) :]:
            if is_fully_connected(layer):
                if layers:
                    layers.append((f"all inputs of {name}", GatherUnits(self.ranks, units)))
                units = layer.out_features  # type: ignore[attr-defined]
            layers.append((name, of_units(layer, own_columns(self.ranks, units), units)))
        layers.append(("all outputs", GatherUnits(self.ranks, units, is_last=True)))
        self.units = Network(layers, name=network.name)
        self.part = Network([*self.images.layers.items(), *layers], name=network.name)
        self.units.device = self.part.device = network.device
        self._velocities = optimizer.velocities
        self.sgd = copy.copy(optimizer)
        self.sgd.network = self.part
        self.sgd.velocities = {
            name: velocity[..., own_columns(self.ranks, velocity.shape[-1])].copy()
            if name in self.units.params
            else velocity
            for name, velocity in optimizer.velocities.items()
        }

    def _labels_of_all(self, shard: Shard, rows: list[tuple[int, int]]) -> np.ndarray:
        told = np.zeros(rows[0][1])  # no shard has more images than the first
        if shard is not None:
            told[: len(shard[1])] = shard[1]
        of_all = self.ranks.exchange(told)
        return np.concatenate([each[: end - begin] for each, (begin, end) in zip(of_all, rows)]).astype(np.int64)

    def _all_images(self, mine: np.ndarray | None, rows: list[tuple[int, int]]) -> np.ndarray:
        """The activations (N, features) of all images, of which `mine` are this rank's, if it has any."""
        first = next(iter(self.units.layers.values()))
        features: int = first.in_features  # type: ignore[attr-defined]
        like = first.params["weight"]
        here = np.empty(0, like.dtype) if mine is None else move(mine, "cpu").reshape(-1)
        joined = self.ranks.join(here, [(end - begin) * features for begin, end in rows])
        return np.asarray(joined.reshape(-1, features), like=like)

    def _own_images(self, gradient: np.ndarray, rows: list[tuple[int, int]]) -> np.ndarray:
        """Of the sum of all ranks' gradients (N, features) the rows of this rank's images."""
        features = gradient.shape[1]
        counts = [(end - begin) * features for begin, end in rows]
        part = self.ranks.add_part(move(gradient, "cpu").reshape(-1), counts)
        return np.asarray(part.reshape(-1, features), like=gradient)


class GatherUnits(Layer):
    """Before a fully connected layer that needs the outputs of all ranks' units, and at the end, for the loss.

        y  = the columns of all ranks' x, rank after rank
        dx = of the sum of all ranks' dy, the columns of this rank's units

    Shapes: x (N, own units), y (N, units). The sum is there because each rank knows only how the loss depends on y
    through its own units of the next layer. is_last: all ranks compute the same loss from y, so that dy is the whole
    gradient already; then nothing is sent on the way back.
    """

    def __init__(self, ranks: Ranks, units: int, is_last: bool = False) -> None:
        super().__init__()
        self.ranks, self.units, self.is_last = ranks, units, is_last
        self._columns = own_columns(ranks, units)
        self._own = self._columns.stop - self._columns.start

    def output_shape(self, image_shape: Shape) -> tuple[int]:
        self._check_image_shape(image_shape, 1, self._own)
        return (self.units,)

    def forward(self, x: np.ndarray, training: bool = False, out: np.ndarray | None = None) -> np.ndarray:
        x = self._check_input(x, ("N", self._own))
        y = self._output(out, (len(x), self.units), x)
        join_columns(self.ranks, x, y)
        if training:
            self._saved = x.shape, x.dtype
        return y

    def backward(self, dy: np.ndarray, input_gradient: bool = True, out: np.ndarray | None = None) -> np.ndarray | None:
        shape, dtype = self._take_saved()
        dy = self._check_gradient(dy, (shape[0], self.units), dtype)
        dx = self._output(out, shape, dy)
        dx[...] = dy[:, self._columns] if self.is_last else add_columns(self.ranks, dy)
        return dx


def is_fully_connected(layer: Layer) -> bool:
    """Whether it is a `Linear`, which is known here by what it has: `nn` imports no layers."""
    return hasattr(layer, "in_features") and hasattr(layer, "out_features")


def own_columns(ranks: Ranks, units: int) -> slice:
    """Which of a layer's units are this rank's."""
    counts = ranks.shares(units)
    begin = sum(counts[: ranks.rank])
    return slice(begin, begin + counts[ranks.rank])


def of_units(layer: Any, columns: slice, units: int) -> Layer:
    """A copy of a layer that makes these columns of its outputs, of which there are so many `units`."""
    part = copy.copy(layer)
    if is_fully_connected(layer):
        part.out_features = columns.stop - columns.start
        part.params, part.grads, part._param_shapes = {}, {}, {}
        for name, param in layer.params.items():
            part._add_param(name, param[..., columns].copy())
    elif hasattr(layer, "draw"):  # Dropout: it draws with the same generator as the layer
        part.draw = lambda shape: layer.draw((*shape[:-1], units))[..., columns]
    return part


def join_columns(ranks: Ranks, part: np.ndarray, out: np.ndarray) -> None:
    """Write the columns (..., own units) of all ranks into out (..., units), rank after rank."""
    counts = ranks.shares(out.shape[-1])
    length = part.size // part.shape[-1]
    joined = ranks.join(move(part, "cpu").reshape(-1), [length * count for count in counts])
    begin = 0
    for count in counts:
        columns = joined[length * begin : length * (begin + count)].reshape(*part.shape[:-1], count)
        out[..., begin : begin + count] = np.asarray(columns, like=out)
        begin += count


def add_columns(ranks: Ranks, array: np.ndarray) -> np.ndarray:
    """Of the sum of all ranks' arrays (N, units) the columns of this rank's units."""
    here, counts = move(array, "cpu"), ranks.shares(array.shape[1])
    blocks = np.concatenate([block.reshape(-1) for block in np.split(here, np.cumsum(counts)[:-1], axis=1)])
    part = ranks.add_part(blocks, [len(here) * count for count in counts])
    return np.asarray(part.reshape(len(here), -1), like=array)
