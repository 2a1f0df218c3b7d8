"""Whole networks, trained for a few steps beside the same networks in PyTorch, in double precision."""

import numpy as np
import pytest

from layers import AvgPool2d, Conv2d, Dropout, Flatten, Linear, LocalResponseNorm, MaxPool2d, ReLU, Sigmoid
from models import alexnet_small, lenet
from nn import SGD, SoftmaxCrossEntropy
from tests.checks import randomise

pytestmark = pytest.mark.oracle
torch = pytest.importorskip("torch")
F = torch.nn.functional


def torch_layer(layer, x, params):
    """What one of our layers does, said in PyTorch; x is (N, C, H, W) or (N, features)."""
    if isinstance(layer, Conv2d):
        weight = params["weight"].permute(3, 2, 0, 1)
        return F.conv2d(x, weight, params["bias"], layer.stride, layer.padding, groups=layer.groups)
    if isinstance(layer, Linear):
        return x @ params["weight"] + params["bias"]
    if isinstance(layer, MaxPool2d):
        return F.max_pool2d(x, layer.kernel_size, layer.stride, layer.padding)
    if isinstance(layer, AvgPool2d):
        return F.avg_pool2d(x, layer.kernel_size, layer.stride, layer.padding)
    if isinstance(layer, LocalResponseNorm):
        return F.local_response_norm(x, layer.size, layer.alpha * layer.size, layer.beta, layer.k)
    if isinstance(layer, Flatten):
        return x.permute(0, 2, 3, 1).flatten(1)
    if isinstance(layer, Dropout):
        return x * torch.tensor(layer.mask != 0) / (1 - layer.p)  # the mask that our forward pass has just drawn
    return {ReLU: F.relu, Sigmoid: torch.sigmoid}[type(layer)](x)


class Twin:
    """The same network in PyTorch, starting from the same parameters."""

    def __init__(self, network):
        self.layers = network.layers
        self.params = {name: torch.tensor(array).requires_grad_() for name, array in network.params.items()}

    def forward(self, images):
        x = torch.tensor(images).permute(0, 3, 1, 2).requires_grad_()
        y = x
        for name, layer in self.layers.items():
            y = torch_layer(layer, y, {key: self.params[f"{name}.{key}"] for key in layer.params})
        return x, y


def assert_close(ours, theirs, what, tolerance=1e-10):
    theirs = theirs.detach().numpy()
    assert ours.dtype == np.float64
    assert np.abs(ours - theirs).max() <= tolerance * np.abs(theirs).max(), what


def build(which):
    rng = np.random.default_rng(0)
    if which == "lenet":
        network, shape = randomise(lenet(rng=0).astype(np.float64), rng, scale=0.2), (28, 28, 1)
    else:
        network, shape = alexnet_small(5, (32, 30, 3), width=0.0625, rng=0).astype(np.float64), (32, 30, 3)
        for name, parameter in network.params.items():
            if name.endswith("bias"):
                parameter[...] = rng.uniform(-0.1, 0.3, parameter.shape)
        for layer in network.layers.values():
            if isinstance(layer, LocalResponseNorm):
                layer.alpha = 0.5
    return network, shape


@pytest.mark.parametrize("which", ["lenet", "alexnet_small"])
@pytest.mark.parametrize("form", ["pytorch", "paper"])
def test_three_training_steps(which, form):
    network, shape = build(which)
    twin = Twin(network)
    options = {"momentum": 0.9, "weight_decay": 0.0005}
    ours = SGD(network, 0.02, form=form, **options)
    theirs = torch.optim.SGD(twin.params.values(), lr=0.02, **options)
    velocities = {name: torch.zeros_like(value) for name, value in twin.params.items()}
    rng = np.random.default_rng(1)
    for step, rate in enumerate((0.02, 0.02, 0.005)):
        images, labels = rng.uniform(-1, 1, (4, *shape)), rng.integers(0, 5, 4)
        loss = SoftmaxCrossEntropy()
        value = loss.forward(network.forward(images, training=True), labels)
        dx = network.backward(loss.backward(), input_gradient=True)

        theirs.zero_grad()
        x, logits = twin.forward(images)
        x.retain_grad()
        expected = F.cross_entropy(logits, torch.tensor(labels))
        expected.backward()
        # Each step starts from what the steps before have rounded.
        tolerance = 1e-10 * (step + 1)
        assert float(value) == pytest.approx(expected.item(), rel=tolerance)
        assert_close(dx, x.grad.permute(0, 2, 3, 1), f"step {step}: input gradient", tolerance)
        for name, gradient in network.grads.items():
            assert_close(gradient, twin.params[name].grad, f"step {step}: gradient of {name}", tolerance)

        ours.lr = rate
        ours.step()
        if form == "pytorch":
            theirs.param_groups[0]["lr"] = rate
            theirs.step()
        else:  # the paper's form, which PyTorch does not have, written out
            with torch.no_grad():
                for name, parameter in twin.params.items():
                    velocities[name] = 0.9 * velocities[name] - 0.0005 * rate * parameter - rate * parameter.grad
                    parameter += velocities[name]
        for name, parameter in network.params.items():
            assert_close(parameter, twin.params[name], f"step {step}: {name}", tolerance)
