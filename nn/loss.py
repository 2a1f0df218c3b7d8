"""What a network is trained to make small."""

from __future__ import annotations

import numpy as np

from nn.layer import FLOATS


class SoftmaxCrossEntropy:
    """Softmax turns the outputs z into probabilities p; the loss is minus the log of the right class's, on average.

        p[n, c] = exp(z[n, c]) / sum over d of exp(z[n, d])
        loss    = -1/N sum over n of  log p[n, label[n]]
        dz      = (p - one_hot(label)) / N

    Shapes: logits z (N, classes), float32 or float64; labels (N,), integers from 0 to classes - 1. The loss is a scalar
    of the logits' dtype.

    Stable for huge logits: the largest of each row is subtracted first, which changes no p, and the log is taken of the
    sum and not of p, which may be too small for a floating-point number.

    Raises ValueError for wrong shapes and labels out of range, TypeError for wrong dtypes, RuntimeError for backward
    before forward. Source: Krizhevsky et al. 2012, section 3.5; Bridle 1990.
    """

    def __init__(self) -> None:
        self._saved = None

    def forward(self, logits: np.ndarray, labels: np.ndarray) -> np.floating:
        labels = check_labels(logits, labels, "SoftmaxCrossEntropy")
        shifted = logits - logits.max(axis=1, keepdims=True)
        log_sums = np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        rows = np.arange(len(labels))
        self._saved = shifted, log_sums, labels
        return (log_sums[:, 0] - shifted[rows, labels]).mean()

    def backward(self) -> np.ndarray:
        if self._saved is None:
            raise RuntimeError("SoftmaxCrossEntropy: backward needs a forward(logits, labels) before it")
        shifted, log_sums, labels = self._saved
        dlogits = np.exp(shifted - log_sums)
        dlogits[np.arange(len(labels)), labels] -= 1
        dlogits /= len(labels)
        return dlogits


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities (N, classes) from logits (N, classes), stable for huge ones."""
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def check_labels(logits: np.ndarray, labels: np.ndarray, who: str) -> np.ndarray:
    """Check that there is one label for each row of the logits and that each names a class; return them as an array."""
    if not hasattr(logits, "dtype") or logits.dtype not in FLOATS:
        got = getattr(logits, "dtype", type(logits).__name__)
        raise TypeError(f"{who} expected float32 or float64 logits, got {got}")
    if logits.ndim != 2 or 0 in logits.shape:
        raise ValueError(f"{who} expected logits of shape (N, classes), got {tuple(logits.shape)}")
    labels = np.asarray(labels, like=logits) if not hasattr(labels, "dtype") else labels
    if not np.issubdtype(labels.dtype, np.integer):
        raise TypeError(f"{who} expected whole numbers as labels, got {labels.dtype}")
    if tuple(labels.shape) != (len(logits),):
        raise ValueError(
            f"{who} expected one label for each of the {len(logits)} rows of logits, got labels of shape "
            f"{tuple(labels.shape)}"
        )
    if isinstance(labels, np.ndarray) and not (0 <= labels.min() and labels.max() < logits.shape[1]):
        wrong = labels[(labels < 0) | (labels >= logits.shape[1])][0]
        raise ValueError(
            f"{who} got the label {wrong}, expected 0 to {logits.shape[1] - 1} for {logits.shape[1]} classes"
        )
    return labels
