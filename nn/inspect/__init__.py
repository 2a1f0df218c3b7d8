"""Looking into a network: the outputs and gradients of every layer, what the answer depends on, and whether gradients
are right."""

from nn.inspect.gradient_check import check_gradients
from nn.inspect.passes import activations, gradients, kept_outputs, layer_called, twin
from nn.inspect.saliency_maps import occlusion, saliency

__all__ = [
    "activations",
    "check_gradients",
    "gradients",
    "kept_outputs",
    "layer_called",
    "occlusion",
    "saliency",
    "twin",
]
