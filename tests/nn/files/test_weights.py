"""What is saved comes back; what does not fit is refused and changes nothing."""

import json
import re
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from layers import BatchNorm2d, Conv2d, EuclideanRBF, Flatten, Linear, ReLU
from models import lenet
from nn import SGD, Network
from nn.files.weights import assign, load, read_metadata, save
from nn.training.checkpoint import save_checkpoint
from nn.training.history import History
from tests.checks import one_sentence, randomise
from tests.foreign_files import refuses as refused


def small(rng=0, model=None):
    """A network of unequal lengths wherever there are two."""
    layers = [
        ("conv1", Conv2d(3, 4, (2, 5), rng=rng)),
        ("relu1", ReLU()),
        ("flatten", Flatten()),
        ("fc2", Linear(4 * 3 * 4, 7, rng=rng)),
    ]
    network = randomise(Network(layers, image_shape=(4, 8, 3)), np.random.default_rng(rng))
    network.model = model
    return network


def assert_same(params, expected):
    assert params.keys() == expected.keys()
    for name, array in params.items():
        assert array.dtype == expected[name].dtype
        np.testing.assert_array_equal(array, expected[name], err_msg=name)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "small.safetensors"


@pytest.fixture
def images():
    return np.random.default_rng(5).normal(size=(3, 4, 8, 3)).astype(np.float32)


def test_what_is_saved_comes_back(path, images):
    network, other = small(1), small(2)
    save(network, path)
    live = dict(other.params)
    assert load(other, path) is other
    assert_same(other.params, network.params)
    assert all(other.params[name] is array for name, array in live.items()), "the live arrays must be written into"
    np.testing.assert_array_equal(other.forward(images), network.forward(images))


def test_the_file_is_one_that_safetensors_reads(path):
    network = small(1)
    save(network, str(path))
    assert_same(load_file(path), network.params)


def test_arrays_that_do_not_lie_in_order_are_saved_as_they_look(path):
    network = small(1)
    layer = network.layers["fc2"]
    layer.params["weight"] = np.asfortranarray(layer.params["weight"])
    layer.params["bias"] = np.repeat(layer.params["bias"], 2)[::2]
    save(network, path)
    assert_same(load_file(path), network.params)


def test_a_float64_network_keeps_every_bit(path):
    network, other = small(1).astype(np.float64), small(2).astype(np.float64)
    network.params["fc2.bias"][0] = 1 + 1e-15
    save(network, path)
    assert_same(load(other, path).params, network.params)


def test_numbers_are_converted_to_the_networks_dtype(path):
    network = small(1).astype(np.float64)
    save(network, path)
    loaded = load(small(2), path)
    assert_same(loaded.params, {name: array.astype(np.float32) for name, array in network.params.items()})


@pytest.mark.parametrize("dtype", [np.float16, "float16"])
def test_float16_halves_the_file(path, dtype):
    network = small(1)
    save(network, path)
    size = path.stat().st_size
    save(network, path, dtype=dtype)
    assert path.stat().st_size < size - network.num_parameters
    half = {name: array.astype(np.float16) for name, array in network.params.items()}
    assert_same(load_file(path), half)
    assert_same(load(small(2), path).params, {name: array.astype(np.float32) for name, array in half.items()})


def test_metadata(path):
    model = {"function": "small", "arguments": {"image_shape": [4, 8, 3], "width": np.float64(0.25), "n": np.int64(3)}}
    extra = {"epoch": 7, "losses": [2.5, 1.25], "by": 'a "name" with\nlines and \u00e4', "none": None}
    save(small(model=model), path, extra=extra)
    assert read_metadata(path) == {
        "format_version": 1,
        "model": {"function": "small", "arguments": {"image_shape": (4, 8, 3), "width": 0.25, "n": 3}},
        "extra": extra,
    }


