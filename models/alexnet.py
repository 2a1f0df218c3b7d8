"""AlexNet: five convolutions, three overlapping max-poolings, three fully connected layers."""

from __future__ import annotations

import copy

import numpy as np

from layers import Conv2d, Dropout, Flatten, Linear, LocalResponseNorm, MaxPool2d, ReLU
from nn import Network
from nn.initialisers import he_std


def alexnet(num_classes: int = 1000, init: str = "paper", rng: int | np.random.Generator | None = None) -> Network:
    """AlexNet as published: 60,965,224 parameters, 724,406,816 multiply-adds for a 227x227x3 image and 1000 classes.

        layer                               output        parameters
        conv1 11x11, stride 4               55x55x96          34,944
        LRN, max-pool 3x3, stride 2         27x27x96
        conv2 5x5, pad 2, 2 groups          27x27x256        307,456
        LRN, max-pool 3x3, stride 2         13x13x256
        conv3 3x3, pad 1                    13x13x384        885,120
        conv4 3x3, pad 1, 2 groups          13x13x384        663,936
        conv5 3x3, pad 1, 2 groups          13x13x256        442,624
        max-pool 3x3, stride 2              6x6x256
        fc6, dropout                        4096          37,752,832
        fc7, dropout                        4096          16,781,312
        fc8                                 1000           4,097,000

    ReLU follows every convolution and fc6, fc7. The two groups are the halves that lived on the paper's two GPUs:
    conv2, conv4 and conv5 see only the half on their own one.

    init: how weights N(0, std^2) and biases start. Biases are 0 but in conv2, conv4, conv5, fc6 and fc7.
        "paper"      std 0.01; biases there 1
        "code-2012"  std 0.01, 0.03 in conv3, conv4 and conv5; biases there 1
        "caffe"      std 0.01, 0.005 in fc6 and fc7; biases there 0.1

    The LRN is the paper's form, alpha = 1e-4 not divided by the number of neighbours. The 2012 code divides: that form
    is LocalResponseNorm(5, alpha=1e-4 / 5), as in `alexnet_caffe`.

    Departures: dropout is inverted (see `Dropout`); the input is 227x227, which the ordinary formula needs to give the
    paper's 55x55 (the paper prints 224, its code lets windows run off the edge); the LRN sees neighbours across the
    border of the halves too, as Caffe's does, where two GPUs would each normalise their own.

    Source: Krizhevsky, Sutskever, Hinton 2012, "ImageNet classification with deep convolutional neural networks",
    sections 3.5 and 5.
    """
    return two_towers("alexnet", num_classes, init, LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0), rng)


def two_towers(
    name: str, num_classes: int, init: str, norm: LocalResponseNorm, rng: int | np.random.Generator | None
) -> Network:
    """The network of the paper, with this normalisation: `alexnet`, and `alexnet_caffe` in alexnet_variants.py."""
    if init not in ("paper", "code-2012", "caffe"):
        raise ValueError(f"{name}: init is {init!r}, expected 'paper', 'code-2012' or 'caffe'")
    rng = np.random.default_rng(rng)
    network = Network(
        [
            ("conv1", Conv2d(3, 96, 11, stride=4, rng=rng)),
            ("relu1", ReLU()),
            ("norm1", norm),
            ("pool1", MaxPool2d(3, stride=2)),
            ("conv2", Conv2d(96, 256, 5, padding=2, groups=2, rng=rng)),
            ("relu2", ReLU()),
            ("norm2", copy.copy(norm)),
            ("pool2", MaxPool2d(3, stride=2)),
            ("conv3", Conv2d(256, 384, 3, padding=1, rng=rng)),
            ("relu3", ReLU()),
            ("conv4", Conv2d(384, 384, 3, padding=1, groups=2, rng=rng)),
            ("relu4", ReLU()),
            ("conv5", Conv2d(384, 256, 3, padding=1, groups=2, rng=rng)),
            ("relu5", ReLU()),
            ("pool5", MaxPool2d(3, stride=2)),
            ("flatten", Flatten()),
            ("fc6", Linear(6 * 6 * 256, 4096, rng=rng)),
            ("relu6", ReLU()),
            ("dropout6", Dropout(0.5, rng=rng.spawn(1)[0])),
            ("fc7", Linear(4096, 4096, rng=rng)),
            ("relu7", ReLU()),
            ("dropout7", Dropout(0.5, rng=rng.spawn(1)[0])),
            ("fc8", Linear(4096, num_classes, rng=rng)),
        ],
        image_shape=(227, 227, 3),
        name=name,
        arguments={"num_classes": num_classes} | ({"init": init} if name == "alexnet" else {}),
    )
    for layer_name, layer in network.layers.items():
        if isinstance(layer, Conv2d | Linear):
            std = 0.01
            if init == "code-2012" and layer_name in ("conv3", "conv4", "conv5"):
                std = 0.03
            if init == "caffe" and layer_name in ("fc6", "fc7"):
                std = 0.005
            # The layers' own weights are N(0, 2 / fan_in) already; only their spread changes.
            weight = layer.params["weight"]
            weight *= std / he_std(weight[..., 0].size)
        if layer_name in ("conv2", "conv4", "conv5", "fc6", "fc7"):
            layer.params["bias"][...] = 0.1 if init == "caffe" else 1.0
    return network


