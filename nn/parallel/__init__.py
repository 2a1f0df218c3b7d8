"""Several processes that work on one thing, on one machine or on many, joined by MPI: who they are, sums that do not
depend on how many there are, and what happens where one of them fails. This knows arrays and numbers, never a layer."""

from nn.parallel.faults import RanksError
from nn.parallel.ranks import Ranks

__all__ = ["Ranks", "RanksError"]
