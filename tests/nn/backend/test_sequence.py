"""Compiled loops in sequence: the same numbers as the calls that were noted, from whatever the arrays hold by then."""

import gc
import threading
from functools import partial

import numpy as np
import pytest

import models
from nn import CompiledForward
from nn.backend.cpu import prepared
from nn.backend.runtime import pool, tasks, threads
from nn.backend.runtime.jit import compiled_loop
from nn.backend.runtime.sequence import in_sequence, note
from nn.backend.runtime.tasks import share_out

pytestmark = pytest.mark.skipif(not tasks.USABLE, reason="nothing is noted where nothing is compiled")


@compiled_loop
def scale(part, x, factor, y):
    if share_out(part):
        return
    for n in range(part[0], part[1]):
        y[n] = factor * x[n]


@compiled_loop
def differences(part, x, y, more):
    """`more` is arguments that nobody needs."""
    if share_out(part):
        return
    for n in range(part[0], part[1]):
        y[n] = x[n + 1, 0] - x[n, 0]


@compiled_loop
def count_down(part, left):
    if share_out(part):
        return
    if left[0] == 0:
        raise ValueError("nothing is left")
    left[0] -= 1


def scaled(x, factor, y, size=0):
    scale(pool.in_parts(len(y), size), x, factor, y)


def difference(x, y, more=()):
    differences(pool.in_parts(len(y), 0), x, y, more)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_the_loops_are_done_again_with_what_the_arrays_hold_then(dtype):
    rng = np.random.default_rng(0)
    x, y, z = np.ones(50, dtype), np.zeros((50, 1), dtype), np.zeros(49, dtype)
    loops = [note(partial(scaled, x, dtype(2), y[:, 0])), note(partial(difference, y, z))]
    assert y[0] == 2 and all(loop is not None for loop in loops)
    run = in_sequence(loops)
    for _ in range(3):
        x[...] = np.sort(rng.integers(0, 100, 50))
        assert run()
        assert np.array_equal(z, np.diff(2 * x))


def test_what_is_not_noted_is_done_nevertheless():
    x, y, z = np.arange(8.0), np.zeros(8), np.zeros(7)

    def two_loops():
        scaled(x, 3.0, y)
        difference(y[:, None], z)

    for call in (
        partial(np.multiply, x, 3.0, y),
        two_loops,
        lambda: difference(3 * x[:, None], y[:7], (None,) * 1000),  # more than there is room for
    ):
        y[...] = z[...] = 0
        assert note(call) is None
        assert np.any(y)
    scaled(x, 5.0, y)
    assert np.array_equal(y, 5 * x)


def test_of_several_loops_all_are_noted_or_none():
    x, y = np.arange(8.0), np.zeros(8)
    assert len(prepared._noted([partial(scaled, x, 3.0, y)] * 2)) == 2
    assert prepared._noted([partial(scaled, x, 3.0, y), partial(np.multiply, x, 3.0, y)]) == []


@pytest.mark.parametrize("number", [1, 2, 5])
def test_threads_share_out_what_they_shared_out_before(number):
    before = threads.num_threads()
    try:
        threads.set_num_threads(number)
        x, y, z = np.arange(64.0), np.zeros(64), np.zeros(64)
        loops = [note(partial(scaled, x, 3.0, y, size=pool.WAKING_SIZE)), note(partial(scaled, y, 2.0, z))]
        run = in_sequence(loops)
        for _ in range(20):
            tasks.slot[tasks.BEGUN] = y[...] = z[...] = 0
            assert run() == 2 and np.array_equal(y, 3 * x) and np.array_equal(z, 6 * x)
            assert (tasks.slot[tasks.BEGUN] > 0) == (number > 1), "how many parts were begun of the last shared out"
    finally:
        threads.set_num_threads(before)


def test_what_other_threads_call_meanwhile_is_not_noted():
    x, y, z = np.arange(8.0), np.zeros(8), np.zeros(8)

    def call():
        other = threading.Thread(target=scaled, args=(x, 2.0, z))
        other.start()
        other.join()
        scaled(x, 3.0, y)

    run = in_sequence([note(call)])
    y[...] = z[...] = 0
    assert run()
    assert np.array_equal(y, 3 * x) and not z.any()


def test_a_call_may_note_others():
    """As a signal handler might, which makes a network ready itself."""
    x, y, z = np.arange(8.0), np.zeros(8), np.zeros(8)
    inner = []

    def call():
        inner.append(note(partial(scaled, x, 2.0, z)))
        scaled(x, 3.0, y)

    outer = in_sequence([note(call)])
    y[...] = z[...] = 0
    assert outer() and np.array_equal(y, 3 * x) and not z.any()
    assert in_sequence(inner)() and np.array_equal(z, 2 * x)


def test_a_call_that_fails_is_over():
    def call():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        note(call)
    assert pool.in_parts(5, 0) == (0, 5, 0)


def test_a_loop_that_raises_ends_it():
    left, x, y = np.array([3]), np.arange(4.0), np.zeros(4)
    first, second = lambda: count_down(pool.in_parts(1, 0), left), partial(scaled, x, 2.0, y)
    loops = [note(first), note(second)]
    run = in_sequence(loops)
    assert run() == run() == 2 and left[0] == 0
    y[...] = 0
    assert run() == 0 and not y.any()
    (again,) = prepared._together(True, [first, second], [loops[:1], loops[1:]])
    with pytest.raises(ValueError, match="nothing is left"):
        again()


@pytest.mark.parametrize("model", ["lenet", "lenet5_1998", "alexnet_cifar10"])
def test_the_network_may_be_gone(model):
    """What the loops read is kept, though they hold no more than addresses."""
    network = getattr(models, model)(rng=0)
    x = np.random.default_rng(0).normal(size=(1, *network.image_shape)).astype(np.float32)
    compiled, expected = CompiledForward(network, 1), network.forward(x)
    del network
    gc.collect()
    waste = [np.full(size, np.nan, np.float32) for size in range(1, 20000, 50)]
    for _ in range(3):
        np.testing.assert_allclose(compiled(x), expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    del waste


@pytest.mark.parametrize("model", ["lenet", "alexnet"])
def test_one_image_goes_through_a_network_in_one_call(model):
    assert len(CompiledForward(getattr(models, model)(rng=0), 1)._calls) == 1
