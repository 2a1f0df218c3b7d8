"""Memory that a thread keeps: grown when it must, and nobody else's."""

import threading

import numpy as np
import pytest

from nn.backend.runtime.workspace import LINE, Scratch, aligned

LIKE = np.empty(0, np.float32)


def test_the_same_memory_comes_back_and_grows():
    with Scratch() as scratch:
        first = scratch("test", (3, 4), LIKE)
        assert first.shape == (3, 4) and first.dtype == np.float32
    with Scratch() as scratch:
        again = scratch("test", (2, 5), LIKE)
        assert again.shape == (2, 5) and np.shares_memory(first, again)
        larger = scratch("test", (5, 5), LIKE)
        assert larger.shape == (5, 5) and not np.shares_memory(first, larger)


def test_memory_of_its_own():
    mine = Scratch()
    first = mine("test", (8,), LIKE)
    with Scratch() as scratch:
        assert not np.shares_memory(scratch("test", (8,), LIKE), first)
    assert np.shares_memory(mine("test", (2, 3), LIKE), first)


def test_it_survives_a_request_too_large():
    with Scratch() as scratch:
        scratch("test", (4,), LIKE)
        with pytest.raises((MemoryError, ValueError)):
            scratch("test", (1 << 60,), LIKE)
        assert scratch("test", (4,), LIKE).shape == (4,)


def test_other_names_dtypes_and_threads_have_other_memory():
    def in_a_thread():
        with Scratch() as scratch:
            others.append(scratch("test", (8,), LIKE))

    with Scratch() as scratch:
        mine = scratch("test", (8,), LIKE)
        others = [scratch("another", (8,), LIKE), scratch("test", (8,), np.empty(0, np.float64))]
        thread = threading.Thread(target=in_a_thread)
        thread.start()
        thread.join()
    assert len(others) == 3 and others[1].dtype == np.float64
    assert not any(np.shares_memory(mine, other) for other in others)


def test_whoever_comes_in_between_gets_other_memory():
    with Scratch() as scratch:
        mine = scratch("test", (8,), LIKE)
        with Scratch() as another:
            theirs = another("test", (8,), LIKE)
        assert not np.shares_memory(mine, theirs)
        assert np.shares_memory(mine, scratch("test", (8,), LIKE))


def test_an_error_gives_the_memory_back():
    with pytest.raises(ValueError, match="wrong"), Scratch() as scratch:
        mine = scratch("test", (8,), LIKE)
        raise ValueError("wrong")
    with Scratch() as scratch:
        assert np.shares_memory(mine, scratch("test", (8,), LIKE))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int8])
@pytest.mark.parametrize("shape", [(), (0,), (1,), (7,), (3, 5, 2), (1 << 20,)])
def test_arrays_begin_at_a_line_of_the_cache(shape, dtype):
    arrays = [aligned(shape, np.ones(3, dtype)) for _ in range(5)]
    for number, array in enumerate(arrays):
        array[...] = number
    for number, array in enumerate(arrays):
        assert (array.ctypes.data % LINE == 0 or array.size == 0) and array.flags.c_contiguous
        assert array.shape == shape and array.dtype == dtype and (array == number).all()
    with Scratch() as scratch:
        assert scratch("aligned", (5,), like=np.ones(1, dtype)).ctypes.data % LINE == 0
