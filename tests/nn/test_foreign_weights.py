"""Reading PyTorch's and Caffe's files: what comes out, that nothing in them runs, and what damage leads to."""

import io
import os
import pickle
import struct
import tracemalloc
import warnings
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nn.foreign_weights import read_caffe_npy, read_pth
from nn.pickle_reader import read_pickle
from tests.checks import one_sentence
from tests.foreign_files import (
    ORDERED_DICT,
    Build,
    Call,
    Global,
    Opcodes,
    dump,
    npy_header,
    one_object,
    state_dict,
    storage,
    tensor,
    write_npy,
    write_pth,
    write_python2_npy,
)


def some_arrays():
    rng = np.random.default_rng(0)
    return {
        "features.0.weight": rng.normal(size=(4, 3, 2, 5)).astype(np.float32),
        "features.0.bias": rng.normal(size=4).astype(np.float64),
        "half": rng.normal(size=(2, 3)).astype(np.float16),
        "steps": np.array(7, np.int64),
    }


def some_layers():
    rng = np.random.default_rng(0)
    return {
        "conv1": [rng.normal(size=(2, 5, 3, 4)).astype(np.float32), rng.normal(size=4).astype(np.float32)],
        # A bias of more than 255 bytes: Python 2 wrote long and short strings differently.
        "fc6": [np.asfortranarray(rng.normal(size=(6, 70))), rng.normal(size=70).astype(np.float16)],
    }


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


def refuses(reader, path, *words):
    with one_sentence(ValueError, path, *words):
        reader(path)


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


@pytest.mark.parametrize("header", ["{'descr': '|O4', 'fortran_order': False, 'shape': (1L,), }", "version 2"])
def test_old_headers(npy, header):
    layers = some_layers()
    header = npy_header() if header == "version 2" else npy_header(header)
    if len(header) == len(npy_header()):
        text = npy_header()[10:]
        header = b"\x93NUMPY\x02\x00" + struct.pack("<I", len(text)) + text
    write_npy(npy, dump(one_object(layers), python2=True), header)
    assert_same_layers(read_caffe_npy(npy), layers)


# Files that mean harm. Each program creates the file "marker" when a pickle is read as Python reads it.

TOUCH = "open('marker', 'w').close()"


class RunsOnLoad:
    """An object of any class can name what is called when it is unpickled."""

    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


def attack(function, *arguments):
    return pickle.dumps(RunsOnLoad(function, *arguments), protocol=2)


def hidden(value):
    return dump(value)


