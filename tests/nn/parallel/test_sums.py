"""The order in which vectors are added does not depend on who adds which."""

import numpy as np
import pytest

from nn.parallel.sums import Tree, add_pairs, is_same_tree


def vectors(count, size=50):
    rng = np.random.default_rng(count)
    return [rng.normal(0, 10.0 ** rng.integers(-4, 5), size).astype(np.float32) for _ in range(count)]


def in_brackets(count):
    """The tree as a text, made by the same function: strings can be added, too."""
    return add_pairs([np.array([f"({number})"], dtype=object) for number in range(count)])[0]


def test_neighbours_are_added_first():
    a, b, c, d, e = vectors(5)
    expected = ((a + b) + (c + d)) + e
    np.testing.assert_array_equal(add_pairs([a, b, c, d, e]), expected)


@pytest.mark.parametrize("count", range(1, 18))
def test_one_after_the_other_gives_the_same_bits(count):
    tree = Tree(np.zeros(50, np.float32))
    for _ in range(2):  # and once more with the memory that is there
        for vector in vectors(count):
            tree.add(vector.copy())
        total = np.full(50, np.nan, np.float32)
        tree.total(out=total)
        np.testing.assert_array_equal(total, add_pairs(vectors(count)))


@pytest.mark.parametrize(("count", "ranks"), [(8, 1), (8, 2), (8, 4), (8, 8), (12, 3), (6, 3), (5, 5), (24, 6), (7, 1)])
def test_ranks_with_whole_branches_give_the_same_bits(count, ranks):
    assert is_same_tree(count, ranks)
    share = count // ranks
    parts = [add_pairs(vectors(count)[rank * share : (rank + 1) * share]) for rank in range(ranks)]
    np.testing.assert_array_equal(add_pairs(parts), add_pairs(vectors(count)))


@pytest.mark.parametrize(("count", "ranks"), [(8, 3), (6, 2), (12, 2), (4, 8), (1, 2)])
def test_others_are_told_apart(count, ranks):
    assert not is_same_tree(count, ranks)


def test_the_order_matters():
    """Or the other tests would say nothing."""
    assert not np.array_equal(np.sum(vectors(9), axis=0, dtype=np.float32), add_pairs(vectors(9)))


def test_nothing_adds_to_nothing():
    total = np.ones(50, np.float32)
    Tree(total).total(out=total)
    assert not total.any()
