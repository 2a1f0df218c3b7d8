"""Labels in a list, a pandas Series or whatever else gives the bits and the errors of the array."""

import numpy as np
import pytest

from layers import Flatten, Linear
from models import lenet
from nn import LeNet5Loss, Network, SoftmaxCrossEntropy
from nn.data import Dataset
from nn.plots import confusion_matrix, mistakes
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


class Bare:
    """Has nothing of an array but what makes one of it."""

    def __init__(self, values):
        self.hidden = np.asarray(values)

    def __array__(self, dtype=None, copy=None):
        return np.array(self.hidden, dtype)


class Interface:
    def __init__(self, values):
        self.hidden = np.asarray(values)
        self.__array_interface__ = self.hidden.__array_interface__


@pytest.mark.parametrize("holder", [Bare, Interface])
def test_what_has_neither_a_length_nor_a_dtype(holder):
    network, images = lenet(rng=0), np.random.default_rng(0).random((6, 28, 28, 1), np.float32)
    labels = np.array([0, 3, 1, 9, 2, 0])
    assert evaluate(network, images, holder(labels))[:2] == evaluate(network, images, labels)[:2]
    with one_sentence(ValueError, "label", -3, "0 to 9"):
        evaluate(network, images, holder(-labels))
    assert np.array_equal(confusion_matrix(holder(labels), holder(labels), 10), confusion_matrix(labels, labels, 10))


@pytest.mark.parametrize(
    "labels, kind",
    [
        (Refuses(), TypeError),
        (object(), TypeError),
        (None, TypeError),
        ("0123", TypeError),
        (b"0123", TypeError),
        (iter([0, 1, 2, 0]), TypeError),
        ({0, 1, 2}, TypeError),
        ([[0], [1, 2]], TypeError),
        ([2**70] * 4, TypeError),
        (np.zeros(4), TypeError),
        (np.zeros(4, bool), TypeError),
        (np.array([0, 1, 2, 0], object), TypeError),
        (2, ValueError),
        (np.zeros((4, 1), int), ValueError),
        (np.matrix([[0, 1, 2, 0]]), ValueError),
        ([0, 1, 2], ValueError),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
def test_every_reader_of_labels_refuses_what_are_none_in_a_sentence_of_its_own(labels, kind, tmp_path):
    network, images = (
        Network([("flatten", Flatten()), ("out", Linear(4, 3, rng=0))]),
        np.zeros((4, 2, 2, 1), np.float32),
    )
    right = np.zeros(4, int)
    for name, call in {
        "evaluate": lambda: evaluate(network, images, labels),
        "SoftmaxCrossEntropy": lambda: SoftmaxCrossEntropy().forward(np.zeros((4, 3)), labels),
        "confusion_matrix": lambda: confusion_matrix(labels, right, 3),
        "mistakes": lambda: mistakes(tmp_path / "a.png", images, labels, {"LeNet": np.eye(3)[right]}, "abc"),
    }.items():
        with one_sentence(kind, name, "label"):
            call()
    with one_sentence((TypeError, ValueError), "confusion_matrix", "prediction"):
        confusion_matrix(right, labels, 3)


def test_no_mistake_is_drawn_under_the_name_of_another_class(tmp_path):
    images, answers = np.zeros((2, 4, 4, 1)), {"LeNet": np.eye(3)[[0, 1]]}
    for wrong in (-1, 3):
        with one_sentence(ValueError, "mistakes", "label", wrong, "0 to 2"):
            mistakes(tmp_path / "a.png", images, [1, wrong], answers, "abc")
