"""Stochastic gradient descent with momentum and weight decay: a heavy ball that rolls down the loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nn.backend import accelerated
from nn.checks import check_update, number

if TYPE_CHECKING:
    from nn.network import Network


@accelerated
def sgd_paper(w, v, g, lr, momentum, weight_decay):
    """v <- momentum v - weight_decay lr w - lr g;  w <- w + v.  w, v and g are one-dimensional."""
    v[...] = momentum * v - lr * (weight_decay * w + g)
    w += v


@accelerated
def sgd_pytorch(w, v, g, lr, momentum, weight_decay):
    """v <- momentum v + g + weight_decay w;  w <- w - lr v.  w, v and g are one-dimensional."""
    v[...] = momentum * v + (g + weight_decay * w)
    w -= lr * v


class SGD:
    """Each step moves every parameter w along its velocity v, which remembers the gradients g of the steps before.

        form="paper":    v <- momentum v - weight_decay lr w - lr g;    w <- w + v
        form="pytorch":  v <- momentum v + g + weight_decay w;          w <- w - lr v

    With a constant learning rate the two take the same steps. When the rate falls, the paper's ball keeps the speed it
    had, while PyTorch's slows down at once.

    lr_multipliers, decay_multipliers: for some parameters, what lr and weight_decay are multiplied by. A key is a full
    name ("conv1.weight") or the last part of one ("bias", for all biases); the full name wins. The 2012 networks have
    lr_multipliers={"bias": 2}, decay_multipliers={"bias": 0}.

    lr may be set between steps. Velocities start at 0; they are arrays like the parameters, by the same names. Changing
    the dtype or the device of the network needs a new SGD.

    Raises ValueError for a rate or decay below 0, a momentum outside [0, 1), an unknown form; `step` raises it for a
    parameter that is not C-contiguous.
    Source: Krizhevsky et al. 2012, section 5.
    """

    def __init__(
        self,
        network: Network,
        lr: float,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        form: str = "paper",
        lr_multipliers: dict[str, float] | None = None,
        decay_multipliers: dict[str, float] | None = None,
    ) -> None:
        if form not in ("paper", "pytorch"):
            raise ValueError(f"SGD: form is {form!r}, expected 'paper' or 'pytorch'")
        self.network = network
        self.lr = _rate(lr, "lr")
        self.momentum = number(momentum, "SGD: momentum", lambda value: 0 <= value < 1, "at least 0 and below 1")
        self.weight_decay = _rate(weight_decay, "weight_decay")
        self.form = form
        names = list(network.params)
        self.lr_multipliers = _by_parameter(lr_multipliers or {}, names, "lr_multipliers")
        self.decay_multipliers = _by_parameter(decay_multipliers or {}, names, "decay_multipliers")
        # np.zeros, as for the gradients: no memory before the first step
        self.velocities = {
            name: np.zeros(param.shape, param.dtype, like=param) for name, param in network.params.items()
        }

    def check_network(self, network: Network, who: str) -> None:
        """Refuse a network of which no parameter is changed by `step`. Some are enough: the others stay as they are."""
        own = {id(param) for param in self.network.params.values()}
        if network is not self.network and not any(id(param) in own for param in network.params.values()):
            raise ValueError(
                f"{who} got an SGD that was made for another network and would leave {network.name} as it is; make one "
                "with SGD(network, ...)"
            )

    def step(self) -> None:
        """Update every parameter that is not frozen from the gradients of the last backward pass."""
        update = sgd_paper if self.form == "paper" else sgd_pytorch
        owners = {f"{name}.{key}": (layer, key) for name, layer in self.network.layers.items() for key in layer.params}
        if owners.keys() != self.velocities.keys():
            raise ValueError("SGD: the network has other layers or parameters than before; make a new SGD")
        for name, (layer, key) in owners.items():
            if layer.frozen:
                continue
            param, grad, velocity = layer.params[key], layer.grads[key], self.velocities[name]
            check_update(name, param, grad, velocity)
            lr, decay = self.lr * self.lr_multipliers[name], self.weight_decay * self.decay_multipliers[name]
            arrays = param.reshape(-1), velocity.reshape(-1), grad.reshape(-1)
            update(*arrays, float(lr), float(self.momentum), float(decay))


def _rate(value: float, what: str) -> float:
    return number(value, f"SGD: {what}", lambda rate: 0 <= rate < np.inf, "a finite number of at least 0")


def _by_parameter(multipliers: dict[str, float], names: list[str], what: str) -> dict[str, float]:
    """The multiplier of every parameter: 1 where none is given."""
    for key, value in multipliers.items():
        if not any(key in (name, name.split(".")[-1]) for name in names):
            raise ValueError(f"SGD: {what} names {key!r}, expected a parameter such as {names[0]!r} or the end of one")
        _rate(value, f"{what} of {key!r}")
    return {name: float(multipliers.get(name, multipliers.get(name.split(".")[-1], 1.0))) for name in names}
