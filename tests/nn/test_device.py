"""Training, saving and looking at a network on a graphics card, or on what stands for one: as on the processor."""

import math
import sys

import numpy as np
import pytest

from layers import Conv2d, Dropout, EuclideanRBF, Flatten, Linear, MaxPool2d, ReLU, Tanh
from models import alexnet_small, lenet
from nn import SGD, LeNet5Loss, Network, SoftmaxCrossEntropy
from nn.backend import cuda
from nn.data import Dataset
from nn.data import augmentation as augment
from nn.device import check_device, move
from nn.inspect import activations, gradients
from nn.inspect.saliency_maps import occlusion, saliency
from nn.training import evaluate, train
from nn.training.checkpoint import load_checkpoint, save_checkpoint
from nn.training.schedules import one_cycle
from tests.checks import one_sentence


def pictures(N=40, shape=(12, 12, 3), classes=4, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, N)
    images = rng.normal(0, 1, (N, *shape)) + labels[:, None, None, None]
    return Dataset(images.astype(np.float32), labels, tuple("abcdefghij"[:classes]))


def network(activation=ReLU):
    layers = [("conv1", Conv2d(3, 6, 3, rng=0)), ("relu1", activation()), ("pool1", MaxPool2d(2))]
    layers += [("flatten", Flatten()), ("fc1", Linear(150, 20, rng=1)), ("relu2", activation())]
    return Network([*layers, ("drop", Dropout(0.4, rng=2)), ("fc2", Linear(20, 4, rng=3))], (12, 12, 3))


def prepare(images, rng):
    return images if rng is None else augment.mirror(images, rng)


def run(place, steps_to_stop=None, history=None, dtype=np.float64, rate=0.02):
    """Train for 2 epochs of 4 steps; the network, its SGD, and what was recorded."""
    net = network().astype(dtype).to(place)
    sgd = SGD(net, rate, weight_decay=1e-3)
    return net, sgd, fit(net, sgd, steps_to_stop, history, dtype, rate)


def fit(net, sgd, steps_to_stop=None, history=None, dtype=np.float64, rate=0.02):
    return train(
        net,
        pictures(),
        pictures(11, seed=1),
        epochs=2,
        optimizer=sgd,
        batch_size=10,
        schedule=one_cycle(rate),
        prepare=lambda images, rng: prepare(images, rng).astype(dtype),
        progress=False,
        history=history,
        after_step=lambda history: len(history.steps) == steps_to_stop,
    )


# -------------------------------------------------------------------------------------------------- there and back
def test_an_array_goes_there_and_back(gpu):
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    there = move(x, "cuda")
    assert isinstance(there, gpu.ndarray) and move(there, "cuda") is there and move(x, "cpu") is x
    back = move(there, "cpu")
    assert isinstance(back, np.ndarray) and np.array_equal(back, x) and back is not x


def test_an_unknown_device():
    for function in (lambda: move(np.zeros(2), "gpu"), lambda: check_device("cuda:1"), lambda: lenet().to("tpu")):
        with one_sentence(ValueError, "device", "cpu", "cuda"):
            function()


