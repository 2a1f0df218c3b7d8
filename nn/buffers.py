"""Which array each layer of a network writes to.

Fresh memory costs more than arithmetic, so a network keeps its arrays from step to step and lends them to its layers as
`out=`. What a layer gets follows from what it says of itself (`Layer.elementwise`, `reads_output`, `returns_view`), and
no number depends on it.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np

from nn.backend.runtime.workspace import LINE, aligned
from nn.layer import Layer

IN_PLACE = "in place"
Place = tuple[str, int] | str | None  # what `places` has of each layer
MOST_ARRAYS = 1000  # that are remembered; each shape of a batch adds some


def places(layers: Sequence[Layer], training: bool) -> list[Place]:
    """Where each layer writes its output in a forward pass: IN_PLACE, over its input; None, to a new array that it
    makes itself; else to the memory that `Buffers` keeps under this key.

    Element-wise layers write over their input, where that lies in the network's own memory and no backward pass reads
    it. In training every other layer has memory of its own, whose contents live until the backward pass; otherwise two
    arrays take turns. The last layer makes its own array, which is the caller's.
    """
    found: list[Place] = []
    ours = False  # is the layer's input in the network's memory?
    needed = False  # does some layer's backward pass read that input, as its own output?
    turn = 0
    for index, layer in enumerate(layers):
        if layer.elementwise and ours and not needed:
            found.append(IN_PLACE)
        elif index == len(layers) - 1 or layer.returns_view:
            found.append(None)
        else:
            found.append(("output", index) if training else ("turns", turn))
            ours, needed, turn = True, False, 1 - turn
        needed = training and (needed or layer.reads_output)
    return found


class Buffers:
    """The memory of one pass at a time."""

    def __init__(self) -> None:
        self._memory: dict[tuple[str, int], np.ndarray] = {}
        self._arrays: dict[Hashable, np.ndarray] = {}  # made of it so far, as the next step wants the same shapes again

    def for_output(self, place: Place, y: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
        """The `out` of a forward pass that reads y, for one of `places`."""
        if place is None:
            return None
        if isinstance(place, str):  # IN_PLACE
            return y
        return self._other_than(y, place, shape) if place[0] == "turns" else self._array(place, shape, y)

    def for_gradient(
        self, index: int, layer: Layer, gradient: np.ndarray, dy: np.ndarray, shape: tuple[int, ...]
    ) -> np.ndarray | None:
        """The `out` of the backward pass of layer number `index`, which reads `gradient`. `dy` is the caller's own, the
        gradient that the network was given, and stays as it is."""
        if index == 0 or layer.returns_view:
            return None
        if layer.elementwise and not np.may_share_memory(gradient, dy):
            return gradient
        return self._other_than(gradient, ("gradient", index % 2), shape)

    def own(self, result: np.ndarray, *others: np.ndarray) -> np.ndarray:
        """The result as an array that belongs to the caller: a copy if it lies in our memory, or in another's."""
        if not isinstance(result, np.ndarray):
            return result.copy()
        shared = any(np.may_share_memory(result, other) for other in (*others, *self._memory.values()))
        return result.copy() if shared else result

    def _other_than(self, taken: np.ndarray, key: tuple[str, int], shape: tuple[int, ...]) -> np.ndarray:
        """Of two arrays that take turns, the one under `key`, or the other one if `taken` lies in that."""
        array = self._array(key, shape, taken)
        return self._array((key[0], 1 - key[1]), shape, taken) if np.may_share_memory(array, taken) else array

    def _array(self, key: tuple[str, int], shape: tuple[int, ...], like: np.ndarray) -> np.ndarray:
        """An array of this shape in the memory kept under `key`, which grows when it must."""
        array = self._arrays.get((key, shape))
        if array is None or array.dtype != like.dtype:
            size = math.prod(shape)
            if key not in self._memory or self._memory[key].size < size or self._memory[key].dtype != like.dtype:
                self._memory[key] = aligned((size,), like)
                self._arrays.clear()  # some lie in the memory that was there before
            elif len(self._arrays) >= MOST_ARRAYS:
                self._arrays.clear()
            memory = self._memory[key]
            # In its middle: the threads share out the images from both ends, so that each core then finds its half
            # where it had its half of other shapes, and does not fetch it from another core's cache.
            start = (memory.size - size) // 2 // LINE * LINE
            array = self._arrays[key, shape] = memory[start : start + size].reshape(shape)
        return array
