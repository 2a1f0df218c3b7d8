"""Weights that other programs wrote: PyTorch's .pth, and the .npy in which Caffe's AlexNet is passed around.

Both hold a pickle, which `nn.files.pickle_reader` reads without running it: all it can make here are plain values and
descriptions of arrays. What those say about offsets and sizes is checked against the bytes that are there. Every
refusal is a ValueError of one sentence that starts with the file's name; only a missing file is a FileNotFoundError.
"""

from __future__ import annotations

import math
import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nn.files.pickle_reader import Named, Unbuilt, as_text, is_count, read_pickle

LARGEST_FILE = 4 << 30  # bytes; AlexNet's weights take 0.25 GB
LARGEST_PTH_PICKLE = 16 << 20  # AlexNet's takes 3 KB: the numbers are not in it
MOST_TENSORS = 5_000
MOST_AXES = 32  # NumPy 1's limit
LONGEST_NAME = 200
WRAPPERS = ("module", "_orig_mod")  # what DataParallel and torch.compile put before the names of what they wrap

# PyTorch's names of the element types. NumPy has no bfloat16: it is the upper half of a float32.
STORAGES = {
    "torch.FloatStorage": "f4",
    "torch.DoubleStorage": "f8",
    "torch.HalfStorage": "f2",
    "torch.BFloat16Storage": "bfloat16",
    "torch.LongStorage": "i8",
    "torch.IntStorage": "i4",
    "torch.ShortStorage": "i2",
    "torch.CharStorage": "i1",
    "torch.ByteStorage": "u1",
}
ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError, UnicodeError)
RESAVE = "re-save it where PyTorch is: torch.save(torch.load('old.pth', weights_only=True), 'new.pth')"


@dataclass(frozen=True)
class _Storage:
    """One of the files data/0, data/1, ... in the zip: numbers in a row."""

    key: str
    kind: str
    length: int


@dataclass(frozen=True, eq=False)
class _Tensor:
    """Element (i, j, ...) is number offset + i * strides[0] + j * strides[1] + ... of the storage."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_pth(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays by name of a state_dict, or of a {"state_dict": ...}, that torch.save wrote (PyTorch 1.6 or newer).

    The file is a zip: NAME/data.pkl, a pickle of the dict with each tensor's shape, strides and place; NAME/data/0,
    NAME/data/1, ... the numbers; NAME/byteorder.

    Where DataParallel or torch.compile wrapped the network or a part of it, the names are those without the wrapping:
    "module.features.0.weight" and "features.module.0.weight" are both "features.0.weight".

    The arrays are read-only views of what was read, in PyTorch's layout, bfloat16 as float32. Tensors alone: a file
    with anything else where the weights should be is refused (beside a "state_dict", plain values may lie).
    """
    path = _check_file(path, "a .pth file that PyTorch wrote")
    with open(path, "rb") as file:
        start = file.read(2)
        try:
            with zipfile.ZipFile(file) as archive:
                return _read_pth_zip(archive, path.stat().st_size)
        except ZIP_ERRORS as error:
            if start == b"PK":
                reason = f"is cut short or damaged: as a zip it cannot be read ({_short(' '.join(str(error).split()))})"
            elif start[:1] == b"\x80":  # how a pickle starts
                reason = f"is of the kind that PyTorch wrote before version 1.6, which is no zip; {RESAVE}"
            else:
                reason = f"is no zip, which .pth files are since PyTorch 1.6; if it is of the kind before, {RESAVE}"
            raise ValueError(f"{path} {reason}") from None
        except ValueError as error:
            raise ValueError(f"{path} cannot be read as PyTorch's weights: {error}") from None