GETATTR, IMPORT = Global("builtins", "getattr"), Global("builtins", "__import__")
EXEC = Global("builtins", "exec")
RUN = Call(EXEC, (TOUCH,))
TENSOR = tensor(storage("0", "f4", 2), 0, (2,), (1,))
ATTACKS = {
    "a shell command": attack(os.system, "echo > marker"),
    "eval": attack(eval, TOUCH),
    "exec": attack(exec, TOUCH),
    "open": attack(open, "marker", "w"),
    "protocol 4": pickle.dumps(RunsOnLoad(exec, TOUCH), protocol=4),
    "protocol 0": pickle.dumps(RunsOnLoad(exec, TOUCH), protocol=0),
    "getattr of an import": hidden(Call(Call(GETATTR, (Call(IMPORT, ("os",)), "system")), ("echo > marker",))),
    "NumPy's own unpickling": attack(np.load, "inner.npy", None, True),
    "in a tensor's hooks": hidden({"a": tensor(storage("0", "f4", 2), 0, (2,), (1,), hooks=RUN)}),
    "in a tensor's offset": hidden({"a": tensor(storage("0", "f4", 2), RUN, (2,), (1,))}),
    "in a storage's key": hidden({"a": tensor(storage(RUN, "f4", 2), 0, (2,), (1,))}),
    "in an ordered dict's state": hidden(Build(Call(ORDERED_DICT, ()), {"_metadata": RUN})),
    "beside the state_dict": hidden({"state_dict": {"a": TENSOR}, "epoch": RUN}),
    "in a dict's key": hidden({RUN: TENSOR}),
    "after the tensors": hidden([{"a": TENSOR}, RUN]),
    "popped again": hidden([Opcodes(hidden(RUN)[2:-1] + b"0N")]),
    "in an array's state": hidden(
        Build(
            Call(Global("numpy.core.multiarray", "_reconstruct"), (Global("numpy", "ndarray"), (0,), b"b")),
            (1, (), Call(EXEC, (TOUCH,)), False, []),
        )
    ),
    "in an array of objects": pickle.dumps(one_object({"conv1": [RunsOnLoad(exec, TOUCH), 0]}), protocol=4),
    "in a dtype": pickle.dumps(np.array([RunsOnLoad(exec, TOUCH)], dtype=object), protocol=2),
    "INST": b"(S\"" + TOUCH.encode() + b"\"\nibuiltins\nexec\n.",
    "OBJ": b"(cbuiltins\nexec\nS\"" + TOUCH.encode() + b"\"\no.",
    "STACK_GLOBAL": b"\x80\x04\x8c\x08builtins\x8c\x04exec\x93\x8c" + bytes([len(TOUCH)]) + TOUCH.encode() + b"\x85R.",
    "NEWOBJ": hidden(Opcodes(b"cbuiltins\nmap\n" + dump((EXEC, [TOUCH]))[2:-1] + b"\x81"))[:-1]
    + b"0cbuiltins\nlist\ncbuiltins\nmap\n"
    + dump((EXEC, [TOUCH]))[2:-1]
    + b"\x81\x85R.",
    "__setstate__": hidden(
        # A partial whose state replaces the harmless function that it was made with.
        Call(
            Build(Call(Global("functools", "partial"), (Global("builtins", "print"),)), (EXEC, (TOUCH,), {}, None)), ()
        )
    ),
    "a name with dots": b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x0decho > marker\x85R.",
    "a name from a module that is allowed": b"\x80\x04\x8c\x0bcollections\x8c\x10_sys.modules.get\x93\x8c\x02os\x85R0"
    + hidden(RUN)[2:],
}


class Trusting(pickle.Unpickler):
    """Python's unpickler, for a reader who expects tensors: the stand-ins for PyTorch are harmless."""

    def persistent_load(self, identifier):
        return None

    def find_class(self, module, name):
        return (lambda *arguments: None) if module.startswith("torch") else super().find_class(module, name)


