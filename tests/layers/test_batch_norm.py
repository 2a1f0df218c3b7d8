"""BatchNorm2d: the definition in plain loops, gradients, PyTorch, accuracy of long sums, and its running averages
through saving, resuming, copying and looking."""

import copy
import math
import pickle
import threading

import numpy as np
import pytest

from layers import BatchNorm2d, Conv2d, Flatten, Linear, ReLU
from nn import SGD, Network, check_gradients, plain, train
from nn.data import Dataset
from nn.inspect import activations, gradients
from nn.training.checkpoint import load_checkpoint, save_checkpoint
from tests.checks import assert_close, one_sentence, randomise

SHAPES = {"images": (3, 4, 5, 2), "one image": (1, 3, 3, 4), "one pixel": (6, 1, 1, 3), "one channel": (2, 3, 2, 1)}
shapes = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())


def build(shape, dtype=np.float64, **arguments):
    rng = np.random.default_rng(1)
    layer = randomise(BatchNorm2d(shape[3], **arguments).astype(dtype), rng)
    layer.state["running_mean"][...] = rng.normal(size=shape[3])
    layer.state["running_variance"][...] = rng.uniform(0.5, 2, shape[3])
    return layer, rng.normal(1, 2, shape).astype(dtype)


def network(seed=0):
    layers = [("conv1", Conv2d(1, 4, 3, rng=seed)), ("bn1", BatchNorm2d(4)), ("relu1", ReLU()), ("flat", Flatten())]
    return Network([*layers, ("fc2", Linear(64, 3, rng=seed + 1))], image_shape=(6, 6, 1))


def data_set(N=23):
    rng = np.random.default_rng(3)
    return Dataset(rng.normal(2, 1, (N, 6, 6, 1)).astype(np.float32), rng.integers(0, 3, N), ("a", "b", "c"))


def train_a_little(net, epochs=2, **more):
    optimizer = more.pop("optimizer", None) or SGD(net, 0.05, 0.9, 1e-3)
    return train(net, data_set(), epochs=epochs, optimizer=optimizer, batch_size=5, seed=1, progress=False, **more)


def state_of(net):
    return {name: array.copy() for name, array in net.state.items()}


def assert_equal_arrays(ones, others):
    assert ones.keys() == others.keys()
    for name, array in ones.items():
        np.testing.assert_array_equal(array, others[name], err_msg=name)


