"""A network: named layers in a row, and the chain rule that runs through them backwards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nn.arrays_by_name import ArraysByName
from nn.backend.runtime.blas import single_threaded_blas
from nn.buffers import Buffers, places
from nn.checks import Shape
from nn.device import move
from nn.files import weights
from nn.freezing import lowest_that_learns
from nn.layer import Layer
from nn.loss import softmax
from nn.summary import rows_of_layers, summary

STREAM = 64  # images that go through the layers together when nothing is learned: memory stays constant


class Network:
    """Layers in a row: the output of each is the input of the next.

        network = Network([("conv1", Conv2d(1, 6, 5)), ("relu1", ReLU()), ...], image_shape=(28, 28, 1))
        logits = network.forward(x, training=True)      # network(x, training=True) is the same
        network.backward(dlogits)

    layers: a dict of the layers by name, in order.
    params, grads: dicts of all arrays, "conv1.weight" -> array, in the layers' order. They are the live ones:
        network.params["conv1.weight"][...] = a takes effect, and network.params["conv1.weight"] = a raises TypeError.
    state: what is saved but not learned, "bn1.running_mean" -> array, in the same way.
    image_shape: the shape of one input without N, if the network is meant for one; checked if given.
    device: "cpu" or "cuda", where parameters and state lie and inputs must; `to` changes it.
    name: what tables and files call it. arguments: those of the function in `models` of that name which makes such a
        network; saved with the weights, so that a file says what it belongs to (`model`).

    The chain rule is the loop in `backward`: each layer turns the gradient with respect to its output into that with
    respect to its input.

    Between the layers the network passes arrays of its own (`nn.buffers`), which it uses again at the next step;
    element-wise layers work in place on them. The final result is always a new array, the caller's.
    forward(training=False) keeps nothing and may be called from several threads at once.
    """

    def __init__(
        self,
        layers: Sequence[tuple[str, Layer]],
        image_shape: Shape | None = None,
        name: str = "network",
        arguments: dict | None = None,
    ) -> None:
        self.layers: dict[str, Layer] = {}
        for entry in layers:
            if not (isinstance(entry, tuple) and len(entry) == 2 and isinstance(entry[0], str)):
                raise TypeError(f"Network expected a list of (name, layer) pairs, got the entry {entry!r}")
            layer_name, layer = entry
            if not isinstance(layer, Layer):
                raise TypeError(f"Network: {layer_name} is a {type(layer).__name__}, expected a layer")
            if not layer_name or "." in layer_name or layer_name in self.layers:
                raise ValueError(
                    f"Network: the layer name {layer_name!r} is empty, has a dot or is there twice, expected a new one"
                )
            if any(layer is other for other in self.layers.values()):
                raise ValueError(f"Network: {layer_name} is a layer that is there already; each needs its own object")
            layer.name = layer_name
            self.layers[layer_name] = layer
        if not self.layers:
            raise ValueError("Network expected at least one layer, got none")
        self.name = name
        self.model = None if arguments is None else {"function": name, "arguments": arguments}
        self.image_shape = None if image_shape is None else tuple(image_shape)
        if self.image_shape is not None:
            self.shapes(self.image_shape)  # raises where a layer does not fit the one before it
        self.device = "cpu"
        self._forget()

    def _forget(self) -> None:
        """Drop buffers and what else passes have left."""
        self._buffers = Buffers()
        self._spare_buffers: list[Buffers] = []
        self._trained: list | None = None
        self._training_pass: object = None  # the one that began last
        self._shapes: tuple = ()  # of the last pass: what `_plan` found

    @property
    def params(self) -> dict[str, np.ndarray]:
        return ArraysByName(self.layers, "params")

    @property
    def grads(self) -> dict[str, np.ndarray]:
        return ArraysByName(self.layers, "grads")

    @property
    def state(self) -> dict[str, np.ndarray]:
        return ArraysByName(self.layers, "state")

    @property
    def num_parameters(self) -> int:
        return sum(layer.num_parameters for layer in self.layers.values())

    @property
    def dtype(self) -> np.dtype:
        """The dtype of the parameters and the state, which inputs must have."""
        arrays = [*self.params.values(), *self.state.values()]
        return arrays[0].dtype if arrays else np.dtype(np.float32)

    def astype(self, dtype: np.typing.DTypeLike) -> Network:
        """Convert parameters and state to float32 or float64, and return the network itself. Make a new SGD
        afterwards."""
        for layer in self.layers.values():
            layer.astype(dtype)
        self._forget()
        return self

    def to(self, device: str) -> Network:
        """Move parameters and state to "cpu" or "cuda", and return the network itself. Make a new SGD afterwards.

        Raises ImportError without CuPy and RuntimeError without a GPU.
        """
        for layer in self.layers.values():
            layer.to(device)
        self.device = device
        self._forget()
        return self

    def output_shape(self, image_shape: Shape) -> tuple[int, ...]:
        """The shape of one image's output for one image's input shape."""
        return self.shapes(image_shape)[-1]

    def shapes(self, image_shape: Shape) -> list[tuple[int, ...]]:
        """The output shape of every layer for one image's input shape."""
        shapes = []
        for layer in self.layers.values():
            image_shape = layer.output_shape(image_shape)
            shapes.append(image_shape)
        return shapes

    def multiply_adds(self, image_shape: Shape | None = None) -> int:
        """Multiplications, each with an addition, that one image's forward pass takes."""
        return sum(row[3] for row in rows_of_layers(self, image_shape))

    def summary(self, image_shape: Shape | None = None) -> str:
        """A table: layer, output shape, parameters, multiply-adds."""
        return summary(self, image_shape)

    def __call__(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        return self.forward(x, training)

    @single_threaded_blas
    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        """The outputs (N, classes) for the images x (N, H, W, C)."""
        self._check_input(x)
        if training:
            self._trained = None  # what the last pass left is overwritten now; a backward pass must not use it
            self._training_pass = this = object()
            y, shapes = self._run(x, True, self._buffers)
            self._check_alone(this)
            self._trained = shapes
            return self._buffers.own(y, x)
        # Without training nothing is kept, so a long batch can stream through in short ones.
        try:
            buffers = self._spare_buffers.pop()
        except IndexError:  # the first call, or other threads have them all
            buffers = Buffers()
        y = buffers.own(self._run(x[:STREAM], False, buffers)[0], x)
        if len(x) > STREAM:
            first = y
            y = np.empty_like(first, shape=(len(x), *first.shape[1:]))
            y[:STREAM] = first
            for start in range(STREAM, len(x), STREAM):
                y[start : start + STREAM] = self._run(x[start : start + STREAM], False, buffers)[0]
        self._spare_buffers.append(buffers)
        return y

    @single_threaded_blas
    def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray | None:
        """From the gradient with respect to the outputs: write `grads`, and return the gradient with respect to the
        images, or None if it is not wanted: then the pass ends at the lowest layer that is not frozen."""
        if self._trained is None:
            raise RuntimeError(f"{self.name}: backward needs a forward(x, training=True) before it, one for each call")
        shapes, self._trained, this = self._trained, None, self._training_pass
        gradient, lowest = dy, 0 if input_gradient else lowest_that_learns(self)
        for index, layer in reversed(list(enumerate(list(self.layers.values())[lowest:]))):
            out = self._buffers.for_gradient(index, layer, gradient, dy, shapes[lowest + index])
            gradient = layer.backward(gradient, input_gradient or index > 0, out)  # type: ignore[assignment]  # None: not wanted
        self._check_alone(this)
        return self._buffers.own(gradient, dy) if input_gradient else None

    def _check_alone(self, training_pass: object) -> None:
        """Raise where another training pass, of another thread or a signal handler, began before this one had ended."""
        if self._training_pass is not training_pass:
            raise RuntimeError(
                f"{self.name}: another training pass began before this one had ended, and both are spoilt; train a "
                "network in one place at a time, or copies of it (copy.deepcopy)"
            )

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Probabilities (N, classes) for the images x (N, H, W, C): NumPy's for NumPy's, wherever the network lies."""
        y = softmax(self.forward(move(x, self.device)))
        return move(y, "cpu") if isinstance(x, np.ndarray) else y

    def _run(self, x: np.ndarray, training: bool, buffers: Buffers) -> tuple[np.ndarray, list]:
        """All layers in a row. Returns the output, which may lie in `buffers` or be a view of x, and, for each layer,
        the shape of its input."""
        layers, _, shapes, where = self._plan(tuple(x.shape[1:]))
        shapes = [(len(x), *shape) for shape in shapes]
        y = x
        for layer, place, shape in zip(layers, where[training], shapes[1:], strict=True):
            out = buffers.for_output(place, y, shape)
            y = layer.forward(y, training, out)
        return y, shapes

    def _plan(self, image_shape: tuple[int, ...]) -> tuple:
        """The layers, `image_shape`, that with the layers' output shapes, and their `places` without and with training.
        Kept from pass to pass."""
        layers, plan = list(self.layers.values()), self._shapes
        if plan[:2] != (layers, image_shape):
            shapes = [image_shape, *self.shapes(image_shape)]
            plan = self._shapes = layers, image_shape, shapes, (places(layers, False), places(layers, True))
        return plan

    def _check_input(self, x: np.ndarray) -> None:
        if not hasattr(x, "shape") or not hasattr(x, "dtype"):
            raise TypeError(f"{self.name} expected an array of images, got {type(x).__name__}")
        if self.image_shape is not None and tuple(x.shape[1:]) != self.image_shape:
            wanted = ", ".join(map(str, self.image_shape))
            raise ValueError(f"{self.name} expected images of shape (N, {wanted}), got {tuple(x.shape)}")

    def save(self, path: str | Path, extra: dict | None = None, dtype: np.typing.DTypeLike | None = None) -> None:
        """Write parameters and state to a safetensors file, with the model's name and arguments.

        See `nn.files.weights`, and there `load` for the way back.
        """
        weights.save(self, path, extra, dtype)

    def load(self, path: str | Path) -> Network:
        """Fill parameters and state from a file that `save` wrote, and return the network (see `nn.files.weights`)."""
        return weights.load(self, path)

    def __getstate__(self) -> dict:
        """Copies of a network (copy.deepcopy) share no buffers and carry no unfinished step."""
        fresh = {"_buffers": Buffers(), "_spare_buffers": [], "_trained": None, "_training_pass": None, "_shapes": ()}
        return self.__dict__ | fresh
