"""A network of ours a second time in PyTorch: the same layers, said with PyTorch's own functions, in the same order."""

import pytest

from layers import (
    AvgPool2d,
    Conv2d,
    Dropout,
    EuclideanRBF,
    Flatten,
    Linear,
    LocalResponseNorm,
    MaxPool2d,
    ReLU,
    ScaledTanh,
    Sigmoid,
    Subsampling2d,
)

torch = pytest.importorskip("torch")
F = torch.nn.functional

# The tests have a process for each core already: more threads of PyTorch's would take the cores from one another, and
# burn three times the processor's time while they wait.
torch.set_num_threads(1)


def torch_layer(layer, x, params):
    """What one of our layers does; x is (N, C, H, W) or (N, features)."""
    if isinstance(layer, Conv2d):
        weight = params["weight"]
        if layer.connected is not None:
            weight = weight * torch.tensor(layer.connected)
        weight = weight.permute(3, 2, 0, 1)
        return F.conv2d(x, weight, params["bias"], layer.stride, layer.padding, groups=layer.groups)
    if isinstance(layer, Linear):
        return x @ params["weight"] + params["bias"]
    if isinstance(layer, MaxPool2d):
        return F.max_pool2d(x, layer.kernel_size, layer.stride, layer.padding, ceil_mode=layer.ceil_mode)
    if isinstance(layer, AvgPool2d):
        return F.avg_pool2d(x, layer.kernel_size, layer.stride, layer.padding, ceil_mode=layer.ceil_mode)
    if isinstance(layer, Subsampling2d):
        sums = F.avg_pool2d(x, layer.kernel_size, divisor_override=1)
        return sums * params["weight"][:, None, None] + params["bias"][:, None, None]
    if isinstance(layer, LocalResponseNorm):
        if layer.region == "across":
            return F.local_response_norm(x, layer.size, layer.alpha * layer.size, layer.beta, layer.k)
        sums = F.avg_pool2d(x * x, layer.size, 1, layer.size // 2, divisor_override=1)
        return x / (layer.k + layer.alpha * sums) ** layer.beta
    if isinstance(layer, Flatten):
        return x.permute(0, 2, 3, 1).flatten(1)
    if isinstance(layer, Dropout):
        return x * torch.tensor(layer.mask) / (1 - layer.p)  # the mask that our forward pass has just drawn
    if isinstance(layer, EuclideanRBF):
        return -((x[:, None, :] - torch.tensor(layer.prototypes)) ** 2).sum(dim=2)
    if isinstance(layer, ScaledTanh):
        return 1.7159 * torch.tanh(2 / 3 * x)
    return {ReLU: F.relu, Sigmoid: torch.sigmoid}[type(layer)](x)


class Twin:
    """The network in PyTorch. It starts from copies of the same parameters and then goes its own way."""

    def __init__(self, network):
        self.layers = network.layers
        self.params = {name: torch.tensor(array).requires_grad_() for name, array in network.params.items()}

    def forward(self, images):
        """The logits of our images (N, H, W, C). Call it after our own forward pass, whose dropout masks it takes."""
        y = torch.tensor(images).permute(0, 3, 1, 2)
        for name, layer in self.layers.items():
            y = torch_layer(layer, y, {key: self.params[f"{name}.{key}"] for key in layer.params})
        return y


def lenet5_loss(z, labels, j=10.0):
    """Equation 9 of LeCun et al. 1998, from z, minus the distances."""
    distances = -z
    right = distances[torch.arange(len(z)), labels]
    rest = torch.logsumexp(torch.cat([torch.full((len(z), 1), -j, dtype=z.dtype), -distances], dim=1), dim=1)
    return (right + rest).mean()
