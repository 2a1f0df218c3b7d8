"""check_gradients: it passes what is right, catches what is wrong in the smallest way, and says where.

A check that cannot fail proves nothing, so most of this file breaks a backward on purpose.
"""

import itertools

import numpy as np
import pytest

from layers import Conv2d, Dropout, Flatten, Linear, LocalResponseNorm, MaxPool2d, ReLU, Sigmoid, Tanh
from nn import Network, SoftmaxCrossEntropy, check_gradients
from nn.inspect.gradient_check import _chosen
from nn.layer import Layer
from tests.checks import distinct, one_sentence, randomise

LIMIT = 1e-6


def linear(kind=Linear, **options):
    return randomise(kind(6, 5, rng=0, **options), np.random.default_rng(0))


def vectors(N=4, features=6):
    return distinct((N, features), np.random.default_rng(1))


class WrongSign(Linear):
    def backward(self, dy, input_gradient=True, out=None):
        dx = super().backward(dy, input_gradient, out)
        self.grads["bias"] *= -1
        return dx


class SlightlyTooLarge(Linear):
    def backward(self, dy, input_gradient=True, out=None):
        dx = super().backward(dy, input_gradient, out)
        self.grads["weight"] *= 1.001
        return dx


class BiasForgotten(Linear):
    def backward(self, dy, input_gradient=True, out=None):
        dx = super().backward(dy, input_gradient, out)
        self.grads["bias"][...] = 0
        return dx


class Transposed(Linear):
    """The input gradient of a square layer, with the weight the wrong way round."""

    def backward(self, dy, input_gradient=True, out=None):
        super().backward(dy, input_gradient, out)
        return dy @ self.params["weight"]


class Stale(Linear):
    """Keeps the gradients of its first backward for ever."""

    def backward(self, dy, input_gradient=True, out=None):
        kept = getattr(self, "kept", None)
        dx = super().backward(dy, input_gradient, out)
        if kept is None:
            self.kept = {name: grad.copy() for name, grad in self.grads.items()}
        else:
            for name, grad in kept.items():
                self.grads[name][...] = grad
        return dx


class Accumulating(Linear):
    """Adds to its gradients, as if somebody would reset them."""

    def backward(self, dy, input_gradient=True, out=None):
        before = {name: grad.copy() for name, grad in self.grads.items()}
        dx = super().backward(dy, input_gradient, out)
        for name, grad in before.items():
            self.grads[name] += grad
        return dx


class WithoutCrossTerm(LocalResponseNorm):
    """dx = dy / s^beta: the part through every neighbour's denominator is missing."""

    def forward(self, x, training=False, out=None):
        self.input = x
        return super().forward(x, training, out)

    def backward(self, dy, input_gradient=True, out=None):
        super().backward(dy, input_gradient, out)
        y = super().forward(self.input)
        return dy * y / self.input


class SquaredCrossTerm(LocalResponseNorm):
    """A mistake that has been made: dy_j * x_j^2 where dy_j * x_j * x_i belongs."""

    def forward(self, x, training=False, out=None):
        self.input = x
        return super().forward(x, training, out)

    def backward(self, dy, input_gradient=True, out=None):
        right = super().backward(dy, input_gradient, out)
        x = self.input
        direct = dy * (super().forward(x) / x)
        return direct + (right - direct) * x.mean() / x


class SplitsTies(MaxPool2d):
    """Sends half of each gradient to the element beside the winner."""

    def backward(self, dy, input_gradient=True, out=None):
        dx = super().backward(dy, input_gradient, out)
        return (dx + np.roll(dx, 1, axis=2)) / 2


class SlopeAtNegatives(ReLU):
    def backward(self, dy, input_gradient=True, out=None):
        return super().backward(dy, input_gradient, out) + 1e-3 * dy


class OneWrongElement(Linear):
    def backward(self, dy, input_gradient=True, out=None):
        dx = super().backward(dy, input_gradient, out)
        self.grads["weight"][37, 11] += 0.5
        return dx


IMAGES = distinct((2, 4, 5, 6), np.random.default_rng(2)) + 0.002


