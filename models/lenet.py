"""LeNet: two convolutions, two subsamplings, two hidden layers, one output layer."""

from __future__ import annotations

import numpy as np

from layers import AvgPool2d, Conv2d, Flatten, Linear, Sigmoid
from nn import Network
from nn.initialisers import xavier_uniform


def lenet(
    num_classes: int = 10,
    image_shape: tuple[int, int, int] = (28, 28, 1),
    rng: int | np.random.Generator | None = None,
) -> Network:
    """LeNet with log-sigmoid units: 61,706 parameters, 416,520 multiply-adds for 28x28 grey images and 10 classes.

        layer              output      parameters
        conv1 5x5, pad 2   28x28x6            156
        pool1 2x2          14x14x6
        conv2 5x5          10x10x16         2,416
        pool2 2x2          5x5x16
        fc3                120             48,120
        fc4                84              10,164
        fc5                10                 850

    Departures from LeNet-5 of 1998 (`lenet5_1998`), as most later descriptions have them: subsampling is plain
    averaging, conv2 sees all maps, units are log-sigmoid (not scaled tanh), outputs are a softmax (not RBFs).

    Weights start as Xavier's, times 4: his rule supposes units of slope 1 around 0, and a log-sigmoid has 1/4 there.
    With smaller ones the loss may sit on a plateau at ln(num_classes) for the whole run.

    Images smaller than 32 pixels are padded by 2, so that a 28x28 digit is the 32x32 input of the paper.
    """
    rng = np.random.default_rng(rng)
    height, width, channels = image_shape
    padding = 2 if min(height, width) < 32 else 0
    layers = [
        ("conv1", Conv2d(channels, 6, 5, padding=padding, rng=rng)),
        ("sigmoid1", Sigmoid()),
        ("pool1", AvgPool2d(2)),
        ("conv2", Conv2d(6, 16, 5, rng=rng)),
        ("sigmoid2", Sigmoid()),
        ("pool2", AvgPool2d(2)),
        ("flatten", Flatten()),
    ]
    features = Network(layers).output_shape(image_shape)[0]
    layers += [
        ("fc3", Linear(features, 120, rng=rng)),
        ("sigmoid3", Sigmoid()),
        ("fc4", Linear(120, 84, rng=rng)),
        ("sigmoid4", Sigmoid()),
        ("fc5", Linear(84, num_classes, rng=rng)),
    ]
    for _, layer in layers:
        if isinstance(layer, Conv2d | Linear):
            weight = layer.params["weight"]
            fan_in, fan_out = weight[..., 0].size, weight[..., 0, :].size
            weight[...] = 4 * xavier_uniform(rng, weight.shape, fan_in, fan_out)
    return Network(
        layers,
        image_shape=image_shape,
        name="lenet",
        arguments={"num_classes": num_classes, "image_shape": list(image_shape)},
    )