def _read_pth_zip(archive: zipfile.ZipFile, file_size: int) -> dict[str, np.ndarray]:
    entries = _zip_entries(archive, file_size)
    pickles = [name for name in entries if name.endswith("/data.pkl") and name.count("/") == 1]
    if len(pickles) != 1:
        raise ValueError(f"the zip has {len(pickles)} files NAME/data.pkl, expected the one that torch.save writes")
    folder = pickles[0].removesuffix("data.pkl")
    if entries[pickles[0]].file_size > LARGEST_PTH_PICKLE:
        raise ValueError(f"its pickle is larger than {LARGEST_PTH_PICKLE >> 20} MB, which no weights need")
    order = "<"
    if folder + "byteorder" in entries:  # older files are without, and little-endian
        orders = {b"little": "<", b"big": ">"}
        with archive.open(folder + "byteorder") as file:
            word = file.read(16)
        if word not in orders:
            raise ValueError("its byteorder is neither little nor big; the file is damaged")
        order = orders[word]

    state = _unwrapped(_find_state_dict(_read_torch_pickle(archive.read(pickles[0]))))
    storages: dict[_Storage, np.ndarray] = {}
    arrays = {}
    for name, tensor in state.items():
        if tensor.storage not in storages:
            entry = entries.get(f"{folder}data/{tensor.storage.key}")
            if entry is None:
                raise ValueError(f"the numbers of {_shown(name)} are missing from the zip; the file is damaged")
            storages[tensor.storage] = _read_storage(archive, entry, tensor.storage, order, name)
        arrays[name] = _view(storages[tensor.storage], tensor, name)
    return arrays


def _zip_entries(archive: zipfile.ZipFile, file_size: int) -> dict[str, zipfile.ZipInfo]:
    """The files in the zip by name, if they are as PyTorch writes them: each once, as they are, one after the other."""
    entries = {entry.filename: entry for entry in archive.infolist()}
    if len(entries) != len(archive.infolist()):
        raise ValueError("the zip has two files of the same name")
    if any(e.compress_type != zipfile.ZIP_STORED or e.compress_size != e.file_size for e in entries.values()):
        raise ValueError("the zip is compressed, which PyTorch's never are")
    if sum(entry.file_size for entry in entries.values()) > file_size:
        raise ValueError("the zip claims to hold more bytes than it has; the file is damaged")
    return entries


def _read_torch_pickle(data: bytes) -> Any:
    tensors = 0

    def ordered_dict(arguments: tuple) -> dict:
        if arguments:
            raise ValueError("its pickle makes a dict in a way that PyTorch does not")
        return {}

    def storage(identifier: Any) -> _Storage:
        if not (isinstance(identifier, tuple) and len(identifier) == 5):
            raise ValueError("its pickle refers to a storage in a way that PyTorch does not")
        word, kind, key, _device, length = identifier
        known = isinstance(kind, Named) and kind.name in STORAGES
        if word != "storage" or not known or not isinstance(key, str) or not is_count(length):
            raise ValueError("its pickle refers to a storage in a way that PyTorch does not")
        return _Storage(key, STORAGES[kind.name], length)

    def tensor(arguments: tuple) -> _Tensor:
        nonlocal tensors
        tensors += 1
        if tensors > MOST_TENSORS:
            raise ValueError(f"it holds more than {MOST_TENSORS:,} tensors")
        # storage, offset, shape, strides; then whether it wanted gradients, hooks, and sometimes a dict of remarks
        if len(arguments) not in (6, 7):
            raise ValueError("its pickle makes a tensor in a way that PyTorch does not")
        made = _Tensor(*arguments[:4])
        right = isinstance(made.storage, _Storage) and is_count(made.offset)
        for lengths in (made.shape, made.strides):
            right = right and isinstance(lengths, tuple) and all(is_count(length) for length in lengths)
        if not right or not len(made.shape) == len(made.strides) <= MOST_AXES:
            raise ValueError("its pickle makes a tensor in a way that PyTorch does not")
        return made

    def parameter(arguments: tuple) -> _Tensor:
        if len(arguments) != 3 or not isinstance(arguments[0], _Tensor):
            raise ValueError("its pickle makes a parameter in a way that PyTorch does not")
        return arguments[0]

    functions = {
        "collections.OrderedDict": ordered_dict,
        "torch._utils._rebuild_tensor_v2": tensor,
        "torch._utils._rebuild_parameter": parameter,
        **dict.fromkeys(STORAGES),
    }
    return read_pickle(data, functions, storage)


def _find_state_dict(value: Any) -> dict[str, _Tensor]:
    state = value
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not state:
        raise ValueError("it holds no dict of tensors by name; torch.save(model.state_dict(), path) writes one")
    for name, tensor in state.items():
        if not isinstance(name, str) or not isinstance(tensor, _Tensor):
            raise ValueError(f"its {_shown(name)} is a {type(tensor).__name__}, expected nothing but tensors by name")
    if len(state) > MOST_TENSORS:
        raise ValueError(f"it holds more than {MOST_TENSORS:,} tensors")
    return state


