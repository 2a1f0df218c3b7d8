"""The numbers themselves: small windows of a layer's input, kernel and output around its liveliest place."""

from __future__ import annotations

import math
import re
import shutil
import textwrap
from collections.abc import Sequence

import numpy as np

from examples.explain.explanation import in_brackets, in_one_line
from examples.explain.terms import backward_terms, forward_terms
from layers import Conv2d, EuclideanRBF, Flatten, Linear
from nn import Layer

MOST = 5  # rows and columns of a window


def liveliest(array: np.ndarray) -> tuple[int, ...]:
    """Where there is most to see: of a vector the largest number in size; of maps the largest in the window whose
    numbers differ most from each other."""
    array = np.asarray(array, dtype=np.float64)
    if array.ndim == 1:
        return (int(np.abs(array).argmax()),)
    height, width = (min(MOST, length) for length in array.shape[:2])
    windows = np.lib.stride_tricks.sliding_window_view(array, (height, width), axis=(0, 1))
    row, column, channel = np.unravel_index(windows.std(axis=(-2, -1)).argmax(), windows.shape[:3])
    window = np.abs(array[row : row + height, column : column + width, channel])
    i, j = np.unravel_index(window.argmax(), window.shape)
    return int(row + i), int(column + j), int(channel)


def numbers_of(name: str, array: np.ndarray) -> list[str]:
    """The window of one array around its liveliest place."""
    return side_by_side([block(name, array, liveliest(array), star=True)])


def forward_numbers(layer: Layer, x: np.ndarray, y: np.ndarray, training: bool) -> list[str]:
    """What the layer read around the liveliest place of its output, its weights there, and the output; and the formula
    with these numbers."""
    at = liveliest(y)
    explanation = forward_terms(layer, x, at, training)
    blocks = _input_and_weights(layer, x, at) + [block("y", y, at, star=True)]
    return [*side_by_side(blocks), *_folded(in_one_line(explanation, f"y{in_brackets(at)}"))]


def backward_numbers(layer: Layer, x: np.ndarray, dy: np.ndarray, dx: np.ndarray, training: bool) -> list[str]:
    """The gradients around the liveliest place of that with respect to the input, and the formula with its numbers."""
    at = liveliest(dx)
    explanation = backward_terms(layer, x, dy, at, training)
    blocks = [block("dy", dy, _output_near(layer, dy, at, x.shape)), block("dx", dx, at, star=True)]
    for name, grad in layer.grads.items():
        if name == "weight" and grad.ndim in (2, 4):
            place = np.unravel_index(np.abs(grad).argmax(), grad.shape)
            blocks.append(block("dW" if grad.ndim == 2 else "dw", grad, place))
    return [*side_by_side(blocks), *_folded(in_one_line(explanation, f"dx{in_brackets(at)}"))]


