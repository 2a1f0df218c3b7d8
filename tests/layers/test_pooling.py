"""MaxPool2d and AvgPool2d against plain loops, their gradients, and who gets the gradient at a tie."""

import numpy as np
import pytest

from layers import AvgPool2d, MaxPool2d
from nn import check_gradients
from tests import oracles
from tests.checks import assert_close, distinct, one_sentence, sum_bound

# (N, H, W, C), kernel_size, stride, padding, ceil_mode
CONFIGURATIONS = {
    "2x2": ((2, 6, 6, 3), 2, None, 0, False),
    "batch of 1": ((1, 4, 4, 1), 2, None, 0, False),
    "overlapping 3/2": ((2, 7, 9, 3), 3, 2, 0, False),
    "overlapping 3/1": ((2, 5, 4, 2), 3, 1, 0, False),
    "rest is dropped": ((2, 7, 8, 2), 3, 3, 0, False),
    "stride skips pixels": ((2, 8, 9, 2), 2, 3, 0, False),
    "whole image": ((2, 4, 5, 3), (4, 5), None, 0, False),
    "1x1": ((2, 3, 4, 2), 1, 1, 0, False),
    "1x1 stride 2": ((2, 5, 4, 2), 1, 2, 0, False),
    "non-square": ((2, 6, 8, 2), (3, 2), (2, 3), 0, False),
    "padding": ((2, 5, 6, 2), 3, 2, 1, False),
    "padding on one side only": ((2, 5, 6, 2), (2, 4), (2, 1), (0, 2), False),
    "ceil, divides evenly": ((2, 7, 7, 2), 3, 2, 0, True),
    "ceil, hangs over": ((2, 8, 6, 2), 3, 2, 0, True),
    "ceil, hangs over by much": ((2, 7, 10, 2), 4, 3, 0, True),
    "ceil, unequal": ((1, 6, 7, 3), (3, 2), (2, 2), 0, True),
    "ceil and padding": ((2, 6, 7, 2), 3, 2, 1, True),
    "ceil and padding, pairs": ((2, 8, 5, 2), (4, 2), (3, 2), (2, 1), True),
    "ceil, last window would start in the padding": ((2, 5, 5, 2), 2, 2, 1, True),
    "ceil, last window would start beyond": ((2, 4, 7, 1), 2, 3, 1, True),
    "ceil, stride larger than kernel": ((2, 8, 10, 2), 1, 3, 0, True),
    "ceil, 32 to 16 like the 2012 code": ((1, 32, 32, 1), 3, 2, 0, True),
}
configurations = pytest.mark.parametrize("configuration", CONFIGURATIONS.values(), ids=CONFIGURATIONS.keys())
both = pytest.mark.parametrize("kind", [MaxPool2d, AvgPool2d])
ORACLES = {MaxPool2d: oracles.max_pool, AvgPool2d: oracles.average_pool}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@both
@configurations
def test_forward_equals_plain_loops(kind, configuration, dtype):
    shape, *options = configuration
    layer = kind(*options)
    x = distinct(shape, np.random.default_rng(0), dtype) - dtype(0.3)
    expected = ORACLES[kind](x, *options)
    if kind is MaxPool2d:
        bound = 0  # choosing rounds nothing
    elif dtype == np.float64:
        bound = 1e-12
    else:
        KH, KW = oracles.pair(options[0])
        bound = sum_bound(KH * KW + 1, oracles.average_pool(np.abs(x), *options), dtype)
    for training in (False, True):
        y = layer.forward(x, training=training)
        assert y.dtype == dtype
        assert_close(y, expected, bound)
    assert tuple(layer.output_shape(shape[1:])) == expected.shape[1:]


@both
@configurations
def test_gradients(kind, configuration):
    shape, *options = configuration
    x = distinct(shape, np.random.default_rng(1))
    report = check_gradients(kind(*options), x, max_elements=300)
    assert report.max_error < 1e-6, str(report)
    assert report.arguments["x"].skipped == 0, "distinct inputs have no kinks within a step"
    assert report.arguments["x"].checked == min(300, x.size)


@both
@pytest.mark.parametrize(
    "size, kernel, stride, padding, floor, ceil",
    [  # PyTorch's documented rule, worked out by hand
        (6, 3, 2, 0, 2, 3),
        (7, 3, 2, 0, 3, 3),
        (5, 2, 2, 1, 3, 3),  # a fourth window would start in the right padding
        (6, 2, 2, 1, 4, 4),
        (4, 2, 3, 1, 2, 2),
        (32, 3, 2, 0, 15, 16),
        (16, 3, 2, 0, 7, 8),
        (8, 3, 2, 0, 3, 4),
        (55, 3, 2, 0, 27, 27),
        (2, 3, 2, 0, None, 1),
    ],
)
def test_output_size(kind, size, kernel, stride, padding, floor, ceil):
    assert tuple(kind(kernel, stride, padding, ceil_mode=True).output_shape((size, size, 5))) == (ceil, ceil, 5)
    layer = kind(kernel, stride, padding)
    if floor is None:
        with one_sentence(ValueError, kind.__name__, kernel, size):
            layer.output_shape((size, size, 5))
    else:
        assert tuple(layer.output_shape((size, size, 5))) == (floor, floor, 5)


