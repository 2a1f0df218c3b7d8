"""What a network is trained to make small."""

import numpy as np

from nn.backend import accelerated
from nn.checks import number
from nn.labels import check_labels, spoil


@accelerated
def softmax_gradient(z, log_sums, labels, dz):
    """p = exp(z - log_sums);  dz = (p - one_hot(labels)) / N.

    Shapes: logits z (N, classes), for each row the log of its sum of exponentials, log_sums (N, 1), labels (N,), and dz
    as z. Only the GPU has another version: on the processor the logits of a batch are too few to cost time.
    """
    np.exp(z - log_sums, out=dz)
    dz[np.arange(len(labels), like=labels), labels] -= 1
    dz /= len(labels)


class _Loss:
    """What the losses share."""

    _saved: tuple | None = None  # what the backward pass needs of the forward pass

    def _kept(self) -> tuple:
        if self._saved is None:
            raise RuntimeError(f"{type(self).__name__}: backward needs a forward(logits, labels) before it")
        return self._saved

    def __getstate__(self) -> dict:
        """Copies and pickles carry no unfinished pass."""
        return self.__dict__ | {"_saved": None}


class SoftmaxCrossEntropy(_Loss):
    """Softmax turns the outputs z into probabilities p; the loss is minus the log of the right class's, on average.

        p[n, c] = exp(z[n, c]) / sum over d of exp(z[n, d])
        loss    = -1/N sum over n of  log p[n, label[n]]
        dz      = (p - one_hot(label)) / N

    Shapes: logits z (N, classes), float32 or float64; labels (N,), integers from 0 to classes - 1. The loss is a scalar
    of the logits' dtype.

    Stable for huge logits: the largest of each row is subtracted first, which changes no p, and the log is taken of the
    sum and not of p, which may be too small for a floating-point number. Finite float32 logits always give a finite
    loss: one too large for float32 is given as its largest number.

    Raises ValueError for wrong shapes and labels out of range, TypeError for wrong dtypes, RuntimeError for backward
    before forward. Source: Krizhevsky et al. 2012, section 3.5; Bridle 1990.
    """

    def forward(self, logits: np.ndarray, labels: np.ndarray) -> np.floating:
        given, labels = labels, check_labels(logits, labels, "SoftmaxCrossEntropy")
        largest = logits.max(axis=1, keepdims=True)
        shifted = _subtract(logits, largest)
        log_sums = np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        spoil(log_sums, given, logits.shape[1])
        self._saved = shifted, log_sums, labels
        right = logits[np.arange(len(labels), like=labels), labels].astype(np.float64) - largest[:, 0]
        return _mean(log_sums[:, 0] - right, logits.dtype)

    def backward(self) -> np.ndarray:
        shifted, log_sums, labels = self._kept()
        dlogits = np.empty_like(shifted)
        softmax_gradient(shifted, log_sums, labels, dlogits)
        return dlogits


class LeNet5Loss(_Loss):
    """The loss that LeNet-5 was trained with: near the right prototype, and not near any other.

        E  = 1/N sum over n of  ( d[n, label[n]] + log( exp(-j) + sum over i of exp(-d[n, i]) ) )
        dd = (one_hot(label) - exp(-d) / (exp(-j) + sum over i of exp(-d[n, i]))) / N

    where d are the distances from the prototypes. `EuclideanRBF` gives z = -d, so the code reads -z for d.

    The first term pulls the right class's distance down. The second, the competitive one, pushes the wrong classes'
    distances up, but only those not far above j: classes that are far already are left alone. The paper gives no value
    for j.

    Shapes: z (N, classes), float32 or float64; labels (N,), integers. Stable like `SoftmaxCrossEntropy`, to which it is
    equal but for the term exp(-j). Raises as `SoftmaxCrossEntropy` does.

    Source: LeCun et al. 1998, section II.C, equation 9.
    """

    def __init__(self, j: float = 10.0) -> None:
        self.j = number(j, "LeNet5Loss: j", lambda j: 0 < j < np.inf, "a positive number")

    def forward(self, logits: np.ndarray, labels: np.ndarray) -> np.floating:
        given, labels = labels, check_labels(logits, labels, "LeNet5Loss")
        largest = np.maximum(logits.max(axis=1, keepdims=True), -self.j)
        shifted = _subtract(logits, largest)
        log_sums = largest + np.log(np.exp(-self.j - largest) + np.exp(shifted).sum(axis=1, keepdims=True))
        spoil(log_sums, given, logits.shape[1])
        self._saved = logits.copy(), log_sums, labels
        right = logits[np.arange(len(labels), like=labels), labels].astype(np.float64)
        return _mean(log_sums[:, 0] - right, logits.dtype)

    def backward(self) -> np.ndarray:
        logits, log_sums, labels = self._kept()
        dlogits = np.empty_like(logits)
        softmax_gradient(_subtract(logits, log_sums), np.zeros_like(log_sums), labels, dlogits)
        return dlogits


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities (N, classes) from logits (N, classes), stable for huge ones."""
    exponentials = np.exp(_subtract(logits, logits.max(axis=1, keepdims=True)))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def _subtract(logits: np.ndarray, largest: np.ndarray) -> np.ndarray:
    """logits - largest, to be exponents: a difference that would overflow is cut, and its exponential is 0 all the
    same."""
    half = np.finfo(logits.dtype).max / 2
    return np.maximum(logits, np.maximum(largest, -half) - half) - largest


def _mean(losses, dtype):
    """The mean of float64 losses, as a scalar of this dtype: their sum may be too much for float32."""
    mean = losses.mean()
    return np.where(mean < np.inf, np.minimum(mean, np.finfo(dtype).max), mean).astype(dtype)[()]
