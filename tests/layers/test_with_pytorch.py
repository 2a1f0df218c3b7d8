"""Every layer against PyTorch, value by value: output, input gradient and parameter gradients, in double precision."""

import numpy as np
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
    Tanh,
)
from nn import SoftmaxCrossEntropy
from tests.checks import distinct, randomise

pytestmark = pytest.mark.oracle
torch = pytest.importorskip("torch")
F = torch.nn.functional


def tensor(array):
    """Images go from (N, H, W, C) to PyTorch's (N, C, H, W)."""
    values = torch.tensor(array)
    return values.permute(0, 3, 1, 2).contiguous() if array.ndim == 4 else values


def array(values):
    """The way back."""
    values = values.detach().permute(0, 2, 3, 1) if values.ndim == 4 else values.detach()
    return values.numpy()


def assert_equal(ours, theirs, what):
    """1e-10, relative to the largest element."""
    assert ours.shape == theirs.shape, what
    assert ours.dtype == theirs.dtype == np.float64, what
    scale = np.abs(theirs).max()
    assert np.abs(ours - theirs).max() <= 1e-10 * max(scale, np.finfo(float).tiny), what


def compare(layer, shape, theirs, seed=0):
    """`theirs(x, weight, bias)` is the same function in PyTorch (weight and bias None where there are none)."""
    rng = np.random.default_rng(seed)
    layer = randomise(layer.astype(np.float64), rng)
    x = distinct(shape, rng)
    y = layer.forward(x, training=True)
    dy = rng.normal(size=y.shape)
    dx = layer.backward(dy)

    x_torch = tensor(x).requires_grad_()
    params = {name: torch.tensor(value).requires_grad_() for name, value in layer.params.items()}
    y_torch = theirs(x_torch, params.get("weight"), params.get("bias"))
    y_torch.backward(tensor(dy))
    assert_equal(y, array(y_torch), "forward")
    assert_equal(dx, array(x_torch.grad), "input gradient")
    for name, parameter in params.items():
        assert_equal(layer.grads[name], parameter.grad.numpy(), f"gradient of {name}")


