"""Stochastic gradient descent with momentum and weight decay: a heavy ball that rolls down the loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nn.kernels import sgd_paper, sgd_pytorch
from nn.threads import run_parallel, split

if TYPE_CHECKING:
    from nn.network import Network

PART = 1 << 20  # parameters updated at a time


class SGD:
    """Each step moves every parameter w along its velocity v, which remembers the gradients g of the steps before.

        form="paper":    v <- momentum v - weight_decay lr w - lr g;    w <- w + v
        form="pytorch":  v <- momentum v + g + weight_decay w;          w <- w - lr v

    With a constant learning rate the two take the same steps. When the rate falls, the paper's ball keeps the speed it
    had, while PyTorch's slows down at once.

    lr may be set between steps. Velocities start at 0; they are arrays like the parameters, by the same names. Changing
    the dtype of the network needs a new SGD.

    Raises ValueError for a rate or decay below 0, a momentum outside [0, 1), an unknown form.
    Source: Krizhevsky et al. 2012, section 5.
    """

    def __init__(
        self,
        network: Network,
        lr: float,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        form: str = "paper",
    ) -> None:
        for name, value in (("lr", lr), ("momentum", momentum), ("weight_decay", weight_decay)):
            if isinstance(value, bool) or not isinstance(value, int | float | np.number):
                raise TypeError(f"SGD: {name} is {value!r}, expected a number")
            if not 0 <= value < (1 if name == "momentum" else np.inf):
                limit = "at least 0 and below 1" if name == "momentum" else "a finite number of at least 0"
                raise ValueError(f"SGD: {name} is {value}, expected {limit}")
        if form not in ("paper", "pytorch"):
            raise ValueError(f"SGD: form is {form!r}, expected 'paper' or 'pytorch'")
        self.network = network
        self.lr = lr
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.form = form
        self.velocities = {name: np.zeros_like(param) for name, param in network.params.items()}

    def step(self) -> None:
        """Update every parameter from the gradients of the last backward pass."""
        update = sgd_paper if self.form == "paper" else sgd_pytorch
        params, grads = self.network.params, self.network.grads
        parts = []
        for name, velocity in self.velocities.items():
            if params[name].dtype != velocity.dtype:
                raise TypeError(
                    f"SGD: {name} is {params[name].dtype} but its velocity {velocity.dtype}; make the SGD after astype"
                )
            arrays = [array.reshape(-1) for array in (params[name], velocity, grads[name])]
            parts += [[array[part] for array in arrays] for part in split(velocity.size, -(-velocity.size // PART))]

        run_parallel(lambda part: update(*part, self.lr, self.momentum, self.weight_decay), parts)
