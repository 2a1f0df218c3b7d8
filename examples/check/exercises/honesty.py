"""Exercises 13 and 18: three sets that share nothing, and which of two classifiers is better."""

from __future__ import annotations

import math

import numpy as np

from examples.check.judging import Case, Exercise, Finding, Part, call, compared


# -------------------------------------------------------------------------------- 13: training, validation and test set
def judge_split(split) -> list[Finding]:
    """Three sets of numbers, by what they must have: nothing twice, nothing left out, mixed, repeatable."""
    n, sizes = 50, (30, 12, 8)
    names = ("training", "validation", "test")
    drawn = []
    for seed in (0, 0, 1):
        called = call(split, Case("n = 50", (n, sizes[1], sizes[2], np.random.default_rng(seed))), names)
        if called.trouble:
            return [called.trouble]
        try:
            drawn.append([np.asarray(part).astype(int).reshape(-1) for part in called.results])
        except (TypeError, ValueError):
            return [Finding(False, "it returns something else than three arrays of whole numbers")]
    parts = drawn[0]
    got = tuple(map(len, parts))
    if got != sizes:
        return [Finding(False, f"of 50 with 12 to validate and 8 to test the three sets have {got}, expected {sizes}")]
    together = np.concatenate(parts)
    twice = sorted({int(i) for i in together if np.sum(together == i) > 1})
    if together.min() < 0 or together.max() >= n:
        return [Finding(False, f"the numbers go from {together.min()} to {together.max()}, expected 0 to {n - 1}")]
    if twice:
        if any(len(np.unique(part)) < len(part) for part in parts):
            hint = "It looks as if they were drawn with repetition: rng.permutation(n) has each number once."
            return [Finding(False, "some number is in a set twice", hint)]
        hint = "What is tested on must not be trained on: cut one order of all numbers into three pieces."
        return [Finding(False, f"number {twice[0]} is in two of the sets", hint)]
    findings = [Finding(True, "the three sets have the right sizes, and share nothing")]
    if any(np.array_equal(np.sort(part), np.arange(part.min(), part.max() + 1)) for part in parts):
        hint = "A file is often sorted by class: mix the numbers with rng.permutation before you cut."
        return [*findings, Finding(False, "the sets are pieces of the file as it lies", hint)]
    if any(not np.array_equal(a, b) for a, b in zip(drawn[0], drawn[1])):
        hint = "Draw with the rng that is given, not with np.random: the same seed must give the same sets."
        return [*findings, Finding(False, "the same rng gives other sets the second time", hint)]
    if all(np.array_equal(a, b) for a, b in zip(drawn[0], drawn[2])):
        hint = "Draw with the rng that is given, and not with one made within the function."
        return [*findings, Finding(False, "another rng gives the same sets", hint)]
    return [*findings, Finding(True, "they are mixed, and the same rng gives the same sets")]


def standardise(training, validation, test, *, own=False, together=False, each=True, divided=True, squared=False):
    """What comes by name is for mistakes."""
    sets = training, validation, test
    found = []
    for images in sets:
        source = images if own else np.concatenate(sets) if together else training
        result = np.zeros_like(images)
        for c in range(images.shape[3]):
            numbers = [float(value) for value in (source[..., c] if each else source).reshape(-1)]
            mean = sum(numbers) / len(numbers)
            variance = sum((value - mean) ** 2 for value in numbers) / len(numbers)
            spread = (variance if squared else math.sqrt(variance)) if divided else 1.0
            result[..., c] = (images[..., c] - mean) / spread
        found.append(result)
    return tuple(found)


def standardise_cases():
    rng = np.random.default_rng(13)
    found = []
    for about, sizes, H, W, C, dtype in (
        ("2, 1 and 1 images 2x2, 1 channel", (2, 1, 1), 2, 2, 1, "d"),
        ("6, 3 and 2 images 3x4, 3 channels", (6, 3, 2), 3, 4, 3, "d"),
        ("4, 2 and 3 images in float32", (4, 2, 3), 2, 3, 2, "f"),
    ):
        sets = [rng.normal(5 + n, 2 + n, (size, H, W, C)) * np.arange(1, C + 1) for n, size in enumerate(sizes)]
        found.append(Case(about, tuple(images.astype(dtype) for images in sets)))
    return found


def _standardised(**names):
    return lambda *sets: standardise(*sets, **names)


def _by_pixel(training, validation, test):
    mean, spread = training.mean(axis=0), training.std(axis=0)
    return tuple((images - mean) / spread for images in (training, validation, test))


def _sample_spread(training, validation, test):
    mean, spread = training.mean(axis=(0, 1, 2)), training.std(axis=(0, 1, 2), ddof=1)
    return tuple((images - mean) / spread for images in (training, validation, test))