@pytest.mark.parametrize("name", ATTACKS)
def test_nothing_runs(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    program = ATTACKS[name]
    np.save("inner.npy", one_object(RunsOnLoad(exec, TOUCH)), allow_pickle=True)
    marker = tmp_path / "marker"

    # First, that the attack is one.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            Trusting(io.BytesIO(program)).load()
        except Exception as error:
            assert marker.exists(), f"the attack failed: {error!r}"
    assert marker.exists(), "the attack is harmless, so that refusing it proves nothing"
    marker.unlink()

    refuses(read_pth, write_pth(tmp_path / "a.pth", program, {"0": bytes(8)}))
    refuses(read_caffe_npy, write_npy(tmp_path / "a.npy", program))
    assert not marker.exists()


def test_the_refusal_names_what_the_file_asks_for(pth):
    write_pth(pth, attack(eval, TOUCH), {})
    refuses(read_pth, pth, "builtin", "eval", "malicious", "nothing was run")


@pytest.mark.parametrize(
    "program",
    [
        Call(Global("collections", "OrderedDict"), ([["a", 1]],)),
        Call(Global("torch", "FloatStorage"), ()),
        Call("a string", ()),
        Call(Call(ORDERED_DICT, ()), ()),
        Build([], {"a": 1}),
        Build(Global("collections", "OrderedDict"), {"fromkeys": 1}),
        Build(Call(Global("torch._utils", "_rebuild_tensor_v2"), ()), {}),
        Global("collections", "OrderedDict.__init__.__globals__"),
        Global("collections.OrderedDict", "__init__"),
        Global("torch.storage", "UntypedStorage"),
        Opcodes(b"\x82\x01"),  # EXT1: a number that stands for a function
        Opcodes(b"\x97"),  # NEXT_BUFFER
        Opcodes(b"Pdata\n"),  # PERSID
        Opcodes(b"\x8b" + struct.pack("<i", 100) + bytes(100)),  # LONG4
        Opcodes(b"\x8a\x09" + bytes(9)),
        Opcodes(b"\xff"),
        Opcodes(b"c" + b"a" * 1000),
        Opcodes(b"0" * 10),
        Opcodes(b"R"),
        Opcodes(b"t"),
        Opcodes(b"(" * 10),
        Opcodes(b"(Q"),
        Opcodes(b"K\x01("),
        Opcodes(b"K\x01(0"),
        Opcodes(b"}(K\x01u"),
        Opcodes(b"}(NK\x01u"),
        Opcodes(b"}(GK\x01"),
        Opcodes(b"K\x01K\x02a"),
        Opcodes(b"h\x05"),
        Opcodes(b"\x80\x06"),
        Opcodes(b"X\x01\x00\x00\x00\xff"),
        Opcodes(b"NQ"),
        Opcodes(b"NN\x93"),
    ],
)
def test_what_a_pickle_of_weights_never_does(tmp_path, program):
    refuses(read_pth, write_pth(tmp_path / "a.pth", program, {}))
    refuses(read_caffe_npy, write_npy(tmp_path / "a.npy", dump(program)))


def nested_tuples(depth):
    return b")" + b"\x85" * depth


BOMBS = {
    "memo": b"N" + b"r\xff\xff\xff\xff",
    "frame": b"\x95" + b"\xff" * 8 + b"N",
    "long string": b"X\xff\xff\xff\xff",
    "longer string": b"\x8d" + b"\xff" * 8,
    "long bytes": b"\x8e\x00\x00\x00\x00\xff\x00\x00\x00",
    "many dicts": b"(" + b"}" * 400_000,
    "deep tuples": nested_tuples(100_000),
    "deep tuples as a key": b"}" + nested_tuples(100_000) + b"Ns",
    "a tuple as a key": b"})Ns",
    "a list in itself": b"]q\x00h\x00a",
    "a dict in itself": b"}q\x00X\x01\x00\x00\x00ah\x00s",
    "a dict as a state_dict of itself": b"}q\x00X\x0a\x00\x00\x00state_dicth\x00s",
    "doubling": b"]" + b"q\x00)h\x00h\x00\x86" * 10_000,
    "the same text encoded again and again": b"X" + struct.pack("<I", 10**6) + b"a" * 10**6 + b"q\x000"
    + b"X\x06\x00\x00\x00latin1q\x010(" + b"c_codecs\nencode\nh\x00h\x01\x86R" * 10_000,
    "a long text as a key": b"T" + struct.pack("<I", 10**6) + b"a" * 10**6 + b"q\x000}(" + b"h\x00N" * 100_000 + b"u",
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_waste_is_limited(tmp_path, name):
    program = b"\x80\x04" + BOMBS[name] + b"."
    pth, npy = write_pth(tmp_path / "a.pth", program, {}), write_npy(tmp_path / "a.npy", program)
    tracemalloc.start()
    refuses(read_pth, pth)
    refuses(read_caffe_npy, npy)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200e6


@pytest.mark.parametrize(
    "made",
    [
        tensor(storage("0", "f4", 12), 0, (3, 5), (5, 1)),
        tensor(storage("0", "f4", 12), 1, (3, 4), (4, 1)),
        tensor(storage("0", "f4", 12), 12, (), ()),
        tensor(storage("0", "f4", 12), 0, (2, 2), (12, 1)),
        tensor(storage("0", "f4", 12), 0, (2**40,), (0,)),  # a terabyte for whoever copies it
        tensor(storage("0", "f4", 12), 0, (2**62, 4), (0, 0)),
        tensor(storage("0", "f4", 12), 0, (2**62, 0), (1, 1)),
        tensor(storage("0", "f4", 12), 0, (0,), (1,)),
        tensor(storage("0", "f4", 12), 0, (2,), (2**62,)),
        tensor(storage("0", "f4", 12), -1, (2,), (1,)),
        tensor(storage("0", "f4", 12), 11, (2,), (-1,)),
        tensor(storage("0", "f4", 12), 0, (-3, -4), (4, 1)),
        tensor(storage("0", "f4", 12), 0, (3, 4), (1,)),
        tensor(storage("0", "f4", 12), 0, [3, 4], (4, 1)),
        tensor(storage("0", "f4", 12), 0, (3.0, 4.0), (4, 1)),
        tensor(storage("0", "f4", 12), 0, (True,), (1,)),
        tensor(storage("0", "f4", 12), 0, (1,) * 40, (1,) * 40),
        tensor(storage("0", "f4", 13), 0, (3, 4), (4, 1)),
        tensor(storage("0", "f8", 12), 0, (3, 4), (4, 1)),
        tensor(storage("0", "f4", -12), 0, (3, 4), (4, 1)),
        tensor(storage("1", "f4", 12), 0, (3, 4), (4, 1)),
        tensor(storage("../data.pkl", "f4", 12), 0, (3, 4), (4, 1)),
        tensor(storage("../../../etc/passwd", "f4", 12), 0, (3, 4), (4, 1)),
        tensor(storage(0, "f4", 12), 0, (3, 4), (4, 1)),
        tensor(storage("0", "BoolStorage", 12), 0, (3, 4), (4, 1)),
        tensor("0", 0, (3, 4), (4, 1)),
        Call(Global("torch._utils", "_rebuild_tensor_v2"), ()),
        Call(Global("torch._utils", "_rebuild_parameter"), (1, 2, 3)),
        "text",
        7,
        [],
        {},
        Global("torch", "FloatStorage"),
        storage("0", "f4", 12),
    ],
)
def test_what_is_no_tensor_in_its_storage(pth, made):
    refuses(read_pth, write_pth(pth, {"right": TENSOR_OF_12, "a": made}, {"0": bytes(48)}))


TENSOR_OF_12 = tensor(storage("0", "f4", 12), 0, (3, 4), (4, 1))


@pytest.mark.parametrize("value", [{}, [], None, {"state_dict": {}}, {1: TENSOR_OF_12}, TENSOR_OF_12, {"epoch": 3}])
def test_what_is_no_state_dict(pth, value):
    refuses(read_pth, write_pth(pth, value, {"0": bytes(48)}))


def test_too_many_tensors(pth):
    refuses(read_pth, write_pth(pth, {str(i): TENSOR_OF_12 for i in range(5_001)}, {"0": bytes(48)}), "5,000")


def test_many_names_of_one_tensor(pth):
    one = Opcodes(dump(TENSOR_OF_12)[2:-1] + b"r\x00\x00\x10\x00")
    again = Opcodes(b"j\x00\x00\x10\x00")
    value = {"0": one} | {str(i): again for i in range(1, 5_001)}
    refuses(read_pth, write_pth(pth, value, {"0": bytes(48)}), "5,000")


# Damage, and files of other kinds


@pytest.mark.parametrize(
    "data",
    [
        pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2) + pickle.dumps(1001, protocol=2) + bytes(100),
        b"\x80\x02}q\x00.",
    ],
    ids=["with PyTorch's magic number", "without"],
)
def test_a_pth_of_the_old_kind(pth, data):
    pth.write_bytes(data)
    refuses(read_pth, pth, "before version 1.6", "re-save", "torch.save(torch.load(")


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n", b"hello", b"version https://git-lfs.github.com/spec/v1\n"])
def test_what_is_no_pth(pth, data):
    pth.write_bytes(data)
    refuses(read_pth, pth, "no zip", "re-save")


def test_other_zips(pth, tmp_path):
    np.savez(tmp_path / "a.npz", a=np.zeros(3))
    refuses(read_pth, tmp_path / "a.npz", "data.pkl")
    with zipfile.ZipFile(pth, "w") as archive:
        for folder in ("a", "b"):
            archive.writestr(f"{folder}/data.pkl", dump({}))
    refuses(read_pth, pth, "2 files")
    with zipfile.ZipFile(pth, "w"):
        pass
    refuses(read_pth, pth, "0 files")


def test_a_compressed_zip(pth):
    tensors, _ = state_dict({"a": np.zeros(10**7, np.float32)})
    write_pth(pth, tensors, {"0": bytes(4 * 10**7)}, compression=zipfile.ZIP_DEFLATED)
    refuses(read_pth, pth, "compressed")


def test_a_zip_whose_files_share_their_bytes(pth):
    """Ten names for the same megabyte: the file is small, what it says it holds is not."""
    tensors, storages = state_dict({"a": np.zeros(250_000, np.float32)})
    write_pth(pth, tensors, storages)
    data = pth.read_bytes()
    start = data.index(b"PK\x01\x02")
    end = data.index(b"PK\x05\x06")
    directory = data[start:end]
    place = directory.index(b"archive/data/0") - 46
    entry = directory[place : place + 46 + len("archive/data/0")]
    copies = b"".join(entry[:-1] + digit for digit in (b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"8", b"9"))
    count = directory.count(b"PK\x01\x02") + 9
    tail = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, count, count, len(directory) + len(copies), start, 0)
    pth.write_bytes(data[:start] + directory + copies + tail)
    with zipfile.ZipFile(pth) as archive:
        assert len(archive.namelist()) == count
    refuses(read_pth, pth, "more bytes than it has")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_the_same_name(pth):
    tensors, storages = state_dict(some_arrays())
    write_pth(pth, tensors, storages)
    with zipfile.ZipFile(pth, "a") as archive:
        archive.writestr("archive/data.pkl", dump({}))
    refuses(read_pth, pth, "same name")


