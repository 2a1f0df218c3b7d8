"""Sums that are added in one fixed order: floating-point numbers give other bits in another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def add_pairs(vectors: Sequence[np.ndarray]) -> np.ndarray:
    """The sum of vectors, added as a tree: neighbours first, ((v0 + v1) + (v2 + v3)) + v4. The first is overwritten.

    Whoever holds a whole branch can add it alone: four processes with two vectors each, and two with four, compute the
    same sums in the same order, so the same bits.
    """
    while len(vectors) > 1:
        for left, right in zip(vectors[::2], vectors[1::2]):
            np.add(left, right, out=left)
        vectors = vectors[::2]
    return vectors[0]


class Tree:
    """The same sum where one vector comes after another: only as many are kept as the tree has levels.

    tree = Tree(like)
    for each: tree.add(vector)      # which may be overwritten afterwards
    total = tree.total(out=vector)
    """

    def __init__(self, like: np.ndarray) -> None:
        self._like = like
        self._memory: list[np.ndarray] = []  # a sum for each level, kept from step to step
        self._is_full: list[bool] = []  # whether level l waits with the sum of 2**l vectors for its neighbour

    def add(self, vector: np.ndarray) -> None:
        """Take one more; `vector` is used for what is added."""
        level = 0
        while level < len(self._is_full) and self._is_full[level]:
            np.add(self._memory[level], vector, out=vector)
            self._is_full[level] = False
            level += 1
        if level == len(self._memory):
            self._memory.append(np.empty_like(self._like))
            self._is_full.append(False)
        self._memory[level][...] = vector
        self._is_full[level] = True

    def total(self, out: np.ndarray) -> None:
        """Write the sum of all that came, 0 if none did, and begin anew."""
        found = False
        for level, is_full in enumerate(self._is_full):
            if is_full and found:
                np.add(self._memory[level], out, out=out)
            elif is_full:
                out[...] = self._memory[level]
            found = found or is_full
            self._is_full[level] = False
        if not found:
            out[...] = 0


def is_same_tree(vectors: int, ranks: int) -> bool:
    """Whether so many ranks with equal parts of the vectors hold whole branches of their tree."""
    share, rest = divmod(vectors, ranks)
    return rest == 0 and (ranks == 1 or share & (share - 1) == 0)
