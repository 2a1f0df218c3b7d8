"""Small AlexNets, and weights for AlexNets of any width in the layouts that torchvision and Caffe publish."""

import numpy as np

from layers import Conv2d, Dropout, Flatten, Linear, LocalResponseNorm, MaxPool2d, ReLU
from nn import Network

# No two lengths are alike where two could be confused. The last maps are 3x2.
IMAGE_SHAPE, LAST_MAPS = (131, 99, 3), (3, 2)
MAPS, HIDDEN, CLASSES = (4, 6, 8, 10, 12), (14, 9), 5


def small_torchvision():
    maps, hidden = MAPS, HIDDEN
    layers = [
        ("conv1", Conv2d(3, maps[0], 11, stride=4, padding=2)),
        ("relu1", ReLU()),
        ("pool1", MaxPool2d(3, stride=2)),
        ("conv2", Conv2d(maps[0], maps[1], 5, padding=2)),
        ("relu2", ReLU()),
        ("pool2", MaxPool2d(3, stride=2)),
        ("conv3", Conv2d(maps[1], maps[2], 3, padding=1)),
        ("relu3", ReLU()),
        ("conv4", Conv2d(maps[2], maps[3], 3, padding=1)),
        ("relu4", ReLU()),
        ("conv5", Conv2d(maps[3], maps[4], 3, padding=1)),
        ("relu5", ReLU()),
        ("pool5", MaxPool2d(3, stride=2)),
        ("flatten", Flatten()),
        ("dropout6", Dropout(0.5)),
        ("fc6", Linear(LAST_MAPS[0] * LAST_MAPS[1] * maps[4], hidden[0])),
        ("relu6", ReLU()),
        ("dropout7", Dropout(0.5)),
        ("fc7", Linear(hidden[0], hidden[1])),
        ("relu7", ReLU()),
        ("fc8", Linear(hidden[1], CLASSES)),
    ]
    return Network(layers, image_shape=IMAGE_SHAPE, name="small_torchvision")


def small_caffe():
    maps, hidden = MAPS, HIDDEN
    layers = [
        ("conv1", Conv2d(3, maps[0], 11, stride=4)),
        ("relu1", ReLU()),
        ("norm1", LocalResponseNorm(5, alpha=1e-4 / 5, k=1.0)),
        ("pool1", MaxPool2d(3, stride=2)),
        ("conv2", Conv2d(maps[0], maps[1], 5, padding=2, groups=2)),
        ("relu2", ReLU()),
        ("norm2", LocalResponseNorm(5, alpha=1e-4 / 5, k=1.0)),
        ("pool2", MaxPool2d(3, stride=2)),
        ("conv3", Conv2d(maps[1], maps[2], 3, padding=1)),
        ("relu3", ReLU()),
        ("conv4", Conv2d(maps[2], maps[3], 3, padding=1, groups=2)),
        ("relu4", ReLU()),
        ("conv5", Conv2d(maps[3], maps[4], 3, padding=1, groups=2)),
        ("relu5", ReLU()),
        ("pool5", MaxPool2d(3, stride=2)),
        ("flatten", Flatten()),
        ("fc6", Linear(LAST_MAPS[0] * LAST_MAPS[1] * maps[4], hidden[0])),
        ("relu6", ReLU()),
        ("dropout6", Dropout(0.5)),
        ("fc7", Linear(hidden[0], hidden[1])),
        ("relu7", ReLU()),
        ("dropout7", Dropout(0.5)),
        ("fc8", Linear(hidden[1], CLASSES)),
    ]
    return Network(layers, image_shape=IMAGE_SHAPE, name="small_caffe")


def narrow_torchvision(num_classes=1000, rng=None):
    """What can stand for alexnet_torchvision: its images, its last maps of 6x6, and any number of classes."""
    return _narrow(small_torchvision(), (224, 224, 3), "alexnet_torchvision", num_classes, rng)


def narrow_caffe(num_classes=1000, rng=None):
    return _narrow(small_caffe(), (227, 227, 3), "alexnet_caffe", num_classes, rng)


def _narrow(network, image_shape, name, num_classes, rng):
    layers = dict(network.layers)
    layers["fc6"], layers["fc8"] = Linear(36 * MAPS[4], HIDDEN[0]), Linear(HIDDEN[1], num_classes, rng=rng)
    return Network(list(layers.items()), image_shape, name, {"num_classes": num_classes})


def torchvision_shapes(maps=MAPS, hidden=HIDDEN, classes=CLASSES, last_maps=LAST_MAPS):
    """The published layout: names and shapes."""
    weights = {
        "features.0": (maps[0], 3, 11, 11),
        "features.3": (maps[1], maps[0], 5, 5),
        "features.6": (maps[2], maps[1], 3, 3),
        "features.8": (maps[3], maps[2], 3, 3),
        "features.10": (maps[4], maps[3], 3, 3),
        "classifier.1": (hidden[0], maps[4] * last_maps[0] * last_maps[1]),
        "classifier.4": (hidden[1], hidden[0]),
        "classifier.6": (classes, hidden[1]),
    }
    shapes = {}
    for name, shape in weights.items():
        shapes[f"{name}.weight"] = shape
        shapes[f"{name}.bias"] = shape[:1]
    return shapes


def caffe_shapes(maps=MAPS, hidden=HIDDEN, classes=CLASSES, last_maps=LAST_MAPS):
    """The published layout: names and shapes of the weights."""
    return {
        "conv1": (11, 11, 3, maps[0]),
        "conv2": (5, 5, maps[0] // 2, maps[1]),
        "conv3": (3, 3, maps[1], maps[2]),
        "conv4": (3, 3, maps[2] // 2, maps[3]),
        "conv5": (3, 3, maps[3] // 2, maps[4]),
        "fc6": (last_maps[0] * last_maps[1] * maps[4], hidden[0]),
        "fc7": (hidden[0], hidden[1]),
        "fc8": (hidden[1], classes),
    }


def he(rng, shape, fan_in):
    """Weights that keep signals alive through eight layers."""
    weight = rng.standard_normal(shape, dtype=np.float32)
    weight *= np.float32(np.sqrt(2 / fan_in))
    return weight


def torchvision_arrays(seed=0, **sizes):
    rng = np.random.default_rng(seed)
    return {
        name: he(rng, shape, np.prod(shape[1:])) if len(shape) > 1 else rng.uniform(-0.2, 0.4, shape).astype(np.float32)
        for name, shape in torchvision_shapes(**sizes).items()
    }


def caffe_layers(seed=0, **sizes):
    rng = np.random.default_rng(seed)
    layers = {
        name: [he(rng, shape, np.prod(shape[:-1])), rng.uniform(-0.2, 0.4, shape[-1]).astype(np.float32)]
        for name, shape in caffe_shapes(**sizes).items()
    }
    # Pixels are in the hundreds, so that response normalisation matters; the logits are to be near 1 all the same.
    layers["fc8"][0] /= 100
    return layers
