"""Exercise 15: inverted dropout."""

from __future__ import annotations

import numpy as np

from examples.check.judging import Case, Exercise, Finding, Part, call, compared, same


def judge_dropout(dropout) -> list[Finding]:
    """What it draws is its own choice, so the result is judged by what it must have."""
    x = np.random.default_rng(15).normal(size=(200, 10, 5)) + 3
    names = ("y", "mask")

    def asked(p, training, seed, numbers=x):
        return call(dropout, Case(f"{p=}, {training=}", (numbers, p, training, np.random.default_rng(seed))), names)

    calls = [
        asked(*how) for how in ((0.25, True, 0), (0.25, True, 0), (0.25, True, 1), (0.25, False, 0), (0.0, True, 0))
    ]
    calls.append(asked(0.5, True, 0, x.astype("f")))
    for called in calls:
        if called.trouble:
            return [called.trouble]
        got = [np.shape(result) for result in called.results]
        if got != [x.shape, x.shape]:
            return [Finding(False, f"y and mask have the shapes {got[0]} and {got[1]}, expected that of x, {x.shape}")]
    findings = _drawn_masks(x, calls)
    y, mask = (np.asarray(result) for result in calls[3].results)
    if not same(y, x):
        hint = "Without training nothing is dropped, and nothing is multiplied: training has done that."
        if same(y, x * 0.75):
            hint = (
                "It looks as if it were multiplied by 1 - p: that belongs to the form that does not divide in training."
            )
        elif np.any(y == 0):
            hint = "It looks as if numbers were dropped outside training too."
        findings.append(Finding(False, "outside training y is not x", hint))
    elif not same(mask, np.ones_like(x)):
        hint = "The mask is what x has been multiplied by, here 1 everywhere."
        findings.append(Finding(False, "outside training the mask is not 1", hint))
    else:
        findings.append(Finding(True, "outside training y is x"))
    if not same(calls[4].results[0], x):
        findings.append(Finding(False, "with p = 0 y is not x", "p is the share that is dropped: 0 drops nothing."))
    dtypes = [str(np.asarray(result).dtype) for result in calls[5].results]
    if dtypes != ["float32", "float32"]:
        hint = "rng.random gives float64: bring the mask to x.dtype."
        findings.append(Finding(False, f"y and mask of an x in float32 are {dtypes[0]} and {dtypes[1]}", hint))
    if any(called.changed for called in calls):
        findings.append(Finding(False, "it changes its argument x", "Multiply into a new array: y = x * mask."))
    return findings


def _drawn_masks(x, calls) -> list[Finding]:
    """The masks of p = 0.25 in training: twice from the same seed, once from another."""
    (y, mask), (_, again), (_, other) = ([np.asarray(r, float) for r in called.results] for called in calls[:3])
    if not same(y, x * mask):
        if same(y, x * (mask > 0) / 0.75) or same(y, x * (mask > 0)):
            hint = "The mask is all that x is multiplied by, 1 / (1 - p) included: backward needs it."
        else:
            hint = "The mask that is returned must be the one that was used, and not another drawing."
        return [Finding(False, "in training y is not x * mask", hint)]
    values, dropped = np.unique(mask), float(np.mean(mask == 0))
    right = values.size == 2 and values[0] == 0 and abs(values[1] - 4 / 3) < 1e-6
    if not right:
        told = ", ".join(f"{value:.4g}" for value in values[:4]) + (", ..." if values.size > 4 else "")
        hints = {
            1.0: "It looks as if the division by 1 - p were left out: the mean of y would sink.",
            4.0: "It looks as if p and 1 - p were exchanged: p is dropped, and what stays is divided by 1 - p.",
        }
        hint = next((h for v, h in hints.items() if values.size == 2 and abs(values[1] - v) < 1e-6), "")
        if values.size == 2 and abs(values[1] - 0.75) < 1e-6:
            hint = "It looks as if what stays were multiplied by 1 - p: divide by it, so that the mean stays."
        if values.size == 1:
            hint = "It looks as if nothing were drawn in training, or one number for all: each is dropped by itself."
        return [Finding(False, f"with p = 0.25 the mask has the values {told}, expected 0 and 1 / 0.75", hint)]
    for axis, what in ((0, "all examples"), (1, "all rows of an example"), (2, "all channels of a place")):
        if np.all(mask == mask.take([0], axis=axis)):
            return [
                Finding(False, f"{what} have the same mask", "Draw a number for each number of x: rng.random(x.shape).")
            ]
    if not 0.2 < dropped < 0.3:
        return [
            Finding(False, f"with p = 0.25 it drops {dropped:.0%} of the numbers", "p is the share that is dropped.")
        ]
    if not np.array_equal(mask, again):
        hint = "Draw with the rng that is given, not with np.random."
        return [Finding(False, "the same rng gives another mask the second time", hint)]
    if np.array_equal(mask, other):
        hint = "Draw with the rng that is given, and not with one made within the function."
        return [Finding(False, "the mask is the same whatever the rng", hint)]
    return [Finding(True, f"in training it drops {dropped:.0%} at p = 0.25, divides by 1 - p, and y = x * mask")]


def dropout_backward(dy, mask):
    dx = np.zeros_like(dy)
    for place in np.ndindex(dy.shape):
        dx[place] = dy[place] * mask[place]
    return dx


def dropout_backward_cases():
    rng = np.random.default_rng(16)
    found = []
    for p, shape, dtype in ((0.5, (2, 3), "d"), (0.25, (3, 2, 4), "d"), (0.5, (4, 3), "f")):
        mask = (rng.random(shape) >= p) / (1 - p)
        mask.flat[0], mask.flat[-1] = 0, 1 / (1 - p)
        found.append(
            Case(
                f"a mask {shape} of p = {p}, {np.dtype(dtype)}",
                (rng.normal(size=shape).astype(dtype), mask.astype(dtype)),
            )
        )
    return found


DROPOUT_BACKWARD_MISTAKES = [
    (lambda dy, mask: dy.copy(), "It looks as if the gradient passed unchanged: y = x * mask, so dx = dy * mask."),
    (
        lambda dy, mask: dy * (mask > 0),
        "It looks as if 1 / (1 - p) were left out: the mask holds it, so multiply by the mask as it is.",
    ),
    (
        lambda dy, mask: dy * mask * mask.max(),
        "It looks as if 1 / (1 - p) were there twice: the mask holds it already.",
    ),
    (
        lambda dy, mask: dy * (mask == 0),
        "It looks as if the numbers that were dropped got the gradient: it is the others.",
    ),
    (
        lambda dy, mask: dy * (mask > 0) / mask.max(),
        "It looks as if dy were divided by 1 / (1 - p): forward and backward multiply by the same mask.",
    ),
]

EXERCISE_15 = Exercise(
    "inverted dropout",
    (
        Part(("dropout",), judge_dropout),
        compared(dropout_backward, dropout_backward_cases, DROPOUT_BACKWARD_MISTAKES, "dx"),
    ),
)
