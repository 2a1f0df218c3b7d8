"""LeNet-5 of 1998: the paper's parameters, connections and table, and the gradients of the whole network."""

import numpy as np

from layers import ScaledTanh
from models import lenet5_1998
from nn import check_gradients

# Output volume, parameters and connections (a product or a bias each), as the paper prints them.
TABLE = {
    "C1": ((28, 28, 6), 156, 122_304),
    "S2": ((14, 14, 6), 12, 5_880),
    "C3": ((10, 10, 16), 1_516, 151_600),
    "S4": ((5, 5, 16), 32, 2_000),
    "C5": ((1, 1, 120), 48_120, 48_120),
    "F6": ((84,), 10_164, 10_164),
    "output": ((10,), 0, 840),
}


def test_the_table_of_the_paper():
    network, shape = lenet5_1998(), (32, 32, 1)
    for name, layer in network.layers.items():
        shape = tuple(layer.output_shape(shape))
        if name in TABLE:
            assert shape == TABLE[name][0], name
            assert layer.num_parameters == TABLE[name][1], name
    assert network.num_parameters == 60_000
    assert sum(connections for _, _, connections in TABLE.values()) == 340_908


def test_each_map_of_c3_sees_the_maps_of_the_paper_s_table():
    weight = lenet5_1998(rng=0).params["C3.weight"]
    seen = ["".join(str(c) for c in range(6) if weight[:, :, c, o].all()) for o in range(16)]
    assert seen[:6] == ["012", "123", "234", "345", "045", "015"]
    assert seen[6:12] == ["0123", "1234", "2345", "0345", "0145", "0125"]
    assert seen[12:] == ["0134", "1245", "0235", "012345"]
    assert np.count_nonzero(weight) == 25 * sum(len(maps) for maps in seen), "the weights it leaves out must be 0"


def test_initial_weights_lie_within_the_paper_s_bounds():
    network = lenet5_1998(rng=0)
    for name, fan_in in (("C1", 25), ("C5", 400), ("F6", 120)):
        weight = np.abs(network.params[f"{name}.weight"])
        assert 0.9 * 2.4 / fan_in < weight.max() <= 2.4 / fan_in * (1 + 1e-6), name
    weight = np.abs(network.params["C3.weight"])
    for output, inputs in ((0, 3), (6, 4), (15, 6)):
        limit = 2.4 / (25 * inputs)
        assert 0.9 * limit < weight[..., output].max() <= limit * (1 + 1e-6)


def test_six_layers_of_scaled_tanh():
    assert sum(isinstance(layer, ScaledTanh) for layer in lenet5_1998().layers.values()) == 6


def test_gradients_of_the_whole_network():
    x = np.random.default_rng(0).uniform(-0.1, 1.175, (2, 32, 32, 1))
    # The outputs are distances of about 100, the gradients of the first layers 1e-4: a large step keeps the rounding
    # of the former out of the latter. Nothing is lost by it, the network is smooth.
    report = check_gradients(lenet5_1998(rng=0), x, max_elements=15, step=1e-3)
    assert len(report.arguments) == 13
    assert report.max_error < 1e-6, str(report)
