"""LeNet-5 as published in 1998: connection table, trainable subsampling, scaled tanh, and outputs that measure how far
the answer is from ten little drawings."""

from __future__ import annotations

import numpy as np

from layers import Conv2d, EuclideanRBF, Flatten, Linear, ScaledTanh, Subsampling2d
from nn import Network
from nn.initialisers import uniform

# Which maps of S2 each map of C3 sees: the first six see three neighbouring ones, the next six four, then three see
# some four, and the last sees all. Source: the paper's Table I.
C3_CONNECTIONS = (
    *((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5)),
    *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5)),
    *((0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5), (0, 1, 2, 3, 4, 5)),
)

# The ten digits, 7 pixels wide and 12 high, drawn for this library in the manner of the paper's Figure 3.
DIGIT_DRAWINGS = """
..###..  ...#...  .#####.  .#####.  .....#.  #######  ...###.  #######  .#####.  .#####.
.#...#.  ..##...  #.....#  #.....#  ....##.  #......  ..#....  #.....#  #.....#  #.....#
#.....#  .#.#...  ......#  ......#  ...#.#.  #......  .#.....  ......#  #.....#  #.....#
#.....#  ...#...  ......#  ......#  ..#..#.  #......  #......  .....#.  #.....#  #.....#
#.....#  ...#...  .....#.  .....#.  .#...#.  #......  #......  .....#.  #.....#  #.....#
#.....#  ...#...  ....#..  ..###..  #....#.  ######.  #.####.  ....#..  .#####.  .######
#.....#  ...#...  ...#...  .....#.  #######  ......#  ##....#  ....#..  #.....#  ......#
#.....#  ...#...  ..#....  ......#  .....#.  ......#  #.....#  ...#...  #.....#  ......#
#.....#  ...#...  .#.....  ......#  .....#.  ......#  #.....#  ...#...  #.....#  ......#
#.....#  ...#...  #......  ......#  .....#.  ......#  #.....#  ..#....  #.....#  .....#.
.#...#.  ...#...  #......  #.....#  .....#.  #.....#  .#...#.  ..#....  #.....#  ....#..
..###..  .#####.  #######  .#####.  .....#.  .#####.  ..###..  ..#....  .#####.  .###...
"""


def digit_bitmaps() -> np.ndarray:
    """The drawings as numbers, (10, 12, 7): +1 where there is ink, -1 where there is none."""
    rows = [line.split() for line in DIGIT_DRAWINGS.split("\n") if line]
    return np.array(
        [[[1 if dot == "#" else -1 for dot in row[digit]] for row in rows] for digit in range(10)], "float32"
    )


def lenet5_1998(rng: int | np.random.Generator | None = None) -> Network:
    """LeNet-5: 60,000 trainable parameters, 340,908 connections, 328,096 multiply-adds; 10 classes, 32x32x1 input.

        layer                                     output     parameters
        C1  convolution 5x5                       28x28x6           156
        S2  subsampling 2x2                       14x14x6            12
        C3  convolution 5x5, sparse connections   10x10x16        1,516
        S4  subsampling 2x2                       5x5x16             32
        C5  convolution 5x5                       1x1x120        48,120
        F6  fully connected                       84             10,164
        output: Euclidean RBF units               10       840 fixed, the drawings above

    Every layer up to F6 is followed by the squashing function 1.7159 tanh(2a/3). Weights start as U(-2.4/F, 2.4/F),
    where F is the number of inputs of the unit that they belong to. Train it with `nn.LeNet5Loss`. Images have -0.1
    for the background and 1.175 for ink (`nn.data.augmentation.lenet5_input`).

    Departures: the outputs are minus the distances, so that the largest is the answer. Biases start at 0, where the
    paper does not say. The drawings are ours. The paper's training (a diagonal second-order method) is replaced by SGD.

    Source: LeCun, Bottou, Bengio, Haffner 1998, "Gradient-based learning applied to document recognition", section
    II.B.
    """
    rng = np.random.default_rng(rng)
    network = Network(
        [
            ("C1", Conv2d(1, 6, 5, rng=rng)),
            ("tanh1", ScaledTanh()),
            ("S2", Subsampling2d(6, 2, rng=rng)),
            ("tanh2", ScaledTanh()),
            ("C3", Conv2d(6, 16, 5, connections=C3_CONNECTIONS, rng=rng)),
            ("tanh3", ScaledTanh()),
            ("S4", Subsampling2d(16, 2, rng=rng)),
            ("tanh4", ScaledTanh()),
            ("C5", Conv2d(16, 120, 5, rng=rng)),
            ("tanh5", ScaledTanh()),
            ("flatten", Flatten()),
            ("F6", Linear(120, 84, rng=rng)),
            ("tanh6", ScaledTanh()),
            ("output", EuclideanRBF(digit_bitmaps().reshape(10, 84))),
        ],
        image_shape=(32, 32, 1),
        name="lenet5_1998",
        arguments={},
    )
    for name in ("C1", "C3", "C5", "F6"):
        weight = network.layers[name].params["weight"]
        # The inputs of each output unit; in C3 they differ from map to map.
        fan_in = np.count_nonzero(weight.reshape(-1, weight.shape[-1]), axis=0)
        weight[...] = np.where(weight == 0, 0, uniform(rng, weight.shape, 2.4) / fan_in)
    return network
