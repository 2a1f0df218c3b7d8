"""Temperatures, thresholds and calibration errors, against plain searches and counts."""

import math

import numpy as np
import pytest

from nn.inspect import Calibration, calibrate, calibration_error, fit_temperature, least_probability
from nn.inspect.calibration import reliability


def answers(count=4000, temperature=1.0, classes=5, seed=0):
    """Logits of a network that is `temperature` times as sure as it may be: labels are drawn by their probabilities."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (count, classes))
    powers = np.exp(logits)
    labels = np.array([rng.choice(classes, p=row / row.sum()) for row in powers])
    return logits * temperature, labels


def loss(logits, labels, temperature):
    """The mean of -log softmax(z / T)[label], an image at a time."""
    total = 0.0
    for row, label in zip(logits / temperature, labels):
        total += math.log(sum(math.exp(value - row[label]) for value in row))
    return total / len(labels)


@pytest.mark.parametrize("sure", [0.5, 1.0, 3.0])
def test_the_temperature_has_the_smallest_loss(sure):
    logits, labels = answers(temperature=sure)
    found = fit_temperature(logits, labels)
    assert found == pytest.approx(sure, rel=0.05)
    best = loss(logits, labels, found)
    assert all(best <= loss(logits, labels, found * factor) for factor in (0.98, 1.02))


def test_a_network_that_is_always_right_does_not_become_sure_of_all():
    logits, labels = np.eye(3)[[0, 1, 2] * 20], np.array([0, 1, 2] * 20)
    assert fit_temperature(logits, labels) == pytest.approx(0.25)
    assert fit_temperature(logits, (labels + 1) % 3) == pytest.approx(10)


def test_large_logits_and_single_precision():
    logits, labels = answers(300)
    assert fit_temperature(1e30 * logits, labels) == pytest.approx(10)
    single = Calibration(2.0).probabilities(logits.astype(np.float32))
    assert single.dtype == np.float32
    powers = np.exp(logits / 2)
    np.testing.assert_allclose(single, powers / powers.sum(axis=1, keepdims=True), atol=1e-6)


def test_the_threshold_by_trying_all():
    rng = np.random.default_rng(1)
    confidence = np.round(rng.random(200), 2)  # with ties
    right = rng.random(200) < 0.2 + 0.8 * confidence
    for wrong in (0.02, 0.1, 0.3, 1.0):
        good = []
        for level in sorted(set(confidence)):
            answered = [r for c, r in zip(confidence, right) if c >= level]
            if answered.count(False) <= wrong * len(answered):
                good.append(level)
        assert least_probability(confidence, right, wrong) == (min(good) if good else 1.0)


def test_no_answer_can_be_trusted():
    assert least_probability(np.array([0.9, 0.9, 0.5]), np.array([False, True, True])) == 1.0
    assert least_probability(np.array([0.9, 0.5]), np.array([True, False])) == 0.9


def test_reliability_counts():
    confidence = np.array([0.05, 0.31, 0.35, 0.39, 0.99, 1.0])
    right = np.array([False, True, False, True, True, True])
    rows = reliability(confidence, right, bins=10)
    assert [row[0] for row in rows] == [1, 3, 2]
    np.testing.assert_allclose([row[1:] for row in rows], [(0.05, 0), (0.35, 2 / 3), (0.995, 1)])
    expected = (1 * 0.05 + 3 * abs(0.35 - 2 / 3) + 2 * 0.005) / 6
    assert calibration_error(confidence, right, bins=10) == pytest.approx(expected)


def test_calibrated_probabilities_are_those_of_the_labels():
    logits, labels = answers(temperature=3.0)
    fresh, fresh_labels = answers(temperature=3.0, seed=1)
    found = calibrate(logits, labels, wrong=0.2)
    assert found.images == 4000 and found.wrong_above == 0.2
    errors = []
    for calibration in (Calibration(), found):
        chances = calibration.probabilities(fresh)
        errors.append(calibration_error(chances.max(axis=1), chances.argmax(axis=1) == fresh_labels))
    assert errors[0] > 0.15 and errors[1] < 0.03
    sure = chances.max(axis=1) >= found.least_probability
    wrong = np.mean(chances.argmax(axis=1)[sure] != fresh_labels[sure])
    assert 0.15 < wrong < 0.24 and 0.2 < sure.mean() < 1  # that of 1,000 or more has a standard error of 0.013 at most


@pytest.mark.parametrize("numbers", [(0.0,), (-1.0,), (math.nan,), (1.0, 1.5), (1.0, -0.1), ("1",), (1.0, None)])
def test_what_cannot_be(numbers):
    with pytest.raises(ValueError, match="calibration|temperature"):
        Calibration(*numbers)
