"""Dropout: inverted scaling, a mask that its seed fixes, and nothing at all outside training."""

import numpy as np
import pytest

from layers import Dropout
from nn import check_gradients
from tests.checks import one_sentence


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_inverted_scaling(p, dtype):
    layer = Dropout(p, rng=0)
    x = np.random.default_rng(1).uniform(1, 2, (100, 200)).astype(dtype)
    y = layer.forward(x, training=True)
    assert y.dtype == dtype
    kept = y != 0
    np.testing.assert_allclose(y[kept], x[kept] / (1 - p), rtol=4 * np.finfo(dtype).eps)
    # 20,000 coins: the share that is kept lies within five standard deviations of 1 - p.
    assert abs(kept.mean() - (1 - p)) < 5 * np.sqrt(p * (1 - p) / x.size)


def test_backward_uses_the_same_mask():
    layer = Dropout(0.5, rng=3)
    x = np.ones((6, 7), np.float32)
    y = layer.forward(x, training=True)
    dy = np.random.default_rng(0).normal(size=x.shape).astype(np.float32)
    np.testing.assert_array_equal(layer.backward(dy), dy * y)


def test_mask_is_kept_to_look_at():
    layer = Dropout(0.5, rng=3)
    x = np.ones((6, 7), np.float32)
    y = layer.forward(x, training=True)
    assert layer.mask.shape == x.shape
    assert np.array_equal(layer.mask != 0, y != 0)


@pytest.mark.parametrize("shape", [(5, 8), (1, 3), (2, 4, 3, 2)])
@pytest.mark.parametrize("p", [0.0, 0.3, 0.5])
def test_gradients(shape, p):
    report = check_gradients(Dropout(p, rng=0), np.random.default_rng(1).normal(size=shape))
    assert report.max_error < 1e-6, str(report)


def test_outside_training_nothing_happens():
    layer = Dropout(0.5, rng=0)
    x = np.random.default_rng(1).normal(size=(4, 5)).astype(np.float32)
    np.testing.assert_array_equal(layer.forward(x), x)


def test_a_prediction_draws_no_random_numbers():
    x = np.ones((4, 50), np.float32)
    plain, interrupted = Dropout(0.5, rng=7), Dropout(0.5, rng=7)
    interrupted.forward(x)
    assert np.array_equal(plain.forward(x, training=True), interrupted.forward(x, training=True))


def test_a_random_number_of_exactly_p_keeps_its_unit():
    """They are drawn from [0, 1): else one unit in 16 million would be dropped although p is 0."""

    class Always:
        def __init__(self, number):
            self.number = number

        def random(self, shape, dtype):
            return np.full(shape, self.number, dtype)

    x = np.ones((2, 3), np.float32)
    for p in (0.0, 0.5):
        layer = Dropout(p)
        layer.rng = Always(p)
        np.testing.assert_array_equal(layer.forward(x, training=True), x / (1 - p))


def test_p_may_be_any_kind_of_number_and_is_the_paper_s_by_default():
    assert Dropout().p == 0.5
    assert Dropout(np.float32(0.25)).p == 0.25
    assert Dropout(np.int64(0)).p == Dropout(0).p == 0.0


def test_p_zero_drops_nothing():
    layer = Dropout(0.0, rng=0)
    x = np.random.default_rng(1).normal(size=(4, 5)).astype(np.float32)
    np.testing.assert_array_equal(layer.forward(x, training=True), x)
    np.testing.assert_array_equal(layer.backward(x), x)


def test_the_seed_fixes_the_masks_and_each_step_draws_a_new_one():
    x = np.ones((8, 40), np.float32)

    def two_steps(rng):
        layer = Dropout(0.5, rng=rng)
        return [layer.forward(x, training=True) for _ in range(2)]

    first, again, other = two_steps(11), two_steps(11), two_steps(12)
    assert np.array_equal(first[0], again[0]) and np.array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])
    assert not np.array_equal(first[0], first[1])
    assert np.array_equal(two_steps(np.random.default_rng(11))[0], first[0])


def test_the_mask_does_not_depend_on_the_dtype():
    masks = [Dropout(0.5, rng=5).forward(np.ones((3, 30), dtype), training=True) != 0 for dtype in "fd"]
    assert np.array_equal(*masks)


@pytest.mark.parametrize("p", [-0.1, 1.0, 1.5, "half", float("nan")])
def test_bad_probabilities(p):
    with one_sentence((ValueError, TypeError), "Dropout", "p", p):
        Dropout(p)