@pytest.mark.parametrize(
    "shape, C_out, options",
    [
        ((2, 8, 7, 3), 4, {"kernel_size": 3}),
        ((1, 9, 11, 3), 5, {"kernel_size": 5, "stride": 2, "padding": 2}),
        ((3, 7, 8, 4), 6, {"kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 0), "groups": 2}),
        ((2, 5, 6, 4), 4, {"kernel_size": 3, "padding": 1, "groups": 4}),
        ((1, 31, 35, 3), 8, {"kernel_size": 11, "stride": 4}),
        ((4, 27, 27, 96), 64, {"kernel_size": 5, "padding": 2, "groups": 2}),  # nearly AlexNet's conv2
        ((5, 13, 13, 64), 48, {"kernel_size": 3, "padding": 1}),
        ((2, 4, 4, 3), 3, {"kernel_size": 2, "padding": 3}),
    ],
)
def test_conv(shape, C_out, options):
    others = {name: value for name, value in options.items() if name != "kernel_size"}
    compare(
        Conv2d(shape[3], C_out, **options),
        shape,
        lambda x, w, b: F.conv2d(x, w.permute(3, 2, 0, 1), b, **others),
    )


POOLINGS = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": (3, 2), "stride": (1, 3), "padding": (1, 0)},
    {"kernel_size": 3, "stride": 2, "ceil_mode": True},
    {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
    {"kernel_size": 2, "stride": 2, "padding": 1, "ceil_mode": True},
    {"kernel_size": 2, "stride": 3, "padding": 1, "ceil_mode": True},
    {"kernel_size": (4, 3), "stride": (3, 2), "padding": (2, 1), "ceil_mode": True},
    {"kernel_size": 1, "stride": 3, "ceil_mode": True},
]


@pytest.mark.parametrize("shape", [(2, 8, 7, 3), (1, 5, 10, 2), (3, 12, 9, 1), (2, 4, 3, 2)], ids=str)
@pytest.mark.parametrize("options", POOLINGS, ids=str)
def test_pooling(options, shape):
    compare(MaxPool2d(**options), shape, lambda x, w, b: F.max_pool2d(x, **options))
    compare(AvgPool2d(**options), shape, lambda x, w, b: F.avg_pool2d(x, **options, count_include_pad=True))


@pytest.mark.parametrize("kind, theirs", [(MaxPool2d, F.max_pool2d), (AvgPool2d, F.avg_pool2d)])
def test_every_size_of_output(kind, theirs):
    checked = 0
    for size in range(1, 9):
        for kernel in range(1, 5):
            for stride in range(1, 5):
                for padding in range(kernel // 2 + 1):
                    for ceil_mode in (False, True):
                        try:
                            x = torch.zeros(1, 1, size, size)
                            expected = theirs(x, kernel, stride, padding, ceil_mode=ceil_mode).shape[2:]
                        except RuntimeError:  # PyTorch finds the output too small
                            expected = None
                        layer = kind(kernel, stride, padding, ceil_mode)
                        try:
                            got = tuple(layer.output_shape((size, size, 1)))[:2]
                        except ValueError:
                            got = None
                        assert got == (None if expected is None else tuple(expected)), (size, kernel, stride, padding)
                        checked += 1
    assert checked == 8 * 4 * 2 * (1 + 2 + 2 + 3)


def test_subsampling():
    def theirs(x, weight, bias):
        sums = F.avg_pool2d(x, 2, divisor_override=1)
        return sums * weight[:, None, None] + bias[:, None, None]

    compare(Subsampling2d(3), (2, 6, 7, 3), theirs)


@pytest.mark.parametrize("size", [1, 3, 5, 7])
@pytest.mark.parametrize("alpha, beta, k", [(1.0, 0.75, 2.0), (1e-4, 0.75, 2.0), (0.9, 0.5, 1.0), (1.1, 0.6, 1.0)])
def test_response_norm_across(size, alpha, beta, k):
    # PyTorch divides alpha by the size.
    compare(
        LocalResponseNorm(size, alpha, beta, k),
        (2, 4, 3, 6),
        lambda x, w, b: F.local_response_norm(x, size, alpha * size, beta, k),
    )


@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize("alpha, beta, k", [(1.0, 0.75, 2.0), (0.9, 0.6, 1.0)])
def test_response_norm_within(size, alpha, beta, k):
    def theirs(x, w, b):
        sums = F.avg_pool2d(x * x, size, stride=1, padding=size // 2, divisor_override=1)
        return x / (k + alpha * sums) ** beta

    compare(LocalResponseNorm(size, alpha, beta, k, "within"), (2, 6, 5, 3), theirs)


@pytest.mark.parametrize("shape", [(2, 4, 5, 3), (4, 9)], ids=str)
@pytest.mark.parametrize(
    "kind, theirs",
    [
        (ReLU, F.relu),
        (Sigmoid, torch.sigmoid),
        (Tanh, torch.tanh),
        (ScaledTanh, lambda x: 1.7159 * torch.tanh(2 * x / 3)),
    ],
)
def test_activations(kind, theirs, shape):
    compare(kind(), shape, lambda x, w, b: theirs(x))


def test_linear():
    compare(Linear(13, 8), (5, 13), lambda x, w, b: F.linear(x, w.T, b))


def test_euclidean_rbf():
    prototypes = np.random.default_rng(0).normal(size=(4, 9)).astype(np.float32)
    centres = torch.tensor(prototypes.astype(np.float64))
    compare(EuclideanRBF(prototypes), (3, 9), lambda x, w, b: -((x[:, None] - centres) ** 2).sum(dim=2))


def test_flatten():
    compare(Flatten(), (2, 3, 4, 5), lambda x, w, b: x.permute(0, 2, 3, 1).flatten(1))


def test_dropout_with_the_same_mask():
    layer = Dropout(0.3, rng=0)
    compare(layer, (6, 20), lambda x, w, b: x * torch.tensor(layer.mask != 0) / 0.7)


@pytest.mark.parametrize("scale", [1.0, 100.0, 1e4])
def test_softmax_cross_entropy(scale):
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(0, scale, (7, 10)), rng.integers(0, 10, 7)
    loss = SoftmaxCrossEntropy()
    value = loss.forward(logits, labels)
    logits_torch = torch.tensor(logits).requires_grad_()
    expected = F.cross_entropy(logits_torch, torch.tensor(labels))
    expected.backward()
    assert float(value) == pytest.approx(expected.item(), rel=1e-10)
    assert_equal(loss.backward(), logits_torch.grad.numpy(), "gradient of the logits")
