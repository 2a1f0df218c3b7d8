"""The engine: the layer contract, networks, loss, SGD, the training loop, gradient checks, data and plots."""

from nn.backend import plain
from nn.compiled import CompiledForward
from nn.freezing import freeze
from nn.inspect.gradient_check import check_gradients
from nn.layer import Layer
from nn.loss import LeNet5Loss, SoftmaxCrossEntropy, softmax
from nn.network import Network
from nn.sgd import SGD
from nn.training import evaluate, train

__version__ = "0.2.0"

__all__ = [
    "SGD",
    "CompiledForward",
    "Layer",
    "LeNet5Loss",
    "Network",
    "SoftmaxCrossEntropy",
    "check_gradients",
    "evaluate",
    "freeze",
    "plain",
    "softmax",
    "train",
]