def alexnet_small(
    num_classes: int,
    image_shape: tuple[int, int, int],
    width: float = 0.25,
    rng: int | np.random.Generator | None = None,
) -> Network:
    """AlexNet in small, for images of 28 to 128 pixels: the same layers in the same order, with fewer kernels.

        layer                                       maps (width=0.25)
        conv1 5x5 | 7x7, stride 2 | 11x11, stride 4        24            for sides below 48 | below 96 | from 96
        LRN, max-pool 3x3, stride 2
        conv2 5x5, pad 2, 2 groups                         64
        LRN, max-pool 3x3, stride 2
        conv3 3x3, pad 1                                   96
        conv4 3x3, pad 1, 2 groups                         96
        conv5 3x3, pad 1, 2 groups                         64
        max-pool 3x3, stride 2
        fc6, dropout                                     1024
        fc7, dropout                                     1024
        fc8

    width: the number of kernels and hidden units as a share of AlexNet's, rounded to an even number.

    Departures from `alexnet`: conv1 grows with the image and is padded by half its kernel, so that little images
    keep their size; weights start as He's (N(0, 2 / fan_in), biases 0), because the paper's N(0, 0.01^2) is so small
    for such narrow layers that the loss never leaves ln(num_classes).
    """
    rng = np.random.default_rng(rng)
    height, breadth, channels = image_shape
    if not (min(height, breadth) >= 28 and max(height, breadth) <= 128):
        raise ValueError(f"alexnet_small expected images of 28 to 128 pixels a side, got {height}x{breadth}")
    if not (np.isfinite(width) and width > 0):
        raise ValueError(f"alexnet_small: width is {width}, expected a share of AlexNet's width such as 0.25")
    side = min(height, breadth)
    kernel, stride = (5, 1) if side < 48 else (7, 2) if side < 96 else (11, 4)

    def scaled(count: int) -> int:
        return max(2, 2 * round(count * width / 2))

    maps1, maps2, maps3, maps4, maps5, hidden = (scaled(count) for count in (96, 256, 384, 384, 256, 4096))
    layers = [
        ("conv1", Conv2d(channels, maps1, kernel, stride=stride, padding=kernel // 2, rng=rng)),
        ("relu1", ReLU()),
        ("norm1", LocalResponseNorm()),
        ("pool1", MaxPool2d(3, stride=2)),
        ("conv2", Conv2d(maps1, maps2, 5, padding=2, groups=2, rng=rng)),
        ("relu2", ReLU()),
        ("norm2", LocalResponseNorm()),
        ("pool2", MaxPool2d(3, stride=2)),
        ("conv3", Conv2d(maps2, maps3, 3, padding=1, rng=rng)),
        ("relu3", ReLU()),
        ("conv4", Conv2d(maps3, maps4, 3, padding=1, groups=2, rng=rng)),
        ("relu4", ReLU()),
        ("conv5", Conv2d(maps4, maps5, 3, padding=1, groups=2, rng=rng)),
        ("relu5", ReLU()),
        ("pool5", MaxPool2d(3, stride=2)),
        ("flatten", Flatten()),
    ]
    features = Network(layers).output_shape(image_shape)[0]
    layers += [
        ("fc6", Linear(features, hidden, rng=rng)),
        ("relu6", ReLU()),
        ("dropout6", Dropout(0.5, rng=rng.spawn(1)[0])),
        ("fc7", Linear(hidden, hidden, rng=rng)),
        ("relu7", ReLU()),
        ("dropout7", Dropout(0.5, rng=rng.spawn(1)[0])),
        ("fc8", Linear(hidden, num_classes, rng=rng)),
    ]
    return Network(
        layers,
        image_shape=image_shape,
        name="alexnet_small",
        arguments={"num_classes": num_classes, "image_shape": list(image_shape), "width": width},
    )
