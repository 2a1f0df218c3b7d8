"""Every accelerated function against its plain form, and which of the two runs when."""

import os
import subprocess
import sys
from pathlib import Path
from types import FunctionType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nn
from layers import LocalResponseNorm, MaxPool2d, ReLU
from nn.backend import accelerated, cpu, cuda
from tests import oracles
from tests.kernel_cases import CASES, accelerated_functions, call, dtypes, plain_functions, quiet

ROOT = Path(__file__).parents[3]
FUNCTIONS = accelerated_functions()
FAST = [name for name in FUNCTIONS if hasattr(cpu, name)]
ELEMENTWISE = [name for name in FAST if name.split("_")[0] in ("relu", "sigmoid", "tanh", "scaled", "scale")]

# How far a result may be from the plain one, in epsilons, beside the largest element (at least 1) or each by itself;
# for all others not at all, as the numbers drawn make every sum exact, or the same steps are taken in the same order.
BESIDE_THE_LARGEST = {
    **{"lrn": 100, "lrn_backward": 100},  # about 50 terms of size 1, each rounded a few times
    "cross_entropy": 16,  # exponentials, each right to 3, add up to 12 terms at most, and to 1 at least
    "softmax_gradient": 8,  # an exponential of 1 at most, right to 3 in each form, less 1, and a quotient
}
OF_EACH = {"sigmoid": 8}  # each form is right to 4: the exponential, the sum and the quotient


def assert_agree(name, fast, plain):
    eps = np.finfo(fast.dtype).eps if fast.dtype.kind == "f" else 0
    atol = BESIDE_THE_LARGEST.get(name, 0) * eps * max(1, np.abs(plain).max())
    np.testing.assert_allclose(fast, plain, rtol=OF_EACH.get(name, 0) * eps, atol=atol)


def test_every_fast_function_stands_for_a_plain_one():
    public = {name for name, value in vars(cpu).items() if isinstance(value, FunctionType)}
    assert public == set(FAST), "a function of nn.backend.cpu that nothing calls"
    assert set(FAST) <= set(CASES), "add what it is called with to tests.kernel_cases.CASES"
    assert len(FAST) >= 18


@pytest.mark.parametrize("name", FAST)
@quiet
@given(data=st.data(), dtype=dtypes, seed=st.integers(0, 999))
def test_fast_equals_plain(name, data, dtype, seed):
    arguments, outputs = CASES[name](data.draw, dtype, np.random.default_rng(seed))
    results = [call(function, arguments, outputs) for function in both(name)]
    for plain, fast in zip(*results, strict=True):
        assert fast.dtype == plain.dtype
        assert_agree(name, fast, plain)


@pytest.mark.parametrize("name", ELEMENTWISE)
@quiet
@given(data=st.data(), dtype=dtypes, seed=st.integers(0, 999))
def test_element_wise_functions_may_work_in_place(name, data, dtype, seed):
    arguments, (output,) = CASES[name](data.draw, dtype, np.random.default_rng(seed))
    for function in both(name):
        (expected,) = call(function, arguments, [output])
        first = arguments[0].copy()
        function(first, *arguments[1:output], first)
        assert np.array_equal(first, expected)


def both(name):
    return FUNCTIONS[name].plain, getattr(cpu, name)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoid(dtype):
    """Against NumPy's longest numbers; beyond 87 the result is no float32 of full precision."""
    rng = np.random.default_rng(0)
    x = np.concatenate([np.linspace(-87, 87, 20001), rng.normal(0, 3, 20001), rng.normal(0, 1e-4, 1001)]).astype(dtype)
    results = []
    for function in both("sigmoid"):
        y, in_place = np.full_like(x, 99), x.copy()
        function(x, y)
        function(in_place, in_place)
        assert np.array_equal(in_place, y)
        results.append(y)
    expected = 1 / (1 + np.exp(-x.astype(np.longdouble)))
    for y in results:
        # exp, the sum and the quotient: each is right to one unit in the last place, or two.
        np.testing.assert_allclose(y, expected.astype(dtype), rtol=4 * np.finfo(dtype).eps)
    ends = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30, 0, -0.0], dtype)
    for function in both("sigmoid"):
        y = np.empty_like(ends)
        function(ends, y)
        assert np.array_equal(y, [np.nan, 1, 0, 1, 0, 0.5, 0.5], equal_nan=True)