STANDARDISE_MISTAKES = [
    (
        _standardised(own=True),
        "It looks as if each set were standardised by its own mean and spread: the network would see the same "
        "image differently in each. Use those of the training set for all three.",
    ),
    (
        _standardised(together=True),
        "It looks as if mean and spread were those of all images together: then the test set has had a say in "
        "training. Use the training set's.",
    ),
    (
        _standardised(each=False),
        "It looks as if mean and spread were those of all channels together: each channel has its own.",
    ),
    (
        _standardised(squared=True),
        "It looks as if it were divided by the variance: the standard deviation is its root.",
    ),
    (
        _standardised(divided=False),
        "It looks as if only the mean were subtracted: divide by the standard deviation too.",
    ),
    (
        _by_pixel,
        "It looks as if each pixel had its own mean and spread: each channel has one, over images, rows and columns.",
    ),
    (
        _sample_spread,
        "It looks as if the standard deviation were divided by n - 1 (ddof=1): expected is NumPy's own, divided by n.",
    ),
]

EXERCISE_13 = Exercise(
    "training, validation and test set",
    (
        Part(("split",), judge_split),
        compared(standardise, standardise_cases, STANDARDISE_MISTAKES, ("training", "validation", "test")),
    ),
)


# -------------------------------------------------------------------------------------- 18: which of two is better?
def difference(right_a, right_b):
    n = len(right_a)
    differences = [int(a) - int(b) for a, b in zip(right_a, right_b)]
    mean = sum(differences) / n
    variance = sum((d - mean) ** 2 for d in differences) / (n - 1)
    return mean, math.sqrt(variance / n)


def sign_test(right_a, right_b):
    a_only = sum(bool(a) and not b for a, b in zip(right_a, right_b))
    b_only = sum(bool(b) and not a for a, b in zip(right_a, right_b))
    return _both_sides(min(a_only, b_only), a_only + b_only)


def _one_side(few, n):
    return sum(math.comb(n, i) for i in range(few + 1)) / 2**n


def _both_sides(few, n):
    return min(1.0, 2 * _one_side(few, n))


def paired_cases():
    rng = np.random.default_rng(18)
    found = [
        Case(
            "a right in [T, T, T, F], b in [T, F, F, F]",
            (np.array([True, True, True, False]), np.array([True, False, False, False])),
        ),
        Case("a right in [T, F, F], b in [F, T, F]", (np.array([True, False, False]), np.array([False, True, False]))),
    ]
    for n, share in ((20, 0.7), (100, 0.9), (60, 0.5)):
        a = rng.random(n) < share
        b = np.where(rng.random(n) < 0.15, ~a, a)
        b[: n // 10] = False
        found.append(Case(f"{n} test images", (a, b)))
    return found


def _counts(a, b):
    return int(np.sum(a & ~b)), int(np.sum(b & ~a))


def _unpaired(a, b):
    return np.mean(a) - np.mean(b), math.sqrt((np.mean(a) * (1 - np.mean(a)) + np.mean(b) * (1 - np.mean(b))) / len(a))


def _changed(change):
    """change(difference, its error, N) -> the error of the mistake."""
    return lambda a, b: (difference(a, b)[0], change(difference(a, b)[1], len(a)))


DIFFERENCE_MISTAKES = [
    (
        _unpaired,
        "It is the error of two independent samples: both have seen the same images, so take the standard "
        "deviation of the differences a - b, image by image.",
    ),
    (
        _changed(lambda error, n: error * math.sqrt(n)),
        "It is the standard deviation of one image's difference: the mean of N has that divided by the root of N.",
    ),
    (
        _changed(lambda error, n: error / math.sqrt(n)),
        "It is divided by N: the error of a mean falls with the root of N.",
    ),
    (_changed(lambda error, n: error**2), "It is the square of the standard error: take the root."),
    (
        _changed(lambda error, n: error * math.sqrt((n - 1) / n)),
        "It looks as if the standard deviation were divided by N and not by N - 1: ddof=1.",
    ),
    (
        lambda a, b: (-difference(a, b)[0], difference(a, b)[1]),
        "It has the wrong sign: positive means that a is better.",
    ),
    (
        lambda a, b: (difference(a, b)[0] * len(a), difference(a, b)[1] * len(a)),
        "It is counted in images: divide by how many there are.",
    ),
]

SIGN_TEST_MISTAKES = [
    (
        lambda a, b: _one_side(min(_counts(a, b)), sum(_counts(a, b))),
        "It is the chance of one side only: that a wins so often, or that b does, is equally surprising, so double "
        "it (and at most 1).",
    ),
    (
        lambda a, b: _both_sides(min(_counts(a, b)), len(a)),
        "It looks as if the images counted on which both are right or both are wrong: they say nothing about which "
        "is better.",
    ),
    (
        lambda a, b: 2 * math.comb(sum(_counts(a, b)), min(_counts(a, b))) / 2 ** sum(_counts(a, b)),
        "It is the chance of exactly these numbers: add those of all that are more one-sided.",
    ),
    (lambda a, b: 2 * _one_side(min(_counts(a, b)), sum(_counts(a, b))), "It is more than 1: a chance is at most 1."),
    (
        lambda a, b: min(1.0, 2 * _one_side(min(_counts(a, b)) - 1, sum(_counts(a, b)))),
        "It looks as if only the smaller count were left out: add from 0 up to it, itself included.",
    ),
]

EXERCISE_18 = Exercise(
    "which of two classifiers is better?",
    (
        compared(difference, paired_cases, DIFFERENCE_MISTAKES, ("mean", "error")),
        compared(sign_test, paired_cases, SIGN_TEST_MISTAKES, "p"),
    ),
)