def _unwrapped(state: dict[str, _Tensor]) -> dict[str, _Tensor]:
    """The same without wrappers: parts of names called like one, beside which there is nothing else."""
    if max(map(len, state)) > LONGEST_NAME:
        return state
    names = {name: name.split(".") for name in state}
    beside: dict[tuple[str, ...], set[str]] = {}
    for parts in names.values():
        for place, part in enumerate(parts):
            beside.setdefault(tuple(parts[:place]), set()).add(part)

    def is_wrapper(parts: list[str], place: int) -> bool:
        return parts[place] in WRAPPERS and len(beside[tuple(parts[:place])]) == 1 and place < len(parts) - 1

    return {
        ".".join(part for place, part in enumerate(parts) if not is_wrapper(parts, place)): state[name]
        for name, parts in names.items()
    }


def _read_storage(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, storage: _Storage, order: str, name: str
) -> np.ndarray:
    dtype = np.dtype(order + {"bfloat16": "u2"}.get(storage.kind, storage.kind))
    if entry.file_size != storage.length * dtype.itemsize:
        raise ValueError(
            f"the storage of {_shown(name)} has {entry.file_size:,} bytes, "
            f"expected {storage.length:,} numbers of {dtype.itemsize}; the file is damaged"
        )
    numbers = np.frombuffer(archive.read(entry), dtype)
    if storage.kind == "bfloat16":
        numbers = np.left_shift(numbers, 16, dtype=np.uint32).view(np.float32)
        numbers.flags.writeable = False
    return numbers


def _view(numbers: np.ndarray, tensor: _Tensor, name: str) -> np.ndarray:
    """The tensor as a view of its storage, whose every element lies inside it."""
    size = math.prod(tensor.shape)
    last = tensor.offset + sum((length - 1) * step for length, step in zip(tensor.shape, tensor.strides))
    # A view of few numbers can look like any amount of them (strides 0); whoever copies it would need the memory.
    if not 0 < size <= len(numbers) or last >= len(numbers):
        raise ValueError(
            f"the tensor {_shown(name)} of shape {_short(tensor.shape)} does not lie inside its storage of "
            f"{len(numbers):,} numbers; the file is damaged"
        )
    # The step along an axis of length 1 is never taken and may be anything.
    strides = [step * numbers.itemsize if length > 1 else 0 for length, step in zip(tensor.shape, tensor.strides)]
    return np.ndarray(tensor.shape, numbers.dtype, numbers, tensor.offset * numbers.itemsize, strides)


class _Dtype(Unbuilt):
    """A NumPy dtype: its kind and size, and after that its byte order."""

    def __init__(self, arguments: tuple) -> None:
        self.kind = as_text(arguments[0]) if arguments else ""
        self.order = "<"
        if self.kind not in ("f2", "f4", "f8", "O4", "O8"):
            raise ValueError(f"it holds an array of {_shown(self.kind)}, expected floating-point numbers")

    def build(self, state: Any) -> None:
        # (version, byte order, and what only structures have)
        if not isinstance(state, tuple) or len(state) < 2:
            raise ValueError("its pickle describes a dtype in a way that NumPy does not")
        self.order = as_text(state[1])
        if self.order not in ("<", ">", "|"):
            raise ValueError("its pickle describes a dtype of unknown byte order")


