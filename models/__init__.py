"""LeNet and AlexNet: each function returns a `nn.Network` and reads like the paper's table."""

from models.alexnet import alexnet, alexnet_small
from models.lenet import lenet

__all__ = ["alexnet", "alexnet_small", "lenet"]