# -------------------------------------------------------------------------------------------------- the definition
def by_loops(layer, x, training):
    """y, and the running averages after the pass: one number at a time."""
    N, H, W, C = x.shape
    M = N * H * W
    y, means, variances = np.zeros(x.shape), np.zeros(C), np.zeros(C)
    for c in range(C):
        values = [float(x[n, h, w, c]) for n in range(N) for h in range(H) for w in range(W)]
        running_mean = mean = float(layer.state["running_mean"][c])
        running_variance = variance = float(layer.state["running_variance"][c])
        if training:
            mean = sum(values) / M
            variance = sum((value - mean) ** 2 for value in values) / M
            running_mean += layer.momentum * (mean - running_mean)
            running_variance += layer.momentum * (variance * M / (M - 1) - running_variance)
        means[c], variances[c] = running_mean, running_variance
        for n in range(N):
            for h in range(H):
                for w in range(W):
                    z = (float(x[n, h, w, c]) - mean) / math.sqrt(variance + layer.epsilon)
                    y[n, h, w, c] = float(layer.params["weight"][c]) * z + float(layer.params["bias"][c])
    return y, means, variances


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("arguments", [{}, {"epsilon": 0.1, "momentum": 0.3}], ids=["usual", "other"])
@shapes
def test_it_equals_plain_loops(shape, arguments, training):
    layer, x = build(shape, **arguments)
    y, mean, variance = by_loops(layer, x, training)
    np.testing.assert_allclose(layer.forward(x, training=training), y, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(layer.state["running_mean"], mean, rtol=1e-12)
    np.testing.assert_allclose(layer.state["running_variance"], variance, rtol=1e-12)


@pytest.mark.parametrize("frozen", [False, True])
@shapes
def test_gradients(shape, frozen):
    layer, x = build(shape)
    if frozen:
        layer.without_noise()
    before = {name: array.copy() for name, array in layer.state.items()}
    report = check_gradients(layer, x)
    assert set(report.arguments) == {"x", "weight", "bias"}
    assert report.max_error < 1e-6, str(report)
    assert_equal_arrays(layer.state, before)


def test_gradients_in_a_network():
    """The bias of conv1 has no effect, since the mean takes it away: its gradient is nothing but rounding."""
    net = network()
    before = state_of(net)
    report = check_gradients(net, data_set(3).images)
    assert report.max_error < 1e-6, str(report)
    assert_equal_arrays(state_of(net), before)


@pytest.mark.oracle
@pytest.mark.parametrize("training", [False, True])
@shapes
def test_it_equals_pytorch(shape, training):
    torch = pytest.importorskip("torch")
    layer, x = build(shape, epsilon=1e-3, momentum=0.2)
    theirs = torch.nn.BatchNorm2d(shape[3], eps=1e-3, momentum=0.2).double().train(training)
    with torch.no_grad():
        theirs.weight.copy_(torch.tensor(layer.params["weight"]))
        theirs.bias.copy_(torch.tensor(layer.params["bias"]))
        theirs.running_mean.copy_(torch.tensor(layer.state["running_mean"]))
        theirs.running_var.copy_(torch.tensor(layer.state["running_variance"]))
    layer.frozen = not training  # PyTorch's evaluation has a backward pass too
    y = layer.forward(x, training=True)
    dy = np.random.default_rng(2).normal(size=shape)
    dx = layer.backward(dy)
    x_torch = torch.tensor(x).permute(0, 3, 1, 2).requires_grad_()
    y_torch = theirs(x_torch)
    y_torch.backward(torch.tensor(dy).permute(0, 3, 1, 2))
    pairs = [(y, y_torch.detach().permute(0, 2, 3, 1)), (dx, x_torch.grad.permute(0, 2, 3, 1))]
    pairs += [(layer.grads["weight"], theirs.weight.grad), (layer.grads["bias"], theirs.bias.grad)]
    pairs += [(layer.state["running_mean"], theirs.running_mean), (layer.state["running_variance"], theirs.running_var)]
    for ours, torchs in pairs:
        np.testing.assert_allclose(ours, torchs.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("momentum", [0.0, 1.0])
def test_the_momentum_is_the_weight_of_the_newest_batch(momentum):
    layer, x = build((3, 4, 5, 2), momentum=momentum)
    before = layer.state["running_mean"].copy()
    layer.forward(x, training=True)
    expected = before if momentum == 0 else x.mean(axis=(0, 1, 2))
    np.testing.assert_allclose(layer.state["running_mean"], expected, rtol=1e-14)


# -------------------------------------------------------------------------------------------------- accuracy
def test_float32_sums_over_a_large_batch_are_accurate():
    """131,072 values a channel, not around 0. Sums are in float64, and u = eps / 2 of float32:

    mean: is rounded once, so it is off by at most d = u |mean|.
    variance: the mean of (x - mean)^2 about a point that is off by d is variance + d^2; each difference rounds once,
        which counts twice in its square, and square and result round once more: 4 u.
    z: its numerator is off by d and rounds once; its denominator by half of what variance is and two roundings more;
        the division rounds once. In all at most d / spread + 8 u |z|.
    dbias: rounds once. dweight: each z dy is off by |dy| times what z is, and rounds once more, as does the result.

    A twentieth is added for products of roundings and what float64 itself rounds. A sum in float32 would be off by a
    hundred times as much.
    """
    rng = np.random.default_rng(0)
    x = rng.normal([3.0, -20.0], [1.0, 5.0], (32, 64, 64, 2)).astype(np.float32)
    dy = rng.normal(1, 1, x.shape).astype(np.float32)
    layer = BatchNorm2d(2, momentum=1.0)
    layer.forward(x, training=True)
    layer.backward(dy)
    exact, exact_dy, M, u = x.astype(np.float64), dy.astype(np.float64), x[..., 0].size, 2.0**-24
    mean, variance = exact.mean(axis=(0, 1, 2)), exact.var(axis=(0, 1, 2))
    spread = np.sqrt(variance + 1e-5)
    z = (exact - mean) / spread
    d = u * np.abs(mean)
    assert_close(layer.state["running_mean"], mean, 1.05 * d)
    # The running average rounds three times more: the unbiased value, the product with momentum, and the sum with 0.
    assert_close(layer.state["running_variance"], variance * M / (M - 1), 1.05 * (7 * u * variance + d**2))
    dbias, dweight = exact_dy.sum(axis=(0, 1, 2)), (exact_dy * z).sum(axis=(0, 1, 2))
    assert_close(layer.grads["bias"], dbias, 1.05 * u * np.abs(dbias))
    each = np.abs(exact_dy) * (d / spread + 9 * u * np.abs(z))
    assert_close(layer.grads["weight"], dweight, 1.05 * (each.sum(axis=(0, 1, 2)) + u * np.abs(dweight)))


def test_a_constant_channel_gives_the_bias():
    layer, _ = build((2, 3, 3, 2), np.float32)
    y = layer.forward(np.full((2, 3, 3, 2), 1e6, np.float32), training=True)
    np.testing.assert_array_equal(y, np.broadcast_to(layer.params["bias"], y.shape))
    assert np.isfinite(layer.backward(np.ones_like(y))).all()


# -------------------------------------------------------------------------------------------------- running averages
def test_a_saved_network_predicts_the_same_after_loading(tmp_path):
    net, x = network(), data_set().images
    train_a_little(net)
    assert list(net.state) == ["bn1.running_mean", "bn1.running_variance"]
    assert not np.array_equal(net.state["bn1.running_mean"], np.zeros(4)), "training must have moved it"
    net.save(tmp_path / "net.safetensors")
    other = network(seed=9).load(tmp_path / "net.safetensors")
    assert_equal_arrays(other.state, net.state)
    np.testing.assert_array_equal(other.predict(x), net.predict(x))


@pytest.mark.parametrize("after", [1, 3])
def test_a_resumed_run_ends_with_the_same_bits(after, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    whole, first, second = network(), network(), network(seed=9)
    train_a_little(whole, 4)
    optimizer = SGD(first, 0.05, 0.9, 1e-3)

    def stop(history):
        if len(history.epochs) == after:
            save_checkpoint(path, first, optimizer, history)
        return len(history.epochs) == after

    train_a_little(first, 4, optimizer=optimizer, after_epoch=stop)
    optimizer = SGD(second, 0.05, 0.9, 1e-3)
    history = load_checkpoint(path, second, optimizer)
    train_a_little(second, 4, optimizer=optimizer, history=history)
    assert_equal_arrays(second.params | second.state, whole.params | whole.state)
    assert not np.array_equal(first.state["bn1.running_mean"], whole.state["bn1.running_mean"])


def test_predicting_is_safe_from_several_threads_and_changes_nothing():
    layer, x = build((8, 6, 6, 4), np.float32)
    expected, before = layer.forward(x), {name: array.copy() for name, array in layer.state.items()}
    wrong = []

    def predict():
        for part in range(1, 9):
            for _ in range(20):
                if not np.array_equal(layer.forward(x[:part]), expected[:part]):
                    wrong.append(part)

    threads = [threading.Thread(target=predict) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert_equal_arrays(layer.state, before)


def test_looking_into_a_network_changes_nothing_and_sees_what_predicts():
    """A single image has statistics of its own; those that answer for it are the running ones."""
    net = network()
    train_a_little(net)
    net.astype(np.float64)
    x, before = data_set(1).images.astype(np.float64), state_of(net)
    assert np.array_equal(activations(net, x)["fc2"], net.forward(x))
    found = gradients(net, x, np.eye(3)[:1])["input"]
    assert_equal_arrays(state_of(net), before)
    for h, w in ((0, 0), (2, 3), (5, 5)):
        up, down = x.copy(), x.copy()
        up[0, h, w, 0] += 1e-6
        down[0, h, w, 0] -= 1e-6
        slope = (net.forward(up)[0, 0] - net.forward(down)[0, 0]) / 2e-6
        assert found[0, h, w, 0] == pytest.approx(slope, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))], ids=["copy", "pickle"])
def test_a_copy_has_running_averages_of_its_own(copied):
    net, x = network(), data_set().images
    train_a_little(net)
    other, before, predicted = copied(net), state_of(net), net.predict(x)
    assert_equal_arrays(state_of(other), before)
    np.testing.assert_array_equal(other.predict(x), predicted)
    train_a_little(other)
    assert not np.array_equal(other.state["bn1.running_mean"], before["bn1.running_mean"])
    assert_equal_arrays(state_of(net), before)


def test_the_running_averages_are_live():
    net, x = network(), data_set().images
    before = net.forward(x)
    net.state["bn1.running_mean"][...] += 1
    assert not np.array_equal(net.forward(x), before)
    with one_sentence(TypeError, "network.state", "bn1", "running_mean"):
        net.state["bn1.running_mean"] = np.zeros(4, np.float32)


def test_weight_decay_can_leave_the_scale_out():
    net = network()
    optimizer = SGD(net, 0.1, 0.0, 0.5, decay_multipliers={"bn1.weight": 0, "bias": 0})
    for grad in net.grads.values():
        grad[...] = 0
    before = {name: array.copy() for name, array in net.params.items()}
    optimizer.step()
    np.testing.assert_array_equal(net.params["bn1.weight"], before["bn1.weight"])
    np.testing.assert_allclose(net.params["fc2.weight"], before["fc2.weight"] * (1 - 0.5 * 0.1), rtol=1e-6)


def test_the_plain_way_gives_the_same():
    layer, x = build((3, 4, 5, 2))
    other = copy.deepcopy(layer)
    y, dx = layer.forward(x, training=True), layer.backward(x)
    with plain():
        np.testing.assert_allclose(other.forward(x, training=True), y, rtol=1e-12)
        np.testing.assert_allclose(other.backward(x), dx, rtol=1e-10, atol=1e-12)


# -------------------------------------------------------------------------------------------------- refusals
def test_a_single_value_per_channel_is_refused_in_training():
    layer = BatchNorm2d(3)
    before = {name: array.copy() for name, array in layer.state.items()}
    x = np.ones((1, 1, 1, 3), np.float32)
    with one_sentence(ValueError, "BatchNorm2d", "single value", (1, 1, 1, 3)):
        layer.forward(x, training=True)
    assert_equal_arrays(layer.state, before)
    assert layer.forward(x).shape == x.shape


@pytest.mark.parametrize(
    "kind, arguments",
    [
        (ValueError, {"channels": 0}),
        (TypeError, {"channels": 2.5}),
        (ValueError, {"channels": 2, "epsilon": -1.0}),
        (ValueError, {"channels": 2, "epsilon": np.inf}),
        (TypeError, {"channels": 2, "epsilon": "small"}),
        (ValueError, {"channels": 2, "momentum": 1.5}),
        (ValueError, {"channels": 2, "momentum": np.nan}),
        (TypeError, {"channels": 2, "momentum": True}),
    ],
)
def test_bad_arguments(kind, arguments):
    name = list(arguments)[-1]
    with one_sentence(kind, "BatchNorm2d", name, arguments[name]):
        BatchNorm2d(**arguments)


def test_bad_input():
    layer = BatchNorm2d(3)
    with one_sentence(ValueError, "BatchNorm2d", 3, 4):
        layer.forward(np.zeros((2, 5, 5, 4), np.float32))
    with one_sentence(TypeError, "BatchNorm2d", "float32", "float64", "astype"):
        layer.forward(np.zeros((2, 5, 5, 3)))