def test_without_cupy_nothing_is_moved(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    cuda.load_cupy.cache_clear()
    net = network()
    with one_sentence(ImportError, "device cuda", "CuPy", "pip install"):
        net.to("cuda")
    assert net.device == "cpu" and net.forward(np.zeros((1, 12, 12, 3), np.float32)).shape == (1, 4)


def test_a_layer_with_numbers_that_are_no_parameters(gpu):
    layer = EuclideanRBF(np.eye(3)).to("cuda")
    assert isinstance(layer.prototypes, gpu.ndarray)
    assert isinstance(layer.to("cpu").prototypes, np.ndarray)


# -------------------------------------------------------------------------------------------------- training
def test_training_gives_the_same_numbers(gpu):
    here, _, expected = run("cpu")
    there, _, history = run("cuda")
    assert there.device == "cuda" and all(isinstance(param, gpu.ndarray) for param in there.params.values())
    np.testing.assert_allclose(history.steps, expected.steps, rtol=1e-10)
    for ours, other in zip(history.epochs, expected.epochs, strict=True):
        assert ours["train_accuracy"] == other["train_accuracy"] and ours["test_accuracy"] == other["test_accuracy"]
        assert ours["test_loss"] == pytest.approx(other["test_loss"], rel=1e-10)
    for name, param in here.params.items():
        np.testing.assert_allclose(there.params[name].get(), param, rtol=1e-8, atol=1e-12)
    for ours, other in zip(history.statistics, expected.statistics, strict=True):
        assert ours["silent"] == other["silent"]
        assert ours["gradients"] == pytest.approx(other["gradients"], rel=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lenet", "alexnet_small"])
def test_fifty_steps_in_single_precision(gpu, name):
    def losses(place):
        net = lenet(rng=0) if name == "lenet" else alexnet_small(10, (32, 32, 3), width=0.0625, rng=0)
        data = pictures(40, net.image_shape, 10)
        sgd = SGD(net.to(place), 0.05 if name == "lenet" else 0.01, weight_decay=5e-4)
        return train(net, data, epochs=5, optimizer=sgd, batch_size=4, progress=False).steps

    expected = losses("cpu")
    assert len(expected) == 50 and np.mean(expected[-10:]) < np.mean(expected[:10])
    np.testing.assert_allclose(losses("cuda"), expected, rtol=1e-4, atol=1e-4)


def test_saturated_units_are_seen(gpu):
    data = pictures()
    found = []
    for place in ("cpu", "cuda"):
        net = network(Tanh).to(place)
        net.params["fc1.weight"][...] *= 100
        found.append(train(net, data, epochs=1, optimizer=SGD(net, 1e-9), batch_size=20, progress=False).statistics)
    assert found[0][0]["saturated"] == found[1][0]["saturated"] and found[0][0]["saturated"]["relu2"] > 0.8


@pytest.mark.parametrize("first, then", [("cuda", "cuda"), ("cuda", "cpu"), ("cpu", "cuda")])
def test_a_checkpoint_goes_on_on_either(gpu, tmp_path, first, then):
    _, _, whole = run("cpu")
    net, sgd, begun = run(first, steps_to_stop=5)
    assert begun.unfinished["batches"] == 1
    save_checkpoint(tmp_path / "here.safetensors", net, sgd, begun)
    net = network().astype(np.float64).to(then)
    sgd = SGD(net, 0.02, weight_decay=1e-3)
    history = fit(net, sgd, history=load_checkpoint(tmp_path / "here.safetensors", net, sgd))
    np.testing.assert_allclose(history.steps, whole.steps, rtol=1e-10)
    assert isinstance(sgd.velocities["conv1.weight"], gpu.ndarray if then == "cuda" else np.ndarray)


def test_a_loss_that_is_lost_stops_it(gpu):
    with np.errstate(all="ignore"):
        history, expected = run("cuda", rate=1e200)[2], run("cpu", rate=1e200)[2]
    assert "step" in history.failure and "no longer a number" in history.failure
    assert len(history.steps) < 8 and not history.epochs[-1]["train_loss"] < math.inf
    assert history.failure == expected.failure and history.steps[:-1] == pytest.approx(expected.steps[:-1])


def test_a_gradient_that_is_lost_names_the_layer(gpu):
    net = network().to("cuda")
    sgd, loss = SGD(net, 0.1), SoftmaxCrossEntropy()

    class Broken(Dropout):
        def backward(self, dy, input_gradient=True, out=None):
            return super().backward(dy, input_gradient, out) * np.float32(np.nan)

    net.layers["drop"] = Broken(0.1, rng=0)
    history = train(net, pictures(), epochs=1, optimizer=sgd, batch_size=10, loss=loss, progress=False)
    assert history.failure.startswith("in step 1 the gradient of fc1 is")
    assert np.isfinite(net.params["conv1.weight"].get()).all(), "the weights are as they were"


@pytest.mark.parametrize("first, then", [("cpu", "cuda"), ("cuda", "cpu")])
def test_velocities_that_lie_elsewhere_are_refused(gpu, first, then):
    net = network().to(first)
    sgd, before = SGD(net, 0.1), net.params["conv1.weight"]
    net.to(then)
    with one_sentence(TypeError, "SGD", "conv1.weight", "numpy array", "velocity", "after network.to"):
        sgd.step()
    assert np.array_equal(move(net.params["conv1.weight"], "cpu"), move(before, "cpu"))


def test_labels_that_name_no_class_are_refused(gpu):
    net = network().to("cuda")
    logits = net.forward(move(pictures().images, "cuda"), training=True)
    with one_sentence(ValueError, "label 4", "0 to 3"):
        SoftmaxCrossEntropy().forward(logits, np.full(40, 4))


@pytest.mark.parametrize("kind", [np.int64, np.uint8])
@pytest.mark.parametrize("wrong", [-1, 3])
@pytest.mark.parametrize("make", [SoftmaxCrossEntropy, LeNet5Loss])
def test_labels_on_the_card_that_name_no_class_make_the_loss_nan(gpu, make, wrong, kind):
    """They are not looked at before, as that would mean to wait; but -1 must not count as the last class."""
    logits = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    labels, loss = np.array([0, 1, 2, 0], kind), make()
    expected = make().forward(logits, labels)
    assert float(loss.forward(move(logits, "cuda"), move(labels, "cuda"))) == pytest.approx(float(expected), rel=1e-6)
    assert np.isfinite(move(loss.backward(), "cpu")).all()
    labels[2] = np.array(wrong).astype(kind)
    assert np.isnan(float(loss.forward(move(logits, "cuda"), move(labels, "cuda"))))
    dlogits = move(loss.backward(), "cpu")
    assert np.isnan(dlogits[2]).all() and np.isfinite(dlogits[[0, 1, 3]]).all()


# -------------------------------------------------------------------------------------------------- using it
def test_answers_are_numpys_for_numpys_pictures(gpu):
    here, there, data = network(), network().to("cuda"), pictures(70)
    probabilities = there.predict(data.images)
    assert isinstance(probabilities, np.ndarray)
    np.testing.assert_allclose(probabilities, here.predict(data.images), rtol=1e-5)
    assert isinstance(there.predict(move(data.images, "cuda")), gpu.ndarray)
    loss, accuracy, predictions = evaluate(there, data.images, data.labels)
    expected = evaluate(here, data.images, data.labels)
    assert loss == pytest.approx(expected[0], rel=1e-5) and accuracy == expected[1]
    assert isinstance(predictions, np.ndarray) and np.array_equal(predictions, expected[2])


def test_weights_are_saved_and_loaded(gpu, tmp_path):
    there = network().to("cuda")
    there.save(tmp_path / "there.safetensors")
    for place in ("cpu", "cuda"):
        fresh = network().to(place)
        fresh.params["fc1.weight"][...] = 0
        fresh.load(tmp_path / "there.safetensors")
        for name, param in network().params.items():
            assert np.array_equal(move(fresh.params[name], "cpu"), param)


def test_where_it_looks(gpu):
    here, there, x = network(), network().to("cuda"), pictures().images[0]
    np.testing.assert_allclose(occlusion(there, x, 1), occlusion(here, x, 1), atol=1e-5)
    np.testing.assert_allclose(saliency(there, x, 1), saliency(here, x, 1), rtol=1e-4, atol=1e-6)


def test_what_happens_inside(gpu):
    here, there, x = network(), network().to("cuda"), pictures(3).images
    for name, y in activations(here, x).items():
        np.testing.assert_allclose(activations(there, move(x, "cuda"))[name].get(), y, rtol=1e-4, atol=1e-5)
    dlogits = np.eye(4, dtype=np.float32)[:3]
    found = gradients(there, move(x, "cuda"), move(dlogits, "cuda"))
    for name, gradient in gradients(here, x, dlogits).items():
        np.testing.assert_allclose(found[name].get(), gradient, rtol=1e-4, atol=1e-5)


COLOURS = augment.principal_colours(pictures().images)
CHANGES = {
    "distort": lambda images: augment.distort(images, np.random.default_rng(0)),
    "random_crop": lambda images: augment.random_crop(images, (7, 8), np.random.default_rng(0)),
    "mirror": lambda images: augment.mirror(images, np.random.default_rng(0)),
    "colour_noise": lambda images: augment.colour_noise(images, COLOURS, np.random.default_rng(0)),
    "centre_crop": lambda images: augment.centre_crop(images, 7),
    "ten_crops": lambda images: augment.ten_crops(images, 7),
    "lenet5_input": augment.lenet5_input,
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_random_changes_are_the_same(gpu, name, dtype):
    images = np.random.default_rng(1).integers(0, 256, (9, 12, 12, 3)).astype(dtype)
    expected = CHANGES[name](images)
    changed = CHANGES[name](move(images, "cuda"))
    assert isinstance(changed, gpu.ndarray) and changed.dtype == np.float32 and changed.shape == expected.shape
    # In "distort" a position is rounded in float64 and times a level of up to 255.
    np.testing.assert_allclose(changed.get(), expected, rtol=1e-6, atol=1e-4 if name == "distort" else 0)
