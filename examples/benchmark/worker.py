"""One engine of the benchmark, in a process of its own: it prepares a case, then takes steps whenever it is told to.

    python -m examples.benchmark.worker ENGINE NETWORK TASK BATCH FOLDER

    ENGINE   ours, torch, torch-channels-last or onnxruntime; on a GPU ours-cuda or torch-cuda, and with
             -tf32 behind it, the GPU's faster products of numbers with ten binary places
    NETWORK  a key of NETWORKS;  TASK  training or forward;  BATCH  images per step
    FOLDER   receives outputs-ENGINE.npy, what the network answers before any training

A line "N" on standard input is answered by the seconds that N steps took; the end of the input by the most memory that
the process ever held, on the GPU if it works there, in bytes, or 0 where that cannot be known.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import models
from layers import AvgPool2d, Conv2d, Dropout, Flatten, Linear, LocalResponseNorm, MaxPool2d, ReLU, Sigmoid
from nn import SGD, Network, SoftmaxCrossEntropy
from nn.backend.cuda import load_cupy
from nn.device import move

NETWORKS: dict[str, Callable[[], Network]] = {
    "AlexNet": lambda: models.alexnet(rng=0),
    "LeNet": lambda: models.lenet(rng=0),
    "CIFAR-10 18pct": lambda: models.alexnet_cifar10("18pct", rng=0),
}
# Small enough that the weights, and with them the speed of every engine, stay as they are.
RATE, MOMENTUM, WEIGHT_DECAY = 1e-6, 0.9, 5e-4


def main() -> None:
    engine, name, task, batch, folder = sys.argv[1:]
    network = NETWORKS[name]()
    rng = np.random.default_rng(1)
    images = rng.normal(size=(int(batch), *network.image_shape)).astype(np.float32)
    labels = rng.integers(0, network.output_shape(network.image_shape)[0], int(batch))
    prepare = {"ours": ours, "onnxruntime": onnx_runtime}.get(engine.split("-")[0], torch_engine)
    step = prepare(network, images, labels, task, Path(folder) / f"outputs-{engine}.npy", engine)
    wait = wait_for_card(engine)
    del network, images
    step()
    step()
    wait()
    print("ready", flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        for _ in range(int(line)):
            step()
        wait()
        print(time.perf_counter() - start, flush=True)
    print(card_memory(engine) if "cuda" in engine else peak_memory(), flush=True)


def wait_for_card(engine: str) -> Callable[[], None]:
    """What waits until a GPU has done all that was asked of it."""
    if "cuda" not in engine:
        return lambda: None
    if engine.startswith("ours"):
        return load_cupy().cuda.Device().synchronize
    import torch

    return torch.cuda.synchronize


def card_memory(engine: str) -> int:
    """What the engine took of the GPU's memory for arrays; none gives any back before it ends."""
    if engine.startswith("ours"):
        return load_cupy().get_default_memory_pool().total_bytes()
    import torch

    return torch.cuda.max_memory_reserved()


def peak_memory() -> int:
    status = Path("/proc/self/status")
    if status.exists():  # Linux, where the other way counts what the parent process held
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return 1024 * int(line.split()[1])
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def ours(network: Network, images, labels, task: str, outputs: Path, engine: str) -> Callable[[], None]:
    device = "cuda" if "cuda" in engine else "cpu"
    network.to(device)
    images = move(images, device)
    np.save(outputs, move(network.forward(images), "cpu"))
    if task == "forward":
        return lambda: network.forward(images)
    optimizer = SGD(network, RATE, MOMENTUM, WEIGHT_DECAY, form="pytorch")
    loss = SoftmaxCrossEntropy()

    def step() -> None:
        loss.forward(network.forward(images, training=True), labels)
        network.backward(loss.backward(), input_gradient=False)
        optimizer.step()

    return step