class _Array(Unbuilt):
    """A NumPy array. `value`: the array, or for an array of objects the one object in it."""

    value: Any = None

    def build(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise ValueError("its pickle describes an array in a way that NumPy does not")
        _version, shape, dtype, fortran, data = state
        right = isinstance(shape, tuple) and len(shape) <= MOST_AXES and all(is_count(length) for length in shape)
        if not right or not isinstance(dtype, _Dtype):
            raise ValueError("its pickle describes an array in a way that NumPy does not")
        size = math.prod(shape)
        if dtype.kind[0] == "O":
            if not isinstance(data, list) or not len(data) == size == 1:
                raise ValueError("it holds an array of several objects, expected one dict")
            self.value = data[0]
            return
        numbers = np.dtype(dtype.order + dtype.kind)
        if not isinstance(data, bytes | memoryview) or len(data) != size * numbers.itemsize or size == 0:
            raise ValueError(f"the numbers of an array of shape {_short(shape)} are not all there; the file is damaged")
        self.value = np.ndarray(shape, numbers, data, order="F" if fortran else "C")


def read_caffe_npy(path: str | Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The (weight, bias) pairs by layer of `bvlc_alexnet.npy`, or of another file made like it.

    The file is one that numpy.save wrote, mostly Python 2's: a header, then a pickle of an array of objects, whose
    only object is a dict, layer name -> [weight, bias]. The arrays are read-only views of what was read.
    """
    path = _check_file(path, "a .npy file such as bvlc_alexnet.npy")
    try:
        return _read_npy(memoryview(path.read_bytes()))
    except ValueError as error:
        raise ValueError(f"{path} cannot be read as Caffe's weights: {error}") from None


def _read_npy(data: memoryview) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    if data[:6] != b"\x93NUMPY" or len(data) < 12:
        raise ValueError("it is no .npy file, or cut short")
    start = {1: 10, 2: 12, 3: 12}.get(data[6])  # the header's length takes 2 bytes, in later versions 4
    if start is None:
        raise ValueError(f"its .npy format is version {data[6]}, expected 1, 2 or 3")
    end = start + int.from_bytes(data[8:start], "little")
    # numpy.save writes the header in this form and no other; `1L` is how Python 2 spells a long 1.
    form = rb"\{'descr': '\|O[48]?', 'fortran_order': (True|False), 'shape': \((1L?,)?\), \}\s*"
    if not re.fullmatch(form, bytes(data[start:end])):
        raise ValueError("its header is not that of one pickled dict; an array of numbers has no names of layers")

    made = 0

    def reconstruct(arguments: tuple) -> _Array:
        # (numpy.ndarray, the shape (0,), the dtype "b"): an empty array, which the next step fills
        if len(arguments) != 3 or not isinstance(arguments[0], Named) or arguments[0].name != "numpy.ndarray":
            raise ValueError("its pickle makes an array in a way that NumPy does not")
        return _Array()

    def encode(arguments: tuple) -> bytes:
        # How Python 3 writes bytes for Python 2: as text, to be encoded as latin1. (text, "latin1")
        nonlocal made
        text = arguments[0] if len(arguments) == 2 and arguments[1] == "latin1" else None
        made += len(text) if isinstance(text, str) else 0
        if not isinstance(text, str) or made > len(data):  # the same text again and again would fill the memory
            raise ValueError("its pickle makes bytes in a way that Python does not")
        try:
            return text.encode("latin-1")
        except UnicodeEncodeError:
            raise ValueError("its pickle makes bytes from text that is not latin1; the file is damaged") from None

    functions = {
        "numpy.core.multiarray._reconstruct": reconstruct,
        "numpy._core.multiarray._reconstruct": reconstruct,
        "numpy.dtype": _Dtype,
        "numpy.ndarray": None,
        "_codecs.encode": encode,
    }
    outer = read_pickle(data[end:], functions)
    layers = outer.value if isinstance(outer, _Array) else None
    if not isinstance(layers, dict) or not 0 < len(layers) <= MOST_TENSORS:
        raise ValueError("it holds no dict of layers, each name -> [weight, bias]")
    pairs = {}
    for name, pair in layers.items():
        arrays: list[Any] = [getattr(part, "value", None) for part in pair] if isinstance(pair, list | tuple) else []
        if not isinstance(name, str) or len(arrays) != 2 or not all(isinstance(array, np.ndarray) for array in arrays):
            raise ValueError(f"its {_shown(name)} is not a pair [weight, bias] of arrays")
        pairs[name] = arrays[0], arrays[1]
    return pairs


def _check_file(path: str | Path, wanted: str) -> Path:
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file; expected {wanted}")
    if path.stat().st_size > LARGEST_FILE:
        raise ValueError(f"{path} is larger than {LARGEST_FILE >> 30} GB, which no weights of these networks are")
    return path


def _shown(name: Any) -> str:
    """A name from a file, fit for an error message: one short line."""
    return _short(repr(name)) if isinstance(name, str | int) else type(name).__name__


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."
