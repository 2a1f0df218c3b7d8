"""Save and load the weights of a network, in the safetensors format: no pickle, nothing that could run.

A file holds parameters and state by name ("conv1.weight", "bn1.running_mean") and a few strings: who wrote it, which
function of `models` with which arguments makes the network that they fit, and whatever the caller adds as `extra`.

A network with NaN answers NaN to everything, and is never saved on purpose: arrays with NaN or infinity are refused
in both directions, so that `load` can read what `save` writes.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_safetensors

from nn.device import move

WRITER = "lenet-to-alexnet"
FORMAT_VERSION = 1
WANTED = "what Network.save or python -m examples.train wrote"
CHECKPOINT = "checkpoint"  # what a checkpoint has among its strings
TRAINED = ("best.safetensors", "last.safetensors")  # the weights that a training run leaves beside it
KINDS = {"F16": np.float16, "F32": np.float32, "F64": np.float64}  # safetensors' names


class Network(Protocol):
    """What is needed of a network here; `nn.network` has the class, and imports this file."""

    name: str
    model: dict | None

    @property
    def params(self) -> Mapping[str, np.ndarray]: ...
    @property
    def state(self) -> Mapping[str, np.ndarray]: ...
    @property
    def dtype(self) -> np.dtype: ...


AnyNetwork = TypeVar("AnyNetwork", bound=Network)


def save(network: Network, path: str | Path, extra: Any = None, dtype: np.typing.DTypeLike | None = None) -> None:
    """Write the network's parameters and state to `path`, such as "lenet.safetensors".

    extra: plain values (what JSON has) to keep with them, such as {"epoch": 7}; `read_metadata` gives them back.
    dtype: store the numbers as this instead of as they are; float16 halves the file and keeps three digits.

    The file is written under another name and then renamed: if the power fails or the disk is full, the old file
    is still there.
    """
    path = Path(path)
    dtype = network.dtype if dtype is None else np.dtype(dtype)
    if dtype not in KINDS.values():
        raise TypeError(f"{path}: weights cannot be saved as {dtype}, expected float16, float32 or float64")
    arrays = {}
    for name, array in arrays_of(network).items():
        with np.errstate(over="ignore"):  # what becomes infinite is found by the next line
            # order="C": safetensors writes an array's memory as it lies, transposed or not.
            arrays[name] = np.asarray(move(array, "cpu"), dtype=dtype, order="C")
        _check_finite(arrays[name], f"{path}: {name}", f"as {dtype}, so nothing was saved")
    model = getattr(network, "model", None)
    metadata = {
        "written_by": WRITER,
        "format_version": str(FORMAT_VERSION),
        "model": _to_json(model, f"{path}: the network's model"),
        "extra": _to_json(extra, f"{path}: extra"),
    }
    write_beside(path, *_in_fixed_order(to_safetensors(arrays, metadata)))


def load(network: AnyNetwork, path: str | Path) -> AnyNetwork:
    """Fill the network's parameters and state with those that `save` wrote to `path`, and return the network.

    Names and shapes must be the network's; numbers are converted to its dtype. All is checked before anything
    changes: after an error the network is as it was. Raises FileNotFoundError, else ValueError.
    """
    with _open(path) as file:
        _parse_metadata(file.metadata(), path)
        wanted, arrays = arrays_of(network), {}
        _check_names(wanted, file.keys(), path)
        for name, array in wanted.items():
            stored = file.get_slice(name)
            _check_shape(name, stored.get_shape(), array, path)
            if stored.get_dtype() not in KINDS:
                raise ValueError(f"{path}: {name} is stored as {stored.get_dtype()}, expected {', '.join(KINDS)}")
            arrays[name] = file.get_tensor(name)
    assign(network, arrays, path)
    return network


def read_metadata(path: str | Path) -> dict[str, Any]:
    """What a file says about itself, without reading its arrays:

    "format_version": 1; "model": None or {"function": "lenet", "arguments": {"num_classes": 10, ...}}; "extra".
    Lists among the arguments come back as tuples, as the functions of `models` take them.
    """
    with _open(path) as file:
        return _parse_metadata(file.metadata(), path)


def arrays_of(network: Network) -> dict[str, np.ndarray]:
    """The live arrays that make the network what it is, by name: its parameters, then its state."""
    params, state = network.params, network.state
    for name in state:
        if name in params:
            raise ValueError(f"{network.name} has both a parameter and a state called {name}, expected two names")
    return {**params, **state}


def assign(network: Network, arrays: Mapping[str, np.ndarray], source: str | Path) -> None:
    """Write `arrays` into the network's live parameters and state if all fit; else ValueError names the first that
    does not.

    source: what the message starts with, such as the file's name.
    """
    wanted = arrays_of(network)
    _check_names(wanted, arrays, source)
    converted = {}
    for name, live in wanted.items():
        array = arrays[name]
        _check_shape(name, array.shape, live, source)
        if array.dtype.kind != "f":
            raise ValueError(f"{source}: {name} holds {array.dtype}, expected floating-point numbers")
        with np.errstate(over="ignore"):
            converted[name] = np.asarray(array, dtype=live.dtype)
        _check_finite(converted[name], f"{source}: {name}", f"as {live.dtype}, expected finite numbers")
    for name, live in wanted.items():
        live[...] = np.asarray(converted[name], like=live)


def _check_names(wanted: Collection[str], found: Iterable[str], source: str | Path) -> None:
    found = set(found)
    for name in wanted:
        if name not in found:
            raise ValueError(f"{source}: {name} is missing; the weights of another network?")
    for name in sorted(found - set(wanted)):
        raise ValueError(f"{source}: {name[:80]!r} is not in this network; the weights of another one?")


def _check_shape(name: str, shape: Sequence[int], live: np.ndarray, source: str | Path) -> None:
    if tuple(shape) != live.shape:
        raise ValueError(f"{source}: {name} has the shape {tuple(shape)}, the network's has {live.shape}")


def _check_finite(array: np.ndarray, what: str, why: str) -> None:
    # NaN is passed on by min and max, infinity is one of them; isfinite would need an array of its own.
    if not (np.isfinite(array.min()) and np.isfinite(array.max())):
        raise ValueError(f"{what} holds NaN or infinity {why}")


def _to_json(value: Any, what: str) -> str:
    try:
        return json.dumps(value, allow_nan=False, default=_plain)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{what} must be plain values that JSON has, but {_one_line(error)}") from None


def _plain(value: Any) -> Any:
    """A number of NumPy's as one of Python's, for JSON."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"it has a {type(value).__name__}")


