"""Data sets and batches."""

from nn.data.batches import batches
from nn.data.dataset import Dataset
from nn.data.digits import digits

__all__ = ["Dataset", "batches", "digits"]
