"""The same layers on a GPU, or on what stands for one (`tests.conftest.gpu`)."""

import numpy as np
import pytest

from layers import Conv2d, Flatten, Linear, LocalResponseNorm, MaxPool2d, ReLU
from nn import SGD, Network, SoftmaxCrossEntropy, check_gradients
from tests.checks import distinct, one_sentence, randomise
from tests.layers.test_contract import both_dtypes, build, every_layer


def same(gpu, ours, expected, products=200):
    """The same numbers up to the order in which so many products are added."""
    assert isinstance(ours, gpu.ndarray) and ours.dtype == expected.dtype and ours.shape == expected.shape
    room = products * np.finfo(expected.dtype).eps * np.abs(expected).max()
    np.testing.assert_allclose(ours.get(), expected, rtol=0, atol=room)


@both_dtypes
@every_layer
def test_layers(gpu, name, dtype):
    (here, x, dy), there = build(name, dtype), build(name, dtype)[0].to("cuda")
    same(gpu, there.forward(gpu.asarray(x)), here.forward(x))
    same(gpu, there.forward(gpu.asarray(x), training=True), here.forward(x, training=True))
    same(gpu, there.backward(gpu.asarray(dy)), here.backward(dy))
    for key, grad in here.grads.items():
        same(gpu, there.grads[key], grad)
    assert all(isinstance(param, np.ndarray) for param in there.to("cpu").params.values())


def test_a_table_of_connections(gpu):
    def make():
        return Conv2d(4, 3, 3, connections=[(0, 1), (2,), (1, 2, 3)], rng=0)

    here, there, rng = make(), make().to("cuda"), np.random.default_rng(0)
    x, dy = distinct((2, 5, 6, 4), rng, np.float32), rng.normal(size=(2, 3, 4, 3)).astype(np.float32)
    same(gpu, there.forward(gpu.asarray(x), training=True), here.forward(x, training=True))
    same(gpu, there.backward(gpu.asarray(dy)), here.backward(dy))
    same(gpu, there.grads["weight"], here.grads["weight"])


def test_images_in_several_chunks(gpu, monkeypatch):
    monkeypatch.setattr("nn.backend.patches.GPU_PATCH_BYTES", 1 << 12)
    here, there = Conv2d(3, 4, 5, padding=2, rng=0), Conv2d(3, 4, 5, padding=2, rng=0).to("cuda")
    rng = np.random.default_rng(0)
    x, dy = distinct((5, 9, 8, 3), rng, np.float64), rng.normal(size=(5, 9, 8, 4))
    here.astype(np.float64), there.astype(np.float64)
    same(gpu, there.forward(gpu.asarray(x), training=True), here.forward(x, training=True))
    same(gpu, there.backward(gpu.asarray(dy)), here.backward(dy))
    same(gpu, there.grads["weight"], here.grads["weight"], 500)


@every_layer
def test_arrays_that_are_not_contiguous(gpu, name):
    (here, x, dy), there = build(name), build(name)[0].to("cuda")
    assert not gpu.asarray(x)[:, ::-1].flags.c_contiguous
    same(gpu, there.forward(gpu.asarray(x)[:, ::-1], training=True), here.forward(x[:, ::-1], training=True))
    same(gpu, there.backward(gpu.asarray(dy)[:, ::-1]), here.backward(dy[:, ::-1]))


def test_what_lies_elsewhere_is_refused(gpu):
    here, there, x = Linear(4, 2), Linear(4, 2).to("cuda"), np.zeros((3, 4), np.float32)
    with one_sentence(TypeError, "Linear", "numpy", "network.to", "nn.device.move"):
        there.forward(x)
    with one_sentence(TypeError, "Linear", "numpy", "network.to"):
        here.forward(gpu.asarray(x))


def network(dtype=np.float64):
    layers = [("conv1", Conv2d(3, 4, 3, stride=2, rng=0)), ("relu1", ReLU()), ("norm1", LocalResponseNorm(3, 0.1))]
    layers += [("pool1", MaxPool2d(3, 2)), ("conv2", Conv2d(4, 6, 3, padding=1, groups=2, rng=1)), ("relu2", ReLU())]
    return Network([*layers, ("flatten", Flatten()), ("fc", Linear(54, 5, rng=2))], (15, 15, 3)).astype(dtype)


@pytest.mark.parametrize("form", ["paper", "pytorch"])
def test_ten_steps_of_training(gpu, form):
    rng = np.random.default_rng(0)
    images, labels = rng.normal(size=(8, 15, 15, 3)), rng.integers(0, 5, 8)
    here, there = network(), network().to("cuda")
    losses = []
    for net, x in ((here, images), (there, gpu.asarray(images))):
        loss, sgd = SoftmaxCrossEntropy(), SGD(net, 0.05, momentum=0.9, weight_decay=1e-3, form=form)
        losses.append([])
        for _ in range(10):
            losses[-1].append(float(loss.forward(net.forward(x, training=True), labels)))
            net.backward(loss.backward(), input_gradient=False)
            sgd.step()
    np.testing.assert_allclose(*losses, rtol=1e-10)
    for name, param in here.params.items():
        assert isinstance(there.params[name], gpu.ndarray)
        np.testing.assert_allclose(there.params[name].get(), param, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
def test_gradients(gpu):
    net = randomise(network(), np.random.default_rng(0), 0.2).to("cuda")
    x = gpu.asarray(np.random.default_rng(1).normal(size=(2, 15, 15, 3)))
    assert check_gradients(net, x, max_elements=20).max_error < 1e-6
    report = check_gradients(net, x, np.array([1, 4]), SoftmaxCrossEntropy(), max_elements=20)
    assert report.max_error < 1e-6
