"""Occlusion and saliency, compared with their definitions in plain loops and with measured slopes."""

import numpy as np
import pytest

from layers import Conv2d, Flatten, Linear, ReLU, Tanh
from nn import Network
from nn.inspect.saliency_maps import occlusion, saliency
from tests.checks import one_sentence, randomise


def small(seed=0, activation=Tanh):
    layers = [
        ("conv1", Conv2d(2, 3, 3)),
        ("act1", activation()),
        ("flatten", Flatten()),
        ("fc2", Linear(4 * 5 * 3, 4)),
    ]
    return randomise(Network(layers, image_shape=(6, 7, 2)).astype(np.float64), np.random.default_rng(seed))


@pytest.fixture
def x():
    return np.random.default_rng(1).normal(size=(6, 7, 2))


def test_saliency_is_the_steepest_slope_of_the_score(x):
    network, label, step = small(), 2, 1e-5
    slopes = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[place] += step
        down[place] -= step
        scores = network.forward(np.stack([up, down]))[:, label]
        slopes[place] = (scores[0] - scores[1]) / (2 * step)
    np.testing.assert_allclose(saliency(network, x, label), np.abs(slopes).max(axis=-1), rtol=0, atol=1e-8)


@pytest.mark.parametrize(("patch", "stride"), [(2, 1), (3, 2), (1, 1), (6, 4), (None, None)])
def test_occlusion_is_the_mean_fall_over_the_places_that_cover_a_pixel(x, patch, stride):
    network, label = small(), 1
    side = 1 if patch is None else patch  # a quarter of six pixels
    step = 1 if stride is None else stride
    before = network.predict(x[None])[0, label]
    falls = [[[] for _ in range(7)] for _ in range(6)]
    for top in range(step - side, 6, step):
        for left in range(step - side, 7, step):
            covered = x.copy()
            pixels = [(i, j) for i in range(6) for j in range(7) if top <= i < top + side and left <= j < left + side]
            for i, j in pixels:
                covered[i, j] = 0.3
            fall = before - network.predict(covered[None])[0, label]
            for i, j in pixels:
                falls[i][j].append(fall)
    expected = np.array([[np.mean(cell) for cell in row] for row in falls])
    np.testing.assert_allclose(occlusion(network, x, label, patch, stride, grey=0.3), expected, rtol=0, atol=1e-12)


def test_a_network_that_reads_one_corner_shows_it():
    network = Network([("flatten", Flatten()), ("fc1", Linear(8 * 8, 2))], image_shape=(8, 8, 1))
    network.params["fc1.weight"][...] = 0
    network.params["fc1.weight"].reshape(8, 8, 2)[:2, :2, 1] = 5
    x = np.ones((8, 8, 1), np.float32)
    covered = occlusion(network, x, 1, patch=2, stride=1)
    assert np.unravel_index(covered.argmax(), covered.shape) == (0, 0)
    assert covered[4:, 4:].max() == 0
    assert (saliency(network, x, 1) > 0).sum() == 4


def test_nothing_is_changed(x):
    network = small(activation=ReLU)
    before = {name: array.copy() for name, array in (network.params | network.grads).items()}
    kept = x.copy()
    occlusion(network, x, 0)
    saliency(network, x, 0)
    np.testing.assert_array_equal(x, kept)
    for name, array in (network.params | network.grads).items():
        np.testing.assert_array_equal(array, before[name])


def test_bad_arguments(x):
    network = small()
    for function in (occlusion, saliency):
        with one_sentence(ValueError, "label", 4, 3):
            function(network, x, 4)
        with one_sentence(ValueError, "(H, W, C)"):
            function(network, x[None], 0)
    with one_sentence(ValueError, "patch=7", "stride=1"):
        occlusion(network, x, 0, patch=7, stride=1)
    with one_sentence(ValueError, "stride=0"):
        occlusion(network, x, 0, patch=2, stride=0)
    with one_sentence(ValueError, "stride=3"):
        occlusion(network, x, 0, patch=2, stride=3)