def test_an_unknown_byte_order(pth):
    tensors, storages = state_dict(some_arrays())
    refuses(read_pth, write_pth(pth, tensors, storages, byteorder="middle"), "byteorder")


def test_a_changed_number(pth):
    tensors, storages = state_dict(some_arrays())
    write_pth(pth, tensors, storages)
    data = pth.read_bytes()
    pth.write_bytes(data.replace(storages["0"], storages["0"][:-1] + b"\x00"))
    refuses(read_pth, pth, "damaged", "CRC")


def test_every_truncation(pth, npy):
    tensors, storages = state_dict(some_arrays())
    data = write_pth(pth, tensors, storages).read_bytes()
    for length in [*range(2, len(data), 53), len(data) - 1]:
        pth.write_bytes(data[:length])
        refuses(read_pth, pth, "cut short")
    data = write_python2_npy(npy, some_layers()).read_bytes()
    for length in [*range(0, len(data), 53), len(data) - 1]:
        npy.write_bytes(data[:length])
        refuses(read_caffe_npy, npy)


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }",
        "{'descr': '|O', 'fortran_order': False, 'shape': (2,), }",
        "{'descr': '|O', 'fortran_order': False, 'shape': (), 'more': 1, }",
        "{'descr': '|O', 'fortran_order': False, 'shape': __import__('os').getcwd(), }",
        "[" * 5000,
        "",
    ],
)
def test_other_headers(npy, header):
    refuses(read_caffe_npy, write_npy(npy, dump(one_object(some_layers()), python2=True), npy_header(header)), "header")


