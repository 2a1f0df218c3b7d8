"""The layers of LeNet and AlexNet, one file a kind: each holds its forward and its backward pass side by side."""

from layers.activations import Activation, ReLU, ScaledTanh, Sigmoid, Tanh
from layers.batch_norm import BatchNorm2d
from layers.conv import Conv2d
from layers.dropout import Dropout
from layers.elu import ELU
from layers.flatten import Flatten
from layers.linear import Linear
from layers.normalisation import LocalResponseNorm
from layers.pooling import AvgPool2d, MaxPool2d
from layers.rbf import EuclideanRBF
from layers.subsampling import Subsampling2d

__all__ = [
    "ELU",
    "Activation",
    "AvgPool2d",
    "BatchNorm2d",
    "Conv2d",
    "Dropout",
    "EuclideanRBF",
    "Flatten",
    "Linear",
    "LocalResponseNorm",
    "MaxPool2d",
    "ReLU",
    "ScaledTanh",
    "Sigmoid",
    "Subsampling2d",
    "Tanh",
]