@pytest.mark.parametrize(
    "layer, x, argument",
    [
        (linear(WrongSign), vectors(), "bias"),
        (linear(SlightlyTooLarge), vectors(), "weight"),
        (linear(BiasForgotten), vectors(), "bias"),
        (randomise(Transposed(6, 6), np.random.default_rng(0)), vectors(), "x"),
        (WithoutCrossTerm(3, alpha=1.0), IMAGES, "x"),
        (WithoutCrossTerm(5, alpha=1e-2), IMAGES, "x"),
        (SquaredCrossTerm(3, alpha=1.0), IMAGES, "x"),
        (SplitsTies(2), IMAGES, "x"),
        (SlopeAtNegatives(), IMAGES, "x"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Layer) else "",
)
def test_a_broken_backward_is_caught(layer, x, argument):
    report = check_gradients(layer, x)
    assert report.arguments[argument].error > 100 * LIMIT, str(report)
    assert report.max_error == max(entry.error for entry in report.arguments.values())
    for name, entry in report.arguments.items():
        assert name == argument or entry.error < LIMIT, f"{name} is right, yet it is blamed: {report}"


@pytest.mark.parametrize("kind", [Stale, Accumulating])
def test_gradients_left_over_from_an_earlier_backward_are_caught(kind):
    layer = linear(kind).astype(np.float64)
    y = layer.forward(2 * vectors(), training=True)
    layer.backward(np.ones_like(y))
    report = check_gradients(layer, vectors())
    assert report.max_error > 100 * LIMIT, str(report)


def test_adding_to_gradients_is_caught_on_a_fresh_layer_too():
    # Its gradients start at zero, so that a single backward that adds looks like one that overwrites.
    report = check_gradients(linear(Accumulating), vectors())
    assert not report.max_error < LIMIT, str(report)


def test_one_wrong_element_of_a_large_array_is_found_when_every_element_is_checked():
    layer = randomise(OneWrongElement(60, 40), np.random.default_rng(0))
    x = distinct((3, 60), np.random.default_rng(1))
    report = check_gradients(layer, x, max_elements=60 * 40)
    worst = report.arguments["weight"]
    assert worst.checked == 2400
    assert tuple(worst.worst_index) == (37, 11)
    assert worst.analytic - worst.numeric == pytest.approx(0.5, abs=1e-6)
    assert "weight" in str(report) and "37, 11" in str(report)


def test_a_gradient_of_the_wrong_shape_or_an_infinite_one_does_not_pass():
    class Infinite(Linear):
        def backward(self, dy, input_gradient=True, out=None):
            dx = super().backward(dy, input_gradient, out)
            self.grads["bias"][0] = np.nan
            return dx

    report = check_gradients(linear(Infinite), vectors())
    assert not report.max_error < LIMIT, str(report)

    class FlatGradient(Linear):
        def backward(self, dy, input_gradient=True, out=None):
            return super().backward(dy, input_gradient, out).reshape(-1)

    with one_sentence(ValueError, "gradient", "(24,)", "(4, 6)"):
        check_gradients(linear(FlatGradient), vectors())


def test_a_right_backward_passes_and_the_report_says_what_was_checked():
    report = check_gradients(linear(), vectors(), max_elements=7)
    assert report.max_error < LIMIT
    assert set(report.arguments) == {"x", "weight", "bias"}
    assert {name: entry.checked for name, entry in report.arguments.items()} == {"x": 7, "weight": 7, "bias": 5}
    assert all(entry.skipped == 0 for entry in report.arguments.values())
    for name in report.arguments:
        assert name in str(report)


def test_the_elements_are_drawn_from_the_seed():
    first, again = (check_gradients(linear(), vectors(8), max_elements=5, seed=3) for _ in range(2))
    assert str(first) == str(again)


def test_kinks_are_skipped_and_counted():
    x = vectors()
    x.ravel()[[3, 8, 20]] = 0.0, 1e-9, -1e-9  # a step of 1e-6 crosses the kink of ReLU
    report = check_gradients(ReLU(), x)
    assert report.arguments["x"].skipped == 3
    assert report.arguments["x"].checked == x.size - 3
    assert report.max_error < LIMIT, str(report)


def test_ties_in_max_pooling_are_skipped_and_counted():
    x = distinct((1, 4, 6, 1), np.random.default_rng(0))
    x[0, 0, 0, 0] = x[0, 0, 1, 0] = x.max() + 1  # two equal winners of the first window
    report = check_gradients(MaxPool2d(2), x)
    assert report.arguments["x"].skipped == 2
    assert report.max_error < LIMIT, str(report)


def test_a_smooth_but_wrong_gradient_is_not_mistaken_for_a_kink():
    report = check_gradients(randomise(WrongSign(6, 5), np.random.default_rng(0)), vectors())
    assert report.arguments["bias"].skipped == 0
    assert report.arguments["bias"].checked == 5


def test_nothing_left_to_check_is_not_a_success():
    x = np.zeros((2, 3))
    try:
        report = check_gradients(ReLU(), x)
    except ValueError as error:
        assert "kink" in str(error)
    else:
        assert report.arguments["x"].checked == 0 and report.arguments["x"].skipped == 6
        assert not report.max_error < LIMIT, "a check of nothing must not look like a pass"


def test_dropout_is_rewound_and_the_caller_s_generator_does_not_move():
    layer, twin = Dropout(0.5, rng=4), Dropout(0.5, rng=4)
    x = vectors(5, 20)
    assert check_gradients(layer, x).max_error < LIMIT
    assert np.array_equal(layer.forward(x, training=True), twin.forward(x, training=True))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_caller_s_layer_and_input_stay_as_they_were(dtype):
    layer = linear().astype(dtype)
    x = vectors().astype(dtype)
    y = layer.forward(x, training=True)
    dy = np.ones_like(y)
    params = {name: (array, array.tobytes()) for name, array in layer.params.items()}
    grads = {name: (array, array.tobytes()) for name, array in layer.grads.items()}
    before = x.tobytes()
    assert check_gradients(layer, x).max_error < LIMIT
    for arrays, kept in ((layer.params, params), (layer.grads, grads)):
        for name, (array, content) in kept.items():
            assert arrays[name] is array and array.tobytes() == content and array.dtype == dtype
    assert x.tobytes() == before
    assert layer.backward(dy).dtype == dtype  # the pending backward is still there


def network():
    layers = [
        ("conv", Conv2d(2, 3, 3, padding=1, rng=0)),
        ("norm", LocalResponseNorm(3, alpha=1.0)),
        ("squash", Sigmoid()),
        ("pool", MaxPool2d(3, stride=2)),
        ("flatten", Flatten()),
        ("drop", Dropout(0.4, rng=1)),
        ("out", Linear(2 * 3 * 3, 4, rng=2)),
    ]
    return randomise(Network(layers), np.random.default_rng(0))


@pytest.mark.parametrize("with_loss", [False, True])
def test_a_whole_network(with_loss):
    x = distinct((3, 5, 7, 2), np.random.default_rng(3))
    options = {"labels": np.array([0, 3, 1]), "loss": SoftmaxCrossEntropy()} if with_loss else {}
    report = check_gradients(network(), x, **options)
    assert set(report.arguments) == {"x", "conv.weight", "conv.bias", "out.weight", "out.bias"}
    assert report.max_error < LIMIT, str(report)
    assert all(entry.checked > 0 for entry in report.arguments.values())


def test_a_broken_layer_inside_a_network_is_named():
    broken = Network([("first", linear()), ("squash", Sigmoid()), ("second", WrongSign(5, 3, rng=1))])
    report = check_gradients(randomise(broken, np.random.default_rng(0)), vectors(), labels=np.array([0, 1, 2, 0]))
    assert report.arguments["second.bias"].error > 0.1
    assert max(entry.error for name, entry in report.arguments.items() if name != "second.bias") < LIMIT


def test_bad_input():
    with one_sentence(ValueError, "Linear", 6, 7):
        check_gradients(linear(), np.zeros((2, 7)))
    with one_sentence(ValueError, "max_elements", 0):
        check_gradients(linear(), vectors(), max_elements=0)
    with one_sentence(ValueError, "step", 0):
        check_gradients(linear(), vectors(), step=0.0)


class Standardise(Layer):
    """y = (x - mean) / standard deviation, over the batch: whatever is added to x before makes no difference."""

    def forward(self, x, training=False, out=None):
        x = self._check_input(x, ("N", "features"))
        self._saved = (x - x.mean(axis=0)) / x.std(axis=0), x.std(axis=0)
        return self._saved[0].copy()

    def backward(self, dy, input_gradient=True, out=None):
        y, deviation = self._take_saved()
        return (dy - dy.mean(axis=0) - y * (dy * y).mean(axis=0)) / deviation


@pytest.mark.parametrize("scale", [1.0, 1e3])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_gradient_that_is_zero(seed, scale):
    """The bias before a normalisation changes nothing. x is drawn as the checker might draw its weights."""
    x = scale * np.random.default_rng(seed).standard_normal((20, 4))
    network = Network([("linear", Linear(4, 3, rng=1)), ("standardise", Standardise())])
    report = check_gradients(network, x, seed=seed)
    assert report.max_error < 1e-6, str(report)
    assert check_gradients(Standardise(), x[:, :3], seed=seed).max_error < 1e-6


def test_a_wrong_gradient_where_it_is_zero():
    class Wrong(Standardise):
        def backward(self, dy, input_gradient=True, out=None):
            return super().backward(dy) + 1e-5

    network = Network([("linear", Linear(4, 3, rng=1)), ("standardise", Wrong())])
    report = check_gradients(network, np.random.default_rng(0).standard_normal((20, 4)))
    assert report.arguments["linear.bias"].error > 0.9


@pytest.mark.parametrize("bias, mean", [(50, 0), (50, 1), (1, 128), (1000, 0), (1000, 128)])
@pytest.mark.parametrize("with_loss", [False, True])
def test_a_gradient_that_is_zero_where_large_numbers_cancel(bias, mean, with_loss):
    """Pictures from 0 to 255 and large biases: what the normalisation takes away is rounded more coarsely than what it
    leaves, so that the outputs alone do not show how finely f is known."""
    rng = np.random.default_rng(5)
    conv = Conv2d(2, 3, 3, rng=0)
    conv.params["bias"][...] = bias
    layers = [("conv", conv), ("flatten", Flatten()), ("norm", Standardise()), ("out", Linear(12, 4, rng=1))]
    options = {"labels": rng.integers(0, 4, 10), "loss": SoftmaxCrossEntropy()} if with_loss else {}
    report = check_gradients(Network(layers), rng.normal(mean, 1, (10, 4, 4, 2)), **options)
    assert report.max_error < LIMIT, str(report)
    assert all(entry.skipped == 0 for entry in report.arguments.values()), "there is no kink"


@pytest.mark.parametrize("bias, mean", [(0, 0), (50, 0), (1, 128)])
def test_a_wrong_gradient_is_found_where_large_numbers_cancel(bias, mean):
    class Wrong(Conv2d):
        def backward(self, dy, input_gradient=True, out=None):
            dx = super().backward(dy, input_gradient, out)
            self.grads["weight"][1, 1, 0, 2] *= 1.001
            return dx

    conv = Wrong(2, 3, 3, rng=0)
    conv.params["bias"][...] = bias
    layers = [("conv", conv), ("flatten", Flatten()), ("norm", Standardise()), ("out", Linear(12, 4, rng=1))]
    report = check_gradients(Network(layers), np.random.default_rng(5).normal(mean, 1, (10, 4, 4, 2)))
    assert report.worst == "conv.weight" and report.max_error > 10 * LIMIT, str(report)
    assert report.arguments["conv.weight"].worst_index == (1, 1, 0, 2)


class Residual(Layer):
    """y = x + tanh(x W + b), made of other layers, in an attribute that is called as a network's: `layers`."""

    def __init__(self, features):
        super().__init__()
        self.layers = [Linear(features, features, rng=0), Tanh()]
        self._share()

    def _share(self):
        self.params = {f"inner.{name}": array for name, array in self.layers[0].params.items()}
        self.grads = {f"inner.{name}": array for name, array in self.layers[0].grads.items()}
        return self

    def astype(self, dtype):
        self.layers[0].astype(dtype)
        return self._share()

    def forward(self, x, training=False, out=None):
        return x + self.layers[1].forward(self.layers[0].forward(x, training), training)

    def backward(self, dy, input_gradient=True, out=None):
        return dy + self.layers[0].backward(self.layers[1].backward(dy))


def test_a_layer_of_layers():
    alone = check_gradients(Residual(6), vectors())
    assert set(alone.arguments) == {"x", "inner.weight", "inner.bias"} and alone.max_error < LIMIT
    report = check_gradients(Network([("block", Residual(6)), ("squash", Sigmoid())]), vectors())
    assert set(report.arguments) == {"x", "block.inner.weight", "block.inner.bias"} and report.max_error < LIMIT


def wrong_at(index, argument, shape=(3, 30, 20, 4)):
    """A layer whose backward pass is wrong in one element."""

    class Wrong(Layer):
        def __init__(self):
            super().__init__()
            self._add_param("weight", np.ones(shape[1:], np.float32))

        def forward(self, x, training=False, out=None):
            self._saved = x
            return x * self.params["weight"]

        def backward(self, dy, input_gradient=True, out=None):
            x = self._take_saved()
            self.grads["weight"][...] = (dy * x).sum(axis=0)
            dx = dy * self.params["weight"]
            (dx if argument == "x" else self.grads["weight"])[index] += 1.0
            return dx

    return check_gradients(Wrong(), np.random.default_rng(3).standard_normal(shape), seed=4)


@pytest.mark.parametrize("index", list(itertools.product((0, -1), (0, -1), (0, -1), (0, -1))))
def test_a_mistake_in_one_corner_is_noticed(index):
    assert wrong_at(index, "x").arguments["x"].error > 0.1
    assert wrong_at(index[1:], "weight").arguments["weight"].error > 0.1


@pytest.mark.parametrize("axis", range(4))
@pytest.mark.parametrize("end", [0, -1])
def test_a_mistake_on_one_face_is_noticed(axis, end):
    index = [slice(None)] * 4
    index[axis] = end
    assert wrong_at(tuple(index), "x").arguments["x"].error > 0.1


def test_the_report_says_how_many_of_how_many_were_looked_at():
    report = wrong_at((0, 0, 0, 0), "x")
    assert report.arguments["x"].checked == 200 and report.arguments["x"].elements == 7200
    assert "200 of 7200" in str(report) and "200 of 2400" in str(report)


def test_all_elements_are_looked_at_where_there_are_few():
    report = check_gradients(Linear(10, 20, rng=0), np.random.default_rng(0).standard_normal((20, 10)))
    assert all(check.checked == check.elements for check in report.arguments.values())


@pytest.mark.parametrize("most", [5, 20, 25])
def test_few_elements_are_corners_first_and_then_any(most):
    """In ten draws the corners are looked at as far as they go, and what is left does not go to the faces alone."""
    shape, inside, corners = (5, 6, 7, 8), 0, set(itertools.product((0, 4), (0, 5), (0, 6), (0, 7)))
    first = set()
    for seed in range(10):
        chosen = _chosen(shape, np.arange(5 * 6 * 7 * 8), most, np.random.default_rng(seed))
        places = list(zip(*(axis.tolist() for axis in np.unravel_index(chosen, shape)), strict=True))
        assert len(places) == len(set(places)) == most and len(corners & set(places)) >= min(most, 16)
        inside += sum(all(0 < i < length - 1 for i, length in zip(place, shape, strict=True)) for place in places)
        first |= corners & set(places)
    assert len(first) == 16 or most < 16 and len(first) > most, "not always the same corners"
    # 360 of the 1,680 elements lie inside: of 4 (or 9) others in each of ten draws, 8.6 (19) are expected there.
    assert inside >= {5: 0, 20: 2, 25: 6}[most]
