"""Copies and pickles carry what a network has learned, and nothing of the pass that it is in the middle of."""

import copy
import pickle

import numpy as np
import pytest

from layers import Dropout
from models import lenet
from nn import LeNet5Loss, SoftmaxCrossEntropy
from tests.checks import one_sentence
from tests.layers.test_contract import build, every_layer

ways = pytest.mark.parametrize(
    "way",
    [copy.deepcopy, copy.copy, lambda thing: pickle.loads(pickle.dumps(thing))],
    ids=["deepcopy", "copy", "pickle"],
)


@every_layer
@ways
def test_a_layer_s_copy_carries_no_unfinished_pass(name, way):
    layer, x, dy = build(name)
    layer.forward(x, training=True)
    copied = way(layer)
    with one_sentence(RuntimeError, type(layer).__name__, "forward"):
        copied.backward(dy)
    reference = build(name)[0]  # the copied layer's own pass goes on
    reference.forward(x, training=True)
    assert np.array_equal(layer.backward(dy), reference.backward(dy))
    assert np.array_equal(copied.forward(x), layer.forward(x))


@every_layer
def test_a_pickled_layer_is_as_large_as_before_the_pass(name):
    layer, x, _ = build(name)
    before = len(pickle.dumps(layer))
    many = np.concatenate([x] * 50)
    layer.forward(many, training=True)
    layer.forward(many)
    assert len(pickle.dumps(layer)) <= before + 200  # a generator's numbers may take some digits more


def test_a_network_s_as_well():
    network, x = lenet(rng=0), np.random.default_rng(0).normal(size=(256, 28, 28, 1)).astype(np.float32)
    before = len(pickle.dumps(network))
    loss = SoftmaxCrossEntropy()
    loss.forward(network.forward(x, training=True), np.zeros(256, int))
    network.forward(x)
    assert len(pickle.dumps(network)) <= before
    assert copy.deepcopy(network).layers["conv1"]._saved is None
    network.backward(loss.backward())  # the original goes on


def test_a_dropout_layer_keeps_its_mask_when_another_is_copied():
    layer = Dropout(0.5, rng=0)
    layer.forward(np.ones((3, 4), np.float32), training=True)
    copied = copy.deepcopy(layer)
    assert copied.mask is None and layer.mask.shape == (3, 4)


@ways
@pytest.mark.parametrize("make", [SoftmaxCrossEntropy, LeNet5Loss], ids=["softmax", "LeNet-5"])
def test_a_loss_s_copy_carries_none_either(make, way):
    loss = make()
    loss.forward(np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32), np.zeros(5, int))
    with one_sentence(RuntimeError, make.__name__):
        way(loss).backward()
    loss.backward()
