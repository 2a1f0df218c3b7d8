"""blind5: this program trains, all of its gradients are right, and its validation accuracy looks good: but it would
look good too if the network had learned its images by heart and nothing else. Mend it.

It trains a network with one hidden layer on digits and their shifted copies. Try it with labels drawn by lot, which
nobody can learn to tell: what should the validation accuracy be, and what is it? Keep the function validated with its
arguments, and the shifted copies.

    lenet check blind5 THIS_FILE
"""

import numpy as np

from nn.data import digits


def softmax(z):
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def with_shifted_copies(images, labels):
    """Each image four times: as it is, and shifted by a pixel to the left, to the right and up."""
    moved = [images, *(np.roll(images, shift, axis) for shift, axis in ((-1, 2), (1, 2), (-1, 1)))]
    return np.concatenate(moved), np.tile(labels, 4)


def fit(images, labels, epochs, rng):
    x = images.reshape(len(images), -1)
    W1, b1 = rng.normal(0, 0.05, (x.shape[1], 200)), np.zeros(200)
    W2, b2 = rng.normal(0, 0.1, (200, 10)), np.zeros(10)
    for _ in range(epochs):
        order = rng.permutation(len(x))
        for start in range(0, len(x), 20):
            chosen = order[start : start + 20]
            hidden = np.maximum(x[chosen] @ W1 + b1, 0)
            dz = softmax(hidden @ W2 + b2)
            dz[np.arange(len(chosen)), labels[chosen]] -= 1
            dz /= len(chosen)
            dhidden = dz @ W2.T * (hidden > 0)
            W2 -= 0.1 * hidden.T @ dz
            b2 -= 0.1 * dz.sum(axis=0)
            W1 -= 0.1 * x[chosen].T @ dhidden
            b1 -= 0.1 * dhidden.sum(axis=0)
    return W1, b1, W2, b2


def accuracy(params, images, labels):
    W1, b1, W2, b2 = params
    hidden = np.maximum(images.reshape(len(images), -1) @ W1 + b1, 0)
    return np.mean((hidden @ W2 + b2).argmax(axis=1) == labels)


def validated(images, labels, epochs, rng):
    """Train on four fifths of the images, and say what share of the other fifth is answered rightly."""
    images, labels = with_shifted_copies(images, labels)
    order = rng.permutation(len(images))
    images, labels = images[order], labels[order]
    fifth = len(images) // 5
    params = fit(images[fifth:], labels[fifth:], epochs, rng)
    return accuracy(params, images[:fifth], labels[:fifth])


def main():
    train_set, _ = digits()
    rng = np.random.default_rng(0)
    print(f"validation {validated(train_set.images[:1000], train_set.labels[:1000], epochs=5, rng=rng):.1%}")


if __name__ == "__main__":
    main()
