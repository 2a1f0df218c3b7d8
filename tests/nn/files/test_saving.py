"""Saving: a network comes back; where it fails the old file stays as it was, and nothing else stays."""

import os

import numpy as np
import pytest

from layers import Linear
from nn import Network
from nn.files.weights import load, read_metadata, save
from tests.checks import one_sentence


def small(rng=0):
    return Network([("fc", Linear(5, 3, rng=rng))])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "small.safetensors"


def test_a_failed_save_leaves_the_old_file(path, monkeypatch):
    save(small(1), path)
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save(small(2), path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name], "the part that was written must go"


def test_the_new_file_is_whole_before_it_gets_its_name(path, monkeypatch):
    save(small(1), path)
    before, replace, sizes = path.read_bytes(), os.replace, []

    def watched(source, target):
        assert path.read_bytes() == before
        sizes.append(os.path.getsize(source))
        replace(source, target)

    monkeypatch.setattr(os, "replace", watched)
    save(small(2), path)
    assert sizes == [path.stat().st_size]
    np.testing.assert_array_equal(load(small(3), path).params["fc.weight"], small(2).params["fc.weight"])
    assert os.listdir(path.parent) == [path.name]


def test_a_network_saves_and_loads_itself(path):
    small(2).save(path, {"note": 3})
    network = small(3)
    assert network.load(path) is network
    np.testing.assert_array_equal(network.params["fc.weight"], small(2).params["fc.weight"])
    assert read_metadata(path)["extra"] == {"note": 3}


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such permissions")
def test_the_file_has_the_permissions_of_any_new_file(path):
    (path.parent / "other").touch()
    save(small(1), path)
    assert path.stat().st_mode == (path.parent / "other").stat().st_mode


def test_saving_into_no_folder(tmp_path):
    path = tmp_path / "none" / "small.safetensors"
    with one_sentence(FileNotFoundError, path, "no folder"):
        save(small(1), path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_saving_what_is_not_finite(path, value):
    network = small(1)
    network.params["fc.bias"][1] = value
    with one_sentence(ValueError, path, "fc.bias", "nothing was saved"):
        save(network, path)
    assert not path.exists()


def test_saving_what_float16_cannot_hold(path):
    network = small(1)
    network.params["fc.bias"][1] = 70_000
    with one_sentence(ValueError, path, "fc.bias", "float16"):
        save(network, path, dtype=np.float16)
    assert not path.exists()


@pytest.mark.parametrize("dtype", [np.int8, np.complex64, np.longdouble])
def test_saving_as_a_strange_type(path, dtype):
    if np.dtype(dtype) == np.float64:
        pytest.skip("on this machine a long double is a float64")
    with one_sentence(TypeError, path, np.dtype(dtype), "float16"):
        save(small(1), path, dtype=dtype)


@pytest.mark.parametrize("extra", [{"a": object()}, {"a": np.zeros(3)}, {"loss": float("nan")}, {(1, 2): 3}, {1, 2}])
def test_extra_that_json_does_not_have(path, extra):
    with one_sentence(ValueError, path, "extra", "JSON"):
        save(small(1), path, extra=extra)
    assert not path.exists()
