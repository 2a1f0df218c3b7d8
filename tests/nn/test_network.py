"""Network: names and order, what it hands out, several threads at once, and backward by hand."""

import re
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import nn.training
from layers import (
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
    Sigmoid,
    Tanh,
)
from nn import SGD, Network, SoftmaxCrossEntropy
from tests import oracles
from tests.checks import distinct, one_sentence, randomise
from tests.reliability import resident

SHAPE = (9, 8, 2)


def layers():
    """One of every kind that has a kernel or a mood of its own. 9x8x2 -> 9x8x4 -> 4x4x4 -> 2x2x6 -> 24 -> 5."""
    return [
        ("conv1", Conv2d(2, 4, 3, padding=1, rng=0)),
        ("relu1", ReLU()),
        ("norm1", LocalResponseNorm(3, alpha=1.0)),
        ("pool1", MaxPool2d(3, stride=2, padding=(0, 1))),
        ("conv2", Conv2d(4, 6, 3, padding=1, groups=2, rng=1)),
        ("squash2", Sigmoid()),
        ("norm2", LocalResponseNorm(3, alpha=1.0, region="within")),
        ("pool2", AvgPool2d(2)),
        ("flatten", Flatten()),
        ("fc3", Linear(24, 7, rng=2)),
        ("tanh3", Tanh()),
        ("drop3", Dropout(0.5, rng=3)),
        ("fc4", Linear(7, 5, rng=4)),
    ]


def build(dtype=np.float32):
    return randomise(Network(layers()).astype(dtype), np.random.default_rng(1))


def images(N=3, dtype=np.float32, seed=0):
    return distinct((N, *SHAPE), np.random.default_rng(seed), dtype)


def by_hand(network, x, training):
    for layer in network.layers.values():
        x = layer.forward(x, training=training)
    return x


def test_names_and_order():
    network = build()
    assert list(network.layers) == [name for name, _ in layers()]
    names = [f"{layer}.{kind}" for layer in ("conv1", "conv2", "fc3", "fc4") for kind in ("weight", "bias")]
    assert list(network.params) == list(network.grads) == names
    assert network.num_parameters == (9 * 2 * 4 + 4) + (9 * 2 * 6 + 6) + (24 * 7 + 7) + (7 * 5 + 5)
    for name, layer in network.layers.items():
        assert layer.name == name
        for kind, array in layer.params.items():
            assert network.params[f"{name}.{kind}"] is array, "the arrays must be the live ones"


