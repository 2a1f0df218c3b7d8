"""Data parallel training: each batch is cut into shards, each rank has some of them, and their gradients are added.

The gradient of a batch's mean loss is the mean of its images' gradients, so the work on the images can be divided:

    g = sum over shards s of  (n_s / N) g_s,      N images in the batch, n_s of them in the shard s

Every rank then takes the same step with the same sum. How many shards there are says in which order numbers are added,
how many ranks, only who does it: 1, 2, 4 and 8 ranks end with the same bits where each has 8, 4, 2 or 1 of 8 shards.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from nn.data import Dataset, Draw
from nn.device import move
from nn.freezing import learning
from nn.network import Network
from nn.parallel import Ranks, RanksError
from nn.parallel.sums import Tree, add_pairs, is_same_tree
from nn.sgd import SGD
from nn.training.checkpoint import generators_of
from nn.training.history import History
from nn.training.prefetch import Prefetch, Prepare
from nn.training.schedules import memory_of

Shard = tuple[np.ndarray, np.ndarray] | None  # images and labels; None where the batch has too few images for it
FEWEST = 32  # images of a shard that is worth its own pass
USUAL = 8  # shards: as many as ranks may be added later without a change of the bits


class DataParallel:
    """What `train` needs to work with other ranks on the same network.

        parallel = DataParallel(Ranks.of_mpi(), shards=8)
        train(network, ..., parallel=parallel)

    Every rank calls it with the same arguments. What they start with is rank 0's: parameters, velocities, the states of
    random generators, the learning rate, the history. The batch is that of all ranks together, and so batch_size and
    the learning rate mean what they mean for one.

    shards: into how many a batch is cut, None for as many as there are ranks. As many for each rank: one, or 2, 4, 8,
    ...; so that the same numbers are added in the same order as by another number of ranks.

    Each layer's dropout masks are those that a single process would draw, as each rank draws the others' too. What
    `prepare` draws depends on seed, epoch, batch and shard alone: so it is not what a single process without shards
    draws.

    Raises ValueError for shards that cannot be divided so.
    """

    def __init__(self, ranks: Ranks, shards: int | None = None) -> None:
        self.ranks = ranks
        self.shards = ranks.size if shards is None else shards
        if not is_same_tree(self.shards, ranks.size):
            raise ValueError(
                f"{self.shards} shards cannot be shared by {ranks.size} ranks, expected for each rank one, or 2, 4, 8, "
                f"..., such as {ranks.size} or {2 * ranks.size}"
            )
        self._share = self.shards // ranks.size

    def check(self, network: Network) -> None:
        """Raise ValueError, which says why, for a network that cannot be trained so."""
        for name in network.state:
            layer = network.layers[name.rpartition(".")[0]]
            if not (layer.frozen or layer.fixed_state):
                raise ValueError(
                    f"{network.name} gathers statistics of whole batches ({name}), which shards have not; freeze such "
                    "layers, or train it with one process and without shards"
                )
        generators = generators_of(network)
        if len({id(generator) for generator in generators.values()}) < len(generators):
            raise ValueError(f"two layers of {network.name} draw from the same generator, expected one for each")

    def begin(
        self, network: Network, optimizer: Any, history: History, schedule: Any, image_shape: tuple[int, ...]
    ) -> History:
        """Make all ranks start alike, from what rank 0 has; returns its history. Raises what `check` does."""
        self.check(network)
        self.network = network
        self._prepare(network, image_shape)
        velocities = optimizer.velocities if isinstance(optimizer, SGD) else {}
        for array in [*network.params.values(), *network.state.values(), *velocities.values()]:
            here = move(array, "cpu")
            self.ranks.share_array(here)
            array[...] = np.asarray(here, like=array)
        generators = generators_of(network)
        states = {name: generator.bit_generator.state for name, generator in generators.items()}
        memory = memory_of(schedule) or {}
        states, optimizer.lr, history, first = self.ranks.share((states, optimizer.lr, history, memory))
        for name, generator in generators.items():
            generator.bit_generator.state = states[name]
        memory.update(first)
        return history

    def rows(self, count: int) -> list[tuple[int, int]]:
        """Where each shard of a batch of so many images begins and ends. None has more than the first."""
        ends = [-(-count * shard // self.shards) for shard in range(self.shards + 1)]
        return list(zip(ends, ends[1:]))

    @property
    def own(self) -> range:
        """The numbers of this rank's shards."""
        return range(self.ranks.rank * self._share, (self.ranks.rank + 1) * self._share)

    def step(
        self, loss: Any, shards: list[Shard], count: int, after_forward: Callable[[np.ndarray, Any, Any], None]
    ) -> tuple[float, int]:
        """Forward, loss and backward for each of this rank's shards of a batch of `count` images; then the gradients
        of all ranks' shards, added, are in `network.grads`. Returns the mean loss, and how many answers are right.

        after_forward(logits, loss, value): called in the middle of the first shard of all.
        """
        rows = self.rows(count)
        told = []  # of each shard its part of the loss, and its right answers
        self._skip(rows[self.own[0]][0])
        for number, shard in zip(self.own, shards):
            if shard is None:
                self._flat[...] = 0
                told += [0.0, 0]
            else:
                images, labels = shard
                logits = self.network.forward(images, training=True)
                value = loss.forward(logits, labels)
                if number == 0:
                    after_forward(logits, loss, value)
                gradient, part = loss.backward(), len(labels) / count
                if part != 1:
                    gradient *= gradient.dtype.type(part)
                self.network.backward(gradient, input_gradient=False)
                right = int((move(logits.argmax(axis=1), "cpu") == labels).sum())
                told += [float(value) * part, right]
            if self._share > 1:
                self._tree.add(self._flat)
        self._skip(count - rows[self.own[-1]][1])
        if self._share > 1:
            self._tree.total(out=self._flat)
        of_all = self.ranks.exchange(told).reshape(self.shards, 2)
        self._add_gradients()
        return float(add_pairs(list(of_all[:, :1]))[0]), int(of_all[:, 1].sum())

    def train_epoch(self, optimizer: Any, loss: Any, schedule: Any, epochs: int, record: Any) -> None:
        """An epoch as `nn.training.loop` has it, with `step` for forward, loss and backward. record: its `Recorder`."""
        for shards, count in record.batches():
            if schedule is not None:
                optimizer.lr = schedule(record.fraction_done(epochs))
            value, right = self.step(loss, shards, count, record.after_forward)
            if record.after_shards(shards, value, right, count):
                optimizer.step()
        self.check_alike()

    def check_alike(self) -> None:
        """Raise RanksError where the ranks' parameters are not the same, bit for bit."""
        if self.ranks.size == 1:
            return
        digest = hashlib.sha256()
        for array in self.network.params.values():
            digest.update(np.ascontiguousarray(move(array, "cpu")).data)
        digests = self.ranks.gather(digest.hexdigest())
        different = [rank for rank, each in enumerate(digests) if each != digests[0]]
        if different:
            raise RanksError(
                f"the parameters of ranks 0 and {different[0]} are no longer the same; where their processors or "
                "versions of NumPy differ, that is no reason, but a broken memory or network would be one"
            )

    def saves(self, is_due: bool) -> bool:
        """Whether this rank writes a checkpoint now: the first, if it `is_due` there. All ranks ask."""
        return self.ranks.first and is_due

    def _prepare(self, network: Network, image_shape: tuple[int, ...]) -> None:
        """Find what is added and what is drawn at random in each step."""
        self._gather_gradients(network)
        self._find_noise(network, image_shape)

    def _add_gradients(self) -> None:
        """Put the sum of all ranks' gradients into all."""
        if self.ranks.size > 1:  # MPI adds in the computer's memory, also what comes from a GPU
            here = move(self._flat, "cpu")
            self.ranks.add(here)
            if here is not self._flat:
                self._flat[...] = np.asarray(here, like=self._flat)

    def _gather_gradients(self, network: Network) -> None:
        """Let all gradients that are learned from lie in one vector, of which network.grads are parts: what is added
        and sent is then one piece of memory."""
        parts = learning(network, network.grads)
        some = next(iter(parts.values()))
        self._flat = np.zeros(sum(part.size for part in parts.values()), some.dtype, like=some)
        start = 0
        for name, part in parts.items():
            layer, _, key = name.rpartition(".")
            view = self._flat[start : start + part.size].reshape(part.shape)
            view[...] = part
            network.layers[layer].grads[key] = view
            start += part.size
        self._tree = Tree(self._flat)

    def _find_noise(self, network: Network, image_shape: tuple[int, ...]) -> None:
        """The layers that draw random numbers, each with the shape of its input for one image."""
        shapes, names = [tuple(image_shape), *network.shapes(image_shape)], list(network.layers)
        self._noise = [(network.layers[name], shapes[names.index(name)]) for name in generators_of(network)]

    def _skip(self, images: int) -> None:
        """Draw what the layers draw for so many images, which other ranks have."""
        for layer, shape in self._noise:
            if images:
                layer.skip((images, *shape))


