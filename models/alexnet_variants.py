"""AlexNet as other programs have it: Caffe's reference model, and the later network that torchvision ships."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from layers import Conv2d, Dropout, Flatten, Linear, LocalResponseNorm, MaxPool2d, ReLU
from models.alexnet import two_towers
from models.foreign import load_caffe, load_torchvision
from nn import Network


def alexnet_caffe(
    num_classes: int = 1000, weights: str | Path | None = None, rng: int | np.random.Generator | None = None
) -> Network:
    """AlexNet as Caffe's reference model has it (bvlc_alexnet): 60,965,224 parameters, 724,406,816 multiply-adds.

    The layers are those of `alexnet`. Caffe's LRN divides alpha by the number of neighbours and takes k = 1:
    alpha = 1e-4 / 5 here. Initial weights: init="caffe".

    weights: the file bvlc_alexnet.npy. Images are then 227x227 RGB in 0..255 minus (124, 117, 104): the file was
    trained on BGR, and the input channels of its first kernels are reversed when it is read.

    Departures: Caffe pools with windows that may run off the edge, which at 227 pixels they never do.

    Source: bvlc_alexnet in the Caffe model zoo, "a replication of the model described in the AlexNet publication".
    """
    network = two_towers(
        "alexnet_caffe", num_classes, "caffe", LocalResponseNorm(5, alpha=1e-4 / 5, beta=0.75, k=1.0), rng
    )
    if weights is not None:
        load_caffe(network, weights)
    return network


def alexnet_torchvision(
    num_classes: int = 1000, weights: str | Path | None = None, rng: int | np.random.Generator | None = None
) -> Network:
    """The later AlexNet that torchvision ships: 61,100,840 parameters, 714,188,480 multiply-adds, 224x224x3 images.

        layer                               output        parameters
        conv1 11x11, stride 4, pad 2        55x55x64          23,296
        max-pool 3x3, stride 2              27x27x64
        conv2 5x5, pad 2                    27x27x192        307,392
        max-pool 3x3, stride 2              13x13x192
        conv3 3x3, pad 1                    13x13x384        663,936
        conv4 3x3, pad 1                    13x13x256        884,992
        conv5 3x3, pad 1                    13x13x256        590,080
        max-pool 3x3, stride 2              6x6x256
        dropout, fc6                        4096          37,752,832
        dropout, fc7                        4096          16,781,312
        fc8                                 1000           4,097,000

    Departures from `alexnet`: one tower of fewer kernels instead of two, no LRN, dropout before fc6 and fc7 instead of
    after. Initial weights are He's.

    weights: the file alexnet-owt-7be5be79.pth. Images are then RGB in 0..1, minus (0.485, 0.456, 0.406), divided by
    (0.229, 0.224, 0.225).

    Source: Krizhevsky 2014, "One weird trick for parallelizing convolutional neural networks"; torchvision.models.
    """
    rng = np.random.default_rng(rng)
    network = Network(
        [
            ("conv1", Conv2d(3, 64, 11, stride=4, padding=2, rng=rng)),
            ("relu1", ReLU()),
            ("pool1", MaxPool2d(3, stride=2)),
            ("conv2", Conv2d(64, 192, 5, padding=2, rng=rng)),
            ("relu2", ReLU()),
            ("pool2", MaxPool2d(3, stride=2)),
            ("conv3", Conv2d(192, 384, 3, padding=1, rng=rng)),
            ("relu3", ReLU()),
            ("conv4", Conv2d(384, 256, 3, padding=1, rng=rng)),
            ("relu4", ReLU()),
            ("conv5", Conv2d(256, 256, 3, padding=1, rng=rng)),
            ("relu5", ReLU()),
            ("pool5", MaxPool2d(3, stride=2)),
            ("flatten", Flatten()),
            ("dropout6", Dropout(0.5, rng=rng.spawn(1)[0])),
            ("fc6", Linear(6 * 6 * 256, 4096, rng=rng)),
            ("relu6", ReLU()),
            ("dropout7", Dropout(0.5, rng=rng.spawn(1)[0])),
            ("fc7", Linear(4096, 4096, rng=rng)),
            ("relu7", ReLU()),
            ("fc8", Linear(4096, num_classes, rng=rng)),
        ],
        image_shape=(224, 224, 3),
        name="alexnet_torchvision",
        arguments={"num_classes": num_classes},
    )
    if weights is not None:
        load_torchvision(network, weights)
    return network
