"""The weird trick on ranks in threads: the training that one process does, what is sent for it, and what is refused."""

import numpy as np
import pytest

import models
from layers import BatchNorm2d, Conv2d, Dropout, EuclideanRBF, Flatten, Linear, ReLU, Tanh
from nn import SGD, Network, SoftmaxCrossEntropy, freeze
from nn.data import Dataset
from nn.parallel import Ranks, on_paper
from nn.training import History, train
from nn.training.checkpoint import generators_of, load_checkpoint, save_checkpoint
from nn.training.data_parallel import DataParallel
from nn.training.weird_trick import WeirdTrick
from tests.checks import one_sentence
from tests.threads import in_threads

ROUNDING = 1e-12  # in float64, after 18 steps; what is left of it where a slice or a mask is wrong is above 1e-3


def pictures(count=45, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return Dataset(rng.normal(0, 1, (count, 6, 6, 1)).astype(dtype), rng.integers(0, 6, count), tuple("abcdef"))


def network(dtype=np.float64):
    """Units that no number of ranks divides, dropout on both sides of the first fully connected layer, no bias once."""
    layers = [("conv1", Conv2d(1, 3, 3, rng=0)), ("relu1", ReLU()), ("flatten", Flatten())]
    layers += [("drop1", Dropout(0.3, rng=1)), ("fc2", Linear(48, 11, rng=2)), ("relu2", ReLU())]
    layers += [
        ("drop2", Dropout(0.5, rng=3)),
        ("fc3", Linear(11, 7, rng=4, bias=False)),
        ("drop3", Dropout(0.3, rng=5)),
    ]
    return Network([*layers, ("tanh3", Tanh()), ("fc4", Linear(7, 6, rng=6))]).astype(dtype)


def trained(parallel, dtype=np.float64, images=45, frozen=(), **more):
    """Six epochs of three steps; the last batch is a small one."""
    net = network(dtype)
    freeze(net, *frozen)
    optimizer = SGD(net, 0.1, 0.9, 1e-3, "pytorch", {"bias": 2}, {"bias": 0})
    settings = {"epochs": 6, "batch_size": 17, "seed": 5, "progress": False, "schedule": lambda done: 0.1 - done / 20}
    sets = pictures(images, dtype=dtype), pictures(30, 1, dtype)
    history = train(net, *sets, optimizer=optimizer, parallel=parallel, **settings | more)
    return net, optimizer, history


def assert_same(found, expected):
    """Parameters, velocities, dropout's generators and the history."""
    (net, optimizer, history), (plain, other, one) = found, expected
    for mine, theirs in ((net.params, plain.params), (optimizer.velocities, other.velocities)):
        for name, array in theirs.items():
            np.testing.assert_allclose(mine[name], array, rtol=0, atol=ROUNDING, err_msg=name)
    for name, generator in generators_of(plain).items():
        assert net.layers[name].rng.bit_generator.state == generator.bit_generator.state, name
    np.testing.assert_allclose(history.steps, one.steps, rtol=ROUNDING)
    for key in ("train_loss", "train_accuracy", "test_loss", "test_accuracy", "learning_rate"):
        np.testing.assert_allclose(
            [row[key] for row in history.epochs], [row[key] for row in one.epochs], rtol=ROUNDING
        )


@pytest.mark.parametrize("ranks", [1, 2, 3, 4])
@pytest.mark.parametrize("images", [45, 36])  # 17, 17, 11; 17, 17, 2: then some of four ranks have none
def test_it_is_the_training_that_one_process_does(ranks, images):
    plain = trained(None, images=images)
    for found in in_threads(ranks, lambda each: trained(WeirdTrick(each), images=images)):
        assert_same(found, plain)


def test_in_float32_only_roundings_differ():
    """A step's gradients, against float64: along the longest way from a number to a gradient, each sum of k numbers has
    at most k roundings, each by half of float32's epsilon times the largest numbers in it."""
    images, labels = pictures(16).images, pictures(16).labels

    def gradients(ranks, dtype=np.float32):
        net, parallel = network(dtype), WeirdTrick(ranks)
        parallel.begin(net, SGD(net, 0.1), History(), None, (6, 6, 1))
        begin, end = parallel.rows(16)[ranks.rank]
        shards = [(images[begin:end].astype(dtype), labels[begin:end])]
        parallel.step(SoftmaxCrossEntropy(), shards, 16, lambda *_: None)
        parallel.gather(gradients=True)
        return {name: array.copy() for name, array in net.grads.items()}

    exact = gradients(Ranks(), np.float64)
    roundings = 9 + 48 + 11 + 7 + 6 + 7 + 11 + 16 * 16  # forward, back, and conv1's sum over 16 images of 16 places
    for found in in_threads(4, gradients):
        for name, array in exact.items():
            limit = roundings * np.finfo(np.float32).eps / 2 * np.abs(array).max()
            np.testing.assert_allclose(found[name], array, rtol=0, atol=limit, err_msg=name)


@pytest.mark.parametrize("frozen", [("conv1",), ("fc2", "fc3"), ("conv1", "fc2"), ("fc",)])
def test_frozen_layers(frozen):
    plain = trained(None, frozen=frozen)
    for found in in_threads(2, lambda ranks: trained(WeirdTrick(ranks), frozen=frozen)):
        assert_same(found, plain)


@pytest.mark.parametrize("way", ["alone", "data parallel", "four ranks"])
def test_a_run_goes_on_in_another_way(way, tmp_path):
    """Stopped by the trick in the middle of the second epoch; and the other way round, from the tenth step on."""
    plain, path = trained(None), tmp_path / "checkpoint.safetensors"

    def part(parallel, first, stop_at=0):
        """From the checkpoint, unless it is the first part, to step `stop_at` or the end."""
        net = network()
        optimizer = SGD(net, 0.1, 0.9, 1e-3, "pytorch", {"bias": 2}, {"bias": 0})
        is_first_rank = parallel is None or parallel.ranks.first
        history = None if first or not is_first_rank else load_checkpoint(path, net, optimizer)

        def after_step(history):
            if len(history.steps) != stop_at:
                return False
            if parallel is None or parallel.saves(True):
                save_checkpoint(path, net, optimizer, history)
            return True

        history = train(
            net,
            pictures(),
            pictures(30, 1),
            epochs=6,
            batch_size=17,
            seed=5,
            progress=False,
            schedule=lambda done: 0.1 - done / 20,
            optimizer=optimizer,
            history=history,
            after_step=after_step,
            parallel=parallel,
        )
        return net, optimizer, history

    def other(first, stop_at):
        if way == "alone":
            return [part(None, first, stop_at)]
        if way == "data parallel":
            return in_threads(2, lambda ranks: part(DataParallel(ranks), first, stop_at))
        return in_threads(4, lambda ranks: part(WeirdTrick(ranks), first, stop_at))

    in_threads(2, lambda ranks: part(WeirdTrick(ranks), True, 5))
    other(False, 10)
    for found in in_threads(2, lambda ranks: part(WeirdTrick(ranks), False)):
        assert_same(found, plain)


def test_only_rank_0_saves_and_only_where_its_time_has_come():
    def asked(ranks):
        net, parallel = network(), WeirdTrick(ranks)
        parallel.begin(net, SGD(net, 0.1), History(), None, (6, 6, 1))
        return parallel.saves(ranks.first), parallel.saves(not ranks.first), parallel.saves(False)

    assert in_threads(2, asked) == [(True, False, False), (False, False, False)]


@pytest.mark.parametrize("ranks", [2, 4])
@pytest.mark.parametrize("frozen", [(), ("conv1",), ("conv1", "fc2")])
def test_as_many_bytes_are_sent_as_on_paper(ranks, frozen):
    images, labels = pictures(8, dtype=np.float32).images, pictures(8).labels

    def sent(each):
        layers = [("conv1", Conv2d(1, 4, 3, rng=0)), ("flatten", Flatten()), ("fc2", Linear(64, 16, rng=1))]
        layers += [("relu2", ReLU()), ("drop2", Dropout(0.5, rng=2)), ("fc3", Linear(16, 8, rng=3))]
        net, parallel = Network(layers), WeirdTrick(each)
        freeze(net, *frozen)
        optimizer = SGD(net, 0.1)
        parallel.begin(net, optimizer, History(), None, (6, 6, 1))
        begin, end = parallel.rows(8)[each.rank]
        before = each._world.sent
        parallel.step(SoftmaxCrossEntropy(), [(images[begin:end], labels[begin:end])], 8, lambda *_: None)
        parallel.sgd.step()
        return each._world.sent - before

    activations = on_paper.bytes_of_activations([64, 16], 8)
    assert activations == 4 * (64 + 16) + 4 * 8 / 2
    activations -= sum({"conv1": 4 * 64 / 2, "fc2": 4 * 16 / 2}[name] for name in frozen)  # nothing learns below
    size = 8 * activations + (0 if frozen else 4 * (9 * 4 + 4))
    assert in_threads(ranks, sent) == [2 * (ranks - 1) / ranks * size] * ranks


def test_the_bytes_of_alexnet_on_paper():
    net = models.alexnet(rng=0)
    inputs = [net.layers[name].in_features for name in ("fc6", "fc7", "fc8")]
    assert on_paper.bytes_of_activations(inputs, net.layers["fc8"].out_features) == on_paper.ACTIVATIONS


def test_a_gradient_that_is_no_number_on_one_rank_stops_all():
    """After the same step, with the same sentence, and before any weight is changed by it."""

    def harmed(ranks):
        parallel = WeirdTrick(ranks)
        step, done = parallel.step, []

        def spoil(*arguments):
            done.append(step(*arguments))
            if len(done) == 5 and ranks.rank == 1:
                parallel.units.grads["fc3.weight"][0, 0] = np.inf
            return done[-1]

        parallel.step = spoil
        return trained(parallel)

    stopped = trained(None, after_step=lambda history: len(history.steps) == 4)
    for net, _, history in in_threads(3, harmed):
        assert len(history.steps) == 5
        assert "in step 5 the gradient of fc3 is no longer a number" in history.failure
        for name, array in stopped[0].params.items():
            np.testing.assert_allclose(net.params[name], array, rtol=0, atol=ROUNDING)


def test_a_pixel_that_is_no_number_stops_all():
    def blind(ranks):
        images, net = pictures(), network()
        images.images[:, 0, 0] = np.nan
        return train(net, images, epochs=1, optimizer=SGD(net, 0.1), progress=False, parallel=WeirdTrick(ranks))

    failures = [history.failure for history in in_threads(3, blind)]
    assert all("in step 1 a pixel of the images is" in failure for failure in failures)


def test_statistics_are_those_of_rank_0_s_units():
    _, _, history = in_threads(2, lambda ranks: trained(WeirdTrick(ranks)))[0]
    _, _, plain = trained(None)
    assert history.statistics[-1].keys() == plain.statistics[-1].keys()
    assert history.statistics[-1]["gradients"].keys() == plain.statistics[-1]["gradients"].keys()
    assert all(size > 0 for size in history.statistics[-1]["gradients"].values())


def test_on_a_gpu(gpu):
    images, labels = pictures(16, dtype=np.float32).images, pictures(16).labels

    def gradients(ranks, device):
        net, parallel = network(np.float32).to(device), WeirdTrick(ranks)
        optimizer = SGD(net, 0.1)
        parallel.begin(net, optimizer, History(), None, (6, 6, 1))
        begin, end = parallel.rows(16)[ranks.rank]
        mine = images[begin:end] if device == "cpu" else gpu.asarray(images[begin:end])
        parallel.step(SoftmaxCrossEntropy(), [(mine, labels[begin:end])], 16, lambda *_: None)
        parallel.gather(gradients=True)
        return {name: array if device == "cpu" else array.get() for name, array in net.grads.items()}

    here = gradients(Ranks(), "cpu")
    for there in in_threads(2, lambda ranks: gradients(ranks, "cuda")):
        for name, array in here.items():
            np.testing.assert_allclose(there[name], array, rtol=1e-4, atol=1e-6)


def refused(layers, *words, ranks=2, optimizer=None, shape=(4, 4, 1)):
    several = Ranks()
    several.size = ranks
    net = Network(layers)
    with one_sentence(ValueError, *words):
        WeirdTrick(several).begin(net, optimizer or SGD(net, 0.1), History(), None, shape)


def test_what_cannot_be_trained_so():
    conv, flat = ("conv1", Conv2d(1, 2, 3, rng=0)), ("flatten", Flatten())
    refused([conv, flat], "no fully connected layer after others")
    refused([("fc1", Linear(16, 8)), ("fc2", Linear(8, 3))], "no fully connected layer after others", shape=(16,))
    refused([conv, flat, ("fc2", Linear(8, 3))], "fc2 has 3 units for 4 ranks", ranks=4)
    refused([conv, flat, ("fc2", Linear(8, 84)), ("out", EuclideanRBF(np.ones((10, 84))))], "out (EuclideanRBF)", "fc2")
    refused([conv, flat, ("fc2", Linear(8, 8)), ("flat2", Flatten())], "flat2 (Flatten)")
    refused([conv, ("bn1", BatchNorm2d(2)), flat, ("fc2", Linear(8, 8))], "bn1.running_mean")

    class Other:
        lr = 0.1

        def step(self):
            pass

    refused([conv, flat, ("fc2", Linear(8, 3))], "nn.SGD", "Other", optimizer=Other())


def test_which_of_the_models_can():
    ranks = Ranks()
    for net in (models.lenet(rng=0), models.alexnet_small(10, (32, 32, 3), 0.1, rng=0), models.alexnet_cifar10(rng=0)):
        WeirdTrick(ranks).check(net)
    with one_sentence(ValueError, "EuclideanRBF"):
        WeirdTrick(ranks).check(models.lenet5_1998(rng=0))