@quiet
@given(data=st.data(), dtype=dtypes, seed=st.integers(0, 999))
def test_the_winners_of_max_pool_are_where_they_are_said_to_be(data, dtype, seed):
    arguments, outputs = CASES["max_pool"](data.draw, dtype, np.random.default_rng(seed))
    x, kernel, stride, padding, *_ = arguments
    y, winners = call(plain_functions()["max_pool"], arguments, outputs)
    for n, i, j, c in np.ndindex(y.shape):
        h = i * stride[0] - padding[0] + winners[n, i, j, c] // kernel[1]
        w = j * stride[1] - padding[1] + winners[n, i, j, c] % kernel[1]
        assert x[n, h, w, c] == y[n, i, j, c], "the winner is not where it should be"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_max_pool_with_infinities_and_nan(dtype):
    values = np.array([np.nan, -np.inf, np.inf, -1.0, 2.0], dtype)
    x = np.random.default_rng(0).choice(values, size=(4, 9, 9, 6), p=[0.1, 0.5, 0.1, 0.2, 0.1])
    results = []
    for forward in both("max_pool"):
        y, winners = np.empty((4, 5, 5, 6), dtype), np.empty((4, 5, 5, 6), np.int32)
        forward(x, (3, 3), (2, 2), (1, 1), y, winners)
        results.append((y, winners))
    (y, winners), (y_fast, winners_fast) = results
    np.testing.assert_array_equal(y, y_fast)
    np.testing.assert_array_equal(winners, winners_fast)
    window = x[0, 1:4, 1:4, 0]  # of output (1, 1)
    assert np.array_equal(y[0, 1, 1, 0], window.max(), equal_nan=True)


@quiet
@given(data=st.data(), dtype=dtypes, seed=st.integers(0, 999))
def test_the_backward_of_sum_pool_is_the_transpose_of_its_forward(data, dtype, seed):
    arguments, outputs = CASES["sum_pool"](data.draw, dtype, np.random.default_rng(seed))
    x, *window, factor, _ = arguments
    (y,) = call(plain_functions()["sum_pool"], arguments, outputs)
    dy, dx = np.random.default_rng(seed).integers(-9, 10, y.shape).astype(dtype), np.full_like(x, 99)
    (dx,) = call(plain_functions()["sum_pool_backward"], (dy, *window, factor, dx), [5])
    assert np.sum(y * dy) == np.sum(x * dx)


