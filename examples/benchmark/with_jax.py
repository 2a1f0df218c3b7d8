"""JAX as a rival: the forward pass and the training step as it is used to having them, one compiled function each.

Images are (N, H, W, C) and weights (KH, KW, C_in / groups, C_out) as ours are, so nothing is transposed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from examples.benchmark.settings import MOMENTUM, RATE, WEIGHT_DECAY
from layers import AvgPool2d, Conv2d, Dropout, Flatten, Linear, LocalResponseNorm, MaxPool2d, ReLU, Sigmoid
from nn import Network


def jax_engine(network: Network, images, labels, task: str, outputs: Path, engine: str) -> Callable[[], None]:
    """JAX's fast way: arrays that stay where they are, and in training the old parameters' memory for the new ones."""
    import jax

    layers = list(network.layers.items())
    params = {name: jax.numpy.array(array) for name, array in network.params.items()}
    images, labels = jax.device_put(images), jax.device_put(labels)
    forward = jax.jit(partial(apply, layers))
    np.save(outputs, forward(params, images))
    if task.startswith("forward"):
        return lambda: forward(params, images).block_until_ready()
    update = training_step(layers)
    velocities = {name: jax.numpy.zeros_like(array) for name, array in params.items()}
    state = params, velocities, jax.random.key(0)

    def step() -> None:
        nonlocal state
        state = jax.block_until_ready(update(*state, images, labels))

    return step


def training_step(layers: list) -> Callable:
    """The compiled step: (parameters, velocities, random key, images, labels) -> the first three, new."""
    import jax
    from jax import numpy as jnp

    def loss(params, images, labels, key):
        logits = jax.nn.log_softmax(apply(layers, params, images, key))
        return -jnp.take_along_axis(logits, labels[:, None], axis=1).mean()

    @partial(jax.jit, donate_argnums=(0, 1, 2))
    def update(params, velocities, key, images, labels):
        key, used = jax.random.split(key)
        grads = jax.grad(loss)(params, images, labels, used)
        velocities = jax.tree.map(lambda v, p, g: MOMENTUM * v + g + WEIGHT_DECAY * p, velocities, params, grads)
        return jax.tree.map(lambda p, v: p - RATE * v, params, velocities), velocities, key

    return update


def apply(layers: list, params: dict, x, key=None):
    """The network's answer; with a key, by which Dropout draws, in training."""
    import jax
    from jax import lax
    from jax import numpy as jnp

    for name, layer in layers:
        weight, bias = params.get(f"{name}.weight"), params.get(f"{name}.bias")
        if isinstance(layer, Conv2d):
            convolve = partial(
                lax.conv_general_dilated,
                window_strides=layer.stride,
                padding=[(border, border) for border in layer.padding],
                dimension_numbers=("NHWC", "HWIO", "NHWC"),
            )
            # Each group by itself: what JAX does with feature_group_count takes several times as long.
            groups = zip(*(jnp.split(array, layer.groups, axis=-1) for array in (x, weight)), strict=True)
            x = jnp.concatenate([convolve(part, kernels) for part, kernels in groups], axis=-1) + bias
        elif isinstance(layer, Linear):
            x = x @ weight + bias
        elif isinstance(layer, MaxPool2d | AvgPool2d):
            x = pool(layer, x)
        elif isinstance(layer, LocalResponseNorm):
            axes = (3,) if layer.region == "across" else (1, 2)
            scale = layer.k + layer.alpha * window_sums(x * x, axes, layer.size)
            # A power takes far longer than two square roots.
            root = lax.rsqrt(scale)
            x = x * (root * jnp.sqrt(root) if layer.beta == 0.75 else scale**-layer.beta)
        elif isinstance(layer, Dropout):
            if key is not None:
                key, used = jax.random.split(key)
                x = jnp.where(jax.random.bernoulli(used, 1 - layer.p, x.shape), x / (1 - layer.p), 0)
        else:
            x = {ReLU: jax.nn.relu, Sigmoid: jax.nn.sigmoid, Flatten: lambda x: x.reshape(len(x), -1)}[type(layer)](x)
    return x


def pool(layer: MaxPool2d | AvgPool2d, x):
    """The largest number or the mean of each window; one that runs off the far edge has the pixels that there are."""
    from jax import lax
    from jax import numpy as jnp

    counts = layer.output_shape(x.shape[1:])[:2]
    borders = [
        (border, max(border, (count - 1) * step + size - border - length))
        for length, size, step, border, count in zip(
            x.shape[1:3], layer.kernel_size, layer.stride, layer.padding, counts, strict=True
        )
    ]
    windows = (1, *layer.kernel_size, 1), (1, *layer.stride, 1)
    padding = ((0, 0), *borders, (0, 0))
    if isinstance(layer, MaxPool2d):
        return lax.reduce_window(x, -jnp.inf, lax.max, *windows, padding)
    # The near and far padding count as pixels of an average, what lies beyond them does not.
    lengths = (length + 2 * near for length, (near, _) in zip(x.shape[1:3], borders))
    beyond = ((0, 0), *((0, far - near) for near, far in borders), (0, 0))
    pixels = lax.reduce_window(jnp.ones((1, *lengths, 1)), 0.0, lax.add, *windows, beyond)
    return lax.reduce_window(x, 0.0, lax.add, *windows, padding) / pixels


def window_sums(x, axes: tuple[int, ...], size: int):
    """Sums over `size` neighbours along each of the axes: as so many shifted arrays, which the compiler adds in one
    loop."""
    from jax import lax
    from jax import numpy as jnp

    for axis in axes:
        padding = [(0, 0)] * x.ndim
        padding[axis] = (size // 2, size // 2)
        bordered = jnp.pad(x, padding)
        x = sum(lax.slice_in_dim(bordered, i, i + x.shape[axis], axis=axis) for i in range(size))
    return x
