"""Data sets and batches."""

from nn.data.batches import Draw, batches, epoch_size, evenly
from nn.data.cifar10 import cifar10
from nn.data.dataset import Dataset, split
from nn.data.digits import digits
from nn.data.load import load
from nn.data.mnist import fashion_mnist, mnist
from nn.data.npz import load_npz
from nn.data.pictures import pictures
from nn.data.rendered import objects, objects_with_boxes

__all__ = [
    "Dataset",
    "Draw",
    "batches",
    "cifar10",
    "digits",
    "epoch_size",
    "evenly",
    "fashion_mnist",
    "load",
    "load_npz",
    "mnist",
    "objects",
    "objects_with_boxes",
    "pictures",
    "split",
]
