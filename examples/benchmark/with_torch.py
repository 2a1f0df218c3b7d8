"""PyTorch as a rival: with the order of axes it is used to, with channels last, and by its compiler."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from examples.benchmark.settings import MOMENTUM, RATE, WEIGHT_DECAY, channels_first, threads
from layers import AvgPool2d, Conv2d, Dropout, Flatten, Linear, LocalResponseNorm, MaxPool2d, ReLU, Sigmoid
from nn import Network


def torch_engine(network: Network, images, labels, task: str, outputs: Path, engine: str) -> Callable[[], None]:
    """PyTorch's fast way: fused SGD, inference mode, and its own order of axes or channels_last.

    torch-compile is the same network by `torch.compile`: channels last, the faster order there too; in training with
    the loss in the compiled function; in forward "frozen", the weights laid out as its convolutions read them.
    """
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(outputs.parent / "compiled"))
    import torch

    torch.set_num_threads(threads())
    device = "cuda" if "cuda" in engine else "cpu"
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = engine.endswith("tf32")
    torch.backends.cudnn.benchmark = True  # its fastest way, found by trying
    last = engine in ("torch-channels-last", "torch-compile")
    order = torch.channels_last if last else torch.contiguous_format
    net = to_torch(network).to(device, memory_format=order)
    x = torch.tensor(images.transpose(0, 3, 1, 2).copy()).to(device).contiguous(memory_format=order)
    y = torch.tensor(labels).to(device)
    net.eval()
    compiled: Callable = _as_it_is
    if engine == "torch-compile":
        import torch._inductor.config

        compiled, torch._inductor.config.freezing = torch.compile, task.startswith("forward")
    answer = compiled(net)
    with torch.inference_mode():
        np.save(outputs, answer(x).cpu().numpy())
    if task.startswith("forward"):

        def forward() -> None:
            with torch.inference_mode():
                answer(x)

        return forward
    net.train()
    optimizer = torch.optim.SGD(net.parameters(), RATE, MOMENTUM, weight_decay=WEIGHT_DECAY, fused=True)
    loss = torch.nn.CrossEntropyLoss()
    loss_of_batch = compiled(lambda: loss(net(x), y))

    def step() -> None:
        optimizer.zero_grad()
        loss_of_batch().backward()
        optimizer.step()

    return step


def _as_it_is(function: Callable) -> Callable:
    return function


def to_torch(network: Network):
    """The same network, layer by layer, in PyTorch's modules, with the same weights."""
    import torch
    from torch import nn

    class WithinMaps(nn.Module):
        def __init__(self, layer: LocalResponseNorm) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x):
            layer = self.layer
            sums = nn.functional.avg_pool2d(x * x, layer.size, 1, layer.size // 2, divisor_override=1)
            return x / (layer.k + layer.alpha * sums) ** layer.beta

    modules = []
    for name, layer in network.layers.items():
        if isinstance(layer, Conv2d):
            module = nn.Conv2d(
                *(layer.in_channels, layer.out_channels, layer.kernel_size),
                *(layer.stride, layer.padding, 1, layer.groups),
            )
        elif isinstance(layer, Linear):
            module = nn.Linear(layer.in_features, layer.out_features)
        elif isinstance(layer, MaxPool2d | AvgPool2d):
            kind = nn.MaxPool2d if isinstance(layer, MaxPool2d) else nn.AvgPool2d
            module = kind(layer.kernel_size, layer.stride, layer.padding, ceil_mode=layer.ceil_mode)
        elif isinstance(layer, LocalResponseNorm):
            across = nn.LocalResponseNorm(layer.size, layer.alpha * layer.size, layer.beta, layer.k)
            module = across if layer.region == "across" else WithinMaps(layer)
        elif isinstance(layer, Dropout):
            module = nn.Dropout(layer.p)
        else:
            module = {ReLU: lambda: nn.ReLU(inplace=True), Sigmoid: nn.Sigmoid, Flatten: nn.Flatten}[type(layer)]()
        if layer.params:
            weight = channels_first(network, name)
            with torch.no_grad():
                module.weight.copy_(torch.from_numpy(weight if weight.ndim == 4 else weight.T))
                module.bias.copy_(torch.from_numpy(layer.params["bias"]))
        modules.append(module)
    return nn.Sequential(*modules)
