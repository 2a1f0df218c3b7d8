"""Labels in a list, a pandas Series or whatever else gives the bits and the errors of the array."""

import numpy as np
import pytest

from models import lenet
from nn import LeNet5Loss, SoftmaxCrossEntropy
from nn.data import Dataset
from nn.plots import confusion_matrix
from nn.training import evaluate
from tests.checks import one_sentence


class Series:
    """Whole numbers that behave as a pandas Series does: indexed by its own labels, compared element by element."""

    def __init__(self, values, index):
        self.values, self.index = np.asarray(values), list(index)
        self.dtype, self.shape = self.values.dtype, self.values.shape

    def __len__(self):
        return len(self.values)

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype)

    def __getitem__(self, key):
        if isinstance(key, slice):
            return Series(self.values[key], self.index[key])
        return self.values[self.index.index(key)]

    def __lt__(self, other):
        return Series(self.values < other, self.index)

    def min(self):
        return self.values.min()

    def get(self, key, default=None):
        return default


HOLDERS = {
    "list": list,
    "tuple": tuple,
    "Series": lambda labels: Series(labels, range(100, 100 + len(labels))),
    "memoryview": memoryview,
    "int8": lambda labels: labels.astype(np.int8),
    "uint64": lambda labels: np.where(labels < 0, labels + 200, labels).astype(np.uint64),
    "subclass": np.ma.masked_array,
}


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize("make", [SoftmaxCrossEntropy, LeNet5Loss])
def test_labels_that_are_no_numpy_array(holder, make):
    logits = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    labels = np.array([0, 3, 1, 2, 2, 0])
    expected, found = make(), make()
    assert found.forward(logits, HOLDERS[holder](labels)) == expected.forward(logits, labels)
    assert np.array_equal(found.backward(), expected.backward())
    for wrong in (-1, 4):
        labels[2] = wrong
        with one_sentence(ValueError, "label", "0 to 3"):
            make().forward(logits, HOLDERS[holder](labels))


@pytest.mark.parametrize("labels", [object(), [[1], [2, 3]], ["a", "b"], [0.5, 1.0], None])
def test_labels_that_are_none(labels):
    with one_sentence((TypeError, ValueError), "SoftmaxCrossEntropy", "labels"):
        SoftmaxCrossEntropy().forward(np.zeros((2, 4), np.float32), labels)


@pytest.mark.parametrize("holder", HOLDERS)
def test_labels_of_evaluate_and_of_a_data_set(holder):
    network = lenet(rng=0)
    images = np.random.default_rng(0).random((6, 28, 28, 1), np.float32)
    labels = np.array([0, 3, 1, 9, 2, 0])
    loss, accuracy, predictions = evaluate(network, images, labels, batch_size=4)
    again = evaluate(network, images, HOLDERS[holder](labels), batch_size=4)
    assert again[:2] == (loss, accuracy) and np.array_equal(again[2], predictions)
    names = [str(number) for number in range(10)]
    assert np.array_equal(Dataset(images, HOLDERS[holder](labels), names).labels, labels)
    labels[3] = -1
    with one_sentence(ValueError, "label", "0 to 9"):
        evaluate(network, images, HOLDERS[holder](labels))
    with one_sentence(ValueError, "labels", "0..9"):
        Dataset(images, HOLDERS[holder](labels), names)


class Refuses:
    def __array__(self, *_, **__):
        raise RuntimeError("no")


def test_what_refuses_to_be_an_array():
    for call in (
        lambda: Dataset(np.zeros((2, 4, 4, 1), np.float32), Refuses(), ["a"]),
        lambda: Dataset(Refuses(), [0], ["a"]),
        lambda: SoftmaxCrossEntropy().forward(np.zeros((2, 4), np.float32), Refuses()),
    ):
        with one_sentence(TypeError, "Refuses", "NumPy"):
            call()


@pytest.mark.parametrize("pair", [([0, -1], [0, 1]), ([0, 1], [0, -1]), ([0, 2], [0, 1])])
def test_a_confusion_matrix_counts_no_class_below_0(pair):
    with one_sentence(ValueError, "confusion_matrix", "0 to 1"):
        confusion_matrix(*pair, 2)
