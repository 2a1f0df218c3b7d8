"""The models by name: what a file of weights may name, and the networks that come with the library."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path

import numpy as np

from models.alexnet import alexnet, alexnet_small
from models.alexnet_variants import alexnet_caffe, alexnet_torchvision
from models.cifar import alexnet_cifar10
from models.lenet import lenet
from models.lenet5 import lenet5_1998
from nn import Network
from nn.files.addresses import refuse_address
from nn.files.weights import load as load_weights
from nn.files.weights import read_metadata
from nn.spelling import did_you_mean

# The functions that a file may name.
MODELS: dict[str, Callable[..., Network]] = {
    "alexnet": alexnet,
    "alexnet_caffe": alexnet_caffe,
    "alexnet_cifar10": alexnet_cifar10,
    "alexnet_small": alexnet_small,
    "alexnet_torchvision": alexnet_torchvision,
    "lenet": lenet,
    "lenet5_1998": lenet5_1998,
}
# The weights that come with the library; README.md there says how each was made.
SHIPPED = Path(__file__).with_name("weights")
# Arguments that are not the file's to choose: a source of random numbers, and another file to read.
NOT_FROM_A_FILE = ("rng", "weights")


def load(path: str | Path, rng: int | np.random.Generator | None = None) -> Network:
    """The network that `Network.save` wrote to `path`: made by the function that the file names, with its weights.

    path: a file, or the name of one that comes with the library, such as "digits_lenet" (see `shipped`).
    rng: for what stays random in it, the dropout.

    Raises FileNotFoundError, else ValueError. The file chooses among MODELS and sets their plain arguments, so it
    chooses the network's size: load files that you trust not to fill the memory.
    """
    path = find_weights(path)
    model = read_metadata(path)["model"]
    if model is None:
        raise ValueError(f"{path} does not say which model its weights are for; make it and use Network.load")
    name, arguments = model["function"], model["arguments"]
    if name not in MODELS:
        raise ValueError(f"{path} is for the model {name[:80]!r}, expected one of {', '.join(MODELS)}")
    function = MODELS[name]
    known = [argument for argument in inspect.signature(function).parameters if argument not in NOT_FROM_A_FILE]
    for argument in arguments:
        if argument not in known:
            takes = ", ".join(known) or "none"
            raise ValueError(f"{path} has the argument {argument[:80]!r} for {name}, which takes {takes}")
    try:
        network = function(**arguments, rng=rng)
    except Exception as error:  # whatever a wrong value leads to: the file is to blame
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        if isinstance(error, MemoryError):
            reason = "it would be too large for the memory"
        raise ValueError(f"{path} has arguments that {name} cannot be made with: {reason}") from error
    return load_weights(network, path)


def shipped() -> tuple[str, ...]:
    """The names of the weights that come with the library."""
    return tuple(sorted(path.stem for path in SHIPPED.glob("*.safetensors")))


def find_weights(path: str | Path) -> Path:
    """The file of this path; a name without any folder or ending may be one of `shipped`."""
    if str(path) in shipped():
        return SHIPPED / f"{path}.safetensors"
    if not Path(path).is_file():
        refuse_address(path)
        raise FileNotFoundError(
            f"{path} is neither a file of weights nor one of {', '.join(shipped())}{did_you_mean(str(path), shipped())}"
        )
    return Path(path)