def test_metadata_of_a_network_that_no_function_made(path):
    save(small(), path)
    assert read_metadata(path) == {"format_version": 1, "model": None, "extra": None}


def test_a_model_says_how_it_was_made(path):
    save(lenet(num_classes=7, image_shape=(32, 36, 2), rng=0), path)
    model = read_metadata(path)["model"]
    assert model == {"function": "lenet", "arguments": {"num_classes": 7, "image_shape": (32, 36, 2)}}


# What does not fit


def refuses(path, *words):
    """load refuses in one sentence that names the file, and leaves the network as it was."""
    network = small(9)
    refused(lambda path: load(network, path), path, *words)
    assert_same(network.params, small(9).params)


def rewrite(path, change, metadata=None):
    """The file of a small network, with its arrays changed, by safetensors itself."""
    save(small(1), path)
    arrays = load_file(path)
    change(arrays)
    save_file(arrays, path, metadata=metadata or {"written_by": "lenet-to-alexnet", "format_version": "1"})


def test_a_missing_array(path):
    rewrite(path, lambda arrays: (arrays.pop("fc2.weight"), arrays.pop("fc2.bias")))
    refuses(path, "fc2.weight is missing")


# ------------------------------------------------------------------------------------------ state
def with_state(seed=0):
    layers = [("bn1", BatchNorm2d(2)), ("flatten", Flatten())]
    network = Network([*layers, ("rbf", EuclideanRBF(np.random.default_rng(seed).normal(size=(4, 18))))])
    network.forward(np.random.default_rng(seed).normal(size=(5, 3, 3, 2)).astype(np.float32), training=True)
    return network


def test_state_is_saved_and_loaded(path):
    network, other = with_state(1), with_state(2)
    save(network, path)
    live = dict(other.state)
    assert set(load_file(path)) == set(network.params) | set(network.state)
    load(other, path)
    assert_same(other.state, network.state)
    assert all(other.state[name] is array for name, array in live.items()), "the live arrays must be written into"


@pytest.mark.parametrize("name", ["bn1.running_variance", "rbf.prototypes"])
def test_a_file_that_lacks_state(path, name):
    """Such as one that was saved before the layer had any."""
    save(with_state(1), path)
    arrays = load_file(path)
    del arrays[name]
    save_file(arrays, path, metadata={"written_by": "lenet-to-alexnet", "format_version": "1"})
    network, before = with_state(2), with_state(2)
    with one_sentence(ValueError, path, name, "missing"):
        load(network, path)
    assert_same(network.params | network.state, before.params | before.state)


def test_state_of_another_shape_and_state_that_is_not_finite(path):
    save(with_state(1), path)
    arrays = load_file(path)
    network, before = with_state(2), with_state(2)
    for array in (np.zeros(3, np.float32), np.array([1, np.nan], np.float32)):
        save_file(
            arrays | {"bn1.running_mean": array},
            path,
            metadata={"written_by": "lenet-to-alexnet", "format_version": "1"},
        )
        with one_sentence(ValueError, path, "bn1.running_mean"):
            load(network, path)
        assert_same(network.params | network.state, before.params | before.state)


def test_a_parameter_and_a_state_of_one_name(path):
    network = with_state()
    network.layers["bn1"].state["bias"] = np.zeros(2, np.float32)
    with one_sentence(ValueError, "bn1.bias", "parameter", "state"):
        save(network, path)
    assert not path.exists()


def test_an_array_too_many(path):
    rewrite(path, lambda arrays: arrays.update({"fc3.weight": np.zeros(3, np.float32)}))
    refuses(path, "fc3.weight", "not in this network")


@pytest.mark.parametrize("shape", [(2, 5, 4, 3), (5, 2, 3, 4), (120,), (2, 5, 3, 5)])
def test_a_wrong_shape(path, shape):
    rewrite(path, lambda arrays: arrays.update({"conv1.weight": np.zeros(shape, np.float32)}))
    refuses(path, "conv1.weight", str(shape), "(2, 5, 3, 4)")


