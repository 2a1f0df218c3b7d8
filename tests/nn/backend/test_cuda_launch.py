"""How CUDA kernels are compiled and started, and what their source files may contain. No graphics card is needed."""

import configparser
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from nn.backend import cuda
from tests.cuda_shim import ELEMENTS, SCALARS, parameters

FOLDER = Path(cuda.__file__).parent
FILES = sorted(FOLDER.glob("*.cu"))
WIDE = ("normalisation", "sampling")  # these compute in double, and say why


class CudaError(Exception):
    pass


def forget():
    cuda._kernel.cache_clear()
    cuda._module.cache_clear()
    cuda.load_cupy.cache_clear()


@pytest.fixture
def cupy(monkeypatch):
    """A module that stands for CuPy and writes down what it is asked for."""
    modules, taken, calls = [], [], []

    class RawModule:
        def __init__(self, code, options):
            modules.append((code, options))

        def get_function(self, name):
            taken.append(name)
            return lambda grid, block, arguments: calls.append((name, grid, block, arguments))

    runtime = SimpleNamespace(getDeviceCount=lambda: 1, CUDARuntimeError=CudaError)
    fake = SimpleNamespace(RawModule=RawModule, cuda=SimpleNamespace(runtime=runtime))
    fake.modules, fake.taken, fake.calls = modules, taken, calls
    monkeypatch.setitem(sys.modules, "cupy", fake)
    forget()
    yield fake
    forget()


def test_a_source_is_compiled_once_for_each_type(cupy):
    for dtype in (np.float32, np.float32, np.float64):
        array = np.zeros(4, dtype)
        cuda.relu_backward(array, array, array)
        cuda.sigmoid_backward(array, array, array)
    source = (FOLDER / "slopes.cu").read_text(encoding="utf-8")
    assert cupy.modules == [(source, (f"-DREAL={real}", "-DINDEX=int")) for real in ("float", "double")]
    assert cupy.taken == ["relu_backward", "sigmoid_backward"] * 2
    assert [name for name, *_ in cupy.calls] == ["relu_backward", "sigmoid_backward"] * 3


@pytest.mark.parametrize(
    "size, blocks", [(1, 1), (256, 1), (257, 2), (1000, 4), (1 << 24, 1 << 16), (1 << 25, 1 << 16)]
)
def test_there_is_a_thread_for_each_element_up_to_a_limit(cupy, size, blocks):
    array = np.zeros(3, np.float32)
    cuda._launch("relu_backward", size, array, array, array)
    ((name, grid, block, arguments),) = cupy.calls
    assert (name, grid, block) == ("relu_backward", (blocks,), (256,))
    assert arguments[0] == size and type(arguments[0]) is np.int32


@pytest.mark.parametrize("last, whole", [(70, np.int32), (1 << 40, np.int64)])
def test_numbers_arrive_with_the_width_that_the_c_function_has(cupy, last, whole):
    array = np.zeros(3, np.float32)
    cuda._launch("sgd_paper", 3, array, 3, np.int64(4), 0.5, np.float32(0.25), last)
    ((_, _, _, arguments),) = cupy.calls
    assert arguments[1] is array
    assert arguments[2:] == (3, 4, 0.5, 0.25, last)
    assert [type(number) for number in arguments[2:]] == [whole, whole, np.float64, np.float64, whole]


def test_indices_have_32_bits_where_that_is_enough(cupy):
    """The last element, and what a thread adds to it for its next one, must be numbers of that width."""
    step = cuda.THREADS * cuda.BLOCKS
    most = (1 << 31) - 1 - step
    for size, expected in ((most, "int"), (most + 1, "long long"), (1 << 33, "long long")):
        large, small = np.broadcast_to(np.float32(0), (size,)), np.zeros(3, np.float32)
        assert cuda.index_type(size, (small,)) == expected, "many tasks"
        assert cuda.index_type(3, (small, 2, large, 0.5)) == expected, "a large array"
        cuda._launch("sgd_paper", size, small, small, small, 0.1, 0.5, 1e300)
        assert cupy.modules[-1][1] == ("-DREAL=float", f"-DINDEX={expected}")


def test_nothing_is_started_for_an_empty_array(cupy):
    empty = np.zeros((0, 3), np.float32)
    cuda.relu_backward(empty, empty, empty)
    assert cupy.modules == cupy.calls == []


def test_an_array_that_is_not_contiguous_is_refused(cupy):
    array = np.zeros((3, 4), np.float32)
    with pytest.raises(ValueError, match=r"array of shape \(4, 3\) that is not contiguous; use cupy.ascont"):
        cuda.relu_backward(array.T, array, array)
    assert cupy.calls == []


