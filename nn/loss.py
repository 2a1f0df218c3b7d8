"""What a network is trained to make small."""

import numpy as np

from nn.backend import accelerated
from nn.checks import contiguous, number
from nn.labels import check_labels


@accelerated
def cross_entropy(z, labels, shifted, log_sums, loss):
    """shifted = z - the largest of the row;  log_sums = log(sum over the classes of exp(shifted));
    loss = mean of log_sums - shifted[label].

    Shapes: logits z (N, classes), labels (N,), shifted as z, log_sums (N, 1), loss (1,). A label of -1, which only a
    GPU has (`check_labels`), makes the row's log_sums NaN, and so the loss and the gradient.
    """
    largest = z.max(axis=1, keepdims=True)
    shifted[...] = _subtract(z, largest)
    np.log(np.exp(shifted).sum(axis=1, keepdims=True), out=log_sums)
    np.copyto(log_sums, np.nan, where=(labels < 0)[:, None])
    right = z[np.arange(len(labels), like=labels), labels].astype(np.float64) - largest[:, 0]
    mean = (log_sums[:, 0] - right).mean()  # in float64: the sum may be too much for float32
    loss[0] = np.where(mean < np.inf, np.minimum(mean, np.finfo(z.dtype).max), mean)


@accelerated
def softmax_gradient(z, log_sums, labels, dz):
    """p = exp(z - log_sums);  dz = (p - one_hot(labels)) / N.

    Shapes: logits z (N, classes), for each row the log of its sum of exponentials, log_sums (N, 1), labels (N,), and dz
    as z.
    """
    np.exp(z - log_sums, out=dz)
    dz[np.arange(len(labels), like=labels), labels] -= 1
    dz /= len(labels)


class _Loss:
    """What the losses share."""

    _saved: tuple | None = None  # what the backward pass needs of the forward pass

    def _forward(self, z: np.ndarray, labels: np.ndarray) -> np.floating:
        shifted, log_sums, loss = (np.empty_like(z, shape=shape) for shape in (z.shape, (len(z), 1), 1))
        cross_entropy(z, labels, shifted, log_sums, loss)
        self._saved = shifted, log_sums, labels
        return loss[0]

    def backward(self) -> np.ndarray:
        """The gradient dz, a new array."""
        if self._saved is None:
            raise RuntimeError(f"{type(self).__name__}: backward needs a forward(logits, labels) before it")
        dz = np.empty_like(self._saved[0])
        softmax_gradient(*self._saved, dz)
        return dz

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
        labels = check_labels(logits, labels, "SoftmaxCrossEntropy")
        return self._forward(contiguous(logits), labels)


class LeNet5Loss(_Loss):
    """The loss that LeNet-5 was trained with: near the right prototype, and not near any other.

        E  = 1/N sum over n of  ( d[n, label[n]] + log( exp(-j) + sum over i of exp(-d[n, i]) ) )
        dd = (one_hot(label) - exp(-d) / (exp(-j) + sum over i of exp(-d[n, i]))) / N

    where d are the distances from the prototypes. `EuclideanRBF` gives z = -d, so the code reads -z for d.

    The first term pulls the right class's distance down. The second, the competitive one, pushes the wrong classes'
    distances up, but only those not far above j: classes that are far already are left alone. The paper gives no value
    for j. The code computes it as the cross-entropy with one class more, a rubbish class, which is never the right one
    and whose prototype is at the distance j from every image.

    Shapes: z (N, classes), float32 or float64; labels (N,), integers. Stable like `SoftmaxCrossEntropy`, to which it is
    equal but for the term exp(-j). Raises as `SoftmaxCrossEntropy` does.

    Source: LeCun et al. 1998, section II.C, equation 9.
    """

    def __init__(self, j: float = 10.0) -> None:
        self.j = number(j, "LeNet5Loss: j", lambda j: 0 < j < np.inf, "a positive number")

    def forward(self, logits: np.ndarray, labels: np.ndarray) -> np.floating:
        labels = check_labels(logits, labels, "LeNet5Loss")
        rubbish = np.full_like(logits, -self.j, shape=(len(logits), 1))
        return self._forward(np.concatenate([logits, rubbish], axis=1), labels)

    def backward(self) -> np.ndarray:
        return contiguous(super().backward()[:, :-1])  # without the rubbish class


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities (N, classes) from logits (N, classes), stable for huge ones."""
    exponentials = np.exp(_subtract(logits, logits.max(axis=1, keepdims=True)))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def _subtract(logits: np.ndarray, largest: np.ndarray) -> np.ndarray:
    """logits - largest, to be exponents: a difference that would overflow is cut, and its exponential is 0 all the
    same."""
    half = np.finfo(logits.dtype).max / 2
    return np.maximum(logits, np.maximum(largest, -half) - half) - largest
