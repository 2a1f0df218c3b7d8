"""Files in the layouts that torchvision and Caffe publish, written by PyTorch and NumPy, give PyTorch's logits."""

import numpy as np
import pytest

import models
from models.foreign import load_caffe, load_torchvision
from tests.alexnets import (
    CLASSES,
    HIDDEN,
    LAST_MAPS,
    MAPS,
    caffe_layers,
    small_caffe,
    small_torchvision,
    torchvision_arrays,
)
from tests.foreign_files import one_object

pytestmark = pytest.mark.oracle
torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional


def torchvision_module(maps=MAPS, hidden=HIDDEN, classes=CLASSES, last_maps=LAST_MAPS):
    """torchvision's AlexNet, as published, in any width."""

    class AlexNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = nn.Sequential(
                nn.Conv2d(3, maps[0], kernel_size=11, stride=4, padding=2),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(kernel_size=3, stride=2),
                nn.Conv2d(maps[0], maps[1], kernel_size=5, padding=2),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(kernel_size=3, stride=2),
                nn.Conv2d(maps[1], maps[2], kernel_size=3, padding=1),
                nn.ReLU(inplace=True),
                nn.Conv2d(maps[2], maps[3], kernel_size=3, padding=1),
                nn.ReLU(inplace=True),
                nn.Conv2d(maps[3], maps[4], kernel_size=3, padding=1),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(kernel_size=3, stride=2),
            )
            self.avgpool = nn.AdaptiveAvgPool2d(last_maps)
            self.classifier = nn.Sequential(
                nn.Dropout(),
                nn.Linear(maps[4] * last_maps[0] * last_maps[1], hidden[0]),
                nn.ReLU(inplace=True),
                nn.Dropout(),
                nn.Linear(hidden[0], hidden[1]),
                nn.ReLU(inplace=True),
                nn.Linear(hidden[1], classes),
            )

        def forward(self, x):
            return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))

    return AlexNet().eval()


def caffe_forward(layers, images):
    """Caffe's AlexNet in PyTorch, from arrays in the published layout; images are (N, H, W, BGR)."""
    x = torch.tensor(images).permute(0, 3, 1, 2)

    def convolve(name, x, **options):
        weight, bias = (torch.tensor(array) for array in layers[name])
        return F.relu(F.conv2d(x, weight.permute(3, 2, 0, 1), bias, **options))

    def normalise(x):
        return F.local_response_norm(x, 5, alpha=1e-4, beta=0.75, k=1.0)  # divides alpha by 5, as Caffe does

    def pool(x):
        return F.max_pool2d(x, 3, 2, ceil_mode=True)

    x = pool(normalise(convolve("conv1", x, stride=4)))
    x = pool(normalise(convolve("conv2", x, padding=2, groups=2)))
    x = convolve("conv3", x, padding=1)
    x = convolve("conv4", x, padding=1, groups=2)
    x = pool(convolve("conv5", x, padding=1, groups=2))
    x = x.permute(0, 2, 3, 1).flatten(1)
    for name in ("fc6", "fc7", "fc8"):
        weight, bias = (torch.tensor(array) for array in layers[name])
        x = x @ weight + bias
        x = F.relu(x) if name != "fc8" else x
    return x.numpy()


def assert_same_logits(ours, theirs):
    assert ours.dtype == theirs.dtype == np.float32
    assert 0.1 < np.abs(theirs).max() < 30, "1e-4 would mean too much or too little"
    assert theirs.std(axis=0).min() > 1e-3, "the pictures make no difference"
    assert np.abs(ours - theirs).max() <= 1e-4


FULL = {"maps": (64, 192, 384, 256, 256), "hidden": (4096, 4096), "classes": 1000, "last_maps": (6, 6)}
FULL_CAFFE = {"maps": (96, 256, 384, 384, 256), "hidden": (4096, 4096), "classes": 1000, "last_maps": (6, 6)}


@pytest.mark.parametrize("full", [False, True], ids=["small", "full"])
def test_torchvision_against_pytorch(tmp_path, full):
    module = torchvision_module(**(FULL if full else {}))
    arrays = torchvision_arrays(**(FULL if full else {}))
    module.load_state_dict({name: torch.tensor(array) for name, array in arrays.items()})  # all names, none besides
    path = tmp_path / "alexnet.pth"
    torch.save(module.state_dict(), path)
    network = models.alexnet_torchvision(weights=path) if full else load_torchvision(small_torchvision(), path)
    images = np.random.default_rng(3).normal(size=(3, *network.image_shape)).astype(np.float32)
    with torch.inference_mode():
        theirs = module(torch.tensor(images).permute(0, 3, 1, 2)).numpy()
    assert_same_logits(network.forward(images), theirs)


@pytest.mark.parametrize("full", [False, True], ids=["small", "full"])
def test_caffe_against_pytorch(tmp_path, full):
    layers = caffe_layers(**(FULL_CAFFE if full else {}))
    path = tmp_path / "bvlc_alexnet.npy"
    np.save(path, one_object(layers), allow_pickle=True)
    network = models.alexnet_caffe(weights=path) if full else load_caffe(small_caffe(), path)
    # Pictures whose channels differ: bright red, dark blue.
    images = np.random.default_rng(3).uniform(-100, 150, size=(3, *network.image_shape)).astype(np.float32)
    images *= np.float32([1.0, 0.7, 0.4])
    with torch.inference_mode():
        theirs = caffe_forward(layers, np.ascontiguousarray(images[..., ::-1]))
    assert_same_logits(network.forward(images), theirs)