def test_without_cupy_one_sentence_says_what_to_install(monkeypatch):
    forget()
    monkeypatch.setitem(sys.modules, "cupy", None)
    array = np.zeros(3, np.float32)
    with pytest.raises(
        ImportError, match="^the device cuda needs CuPy, which cannot be imported: pip install .cupy-cuda12x"
    ):
        cuda.relu_backward(array, array, array)


def test_without_a_graphics_card_one_sentence_says_so(cupy):
    array = np.zeros(3, np.float32)
    cupy.cuda.runtime.getDeviceCount = lambda: 0
    with pytest.raises(RuntimeError, match="^the device cuda needs a GPU .* but there is none$"):
        cuda.relu_backward(array, array, array)

    def no_driver():
        raise CudaError("cudaErrorInsufficientDriver")

    cupy.cuda.runtime.getDeviceCount = no_driver
    with pytest.raises(RuntimeError, match="GPU that CUDA can use, but: cudaErrorInsufficientDriver$"):
        cuda.relu_backward(array, array, array)
    cupy.cuda.runtime.getDeviceCount = lambda: 1  # a failure is not remembered
    cuda.relu_backward(array, array, array)
    assert len(cupy.calls) == 1


def test_the_library_never_imports_cupy_by_itself():
    code = "import sys, nn, layers, models, nn.backend.cuda; sys.exit('cupy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=FOLDER.parents[2]).returncode == 0


def test_every_kernel_has_its_source():
    assert {file.stem: tuple(parameters(file)) for file in FILES} == cuda.SOURCES
    for file in FILES:
        assert file.read_text(encoding="utf-8").count("__global__") == len(parameters(file))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_kernels_take_the_size_first_and_then_only_known_types(file):
    for name, types in parameters(file).items():
        assert types[0] == ("INDEX", False), name
        for kind, pointer in types:
            assert kind in ({"REAL", *ELEMENTS} if pointer else SCALARS), f"{name}: {kind}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_kernel_depends_on_the_order_of_threads(file):
    source = file.read_text(encoding="utf-8")
    assert not re.findall("__shared__|__sync|atomic|volatile|__restrict__", source)
    loop = (
        "for (INDEX index = blockIdx.x * (INDEX)blockDim.x + threadIdx.x; index < size; "
        "index += (INDEX)gridDim.x * blockDim.x)"
    )
    assert " ".join(source.split()).count(loop) == len(parameters(file))
    code = re.sub("//.*", "", source).replace("const long long *labels", "")
    assert not re.search(r"\b(float|unsigned|size_t|long)\b", code), "REAL and INDEX"
    assert max(map(len, source.splitlines())) <= 120


def test_the_sources_are_installed_with_the_package():
    setup = configparser.ConfigParser()
    setup.read(FOLDER.parents[2] / "setup.cfg", encoding="utf-8")
    patterns = setup["options.package_data"]["nn.backend.cuda"].split()
    assert FILES and all(any(fnmatch(file.name, pattern) for pattern in patterns) for file in FILES)


@pytest.mark.parametrize("index", cuda.INDICES)
@pytest.mark.parametrize("real", ["float", "double"])
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_compiler_that_cupy_calls_accepts_it(file, real, index):
    """It needs no graphics card."""
    pytest.importorskip("cupy", reason="There is no CuPy.")
    from cupy_backends.cuda.libs import nvrtc

    try:
        program = nvrtc.createProgram(file.read_text(encoding="utf-8"), file.name, [], [])
    except RuntimeError as error:
        pytest.skip(f"CuPy finds no compiler: {error}.")
    try:
        nvrtc.compileProgram(program, [f"-DREAL={real}", f"-DINDEX={index}", "-arch=compute_75", "-std=c++17"])
    finally:
        assert nvrtc.getProgramLog(program).strip("\0 \n") == ""


@pytest.mark.slow
@pytest.mark.parametrize("index", cuda.INDICES)
@pytest.mark.parametrize("real", ["float", "double"])
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_cuda_compiler_accepts_it(file, real, index, tmp_path):
    if shutil.which("nvcc") is None:
        pytest.skip("There is no CUDA compiler, nvcc.")
    listed = subprocess.run(["nvcc", "--list-gpu-arch"], capture_output=True, text=True).stdout.split()
    oldest = min(listed, key=lambda name: int(name.removeprefix("compute_")), default="compute_70")
    options = ["-ptx", f"-DREAL={real}", f"-DINDEX={index}", f"-arch={oldest}", "-Werror=all-warnings"]
    done = subprocess.run(
        ["nvcc", *options, "-o", str(tmp_path / "out.ptx"), str(file)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    ptx = (tmp_path / "out.ptx").read_text()
    assert set(re.findall(r"\.entry (\w+)\(", ptx)) == set(cuda.SOURCES[file.stem])
    if real == "float" and file.stem not in WIDE:
        assert not re.findall(r"(?:add|sub|mul|fma|div)\S*\.f64", ptx), "arithmetic was drawn to double"
