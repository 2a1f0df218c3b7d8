"""A network as the papers' figures see it: a row of blocks, each a volume of numbers and how it was made.

Nothing is drawn here. `nn` must not import `layers`, so a layer is known by what it has (a `kernel_size`, parameters or
neither) and by its class's name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from nn.layer import Layer
from nn.network import Network

MOST_TOWERS = 4  # a convolution of more groups is drawn as one block, and its caption says the number

WORDS = {
    "Conv2d": "convolution",
    "MaxPool2d": "max-pool",
    "AvgPool2d": "average-pool",
    "Subsampling2d": "subsampling",
    "Linear": "fully connected",
    "EuclideanRBF": "RBF units",
    "LocalResponseNorm": "LRN",
    "BatchNorm2d": "batch norm",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "ScaledTanh": "scaled tanh",
}


@dataclass
class Block:
    """One volume, and the operation that made it from the one before."""

    name: str
    shape: tuple[int, ...]  # (H, W, C), or (units,)
    kind: str  # "picture", "convolution", "pooling" or "vector"
    caption: list[str] = field(default_factory=list)
    window: tuple[int, int] | None = None  # how much of the block before one number of this one sees
    groups: int = 1  # of the convolution that made it
    towers: int = 1  # parts in which it is drawn: AlexNet's two halves

    @property
    def flat(self) -> bool:
        """Is it drawn as a bar? One pixel of many channels is a vector by another name, as LeNet-5's C5."""
        return len(self.shape) != 3 or self.shape[:2] == (1, 1)

    @property
    def volume(self) -> str:
        """Such as "55×55×96"."""
        return "×".join(str(length) for length in self.shape)


def read_blocks(network: Network, image_shape: Sequence[int] | None = None) -> list[Block]:
    """The input and every layer that makes another volume; what follows without changing it goes into its caption."""
    image_shape = network.image_shape if image_shape is None else tuple(image_shape)
    if image_shape is None:
        raise ValueError(f"{network.name} has no fixed image shape; give one, such as (28, 28, 1)")
    blocks = [Block("input", image_shape, "picture" if len(image_shape) == 3 else "vector")]
    before = image_shape
    for (name, layer), shape in zip(network.layers.items(), network.shapes(image_shape)):
        shape = tuple(shape)
        if layer.returns_view:
            pass  # the same numbers, in another shape
        elif shape == before and _keeps_places(layer):
            blocks[-1].caption.append(_words(layer))
        else:
            blocks.append(_block(name, layer, shape))
        before = shape
    _split_into_towers(blocks)
    return blocks


def _keeps_places(layer: Layer) -> bool:
    """Activations, normalisation, dropout: without a window, and with no more than a few numbers for each channel."""
    return not hasattr(layer, "kernel_size") and all(param.ndim < 2 for param in layer.params.values())


def _block(name: str, layer: Layer, shape: tuple[int, ...]) -> Block:
    window = getattr(layer, "kernel_size", None)
    groups = getattr(layer, "groups", 1)
    if len(shape) == 3:
        kind = "convolution" if "weight" in layer.params and layer.params["weight"].ndim == 4 else "pooling"
    else:
        kind = "vector"
    caption = [_words(layer)]
    if window is not None:
        caption += _window_words(layer, window, (1, 1) if kind == "convolution" else window)
    if groups > 1:
        depthwise = groups == getattr(layer, "in_channels", None)
        caption.append("depthwise" if depthwise else f"{groups} groups")
    if getattr(layer, "connected", None) is not None:
        caption.append("connection table")
    return Block(name, shape, kind, caption, window, groups)


def _window_words(layer: Layer, window: tuple[int, int], own_stride: tuple[int, int]) -> list[str]:
    """Its size, and stride and padding unless they are what one expects."""
    stride, padding = getattr(layer, "stride", window), getattr(layer, "padding", (0, 0))
    words = [f"{window[0]}×{window[1]}"]
    if stride != own_stride:
        words.append(f"stride {_short(stride)}")
    if padding != (0, 0):
        words.append(f"pad {_short(padding)}")
    return [", ".join(words[:2]), *words[2:]]


def _short(pair: tuple[int, int]) -> str:
    return str(pair[0]) if pair[0] == pair[1] else f"{pair[0]}×{pair[1]}"


def _words(layer: Layer) -> str:
    kind = type(layer).__name__
    if kind == "Dropout":
        return f"dropout {layer.p:g}"
    return WORDS.get(kind, kind)


def _split_into_towers(blocks: list[Block]) -> None:
    """A convolution of two groups reads two halves and makes two; pooling keeps halves as they are."""
    for index, block in enumerate(blocks):
        if block.kind == "pooling":
            block.towers = blocks[index - 1].towers
        if not 1 < block.groups <= MOST_TOWERS:
            continue
        block.towers = max(block.towers, block.groups)
        for earlier in reversed(blocks[:index]):
            earlier.towers = max(earlier.towers, block.groups)
            if earlier.kind != "pooling":
                break
