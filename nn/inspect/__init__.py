"""Looking into a network: the outputs and gradients of every layer, what the answer depends on, how sure it may be, and
whether gradients are right."""

from nn.inspect.calibration import Calibration, calibrate, calibration_error, fit_temperature, least_probability
from nn.inspect.gradient_check import check_gradients
from nn.inspect.passes import activations, gradients, kept_outputs, layer_called, twin
from nn.inspect.saliency_maps import occlusion, saliency

__all__ = [
    "Calibration",
    "activations",
    "calibrate",
    "calibration_error",
    "check_gradients",
    "fit_temperature",
    "gradients",
    "kept_outputs",
    "layer_called",
    "least_probability",
    "occlusion",
    "saliency",
    "twin",
]
