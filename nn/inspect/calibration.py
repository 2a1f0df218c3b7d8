"""Does a network that says 80% answer right four times out of five? And below which probability should it say nothing?

Trained networks are often too sure. Dividing all logits by one number, the temperature, changes no answer, only how
sure it is; the number is chosen on images that the network was not trained on. Source: Guo et al. 2017, "On calibration
of modern neural networks".
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nn.loss import softmax

COLDEST, HOTTEST = 0.25, 10.0  # temperatures; a network that is always right would ask for 0
BINS = 15


@dataclass(frozen=True)
class Calibration:
    """What was found on `images` images that the network was not trained on, and is kept with its weights.

    temperature        what logits are divided by
    least_probability  of the answers that are at least this sure, the share `wrong_above` was wrong at most
    """

    temperature: float = 1.0
    least_probability: float = 0.0
    wrong_above: float = 1.0
    images: int = 0

    def __post_init__(self) -> None:
        numbers = self.temperature, self.least_probability, self.wrong_above, self.images
        if not all(isinstance(number, int | float) and math.isfinite(number) for number in numbers):
            raise ValueError(f"a calibration has four finite numbers, got {numbers}")
        if self.temperature <= 0 or not 0 <= self.least_probability <= 1:
            raise ValueError(
                f"a temperature must be above 0 and a probability from 0 to 1, got {self.temperature} and "
                f"{self.least_probability}"
            )

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """softmax(logits / temperature), (N, classes)."""
        return softmax(logits if self.temperature == 1 else logits / np.asarray(self.temperature, logits.dtype))


def calibrate(logits: np.ndarray, labels: np.ndarray, wrong: float = 0.1) -> Calibration:
    """The temperature for these logits (N, classes) with labels (N,), and the probability that an answer must have so
    that of all such answers at most the share `wrong` is wrong."""
    temperature = fit_temperature(logits, labels)
    chances = Calibration(temperature).probabilities(logits)
    least = least_probability(chances.max(axis=1), chances.argmax(axis=1) == labels, wrong)
    return Calibration(temperature, least, wrong, len(labels))


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The T from 0.25 to 10 at which the mean of -log softmax(z / T)[label] is smallest.

    As a function of b = 1 / T that mean is convex. Its derivative, the mean of sum_k p_k z_k - z_label with
    p = softmax(b z), so rises with b, and halving an interval finds where it is 0.
    """
    logits = np.asarray(logits, np.float64)
    right = logits[np.arange(len(labels)), labels]
    low, high = 1 / HOTTEST, 1 / COLDEST
    for _ in range(50):
        middle = (low + high) / 2
        if np.mean((softmax(middle * logits) * logits).sum(axis=1) - right) > 0:
            high = middle
        else:
            low = middle
    return float(2 / (low + high))


def least_probability(confidence: np.ndarray, right: np.ndarray, wrong: float = 0.1) -> float:
    """The smallest confidence for which, of all answers at least as confident, at most the share `wrong` is wrong; 1.0
    where there is none. confidence: the largest probability of each answer, (N,); right: whether it was right, (N,)."""
    order = np.argsort(-confidence, kind="stable")
    sure = confidence[order]
    shares = np.cumsum(~np.asarray(right, bool)[order]) / np.arange(1, len(order) + 1)
    is_last = np.append(sure[1:] != sure[:-1], True)  # of those that are equally sure: all are answered or none
    good = np.flatnonzero((shares <= wrong) & is_last)
    return float(sure[good[-1]]) if len(good) else 1.0


def reliability(confidence: np.ndarray, right: np.ndarray, bins: int = BINS) -> list[tuple[int, float, float]]:
    """(answers, their mean confidence, the share that is right) for each of `bins` equal intervals from 0 to 1 that has
    any answers."""
    numbers = np.minimum((confidence * bins).astype(int), bins - 1)
    return [
        (int(here.sum()), float(confidence[here].mean()), float(np.mean(right[here])))
        for number in range(bins)
        if (here := numbers == number).any()
    ]


def calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int = BINS) -> float:
    """The expected calibration error: how far confidence is from the share of right answers, averaged over all answers
    in the intervals of `reliability`."""
    rows = reliability(confidence, right, bins)
    return sum(count * abs(sure - share) for count, sure, share in rows) / len(confidence)
