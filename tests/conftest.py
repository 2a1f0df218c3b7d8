"""A GPU for the tests, or what stands for one; and how hypothesis searches."""

from types import SimpleNamespace

import pytest
from hypothesis import Phase, settings

from nn import device
from nn.backend import cuda
from tests import cuda_shim
from tests.other_arrays import OtherArray, other

# For `python -m tests.mutants`, which only asks whether a test fails: the first example that does is enough, as the
# smallest one takes most of the time to find. The same examples for each mutant.
settings.register_profile(
    "mutants", phases=(Phase.explicit, Phase.generate), report_multiple_bugs=False, derandomize=True, database=None
)


@pytest.fixture(scope="session")
def processor_as_gpu(tmp_path_factory):
    """Runs the CUDA kernels' own source on the processor (`tests.cuda_shim`)."""
    if cuda_shim.COMPILER is None:
        pytest.skip("There is no C++ compiler to build the CUDA kernels for the processor.")
    return cuda_shim.Device(cuda_shim.common_folder(tmp_path_factory))


@pytest.fixture(params=["plain", "kernels", pytest.param("cupy", marks=pytest.mark.cuda)])
def gpu(request, monkeypatch):
    """The module whose arrays lie on the device "cuda": `gpu.asarray` brings NumPy's there, `.get()` brings one back.

    plain     arrays that behave as CuPy's but are not (`tests.other_arrays`), which take the plain functions
    kernels   such arrays which take the CUDA kernels, whose source the C++ compiler has compiled for the processor
    cupy      CuPy itself, where there is a GPU
    """
    if request.param == "cupy":
        try:
            return cuda.load_cupy()
        except (ImportError, RuntimeError) as error:
            pytest.skip(f"There is no GPU to test on: {error}.")
    module = SimpleNamespace(
        asarray=lambda array: array if isinstance(array, OtherArray) else other(array), ndarray=OtherArray
    )
    monkeypatch.setattr(device, "load_cupy", lambda: module)
    if request.param == "kernels":
        processor = request.getfixturevalue("processor_as_gpu")
        processor.blocks, processor.threads, processor.only = 3, 2, None

        def launch(name, size, *arguments):
            processor.launch(name, size, *(getattr(argument, "hidden", argument) for argument in arguments))

        monkeypatch.setattr(cuda, "_launch", launch)
        monkeypatch.setattr(OtherArray, "__module__", "cupy")  # by which `accelerated` chooses
    return module
