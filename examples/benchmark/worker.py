"""One engine of the benchmark, in a process of its own: it prepares a case, then takes steps whenever it is told to.

    python -m examples.benchmark.worker ENGINE NETWORK TASK BATCH FOLDER

    ENGINE   ours, torch, torch-channels-last, torch-compile, jax, onnxruntime or openvino; on a GPU ours-cuda or
             torch-cuda, and with -tf32 behind it, the GPU's faster products of numbers with ten binary places; memory,
             whose step reads as many bytes as the network's parameters have, and which has no outputs
    NETWORK  a key of `settings.NETWORKS`;  TASK  training, forward or forward float16;  BATCH  images per step
    FOLDER   receives outputs-ENGINE.npy, what the network answers before any training

A line "N" on standard input is answered by the seconds that N steps took; the end of the input by the most memory that
the process ever held, on the GPU if it works there, in bytes, or 0 where that cannot be known.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from examples.benchmark.machine import reader
from examples.benchmark.settings import MOMENTUM, NETWORKS, RATE, WEIGHT_DECAY
from examples.benchmark.with_jax import jax_engine
from examples.benchmark.with_onnx import onnx_runtime_engine, openvino_engine
from examples.benchmark.with_torch import torch_engine
from nn import SGD, CompiledForward, Network, SoftmaxCrossEntropy
from nn.backend.cuda import load_cupy
from nn.backend.runtime.threads import num_threads
from nn.device import move

# Each is called with a network, images, labels, task, file for its outputs and its name; it gives a step.
ENGINES = {
    "torch": torch_engine,
    "jax": jax_engine,
    "onnxruntime": onnx_runtime_engine,
    "openvino": openvino_engine,
    "memory": lambda network, *_: reader(network.num_parameters * 4, num_threads()),
}


def main() -> None:
    engine, name, task, batch, folder = sys.argv[1:]
    network = NETWORKS[name]()
    rng = np.random.default_rng(1)
    images = rng.normal(size=(int(batch), *network.image_shape)).astype(np.float32)
    labels = rng.integers(0, network.output_shape(network.image_shape)[0], int(batch))
    prepare = (ENGINES | {"ours": ours})[engine.split("-")[0]]
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
    forward = network.forward
    if task.startswith("forward") and device == "cpu":
        forward = CompiledForward(network, len(images), half=task.endswith("float16"))
    np.save(outputs, move(forward(images), "cpu"))
    if task.startswith("forward"):
        return lambda: forward(images)
    optimizer = SGD(network, RATE, MOMENTUM, WEIGHT_DECAY, form="pytorch")
    loss = SoftmaxCrossEntropy()

    def step() -> None:
        loss.forward(network.forward(images, training=True), labels)
        network.backward(loss.backward(), input_gradient=False)
        optimizer.step()

    return step


if __name__ == "__main__":
    main()
