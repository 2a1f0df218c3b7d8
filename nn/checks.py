"""What layers take as arguments, and the checks of it. Each error is a sentence: what was wrong, what was expected and
what to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))

Shape = Sequence[int]  # of an array; that of one image has no N
Pair = int | tuple[int, int]  # (height, width), or one number that stands for both
Seed = int | np.random.Generator | None  # of random numbers; None: others each time


def pair(value: Pair, what: str, smallest: int) -> tuple[int, int]:
    """A (height, width) pair from a pair or from one number that stands for both."""
    numbers = (value, value) if isinstance(value, int | np.integer) else value
    valid = isinstance(numbers, Sequence) and len(numbers) == 2
    if not valid or not all(isinstance(n, int | np.integer) and not isinstance(n, bool) for n in numbers):
        raise TypeError(f"{what} is {value!r}, expected a whole number or a (height, width) pair of them")
    if min(numbers) < smallest:
        raise ValueError(f"{what} is {value!r}, expected at least {smallest}")
    return int(numbers[0]), int(numbers[1])


def positive(value: int, what: str) -> int:
    """A whole number of at least 1."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool):
        raise TypeError(f"{what} is {value!r}, expected a whole number")
    if value < 1:
        raise ValueError(f"{what} is {value}, expected at least 1")
    return int(value)


def number(value: float, what: str, valid: Callable[[float], bool], expected: str) -> float:
    """A number that is `valid`; `expected` says in words which are. A comparison with NaN is never true."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(f"{what} is {value!r}, expected a number")
    if not valid(value):
        raise ValueError(f"{what} is {value}, expected {expected}")
    return float(value)


def contiguous(array: np.ndarray) -> np.ndarray:
    """The array, or a contiguous copy of it: with its elements one after the other in memory, the last axis fastest."""
    return array if array.flags.c_contiguous else np.ascontiguousarray(array, like=array)


# ------------------------------------------------------------------------------------------------- a layer's own arrays
# `layer` is the one whose arrays are checked, named in messages by its label; x is the input or the gradient that came.


def check_arrays(layer: Any, arrays: dict, shapes: dict, where: str, x: np.ndarray) -> None:
    """Check that the arrays of layer.params or layer.state, which `where` names, have their shapes, and dtype and
    device of x."""
    kind, dtype = type(x), x.dtype
    for name, array in arrays.items():
        shape = shapes.get(name)
        if type(array) is kind and array.dtype == dtype and array.shape == shape:
            continue  # as nearly always: the rest takes longer
        if shape is None and not shapes and hasattr(array, "shape"):
            shape = array.shape  # a layer that has filled the dict in its own way
        if not fits(array, shape, x):
            raise _misfit(layer, name, array, shape, shapes, where, x)
    if len(shapes) > len(arrays):
        missing = next(name for name in shapes if name not in arrays)
        what = "parameter" if where == "params" else "state"
        raise ValueError(f"{layer.label} has lost its {what} {missing}, expected {', '.join(shapes)} in {where}")


def check_grads(layer: Any, grads: dict, shapes: dict, dy: np.ndarray) -> None:
    """Check that compiled loops may write the gradients into the arrays in layer.grads."""
    for name, shape in shapes.items():
        grad: Any = grads.get(name)
        writeable = fits(grad, shape, dy) and getattr(grad.flags, "writeable", True)  # CuPy's have no such flag
        if not (writeable and grad.flags.c_contiguous):
            raise ValueError(
                f"{layer.label} writes its gradients into the arrays in grads, and that of {name} is {_word(grad)}, "
                f"expected a contiguous, writeable one of {dy.dtype} {shape}; numpy.empty makes one"
            )


def fits(array: Any, shape: tuple[int, ...] | None, x: np.ndarray) -> bool:
    """Is it an array of this shape with x's dtype, on x's device?"""
    if isinstance(array, np.ndarray) is not isinstance(x, np.ndarray) or not hasattr(array, "dtype"):
        return False
    return array.shape == shape and array.dtype == x.dtype


def _misfit(
    layer: Any, name: str, param: Any, shape: tuple | None, shapes: dict, where: str, x: np.ndarray
) -> Exception:
    """What is wrong with a parameter, or with an array of the state, that does not fit."""
    what, many = ("parameter", "parameters") if where == "params" else ("state", "state")
    if shape is None:
        return ValueError(f"{layer.label} has no {what} {name!r}, expected {', '.join(shapes)}; take it out of {where}")
    if not hasattr(param, "dtype") or not hasattr(param, "shape"):
        return TypeError(
            f"{layer.label} expected an array of shape {shape} as its {name}, got {type(param).__name__}; "
            "numpy.asarray makes one"
        )
    if param.dtype != x.dtype:
        return TypeError(
            f"{layer.label} has {param.dtype} {many} ({name}) but got a {x.dtype} input; convert either with astype"
        )
    if tuple(param.shape) != shape:
        return ValueError(
            f"{layer.label} expected its {name} to have the shape {shape}, got {tuple(param.shape)}; transpose the "
            "array if its axes are in another order, or make a new layer of that size"
        )
    places = [f"a {type(array).__module__} array" for array in (x, param)]
    return TypeError(
        f"{layer.label} got {places[0]}, but its {many} {'are' if where == 'params' else 'is'} {places[1]}; "
        "network.to moves the layers, nn.device.move an input"
    )


def _word(array: Any) -> str:
    """An array in a few words, for error messages."""
    if not hasattr(array, "dtype") or not hasattr(array, "flags"):
        return "missing" if array is None else f"a {type(array).__name__}"
    how = "" if array.flags.c_contiguous else "not contiguous, "
    return f"{how}{array.dtype} {tuple(array.shape)} of {type(array).__module__}"


# ------------------------------------------------------------------------------------------------- what SGD changes
def check_update(name: str, param: np.ndarray, grad: np.ndarray, velocity: np.ndarray) -> None:
    """Check that a step may change the parameter and its velocity in place."""
    if param.dtype != velocity.dtype:
        raise TypeError(f"SGD: {name} is {param.dtype} but its velocity {velocity.dtype}; make the SGD after astype")
    if isinstance(param, np.ndarray) != isinstance(velocity, np.ndarray):
        here, there = (type(array).__module__ for array in (param, velocity))
        raise TypeError(
            f"SGD: {name} is a {here} array but its velocity a {there} array; make the SGD after network.to"
        )
    if not param.shape == grad.shape == velocity.shape:
        raise ValueError(
            f"SGD: {name} has the shape {tuple(param.shape)}, its gradient {tuple(grad.shape)} and its velocity "
            f"{tuple(velocity.shape)}; make the SGD anew for other parameters"
        )
    if grad.dtype != param.dtype or not getattr(param.flags, "writeable", True):
        raise TypeError(
            f"SGD: {name} is a read-only array or its gradient ({grad.dtype}) has another dtype than it "
            f"({param.dtype}); copy makes an array that can be changed, astype one of another dtype"
        )
    if not (param.flags.c_contiguous and grad.flags.c_contiguous):
        raise ValueError(
            f"SGD: {name} or its gradient is not contiguous, so that it could not be changed in place; use "
            "numpy.ascontiguousarray"
        )