def test_what_is_no_npy(npy):
    for data in (b"", b"\x93NUMPY", b"\x93NUMPY\x01\x00\xff\xff{}", pickle.dumps({}), b"PK\x03\x04" + bytes(100)):
        npy.write_bytes(data)
        refuses(read_caffe_npy, npy)
    npy.write_bytes(b"\x93NUMPY\x09\x00" + npy_header()[8:] + dump(one_object(some_layers())))
    refuses(read_caffe_npy, npy, "version 9")
    np.save(npy, np.arange(5.0))
    refuses(read_caffe_npy, npy, "header")


@pytest.mark.parametrize(
    "layers",
    [
        {},
        [],
        None,
        "text",
        {"conv1": []},
        {"conv1": [np.zeros(3)]},
        {"conv1": [np.zeros(3), np.zeros(3), np.zeros(3)]},
        {"conv1": np.zeros((2, 3))},
        {"conv1": [1.0, 2.0]},
        {"conv1": [np.zeros(3), None]},
        {"conv1": {"weights": np.zeros(3)}},
        {"conv1": [np.zeros((2, 0)), np.zeros(3)]},
        {"conv1": [np.zeros(3, np.int64), np.zeros(3)]},
        {"conv1": [np.zeros(3, np.complex64), np.zeros(3)]},
        {"conv1": [np.zeros(3, [("a", "f4")]), np.zeros(3)]},
        {"conv1": [np.array(["a"]), np.zeros(3)]},
        {"conv1": [one_object({}), np.zeros(3)]},
        {1: [np.zeros(3), np.zeros(3)]},
    ],
)
def test_what_is_no_dict_of_layers(npy, layers):
    for protocol in (2, 4):
        refuses(read_caffe_npy, write_npy(npy, pickle.dumps(one_object(layers), protocol)))