def test_writing_into_params_takes_effect():
    network, x = build(), images()
    network.params["fc4.weight"][...] = 0
    network.params["fc4.bias"][...] = [1, 2, 3, 4, 5]
    np.testing.assert_array_equal(network.forward(x), np.tile(np.arange(1, 6), (3, 1)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_forward_equals_its_layers_one_by_one(dtype):
    network, x = build(dtype), images(dtype=dtype)
    y = network.forward(x)
    assert y.dtype == dtype
    assert np.array_equal(y, by_hand(build(dtype), x, training=False))
    trained = network.forward(x, training=True)
    assert trained.dtype == dtype
    assert np.array_equal(trained, by_hand(build(dtype), x, training=True))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("input_gradient", [False, True])
def test_backward_equals_its_layers_one_by_one(input_gradient, dtype):
    network, hand, x = build(dtype), build(dtype), images(dtype=dtype)
    dy = np.random.default_rng(2).normal(size=(3, 5)).astype(dtype)
    before = x.tobytes(), dy.tobytes()
    for _ in range(2):  # the second time with whatever buffers the first has left
        network.forward(x, training=True)
        dx = network.backward(dy, input_gradient=input_gradient)
        by_hand(hand, x, training=True)
        expected = dy
        for layer in reversed(hand.layers.values()):
            expected = layer.backward(expected)
        if input_gradient:
            assert dx.dtype == dtype and np.array_equal(dx, expected)
        else:
            assert dx is None
        for name, grad in network.grads.items():
            assert grad.dtype == dtype and np.array_equal(grad, hand.grads[name]), name
    assert (x.tobytes(), dy.tobytes()) == before


def random_layers(rng):
    """A network that nobody would design, for the buffers between the layers: any kind may follow any other."""
    kinds = [
        lambda: Conv2d(2, 2, 3, padding=1, rng=rng),
        ReLU,
        Sigmoid,
        Tanh,
        lambda: Dropout(0.3, rng=int(rng.integers(99))),
    ]
    kinds += [lambda: LocalResponseNorm(3, alpha=1.0, region=rng.choice(["across", "within"]).item())]
    kinds += [lambda: MaxPool2d(3, stride=1, padding=1), lambda: AvgPool2d(3, stride=1, padding=1)]
    kinds += [lambda: BatchNorm2d(2)]
    vectors = [
        ReLU,
        Sigmoid,
        Flatten,
        lambda: Dropout(0.3, rng=int(rng.integers(99))),
        lambda: Linear(144, 144, rng=rng),
    ]
    chosen = [rng.choice(kinds)() for _ in range(rng.integers(0, 7))]
    if rng.random() < 0.5:
        chosen += [Flatten(), *(rng.choice(vectors)() for _ in range(rng.integers(0, 5)))]
    return [(f"layer{number}", layer) for number, layer in enumerate(chosen or [ReLU()])]


@pytest.mark.parametrize("seed", range(60))
def test_networks_of_any_order_equal_their_layers_one_by_one(seed):
    network, hand = (Network(random_layers(np.random.default_rng(seed))) for _ in range(2))
    for step, N in enumerate((3, 5, 2)):
        x = images(N, seed=step)
        dy = np.random.default_rng(step).normal(size=by_hand(hand, x, training=False).shape).astype(np.float32)
        before = x.tobytes(), dy.tobytes()
        predicted, expected = network.forward(x), by_hand(hand, x, training=False)
        assert np.array_equal(predicted, expected)
        assert np.array_equal(network.forward(x, training=True), by_hand(hand, x, training=True))
        assert np.array_equal(network.forward(x), by_hand(hand, x, training=False))
        dx = network.backward(dy, input_gradient=True)
        by_layer = dy
        for layer in reversed(hand.layers.values()):
            by_layer = layer.backward(by_layer)
        assert np.array_equal(dx, by_layer)
        assert all(np.array_equal(grad, hand.grads[name]) for name, grad in network.grads.items())
        assert np.array_equal(predicted, expected) and (x.tobytes(), dy.tobytes()) == before


STARTS = {
    "conv first": layers,
    "flatten first": lambda: [("flatten", Flatten()), ("fc1", Linear(9 * 8 * 2, 6, rng=0)), ("relu1", ReLU())],
    "relu first": lambda: [("relu", ReLU()), ("flatten", Flatten()), ("fc1", Linear(9 * 8 * 2, 6, rng=0))],
    "dropout last": lambda: [("conv", Conv2d(2, 3, 3, rng=0)), ("flatten", Flatten()), ("drop", Dropout(0.5, rng=0))],
    "flatten last": lambda: [("conv", Conv2d(2, 3, 3, rng=0)), ("flatten", Flatten())],
    "only flatten": lambda: [("flatten", Flatten())],
    "only relu": lambda: [("relu", ReLU())],
    "views in a row": lambda: [("flatten", Flatten()), ("again", Flatten()), ("drop", Dropout(0.5, rng=0))],
}


@pytest.mark.parametrize("make", STARTS.values(), ids=STARTS.keys())
def test_results_belong_to_the_caller(make):
    network = randomise(Network(make()), np.random.default_rng(1))
    kept = []
    for seed, N in enumerate((3, 3, 5, 1, 3)):
        x = images(N, seed=seed)
        y = network.forward(x, training=True)
        dy = np.ones_like(y)
        dx = network.backward(dy, input_gradient=True)
        for array, given in ((y, x), (dx, dy), (network.forward(x), x)):
            assert not np.shares_memory(array, given)
            kept.append((array, array.copy()))
    for array, copy in kept:
        assert np.array_equal(array, copy), "a later call changed an earlier result"


def test_writing_into_the_logits_does_not_spoil_backward():
    for last in (lambda: Linear(7, 5, rng=4), Sigmoid):
        network, other = (
            randomise(Network([*layers()[:-1], ("last", last())]), np.random.default_rng(1)) for _ in range(2)
        )
        x = images()
        y = network.forward(x, training=True)
        dy = np.ones_like(y)
        y[...] = 7.0
        other.forward(x, training=True)
        network.backward(dy)
        other.backward(dy)
        for name in network.grads:
            assert np.array_equal(network.grads[name], other.grads[name])


def test_batches_of_changing_size():
    network = build()
    x = images(8)
    whole = network.forward(x, training=False)
    for N in (8, 3, 1, 8, 5):
        network.forward(x[:N], training=True)
        network.backward(np.ones((N, 5), np.float32))
        np.testing.assert_allclose(network.forward(x[:N]), whole[:N], rtol=1e-5, atol=1e-6)


def test_another_layer_in_the_place_of_one_is_used_at_once():
    network = Network([("conv", Conv2d(1, 2, 3, rng=0)), ("relu", ReLU()), ("flatten", Flatten())])
    x = distinct((3, 6, 6, 1), np.random.default_rng(0), np.float32)
    assert network.forward(x).shape == (3, 4 * 4 * 2)
    network.layers["conv"] = Conv2d(1, 5, 2, padding=1, rng=0)
    y = network.forward(x, training=True)
    assert np.array_equal(y, np.maximum(network.layers["conv"].forward(x), 0).reshape(3, -1))
    assert network.backward(np.ones_like(y)).shape == x.shape
    assert network.forward(x[:, :4]).shape == (3, 5 * 7 * 5), "pictures of another size"


def test_predict_gives_probabilities():
    network, x = build(np.float64), images(dtype=np.float64)
    probabilities = network.predict(x)
    np.testing.assert_allclose(probabilities, oracles.softmax(network.forward(x)), rtol=1e-12)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    assert build().predict(images()).dtype == np.float32


def test_predict_survives_huge_logits():
    network, x = build(), images()
    network.params["fc4.weight"][...] = 0
    network.params["fc4.bias"][...] = [1e30, 0, -1e30, 0, 0]
    np.testing.assert_array_equal(network.predict(x), np.tile([1.0, 0, 0, 0, 0], (3, 1)))


def test_a_prediction_between_forward_and_backward_changes_nothing():
    network, undisturbed, x = build(), build(), images()
    dy = np.ones((3, 5), np.float32)
    for each in (network, undisturbed):
        each.forward(x, training=True)
    network.predict(images(3, seed=9))
    network.forward(images(5, seed=8))
    for each in (network, undisturbed):
        each.backward(dy)
    for name in network.grads:
        assert np.array_equal(network.grads[name], undisturbed.grads[name])


def test_threads_that_predict_at_the_same_time_get_their_own_answers():
    network = build()
    inputs = [images(1 + seed % 4, seed=seed) for seed in range(24)]
    expected = [network.predict(x) for x in inputs]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # let the threads interrupt each other as often as Python can
    try:
        with ThreadPoolExecutor(8) as pool:
            for got, right in zip(pool.map(network.predict, inputs * 40), expected * 40, strict=True):
                assert np.array_equal(got, right)
    finally:
        sys.setswitchinterval(interval)


@pytest.mark.slow
def test_a_long_batch_takes_no_more_memory_than_a_short_one():
    network = build()
    images = np.random.default_rng(0).normal(size=(10_000, *SHAPE)).astype(np.float32)
    peaks = {500: [], 10_000: []}
    for turn in range(4):
        for count in peaks:
            # Python keeps up to 2,000 freed tuples of each length: as many are there before anything is counted.
            for length in range(1, 20):
                [(None,) * length for _ in range(2000)]
            tracemalloc.start()
            logits = network.forward(images[:count])
            if turn > 0:  # the first makes what is kept: buffers, compiled kernels
                peaks[count].append(tracemalloc.get_traced_memory()[1] - logits.nbytes)
            tracemalloc.stop()
    # Threads that happen to hold something at the same time make either a little higher, now and then.
    assert min(peaks[10_000]) < max(peaks[500]) + 20_000, peaks


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="Only Linux tells here how much memory is in use.")
def test_gradients_and_velocities_take_no_memory_before_they_are_written():
    weight_bytes, before = 4 * 4096 * 8192, resident()
    network = Network([("fc", Linear(4096, 8192, rng=0))])
    optimizer = SGD(network, 0.1)
    assert resident() - before < 1.5 * weight_bytes
    assert not network.grads["fc.weight"].any() and not optimizer.velocities["fc.weight"].any()


def test_backward_before_forward():
    network, x = build(), images()
    with one_sentence(RuntimeError, "forward", "training=True"):
        network.backward(np.ones((3, 5), np.float32))
    network.forward(x)
    with one_sentence(RuntimeError, "forward", "training=True"):
        network.backward(np.ones((3, 5), np.float32))


def test_summary_lists_every_layer():
    text = build().summary(SHAPE)
    lines = text.splitlines()
    for name, shape, parameters, multiply_adds in [
        ("conv1", (9, 8, 4), 76, 9 * 8 * 4 * 18),
        ("pool1", (4, 4, 4), 0, 0),
        ("conv2", (4, 4, 6), 114, 4 * 4 * 6 * 18),
        ("pool2", (2, 2, 6), 0, 0),
        ("flatten", (24,), 0, 0),
        ("fc3", (7,), 175, 168),
        ("fc4", (5,), 40, 35),
    ]:
        (line,) = [line for line in lines if re.match(rf"\W*{name}\b", line)]
        numbers = [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*\d|\d", line.split(name, 1)[1])]
        for number in (*shape, parameters, multiply_adds):
            assert number in numbers or number == 0, f"{number} is missing in {line!r}"
    total = text.replace(",", "")
    assert str(76 + 114 + 175 + 40) in total
    assert str(9 * 8 * 4 * 18 + 4 * 4 * 6 * 18 + 168 + 35) in total
    for name, _ in layers():
        assert name in text


def test_astype_returns_the_network():
    network = build()
    assert network.astype(np.float64) is network
    assert all(array.dtype == np.float64 for array in (*network.params.values(), *network.grads.values()))
    with one_sentence(TypeError, "conv1", "float32", "float64", "astype"):
        network.forward(images())


def test_a_network_for_no_particular_images_needs_their_shape_for_a_table():
    for table in (build().summary, build().multiply_adds):
        with one_sentence(ValueError, "image shape", "(28, 28, 1)"):
            table()


def test_what_is_no_array_is_refused():
    for call in (build().forward, build().predict):
        with one_sentence(TypeError, "network", "array", "list"):
            call(images().tolist())


def test_errors_name_the_layer_inside_the_network():
    network = build()
    with one_sentence(ValueError, "conv1", 2, 3):
        network.forward(np.zeros((1, 9, 8, 3), np.float32))
    with one_sentence(ValueError, "fc3", 24):
        network.forward(np.zeros((1, 20, 20, 2), np.float32))
    with one_sentence(ValueError, "fc3", 24):
        network.summary((20, 20, 2))


@pytest.mark.parametrize(
    "layers, words",
    [
        ([("fc", Linear(2, 3)), ("fc", Linear(3, 2))], ["fc"]),
        ([], []),
        ([("fc.1", Linear(2, 3))], ["fc.1"]),
        ([("fc", "Linear")], ["fc"]),
        ([Linear(2, 3)], ["(name, layer)"]),
        ([("fc", Linear(2, 3), 1)], ["(name, layer)"]),
        ([(1, Linear(2, 3))], ["(name, layer)"]),
    ],
)
def test_bad_layer_lists(layers, words):
    with one_sentence((ValueError, TypeError), "Network", *words):
        Network(layers)


def test_one_layer_object_cannot_stand_in_two_places():
    # It could hold only one of the two forward passes, and its gradients would be those of the first place alone.
    shared = Linear(3, 3)
    with one_sentence(ValueError, "Network", "second"):
        Network([("first", shared), ("second", shared)])


def test_training_lowers_the_loss():
    network, x, labels = build(), images(8), np.arange(8) % 5
    loss = SoftmaxCrossEntropy()
    first = None
    for _ in range(60):
        value = loss.forward(network.forward(x, training=True), labels)
        first = value if first is None else first
        network.backward(loss.backward())
        for name, parameter in network.params.items():
            parameter -= 0.1 * network.grads[name]
    assert loss.forward(network.forward(x), labels) < first


# -------------------------------------------------------------------------------------------------- state and calls
def with_state():
    layers = [("bn1", BatchNorm2d(2)), ("flatten", Flatten()), ("fc2", Linear(144, 6, rng=0))]
    return Network([*layers, ("rbf", EuclideanRBF(np.ones((4, 6))))])


def test_state_is_live_and_no_parameter():
    network = with_state()
    assert list(network.state) == ["bn1.running_mean", "bn1.running_variance", "rbf.prototypes"]
    assert not set(network.state) & set(network.params) and network.num_parameters == 2 + 2 + 144 * 6 + 6
    for name, array in network.state.items():
        layer, key = name.split(".")
        assert network.layers[layer].state[key] is array
    before = network.forward(images())
    network.state["rbf.prototypes"][...] = 2
    assert not np.array_equal(network.forward(images()), before)
    with one_sentence(TypeError, "network.state", "rbf.prototypes", "made anew"):
        network.state["rbf.prototypes"] = np.ones((4, 6), np.float32)
    assert build().state == {}


def test_state_is_converted_with_the_parameters():
    network = with_state()
    assert network.astype(np.float64) is network
    assert all(array.dtype == np.float64 for array in network.state.values())
    assert network.forward(images(dtype=np.float64)).dtype == np.float64
    assert Network([("rbf", EuclideanRBF(np.ones((4, 6))))]).astype(np.float64).dtype == np.float64


def test_sgd_leaves_state_alone():
    network = with_state()
    prototypes = network.state["rbf.prototypes"].copy()
    loss, optimizer = SoftmaxCrossEntropy(), SGD(network, 0.1, weight_decay=0.5)
    loss.forward(network.forward(images(), training=True), np.array([0, 1, 2]))
    network.backward(loss.backward(), input_gradient=False)
    running = network.state["bn1.running_mean"].copy()
    optimizer.step()
    assert list(optimizer.velocities) == list(network.params)
    assert np.array_equal(network.state["rbf.prototypes"], prototypes)
    assert np.array_equal(network.state["bn1.running_mean"], running)


def test_a_network_can_be_called():
    network, other = build(), build()
    assert np.array_equal(network(images()), other.forward(images()))
    assert np.array_equal(network(images(), training=True), other.forward(images(), training=True))
    dy = np.ones((3, 5), np.float32)
    assert np.array_equal(network.backward(dy), other.backward(dy))


def test_training_is_at_hand():
    assert nn.train is nn.training.train and nn.evaluate is nn.training.evaluate


def test_buffers_follow_changing_batches_and_dtypes():
    """Memory that grows, and another dtype, must not leave a layer with the array of before."""
    network, hand = build(), build()
    for dtype in (np.float32, np.float64, np.float32):
        network.astype(dtype), hand.astype(dtype)
        for N in (2, 7, 1, 7, 3):
            x = images(N, dtype)
            assert np.array_equal(network.forward(x), by_hand(hand, x, training=False))
            assert np.array_equal(network.forward(x, training=True), by_hand(hand, x, training=True))
            dy = np.ones((N, 5), dtype)
            dx = network.backward(dy)
            for layer in reversed(hand.layers.values()):
                dy = layer.backward(dy)
            assert np.array_equal(dx, dy)


def test_the_views_that_buffers_remember_are_few(monkeypatch):
    monkeypatch.setattr("nn.buffers.MOST_ARRAYS", 20)
    network, hand = build(), build()
    for N in range(40, 0, -1):
        assert np.array_equal(network.forward(images(N)), by_hand(hand, images(N), training=False))
        (buffers,) = network._spare_buffers
        assert len(buffers._arrays) <= 20 and len(buffers._memory) == 2