def test_max_pool_padding_never_wins_over_negative_inputs():
    x = -1 - distinct((2, 5, 6, 3), np.random.default_rng(0)) ** 2
    for ceil_mode in (False, True):
        layer = MaxPool2d(3, stride=2, padding=1, ceil_mode=ceil_mode)
        y = layer.forward(x, training=True)
        assert_close(y, oracles.max_pool(x, 3, 2, 1, ceil_mode), 0)
        assert np.all(y < 0)
        dx = layer.backward(np.ones_like(y))
        assert dx.sum() == y.size, "no gradient may vanish into the padding"


@pytest.mark.parametrize("lowest", [-np.inf, np.finfo(np.float32).min])
def test_max_pool_of_the_lowest_values(lowest):
    x = np.full((1, 4, 4, 2), lowest, np.float32)
    layer = MaxPool2d(3, stride=2, padding=1)
    y = layer.forward(x, training=True)
    assert np.all(y == lowest)
    dx = layer.backward(np.ones_like(y))
    assert dx.sum() == y.size


@both
def test_not_a_number_is_not_swallowed(kind):
    x = np.ones((1, 4, 4, 1), np.float32)
    x[0, 1, 0, 0] = np.nan
    y = kind(2).forward(x)
    assert np.isnan(y[0, 0, 0, 0])
    assert np.all(y.ravel()[1:] == 1)


@pytest.mark.parametrize(
    "kernel_size, stride, padding, ceil_mode", [(2, 2, 0, False), (3, 3, 1, False), (4, 4, 0, True)]
)
def test_a_tie_gives_the_gradient_to_exactly_one_element(kernel_size, stride, padding, ceil_mode):
    # The windows do not overlap, so each element belongs to one window at most.
    x = np.zeros((2, 8, 10, 3))
    layer = MaxPool2d(kernel_size, stride, padding, ceil_mode)
    y = layer.forward(x, training=True)
    dy = np.random.default_rng(0).uniform(1, 2, y.shape)
    dx = layer.backward(dy)
    assert np.count_nonzero(dx) == y.size
    np.testing.assert_array_equal(np.sort(dx[dx != 0]), np.sort(dy.ravel()))


def test_ties_in_overlapping_windows_keep_the_sum():
    x = np.random.default_rng(0).integers(0, 2, (3, 9, 9, 4)).astype(np.float64)
    layer = MaxPool2d(3, stride=2)
    y = layer.forward(x, training=True)
    dy = np.random.default_rng(1).normal(size=y.shape)
    dx = layer.backward(dy)
    np.testing.assert_allclose(dx.sum(axis=(1, 2)), dy.sum(axis=(1, 2)), rtol=0, atol=1e-12)


def test_a_tie_goes_to_the_same_element_every_time():
    x = np.random.default_rng(0).integers(0, 3, (2, 8, 8, 3)).astype(np.float32)
    results = []
    for _ in range(2):
        layer = MaxPool2d(3, stride=2, padding=1)
        y = layer.forward(x, training=True)
        results.append(layer.backward(np.arange(y.size, dtype=np.float32).reshape(y.shape)))
    assert np.array_equal(*results)


def test_average_pool_counts_padding_but_not_what_lies_beyond():
    x = np.ones((1, 3, 3, 1))
    # Top left window: 2x2 cells, of which three are padding. Right column: the padded input is 5 wide, windows start at
    # -1, 1, 3 and the last starts in the padding: it does not exist.
    padded = AvgPool2d(2, stride=2, padding=1, ceil_mode=True).forward(x)[0, :, :, 0]
    np.testing.assert_array_equal(padded, [[0.25, 0.5], [0.5, 1.0]])
    # Without padding, the last window has one real column left: it is divided by 1 cell a row, not by 2.
    np.testing.assert_array_equal(AvgPool2d(2, ceil_mode=True).forward(x)[0, :, :, 0], [[1, 1], [1, 1]])


@both
def test_no_parameters(kind):
    layer = kind(2)
    assert dict(layer.params) == {} and layer.num_parameters == 0


@both
@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"kernel_size": 0}, ["kernel_size", 0]),
        ({"kernel_size": (2, -1)}, ["kernel_size", -1]),
        ({"kernel_size": 2, "stride": 0}, ["stride", 0]),
        ({"kernel_size": 2, "stride": (1, -1)}, ["stride", -1]),
        ({"kernel_size": 2, "padding": -1}, ["padding", -1]),
        ({"kernel_size": 2, "padding": 2}, ["padding", 2]),  # a window of nothing but padding has no maximum
        ({"kernel_size": (4, 2), "padding": (1, 2)}, ["padding", 2]),
        ({"kernel_size": 1.5}, ["kernel_size", 1.5]),
    ],
)
def test_bad_constructor_values(kind, arguments, words):
    with one_sentence((ValueError, TypeError), kind.__name__, *words):
        kind(**arguments)


@both
def test_an_empty_output_is_refused(kind):
    with one_sentence(ValueError, kind.__name__, 3, 2):
        kind(3).forward(np.zeros((1, 2, 5, 1), np.float32))
