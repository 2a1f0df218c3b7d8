"""The arrays of all layers of a network in one dict."""

from __future__ import annotations

from typing import Any, NoReturn

from nn.layer import Layer


class ArraysByName(dict):
    """What `network.params`, `grads` and `state` are: dicts that are made anew each time, so that putting an array into
    one could not take effect, and raises. Copies of it are ordinary dicts."""

    def __init__(self, layers: dict[str, Layer], what: str) -> None:
        super().__init__(
            (f"{name}.{key}", array) for name, layer in layers.items() for key, array in getattr(layer, what).items()
        )
        self._what = what

    def __setitem__(self, name: str, array: Any) -> None:
        if self.get(name) is not array:  # params[name] *= 2 has changed the array already and puts it back
            self._refuse(name)

    def __delitem__(self, name: str) -> None:
        self._refuse(name)

    def __ior__(self, other: Any) -> NoReturn:  # type: ignore[misc]  # `|` still makes an ordinary dict
        self._refuse(*list(other)[:1])

    def _refuse(self, *names: Any) -> NoReturn:
        """Where the methods that change a dict end."""
        name = names[0] if names and names[0] in self else next(iter(self), "conv1.weight")
        layer, _, key = name.rpartition(".")
        raise TypeError(
            f"network.{self._what} is made anew each time, so that a change of it would have no effect: write "
            f"network.{self._what}[{name!r}][...] = a to change the numbers, or network.layers[{layer!r}].{self._what}"
            f"[{key!r}] = a for another array of the same shape"
        )

    def update(self, *others: Any, **more: Any) -> NoReturn:
        self._refuse()

    def setdefault(self, name: str, array: Any = None) -> Any:
        return self[name] if name in self else self._refuse()

    pop = popitem = clear = _refuse

    def __reduce__(self) -> tuple:
        return dict, (dict(self),)