def test_the_first_misfit_is_named(path):
    def change(arrays):
        arrays["conv1.bias"] = np.zeros(5, np.float32)
        arrays["fc2.bias"] = np.zeros(5, np.float32)

    rewrite(path, change)
    refuses(path, "conv1.bias")


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, np.bool_])
def test_whole_numbers(path, dtype):
    rewrite(path, lambda arrays: arrays.update({"conv1.bias": np.zeros(4, dtype)}))
    refuses(path, "conv1.bias", {np.int32: "I32", np.uint8: "U8", np.bool_: "BOOL"}[dtype], "F32")


@pytest.mark.parametrize("kind", ["BF16", "F8_E4M3"])
def test_kinds_that_numpy_does_not_have(path, kind):
    header = {name: {"dtype": "F32", "shape": list(array.shape)} for name, array in small(1).params.items()}
    header["conv1.weight"]["dtype"] = kind
    write_raw(path, header)
    refuses(path, *(["conv1.weight", kind] if kind == "BF16" else []))  # older safetensors does not know F8 either


def write_raw(path, header, written_by="lenet-to-alexnet", **metadata):
    """A file whose header says this; the numbers are zeros."""
    end = 0
    for entry in header.values():
        size = {"F32": 4, "BF16": 2, "F8_E4M3": 1}[entry["dtype"]] * int(np.prod(entry["shape"], dtype=object))
        entry["data_offsets"] = [end, end + size]
        end += size
    header = {"__metadata__": {"written_by": written_by, "format_version": "1", **metadata}, **header}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(end))


def test_an_empty_array_of_enormous_shape(path):
    header = {name: {"dtype": "F32", "shape": list(array.shape)} for name, array in small(1).params.items()}
    header["conv1.weight"]["shape"] = [2**62, 0]
    write_raw(path, header)
    refuses(path, "conv1.weight", str((2**62, 0)))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite(path, value):
    rewrite(path, lambda arrays: arrays["fc2.weight"].__setitem__((47, 6), value))
    refuses(path, "fc2.weight", "NaN or infinity")


def test_what_float32_cannot_hold(path):
    network = small(1).astype(np.float64)
    network.params["fc2.bias"][3] = 1e39
    save(network, path)
    refuses(path, "fc2.bias", "infinity as float32")
    assert load(small(2).astype(np.float64), path).params["fc2.bias"][3] == 1e39


def test_weights_of_another_program(path):
    # A square matrix of PyTorch's would fit, transposed.
    save(small(1), path)
    save_file(load_file(path), path, metadata={"format": "pt"})
    refuses(path, "not saved by Network.save")
    save_file(load_file(path), path)
    refuses(path, "not saved by Network.save")


def test_a_checkpoint_says_which_file_to_take(path):
    network = small(1)
    save_checkpoint(path, network, SGD(network, 0.1), History())
    refuses(path, "is a checkpoint", "best.safetensors is written after the first epoch")
    save(network, path.with_name("best.safetensors"))
    refuses(path, "is a checkpoint", "take best.safetensors beside it")
    save(network, path.with_name("last.safetensors"))
    refuses(path, "is a checkpoint", "take best.safetensors or last.safetensors beside it")


@pytest.mark.parametrize("version", ["2", "", "1.0", "x" * 10_000])
def test_another_format_version(path, version):
    save(small(1), path)
    metadata = {"written_by": "lenet-to-alexnet", "format_version": version}
    save_file(load_file(path), path, metadata=metadata)
    refuses(path, "format version")


@pytest.mark.parametrize(
    "model",
    [
        "{",
        "[]",
        "7",
        '"lenet"',
        '{"function": "lenet"}',
        '{"arguments": {}}',
        '{"function": "lenet", "arguments": []}',
        '{"function": "lenet", "arguments": {"width": NaN}}',
        "[" * 100_000 + "]" * 100_000,
    ],
)
def test_a_damaged_description(path, model):
    rewrite(path, lambda arrays: None, {"written_by": "lenet-to-alexnet", "format_version": "1", "model": model})
    refuses(path, "damaged")
    refused(read_metadata, path, "damaged")