# ---------------------------------------------------------------------------------------------- which windows
def _input_and_weights(layer: Layer, x: np.ndarray, at: tuple[int, ...]) -> list[list[str]]:
    if isinstance(layer, Conv2d):
        return _convolution(layer, x, at)
    if isinstance(layer, Linear):
        weight = layer.params["weight"]
        i = int(np.abs(x * weight[:, at[0]]).argmax())
        return [block("x", x, (i,), column=True), block("W", weight, (i, at[0]))]
    if isinstance(layer, EuclideanRBF):
        j = int(np.abs(x - layer.prototypes[at[0]]).argmax())
        return [block("x", x, (j,)), block("w", layer.prototypes, (at[0], j))]
    if isinstance(layer, Flatten):
        return [block("x", x, np.unravel_index(at[0], x.shape), channels=True)]
    if hasattr(layer, "kernel_size"):  # pooling: the windows of the few outputs around the place
        stride = getattr(layer, "stride", layer.kernel_size)
        padding = getattr(layer, "padding", (0, 0))
        middle = [at[k] * stride[k] - padding[k] + layer.kernel_size[k] // 2 for k in (0, 1)]
        inside = [min(max(middle[k], 0), x.shape[k] - 1) for k in (0, 1)]
        return [block("x", x, (*inside, at[2]))]
    return [block("x", x, at)]


def _convolution(layer: Conv2d, x: np.ndarray, at: tuple[int, ...]) -> list[list[str]]:
    """The window of the input that the output is made from and the kernel, in the channel that adds most to it."""
    weight = layer.params["weight"][..., at[2]]
    (height, width), (top, left) = layer.kernel_size, (at[k] * layer.stride[k] - layer.padding[k] for k in (0, 1))
    first = at[2] // (layer.out_channels // layer.groups) * weight.shape[2]
    rows = [(i, top + i) for i in range(height) if 0 <= top + i < x.shape[0]]
    columns = [(j, left + j) for j in range(width) if 0 <= left + j < x.shape[1]]
    part = x[rows[0][1] : rows[-1][1] + 1, columns[0][1] : columns[-1][1] + 1, first : first + weight.shape[2]]
    products = part * weight[rows[0][0] : rows[-1][0] + 1, columns[0][0] : columns[-1][0] + 1]
    c = int(np.abs(products.sum(axis=(0, 1))).argmax())
    i, j = np.unravel_index(np.abs(products[..., c]).argmax(), products.shape[:2])
    # The same part of both, so that what lies at the same place is multiplied.
    rows, columns = rows[_around(i, len(rows))], columns[_around(j, len(columns))]
    kernel, window = ([slice(places[0][side], places[-1][side] + 1) for places in (rows, columns)] for side in (0, 1))
    of_x, of_w = (f"{_range(part[0])},{_range(part[1])}" for part in (window, kernel))
    return [
        _table(f"x[{of_x},{first + c}]", x[(*window, first + c)]),
        _table(f"w[{of_w},{c},{at[2]}]", weight[(*kernel, c)]),
    ]


def _output_near(layer: Layer, dy: np.ndarray, at: tuple[int, ...], x_shape: Sequence[int]) -> tuple[int, ...]:
    """A place of the output that the input at `at` feeds: the one with the largest gradient."""
    if dy.shape == tuple(x_shape):
        return at
    if isinstance(layer, Flatten):
        return (int(np.ravel_multi_index(at, x_shape)),)
    if isinstance(layer, Linear):
        return (int(np.abs(dy * layer.params["weight"][at[0]]).argmax()),)
    if dy.ndim == 1:
        return liveliest(dy)
    stride = getattr(layer, "stride", getattr(layer, "kernel_size", (1, 1)))
    padding = getattr(layer, "padding", (0, 0))
    spans = []
    for k in (0, 1):
        last = min((at[k] + padding[k]) // stride[k], dy.shape[k] - 1)
        first = min(max(0, -(-(at[k] + padding[k] - layer.kernel_size[k] + 1) // stride[k])), last)
        spans.append(slice(first, last + 1))
    channels = slice(None) if isinstance(layer, Conv2d) else slice(at[2], at[2] + 1)
    part = np.abs(dy[spans[0], spans[1], channels])
    row, column, channel = np.unravel_index(part.argmax(), part.shape)
    return spans[0].start + int(row), spans[1].start + int(column), (channels.start or 0) + int(channel)


# ---------------------------------------------------------------------------------------------- as text
def block(name: str, array: np.ndarray, at: Sequence[int], *, star=False, column=False, channels=False) -> list[str]:
    """The window of an array around a place: a heading that says which part it is, and the numbers
    below each other.

    star: behind the number at the place. column: a vector from top to bottom. channels: of maps, the channels of one
    pixel.
    """
    at = tuple(int(index) for index in at)
    if array.ndim == 1 or channels:
        part = _around(at[-1], array.shape[-1])
        place = "".join(f"{index}," for index in at[:-1]) + _range(part)
        values, mark = array[(*at[:-1], part)][None], (0, at[-1] - part.start)
        heading, values = f"{name}[{place}]", values.T if column else values
    else:
        parts = [_around(at[k], array.shape[k]) for k in (0, 1)]
        place = ",".join([*map(_range, parts), *map(str, at[2:])])
        values, mark = array[(*parts, *at[2:])], (at[0] - parts[0].start, at[1] - parts[1].start)
        heading = f"{name}[{place}]"
    return _table(heading, values, mark if star else None)


def side_by_side(blocks: Sequence[Sequence[str]]) -> list[str]:
    """As many blocks in a row as the terminal is wide."""
    width, lines, row = _width(), [], []
    for each in [*blocks, None]:
        taken = sum(len(line[0]) + 3 for line in row)
        if row and (each is None or taken + max(map(len, each)) > width):
            for number in range(max(map(len, row))):
                parts = [part[number] if number < len(part) else " " * len(part[0]) for part in row]
                lines.append("   ".join(parts).rstrip())
            row = []
        if each is not None:
            wide = max(map(len, each))
            row.append([f"{line:<{wide}}" for line in each])
    return lines


def _folded(text: str) -> list[str]:
    """In lines as wide as the terminal, with no product broken in two."""
    kept = re.sub(r" \* |(?<=\d) smaller, together | = (?=\S+$)", lambda found: found[0].replace(" ", "\xa0"), text)
    lines = textwrap.wrap(kept, _width(), subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
    return [line.replace("\xa0", " ") for line in lines]


def _width() -> int:
    """Of the terminal, less the margin; 100 columns where there is none."""
    return max(40, shutil.get_terminal_size((102, 24)).columns - 2)


def _around(place: int, length: int) -> slice:
    """MOST places with this one in the middle, or towards an end where the middle is not possible."""
    start = max(0, min(int(place) - MOST // 2, length - MOST))
    return slice(start, min(start + MOST, length))


def _range(part: slice) -> str:
    """As it is written between brackets: 3..7, or 3."""
    return f"{part.start}..{part.stop - 1}" if part.stop - part.start > 1 else f"{part.start}"


def _table(heading: str, values: np.ndarray, mark: tuple[int, int] | None = None) -> list[str]:
    """Numbers with their signs, all with as many decimals, and in a power of ten where they are tiny or huge; 0 is
    exactly 0."""
    largest = float(np.abs(values).max())
    power = math.floor(math.log10(largest)) if 0 < largest < math.inf else 0
    scale = power if not -2 <= power <= 3 else 0
    decimals = 3 - min(max(power - scale, 0), 3)
    lines = [f"{heading}{f' times 1e{scale}' if scale else ''}"]
    for row, numbers in enumerate(values):
        texts = [f"{value / 10.0**scale:+.{decimals}f}" if value else "0" for value in map(float, numbers)]
        lines.append("".join(f"{text:>7}{'*' if (row, n) == mark else ' '}" for n, text in enumerate(texts)))
    return lines
