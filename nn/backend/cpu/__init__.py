"""What runs for NumPy's arrays in place of the `accelerated` function of the same name."""

# ruff: noqa: F401

from nn.backend.cpu.affine_map import affine
from nn.backend.cpu.convolution import convolve, convolve_backward
from nn.backend.cpu.dense import linear, linear_backward
from nn.backend.cpu.elementwise import (
    relu,
    relu_backward,
    scale_and_shift,
    scaled_tanh,
    scaled_tanh_backward,
    sigmoid,
    sigmoid_backward,
    tanh,
    tanh_backward,
)
from nn.backend.cpu.loss import cross_entropy, softmax_gradient
from nn.backend.cpu.pooling import max_pool, max_pool_backward, sum_pool, sum_pool_backward
from nn.backend.cpu.response_norm import lrn, lrn_backward
from nn.backend.cpu.sgd import sgd_paper, sgd_pytorch
