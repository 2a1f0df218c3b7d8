"""blind4, mended: one optimiser for the whole training, so that it keeps its velocities."""

import numpy as np

from nn.data import digits


def softmax(z):
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


class Momentum:
    """v <- momentum v - lr g;  w <- w + v"""

    def __init__(self, params, lr, momentum):
        self.params, self.lr, self.momentum = params, lr, momentum
        self.velocities = [np.zeros_like(param) for param in params]

    def step(self, gradients):
        for param, velocity, gradient in zip(self.params, self.velocities, gradients):
            velocity *= self.momentum
            velocity -= self.lr * gradient
            param += velocity


def train(images, labels, epochs, lr, momentum, batch_size, rng):
    """Images (N, 28, 28, 1), labels (N,) -> weight (784, 10), bias (10,), which both begin at 0."""
    x = images.reshape(len(images), -1)
    weight, bias = np.zeros((x.shape[1], 10)), np.zeros(10)
    optimiser = Momentum([weight, bias], lr, momentum)
    for _ in range(epochs):
        order = rng.permutation(len(x))
        for start in range(0, len(x), batch_size):
            chosen = order[start : start + batch_size]
            dz = softmax(x[chosen] @ weight + bias)
            dz[np.arange(len(chosen)), labels[chosen]] -= 1
            dz /= len(chosen)
            optimiser.step([x[chosen].T @ dz, dz.sum(axis=0)])
    return weight, bias


def accuracy(params, images, labels):
    weight, bias = params
    scores = images.reshape(len(images), -1) @ weight + bias
    return np.mean(scores.argmax(axis=1) == labels)


def main():
    train_set, test_set = digits()
    images, labels = train_set.images[:2000], train_set.labels[:2000]
    rng = np.random.default_rng(0)
    params = train(images, labels, epochs=2, lr=0.01, momentum=0.9, batch_size=50, rng=rng)
    print(f"training {accuracy(params, images, labels):.1%}", end="  ")
    print(f"test {accuracy(params, test_set.images, test_set.labels):.1%}")


if __name__ == "__main__":
    main()
