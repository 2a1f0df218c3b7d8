"""The one place where plain arithmetic and what is fast meet.

A function that is decorated with `accelerated` is written to be read: the formula, in NumPy. What runs when it is
called is a function of the same name in the backend that its first array belongs to:

    nn.backend.cpu      for NumPy's arrays: loops that numba compiles, and BLAS, on all threads
    nn.backend.cuda     for CuPy's: CUDA C on a GPU
    the written one     for any other array; where the backend has no such function; within `with plain():`; and
                        everywhere if the environment has NN_BACKEND=plain, or for NumPy's arrays NUMBA_DISABLE_JIT=1

Both compute the same, and `tests/nn/backend/test_backend.py` holds one to the other. Such a function takes arrays and
plain numbers, never a layer. Its results come last: arrays that the caller chose, which it writes in full. Inputs are
contiguous, and only an element-wise function may get the same array as input and as result.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

CHOICE = os.environ.get("NN_BACKEND", "")
if CHOICE not in ("", "plain"):
    raise ValueError(f"NN_BACKEND is {CHOICE!r}, expected plain, or nothing for the fast way")
# Loops that are not compiled take a thousand times as long as NumPy: only who wants to step through them calls them.
COMPILES = os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0")

Call = tuple[Callable, tuple]  # a function that has run, and its arguments

_is_plain = ContextVar("is_plain", default=CHOICE == "plain")
_record: ContextVar[list[Call] | None] = ContextVar("record", default=None)
_backends: dict[str, ModuleType] = {}  # by name, those that have been asked for: to import one takes a moment


def accelerated(function: Callable) -> Callable:
    """A decorator: call the function of this name in the array's backend, if it has one. `.plain`: the written one."""
    name = function.__name__

    @wraps(function)
    def run(array: Any, *arguments: Any) -> Any:
        chosen, record = getattr(_backend(array), name, function), _record.get()
        if record is not None:
            record.append((chosen, (array, *arguments)))
        return chosen(array, *arguments)

    run.plain = function  # type: ignore[attr-defined]  # a function may have attributes, its type has none
    return run


@contextmanager
def plain() -> Iterator[None]:
    """Within this, in this thread, the plain functions run: slowly, and each line of them can be stepped through."""
    before = _is_plain.set(True)
    try:
        yield
    finally:
        _is_plain.reset(before)


@contextmanager
def recorded() -> Iterator[list[Call]]:
    """Within this, in this thread, what runs is entered in a list: to call it all again, in that order, with the same
    arrays, computes the same again from what the first of them then holds (`nn.compiled`)."""
    calls: list[Call] = []
    before = _record.set(calls)
    try:
        yield calls
    finally:
        _record.reset(before)


def _backend(array: Any) -> ModuleType | None:
    """The module in which the array's fast functions are, or None."""
    if _is_plain.get():
        return None
    if isinstance(array, np.ndarray) and COMPILES:
        name = "nn.backend.cpu"
    elif type(array).__module__.startswith("cupy"):
        name = "nn.backend.cuda"
    else:
        return None
    if name not in _backends:
        _backends[name] = import_module(name)
    return _backends[name]
