"""The sums that are shown are the network's own numbers: for every kind of layer, and for every model."""

import numpy as np
import pytest

import models
from examples.explain.explanation import TOLERANCE, in_lines, in_one_line
from examples.explain.terms import KINDS, backward_terms, formulas, forward_terms
from layers import (
    ELU,
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    Dropout,
    EuclideanRBF,
    Flatten,
    Linear,
    LocalResponseNorm,
    MaxPool2d,
    ReLU,
    ScaledTanh,
    Sigmoid,
    Subsampling2d,
    Tanh,
)
from nn import Layer
from tests.checks import one_sentence, randomise

TABLE = ((0, 1), (1, 2, 3), (3,), (), (0, 2))
IMAGES, VECTORS = [(6, 7, 4), (5, 5, 4), (9, 4, 4)], [(10,), (1,), (23,)]


def rbf(shape):
    return EuclideanRBF(np.random.default_rng(0).choice([-1, 1], (5, shape[0])))


def frozen(layer):
    """Batch normalisation by running averages such as training leaves behind."""
    rng = np.random.default_rng(1)
    layer.state["running_mean"][...] = rng.normal(size=layer.channels)
    layer.state["running_variance"][...] = rng.uniform(0.5, 2, layer.channels)
    layer.without_noise()
    return layer


# how to make the layer from the shape of its input, and such shapes
LAYERS = {
    "Conv2d": (lambda shape: Conv2d(4, 6, 3, rng=0), IMAGES),
    "Conv2d stride, padding": (lambda shape: Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 2), rng=0), IMAGES),
    "Conv2d groups": (lambda shape: Conv2d(4, 6, 3, stride=2, padding=1, groups=2, rng=0), IMAGES),
    "Conv2d 5x5": (lambda shape: Conv2d(4, 16, 5, padding=2, rng=0), IMAGES),
    "Conv2d connections": (lambda shape: Conv2d(4, 5, 3, padding=1, connections=TABLE, rng=0), IMAGES),
    "Conv2d gaps": (lambda shape: Conv2d(4, 3, 1, stride=3, rng=0), IMAGES),
    "MaxPool2d": (lambda shape: MaxPool2d(3, stride=2), IMAGES),
    "MaxPool2d padding": (lambda shape: MaxPool2d(3, stride=2, padding=1, ceil_mode=True), IMAGES),
    "MaxPool2d gaps": (lambda shape: MaxPool2d(2, stride=3), IMAGES),
    "AvgPool2d": (lambda shape: AvgPool2d(2), IMAGES),
    "AvgPool2d padding": (lambda shape: AvgPool2d(3, stride=2, padding=1, ceil_mode=True), IMAGES),
    "Subsampling2d": (lambda shape: Subsampling2d(4, (2, 3), rng=0), IMAGES),
    "LocalResponseNorm across": (lambda shape: LocalResponseNorm(3, alpha=0.7), IMAGES),
    "LocalResponseNorm paper": (lambda shape: LocalResponseNorm(), IMAGES),
    "LocalResponseNorm within": (lambda shape: LocalResponseNorm(3, alpha=0.7, beta=0.6, region="within"), IMAGES),
    "BatchNorm2d": (lambda shape: BatchNorm2d(4), IMAGES),
    "BatchNorm2d frozen": (lambda shape: frozen(BatchNorm2d(4, epsilon=0.1)), IMAGES),
    "Conv2d depthwise": (lambda shape: Conv2d(4, 8, 3, padding=1, groups=4, bias=False, rng=0), IMAGES),
    "ReLU": (lambda shape: ReLU(), IMAGES + VECTORS),
    "ELU": (lambda shape: ELU(), IMAGES + VECTORS),
    "ELU alpha": (lambda shape: ELU(0.3), IMAGES + VECTORS),
    "Sigmoid": (lambda shape: Sigmoid(), IMAGES + VECTORS),
    "Tanh": (lambda shape: Tanh(), IMAGES + VECTORS),
    "ScaledTanh": (lambda shape: ScaledTanh(), IMAGES + VECTORS),
    "Dropout": (lambda shape: Dropout(0.4, rng=0), IMAGES + VECTORS),
    "Flatten": (lambda shape: Flatten(), IMAGES + VECTORS),
    "Linear": (lambda shape: Linear(shape[0], 6, rng=0), VECTORS),
    "EuclideanRBF": (rbf, VECTORS),
}


def all_places(shape):
    return list(np.ndindex(*shape))


def assert_same(explanation, value, what):
    assert abs(explanation.value - value) <= TOLERANCE * max(explanation.scale, 1e-300), what
    if explanation.how == "sum":
        total = sum(term.value for term in explanation.terms)
        assert abs(total - explanation.total) <= TOLERANCE * explanation.scale, what


