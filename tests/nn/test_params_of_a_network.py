"""`network.params` and `network.grads`: dicts to read; what could not take effect is refused."""

import copy
import pickle

import numpy as np
import pytest
from safetensors.numpy import load, save

from layers import Conv2d, Flatten, Linear, ReLU
from nn import SGD, Network
from tests.checks import one_sentence

both = pytest.mark.parametrize("what", ["params", "grads"])
NAMES = ["conv1.weight", "conv1.bias", "fc2.weight", "fc2.bias"]


def build():
    layers = [("conv1", Conv2d(1, 2, 3, rng=0)), ("relu1", ReLU()), ("flatten", Flatten())]
    return Network([*layers, ("fc2", Linear(8, 3, rng=1))], image_shape=(4, 4, 1))


CHANGES = {
    "assign": lambda arrays: arrays.__setitem__("conv1.weight", np.zeros((3, 3, 1, 2), np.float32)),
    "a new name": lambda arrays: arrays.__setitem__("conv9.weight", np.zeros(3)),
    "delete": lambda arrays: arrays.__delitem__("conv1.weight"),
    "update": lambda arrays: arrays.update({"conv1.weight": np.zeros(3)}),
    "update by keywords": lambda arrays: arrays.update(weight=np.zeros(3)),
    "|=": lambda arrays: arrays.__ior__({"conv1.weight": np.zeros(3)}),
    "pop": lambda arrays: arrays.pop("conv1.weight"),
    "pop with a default": lambda arrays: arrays.pop("conv1.weight", None),
    "popitem": lambda arrays: arrays.popitem(),
    "clear": lambda arrays: arrays.clear(),
    "setdefault": lambda arrays: arrays.setdefault("conv9.weight", np.zeros(3)),
}


@both
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_what_could_not_take_effect_is_refused(what, change):
    network = build()
    words = f"network.{what}['conv1.weight'][...] = a", f"network.layers['conv1'].{what}['weight'] = a"
    with one_sentence(TypeError, *words):
        change(getattr(network, what))
    assert list(getattr(network, what)) == NAMES


def test_the_sentence_speaks_of_the_array_that_was_meant():
    network = build()
    with one_sentence(TypeError, "network.params['fc2.bias'][...] = a", "network.layers['fc2'].params['bias'] = a"):
        network.params["fc2.bias"] = np.zeros(3, np.float32)


def test_what_the_sentence_says_takes_effect():
    network, x = build(), np.ones((2, 4, 4, 1), np.float32)
    network.params["fc2.weight"][...] = 0
    network.layers["fc2"].params["bias"] = np.arange(3, dtype=np.float32)
    np.testing.assert_array_equal(network.forward(x), [[0, 1, 2]] * 2)
    network.layers["fc2"].params["bias"] = np.arange(2, dtype=np.float32)
    with one_sentence(ValueError, "fc2 (Linear)", "bias", "(3,)", "(2,)"):
        network.forward(x)


def test_arithmetic_in_place_takes_effect():
    network = build()
    before = network.params["fc2.weight"].copy()
    network.params["fc2.weight"] *= 2
    network.params["fc2.weight"] += 1
    np.testing.assert_array_equal(network.params["fc2.weight"], 2 * before + 1)


@both
def test_they_are_dicts(what):
    network = build()
    arrays = getattr(network, what)
    assert isinstance(arrays, dict) and list(arrays) == list(arrays.keys()) == NAMES and len(arrays) == 4
    assert arrays.get("conv9.weight") is None and "fc2.bias" in arrays
    assert all(arrays[name] is array for name, array in arrays.items())
    assert arrays.setdefault("fc2.bias", None) is arrays["fc2.bias"]
    assert list(reversed(arrays)) == NAMES[::-1] and sorted(arrays)[0] == "conv1.bias"
    assert list(load(save(arrays))) == NAMES or set(load(save(arrays))) == set(NAMES)


@both
@pytest.mark.parametrize(
    "make",
    [dict, dict.copy, lambda arrays: arrays | {}, lambda arrays: {} | arrays, copy.copy, copy.deepcopy,
     lambda arrays: pickle.loads(pickle.dumps(arrays)), lambda arrays: {**arrays}],
    ids=["dict", "copy()", "|", "| from the right", "copy.copy", "deepcopy", "pickle", "**"],
)  # fmt: skip
def test_copies_are_ordinary_dicts(what, make):
    copied = make(getattr(build(), what))
    assert type(copied) is dict and list(copied) == NAMES
    copied["conv1.weight"] = None


@pytest.mark.parametrize("what", ["params", "grads", "velocities"])
def test_sgd_refuses_arrays_of_another_shape(what):
    network = build()
    optimizer = SGD(network, 0.1)
    arrays = network.layers["fc2"].params if what == "params" else network.layers["fc2"].grads
    if what == "velocities":
        optimizer.velocities["fc2.bias"] = np.zeros(300, np.float32)
    else:
        arrays["bias"] = np.zeros(300, np.float32)
    with one_sentence(ValueError, "SGD", "fc2.bias", 300, 3):
        optimizer.step()


def test_sgd_refuses_a_gradient_of_another_dtype_and_a_parameter_that_cannot_be_written():
    network = build()
    network.layers["fc2"].grads["bias"] = np.zeros(3)
    with one_sentence(TypeError, "SGD", "fc2.bias", "float64", "float32"):
        SGD(network, 0.1).step()
    network = build()
    network.params["fc2.bias"].flags.writeable = False
    with one_sentence(TypeError, "SGD", "fc2.bias", "read-only"):
        SGD(network, 0.1).step()