def torch_engine(network: Network, images, labels, task: str, outputs: Path, engine: str) -> Callable[[], None]:
    """PyTorch's fast way: fused SGD, inference mode, and its own order of axes or channels_last."""
    import torch

    torch.set_num_threads(threads())
    device = "cuda" if "cuda" in engine else "cpu"
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = engine.endswith("tf32")
    torch.backends.cudnn.benchmark = True  # its fastest way, found by trying
    order = torch.channels_last if engine == "torch-channels-last" else torch.contiguous_format
    net = to_torch(network).to(device, memory_format=order)
    x = torch.tensor(images.transpose(0, 3, 1, 2).copy()).to(device).contiguous(memory_format=order)
    y = torch.tensor(labels).to(device)
    net.eval()
    with torch.inference_mode():
        np.save(outputs, net(x).cpu().numpy())
    if task == "forward":

        def forward() -> None:
            with torch.inference_mode():
                net(x)

        return forward
    net.train()
    optimizer = torch.optim.SGD(net.parameters(), RATE, MOMENTUM, weight_decay=WEIGHT_DECAY, fused=True)
    loss = torch.nn.CrossEntropyLoss()

    def step() -> None:
        optimizer.zero_grad()
        loss(net(x), y).backward()
        optimizer.step()

    return step


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


def channels_first(network: Network, name: str) -> np.ndarray:
    """A layer's weight for maps before rows and columns: (C_out, C_in, KH, KW), or (in, out) with `in` as (C, H, W)."""
    weight = network.layers[name].params["weight"]
    if weight.ndim == 4:
        return np.ascontiguousarray(weight.transpose(3, 2, 0, 1))
    names = list(network.layers)
    before = names.index(name) - 1
    if names[before] != "flatten":
        return weight
    height, width, channels = network.shapes(network.image_shape)[before - 1]
    return weight.reshape(height, width, channels, -1).transpose(2, 0, 1, 3).reshape(weight.shape)


def onnx_runtime(network: Network, images, labels, task: str, outputs: Path, engine: str) -> Callable[[], None]:
    """ONNX Runtime, with each of our layers as the one operator of ONNX that is made for it."""
    import onnxruntime

    file = outputs.with_suffix(".onnx")
    file.write_bytes(to_onnx(network, len(images)))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads()
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    file.unlink()
    inputs = {"image": np.ascontiguousarray(images.transpose(0, 3, 1, 2))}
    np.save(outputs, session.run(None, inputs)[0])
    return lambda: session.run(None, inputs)


def to_onnx(network: Network, batch: int) -> bytes:
    from onnx import TensorProto, helper, numpy_helper

    nodes, weights = [], []
    previous = "image"
    for name, layer in network.layers.items():
        if isinstance(layer, Dropout):
            continue
        if getattr(layer, "ceil_mode", False) or getattr(layer, "region", "across") == "within":
            raise ValueError(f"{name} ({type(layer).__name__}) has no exact counterpart here")
        inputs, options = [previous], {}
        if isinstance(layer, Conv2d | Linear):
            arrays = {f"{name}.weight": channels_first(network, name), f"{name}.bias": layer.params["bias"]}
            weights += [numpy_helper.from_array(array, key) for key, array in arrays.items()]
            inputs += arrays
        if isinstance(layer, Conv2d | MaxPool2d | AvgPool2d):
            padding = [*layer.padding, *layer.padding]
            options = {"kernel_shape": layer.kernel_size, "strides": layer.stride, "pads": padding}
        if isinstance(layer, Conv2d):
            options["group"] = layer.groups
        if isinstance(layer, LocalResponseNorm):
            options = {"size": layer.size, "alpha": layer.alpha * layer.size, "beta": layer.beta, "bias": layer.k}
        operators = {Conv2d: "Conv", Linear: "Gemm", MaxPool2d: "MaxPool", AvgPool2d: "AveragePool", ReLU: "Relu"}
        operators |= {LocalResponseNorm: "LRN", Flatten: "Flatten", Sigmoid: "Sigmoid"}
        nodes.append(helper.make_node(operators[type(layer)], inputs, [name], **options))
        previous = name
    height, width, channels = network.image_shape
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, channels, height, width])
    answer = helper.make_tensor_value_info(previous, TensorProto.FLOAT, [batch, None])
    graph = helper.make_graph(nodes, network.name, [image], [answer], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def threads() -> int:
    return int(os.environ["NUM_THREADS"])


if __name__ == "__main__":
    main()
