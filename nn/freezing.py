"""Freezing: some layers keep the parameters that they have, while the others learn."""

from __future__ import annotations

from typing import Any, TypeVar

from nn.spelling import did_you_mean

Value = TypeVar("Value")


def freeze(network: Any, *names: str) -> tuple[str, ...]:
    """Let these layers keep their parameters from now on, and all others learn; returns the names of the frozen ones.

        nn.freeze(network, "conv")              # every layer whose name begins so
        nn.freeze(network, "conv1", "fc6")
        nn.freeze(network)                      # all learn again

    `SGD` leaves frozen parameters out, weight decay included; their velocities wait. A backward pass that need not
    return the images' gradient ends at the lowest layer that learns, and `grads` of the layers below stay as they were.
    A frozen layer above one that learns is passed through as ever. Dropout goes on; a frozen BatchNorm2d uses its
    running averages and leaves them as they are.

    Raises ValueError, and changes nothing, for a name that no layer with parameters has or begins with, and where
    nothing would be left to learn.
    """
    learners = [name for name, layer in network.layers.items() if layer.params]
    chosen: set[str] = set()
    for name in names:
        found = [name] if name in learners else [each for each in learners if name and each.startswith(name)]
        if not found:
            raise ValueError(
                f"freeze: {network.name} has no layer with parameters whose name is {name!r} or begins so, expected "
                f"{', '.join(learners)}{did_you_mean(name, learners)}"
            )
        chosen |= set(found)
    if names and len(chosen) == len(learners):
        raise ValueError(
            f"freeze: nothing of {network.name} would be left to learn, expected at least one of {', '.join(learners)} "
            "to be left out"
        )
    for name in learners:
        network.layers[name].frozen = name in chosen
    return tuple(name for name in learners if name in chosen)


def lowest_that_learns(network: Any) -> int:
    """The number of the layer at which a backward pass may end: no parameter below it changes. 0 where none is
    frozen."""
    layers = list(network.layers.values())
    if not any(layer.frozen for layer in layers):
        return 0
    return next((number for number, layer in enumerate(layers) if layer.params and not layer.frozen), 0)


def learning(network: Any, by_name: dict[str, Value]) -> dict[str, Value]:
    """Of a dict by the parameters' names, "conv1.weight" and so on, the part whose layers are not frozen."""
    return {name: value for name, value in by_name.items() if not network.layers[name.partition(".")[0]].frozen}
