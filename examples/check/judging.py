"""Say what is right and what is wrong with a function, by calling it and comparing what it returns."""

from __future__ import annotations

import inspect
import linecache
import traceback
import warnings
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Finding:
    """One thing that is right or wrong, in a sentence; hint: what may be the cause."""

    right: bool
    text: str
    hint: str = ""


@dataclass(frozen=True)
class Part:
    """What is judged together: the names of one function or of a few, and who judges them.

    reference, mistakes: of one that is compared, for tests.
    """

    names: tuple[str, ...]
    judge: Callable[..., list[Finding]]
    reference: Callable | None = None
    mistakes: Sequence[tuple[Callable, str]] = ()


@dataclass(frozen=True)
class Case:
    """Arguments to call a function with, and how they are told: "3 images 7x5, stride 2"."""

    about: str
    arguments: tuple


@dataclass(frozen=True)
class Exercise:
    title: str
    parts: tuple[Part, ...]

    @property
    def names(self) -> list[str]:
        return [name for part in self.parts for name in part.names]


@dataclass
class Called:
    """A function's results in one case, or what prevented them."""

    case: Case
    results: list = field(default_factory=list)
    trouble: Finding | None = None
    changed: str = ""  # the name of an argument that the function changed


def compared(
    reference: Callable,
    cases: Callable[[], Sequence[Case]],
    mistakes: Sequence[tuple[Callable, str]],
    returns: str | tuple[str, ...] = "y",
    tolerance: float = 1e-8,
    fresh: bool = False,
) -> Part:
    """A function of the name of `reference` is called in every case and must return the same.

    mistakes: functions that make a known mistake, each with its hint, which is given only where the student's numbers
        are those of the mistake in every case.
    returns: the names of what is returned.
    fresh: results that share memory with an argument are wrong, even where their numbers are right.
    """
    names = (returns,) if isinstance(returns, str) else returns

    @cache
    def results(function: Callable) -> list[list]:
        """What one of our own functions returns in each case."""
        with np.errstate(all="ignore"):
            return [_as_list(function(*deepcopy(case.arguments)), len(names)) for case in cases()]

    def judge(function: Callable) -> list[Finding]:
        wanted = results(reference)
        calls: list[Called] = []

        def findings_so_far(known: Sequence[tuple[Callable, str]]) -> list[Finding]:
            return [
                _about_one_result(
                    name,
                    [called.case.about for called in calls],
                    [called.results[n] for called in calls],
                    [expected[n] for expected in wanted[: len(calls)]],
                    tolerance,
                    ((hint, [made[n] for made in results(mistake)]) for mistake, hint in known),
                )
                for n, name in enumerate(names)
            ]

        for case, expected in zip(cases(), wanted):
            called = call(function, case, names, fresh)
            if called.trouble is None:
                called.trouble = next(filter(None, map(_not_comparable, names, called.results, expected)), None)
            if called.trouble is None:
                calls.append(called)
                continue
            # What was wrong before is easier to look at. It gets no hint: too few cases could be any mistake's.
            wrong = [finding for finding in findings_so_far(()) if not finding.right]
            if wrong or not calls:
                return [*wrong, called.trouble]
            right = "; ".join(called.case.about for called in calls)
            return [replace(called.trouble, text=f"{called.trouble.text} (it is right for {right})")]
        findings = findings_so_far(mistakes)
        changed = next((called.changed for called in calls if called.changed), "")
        if changed:
            hint = "The caller still needs it: work on a copy, or make a new array."
            findings.append(Finding(False, f"it changes its argument {changed}", hint))
        return findings

    return Part((reference.__name__,), judge, reference, mistakes)


def call(function: Callable, case: Case, names: Sequence[str], fresh: bool = False) -> Called:
    """Call the function with copies of the arguments, and notice what goes wrong."""
    arguments, called = deepcopy(case.arguments), Called(case)
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = function(*arguments)
    except NotImplementedError:
        called.trouble = Finding(False, "it is not written yet: it raises NotImplementedError")
        return called
    except (Exception, SystemExit) as error:
        place, hint = where(error, function), ""
        if isinstance(error, EOFError):
            hint = "Nobody is there to answer input(): all that the function needs are its arguments."
        elif isinstance(error, TypeError) and not place and "argument" in str(error):
            hint = f"It is called with {len(arguments)} arguments, in the order in which the exercise names them."
        called.trouble = Finding(False, f"for {case.about} it raises {in_a_line(error)}{place}", hint)
        return called
    for name, before, after in zip(_parameters(function, len(arguments)), case.arguments, arguments):
        if not _unchanged(before, after):
            called.changed = name
    if value is None:
        called.trouble = Finding(False, "it returns None", "Is there a `return` with the result at its end?")
    elif len(names) > 1 and not (isinstance(value, tuple | list) and len(value) == len(names)):
        got = f"{len(value)} results" if isinstance(value, tuple | list) else "one result"
        called.trouble = Finding(False, f"it returns {got}, expected {len(names)}: {', '.join(names)}")
    else:
        called.results = _as_list(value, len(names))
        arrays = [argument for argument in arguments if isinstance(argument, np.ndarray)]
        shared = [
            name
            for name, result in zip(names, called.results)
            if isinstance(result, np.ndarray) and any(np.shares_memory(result, array) for array in arrays)
        ]
        if fresh and shared and not called.changed:
            text = f"{shared[0]} is not a new array, it shares memory with an argument"
            called.trouble = Finding(False, text, "Who changes one of the two changes the other: return a new array.")
    return called


