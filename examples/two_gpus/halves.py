"""One half of AlexNet: half of the kernels of every layer, and what it exchanges with the other half."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from layers import Conv2d, Dropout, Linear, LocalResponseNorm
from nn import SGD, Layer, Network, SoftmaxCrossEntropy
from nn.device import move

# Between the stages the halves exchange what they have made.
STAGES = [
    ["conv1", "relu1", "norm1", "pool1", "conv2", "relu2", "norm2", "pool2"],
    ["conv3", "relu3", "conv4", "relu4", "conv5", "relu5", "pool5"],
    ["flatten", "fc6", "relu6", "dropout6"],
    ["fc7", "relu7", "dropout7"],
    ["fc8"],
]
MOMENTUM, WEIGHT_DECAY = 0.9, 5e-4  # section 5 of the paper

Exchange = Callable[[np.ndarray], np.ndarray]  # hand this to the other half, get what it hands over


@dataclass(frozen=True)
class Settings:
    """What both halves, each where it runs, must know to make the same network and see the same images."""

    data: str
    full: bool
    width: float
    seed: int
    steps: int
    batch_size: int
    lr: float
    dtype: str
    device: str


class Half:
    """One of the two columns: number 0 or 1."""

    def __init__(self, whole: Network, number: int, settings: Settings) -> None:
        self.number = number
        self.loss = SoftmaxCrossEntropy()
        self.stages = [
            Network([(name, half_of(whole.layers[name], number)) for name in stage]).to(settings.device)
            for stage in STAGES
        ]
        self.optimizers = [SGD(stage, settings.lr, MOMENTUM, WEIGHT_DECAY) for stage in self.stages]

    def step(self, images: np.ndarray, labels: np.ndarray, exchange: Exchange) -> float:
        """Learn from a batch, which both halves see; the loss, which both know."""
        y = images
        for stage in self.stages:
            mine = stage.forward(y, training=True)
            theirs = exchange(mine)
            y = np.concatenate([mine, theirs] if self.number == 0 else [theirs, mine], axis=-1)
        loss = self.loss.forward(y, labels)
        dmine = np.array_split(self.loss.backward(), 2, axis=-1)[self.number]
        for stage in reversed(self.stages):
            first = stage is self.stages[0]  # nobody asks for the gradient with respect to the images
            dx = stage.backward(dmine, input_gradient=not first)
            if not first:
                # Both halves read all that both had made. Of its gradient, each adds up its own part.
                parts = np.split(dx, 2, axis=-1)
                dmine = parts[self.number] + exchange(parts[1 - self.number])
        for optimizer in self.optimizers:
            optimizer.step()
        return float(loss)

    @property
    def params(self) -> dict[str, np.ndarray]:
        return {name: move(param, "cpu") for stage in self.stages for name, param in stage.params.items()}


def half_of(layer: Layer, number: int) -> Layer:
    """The part of a layer that makes the first or second half of its outputs."""
    if isinstance(layer, Dropout):
        return HalfDropout(number, layer.p, copy.deepcopy(layer.rng))
    if isinstance(layer, SplitNorm):
        return LocalResponseNorm(layer.size, layer.alpha, layer.beta, layer.k)
    if not layer.params:
        return copy.deepcopy(layer)  # ReLU, pooling, flatten: they work on whatever maps they get
    params = {name: np.array_split(param, 2, axis=-1)[number].copy() for name, param in layer.params.items()}
    inputs, outputs = params["weight"].shape[-2:]  # with two groups, the inputs that this half made itself
    if isinstance(layer, Conv2d):
        half = Conv2d(inputs, outputs, layer.kernel_size, layer.stride, layer.padding)
    else:
        half = Linear(inputs, outputs)
    half.astype(params["weight"].dtype)
    half.params = params
    return half


class HalfDropout(Dropout):
    """The whole network's random mask, and of it this half's part."""

    def __init__(self, number: int, p: float, rng: np.random.Generator) -> None:
        super().__init__(p, rng)
        self.number = number

    def draw(self, shape: tuple[int, ...]) -> np.ndarray:
        return np.split(super().draw((*shape[:-1], 2 * shape[-1])), 2, axis=-1)[self.number]


class SplitNorm(LocalResponseNorm):
    """Normalisation within each half of the maps: a pixel's two halves are made two pixels."""

    def forward(self, x: np.ndarray, training: bool = False, out: np.ndarray | None = None) -> np.ndarray:
        return super().forward(_apart(x), training, None if out is None else _apart(out)).reshape(x.shape)

    def backward(self, dy: np.ndarray, input_gradient: bool = True, out: np.ndarray | None = None) -> np.ndarray | None:
        dx = super().backward(_apart(dy), input_gradient, None if out is None else _apart(out))
        return dx if dx is None else dx.reshape(dy.shape)


def _apart(x: np.ndarray) -> np.ndarray:
    N, H, W, C = x.shape
    return x.reshape(N, H, 2 * W, C // 2)