@pytest.mark.parametrize("name", ["relu_backward", "sigmoid_backward"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gradients_of_any_numbers(name, dtype):
    rng = np.random.default_rng(0)
    dy, y = rng.normal(size=(2, 3, 5, 7, 4)).astype(dtype)
    y[0, 0, 0] = 0
    plain, fast = (call(function, (dy, y, np.empty_like(dy)), [2])[0] for function in both(name))
    np.testing.assert_allclose(fast, plain, rtol=3 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("form", ["sgd_paper", "sgd_pytorch"])
def test_sgd_update(form, dtype):
    rng = np.random.default_rng(0)
    w, v, g = rng.normal(size=(3, 1001)).astype(dtype)
    copies = w.copy(), v.copy()
    plain, fast = both(form)
    plain(w, v, g, 0.1, 0.9, 0.01)
    fast(*copies, g, 0.1, 0.9, 0.01)
    for plain, fast in zip((w, v), copies, strict=True):
        np.testing.assert_allclose(fast, plain, rtol=0, atol=8 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_gradient(dtype):
    rng = np.random.default_rng(0)
    z, labels = rng.normal(0, 3, (5, 7)).astype(dtype), rng.integers(0, 7, 5)
    log_sums = np.log(np.exp(z.astype(float)).sum(axis=1, keepdims=True)).astype(dtype)
    dz = np.full_like(z, 99)
    plain_functions()["softmax_gradient"](z, log_sums, labels, dz)
    expected = (oracles.softmax(z) - np.eye(7)[labels]) / 5
    # exp is as exact as its argument, which is two roundings of a number below 20.
    np.testing.assert_allclose(dz, expected, rtol=0, atol=40 * np.finfo(dtype).eps)
    assert dz.dtype == dtype


# ------------------------------------------------------------------------------------------------ which of them runs
def array_of(module):
    """An array of another library, as far as the decorator can see."""
    return type("ndarray", (), {"__module__": module})()


@pytest.fixture
def compiled(monkeypatch):
    """Whether or not numba compiles while these tests run."""
    monkeypatch.setattr("nn.backend.COMPILES", True)


@pytest.fixture
def tried(monkeypatch, compiled):
    """An accelerated function that says which of its versions was called."""

    @accelerated
    def tried_here(array, argument):
        return "plain", argument

    monkeypatch.setattr(cpu, "tried_here", lambda array, argument: ("cpu", argument), raising=False)
    monkeypatch.setattr(cuda, "tried_here", lambda array, argument: ("cuda", argument), raising=False)
    return tried_here


def test_the_kind_of_array_decides(tried):
    assert tried(np.zeros(3), 1) == ("cpu", 1)
    assert tried(array_of("cupy"), 2) == ("cuda", 2)
    assert tried(array_of("cupy._core.core"), 3) == ("cuda", 3)
    assert tried(array_of("torch"), 4) == ("plain", 4)
    assert tried(array_of("not_cupy"), 5) == ("plain", 5)


def test_within_plain_the_plain_function_runs(tried):
    with nn.plain():
        assert tried(np.zeros(3), 1) == tried(array_of("cupy"), 1) == ("plain", 1)
        with nn.plain():
            pass
        assert tried(np.zeros(3), 2) == ("plain", 2), "until the outermost is left"
    assert tried(np.zeros(3), 3) == ("cpu", 3)
    with pytest.raises(KeyError), nn.plain():
        raise KeyError
    assert tried(np.zeros(3), 4) == ("cpu", 4), "an exception ends it too"


def test_what_has_no_fast_version_runs_plain():
    @accelerated
    def nobody_has_this(array):
        return "plain"

    assert nobody_has_this(np.zeros(3)) == nobody_has_this(array_of("cupy")) == "plain"
    assert nobody_has_this.__name__ == nobody_has_this.plain.__name__ == "nobody_has_this"


def test_loops_that_are_not_compiled_are_not_chosen(tried, monkeypatch):
    monkeypatch.setattr("nn.backend.COMPILES", False)
    assert tried(np.zeros(3), 1) == ("plain", 1)
    assert tried(array_of("cupy"), 2) == ("cuda", 2), "which numba does not compile"


def test_layers_take_the_plain_functions(monkeypatch, compiled):
    def refuse(*_):
        raise AssertionError("the fast one")

    for name in FAST:
        monkeypatch.setattr(cpu, name, refuse)
    x = np.random.default_rng(0).normal(size=(2, 6, 6, 4)).astype(np.float32)
    for layer in (MaxPool2d(2), LocalResponseNorm(), ReLU()):
        with nn.plain():
            layer.backward(layer.forward(x, training=True))
        with pytest.raises(AssertionError, match="the fast one"):
            layer.forward(x)


def run_with(choice, code, disable_jit="0"):
    environment = os.environ | {"NN_BACKEND": choice, "NUMBA_DISABLE_JIT": disable_jit}
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, text=True, capture_output=True)


def test_the_environment_can_ask_for_plain_functions():
    code = """
import numpy as np
import nn.backend
from layers import MaxPool2d
y = MaxPool2d(2).forward(np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1))
print(y.reshape(-1), list(nn.backend._backends))
"""
    fast = run_with("", code)
    for plain in (run_with("plain", code), run_with("", code, disable_jit="1")):
        assert plain.stdout.strip() == "[ 5.  7. 13. 15.] []", plain.stderr
    assert fast.stdout.strip() == "[ 5.  7. 13. 15.] ['nn.backend.cpu']", fast.stderr


def test_a_backend_that_there_is_not_is_refused():
    done = run_with("fast", "import nn")
    assert done.returncode == 1
    message = "NN_BACKEND is 'fast', expected plain, or nothing for the fast way"
    assert done.stderr.splitlines()[-1] == f"ValueError: {message}"
