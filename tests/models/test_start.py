"""A classifier for other classes that begins with what a network has learned: every kept bit, and a new last layer."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import models
from models import lenet, load_classifier, start_from
from models.classifier import Classifier
from models.foreign import caffe_params, torchvision_params
from models.registry import MODELS
from models.start import last_layer, read_start
from nn import Network
from nn.data.preparation import Preparation
from tests.alexnets import HIDDEN, caffe_layers, narrow_caffe, narrow_torchvision, torchvision_arrays
from tests.checks import one_sentence, randomise
from tests.foreign_files import state_dict, write_pth, write_python2_npy

THREE = ("oak", "ash", "elm")
TEN = tuple("abcdefghij")
# Models that are quickly made, with the layer that is new and the classes that it is new for.
SMALL = {
    "lenet": ({"num_classes": 7, "image_shape": (30, 36, 3)}, "fc5", THREE),
    "lenet5_1998": ({}, "F6", TEN),
    "alexnet_small": ({"num_classes": 5, "image_shape": (32, 44, 3), "width": 0.0625}, "fc8", THREE),
    "alexnet_cifar10": ({"variant": "80sec"}, "fc5", THREE),
    "alexnet_cifar10 18pct": ({"variant": "18pct", "image_shape": (28, 28, 3)}, "fc4", THREE),
}


def learned(which):
    """A network with numbers that no initialiser makes, and its classifier."""
    arguments = SMALL[which][0]
    network = getattr(models, which.split()[0])(**arguments, rng=0)
    randomise(network, np.random.default_rng(5), scale=0.1)
    height, width, channels = network.image_shape
    classes = network.output_shape(network.image_shape)[0]
    levels = "lenet5" if which == "lenet5_1998" else "standardised"
    size = (28, 28) if levels == "lenet5" else (height + 3, width + 5)
    preparation = Preparation(size, channels, (height, width), levels, np.float32(0.3), np.float32(0.2))
    return Classifier(network, preparation, tuple(map(str, range(classes))))


def of(name, layer):
    return name.split(".")[0] == layer


# ------------------------------------------------------------------------------------------------- what is kept
@pytest.mark.parametrize("which", SMALL)
def test_every_bit_is_kept_but_for_the_new_layer_which_depends_on_the_seed(which, tmp_path):
    _, new, classes = SMALL[which]
    old = learned(which)
    path = tmp_path / "start.safetensors"
    old.network.save(path, {"class_names": list(old.class_names), "preparation": old.preparation.to_json()})
    one, again, other = (start_from(path, classes, rng=seed) for seed in (1, 1, 2))
    assert last_layer(one.network) == new and one.class_names == classes
    assert list(one.network.layers) == list(old.network.layers)
    assert one.network.output_shape(one.network.image_shape) == (len(classes),)
    assert one.network.image_shape == old.network.image_shape
    for name, param in one.network.params.items():
        assert param.tobytes() == again.network.params[name].tobytes(), name
        if not of(name, new):
            assert param.tobytes() == old.network.params[name].tobytes() == other.network.params[name].tobytes(), name
    weight = f"{new}.weight"
    assert not np.array_equal(one.network.params[weight], other.network.params[weight])
    for name, array in one.network.state.items():
        assert array.tobytes() == old.network.state[name].tobytes(), name
    assert one.preparation.to_json() == old.preparation.to_json()


@pytest.mark.parametrize("which", SMALL)
def test_the_new_layer_starts_as_in_a_new_network(which):
    arguments, new, classes = SMALL[which]
    begun = start_from(learned(which), classes, rng=3)
    if "num_classes" in begun.network.model["arguments"]:
        arguments = {**arguments, "num_classes": len(classes)}
    fresh = getattr(models, which.split()[0])(**arguments, rng=3)
    for kind in ("weight", "bias"):
        assert np.array_equal(begun.network.params[f"{new}.{kind}"], fresh.params[f"{new}.{kind}"])
    assert begun.network.params[f"{new}.weight"].std() > 0


def test_a_classifier_is_as_good_as_its_file_and_is_not_changed():
    file, old = start_from("digits_lenet", THREE, rng=0), load_classifier("digits_lenet")
    before = {name: param.copy() for name, param in old.network.params.items()}
    begun = start_from(old, THREE, rng=0)
    for name, param in begun.network.params.items():
        assert np.array_equal(param, file.network.params[name])
        param[...] = 0
    assert all(np.array_equal(param, before[name]) for name, param in old.network.params.items())
    assert all(before[name].any() for name in before)


def test_it_answers_about_pictures_as_prepared_at_the_start():
    begun = start_from("cifar10_alexnet", list(THREE), rng=0)
    picture = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    x = load_classifier("cifar10_alexnet").preparation(picture[np.newaxis])
    np.testing.assert_array_equal(begun.probabilities([picture]), begun.network.predict(x))
    assert begun.class_names == THREE


def test_it_can_be_saved_and_started_from_again(tmp_path):
    begun = start_from(learned("alexnet_small"), THREE, rng=0)
    path = tmp_path / "begun.safetensors"
    begun.network.save(path, {"class_names": list(THREE), "preparation": begun.preparation.to_json()})
    again = start_from(path, TEN, rng=1)
    assert np.array_equal(again.network.params["fc7.weight"], begun.network.params["fc7.weight"])
    assert again.network.params["fc8.weight"].shape[1] == 10


def test_a_network_of_another_dtype():
    old = learned("lenet")
    old.network.astype(np.float64)
    begun = start_from(old, THREE, rng=0)
    assert begun.network.dtype == np.float32
    assert np.array_equal(begun.network.params["conv1.weight"], old.network.params["conv1.weight"].astype(np.float32))


# ------------------------------------------------------------------------------------------------- published files
@pytest.fixture
def narrow(monkeypatch):
    """Narrow networks in the place of the two published ones."""
    monkeypatch.setitem(MODELS, "alexnet_torchvision", narrow_torchvision)
    monkeypatch.setitem(MODELS, "alexnet_caffe", narrow_caffe)


def plain(colour, shape=(300, 401)):
    return np.full((*shape, 3), colour, np.uint8)


@pytest.mark.parametrize("ending", ["pth", "PT"])
def test_torchvision_s_file(narrow, tmp_path, ending):
    arrays = torchvision_arrays(last_maps=(6, 6), classes=11)
    path = write_pth(tmp_path / f"alexnet.{ending}", *state_dict(arrays))
    begun = start_from(path, THREE, rng=0)
    kept = torchvision_params(arrays)
    for name, param in begun.network.params.items():
        assert of(name, "fc8") or np.array_equal(param, kept[name]), name
    np.testing.assert_array_equal(
        begun.network.params["conv2.weight"], arrays["features.3.weight"].transpose(2, 3, 1, 0)
    )
    assert begun.network.params["fc8.weight"].shape == (HIDDEN[1], 3)
    assert begun.network.name == "alexnet_torchvision" and len(read_start(path).class_names) == 11
    x = begun.preparation(plain((10, 100, 200))[np.newaxis])
    assert x.shape == (1, 224, 224, 3)
    expected = [(10 / 255 - 0.485) / 0.229, (100 / 255 - 0.456) / 0.224, (200 / 255 - 0.406) / 0.225]
    np.testing.assert_allclose(x, np.broadcast_to(expected, x.shape), rtol=1e-5)
    assert begun.preparation.size == (256, 256)
    assert Preparation.from_json(begun.preparation.to_json()).to_json() == begun.preparation.to_json()


def test_caffe_s_file(narrow, tmp_path):
    layers = caffe_layers(last_maps=(6, 6))
    path = write_python2_npy(tmp_path / "bvlc_alexnet.npy", layers)
    begun = start_from(path, THREE, rng=0)
    kept = caffe_params(layers)
    for name, param in begun.network.params.items():
        assert of(name, "fc8") or np.array_equal(param, kept[name]), name
    np.testing.assert_array_equal(begun.network.params["conv1.weight"][:, :, 0], layers["conv1"][0][:, :, 2])
    x = begun.preparation(plain((10, 100, 200))[np.newaxis])
    assert x.shape == (1, 227, 227, 3)
    np.testing.assert_allclose(x, np.broadcast_to([10 - 124, 100 - 117, 200 - 104], x.shape), rtol=1e-4)
    assert Preparation.from_json(begun.preparation.to_json()).to_json() == begun.preparation.to_json()


def test_a_published_file_that_does_not_fit(narrow, tmp_path):
    arrays = torchvision_arrays(last_maps=(6, 6), hidden=(14, 8))
    path = write_pth(tmp_path / "alexnet.pth", *state_dict(arrays))
    with one_sentence(ValueError, path, "fc7.weight"):
        start_from(path, THREE)
    del arrays["classifier.6.bias"]
    write_pth(path, *state_dict(arrays))
    with one_sentence(ValueError, path, "classifier.6.bias", "torchvision"):
        start_from(path, THREE)


@pytest.mark.slow
def test_torchvision_s_file_at_its_size(tmp_path):
    """61 million random numbers, which the network of that size takes over."""
    sizes = {"maps": (64, 192, 384, 256, 256), "hidden": (4096, 4096), "classes": 1000, "last_maps": (6, 6)}
    arrays = torchvision_arrays(**sizes)
    begun = start_from(write_pth(tmp_path / "alexnet.pth", *state_dict(arrays)), THREE, rng=0)
    for name, param in torchvision_params(arrays).items():
        assert of(name, "fc8") or np.array_equal(begun.network.params[name], param), name
    assert begun.probabilities([plain((1, 2, 3))]).shape == (1, 3)


# ------------------------------------------------------------------------------------------------- the programs' guide
def test_the_program_in_the_guide_runs(tmp_path, monkeypatch, capsys):
    guide = (Path(__file__).parents[2] / "docs" / "PROGRAMS.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    rng = np.random.default_rng(0)
    for name in ("ash", "oak"):
        (tmp_path / "my_pictures" / name).mkdir(parents=True)
        for number in range(3):
            picture = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
            Image.fromarray(picture).save(tmp_path / "my_pictures" / name / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    found: dict = {}
    exec(compile(program, "docs/PROGRAMS.md", "exec"), found)
    network, learned = found["start"].network, load_classifier("photos_alexnet").network
    for name, param in network.params.items():
        if not name.startswith("fc8"):
            assert np.array_equal(param, learned.params[name]) == name.startswith("conv"), name
    assert found["start"].class_names == ("ash", "oak") and capsys.readouterr().out.count("[") == 4


# ------------------------------------------------------------------------------------------------- what does not fit
def test_files_that_cannot_be_started_from(tmp_path):
    with one_sentence(FileNotFoundError, "digits_lnet", "did you mean digits_lenet?"):
        start_from("digits_lnet", THREE)
    for name in ("gone.pth", "gone.npy", "gone.safetensors"):
        with one_sentence(FileNotFoundError, name):
            start_from(tmp_path / name, THREE)
    for name in ("text.pth", "text.npy", "text.safetensors"):
        (tmp_path / name).write_text("no weights")
        with one_sentence(ValueError, name):
            start_from(tmp_path / name, THREE)
    bare = tmp_path / "bare.safetensors"
    lenet(rng=0).save(bare)
    with one_sentence(ValueError, bare, "how images are prepared", "examples.train"):
        start_from(bare, THREE)


@pytest.mark.parametrize("names", [3, "cat", None, {"a", "b"}])
def test_what_are_no_names_of_classes(names):
    with one_sentence(TypeError, "class_names", "train_set.class_names"):
        start_from("digits_lenet", names)


def test_lenet5_has_ten_classes():
    with one_sentence(ValueError, "lenet5_1998", "10", "3"):
        start_from(learned("lenet5_1998"), THREE)


def test_a_network_that_no_function_makes():
    old = learned("lenet")
    network = Network([("flatten", old.network.layers["flatten"])], image_shape=(2, 2, 3), name="mine")
    with one_sentence(ValueError, "mine", "alexnet_small"):
        start_from(Classifier(network, old.preparation, THREE), THREE)
