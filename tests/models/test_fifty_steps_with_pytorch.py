"""Fifty training steps of every published variant beside the same network in PyTorch, in double precision.

Both start from the same weights and see the same batches, and PyTorch takes the dropout masks that we draw. After that
nothing is shared: fifty forward and backward passes and updates must lead to the same losses. The rate falls on the way
and biases have a rate of their own and no decay, as the published recipes have it. The networks are the models'
functions, unchanged; only `alexnet_small` is narrow, and the full-size ones see one picture a step, of five classes.

The full-size networks (57 million parameters, 0.46 GB each time they are held in double precision) take fifty steps
only if FULL_SIZE_STEPS=50 is set in the environment, a minute or more for each of the three; otherwise ten.
"""

import os

import numpy as np
import pytest

from layers import Conv2d, Linear
from models import (
    alexnet,
    alexnet_caffe,
    alexnet_cifar10,
    alexnet_small,
    alexnet_torchvision,
    lenet,
    lenet5_1998,
)
from nn import SGD, LeNet5Loss, SoftmaxCrossEntropy
from tests.twins import F, Twin, lenet5_loss, torch

pytestmark = pytest.mark.oracle

STEPS = 50
FULL_SIZE_STEPS = int(os.environ.get("FULL_SIZE_STEPS", "10"))
FULL_SIZE = ("alexnet", "alexnet_caffe", "alexnet_torchvision")
POOL = 5  # so many different batches, again and again: what is learned from one must show when it comes back

# The network, the learning rate, pictures a step, and the spread of the pixels around their mean. What takes longest
# comes first: where processes share the tests out, it must not be begun when the others have nothing left to do.
VARIANTS = {
    "alexnet": (lambda: alexnet(5, rng=0), 0.0003, 1, 60.0),
    "alexnet_caffe": (lambda: alexnet_caffe(5, rng=0), 0.001, 1, 60.0),
    "alexnet_torchvision": (lambda: alexnet_torchvision(5, rng=0), 0.0001, 1, 1.0),
    "lenet": (lambda: lenet(rng=0), 0.1, 8, 1.0),
    "lenet5_1998": (lambda: lenet5_1998(rng=0), 0.001, 8, 1.0),
    "alexnet_small": (lambda: alexnet_small(5, (32, 30, 3), width=0.0625, rng=0), 0.02, 8, 1.0),
    "alexnet_small 64x64": (lambda: alexnet_small(5, (64, 64, 3), width=0.0625, rng=0), 0.02, 4, 1.0),
    "alexnet_cifar10 80sec": (lambda: alexnet_cifar10("80sec", rng=0), 0.001, 8, 60.0),
    "alexnet_cifar10 18pct": (lambda: alexnet_cifar10("18pct", rng=0), 0.001, 8, 60.0),
    "alexnet_cifar10 18pct 28x28": (lambda: alexnet_cifar10("18pct", 10, (28, 28, 3), rng=0), 0.001, 8, 60.0),
}


def awaken(network, rng):
    """The CIFAR-10 networks start so small that fifty steps would teach them nothing: larger weights here. And no bias
    is 0 in any network, so that none can be forgotten."""
    for name, parameter in network.params.items():
        layer, kind = name.split(".")
        if kind == "bias":
            parameter += rng.uniform(-0.02, 0.05, parameter.shape)
        elif network.name == "alexnet_cifar10" and isinstance(network.layers[layer], Conv2d | Linear):
            parameter *= (0.02 if layer == "conv1" else 1) * (2 / parameter[..., 0].size) ** 0.5 / parameter.std()


@pytest.mark.parametrize("variant", VARIANTS)
def test_fifty_steps(variant):
    build, rate, batch_size, spread = VARIANTS[variant]
    rng = np.random.default_rng(1)
    network = build().astype(np.float64)
    awaken(network, rng)
    twin = Twin(network)
    ours = SGD(
        network,
        rate,
        momentum=0.9,
        weight_decay=0.0005,
        form="pytorch",
        lr_multipliers={"bias": 2},
        decay_multipliers={"bias": 0},
    )
    biases = [value for name, value in twin.params.items() if name.endswith("bias")]
    weights = [value for name, value in twin.params.items() if not name.endswith("bias")]
    # fused: one loop over each parameter, where separate operations would fetch new memory for half a gigabyte
    theirs = torch.optim.SGD(
        [{"params": weights, "weight_decay": 0.0005}, {"params": biases}], lr=rate, momentum=0.9, fused=True
    )
    our_loss, their_loss = SoftmaxCrossEntropy(), F.cross_entropy
    if variant == "lenet5_1998":
        our_loss, their_loss = LeNet5Loss(), lenet5_loss
    classes = network.output_shape(network.image_shape)[0]
    batches = [
        (rng.normal(0, spread, (batch_size, *network.image_shape)), rng.integers(0, classes, batch_size))
        for _ in range(POOL)
    ]
    steps = FULL_SIZE_STEPS if variant in FULL_SIZE else STEPS
    start = {name: parameter.ravel()[:1000].copy() for name, parameter in network.params.items()}
    losses = []
    for step in range(steps):
        images, labels = batches[step % POOL]
        ours.lr = rate if step < 0.7 * steps else rate / 10
        for group, factor in zip(theirs.param_groups, (1, 2), strict=True):
            group["lr"] = factor * ours.lr
        loss = our_loss.forward(network.forward(images, training=True), labels)
        network.backward(our_loss.backward())
        ours.step()

        theirs.zero_grad()
        expected = their_loss(twin.forward(images), torch.tensor(labels))
        expected.backward()
        theirs.step()
        assert loss.dtype == np.float64
        assert float(loss) == pytest.approx(expected.item(), rel=1e-9, abs=1e-9), f"step {step}"
        losses.append(float(loss))
    for name, parameter in network.params.items():
        difference = np.abs(parameter - twin.params[name].detach().numpy()).max()
        assert difference <= 1e-8 * np.abs(parameter).max(), name
    # The comparison would be worth little if nothing had happened: all moved far more than they may differ.
    assert np.isfinite(losses).all()
    for name, before in start.items():
        moved = np.abs(network.params[name].ravel()[:1000] - before).max()
        assert moved > 1e-6 * np.abs(before).max(), f"{name} has hardly moved"
    if variant not in FULL_SIZE:
        first, last = np.mean(losses[:POOL]), np.mean(losses[-POOL:])
        assert last < 0.95 * first, f"the network must learn from its {POOL} batches: {first:.3f} -> {last:.3f}"
