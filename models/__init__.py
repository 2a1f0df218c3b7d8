"""LeNet and AlexNet: each function returns a `nn.Network` and reads like the paper's table."""

from models.alexnet import alexnet, alexnet_small
from models.alexnet_variants import alexnet_caffe, alexnet_torchvision
from models.cifar import alexnet_cifar10
from models.classifier import Classifier, load_classifier
from models.lenet import lenet
from models.lenet5 import lenet5_1998
from models.registry import load, shipped
from models.start import start_from

__all__ = [
    "Classifier",
    "alexnet",
    "alexnet_caffe",
    "alexnet_cifar10",
    "alexnet_small",
    "alexnet_torchvision",
    "lenet",
    "lenet5_1998",
    "load",
    "load_classifier",
    "shipped",
    "start_from",
]
