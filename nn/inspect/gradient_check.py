"""Is the backward pass right? Compare it with slopes measured by moving each number a little."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nn.device import move
from nn.layer import Layer
from nn.network import Network

RIGHT = 1e-6  # the largest error of a right backward pass


@dataclass(frozen=True)
class ArgumentCheck:
    """How well one argument's gradient agrees: `error` is max |a - n| / max(|a|, |n|) over the elements checked."""

    error: float
    worst_index: tuple[int, ...] | None  # where |a - n| is largest, with both values
    analytic: float
    numeric: float
    checked: int
    skipped: int  # elements within reach of a kink, where no slope exists
    elements: int  # that there are


@dataclass(frozen=True)
class GradientReport:
    """What `check_gradients` found; printing it shows a table."""

    label: str
    arguments: dict[str, ArgumentCheck] = field(default_factory=dict)

    @property
    def max_error(self) -> float:
        """The largest error of any argument."""
        return max(check.error for check in self.arguments.values())

    @property
    def worst(self) -> str:
        """The argument with the largest error."""
        return max(self.arguments, key=lambda name: self.arguments[name].error)

    def __str__(self) -> str:
        rows = [("argument", "error", "checked", "kinks", "worst element", "backward says", "measured")]
        for name, check in self.arguments.items():
            place = "" if check.worst_index is None else f"{list(check.worst_index)}"
            values = (f"{check.analytic:.9g}", f"{check.numeric:.9g}") if place else ("", "")
            looked_at = f"{check.checked} of {check.elements}"
            rows.append((name, f"{check.error:.1e}", looked_at, str(check.skipped), place, *values))
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        check = self.arguments[self.worst]
        where = "" if check.worst_index is None else f" at {list(check.worst_index)}"
        return "\n".join([*lines, f"{self.label}: largest error {self.max_error:.1e}, in {self.worst}{where}"])


def check_gradients(
    layer: Layer | Network,
    x: np.ndarray,
    labels: np.ndarray | None = None,
    loss: Any = None,
    max_elements: int = 200,
    step: float = 1e-4,
    seed: int = 0,
) -> GradientReport:
    """Compare a layer's or network's backward pass with central differences, each argument by itself, in float64.

        d(h) = (f(a + h) - f(a - h)) / 2h,    measured slope = (4 d(h/2) - d(h)) / 3          with h = step

    The two central differences are combined so that their errors, which grow as h^2, cancel (Richardson 1911): h can be
    large enough for rounding not to matter, even where gradients are as faint as in a log-sigmoid LeNet.

    Arguments: the input x and each parameter. f is the loss if `loss` (an object with forward(logits, labels) and
    backward()) and `labels` are given, else the sum of the outputs, each times a random weight. At most `max_elements`
    elements of an argument are moved: all corners of the array, some of each of its faces, and others, chosen by
    `seed`. A mistake in the rest alone goes unnoticed: the report says how many of how many were checked. Random layers
    (Dropout), which keep their generator as `rng`, draw the same numbers every time.

    ReLU and max-pooling have kinks, where the slope jumps and a difference measures neither side. They are found by
    measuring with half the step too: on a smooth function the second difference f(a + h) - 2 f(a) + f(a - h) falls to a
    quarter, at a kink it does not. Such elements are skipped and counted. An argument of which none is left has the
    error infinity.

    A right backward pass has errors below 1e-6. (Where the gradient is 0, as a bias's before a normalisation, both
    values are roundings. A difference that rounding alone can make, which is measured, never counts for more than
    that.) The layer is copied; neither it nor x is changed.
    """
    if max_elements < 1 or not 0 < step < 1:
        raise ValueError(
            f"check_gradients got max_elements={max_elements}, step={step}, expected at least 1 and 0 to 1"
        )
    layer = copy.deepcopy(layer).astype(np.float64)
    for grad in layer.grads.values():
        grad[...] = np.nan  # a backward pass that adds to what is there, or forgets an argument, shows
    x = x.astype(np.float64) if hasattr(x, "astype") else np.array(x, dtype=np.float64)
    rng = np.random.default_rng([seed, *b"check_gradients"])  # x may well come from default_rng(seed)
    generators = _generators(layer)
    states = [generator.bit_generator.state for generator in generators]

    def forward(training: bool = True) -> np.ndarray:
        for generator, state in zip(generators, states, strict=True):
            generator.bit_generator.state = state
        return layer.forward(x, training=training)

    y = forward()
    weights = np.asarray(rng.standard_normal(y.shape), like=y)

    def objective() -> float:
        return float(np.vdot(forward(), weights) if loss is None else loss.forward(forward(), labels))

    # The size of the numbers that are added up to make f, which decides how finely f is rounded at the least.
    size = float(np.abs(y * weights).sum() if loss is None else 1 + abs(loss.forward(y, labels)))
    values = {"x": x} | layer.params
    rounding = max(float(np.finfo(np.float64).eps) * size, _measured_rounding(objective, list(values.values()), rng))
    if loss is None:
        dx = layer.backward(weights)
    else:
        loss.forward(y, labels)
        dx = layer.backward(loss.backward())
    analytic: dict[str, Any] = {"x": dx} | {name: grad.copy() for name, grad in layer.grads.items()}
    arguments = {}
    for name, gradient in analytic.items():
        there = _present(layer, name, values[name])
        where = _chosen(values[name].shape, there, max_elements, rng)
        arguments[name] = _check_argument(objective, values[name], gradient, where, len(there), step, rounding)
    return GradientReport(getattr(layer, "label", getattr(layer, "name", type(layer).__name__)), arguments)


