"""Where a network looks: which parts of an image its answer rests on."""

from __future__ import annotations

import numpy as np

from nn.device import move
from nn.inspect.passes import gradients
from nn.network import Network


def occlusion(
    network: Network, x: np.ndarray, label: int, patch: int | None = None, stride: int | None = None, grey: float = 0.0
) -> np.ndarray:
    """How far the probability of class `label` falls when a patch of the image is covered: (H, W), float64.

    A square grey patch slides over the image x (H, W, C), prepared for the network; at each place the network is
    asked anew. Each pixel gets the mean fall over all places whose patch covered it: 0 where covering changes nothing,
    1 where it takes away all certainty, below 0 where what is covered spoke against the class.

    patch: its side in pixels (default: a quarter of the shorter side). stride: the step from place to place (default: a
    quarter of the patch). grey: the value of the patch; 0 is the mean of standardised images.

    Source: Zeiler and Fergus 2014, "Visualizing and understanding convolutional networks", section 4.2 (who colour by
    the probability that is left).
    """
    height, width = _check(network, x, label)
    patch = max(1, min(height, width) // 4) if patch is None else patch
    stride = max(1, patch // 4) if stride is None else stride
    if not (1 <= patch <= min(height, width) and 1 <= stride <= patch):  # or some pixels would never be covered
        raise ValueError(
            f"occlusion got patch={patch} and stride={stride}, expected a patch of 1 to {min(height, width)} pixels "
            "and a stride of 1 to the patch's side"
        )
    # The patch also begins outside the image: or the pixels at its border would be covered by fewer places.
    tops = range(stride - patch, height, stride)
    lefts = range(stride - patch, width, stride)
    places = [(slice(max(0, top), top + patch), slice(max(0, left), left + patch)) for top in tops for left in lefts]
    probability = network.predict(x[None])[0, label]
    falls, counts = np.zeros((height, width)), np.zeros((height, width))
    for start in range(0, len(places), 64):
        some = places[start : start + 64]
        covered = np.repeat(x[None], len(some), axis=0)
        for picture, place in zip(covered, some):
            picture[place] = grey
        for left, place in zip(network.predict(covered)[:, label], some):
            falls[place] += float(probability) - float(left)
            counts[place] += 1
    return falls / np.maximum(counts, 1)


def saliency(network: Network, x: np.ndarray, label: int) -> np.ndarray:
    """How much each pixel's change would change the score of class `label`: (H, W), at least 0.

        map(i, j) = max over the channels c of |d logit_label / d x(i, j, c)|

    Training takes the gradient with respect to the weights; here it goes one layer further, to the image x (H, W, C).

    Source: Simonyan, Vedaldi, Zisserman 2014, "Deep inside convolutional networks", section 3.
    """
    _check(network, x, label)
    classes = network.output_shape(x.shape)[-1]
    dlogits = np.zeros((1, classes), x.dtype)
    dlogits[0, label] = 1
    images, dlogits = (move(array, network.device) for array in (x[None], dlogits))
    return np.abs(move(gradients(network, images, dlogits)["input"], "cpu")[0]).max(axis=-1)


def _check(network: Network, x: np.ndarray, label: int) -> tuple[int, int]:
    if x.ndim != 3:
        raise ValueError(f"expected one image (H, W, C), got an array of shape {x.shape}")
    classes = network.output_shape(x.shape)[-1]
    if not 0 <= label < classes:
        raise ValueError(f"label is {label}, expected a class from 0 to {classes - 1}")
    return x.shape[:2]