def compare(layer, x, dy, places):
    """These places of the layer's own results, against the sums; returns dx."""
    y = layer.forward(x[None], training=True)[0]
    dx = layer.backward(dy[None])[0]
    for at in places(y.shape):
        assert_same(forward_terms(layer, x, at, training=True), y[at], (layer.label, "y", at))
    for at in places(x.shape):
        assert_same(backward_terms(layer, x, dy, at, training=True), dx[at], (layer.label, "dx", at))
    return dx


def test_every_kind_of_layer_is_here():
    assert {type(make(shapes[0])) for make, shapes in LAYERS.values()} == set(KINDS)


@pytest.mark.parametrize("name", LAYERS)
def test_the_terms_of_every_place_add_up_to_what_the_layer_computes(name):
    make, shapes = LAYERS[name]
    for seed, shape in enumerate(shapes):
        rng = np.random.default_rng(seed)
        layer = make(shape).astype(np.float64)
        randomise(layer, rng)
        if getattr(layer, "connected", None) is not None:
            layer.params["weight"] *= layer.connected
        x = rng.normal(0, 2, shape)
        dy = rng.normal(0, 1, layer.output_shape(shape))
        compare(layer, x, dy, all_places)


def test_the_first_of_equal_elements_wins():
    layer, x = MaxPool2d(3, stride=2), np.ones((5, 5, 2))
    dy = np.random.default_rng(0).normal(size=(2, 2, 2))
    compare(layer, x, dy, all_places)
    assert forward_terms(layer, x, (1, 1, 0)).terms[0].text == "x[2,2,0] (the winner)"


def test_dropout_outside_training_lets_everything_through():
    layer, x = Dropout(0.5, rng=0), np.arange(1.0, 9.0)
    layer.forward(x[None], training=True)
    for at in all_places(x.shape):
        assert forward_terms(layer, x, at).value == x[at]
        assert backward_terms(layer, x, x, at).value == x[at]


def test_batch_normalisation_outside_training_reads_the_running_averages():
    layer = randomise(BatchNorm2d(4), np.random.default_rng(0)).astype(np.float64)
    layer.state["running_mean"][...], layer.state["running_variance"][...] = 0.5, 2.0
    x = np.random.default_rng(1).normal(size=(3, 3, 4))
    y = layer.forward(x[None])[0]
    for at in all_places(x.shape):
        assert_same(forward_terms(layer, x, at), y[at], at)
        slope = layer.params["weight"][at[2]] / np.sqrt(2 + layer.epsilon)
        assert backward_terms(layer, x, x, at).value == pytest.approx(x[at] * slope, rel=1e-12)
    assert "running" in formulas(layer)[0] and "0.0001" not in formulas(layer)[0]


def test_far_out_nothing_overflows():
    for layer in (ELU(), Sigmoid(), Tanh(), ScaledTanh()):
        x = np.array([-800.0, -30.0, 0.0, 30.0, 800.0])
        compare(layer, x, np.ones(5), all_places)


SMALL = {
    "lenet": lambda: models.lenet(rng=1),
    "lenet5_1998": lambda: models.lenet5_1998(rng=1),
    "alexnet_small": lambda: models.alexnet_small(4, (28, 28, 3), width=0.02, rng=1),
    "alexnet_cifar10 18pct": lambda: models.alexnet_cifar10("18pct", 3, (12, 12, 3), rng=1),
    "alexnet_cifar10 80sec": lambda: models.alexnet_cifar10("80sec", 3, (12, 12, 3), rng=1),
}
LARGE = {
    "alexnet": lambda: models.alexnet(20, rng=1),
    "alexnet_caffe": lambda: models.alexnet_caffe(20, rng=1),
    "alexnet_torchvision": lambda: models.alexnet_torchvision(20, rng=1),
}


