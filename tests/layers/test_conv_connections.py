"""Conv2d with a table of connections: each output map sees only some of the input maps, as in LeNet-5's C3."""

import numpy as np
import pytest

from layers import Conv2d
from nn import check_gradients
from tests import oracles
from tests.checks import assert_close, one_sentence, randomise

# The paper's table: three, four, or all six of S2's maps for each of the 16 maps of C3.
C3 = ["012", "123", "234", "345", "045", "015", "0123", "1234", "2345", "0345", "0145", "0125", "0134", "1245"]
C3 = [tuple(int(digit) for digit in digits) for digits in [*C3, "0235", "012345"]]
SMALL = [(0,), (0, 1, 2), (2,), (1, 2)]


def build(table, in_channels=3, **options):
    rng = np.random.default_rng(0)
    return Conv2d(in_channels, len(table), 3, connections=table, rng=rng, **options)


def test_lenet5_counts():
    c3 = Conv2d(6, 16, 5, connections=C3, rng=0)
    assert c3.num_parameters == 1_516
    assert c3.multiply_adds((14, 14, 6)) == 100 * (1_516 - 16)  # the paper's 151,600 connections, less 16 biases each
    assert tuple(c3.output_shape((14, 14, 6))) == (10, 10, 16)


def test_maps_with_fewer_inputs_start_with_larger_weights():
    layer = Conv2d(3, 900, (5, 3), connections=[(0,)] * 300 + [(0, 1)] * 300 + [(0, 1, 2)] * 300, rng=0)
    assert layer.num_parameters == 5 * 3 * (1 + 2 + 3) * 300 + 900
    for inputs in (1, 2, 3):
        weight = layer.params["weight"][:, :, :inputs, 300 * (inputs - 1) : 300 * inputs]
        assert weight.std() == pytest.approx(np.sqrt(2 / (5 * 3 * inputs)), rel=0.03)


def test_forward_equals_a_convolution_of_the_connected_maps_alone():
    layer = build(SMALL, padding=1).astype(np.float64)
    x = np.random.default_rng(1).normal(size=(2, 5, 6, 3))
    y = layer.forward(x)
    for output, inputs in enumerate(SMALL):
        weight = layer.params["weight"][:, :, list(inputs), output : output + 1]
        expected = oracles.conv2d(x[..., list(inputs)], weight, layer.params["bias"][output : output + 1], 1, 1)
        assert_close(y[..., output : output + 1], expected, 1e-12)


def test_gradients_of_the_weights_that_exist():
    layer = build(SMALL, stride=2)
    report = check_gradients(layer, np.random.default_rng(1).normal(size=(2, 6, 5, 3)))
    assert report.max_error < 1e-6, str(report)
    assert report.arguments["weight"].checked == 9 * sum(len(inputs) for inputs in SMALL)


def test_absent_weights_stay_zero():
    layer = build(SMALL)
    x = np.random.default_rng(1).normal(size=(2, 6, 5, 3)).astype(np.float32)
    absent = np.ones((3, 4), bool)
    for output, inputs in enumerate(SMALL):
        absent[list(inputs), output] = False
    assert not layer.params["weight"][:, :, absent].any()
    y = layer.forward(x, training=True)
    layer.backward(np.ones_like(y))
    assert not layer.grads["weight"][:, :, absent].any(), "a step of SGD would bring them to life"
    assert layer.grads["weight"][:, :, ~absent].all()


def test_a_full_table_is_an_ordinary_convolution():
    table = [range(3)] * 4
    full, plain = build(table).astype(np.float64), Conv2d(3, 4, 3).astype(np.float64)
    randomise(full, np.random.default_rng(2))
    for name, array in full.params.items():
        plain.params[name][...] = array
    x = np.random.default_rng(1).normal(size=(2, 6, 5, 3))
    assert_close(full.forward(x), plain.forward(x), 1e-12)
    assert full.num_parameters == plain.num_parameters


@pytest.mark.parametrize(
    "table, options, words",
    [
        ([(0,), (3,)], {}, ["connections", 3]),
        ([(0,), (-1,)], {}, ["connections", -1]),
        ([(0,), (1,)], {"groups": 2, "in_channels": 2}, ["connections", "groups", 2]),
    ],
)
def test_bad_tables(table, options, words):
    with one_sentence(ValueError, "Conv2d", *words):
        build(table, **options)


def test_a_table_of_the_wrong_length():
    with one_sentence(ValueError, "Conv2d", "connections", 2, 4):
        Conv2d(3, 4, 3, connections=[(0,), (1,)])
