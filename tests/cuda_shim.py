"""A graphics card made of a C++ compiler: it compiles the .cu files for the processor and runs their threads in turn.

CUDA C is C++ with a few words more. Here `__global__` and `__device__` mean nothing, and blockIdx, threadIdx, blockDim
and gridDim are variables that are set before each call, so that one call is one thread. The threads come in a shuffled
order: a result that depends on it would show.

Each array is copied to the middle of a larger one, between numbers that no test uses. A thread that reads beyond its
array's end computes a wrong result instead of a right one by chance, and one that writes there is caught.
"""

import ctypes
import hashlib
import os
import re
import shutil
import subprocess
import threading
from functools import cache
from pathlib import Path

import numpy as np

from nn.backend import cuda

COMPILER = next(filter(None, map(shutil.which, ("g++", "c++", "clang++"))), None)
MARGIN = 64  # numbers on each side of an array
PRELUDE = """
#include <math.h>
#define __global__
#define __device__
struct Index { unsigned int x, y, z; };
extern "C" { Index blockIdx, threadIdx, blockDim, gridDim; }
"""
SCALARS = {"INDEX": np.integer, "double": np.float64}  # what is given for them
C_TYPES = {np.int32: ctypes.c_int, np.int64: ctypes.c_longlong, np.float64: ctypes.c_double}
ELEMENTS = {"int": np.int32, "long long": np.int64, "double": np.float64}


class Index(ctypes.Structure):
    _fields_ = [(axis, ctypes.c_uint) for axis in "xyz"]


def parameters(source: Path) -> dict[str, list[tuple[str, bool]]]:
    """For each kernel of a .cu file, the type of each parameter, without const, and whether it is a pointer."""
    found = {}
    text = re.sub(r"//.*", "", source.read_text(encoding="utf-8"))
    for name, declared in re.findall(r'extern "C" __global__ void (\w+)\(([^)]*)\)', text):
        types = [re.fullmatch(r"(?:const )?(.+?) (\*?)\w+", part.strip()).groups() for part in declared.split(",")]
        found[name] = [(kind, bool(star)) for kind, star in types]
    return found


class Device:
    """Runs kernels on a grid of `blocks` blocks of `threads` threads. Devices with one folder share what is compiled.

    only: the numbers of the threads to run, if not all. index: what INDEX is, if not what the library would choose.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.blocks, self.threads, self.only, self.index = 3, 2, None, None
        self.launched = []  # the names of the kernels, in order
        self._library = cache(self._compile)
        self._turn = threading.Lock()  # there is one blockIdx: of two threads of Python each would change the other's

    def launch(self, name, size, *arguments):
        """What `nn.backend.cuda._launch` does, on NumPy arrays."""
        with self._turn:
            self._launch(name, size, *arguments)

    def _launch(self, name, size, *arguments):
        self.launched.append(name)
        source, dtype = cuda.source_of(name), arguments[0].dtype
        index = self.index or cuda.index_type(size, arguments)
        library = self._library(source, cuda.REALS[dtype.name], index)
        values, declared = cuda.c_arguments(size, arguments, index), parameters(source)[name]
        assert len(values) == len(declared), f"{name} takes {len(declared)} arguments, got {len(values)}"
        buffers, converted = {}, []
        for position, (value, (kind, pointer)) in enumerate(zip(values, declared, strict=True)):
            assert isinstance(value, np.ndarray) == pointer, f"argument {position} of {name} is a {kind}, got {value!r}"
            if pointer:
                assert value.dtype == ELEMENTS.get(kind, dtype), f"argument {position} of {name} is a {kind}"
                # An array that is given twice, as dy and dx, is the same memory on the device too.
                if value.ctypes.data not in buffers:
                    buffers[value.ctypes.data] = value, _with_margins(value)
                memory = buffers[value.ctypes.data][1]
                converted.append(ctypes.c_void_p(memory.ctypes.data + MARGIN * memory.itemsize))
            else:
                assert isinstance(value, SCALARS[kind]), f"argument {position} of {name} is a {kind}, got {value!r}"
                converted.append(C_TYPES[type(value)](value))
        self._run(library, name, converted)
        for value, memory in buffers.values():
            untouched = _with_margins(value)
            for margin in (slice(None, MARGIN), slice(MARGIN + value.size, None)):
                assert memory[margin].tobytes() == untouched[margin].tobytes(), f"{name} wrote beyond an array's end"
            value[...] = memory[MARGIN : MARGIN + value.size].reshape(value.shape)

    def _run(self, library, name, arguments):
        variables = {word: Index.in_dll(library, word) for word in ("blockIdx", "threadIdx", "blockDim", "gridDim")}
        variables["gridDim"].x, variables["blockDim"].x = self.blocks, self.threads
        function = library[name]
        function.restype = None
        order = np.random.default_rng(0).permutation(self.blocks * self.threads)
        for thread in order if self.only is None else self.only:
            variables["blockIdx"].x, variables["threadIdx"].x = divmod(int(thread), self.threads)
            function(*arguments)

    def _compile(self, source, real, index):
        text = PRELUDE + source.read_text(encoding="utf-8")
        stem = f"{source.stem}_{real}_{index.replace(' ', '_')}_{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        finished = self.folder / f"{stem}.so"
        if finished.exists():
            return ctypes.CDLL(str(finished))
        code, library = (self.folder / f"{stem}_{os.getpid()}{ending}" for ending in (".cpp", ".so"))
        code.write_text(text, encoding="utf-8")
        # -ffp-contract=off: as on the page, a product is rounded before it is added, on every processor.
        flags = [
            "-O1",
            "-shared",
            "-fPIC",
            "-ffp-contract=off",
            "-Wall",
            "-Wextra",
            f"-DREAL={real}",
            f"-DINDEX={index}",
        ]
        done = subprocess.run([COMPILER, *flags, str(code), "-o", str(library)], capture_output=True, text=True)
        assert done.returncode == 0 and not done.stderr, f"{library.name}:\n{done.stderr}"
        os.replace(library, finished)  # at once: another process may look for it
        return ctypes.CDLL(str(finished))


def common_folder(tmp_path_factory) -> Path:
    """For all processes that share out one run of the tests."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cuda"
    folder.mkdir(exist_ok=True)
    return folder


def _with_margins(array):
    """The array between two margins. Of floating-point numbers these are NaNs that change their bits when one computes
    with them, so that adding to one is seen like any other write."""
    memory = np.full(array.size + 2 * MARGIN, -77, array.dtype)
    if array.dtype.kind == "f":
        memory = memory.view(f"u{array.itemsize}")
        memory[...] = 0x7FA00000 if array.itemsize == 4 else 0x7FF4000000000000
        memory = memory.view(array.dtype)
    memory[MARGIN : MARGIN + array.size] = array.reshape(-1)
    return memory
