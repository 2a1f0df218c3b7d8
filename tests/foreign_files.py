"""Weights as other programs write them, made without those programs, and files that mean harm.

Python's own pickler writes everything that it can. What only PyTorch, or only Python 2, would write is spelled out in
pickle's opcodes: PyTorch's functions by their names, Python 2's strings as bytes.
"""

import io
import pickle
import struct
import zipfile
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.checks import one_sentence


@dataclass(eq=False)
class Global:
    """A function or class, by name; it need not exist here."""

    module: str
    name: str


@dataclass(eq=False)
class Call:
    function: Any
    arguments: tuple


@dataclass(eq=False)
class Build:
    """`target`, and then its state."""

    target: Any
    state: Any


@dataclass(eq=False)
class Persistent:
    identifier: Any


@dataclass(eq=False)
class Opcodes:
    """Written as they are. They must leave one thing on the stack."""

    code: bytes


class Pickler(pickle._Pickler):
    """The pickler written in Python, which can be taught new tricks. python2: write strings as Python 2 did."""

    def __init__(self, file, protocol, python2=False):
        super().__init__(file, protocol)
        self.python2 = python2

    def save(self, obj, save_persistent_id=True):
        if isinstance(obj, Global):
            self.write(f"c{obj.module}\n{obj.name}\n".encode())
        elif isinstance(obj, Call):
            self.save(obj.function)
            self.save(obj.arguments)
            self.write(b"R")
        elif isinstance(obj, Build):
            self.save(obj.target)
            self.save(obj.state)
            self.write(b"b")
        elif isinstance(obj, Persistent):
            self.save(obj.identifier)
            self.write(b"Q")
        elif isinstance(obj, Opcodes):
            self.write(obj.code)
        elif self.python2 and isinstance(obj, str | bytes):
            self.save_python2_string(obj)
        elif self.python2 and isinstance(obj, np.ndarray):
            self.save(python2_array(obj))
        else:
            super().save(obj, save_persistent_id)

    def save_python2_string(self, obj):
        if id(obj) in self.memo:
            self.write(self.get(self.memo[id(obj)][0]))
            return
        text = obj.encode("latin-1") if isinstance(obj, str) else obj
        self.write(b"U" + bytes([len(text)]) if len(text) < 256 else b"T" + struct.pack("<i", len(text)))
        self.write(text)
        self.memoize(obj)


def dump(value, protocol=2, python2=False):
    """The pickle of a value, which may hold any of the classes above."""
    file = io.BytesIO()
    Pickler(file, protocol, python2).dump(value)
    return file.getvalue()


# PyTorch's .pth

STORAGE_NAMES = {"f4": "FloatStorage", "f8": "DoubleStorage", "f2": "HalfStorage", "i8": "LongStorage"}
ORDERED_DICT = Global("collections", "OrderedDict")


def storage(key, kind, length):
    return Persistent(("storage", Global("torch", STORAGE_NAMES.get(kind, kind)), key, "cpu", length))


def tensor(where, offset, shape, strides, hooks=None):
    arguments = (where, offset, shape, strides, False, Call(ORDERED_DICT, ()) if hooks is None else hooks)
    return Call(Global("torch._utils", "_rebuild_tensor_v2"), arguments)


def state_dict(arrays, order="<"):
    """(What the pickle of these arrays describes, the bytes of their storages by key.)"""
    tensors, storages = {}, {}
    for key, (name, array) in enumerate(arrays.items()):
        kind = array.dtype.str[1:]
        strides = tuple(np.cumprod((1, *array.shape[:0:-1]))[::-1].tolist()) if array.ndim else ()
        tensors[name] = tensor(storage(str(key), kind, array.size), 0, array.shape, strides)
        storages[str(key)] = array.astype(order + kind).tobytes()
    return tensors, storages


def write_pth(path, pickled, storages, byteorder="little", folder="archive", compression=zipfile.ZIP_STORED):
    """A .pth with this pickle (bytes, or a value to pickle) and these storages."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr(f"{folder}/data.pkl", pickled if isinstance(pickled, bytes) else dump(pickled))
        if byteorder:
            archive.writestr(f"{folder}/byteorder", byteorder)
        for key, data in storages.items():
            archive.writestr(f"{folder}/data/{key}", data)
        archive.writestr(f"{folder}/version", "3\n")
    return path


# NumPy's .npy of a dict


def python2_array(array):
    """An array as Python 2's NumPy pickled it; `array` may also be a 0-dimensional array of one object."""
    objects = array.dtype == object
    kind, order = ("O8", "|") if objects else (array.dtype.str[1:], array.dtype.str[0])
    state = (3, order, None, None, None, -1, -1, 63 if objects else 0)
    dtype = Build(Call(Global("numpy", "dtype"), (kind, 0, 1)), state)
    fortran = array.ndim > 1 and array.flags.f_contiguous
    data = [array.item()] if objects else array.tobytes("F" if fortran else "C")
    empty = Call(Global("numpy.core.multiarray", "_reconstruct"), (Global("numpy", "ndarray"), (0,), b"b"))
    return Build(empty, (1, array.shape, dtype, fortran, data))


def one_object(value):
    array = np.empty((), dtype=object)
    array[()] = value
    return array


def npy_header(text="{'descr': '|O', 'fortran_order': False, 'shape': (), }"):
    padding = " " * (-(len(text) + 11) % 64)
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text) + len(padding) + 1) + f"{text}{padding}\n".encode()


def write_npy(path, pickled, header=None):
    path.write_bytes((npy_header() if header is None else header) + pickled)
    return path


def write_python2_npy(path, layers):
    """{"conv1": [weight, bias], ...} as numpy.save wrote it under Python 2."""
    return write_npy(path, dump(one_object(layers), python2=True))


# Something to write


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


def refuses(reader, path, *words):
    """reader(path) raises a ValueError of one sentence, which has the path, and apart from it each of `words`."""
    with one_sentence(ValueError, path) as caught:
        reader(path)
    message = str(caught.value).replace(str(path), "PATH")  # pytest puts the test's name into it
    for word in words:
        assert word in message, f"{word!r} is missing from the message: {message!r}"
