"""What every layer is: a forward pass, a backward pass, and the parameters that learning changes."""

from __future__ import annotations

from typing import Any

import numpy as np

from nn.checks import FLOATS, Shape, check_arrays, check_grads, contiguous
from nn.device import move


class Layer:
    """The base of all layers. A layer is a function y = f(x; parameters) that knows its own derivative.

        y  = layer.forward(x, training=False)      # or layer(x), which is the same
        dx = layer.backward(dy)                    # after forward(x, training=True)

    `x` and `y` hold a batch: images are (N, H, W, C), vectors (N, features). `dy` is the gradient of the loss with
    respect to `y`; `backward` returns the gradient with respect to `x` and writes those with respect to the parameters
    into `grads`.

    params, grads: dicts by name, in a fixed order. The arrays in `params` are the live ones: writing into them takes
        effect, and so does another array in the place of one, which must have its shape and the dtype and device of the
        others; every pass checks that. `backward` overwrites `grads`, it never adds to them.
    state: a dict of floating-point arrays by name that are saved but not learned, such as a running mean. They are live
        too, and must fit as parameters must.

    With `out=` the result is written into that array, which is returned. Without it the result is a new array, the
    caller's own. No layer changes `x` or `dy`, unless the caller passes the very same array as `out` to an
    element-wise layer and so asks for it. An `out` that was lent to a layer that `reads_output` must stay as it is
    until the backward pass.

    Parameters and state lie on one device, "cpu" or "cuda"; `to` moves them. TypeError for an input on another device.
    """

    bounds: tuple[float, float]  # of an activation: what its outputs level off at, see `kept_outputs`
    elementwise = False
    """True: each output element depends on the input element at its place alone, so that `out` may be the input."""

    reads_output = False
    """True: backward reads what forward wrote into `out`, so that it must not change in between."""

    frozen = False
    """True: SGD leaves the parameters as they are, and the layer what it gathers of batches; `nn.freeze` sets it."""

    fixed_state = False
    """True: nothing changes `state`, not even training. Else it may be gathered of batches, which shards have not."""

    returns_view = False
    """True: without `out`, forward returns its input's memory in another shape, and backward likewise."""

    def __init__(self) -> None:
        self.name = type(self).__name__
        self.params: dict[str, np.ndarray] = {}
        self.grads: dict[str, np.ndarray] = {}
        self.state: dict[str, np.ndarray] = {}
        self._param_shapes: dict[str, tuple[int, ...]] = {}  # compiled loops check no bounds, so they rely on these
        self._state_shapes: dict[str, tuple[int, ...]] = {}
        self._saved: Any = None  # what the backward pass needs of the forward pass

    def forward(self, x: np.ndarray, training: bool = False, out: np.ndarray | None = None) -> np.ndarray:
        raise NotImplementedError

    def backward(self, dy: np.ndarray, input_gradient: bool = True, out: np.ndarray | None = None) -> np.ndarray | None:
        raise NotImplementedError

    def __call__(self, x: np.ndarray, training: bool = False, out: np.ndarray | None = None) -> np.ndarray:
        return self.forward(x, training, out)

    def output_shape(self, image_shape: Shape) -> tuple[int, ...]:
        """The shape of one image's output (without N) for one image's input shape."""
        return tuple(image_shape)

    def multiply_adds(self, image_shape: Shape) -> int:
        """Multiplications by weights, each with an addition, that one image's forward pass takes."""
        return 0

    @property
    def num_parameters(self) -> int:
        return sum(param.size for param in self.params.values())

    @property
    def label(self) -> str:
        """How error messages call this layer: `conv1 (Conv2d)`."""
        kind = type(self).__name__
        return kind if self.name == kind else f"{self.name} ({kind})"

    def astype(self, dtype: np.typing.DTypeLike) -> Layer:
        """Convert parameters and state to float32 or float64, and return the layer itself."""
        dtype = np.dtype(dtype)
        if dtype not in FLOATS:
            raise TypeError(f"{self.label} cannot work in {dtype}, expected float32 or float64")
        self.params = {name: param.astype(dtype) for name, param in self.params.items()}
        self.grads = {name: grad.astype(dtype) for name, grad in self.grads.items()}
        self.state = {name: array.astype(dtype) for name, array in self.state.items()}
        self._saved = None
        return self

    def to(self, device: str) -> Layer:
        """Move parameters and state to "cpu" or "cuda", and return the layer itself. Inputs must lie there too."""
        self.params = {name: move(param, device) for name, param in self.params.items()}
        self.grads = {name: move(grad, device) for name, grad in self.grads.items()}
        self.state = {name: move(array, device) for name, array in self.state.items()}
        self._saved = None
        return self

    def __getstate__(self) -> dict:
        """Copies and pickles of a layer carry no unfinished pass."""
        return self.__dict__ | {"_saved": None}

    # Hooks: what other modules ask of a layer beside its passes. A layer to which one applies overrides it.

    def without_noise(self) -> None:
        """From now on, let forward(training=True) compute what it computes outside training: draw no random numbers,
        take no statistics of the batch. `nn.inspect` calls this, on a copy."""

    def skip(self, shape: Shape) -> None:
        """Draw the random numbers that forward(training=True) would draw for an input of this shape, (N, ...), and drop
        them: another process has those images."""

    def kept_outputs(self) -> np.ndarray | None:
        """The outputs (or an array that is above 0 where they are) that forward(training=True) keeps until the backward
        pass; None for a layer that keeps something else. For an activation, which has `bounds` between which its
        outputs lie: `nn.training.diagnosis` counts dead and saturated units with it."""
        return None

    def present(self, name: str) -> np.ndarray | None:
        """Which elements of the parameter `name` exist: a boolean array that can be broadcast to its shape, or None for
        all of them. The others are 0 and stay so."""
        return None

    # What follows spares each layer the same few lines.

    def _add_param(self, name: str, value: np.ndarray) -> None:
        self.params[name] = value
        self._param_shapes[name] = tuple(value.shape)
        # zeros_like would write its zeros, and so take memory that a network which only classifies does not need
        self.grads[name] = np.zeros(value.shape, value.dtype, like=value)

    def _add_state(self, name: str, value: np.ndarray) -> None:
        self.state[name] = value
        self._state_shapes[name] = tuple(value.shape)

    def _check_input(self, x: np.ndarray, shape: tuple[str | int, ...] = ("N", "...")) -> np.ndarray:
        """Check the input's dtype and its shape, given as ("N", "H", "W", 3), where a word stands for any length and
        "..." at the end for any further axes. Return it contiguous."""
        if not hasattr(x, "dtype") or not hasattr(x, "shape"):
            raise TypeError(f"{self.label} expected an array, got {type(x).__name__}; numpy.asarray makes one")
        if x.dtype not in FLOATS:
            raise TypeError(f"{self.label} expected a float32 or float64 input, got {x.dtype}; convert it with astype")
        self._check_params(x)
        fits = len(x.shape) == len(shape) or (shape[-1] == "..." and len(x.shape) >= len(shape) - 1)
        for want, got in zip(shape, x.shape, strict=False):
            fits = fits and (want == got or isinstance(want, str))
        if not fits:
            wanted = ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "")
            raise ValueError(f"{self.label} expected an input of shape ({wanted}), got {tuple(x.shape)}")
        if 0 in x.shape:
            raise ValueError(f"{self.label} got an empty input of shape {tuple(x.shape)}, expected some elements")
        return contiguous(x)

    def _check_image_shape(self, image_shape: Shape, length: int, channels: int | None = None) -> tuple[int, ...]:
        """Check and return one image's shape (without N), which `output_shape` and `multiply_adds` are asked about."""
        image_shape = tuple(image_shape)
        form = {1: "(features,)", 3: "(H, W, C)"}[length]
        if len(image_shape) != length or min(image_shape) < 1:
            raise ValueError(f"{self.label} expected one image's shape {form}, got {image_shape}")
        if channels is not None and image_shape[-1] != channels:
            what = "channels" if length == 3 else "features"
            raise ValueError(f"{self.label} expected {channels} {what}, got {image_shape[-1]} in {image_shape}")
        return image_shape

    def _check_gradient(self, dy: np.ndarray, shape: Shape, dtype: np.dtype) -> np.ndarray:
        """Check that `dy` has the shape and dtype of the output."""
        if not hasattr(dy, "dtype") or dy.dtype != dtype:
            got = getattr(dy, "dtype", type(dy).__name__)
            raise TypeError(f"{self.label} expected a {dtype} gradient, got {got}; convert it with astype")
        if tuple(dy.shape) != tuple(shape):
            raise ValueError(f"{self.label} expected a gradient of shape {tuple(shape)}, got {tuple(dy.shape)}")
        self._check_params(dy)
        if self._param_shapes:
            check_grads(self, self.grads, self._param_shapes, dy)
        return contiguous(dy)

    def _check_params(self, x: np.ndarray) -> None:
        """Check every parameter and all state, as another array may have been put there: its shape, and that dtype and
        device are those of x, an input or a gradient. Every pass does this, so it takes less than a microsecond."""
        if self.params or self._param_shapes:
            check_arrays(self, self.params, self._param_shapes, "params", x)
        if self.state or self._state_shapes:
            check_arrays(self, self.state, self._state_shapes, "state", x)

    def _output(self, out: np.ndarray | None, shape: Shape, like: np.ndarray) -> np.ndarray:
        """The array to write the result into: `out` if it fits, a new one if there is none."""
        if out is None:
            return np.empty_like(like, shape=tuple(shape))
        if tuple(out.shape) != tuple(shape) or out.dtype != like.dtype or not out.flags.c_contiguous:
            raise ValueError(
                f"{self.label} expected out= to be a contiguous {like.dtype} array of shape {tuple(shape)}, "
                f"got {out.dtype} {tuple(out.shape)}"
            )
        return out

    def _take_saved(self) -> Any:
        """What forward(training=True) kept. The layer drops it here, so that memory is free as soon as it can be."""
        if self._saved is None:
            raise RuntimeError(f"{self.label}: backward needs a forward(x, training=True) before it, one for each call")
        saved, self._saved = self._saved, None
        return saved
