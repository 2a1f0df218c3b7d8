"""LeNet5Loss: equation 9 of the 1998 paper, its gradient, and distances so large that a naive form would overflow."""

import math

import numpy as np
import pytest

from nn import LeNet5Loss, SoftmaxCrossEntropy
from tests.checks import one_sentence


def batch(N=5, classes=7, scale=12.0, dtype=np.float64, seed=0):
    """Minus the distances, on both sides of j = 10, and labels."""
    rng = np.random.default_rng(seed)
    return -rng.uniform(0, scale, (N, classes)).astype(dtype), rng.integers(0, classes, N)


def equation_9(z, labels, j):
    losses = []
    for row, label in zip(z, labels, strict=True):
        distances = [-float(value) for value in row]
        competition = math.exp(-j) + math.fsum(math.exp(-distance) for distance in distances)
        losses.append(distances[label] + math.log(competition))
    return math.fsum(losses) / len(losses)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("j", [0.1, 1.0, 10.0, 50.0])
@pytest.mark.parametrize("N, classes, scale", [(5, 7, 12.0), (1, 10, 1.0), (33, 10, 100.0), (3, 1, 5.0)])
def test_value_equals_the_formula(N, classes, scale, j, dtype):
    z, labels = batch(N, classes, scale, dtype)
    before = z.tobytes(), labels.tobytes()
    loss = LeNet5Loss(j).forward(z, labels)
    assert loss.dtype == dtype and np.ndim(loss) == 0
    expected = equation_9(z, labels, j)
    # Each distance and j round relative to their size, sums once for each class and each image.
    assert abs(float(loss) - expected) <= (N + classes + 10) * np.finfo(dtype).eps * max(scale, j, 1)
    assert (z.tobytes(), labels.tobytes()) == before


def test_ten_is_the_default_of_j():
    z, labels = batch()
    assert LeNet5Loss().forward(z, labels) == LeNet5Loss(10.0).forward(z, labels) == LeNet5Loss(10).forward(z, labels)
    assert LeNet5Loss().forward(z, labels) == pytest.approx(equation_9(z, labels, 10.0), rel=1e-13)


@pytest.mark.parametrize("j", [0.5, 3.0, 10.0])
def test_gradient_equals_central_differences(j):
    z, labels = batch()
    loss = LeNet5Loss(j)
    loss.forward(z, labels)
    gradient = loss.backward()
    assert gradient.shape == z.shape and gradient.dtype == np.float64
    numeric = np.zeros_like(z)
    for index in np.ndindex(z.shape):
        above, below = z.copy(), z.copy()
        above[index] += 1e-5
        below[index] -= 1e-5
        numeric[index] = (equation_9(above, labels, j) - equation_9(below, labels, j)) / 2e-5
    assert np.abs(numeric - gradient).max() < 1e-9


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_gradient_equals_the_formula(dtype):
    z, labels = batch(dtype=dtype)
    loss = LeNet5Loss(3.0)
    loss.forward(z, labels)
    gradient = loss.backward()
    assert gradient.dtype == dtype
    for n, c in np.ndindex(z.shape):
        sums = math.exp(-3.0) + math.fsum(math.exp(float(value)) for value in z[n])
        expected = (math.exp(float(z[n, c])) / sums - (c == labels[n])) / len(labels)
        assert gradient[n, c] == pytest.approx(expected, abs=float(50 * np.finfo(dtype).eps))


def test_classes_farther_than_j_are_left_alone():
    loss = LeNet5Loss(10.0)
    loss.forward(np.array([[-1.0, -5.0, -40.0]]), np.array([0]))
    gradient = loss.backward()[0]
    assert gradient[1] > 0.01, "a near wrong class is pushed away (its z falls)"
    assert abs(gradient[2]) < 1e-15, "a far one is not"
    # When all are far, the right one is pulled in at full strength and nothing is pushed.
    loss.forward(np.array([[-60.0, -61.0, -62.0]]), np.array([1]))
    np.testing.assert_allclose(loss.backward(), [[0, -1, 0]], atol=1e-15)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("huge", [1e3, 1e6, 1e30])
