"""What the machine itself can do, beside which the engines' times are set, and what is installed on it."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import shutil
import statistics
import sys
import sysconfig
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import llvmlite.binding
import numpy as np
from threadpoolctl import threadpool_limits

from examples.benchmark.processes import printed_by
from examples.shared.command_line import in_a_process
from nn.backend.cuda import load_cupy
from nn.backend.runtime.jit import compiled_loop
from nn.backend.runtime.threads import num_threads

CARD_KINDS = ("cuda", "cuda-tf32")
MEMORY_BYTES = 1 << 30  # far more than the caches hold


def machine() -> str:
    """The processor's name and the number of cores."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        name = names[0] if names else name
    return f"{name}, {os.cpu_count()} cores"


def environment(threads: int, engine: str = "ours") -> dict:
    """The same number of threads for every engine; and whether CuPy's products may take fewer digits."""
    names = ("NUM_THREADS", "OMP_NUM_THREADS", "PJRT_NPROC")  # ours, that of most libraries, JAX's
    settings = dict.fromkeys(names, str(threads)) | {"CUPY_TF32": "1" if engine.endswith("tf32") else "0"}
    return os.environ | settings


def held_to_avx2() -> dict[str, str]:
    """The environment in which processes that are started use AVX2 and nothing newer, where a library can be told to.

    ONNX Runtime cannot, nor can the library that computes JAX's products and convolutions.
    Raises ValueError where the processor has no AVX2.
    """
    try:
        features = llvmlite.binding.get_host_cpu_features()
    except RuntimeError:  # not known for this kind of processor
        features = {}
    if not features.get("avx2"):
        raise ValueError("--kernels avx2: this processor has no AVX2, expected one that has; leave the option out")
    numpy_core = getattr(np, "_core", None) or np.core
    newer = [name for name in numpy_core._multiarray_umath.__cpu_dispatch__ if name.startswith(("AVX512", "X86_V4"))]
    has = numpy_core._multiarray_umath.__cpu_features__
    return {
        "NUMBA_CPU_NAME": "haswell",  # the first of Intel's processors with AVX2
        "NUMBA_CPU_FEATURES": "+avx2,+fma",
        "OPENBLAS_CORETYPE": "Haswell",
        "NPY_DISABLE_CPU_FEATURES": " ".join(name for name in newer if has.get(name)),
        "ATEN_CPU_CAPABILITY": "avx2",  # PyTorch's own kernels; what follows is for the libraries that it calls
        "ONEDNN_MAX_CPU_ISA": "AVX2",  # and for OpenVINO
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "TORCHINDUCTOR_CPP_MARCH": "haswell",
        "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_max_isa=AVX2".strip(),
    }


def installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def can_compile() -> bool:
    """Whether there is what `torch.compile` needs: a C++ compiler and Python's headers."""
    usual = {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
    headers = Path(sysconfig.get_path("include"), "Python.h")
    return shutil.which(os.environ.get("CXX") or usual) is not None and headers.exists()


def own_rates(threads: int) -> dict[str, float]:
    """`sgemm_rate` and `memory_rate`, measured in a process of its own, in the environment of the engines."""
    return json.loads(printed_by(in_a_process("examples.benchmark.machine"), environment(threads)))


def sgemm_rate(threads: int) -> float:
    """Floating-point operations a second of NumPy's matrix product, float32: the most that this machine offers."""
    a, b, c = np.ones((3, 2048, 2048), np.float32)
    seconds = []
    with threadpool_limits(threads):
        for _ in range(10):
            start = time.perf_counter()
            np.matmul(a, b, out=c)
            seconds.append(time.perf_counter() - start)
    return 2 * 2048**3 / statistics.median(seconds)


def memory_rate(threads: int) -> float:
    """Bytes a second that all threads together read from memory, at best."""
    read = reader(MEMORY_BYTES, threads)
    seconds = []
    for _ in range(40):
        start = time.perf_counter()
        read()
        seconds.append(time.perf_counter() - start)
    return MEMORY_BYTES / min(seconds)


def reader(size: int, threads: int) -> Callable[[], None]:
    """What reads so many bytes from memory, once, with all threads together."""
    words = np.ones(size // 8, np.int64)
    parts = np.array_split(words, threads)
    pool = ThreadPoolExecutor(threads)

    def read() -> None:
        assert sum(pool.map(_total, parts)) == len(words)

    return read


@compiled_loop
def _total(words):
    total = 0
    for word in words:
        total += word
    return total


def card_kinds() -> list[str]:
    """What the rows of a GPU are called: none without one."""
    try:
        load_cupy()
    except (ImportError, RuntimeError):
        return []
    return list(CARD_KINDS)


def card_name() -> str:
    return load_cupy().cuda.runtime.getDeviceProperties(0)["name"].decode()


def torch_has_card() -> bool:
    program = "import torch; print(torch.cuda.is_available())"
    return printed_by([sys.executable, "-c", program], os.environ).strip() == "True"


def card_rate(kind: str) -> float:
    """Floating-point operations a second of the GPU's own matrix product, in a process that has chosen its digits."""
    program = (
        "import time, cupy, numpy as np;"
        "a = cupy.asarray(np.random.default_rng(0).random((8192, 8192), 'float32'));"
        "wait = cupy.cuda.Device().synchronize; a @ a; wait();"
        "start = time.perf_counter(); [a @ a for _ in range(20)]; wait();"
        "print(20 * 2 * 8192**3 / (time.perf_counter() - start))"
    )
    return float(printed_by([sys.executable, "-c", program], environment(1, kind)))


if __name__ == "__main__":
    print(json.dumps({"sgemm": sgemm_rate(num_threads()), "memory": memory_rate(num_threads())}))
