"""The CUDA kernels must agree with the plain ones on whatever shapes hypothesis thinks of.

No graphics card is needed: `tests.cuda_shim` compiles the same .cu files for the processor and runs their threads one
by one, in shuffled order. What is proven is all of the arithmetic, that of indices above all, and that the threads need
nothing of each other; what is not is the graphics card itself.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from types import FunctionType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layers.normalisation import lrn, lrn_backward, sum_of_neighbours
from layers.pooling import max_pool
from nn.backend import cuda
from nn.backend.cpu import im2col
from nn.loss import softmax_gradient
from tests import cuda_shim, oracles
from tests.checks import assert_close
from tests.kernel_cases import CASES, call, dtypes, plain_functions, quiet

GRIDS = st.sampled_from([(3, 2), (1, 1), (2, 5), (1, 7), (40, 8)])  # the last: mostly one element for a thread, or none
INDEX_TYPES = st.sampled_from(list(cuda.INDICES))
HELPERS = {"source_of", "index_type", "c_arguments", "load_cupy"}
OF_IM2COL = {"convolve", "convolve_backward"}  # tests/layers has these, on arrays that stand for CuPy's
# Those whose results are exact with the numbers drawn for them, and those that may be rounded otherwise.
EXACT = ("im2col_cuda", "col2im_cuda", "max_pool", "max_pool_backward", "sum_pool", "sum_pool_backward", "affine")
EXACT += ("relu_backward", "sigmoid_backward", "sgd_paper", "sgd_pytorch")
ROUNDED = ("lrn", "lrn_backward", "softmax_gradient")


@pytest.fixture(scope="module")
def device(tmp_path_factory):
    if cuda_shim.COMPILER is None:
        pytest.skip("There is no C++ compiler to build the CUDA kernels for the processor.")
    device = cuda_shim.Device(cuda_shim.common_folder(tmp_path_factory))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cuda, "_launch", device.launch)
        yield device


def plain_version(name):
    return plain_functions().get(name) or getattr(im2col, name.replace("_cuda", "_plain"))


def test_every_cuda_kernel_is_tested_here():
    functions = [value for value in vars(cuda).values() if isinstance(value, FunctionType)]
    kernels = {function.__name__ for function in functions if function.__module__ == cuda.__name__}
    kernels = {name for name in kernels if name[0] != "_"}
    assert kernels - HELPERS - OF_IM2COL == {*EXACT, *ROUNDED}


@pytest.mark.parametrize("name", EXACT)
@quiet
@given(data=st.data(), dtype=dtypes, grid=GRIDS, index=INDEX_TYPES, seed=st.integers(0, 999))
def test_equals_the_plain_version(device, name, data, dtype, grid, index, seed):
    arguments, outputs = CASES[name](data.draw, dtype, np.random.default_rng(seed))
    device.blocks, device.threads = grid
    device.index = index
    expected = call(plain_version(name), arguments, outputs)
    for plain, ours in zip(expected, call(getattr(cuda, name), arguments, outputs), strict=True):
        assert np.array_equal(plain, ours)


def tasks(name, arguments, size):
    """For each element of the output, the number of the task that it belongs to."""
    if name != "im2col_cuda":
        return np.arange(size)
    x, (kernel_height, kernel_width), *_ = arguments
    row = kernel_width * x.shape[3]  # of a patch: all its rows are computed together
    columns = np.arange(size // kernel_height).reshape(-1, 1, row)
    return np.repeat(columns, kernel_height, axis=1).reshape(-1)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*EXACT, *ROUNDED])
@quiet
@given(data=st.data(), dtype=dtypes, grid=GRIDS, seed=st.integers(0, 999))
def test_one_thread_writes_an_element(device, name, data, dtype, grid, seed):
    """Each thread is run alone. It sees to tasks of its own number only (and of that number plus the number of threads,
    and so on), and all threads together change what the plain version changes: everything, but for sums of nothing. So
    no element is written by two threads, and none is forgotten."""
    arguments, outputs = CASES[name](data.draw, dtype, np.random.default_rng(seed))
    expected = call(plain_version(name), arguments, outputs)
    before = [arguments[position] for position in outputs]
    changed = [np.zeros(array.size, dtype=int) for array in before]
    device.blocks, device.threads = min(grid, (3, 2))
    count = device.blocks * device.threads
    for thread in range(count):
        device.only = [thread]
        try:
            after = call(getattr(cuda, name), arguments, outputs)
        finally:
            device.only = None
        for times, old, new in zip(changed, before, after, strict=True):
            here = ~np.equal(old, new).reshape(-1)  # the scratch memory of LRN may hold anything, NaN too
            assert np.all(tasks(name, arguments, here.size)[here] % count == thread), "an element of another thread"
            times += here
    for times, old, new in zip(changed, before, expected, strict=True):
        assert np.array_equal(times, (old != new).reshape(-1))


# ---------------------------------------------------------------------------------- kernels whose results are rounded
def lrn_magnitude(dy, x, size, alpha, beta, k, region):
    """The sum of the absolute values of what `lrn_backward` adds up."""
    s = k + alpha * sum_of_neighbours(x * x, size, region)
    others = sum_of_neighbours(np.abs(dy * x) * s ** (-beta - 1), size, region)
    return np.abs(dy) * s**-beta + 2 * alpha * beta * np.abs(x) * others


def check_lrn(dy, x, constants):
    """Compare with the plain version in float64. With n neighbours, s is right to n + 3 roundings, each of half an
    epsilon; its power to as many (beta is at most 1) and 4 of its own; each of the terms to 2 (n + 3) + 10; their sum
    to n more. Both versions may be off by that, each by its own epsilon, and ours is rounded once more at the end."""
    wide, wide_dy, y, dx = x.astype(np.float64), dy.astype(np.float64), np.full_like(x, 99), np.full_like(x, 99)
    n = constants[0] ** (2 if constants[-1] == "within" else 1)
    relative = (3 * n + 16) * (np.finfo(x.dtype).eps + np.finfo(np.float64).eps) / 2
    last, smallest = np.finfo(x.dtype).eps / 2, np.finfo(x.dtype).smallest_subnormal

    cuda.lrn(x, *constants, y)
    expected = np.empty_like(wide)
    lrn.plain(wide, *constants, expected)
    assert_close(y, expected, (relative + last) * np.abs(expected) + smallest)

    cuda.lrn_backward(dy, x, *constants, dx)
    lrn_backward.plain(wide_dy, wide, *constants, expected)
    assert_close(dx, expected, relative * lrn_magnitude(wide_dy, wide, *constants) + last * np.abs(expected) + smallest)
    return y, dx


@quiet
@given(data=st.data(), dtype=dtypes, grid=GRIDS, index=INDEX_TYPES, seed=st.integers(0, 999))
def test_lrn_equals_the_plain_version_in_float64(device, data, dtype, grid, index, seed):
    (dy, x, *constants, _), _ = CASES["lrn_backward"](data.draw, dtype, np.random.default_rng(seed))
    device.blocks, device.threads = grid
    device.index = index
    check_lrn(dy, x, constants)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("region", ["across", "within"])
@pytest.mark.parametrize("beta", [0.75, 0.6])
@pytest.mark.parametrize("size", [3, 5])
def test_lrn_with_many_neighbours(device, size, beta, region, dtype):
    dy, x = np.random.default_rng(0).normal(size=(2, 2, 5, 6, 7)).astype(dtype)
    check_lrn(dy, x, (size, 1.0, beta, 2.0, region))


@pytest.mark.parametrize("region", ["across", "within"])
def test_the_squares_of_lrn_do_not_overflow_float32(device, region):
    dy, x = np.random.default_rng(0).normal(size=(2, 2, 4, 4, 6))
    y, dx = check_lrn(dy.astype(np.float32), (x * 1e25).astype(np.float32), (3, 1e-4, 0.75, 2.0, region))
    assert np.all(y != 0) and np.all(dx != 0)


def test_lrn_takes_two_passes_backward_and_one_forward(device):
    x = np.ones((1, 2, 2, 3), np.float32)
    device.launched.clear()
    cuda.lrn(x, 3, 1.0, 0.75, 1.0, "across", np.empty_like(x))
    cuda.lrn_backward(x, x, 3, 1.0, 0.75, 1.0, "within", np.empty_like(x))
    assert device.launched == ["lrn_across", "lrn_within_terms", "lrn_within_backward"]


@quiet
@given(data=st.data(), dtype=dtypes, grid=GRIDS, seed=st.integers(0, 999))
def test_softmax_gradient_equals_the_plain_version_in_float64(device, data, dtype, grid, seed):
    """p = exp(z - s) is as exact as z - s, one rounding of a number up to D, and exp is right to 2 epsilons. Then 1 is
    subtracted, exactly or with one rounding, and the division rounds once more."""
    (z, log_sums, labels, dz), _ = CASES["softmax_gradient"](data.draw, dtype, np.random.default_rng(seed))
    device.blocks, device.threads = grid
    cuda.softmax_gradient(z, log_sums, labels, dz)
    expected = np.empty(z.shape)
    softmax_gradient.plain(z.astype(np.float64), log_sums.astype(np.float64), labels, expected)
    p = np.exp(z.astype(np.float64) - log_sums)
    bound = (np.abs(z - log_sums).max() + 4) * np.finfo(dtype).eps * p + 2 * np.finfo(dtype).eps * np.abs(p - 1)
    assert_close(dz, expected, bound / len(z))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_gradient_of_huge_logits(device, dtype):
    most = np.finfo(dtype).max
    z = np.array([[0, -most, -1.0], [-np.inf, 0, 0], [1.0, np.nan, 2.0]], dtype)
    log_sums = np.array([[1.0], [0.5], [0.0]], dtype)
    dz, plain = np.empty_like(z), np.empty_like(z)
    cuda.softmax_gradient(z, log_sums, np.array([1, 2, 1]), dz)
    softmax_gradient.plain(z, log_sums, np.array([1, 2, 1]), plain)
    np.testing.assert_allclose(dz, plain, rtol=8 * np.finfo(dtype).eps)
    assert dz[0, 1] == dtype(-1 / 3) and dz[1, 0] == 0 and np.isnan(dz[2, 1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("form", ["sgd_paper", "sgd_pytorch"])
def test_sgd_with_any_constants(device, form, dtype):
    w, v, g = np.random.default_rng(0).normal(size=(3, 101)).astype(dtype)
    arguments = (w, v, g, 0.1, 0.9, 0.01)
    expected = call(plain_version(form), arguments, [0, 1])
    for plain, ours in zip(expected, call(getattr(cuda, form), arguments, [0, 1]), strict=True):
        np.testing.assert_allclose(ours, plain, rtol=0, atol=8 * np.finfo(dtype).eps)


# ------------------------------------------------------------------------------------------------------- special cases
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_max_pool_with_infinities_and_nan(device, dtype):
    values = np.array([np.nan, -np.inf, np.inf, -1.0, 2.0], dtype)
    x = np.random.default_rng(0).choice(values, size=(4, 9, 9, 6), p=[0.1, 0.5, 0.1, 0.2, 0.1])
    x[0] = -np.inf  # its first element wins, for want of a larger one
    arguments = (x, (3, 3), (2, 2), (1, 1), np.empty((4, 5, 5, 6), dtype), np.empty((4, 5, 5, 6), np.int32))
    results = []
    for function in (max_pool.plain, cuda.max_pool):
        y, winners = np.full((4, 5, 5, 6), 99, dtype), np.full((4, 5, 5, 6), 99, np.int32)
        function(*arguments[:4], y, winners)
        results.append((y, winners))
    for plain, ours in zip(*results, strict=True):
        np.testing.assert_array_equal(ours, plain)
    assert np.any(np.isnan(results[1][0])) and np.any(np.isposinf(results[1][0]))


@pytest.mark.parametrize("name", ["relu_backward", "sigmoid_backward"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_slopes_in_place(device, name, dtype):
    dy, y = np.random.default_rng(0).normal(size=(2, 3, 5, 7)).astype(dtype)
    y[0] = 0
    expected, in_place = np.empty_like(dy), dy.copy()
    plain_version(name)(dy, y, expected)
    getattr(cuda, name)(in_place, y, in_place)
    np.testing.assert_allclose(in_place, expected, rtol=3 * np.finfo(dtype).eps)


def test_the_shim_sees_a_write_beyond_the_end_and_a_wrong_type(device):
    y, dx = np.ones(6, np.float32), np.zeros(6, np.float32)
    with pytest.raises(AssertionError, match="relu_backward wrote beyond an array's end"):
        device.launch("relu_backward", 7, y, y, dx)
    with pytest.raises(AssertionError, match="argument 4 of sgd_paper is a double, got"):
        device.launch("sgd_paper", 6, y, y + 1, y + 2, 1, 0.9, 0.0)
    with pytest.raises(AssertionError, match="argument 2 of relu_backward is a REAL"):
        device.launch("relu_backward", 6, y, y.astype(np.float64), dx)
    with pytest.raises(AssertionError, match="relu_backward takes 4 arguments, got 3"):
        device.launch("relu_backward", 6, y, dx)


def test_im2col_of_one_picture_from_the_definition(device):
    x = np.arange(2 * 5 * 4 * 3, dtype=np.float32).reshape(2, 5, 4, 3)
    result = np.empty((2 * 2 * 2, 2 * 3 * 3), np.float32)
    cuda.im2col_cuda(x, (2, 3), (2, 3), (1, 1), (1, 3), 2, result)
    weight = np.random.default_rng(0).integers(-3, 4, (2, 3, 3, 1)).astype(np.float32)
    expected = oracles.conv2d(x, weight, np.zeros(1), (2, 3), (1, 1))[:, 1:3]
    assert np.array_equal((result @ weight.reshape(-1, 1)).reshape(expected.shape), expected)


def test_of_several_threads_of_python_one_at_a_time_is_on_the_imitated_card(device, monkeypatch):
    """There is one blockIdx: else each would change the others'."""
    running, most = [], []

    def run(*_):
        running.append(None)
        time.sleep(0.005)
        most.append(len(running))
        running.pop()

    monkeypatch.setattr(device, "_run", run)
    dy, y, dx = np.ones((3, 5))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: device.launch("relu_backward", 5, dy, y, dx), range(8)))
    assert most == [1] * 8