def in_a_line(error: BaseException) -> str:
    message = error.msg if isinstance(error, SyntaxError) else " ".join(str(error).split())
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def where(error: BaseException, function: Callable | str) -> str:
    """ ", in line 12: code": the last line of the student's own file that the error passed through."""
    code = getattr(inspect.unwrap(function), "__code__", None) if callable(function) else None
    file = function if isinstance(function, str) else code.co_filename if code else ""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    if isinstance(error, SyntaxError) and error.filename == file:
        lines = [error.lineno]
    if not lines:
        return ""
    text = linecache.getline(file, lines[-1] or 1).strip()
    own = f" of {Path(file).name}" if file.endswith(".py") else ""
    return f", in line {lines[-1]}{own}" + (f": {text}" if text else "")


def same(actual: Any, expected: Any, tolerance: float = 1e-8) -> bool:
    """The same shape, and the same numbers but for rounding, which is measured by the largest of them."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    return actual.shape == expected.shape and not np.any(_different(actual, expected, tolerance))


def _different(actual: np.ndarray, expected: np.ndarray, tolerance: float) -> np.ndarray:
    tolerance = _tolerance(tolerance, actual, expected)
    a, e = actual.astype(np.float64), expected.astype(np.float64)
    finite = np.abs(e[np.isfinite(e)])
    bound = tolerance * (finite.max() if finite.size else 0.0) + 1e-12
    with np.errstate(invalid="ignore"):
        close = (np.abs(a - e) <= bound) | (a == e) | (np.isnan(a) & np.isnan(e))
    return ~close


def _tolerance(tolerance: float, *arrays: np.ndarray) -> float:
    return max(tolerance, 1e-4) if any(array.dtype == np.float32 for array in arrays) else tolerance


def _about_one_result(
    name: str, abouts: list[str], results: list, wanted: list, tolerance: float, mistakes: Iterable[tuple[str, list]]
) -> Finding:
    """Is one of the function's results right? mistakes: each hint, with what its mistake makes of the cases."""
    wrong = [n for n, (got, want) in enumerate(zip(results, wanted)) if not same(got, want, tolerance)]
    if not wrong:
        for got, want in zip(map(np.asarray, results), map(np.asarray, wanted)):
            text = _wrong_dtype(name, got.dtype, want.dtype)
            if text:
                hint = "Is there an np.zeros or np.ones without dtype? They make float64." if got.dtype == float else ""
                return Finding(False, text, hint)
        return Finding(True, f"{name} is right in {len(abouts)} cases")
    # The smallest wrong case is the easiest to look at.
    shown = min(wrong, key=lambda n: np.asarray(wanted[n]).size)
    text = f"{name} is wrong for {abouts[shown]}: {_first_difference(results[shown], wanted[shown], tolerance)}"
    right = [about for n, about in enumerate(abouts) if n not in wrong]
    if right:
        text += f" (it is right for {'; '.join(right)})"
    # How closely a mistake must be met depends on the precision that is asked for, not on what NumPy makes of it:
    # float32 times a Python number is float64 in old versions.
    tolerances = [_tolerance(tolerance, np.asarray(want)) for want in wanted]
    for hint, made in mistakes:
        if all(map(same, results, made, tolerances)):
            return Finding(False, text, hint)
    return Finding(False, text)


def _first_difference(got: Any, want: Any, tolerance: float) -> str:
    got, want = np.asarray(got), np.asarray(want)
    if got.shape != want.shape:
        return f"its shape is {got.shape}, expected {want.shape}"
    wrong = _different(got, want, tolerance)
    if not want.ndim:
        return f"it is {_number(got[()])}, expected {_number(want[()])}"
    place = tuple(int(i) for i in np.argwhere(wrong)[0])
    index = ", ".join(map(str, place))
    return f"at [{index}] it is {_number(got[place])}, expected {_number(want[place])}"


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float | np.floating) else str(value)


def _wrong_dtype(name: str, got: np.dtype, want: np.dtype) -> str:
    """A float must have the precision that it is computed from; a whole number may be of any kind."""
    if want.kind == "f" and got != want:
        return f"{name} has the dtype {got}, expected that of the input, {want}"
    if want.kind in "iu" and got.kind not in "iu":
        return f"{name} has the dtype {got}, expected whole numbers"
    return ""


def _not_comparable(name: str, got: Any, want: Any) -> Finding | None:
    if got is None:
        return Finding(False, f"it returns None as {name}")
    wants_array = isinstance(want, np.ndarray) and want.ndim > 0
    if wants_array and not isinstance(got, np.ndarray):
        kind = "a single number" if isinstance(got, int | float | np.number) else f"of the type {type(got).__name__}"
        hint = f"np.array({name}) makes an array of it." if isinstance(got, list | tuple) else ""
        return Finding(False, f"{name} is {kind}, expected an array {want.shape}", hint)
    try:
        numbers = np.asarray(got).dtype.kind in "biuf"
    except ValueError:  # a list of lists of several lengths
        numbers = False
    if not numbers:
        return Finding(False, f"{name} is of the type {type(got).__name__}, expected numbers")
    return None


def _as_list(value: Any, count: int) -> list:
    return [value] if count == 1 else list(value)


def _parameters(function: Callable, count: int) -> list[str]:
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        names = []
    return [*names, *(f"number {n + 1}" for n in range(len(names), count))]


def _unchanged(before: Any, after: Any) -> bool:
    if isinstance(before, np.ndarray):
        return before.shape == after.shape and np.array_equal(before, after, equal_nan=before.dtype.kind == "f")
    if isinstance(before, list | tuple):
        return len(before) == len(after) and all(map(_unchanged, before, after))
    return True