@pytest.mark.parametrize(
    ("shape", "data"),
    [((3,), bytes(11)), ((3,), bytes(13)), ((2**62, 4), bytes(16)), ((-3,), bytes(12)), ((3,), "text"), ((3,), [])],
)
def test_what_is_no_array(npy, shape, data):
    dtype = Build(Call(Global("numpy", "dtype"), ("f4", 0, 1)), (3, "<", None, None, None, -1, -1, 0))
    empty = Call(Global("numpy.core.multiarray", "_reconstruct"), (Global("numpy", "ndarray"), (0,), b"b"))
    array = Build(empty, (1, shape, dtype, False, data))
    refuses(read_caffe_npy, write_npy(npy, dump(one_object({"a": [array, array]}), python2=True)))


@pytest.mark.parametrize("reader", [read_pth, read_caffe_npy])
def test_no_file(tmp_path, reader):
    for path in (tmp_path / "none", tmp_path):
        with one_sentence(FileNotFoundError, path, "no such file"):
            reader(path)


@pytest.mark.parametrize("reader", [read_pth, read_caffe_npy])
def test_a_file_of_enormous_size(tmp_path, reader):
    path = tmp_path / "sparse"
    with open(path, "wb") as file:
        try:
            file.truncate(5 << 30)  # a hole, which takes no room where file systems know holes
        except OSError:
            pytest.skip("this file system has no holes")
    refuses(reader, path, "4 GB")


def test_errors_show_no_raw_text_of_the_file(pth):
    name = "\x1b[31m\n" + "x" * 500
    for value in ({name: 7}, {name: tensor(storage("9", "f4", 1), 0, (1,), (1,))}, Opcodes(b"c\x1b[31m\nevil\n")):
        with pytest.raises(ValueError) as caught:
            read_pth(write_pth(pth, value, {}))
        assert "\x1b" not in str(caught.value) and "\n" not in str(caught.value)
        assert len(str(caught.value)) < 400 + len(str(pth))


def change(data, draw):
    changed = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        changed[draw(st.integers(0, len(changed) - 1))] = draw(st.integers(0, 255))
    return bytes(changed)


def read_or_refuse(reader, path):
    try:
        reader(path)
    except ValueError as error:
        assert str(path) in str(error) and "\n" not in str(error) and len(str(error)) < 1000


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_changed_bytes_are_read_or_refused(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("fuzz")
    tensors, storages = state_dict({"a": np.ones((2, 3), np.float32), "b": np.ones(2)})
    path = folder / "a.pth"
    whole = write_pth(path, tensors, storages).read_bytes()
    path.write_bytes(change(whole, data.draw))
    read_or_refuse(read_pth, path)
    read_or_refuse(read_pth, write_pth(path, change(dump(tensors), data.draw), storages))  # the checksum is right
    path = folder / "a.npy"
    layers = {"conv1": [np.ones((2, 3), np.float32), np.ones(2)]}
    write_npy(path, change(dump(one_object(layers), python2=True), data.draw))
    read_or_refuse(read_caffe_npy, path)
    write_npy(path, change(pickle.dumps(one_object(layers), protocol=data.draw(st.integers(2, 4))), data.draw))
    read_or_refuse(read_caffe_npy, path)


@settings(max_examples=60, deadline=None)
@given(st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(0, 2**40), inner),
))  # fmt: skip
def test_plain_values_are_read_as_pickle_reads_them(value):
    for protocol in (2, 3, 4, 5):
        assert read_pickle(pickle.dumps(value, protocol), {}) == value


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
        for value in (self.module(torch), base := torch.randn(3), {"a": base, "b": "text"}, {"a": base.expand(1000, 3)}):
            torch.save(value, pth)
            refuses(read_pth, pth)

    def test_the_old_kind(self, torch, pth):
        torch.save(self.module(torch).state_dict(), pth, _use_new_zipfile_serialization=False)
        refuses(read_pth, pth, "before version 1.6", "torch.save(torch.load(")
        # And the advice is good:
        torch.save(torch.load(pth, weights_only=True), pth)
        assert len(read_pth(pth)) == 9