@pytest.mark.parametrize("depth", [100, 300, 900, 5000])
def test_lists_in_lists_in_lists(path, depth):
    model = '{"function": "lenet", "arguments": {"a": ' + "[" * depth + "]" * depth + "}}"
    rewrite(path, lambda arrays: None, {"written_by": "lenet-to-alexnet", "format_version": "1", "model": model})
    try:
        read_metadata(path)  # how deep Python reads depends on its version and on who calls
    except ValueError as error:
        assert "damaged" in str(error)


# Files that are none


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00" * 7,
        b"hello world, this is no such file",
        struct.pack("<Q", 2**63 - 1) + b"{}",
        struct.pack("<Q", 99_000_000) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        b"PK\x03\x04" + b"\x00" * 100,
    ],
    ids=["empty", "short", "text", "enormous header", "long header", "not an object", "zip"],
)
def test_what_is_no_safetensors_file(path, data):
    path.write_bytes(data)
    refuses(path, "not a whole safetensors file")
    refused(read_metadata, path, "not a whole safetensors file")


def test_every_truncation(path):
    save(small(1), path)
    data = path.read_bytes()
    for length in [*range(0, len(data), 97), len(data) - 1]:
        path.write_bytes(data[:length])
        refuses(path, "not a whole safetensors file")
    path.write_bytes(data + b"\x00")
    refuses(path, "not a whole safetensors file")


@pytest.mark.parametrize("function", [read_metadata, lambda path: load(small(), path)])
def test_no_file(tmp_path, function):
    for path in (tmp_path / "none.safetensors", tmp_path):
        with one_sentence(FileNotFoundError, path, "no such file"):
            function(path)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_file_with_changed_bytes_is_loaded_or_refused(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("fuzz") / "small.safetensors"
    save(small(1, {"function": "small", "arguments": {"n": 3}}), path)
    changed = bytearray(path.read_bytes())
    (header,) = struct.unpack("<Q", changed[:8])
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, header + 7))] = data.draw(st.integers(0, 255))
    path.write_bytes(changed)
    network = small(9)
    try:
        load(network, path)
    except ValueError as error:
        assert str(path) in str(error) and "\n" not in str(error)
        assert_same(network.params, small(9).params)


def test_assign_takes_views_of_any_order(images):
    network, other = small(1), small(2)
    arrays = {name: np.asfortranarray(array).astype(">f4") for name, array in network.params.items()}
    assign(other, arrays, "these arrays")
    assert_same(other.params, network.params)
    arrays["conv1.bias"] = np.zeros(4, np.int64)
    with one_sentence(ValueError, "these arrays", "conv1.bias", "int64"):
        assign(other, arrays, "these arrays")


def test_errors_show_no_raw_text_of_the_file(path):
    rewrite(path, lambda arrays: arrays.update({"\x1b[31m\n" + "x" * 500: np.zeros(1, np.float32)}))
    with pytest.raises(ValueError) as caught:
        load(small(), path)
    assert not re.search(r"[\x00-\x1f]", str(caught.value)) and len(str(caught.value)) < 400


def test_the_same_weights_give_the_same_bytes(path, images):
    network = small(1, model={"function": "f", "arguments": {"a": 1}})
    save(network, path, extra={"epoch": 7, "name": "pêche"})
    first = path.read_bytes()
    for _ in range(8):  # the library's own order is a new one each time
        save(network, path, extra={"epoch": 7, "name": "pêche"})
        assert path.read_bytes() == first
    assert load_file(path).keys() == network.params.keys()
    assert read_metadata(path)["extra"] == {"epoch": 7, "name": "pêche"}
