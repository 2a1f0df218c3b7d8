"""Damaged files, and files of other kinds: each is refused in one sentence."""

import pickle
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nn.files.foreign import read_caffe_npy, read_pth
from tests.checks import one_sentence
from tests.foreign_files import (
    Build,
    Call,
    Global,
    Opcodes,
    Persistent,
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


@pytest.fixture
def pth(tmp_path):
    return tmp_path / "weights.pth"


@pytest.fixture
def npy(tmp_path):
    return tmp_path / "weights.npy"


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


FLOAT = Global("torch", "FloatStorage")


@pytest.mark.parametrize(
    "identifier",
    [
        None,
        ("storage", FLOAT, "0", "cpu"),
        ("module", FLOAT, "0", "cpu", 1),
        ("storage", "FloatStorage", "0", "cpu", 1),
        ("storage", FLOAT, 0, "cpu", 1),
        ("storage", FLOAT, "0", "cpu", -1),
    ],
)
def test_what_is_no_storage(pth, identifier):
    assert read_pth(write_pth(pth, {"a": tensor(storage("0", "f4", 1), 0, (1,), (1,))}, {"0": bytes(4)}))["a"] == 0
    value = {"a": tensor(Persistent(identifier), 0, (1,), (1,))}
    refuses(read_pth, write_pth(pth, value, {"0": bytes(4)}), "storage in a way that PyTorch does not")


RECONSTRUCT, NDARRAY = Global("numpy.core.multiarray", "_reconstruct"), Global("numpy", "ndarray")
EMPTY, DTYPE = Call(RECONSTRUCT, (NDARRAY, (0,), b"b")), Call(Global("numpy", "dtype"), ("f4", 0, 1))
ENCODE = Global("_codecs", "encode")


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (Build(EMPTY, (1, (1,), Build(DTYPE, [3, "<"]), False, bytes(4))), "dtype in a way that NumPy does not"),
        (Build(EMPTY, (1, (1,), Build(DTYPE, (3,)), False, bytes(4))), "dtype in a way that NumPy does not"),
        (Build(EMPTY, (1, (1,), Build(DTYPE, (3, "?")), False, bytes(4))), "unknown byte order"),
        (Build(EMPTY, (1, (1,), DTYPE, False)), "an array in a way that NumPy does not"),
        (Build(EMPTY, [1, (1,), DTYPE, False, bytes(4)]), "an array in a way that NumPy does not"),
        (Build(EMPTY, (1, (1,), "f4", False, bytes(4))), "an array in a way that NumPy does not"),
        (Call(RECONSTRUCT, ()), "makes an array in a way that NumPy does not"),
        (Call(RECONSTRUCT, ("ndarray", (0,), b"b")), "makes an array in a way that NumPy does not"),
        (Call(RECONSTRUCT, (Global("numpy", "dtype"), (0,), b"b")), "makes an array in a way that NumPy does not"),
        (Call(ENCODE, ("text",)), "makes bytes in a way that Python does not"),
        (Call(ENCODE, ("text", "utf-8")), "makes bytes in a way that Python does not"),
        (Call(ENCODE, (5, "latin1")), "makes bytes in a way that Python does not"),
        (Call(ENCODE, ("\u0100", "latin1")), "text that is not latin1"),
    ],
)
def test_what_makes_no_array(npy, array, words):
    refuses(read_caffe_npy, write_npy(npy, dump(array)), words)


def test_an_array_of_several_objects(npy):
    several = np.empty(2, dtype=object)
    several[:] = [some_layers(), some_layers()]
    refuses(read_caffe_npy, write_npy(npy, pickle.dumps(several, protocol=4)), "several objects, expected one dict")


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


@pytest.mark.slow
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