def _check_argument(
    objective: Callable[[], float],
    values: np.ndarray,
    gradient: np.ndarray,
    where: np.ndarray,
    elements: int,
    step: float,
    rounding: float,
) -> ArgumentCheck:
    """Measure the slope at the flat indices `where` of `values`, which the objective reads, and compare. `rounding`:
    how far off the objective may be."""
    if gradient.shape != values.shape:
        raise ValueError(f"a gradient has the shape {gradient.shape}, expected that of its argument, {values.shape}")
    flat = values.reshape(-1)
    middle = objective()
    slopes, kinks = np.zeros(len(where)), np.zeros(len(where))
    for i, index in enumerate(where):
        before = float(flat[index])
        sides = []
        for shift in (step, -step, step / 2, -step / 2):
            flat[index] = before + shift
            sides.append(objective())
        flat[index] = before
        slopes[i] = (4 * (sides[2] - sides[3]) / step - (sides[0] - sides[1]) / (2 * step)) / 3
        bend, half_bend = sides[0] - 2 * middle + sides[1], sides[2] - 2 * middle + sides[3]
        kinks[i] = abs(bend - 4 * half_bend) / (2 * step)
    found = move(gradient, "cpu").reshape(-1)[where]
    scale = max(np.abs(slopes).max(initial=0.0), np.abs(found).max(initial=0.0))
    noise = 16 * rounding / (2 * step)  # what rounding alone can make of `kinks`, in which f occurs sixteen times
    smooth = kinks <= 1e-7 * scale + noise
    checked, skipped = int(smooth.sum()), int((~smooth).sum())
    if checked == 0:
        return ArgumentCheck(np.inf, None, np.nan, np.nan, 0, skipped, elements)
    difference = np.where(smooth, np.abs(found - slopes), -1.0)
    difference = np.where(np.isnan(difference), np.inf, difference)
    worst = int(np.argmax(difference))
    largest = max(np.abs(found[smooth]).max(), np.abs(slopes[smooth]).max())
    error = 0.0 if difference[worst] == 0 else float(difference[worst] / largest) if largest > 0 else np.inf
    error = np.inf if np.isnan(error) else error
    # `noise` bounds that of a slope as well, which is at most 3 / step times f's: (4 * 2 / step + 2 / 2 step) / 3.
    if difference[worst] <= noise:
        error = min(error, RIGHT * float(difference[worst] / noise))
    index = tuple(int(i) for i in np.unravel_index(where[worst], values.shape))
    return ArgumentCheck(error, index, float(found[worst]), float(slopes[worst]), checked, skipped, elements)


def _measured_rounding(objective: Callable[[], float], arrays: list[np.ndarray], rng: np.random.Generator) -> float:
    """How far off the objective may be because of what happens inside, where large numbers may cancel.

    Every number that it reads is moved by its own rounding, up or down, so that all sums are rounded anew. Of eight
    values the one furthest from the first tells the usual error, at least. Four times that is taken: thousands of
    values are used afterwards, and some are further off than usual.
    """
    before, middle, largest = [array.copy() for array in arrays], objective(), 0.0
    for _ in range(8):
        for array, old in zip(arrays, before, strict=True):
            signs = np.asarray(rng.choice((-1.0, 1.0), array.shape), like=array)
            array[...] = old * (1 + np.finfo(np.float64).eps * signs)
        largest = max(largest, abs(objective() - middle))
    for array, old in zip(arrays, before, strict=True):
        array[...] = old
    return 4 * largest


def _layers(layer: Any) -> dict[str, Layer]:
    """The layers of a network by their names; a layer by itself has none, whatever attributes it has."""
    return {"": layer} if isinstance(layer, Layer) or not hasattr(layer, "layers") else layer.layers


def _present(layer: Layer | Network, name: str, values: np.ndarray) -> np.ndarray:
    """The flat indices of an argument's elements; for a convolution with a connection table, of those that exist."""
    layers = _layers(layer)
    owner, key = ("", name) if "" in layers else name.partition(".")[::2]
    part = layers.get(owner)
    present = part.present(key) if isinstance(part, Layer) and name != "x" else None
    return np.arange(values.size) if present is None else np.flatnonzero(np.broadcast_to(present, values.shape))


def _chosen(shape: tuple[int, ...], there: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """At most so many of the flat indices `there` of an array of this shape: its corners, for which padding and strides
    are most easily wrong, elements of each of its faces, and others. Where few are wanted, the corners come first."""
    if len(there) <= most:
        return there
    corners = list(itertools.product(*({0, length - 1} for length in shape)))
    indices = [corners[i] for i in rng.permutation(len(corners))]
    # Half of what is left, shared among the faces; of each there are two an axis.
    on_a_face = max(0, most - len(corners)) // (4 * len(shape))
    for axis, length in enumerate(shape):
        for end in (0, length - 1):
            face = rng.integers(0, shape, size=(on_a_face, len(shape)))
            face[:, axis] = end
            indices += map(tuple, face)
    first = np.ravel_multi_index(tuple(np.transpose(indices)), shape)
    # In this order, each once, as far as they are there:
    wanted = np.concatenate([first[np.isin(first, there)], rng.choice(there, most, replace=False)])
    _, places = np.unique(wanted, return_index=True)
    return np.sort(wanted[np.sort(places)][:most])


def _generators(layer: Layer | Network) -> list[np.random.Generator]:
    """The random generators that the layer, or the layers of a network, draw from."""
    return [
        rng
        for part in _layers(layer).values()
        if isinstance(part, Layer) and isinstance(rng := getattr(part, "rng", None), np.random.Generator)
    ]