@pytest.mark.filterwarnings("error")
def test_huge_distances(huge, dtype):
    z = np.array([[0, -huge, -huge], [-huge, -huge, -2 * huge], [-huge, 0, -huge]], dtype)
    labels = np.array([0, 1, 0])
    loss = LeNet5Loss(10.0)
    # Right and near: log(1 + e^-10). All far: the distance itself - j. Wrong one near: the distance.
    expected = (math.log1p(math.exp(-10)) + (huge - 10) + (huge + math.log1p(math.exp(-10)))) / 3
    assert float(loss.forward(z, labels)) == pytest.approx(expected, rel=1e-6)
    share = 1 / (1 + math.exp(-10))
    rows = [[share - 1, 0, 0], [0, -1, 0], [-1, share, 0]]
    np.testing.assert_allclose(loss.backward(), np.array(rows) / 3, atol=1e-7)


@pytest.mark.filterwarnings("error")
def test_no_finite_distances_overflow():
    most = np.finfo(np.float32).max
    z = np.array([[-most, 0, -most], [-most, -most, -most], [most, -most, 0]], np.float32)
    loss = LeNet5Loss(10.0)
    assert loss.forward(z, np.array([0, 1, 0])) == pytest.approx(2 * (float(most) / 3), rel=1e-6)
    share = 1 / (1 + math.exp(-10))
    np.testing.assert_allclose(loss.backward(), np.array([[-1, share, 0], [0, -1, 0], [0, 0, 0]]) / 3, atol=1e-7)
    assert loss.forward(np.tile(z[:1], (50, 1)), np.zeros(50, int)) == most


@pytest.mark.parametrize("j", [200.0, 1e4, 1e300])
@pytest.mark.filterwarnings("error")
def test_a_large_j_makes_it_softmax_cross_entropy(j):
    z, labels = batch()
    ours, softmax = LeNet5Loss(j), SoftmaxCrossEntropy()
    assert ours.forward(z, labels) == pytest.approx(softmax.forward(z, labels), rel=1e-13)
    np.testing.assert_allclose(ours.backward(), softmax.backward(), atol=1e-15)


def test_the_competitive_term_is_what_softmax_lacks():
    z, labels = batch()
    assert LeNet5Loss(2.0).forward(z, labels) > SoftmaxCrossEntropy().forward(z, labels)


def test_a_near_answer_costs_less_than_a_far_one_however_far_the_others_are():
    # What softmax alone cannot say: all distances large is bad, although the right class is by far the nearest.
    near, far = np.array([[-1.0, -100.0]]), np.array([[-30.0, -130.0]])
    assert LeNet5Loss().forward(near, [0]) < LeNet5Loss().forward(far, [0]) - 15
    assert SoftmaxCrossEntropy().forward(near, [0]) == pytest.approx(SoftmaxCrossEntropy().forward(far, [0]), abs=1e-12)


def test_results_belong_to_the_caller_and_the_input_may_change_before_backward():
    z, labels = batch()
    loss = LeNet5Loss()
    loss.forward(z, labels)
    expected = loss.backward()
    kept = expected.copy()
    loss.forward(z, labels)
    z[...] = -3.0
    np.testing.assert_array_equal(loss.backward(), kept)
    assert np.array_equal(expected, kept)


@pytest.mark.parametrize("j", [0, -1.0, math.inf, math.nan])
def test_bad_j(j):
    with one_sentence(ValueError, "LeNet5Loss", "j", "positive"):
        LeNet5Loss(j)


@pytest.mark.parametrize(
    "z, labels, kind, words",
    [
        (np.zeros((3, 7)), np.array([0, 1, 7]), ValueError, [7, 6]),
        (np.zeros((3, 7)), np.array([0, -1, 2]), ValueError, [-1]),
        (np.zeros((3, 7)), np.array([0, 1]), ValueError, [3, 2]),
        (np.zeros((3, 7)), np.array([0.0, 1.0, 2.0]), TypeError, ["float64"]),
        (np.zeros((3, 7), int), np.zeros(3, int), TypeError, ["int64"]),
        (np.zeros(7), np.zeros(7, int), ValueError, [7]),
        (np.zeros((0, 7)), np.zeros(0, int), ValueError, [0]),
    ],
)
def test_bad_input(z, labels, kind, words):
    with one_sentence(kind, "LeNet5Loss", *words):
        LeNet5Loss().forward(z, labels)


def test_backward_needs_a_forward():
    with one_sentence(RuntimeError, "LeNet5Loss", "forward"):
        LeNet5Loss().backward()
