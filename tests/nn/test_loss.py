"""SoftmaxCrossEntropy: the value, the gradient, huge logits, and bad labels."""

import math

import numpy as np
import pytest

from nn import SoftmaxCrossEntropy, softmax
from tests import oracles
from tests.checks import one_sentence


def batch(N=5, classes=7, scale=3.0, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(0, scale, (N, classes)).astype(dtype), rng.integers(0, classes, N)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("N, classes, scale", [(5, 7, 3.0), (1, 2, 1.0), (64, 10, 20.0), (3, 1000, 5.0), (4, 1, 1.0)])
def test_value_equals_the_formula(N, classes, scale, dtype):
    logits, labels = batch(N, classes, scale, dtype)
    loss = SoftmaxCrossEntropy().forward(logits, labels)
    assert loss.dtype == dtype and np.ndim(loss) == 0
    expected = oracles.softmax_cross_entropy(logits, labels)
    # Differences to the largest logit round relative to their size (up to 10 standard deviations), the sum of
    # exponentials once for each class, the mean once for each image.
    bound = (N + classes + 10) * np.finfo(dtype).eps * max(1.0, 10 * scale)
    assert abs(float(loss) - expected) <= (1e-12 * max(1.0, expected) if dtype == np.float64 else bound)


def test_equal_logits_cost_the_logarithm_of_the_number_of_classes():
    assert SoftmaxCrossEntropy().forward(np.zeros((4, 10)), np.arange(4)) == pytest.approx(math.log(10), abs=1e-15)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_gradient_equals_the_formula(dtype):
    logits, labels = batch(dtype=dtype)
    loss = SoftmaxCrossEntropy()
    loss.forward(logits, labels)
    gradient = loss.backward()
    expected = oracles.softmax(logits)
    expected[np.arange(len(labels)), labels] -= 1
    assert gradient.dtype == dtype
    np.testing.assert_allclose(gradient, expected / len(labels), rtol=0, atol=20 * np.finfo(dtype).eps)


def test_gradient_equals_central_differences():
    logits, labels = batch()
    loss = SoftmaxCrossEntropy()
    loss.forward(logits, labels)
    gradient = loss.backward()
    numeric = np.zeros_like(logits)
    for index in np.ndindex(logits.shape):
        step = np.zeros_like(logits)
        step[index] = 1e-6
        above, below = (SoftmaxCrossEntropy().forward(logits + sign * step, labels) for sign in (1, -1))
        numeric[index] = (above - below) / 2e-6
    assert np.abs(numeric - gradient).max() < 1e-6 * np.abs(gradient).max()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("huge", [1e4, 1e30])
@pytest.mark.filterwarnings("error")
def test_huge_logits(huge, dtype):
    logits = np.array([[huge, -huge, 0], [-huge, huge, 0], [huge, huge, -huge]], dtype)
    loss = SoftmaxCrossEntropy()
    right = loss.forward(logits, np.array([0, 1, 0]))
    assert right == pytest.approx(math.log(2) / 3, rel=1e-6)
    np.testing.assert_allclose(loss.backward(), np.array([[0, 0, 0], [0, 0, 0], [-0.5, 0.5, 0]]) / 3, atol=1e-7)
    wrong = loss.forward(logits, np.array([1, 0, 2]))
    assert wrong == pytest.approx(2 * huge + math.log(2) / 3, rel=1e-6)
    np.testing.assert_allclose(loss.backward().sum(axis=1), 0, atol=1e-7)


@pytest.mark.filterwarnings("error")
def test_no_finite_float32_logits_overflow():
    """The largest numbers there are, beside their opposites and in batches whose losses add up to too much."""
    most = np.finfo(np.float32).max
    logits = np.array([[most, -most, 0], [-most, -most, -most], [most, most, most], [-most, 0, most]], np.float32)
    expected = np.array([[1, 0, 0], [1 / 3] * 3, [1 / 3] * 3, [0, 0, 1]])
    np.testing.assert_allclose(softmax(logits), expected, rtol=1e-6)
    loss = SoftmaxCrossEntropy()
    assert loss.forward(logits, np.array([0, 1, 2, 2])) == pytest.approx(math.log(3) / 2, rel=1e-6)
    np.testing.assert_allclose(loss.backward() * 4, expected - np.eye(3)[[0, 1, 2, 2]], atol=1e-6)
    assert loss.forward(logits, np.array([1, 1, 2, 2])) == pytest.approx(float(most) / 2, rel=1e-6)
    assert loss.forward(logits[[0, 3]], np.array([1, 0])) == most  # and not twice that, which float32 cannot hold
    assert loss.forward(np.float32([[0, -np.inf]]), np.array([1])) == np.inf, "what is infinite is not hidden"
    many = np.tile(np.float32([[-most / 2, 0]]), (100, 1))
    assert loss.forward(many, np.zeros(100, int)) == pytest.approx(float(most) / 2, rel=1e-6)


def test_a_loss_close_to_zero_keeps_its_digits():
    # -log(1 - 1e-13) is not 0.
    loss = SoftmaxCrossEntropy().forward(np.array([[30.0, 0.0]]), np.array([0]))
    assert loss == pytest.approx(math.exp(-30), rel=1e-2)


def test_nothing_given_is_changed_and_results_belong_to_the_caller():
    logits, labels = batch()
    before = logits.tobytes(), labels.tobytes()
    loss = SoftmaxCrossEntropy()
    loss.forward(logits, labels)
    first = loss.backward()
    kept = first.copy()
    loss.forward(logits * 2, labels)
    loss.backward()
    assert (logits.tobytes(), labels.tobytes()) == before
    assert np.array_equal(first, kept)


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint8, list])
def test_labels_of_any_integer_type(kind):
    logits, labels = batch()
    given = labels.tolist() if kind is list else labels.astype(kind)
    assert SoftmaxCrossEntropy().forward(logits, given) == SoftmaxCrossEntropy().forward(logits, labels)


@pytest.mark.parametrize(
    "labels, kind, words",
    [
        (np.array([0, 1, 7]), ValueError, [7]),
        (np.array([0, -1, 2]), ValueError, [-1]),
        (np.array([0, 1]), ValueError, [2, 3]),
        (np.array([[0], [1], [2]]), ValueError, [3, 1]),
        (np.array([0.0, 1.0, 2.0]), TypeError, ["float64"]),
        (np.array([True, False, True]), TypeError, ["bool"]),
        (np.array(["a", "b", "c"]), TypeError, []),
    ],
)
def test_bad_labels(labels, kind, words):
    with one_sentence(kind, "SoftmaxCrossEntropy", "label", *words):
        SoftmaxCrossEntropy().forward(np.zeros((3, 7)), labels)


@pytest.mark.parametrize(
    "logits, kind, words",
    [
        (np.zeros((3, 7), int), TypeError, ["int64"]),
        (np.zeros((3, 2, 7)), ValueError, [3, 2, 7]),
        (np.zeros(7), ValueError, [7]),
        (np.zeros((0, 7)), ValueError, [0]),
    ],
)
def test_bad_logits(logits, kind, words):
    with one_sentence(kind, "SoftmaxCrossEntropy", *words):
        SoftmaxCrossEntropy().forward(logits, np.zeros(len(logits), int))


def test_backward_needs_a_forward():
    with one_sentence(RuntimeError, "SoftmaxCrossEntropy", "forward"):
        SoftmaxCrossEntropy().backward()