def walk(layers, image_shape, places):
    """Layers one behind the other, forward and back, each compared with its sums at these places."""
    rng = np.random.default_rng(2)
    x = rng.normal(0, 1, image_shape)
    inputs = []
    for layer in layers:
        inputs.append(x)
        x = layer.forward(x[None])[0]
    dy = rng.normal(size=x.shape)
    for layer, x in zip(reversed(layers), reversed(inputs)):
        dy = compare(layer, x, dy, places)


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_all_layers_of_the_small_models(name):
    def places(shape):
        found = all_places(shape)
        return found[:: max(1, len(found) // 100)] + found[-1:]

    network = SMALL[name]().astype(np.float64)
    walk(list(network.layers.values()), network.image_shape, places)


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_a_few_places_of_all_layers_of_the_large_models(name):
    def places(shape):
        rng = np.random.default_rng(3)
        corners = [tuple(0 for _ in shape), tuple(length - 1 for length in shape)]
        return corners + [tuple(int(rng.integers(length)) for length in shape) for _ in range(2)]

    network = LARGE[name]()
    layers = list(network.layers.values())
    if name != "alexnet":  # the fully connected layers take most of the time, and are alexnet's in all three
        layers = layers[: next(n for n, layer in enumerate(layers) if isinstance(layer, Linear))]
    for layer in layers:  # one after the other: all at once would take a gigabyte
        layer.astype(np.float64)
        layer.grads = {key: np.empty_like(grad) for key, grad in layer.grads.items()}
    walk(layers, network.image_shape, places)


def test_the_texts_hold_places_and_numbers():
    layer = Conv2d(1, 2, 2, rng=0).astype(np.float64)
    layer.params["weight"][...] = np.arange(8.0).reshape(2, 2, 1, 2)
    layer.params["bias"][...] = 0.5
    x = np.arange(9.0).reshape(3, 3, 1)
    explanation = forward_terms(layer, x, (1, 0, 1))
    assert [term.text for term in explanation.terms] == [
        "b[1]",
        "x[1,0,0]=3 * w[0,0,0,1]=1",
        "x[1,1,0]=4 * w[0,1,0,1]=3",
        "x[2,0,0]=6 * w[1,0,0,1]=5",
        "x[2,1,0]=7 * w[1,1,0,1]=7",
    ]
    assert explanation.value == 0.5 + 3 + 12 + 30 + 49
    lines = in_lines(explanation, "y[1,0,1]", 94.5, shown=2)
    assert [line.split("=")[0].split()[-1] for line in lines[:2]] == ["x[2,1,0]", "x[2,0,0]"]
    assert "3 smaller, together 15.5 " in lines[2] and len(lines) == 5
    assert lines[-2].endswith("94.5000000000") and lines[-1] == "  the network's y[1,0,1]: 94.5000000000"
    assert in_lines(explanation, "y", 94.5, shown=4) == in_lines(explanation, "y", 94.5, shown=None)
    assert in_one_line(explanation, "y[1,0,1]", shown=2) == (
        "y[1,0,1] = (x[2,1,0]=7 * w[1,1,0,1]=7) + (x[2,0,0]=6 * w[1,0,0,1]=5) + (3 smaller, together 15.5) = 94.5"
    )


def test_the_formula_with_its_numbers_in_one_line():
    x = np.arange(4.0).reshape(2, 2, 1)
    pooled = in_one_line(forward_terms(MaxPool2d(2), x, (0, 0, 0)), "y")
    assert pooled == "y = the largest of x[0,0,0]=0, x[0,1,0]=1, x[1,0,0]=2, x[1,1,0]=3 (the winner) = 3"
    mean = in_one_line(forward_terms(AvgPool2d(2), x, (0, 0, 0)), "y")
    assert mean == "the sum = x[0,0,0]=0 + x[0,1,0]=1 + x[1,0,0]=2 + x[1,1,0]=3 = 6;  y = the sum / 4 = 1.5"
    assert in_one_line(forward_terms(Sigmoid(), x, (0, 0, 0)), "y") == "y = 1 / (1 + exp(-(0))) = 0.5"
    outside = backward_terms(MaxPool2d(1, stride=2), x, x[:1, :1], (1, 1, 0))
    assert in_one_line(outside, "dx") == "dx = the sum of no terms = 0"


def test_a_value_that_differs_is_shown_in_full():
    layer, x = ReLU(), np.array([1.0, -1.0])
    lines = in_lines(forward_terms(layer, x, (0,)), "y[0]", 1.000001, shown=None)
    assert lines[-1].endswith("1.000001") and lines[-2].endswith("= 1.0")


def test_every_kind_has_formulas():
    for make, shapes in LAYERS.values():
        forward, backward = formulas(make(shapes[0]))
        assert forward.startswith("y") and backward.startswith("dx")
    assert "3x3 pixels" in formulas(LocalResponseNorm(3, region="within"))[0]


def test_places_that_are_none():
    layer, x = Conv2d(1, 2, 3, rng=0), np.zeros((5, 5, 1), np.float32)
    with one_sentence(ValueError, "3x3x2", "0,0,0", "2,2,1"):
        forward_terms(layer, x, (3, 0, 0))
    with one_sentence(ValueError, "3x3x2", "row,column,channel"):
        forward_terms(layer, x, (3,))
    with one_sentence(ValueError, "input", "5x5x1"):
        backward_terms(layer, x, np.zeros((3, 3, 2)), (0, 0, -1))
    with one_sentence(TypeError, "Mine"):
        Mine = type("Mine", (Layer,), {})
        forward_terms(Mine(), x, (0, 0, 0))