class ShardedPrefetch(Prefetch):
    """Iterate over (shards, count): of each batch this rank's `Shard`s, prepared and on the device, and how many images
    the batch has. Only this rank's images are read.

    What `prepare` draws comes from a generator for each shard, so an epoch can be resumed at any batch and no generator
    has a state to keep.
    """

    def __init__(
        self,
        parallel: DataParallel,
        dataset: Dataset,
        batch_size: int,
        seed: int,
        epoch: int,
        device: str,
        prepare: Prepare | None = None,
        start: int = 0,
        draw: Draw | None = None,
    ) -> None:
        rng = np.random.default_rng([seed, epoch])  # as without shards
        order = rng.permutation(len(dataset)) if draw is None else draw(rng)
        self.generator_state = None
        self._start(dataset, self._walk(parallel, dataset, order, batch_size, (seed, epoch), device, prepare, start))

    @staticmethod
    def _walk(
        parallel: DataParallel,
        dataset: Dataset,
        order: np.ndarray,
        batch_size: int,
        seeds: tuple[int, int],
        device: str,
        prepare: Prepare | None,
        first: int,
    ) -> Iterator[tuple[list[Shard], int, None]]:
        for batch in range(first, -(-len(order) // batch_size)):
            numbers = order[batch * batch_size : (batch + 1) * batch_size]
            rows = parallel.rows(len(numbers))
            shards: list[Shard] = []
            for shard in parallel.own:
                chosen = numbers[slice(*rows[shard])]
                if len(chosen) == 0:
                    shards.append(None)
                    continue
                images = dataset.images[chosen]
                if prepare is not None:
                    images = prepare(images, np.random.default_rng([*seeds, batch, shard]))
                shards.append((move(images, device), dataset.labels[chosen]))
            yield shards, len(numbers), None


def usual_shards(ranks: int, batch_size: int) -> int:
    """How many shards, where nobody says: 8, so that 1, 2, 4 and 8 ranks give the same bits; but one for each rank
    where they cannot share 8, or where so small ones would take more time."""
    return USUAL if is_same_tree(USUAL, ranks) and batch_size >= USUAL * FEWEST else ranks
