"""Everything that a training run needs to continue where it stopped, in one safetensors file."""

from __future__ import annotations

import hashlib
import json
import operator
import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_safetensors

from nn.device import move
from nn.files.weights import CHECKPOINT, assign, write_beside
from nn.network import Network
from nn.sgd import SGD
from nn.training.history import History
from nn.training.schedules import memory_of

STEPS, OTHERS = "history/steps", "history/others"  # the loss of every step; all else in the history, as JSON


def save_checkpoint(
    path: str | Path,
    network: Network,
    optimizer: SGD,
    history: History,
    schedule: Callable[[float], float] | None = None,
    command: str = "",
) -> None:
    """Write parameters, the layers' state, velocities, the state of every random generator, the history and the
    schedule's memory.

    command: how the run was started, so that a different one is not continued by mistake. The previous checkpoint is
    kept beside it, as `previous(path)` says. A SHA-256 over everything reveals damage.
    """
    optimizer.check_network(network, "save_checkpoint")
    arrays = {f"param/{name}": move(array, "cpu") for name, array in network.params.items()}
    arrays |= {f"state/{name}": move(array, "cpu") for name, array in network.state.items()}
    arrays |= {f"velocity/{name}": move(array, "cpu") for name, array in optimizer.velocities.items()}
    # The history grows with the run, and the format allows a header of 100 million bytes: so it lies in arrays.
    others = {key: value for key, value in asdict(history).items() if key != "steps"}
    arrays[STEPS] = np.array(history.steps, np.float64)
    arrays[OTHERS] = np.frombuffer(json.dumps(others).encode(), np.uint8)
    state = {
        "command": command,
        "lr": optimizer.lr,
        "generators": {name: generator.bit_generator.state for name, generator in generators_of(network).items()},
        "plateau": memory_of(schedule),
    }
    text = json.dumps(state, default=lambda array: array.tolist())  # of which some generators' states have one
    data = to_safetensors(arrays, {CHECKPOINT: f"{_digest(text, arrays)} {text}"})
    write_beside(Path(path), data, keep=previous(path))


def previous(path: str | Path) -> Path:
    """Where the checkpoint before this one is kept."""
    return Path(path).with_suffix(".previous" + Path(path).suffix)


def load_checkpoint(
    path: str | Path,
    network: Network,
    optimizer: SGD,
    schedule: Callable[[float], float] | None = None,
    command: str = "",
    is_same: Callable[[str, str], bool] = operator.eq,
) -> History:
    """Put everything back as `save_checkpoint` found it, and return the history.

    is_same(its command, command): whether both are of the same run.

    Where the file is missing or damaged and the one before it is good, that one is used, and a warning says so. Raises
    FileNotFoundError, or ValueError for a file that is damaged or of another run.
    """
    optimizer.check_network(network, "load_checkpoint")
    try:
        state, arrays = _read(path)
    except (FileNotFoundError, ValueError) as error:
        if not previous(path).is_file():
            raise
        state, arrays = _read(previous(path))
        epochs = len(state["history"]["epochs"]) if isinstance(state["history"], dict) else 0
        warnings.warn(f"{error}; the one before it is used, of epoch {epochs}", stacklevel=2)
    # Everything is checked before anything is changed.
    if not is_same(state["command"], command):
        raise ValueError(f"{path} is of another run, {state['command']!r}; repeat its arguments or take another --out")
    for name, velocity in optimizer.velocities.items():
        if arrays.get(f"velocity/{name}", np.empty(0)).shape != velocity.shape:
            raise ValueError(f"{path} has no velocity of shape {velocity.shape} for {name}; is it of another network?")
    generators = generators_of(network)
    before = {name: generator.bit_generator.state for name, generator in generators.items()}
    try:
        history = History(**state["history"])
        lr = float(state["lr"])
        for name, generator in generators.items():
            generator.bit_generator.state = state["generators"][name]
        memory = memory_of(schedule)
        if memory is not None and (state["plateau"] or {}).keys() != memory.keys():
            raise ValueError("the plateau schedule's memory is missing")
        kinds = [(*name.partition("/")[::2], array) for name, array in arrays.items()]
        assign(network, {name: array for kind, name, array in kinds if kind in ("param", "state")}, path)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        for name, generator in generators.items():
            generator.bit_generator.state = before[name]
        raise ValueError(f"{path} cannot be resumed from: {' '.join(str(error).split())}") from None
    for name, velocity in optimizer.velocities.items():
        velocity[...] = np.asarray(arrays[f"velocity/{name}"], like=velocity)
    if memory is not None:
        memory.update(state["plateau"])
    optimizer.lr = lr
    return history


def _read(path: str | Path) -> tuple[dict, dict[str, np.ndarray]]:
    """A checkpoint's state and arrays, if they are what was written."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: there is no checkpoint; start the run without --resume")
    try:
        with safe_open(path, framework="numpy") as file:
            digest, _, text = (file.metadata() or {}).get(CHECKPOINT, "").partition(" ")
            state = json.loads(text or "null")
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not a whole checkpoint: {' '.join(str(error).split())}") from None
    if not isinstance(state, dict) or not state.keys() >= {"command", "lr", "generators", "plateau"}:
        raise ValueError(f"{path} is not a checkpoint of a training run; expected a file that examples.train wrote")
    if digest != _digest(text, arrays):
        raise ValueError(f"{path} is damaged: its contents are not those that were written (SHA-256)")
    if "history" not in state:  # older checkpoints have it in the state
        state["history"] = _read_history(path, arrays)
    return state, arrays


def _read_history(path: str | Path, arrays: dict[str, np.ndarray]) -> dict:
    try:
        steps, others = arrays[STEPS], json.loads(arrays[OTHERS].tobytes())
        if steps.dtype != np.float64 or steps.ndim != 1 or not isinstance(others["epochs"], list):
            raise ValueError("it holds something else")
        return {"steps": steps.tolist(), **others}
    except (LookupError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} has no history of a training run: {' '.join(str(error).split())}") from None


def _digest(text: str, arrays: dict[str, np.ndarray]) -> str:
    """SHA-256 over the state and all arrays with their names, kinds and shapes."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype.str} {arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).data)
    return digest.hexdigest()


def generators_of(network: Network) -> dict[str, np.random.Generator]:
    """The random generators of the layers that have one, by the layers' names."""
    return {
        name: rng
        for name, layer in network.layers.items()
        if isinstance(rng := getattr(layer, "rng", None), np.random.Generator)
    }
