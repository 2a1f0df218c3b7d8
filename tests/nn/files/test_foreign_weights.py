"""Reading PyTorch's and Caffe's files: what comes out, that nothing in them runs, and what damage leads to."""

import pickle
import struct
import warnings

import numpy as np
import pytest

from nn.files.foreign import read_caffe_npy, read_pth
from tests.foreign_files import (
    ORDERED_DICT,
    Build,
    Call,
    Global,
    Opcodes,
    dump,
    npy_header,
    one_object,
    refuses,
    some_arrays,
    some_layers,
    state_dict,
    storage,
    tensor,
    write_npy,
    write_pth,
    write_python2_npy,
)


def assert_same(read, expected):
    assert list(read) == list(expected)
    for name, array in expected.items():
        assert read[name].dtype == array.dtype and read[name].shape == array.shape
        np.testing.assert_array_equal(read[name], array, err_msg=name)


def assert_same_layers(read, expected):
    assert list(read) == list(expected)
    for name, pair in expected.items():
        for kind in (0, 1):
            assert read[name][kind].dtype == pair[kind].dtype and read[name][kind].shape == pair[kind].shape
            np.testing.assert_array_equal(read[name][kind], pair[kind], err_msg=name)


@pytest.fixture
def pth(tmp_path):
    return tmp_path / "weights.pth"


@pytest.fixture
def npy(tmp_path):
    return tmp_path / "weights.npy"


# What is in them comes out


def test_pth(pth):
    arrays = some_arrays()
    tensors, storages = state_dict(arrays)
    assert_same(read_pth(write_pth(pth, tensors, storages)), arrays)
    assert_same(read_pth(write_pth(str(pth), tensors, storages, byteorder=None, folder="any name")), arrays)
    assert_same(read_pth(write_pth(pth, dump(tensors, protocol=4), storages)), arrays)


def test_pth_with_a_state_dict_among_other_things(pth):
    arrays = some_arrays()
    tensors, storages = state_dict(arrays)
    rest = {"epoch": 90, "arch": "alexnet", "best": 56.5, "done": True, "none": None, "big": 2**40, "small": -3}
    optimizer = {"state": {0: {"momentum": tensors["half"]}, 1: {}}, "groups": [{"lr": 0.1, "params": [0, 1]}]}
    value = {**rest, "state_dict": tensors, "optimizer": optimizer, "text": "\u00e4\ud800" * 200}
    for protocol in (2, 4):
        assert_same(read_pth(write_pth(pth, dump(value, protocol), storages)), arrays)


def test_pth_as_torch_writes_a_module(pth):
    """An ordered dict that has an attribute, and parameters around tensors."""
    arrays = some_arrays()
    tensors, storages = state_dict(arrays)
    parameter = Global("torch._utils", "_rebuild_parameter")
    items = b"".join(
        dump(name)[2:-1].split(b"q\x00")[0] + dump(Call(parameter, (value, True, Call(ORDERED_DICT, ()))))[2:-1]
        for name, value in tensors.items()
    )
    code = dump(Call(ORDERED_DICT, ()))[2:-1] + b"(" + items + b"u"
    value = Build(Opcodes(code), {"_metadata": {"": {"version": 1}}, "__class__": 5, "keys": 6})
    assert_same(read_pth(write_pth(pth, value, storages)), arrays)


def test_strides(pth):
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=60).astype(np.float32)
    place = storage("0", "f4", 60)
    tensors = {
        "rows": tensor(place, 0, (3, 4, 5), (20, 5, 1)),
        "transposed": tensor(place, 0, (5, 12), (1, 5)),
        "part": tensor(place, 7, (2, 3), (30, 2)),
        "every third": tensor(place, 0, (20,), (3,)),
        "channels last": tensor(place, 0, (2, 3, 2, 5), (30, 1, 15, 3)),
        "one": tensor(place, 59, (), ()),
        "axis of length 1": tensor(place, 55, (1, 5), (2**62, 1)),
        "overlapping": tensor(place, 0, (5, 3), (2, 1)),
    }
    read = read_pth(write_pth(pth, tensors, {"0": numbers.tobytes()}))
    expected = {
        "rows": numbers.reshape(3, 4, 5),
        "transposed": numbers.reshape(12, 5).T,
        "part": np.array([[numbers[7 + 30 * i + 2 * j] for j in range(3)] for i in range(2)]),
        "every third": numbers[::3],
        "channels last": numbers.reshape(2, 2, 5, 3).transpose(0, 3, 1, 2),
        "one": numbers[59],
        "axis of length 1": numbers[None, 55:],
        "overlapping": np.array([[numbers[2 * i + j] for j in range(3)] for i in range(5)]),
    }
    assert_same(read, expected)
    assert not any(array.flags.writeable for array in read.values())