def write_beside(path: Path, *parts: bytes | memoryview, keep: Path | None = None) -> None:
    """Write the whole file under another name, bring it to the disk, then rename it: a reader sees old or new.

    keep: what to call the file that was there before, instead of replacing it.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {path.parent}; make it first")
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        with open(partial, "xb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())  # or the new name could reach the disk before the new bytes do
        if keep is not None and path.exists():
            os.replace(path, keep)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    if os.name == "posix":
        # The new name itself. Windows cannot open folders and needs no such thing.
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _in_fixed_order(data: bytes) -> tuple[bytes, memoryview]:
    """The same file, in two parts, with its strings in alphabetical order: the library shuffles them, and the same
    weights should give the same bytes. A file begins with the length of its header, which is JSON and padded to a
    multiple of 8."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text, memoryview(data)[8 + length :]  # which copies nothing


def _open(path: str | Path) -> safe_open:
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: there is no such file; expected weights in the safetensors format")
    try:
        return safe_open(path, framework="numpy")
    except SafetensorError as error:
        reason = _one_line(error).removeprefix("Error while deserializing header: ")
        raise ValueError(f"{path} is not a whole safetensors file: {reason}; expected {WANTED}") from None


def _parse_metadata(strings: dict[str, str] | None, path: str | Path) -> dict[str, Any]:
    strings = strings or {}
    if CHECKPOINT in strings:
        raise ValueError(f"{path} is a checkpoint, from which training continues; expected weights: {_beside(path)}")
    # Another program's square matrix may be the transposed of ours and would fit: so only our own files are read.
    if strings.get("written_by") != WRITER:
        raise ValueError(
            f"{path} was not saved by Network.save, so the order of its axes is unknown; expected {WANTED}"
        )
    if strings.get("format_version") != str(FORMAT_VERSION):
        version = strings.get("format_version", "none")[:20]
        raise ValueError(f"{path} has format version {version!r}, expected {FORMAT_VERSION}; saved by a newer release?")
    try:
        model, extra = (json.loads(strings.get(key, "null"), parse_constant=_refuse) for key in ("model", "extra"))
        if model is not None:
            arguments = {name: _tuples(value) for name, value in model["arguments"].items()}
            model = {"function": str(model["function"]), "arguments": arguments}
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        raise ValueError(f"{path} is damaged: it does not say in JSON which function makes its network") from None
    return {"format_version": FORMAT_VERSION, "model": model, "extra": extra}


def _beside(path: str | Path) -> str:
    """Which file to take instead of a checkpoint."""
    found = [name for name in TRAINED if Path(path).with_name(name).is_file()]
    return f"take {' or '.join(found)} beside it" if found else f"{TRAINED[0]} is written after the first epoch"


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is not JSON")  # Python would read NaN and Infinity


def _tuples(value: Any) -> Any:
    return tuple(_tuples(part) for part in value) if isinstance(value, list) else value


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else text[:197] + "..."
