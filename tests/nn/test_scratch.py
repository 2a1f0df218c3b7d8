"""Memory that a thread keeps: grown when it must, and nobody else's."""

import threading

import numpy as np
import pytest

from nn.scratch import scratch


def test_the_same_memory_comes_back_and_grows():
    like = np.empty(0, np.float32)
    first = scratch("test", (3, 4), like)
    assert first.shape == (3, 4) and first.dtype == np.float32
    again = scratch("test", (2, 5), like)
    assert again.shape == (2, 5) and np.shares_memory(first, again)
    larger = scratch("test", (5, 5), like)
    assert larger.shape == (5, 5) and not np.shares_memory(first, larger)


def test_it_survives_a_request_too_large():
    like = np.empty(0, np.float32)
    scratch("test", (4,), like)
    with pytest.raises((MemoryError, ValueError)):
        scratch("test", (1 << 60,), like)
    assert scratch("test", (4,), like).shape == (4,)


def test_other_names_dtypes_and_threads_have_other_memory():
    like = np.empty(0, np.float32)
    mine = scratch("test", (8,), like)
    others = [scratch("another", (8,), like), scratch("test", (8,), np.empty(0, np.float64))]
    thread = threading.Thread(target=lambda: others.append(scratch("test", (8,), like)))
    thread.start()
    thread.join()
    assert len(others) == 3 and others[1].dtype == np.float64
    assert not any(np.shares_memory(mine, other) for other in others)
