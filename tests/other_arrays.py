"""Arrays that are not NumPy's, but behave as those of CuPy do: NumPy's functions take them and give such arrays back.

Like CuPy's they never become NumPy arrays by themselves and do not mix with them: a layer that would silently work on
the CPU, or send numbers back and forth, fails here, without a graphics card.
"""

from __future__ import annotations

import numbers

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin


class OtherArray(NDArrayOperatorsMixin):
    """A NumPy array in disguise."""

    def __init__(self, array: np.ndarray) -> None:
        assert isinstance(array, np.ndarray)
        self.hidden = array

    def __array__(self, *_, **__):
        raise TypeError("implicit conversion to a NumPy array, which CuPy refuses")

    def __array_ufunc__(self, ufunc, method, *inputs, out=(), **keywords):
        keywords = {name: _reveal(value) for name, value in keywords.items()}
        if out:
            keywords["out"] = tuple(map(_reveal, out))
        result = getattr(ufunc, method)(*map(_reveal, inputs), **keywords)
        return out[0] if out else _disguise(result)

    def __array_function__(self, function, types, arguments, keywords):
        if function in (np.asarray, np.array):  # with like=: this one may bring numbers to the other device
            return OtherArray(np.array(getattr(arguments[0], "hidden", arguments[0]), *arguments[1:], **keywords))
        return _disguise(function(*_reveal(arguments), **_reveal(keywords)))

    def __getattr__(self, name):
        """Methods and attributes of the array in disguise."""
        if name in ("shape", "dtype", "ndim", "size", "nbytes", "itemsize", "flags"):
            return getattr(self.hidden, name)
        if name == "T":
            return OtherArray(self.hidden.T)
        if name not in METHODS:
            raise AttributeError(f"CuPy arrays have no {name!r}, or this one has not")
        method = getattr(self.hidden, name)
        return lambda *arguments, **keywords: _disguise(method(*_reveal(arguments), **_reveal(keywords)))

    def get(self):
        return self.hidden.copy()

    def __getitem__(self, index):
        return _disguise(self.hidden[_reveal(index)])

    def __setitem__(self, index, value):
        self.hidden[_reveal(index)] = _reveal(value)

    def __len__(self):
        return len(self.hidden)

    def __iter__(self):
        return (self[index] for index in range(len(self)))

    def __bool__(self):
        return bool(self.hidden)  # as CuPy does, after waiting for the card

    def __float__(self):
        return float(self.hidden)

    def __int__(self):
        return int(self.hidden)


METHODS = {
    "reshape",
    "astype",
    "sum",
    "mean",
    "max",
    "min",
    "argmax",
    "argmin",
    "copy",
    "view",
    "transpose",
    "any",
    "all",
}
METHODS |= {"fill", "ravel", "squeeze", "item", "dot", "std", "take"}


def other(array: np.ndarray) -> OtherArray:
    """A copy on "the other device"."""
    return OtherArray(np.array(array))


def back(array: OtherArray) -> np.ndarray:
    """A copy of it as a NumPy array."""
    assert isinstance(array, OtherArray), f"expected an array of the other kind, got {type(array).__name__}"
    return array.hidden.copy()


def _reveal(value):
    """What is inside, within tuples, lists and dicts, too; NumPy's arrays must not come among them."""
    if isinstance(value, OtherArray):
        return value.hidden
    if isinstance(value, np.ndarray) and value.ndim > 0:
        raise TypeError("a NumPy array among arrays of another library, which CuPy refuses")
    if isinstance(value, tuple | list):
        return type(value)(map(_reveal, value))
    if isinstance(value, dict):
        return {key: _reveal(item) for key, item in value.items()}
    return value


def _disguise(value):
    if isinstance(value, np.ndarray):
        return OtherArray(value)
    if isinstance(value, np.generic):  # CuPy gives arrays of no axes where NumPy gives scalars
        return OtherArray(np.asarray(value))
    if isinstance(value, tuple | list):
        return type(value)(map(_disguise, value))
    assert value is None or isinstance(value, numbers.Number | str | np.dtype), type(value)
    return value