def test_big_endian_pth(pth):
    arrays = some_arrays()
    tensors, storages = state_dict(arrays, order=">")
    read = read_pth(write_pth(pth, tensors, storages, byteorder="big"))
    assert_same({name: array.astype(array.dtype.newbyteorder("=")) for name, array in read.items()}, arrays)


def test_bfloat16_is_the_upper_half_of_float32(pth):
    numbers = np.array([1.0, -2.5, 3.140625, 1e38, 2.0**-130], np.float32)
    upper = (numbers.view(np.uint32) >> 16).astype("<u2")
    value = {"a": tensor(storage("0", "BFloat16Storage", 5), 0, (5,), (1,))}
    (read,) = read_pth(write_pth(pth, value, {"0": upper.tobytes()})).values()
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read.view(np.uint32) >> 16, upper)
    np.testing.assert_array_equal(read[:3], numbers[:3])
    assert not read.flags.writeable


def test_npy_of_python_2(npy):
    layers = some_layers()
    write_python2_npy(npy, layers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the name numpy.core, which every such file has
        by_numpy = np.load(npy, allow_pickle=True, encoding="latin1").item()
    assert_same_layers(by_numpy, layers)  # the file is what it pretends to be
    assert_same_layers(read_caffe_npy(npy), layers)


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_npy_of_python_3(npy, protocol):
    layers = some_layers()
    write_npy(npy, pickle.dumps(one_object(layers), protocol=protocol))
    assert_same_layers(read_caffe_npy(str(npy)), layers)


def test_npy_as_numpy_saves_it_now(npy):
    layers = some_layers()
    np.save(npy, one_object({name: tuple(pair) for name, pair in layers.items()}), allow_pickle=True)
    assert_same_layers(read_caffe_npy(npy), layers)
    np.save(npy, np.array([layers], dtype=object), allow_pickle=True)
    assert_same_layers(read_caffe_npy(npy), layers)


def test_big_endian_npy(npy):
    layers = {"fc6": [np.arange(6, dtype=">f4").reshape(2, 3), np.arange(3, dtype=">f8")]}
    assert_same_layers(read_caffe_npy(write_python2_npy(npy, layers)), layers)


def test_old_headers(npy):
    layers = some_layers()
    pickled = dump(one_object(layers), python2=True)
    header = npy_header("{'descr': '|O4', 'fortran_order': False, 'shape': (1L,), }")
    assert_same_layers(read_caffe_npy(write_npy(npy, pickled, header)), layers)
    text = npy_header()[10:]
    header = b"\x93NUMPY\x02\x00" + struct.pack("<I", len(text)) + text
    assert_same_layers(read_caffe_npy(write_npy(npy, pickled, header)), layers)


# Descriptions of what cannot be


TENSOR_OF_12 = tensor(storage("0", "f4", 12), 0, (3, 4), (4, 1))
OUTSIDE, STRANGE, LACKING, UNKNOWN = (
    "lie inside its storage",
    "that PyTorch does not",
    "missing from the zip",
    "asks for",
)


@pytest.mark.parametrize(
    ("made", "word"),
    [
        (tensor(storage("0", "f4", 12), 0, (3, 5), (5, 1)), OUTSIDE),
        (tensor(storage("0", "f4", 12), 1, (3, 4), (4, 1)), OUTSIDE),
        (tensor(storage("0", "f4", 12), 12, (), ()), OUTSIDE),
        (tensor(storage("0", "f4", 12), 0, (2, 2), (11, 1)), OUTSIDE),
        (tensor(storage("0", "f4", 12), 0, (2**40,), (0,)), OUTSIDE),  # terabytes for whoever copies it
        (tensor(storage("0", "f4", 12), 0, (2**62, 4), (0, 0)), OUTSIDE),
        (tensor(storage("0", "f4", 12), 0, (2**62, 0), (1, 1)), OUTSIDE),
        (tensor(storage("0", "f4", 12), 0, (0,), (1,)), OUTSIDE),
        (tensor(storage("0", "f4", 12), 0, (2,), (2**62,)), OUTSIDE),
        (tensor(storage("0", "f4", 12), -1, (2,), (1,)), STRANGE),
        (tensor(storage("0", "f4", 12), 11, (2,), (-1,)), STRANGE),
        (tensor(storage("0", "f4", 12), 0, (-3, -4), (4, 1)), STRANGE),
        (tensor(storage("0", "f4", 12), 0, (3, 4), (1,)), STRANGE),
        (tensor(storage("0", "f4", 12), 0, [3, 4], (4, 1)), STRANGE),
        (tensor(storage("0", "f4", 12), 0, (3.0, 4.0), (4, 1)), STRANGE),
        (tensor(storage("0", "f4", 12), 0, (True,), (1,)), STRANGE),
        (tensor(storage("0", "f4", 12), 0, (1,) * 40, (1,) * 40), STRANGE),
        (tensor(storage("0", "f4", 13), 0, (3, 4), (4, 1)), "48 bytes"),
        (tensor(storage("0", "f8", 12), 0, (3, 4), (4, 1)), "48 bytes"),
        (tensor(storage("0", "f4", -12), 0, (3, 4), (4, 1)), STRANGE),
        (tensor(storage("1", "f4", 12), 0, (3, 4), (4, 1)), LACKING),
        (tensor(storage("../data.pkl", "f4", 12), 0, (3, 4), (4, 1)), LACKING),
        (tensor(storage("../../../etc/passwd", "f4", 12), 0, (3, 4), (4, 1)), LACKING),
        (tensor(storage(0, "f4", 12), 0, (3, 4), (4, 1)), STRANGE),
        (tensor(storage("0", "BoolStorage", 12), 0, (3, 4), (4, 1)), UNKNOWN),
        (tensor("0", 0, (3, 4), (4, 1)), STRANGE),
        (Call(Global("torch._utils", "_rebuild_tensor_v2"), ()), STRANGE),
        (Call(Global("torch._utils", "_rebuild_parameter"), (1, 2, 3)), STRANGE),
        (Call(ORDERED_DICT, ([["a", TENSOR_OF_12]],)), STRANGE),
        ("text", "expected nothing but tensors"),
        (7, "expected nothing but tensors"),
        ({}, "expected nothing but tensors"),
        (Global("torch", "FloatStorage"), "expected nothing but tensors"),
        (storage("0", "f4", 12), "expected nothing but tensors"),
    ],
)
def test_what_is_no_tensor_in_its_storage(pth, made, word):
    refuses(read_pth, write_pth(pth, {"right": TENSOR_OF_12, "a": made}, {"0": bytes(48)}), word)


@pytest.mark.parametrize("value", [{}, [], None, {"state_dict": {}}, {1: TENSOR_OF_12}, TENSOR_OF_12, {"epoch": 3}])
def test_what_is_no_state_dict(pth, value):
    refuses(read_pth, write_pth(pth, value, {"0": bytes(48)}))


def test_too_many_tensors(pth):
    refuses(read_pth, write_pth(pth, [TENSOR_OF_12] * 5_001, {"0": bytes(48)}), "5,000 tensors")


def test_too_large_a_pickle(pth):
    refuses(read_pth, write_pth(pth, {"a": TENSOR_OF_12, "b": "x" * (17 << 20)}, {"0": bytes(48)}), "16 MB")


def test_many_names_of_one_tensor(pth):
    one = Opcodes(dump(TENSOR_OF_12)[2:-1] + b"r\x00\x00\x10\x00")
    again = Opcodes(b"j\x00\x00\x10\x00")
    value = {"0": one} | {str(i): again for i in range(1, 5_001)}
    refuses(read_pth, write_pth(pth, value, {"0": bytes(48)}), "5,000")


# With PyTorch itself


@pytest.mark.oracle
class TestWithPyTorch:
    @pytest.fixture
    def torch(self):
        return pytest.importorskip("torch")

    def module(self, torch):
        torch.manual_seed(0)
        return torch.nn.Sequential(torch.nn.Conv2d(3, 4, (2, 5)), torch.nn.BatchNorm2d(4), torch.nn.Linear(6, 2))

    @pytest.mark.parametrize("wrapped", [False, True])
    def test_a_modules_state_dict(self, torch, pth, wrapped):
        module = self.module(torch)
        optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
        for parameter in module.parameters():
            parameter.grad = torch.ones_like(parameter)
        optimizer.step()
        state = module.state_dict()
        value = {"epoch": 3, "state_dict": state, "optimizer": optimizer.state_dict(), "best": 1.5}
        torch.save(value if wrapped else state, pth)
        assert_same(read_pth(pth), {name: value.numpy() for name, value in state.items()})

    def test_tensors_of_all_kinds(self, torch, pth):
        base = torch.randn(10, 12)
        tensors = {
            "part": base[2:5, 1:9:2],
            "transposed": base.T,
            "channels last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
            "parameter": torch.nn.Parameter(torch.randn(3)),
            "scalar": torch.tensor(3.0),
            "half": base.half(),
            "double": base.double()[:, ::3],
            "bfloat16": base.bfloat16().T,
            **{str(kind): torch.arange(-3, 5).to(kind) for kind in (torch.int8, torch.int16, torch.int32, torch.int64)},
            "uint8": torch.arange(5, dtype=torch.uint8),
        }
        torch.save(tensors, pth)
        expected = {
            name: (value.float() if value.dtype == torch.bfloat16 else value).detach().numpy()
            for name, value in tensors.items()
        }
        assert_same(read_pth(pth), expected)

    def test_what_is_not_tensors(self, torch, pth):
        for value in (
            self.module(torch),
            base := torch.randn(3),
            {"a": base, "b": "text"},
            {"a": base.expand(1000, 3)},
        ):
            torch.save(value, pth)
            refuses(read_pth, pth)

    def test_the_old_kind(self, torch, pth):
        torch.save(self.module(torch).state_dict(), pth, _use_new_zipfile_serialization=False)
        refuses(read_pth, pth, "before version 1.6", "torch.save(torch.load(")
        # And the advice is good:
        torch.save(torch.load(pth, weights_only=True), pth)
        assert len(read_pth(pth)) == 9


# What wraps a network in PyTorch: torch.nn.DataParallel keeps it as `module`, torch.compile as `_orig_mod`, and both
# may wrap a part of it (the best known example of training AlexNet does so with `features`).

PLAIN = ("features.0.weight", "features.0.bias", "features.3.weight", "classifier.1.weight")
WRAPPED = {
    "DataParallel": ("module.{0}", "module.{0}"),
    "torch.compile": ("_orig_mod.{0}", "_orig_mod.{0}"),
    "both": ("_orig_mod.module.{0}", "_orig_mod.module.{0}"),
    "both, the other way": ("module._orig_mod.{0}", "module._orig_mod.{0}"),
    "one part": ("features.module.{1}", "{0}"),
    "each part": ("features.module.{1}", "classifier._orig_mod.{1}"),
    "a part and all": ("module.features._orig_mod.{1}", "module.{0}"),
}


def numbered(names):
    return {name: np.full(3, number, np.float32) for number, name in enumerate(names)}


@pytest.mark.parametrize("form", WRAPPED)
def test_names_lose_what_wrapped_the_network(tmp_path, form):
    first, second = WRAPPED[form]
    names = [(first if name.startswith("features") else second).format(name, name.split(".", 1)[1]) for name in PLAIN]
    pickled, storages = state_dict(numbered(names))
    for value in (pickled, {"state_dict": pickled, "epoch": 3}):
        arrays = read_pth(write_pth(tmp_path / "a.pth", value, storages))
        assert list(arrays) == list(PLAIN)
        assert [array[0] for array in arrays.values()] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "names",
    [
        ("module.weight", "head.weight"),  # a layer of that name beside others
        ("module", "module2"),
        ("module",),
        ("a.module", "a._orig_mod"),
        ("modules.0.weight", "modules.0.bias"),
        ("x.module.weight", "x.weight"),
        ("module." * 100_000 + "weight",),  # no name, and nothing to spend time on
    ],
)
def test_names_that_only_look_wrapped_stay(tmp_path, names):
    pickled, storages = state_dict(numbered(names))
    assert tuple(read_pth(write_pth(tmp_path / "a.pth", pickled, storages))) == names
