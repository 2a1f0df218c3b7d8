"""Batches in shards, in one process: the same training, and what cannot be trained so."""

import numpy as np
import pytest

import models
from layers import BatchNorm2d, Conv2d, Dropout, Flatten, Linear, ReLU
from nn import SGD, LeNet5Loss, Network, SoftmaxCrossEntropy, freeze
from nn.data import Dataset
from nn.data.whole import WholeImages
from nn.parallel import Ranks
from nn.training import History, train
from nn.training.data_parallel import DataParallel, usual_shards
from nn.training.schedules import Plateau, WarmUp
from tests.checks import one_sentence


def pictures(count=45, seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    return Dataset(rng.normal(0, 1, (count, 4, 4, 1)).astype(dtype), rng.integers(0, 3, count), ("a", "b", "c"))


def network(dtype=np.float32):
    layers = [("conv1", Conv2d(1, 3, 3, rng=0)), ("relu1", ReLU()), ("flatten", Flatten())]
    layers += [("drop2", Dropout(0.5, rng=1)), ("fc2", Linear(12, 7, rng=2)), ("drop3", Dropout(0.3, rng=3))]
    return Network([*layers, ("fc3", Linear(7, 3, rng=4))]).astype(dtype)


def trained(shards, dtype=np.float32, images=None, frozen=(), **more):
    net = network(dtype)
    freeze(net, *frozen)
    optimizer = SGD(net, 0.1, 0.9, 1e-3)
    parallel = None if shards is None else DataParallel(Ranks(), shards)
    images = pictures(dtype=dtype) if images is None else images
    settings = {"epochs": 3, "batch_size": 16, "seed": 5, "progress": False} | more
    return net, train(net, images, pictures(30, 1, dtype), optimizer=optimizer, parallel=parallel, **settings)


def test_one_shard_is_training_without():
    """Bit for bit, without anything random in `prepare`."""
    plain, history = trained(None)
    one, shared = trained(1)
    assert shared.steps == history.steps and shared.statistics == history.statistics
    assert shared.epochs[-1]["test_loss"] == history.epochs[-1]["test_loss"]
    for name, array in plain.params.items():
        np.testing.assert_array_equal(one.params[name], array)


@pytest.mark.parametrize("shards", [2, 3, 8, 16])
def test_shards_give_the_batch_s_gradient(shards):
    plain, history = trained(None, np.float64)
    net, shared = trained(shards, np.float64)
    np.testing.assert_allclose(shared.steps, history.steps, rtol=1e-12)
    accuracies = [[row["train_accuracy"] for row in each.epochs] for each in (history, shared)]
    assert accuracies[0] == accuracies[1]
    for name, array in plain.params.items():
        np.testing.assert_allclose(net.params[name], array, rtol=0, atol=1e-12)


def test_frozen_layers_stay_as_they_are():
    net, _ = trained(4, frozen=("conv1",))
    np.testing.assert_array_equal(net.params["conv1.weight"], network().params["conv1.weight"])
    plain, _ = trained(1, frozen=("conv1",))
    np.testing.assert_allclose(net.params["fc3.weight"], plain.params["fc3.weight"], atol=1e-5)


def test_state_that_stays_as_it_is_can_be_shared():
    """LeNet-5's prototypes are state, and no statistics of a batch."""
    rng = np.random.default_rng(0)
    names = tuple("0123456789")
    digits = Dataset(rng.normal(0, 1, (12, 32, 32, 1)), rng.integers(0, 10, 12), names)
    found = []
    for parallel in (None, DataParallel(Ranks(), 4)):
        net = models.lenet5_1998(rng=0).astype(np.float64)
        settings = {"optimizer": SGD(net, 0.001), "loss": LeNet5Loss(), "epochs": 1, "batch_size": 8, "progress": False}
        train(net, digits, digits, parallel=parallel, seed=5, **settings)
        found.append(net)
    for name, array in found[0].params.items():
        np.testing.assert_allclose(found[1].params[name], array, rtol=0, atol=1e-12)


def test_rows_are_cut_into_equal_parts():
    parallel = DataParallel(Ranks(), 4)
    assert parallel.rows(10) == [(0, 3), (3, 5), (5, 8), (8, 10)]
    assert parallel.rows(2) == [(0, 1), (1, 1), (1, 2), (2, 2)]
    assert all(parallel.rows(count)[0][1] > 0 for count in range(1, 20))


def test_random_changes_depend_on_the_shard_alone():
    """A run that is resumed, and one that reads its images otherwise, draw the same."""
    drawn = []

    def prepare(images, rng):
        if rng is not None:
            drawn.append(rng.random())
        return images

    trained(4, prepare=prepare, epochs=2)
    assert len(set(drawn)) == len(drawn) == 2 * 3 * 4
    first, drawn = drawn, []
    histories = []
    net, optimizer = network(), None
    optimizer = SGD(net, 0.1)
    for _ in range(2):
        histories.append(
            train(
                net,
                pictures(),
                epochs=2,
                batch_size=16,
                seed=5,
                progress=False,
                optimizer=optimizer,
                prepare=prepare,
                parallel=DataParallel(Ranks(), 4),
                history=histories[-1] if histories else None,
                after_step=lambda history: len(history.steps) == 2,
            )
        )
    # What was prepared ahead of the stop is prepared again.
    assert [value for place, value in enumerate(drawn) if value not in drawn[:place]] == first


def test_images_that_must_be_decoded():
    """By a thread, one batch ahead, and only those that are asked for."""
    rng = np.random.default_rng(0)
    images = WholeImages([rng.integers(0, 256, (4, 4, 1), dtype=np.uint8) for _ in range(45)], 4, 1)
    whole = Dataset(images, rng.integers(0, 3, 45), ("a", "b", "c"))
    array = Dataset(np.asarray(images), whole.labels, whole.class_names)

    def prepare(images, rng):
        return np.asarray(images).astype(np.float32) / 255

    one, other = (trained(4, images=each, prepare=prepare)[1].steps for each in (whole, array))
    assert one == other


def test_a_plateau_in_a_warm_up_is_shared():
    schedule = WarmUp(Plateau(0.1), 0.5)
    parallel = DataParallel(Ranks(), 2)
    net = network()
    history = parallel.begin(net, SGD(net, 0.1), History(), schedule, (4, 4, 1))
    assert history == History()


def test_on_a_gpu_the_sum_is_there(gpu):
    """Gradients lie in one vector of the device, and shards are added there."""
    plain = network()
    net = network().to("cuda")
    images, labels = pictures().images[:16], pictures().labels[:16]
    for each, asarray in ((plain, np.asarray), (net, gpu.asarray)):
        parallel = DataParallel(Ranks(), 4)
        parallel.begin(each, SGD(each, 0.1), History(), None, (4, 4, 1))
        shards = [(asarray(images[a:b]), labels[a:b]) for a, b in parallel.rows(16)]
        parallel.step(SoftmaxCrossEntropy(), shards, 16, lambda *_: None)
    for name, array in plain.grads.items():
        np.testing.assert_allclose(net.grads[name].get(), array, rtol=1e-4, atol=1e-6)


def test_a_failure_is_found_in_shards():
    images = pictures()
    images.images[images.images > 2] = np.nan
    _, history = trained(4, images=images)
    assert "in step 1" in history.failure and "a pixel" in history.failure


def test_what_cannot_be_shared():
    ranks = Ranks()
    ranks.size = 2
    for shards in (3, 6):
        with one_sentence(ValueError, f"{shards} shards", "2 ranks"):
            DataParallel(ranks, shards)
    net = Network([("conv1", Conv2d(1, 2, 3, rng=0)), ("bn1", BatchNorm2d(2)), ("f", Flatten()), ("fc", Linear(8, 2))])
    begin = DataParallel(Ranks(), 2).begin
    with one_sentence(ValueError, "bn1.running_mean"):
        begin(net, SGD(net, 0.1), History(), None, (4, 4, 1))
    rng = np.random.default_rng(0)
    twice = Network([("drop1", Dropout(0.5, rng=rng)), ("fc", Linear(4, 2)), ("drop2", Dropout(0.5, rng=rng))])
    with one_sentence(ValueError, "same generator"):
        begin(twice, SGD(twice, 0.1), History(), None, (4,))


def test_how_many_shards_without_a_wish():
    assert [usual_shards(ranks, 256) for ranks in (1, 2, 3, 4, 8, 16)] == [8, 8, 3, 8, 8, 16]
    assert usual_shards(2, 255) == 2
