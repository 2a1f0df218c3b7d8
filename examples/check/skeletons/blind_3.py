"""blind3: this program trains, all of its gradients are right, and its accuracy looks good. But what does it say of a
single image? Mend it.

It trains one layer of softmax on 2,000 digits, each pixel standardised: mean 0, spread 1. An image must get the same
answer whichever images are asked about with it. Keep the functions train and accuracy with their arguments (what the
model is, and what is in it, is yours to choose), and keep the images standardised.

    lenet check blind3 THIS_FILE
"""

import numpy as np

from nn.data import digits


def softmax(z):
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def standardised(images):
    """Each pixel with mean 0 and (nearly) spread 1; a little more keeps pixels quiet that are hardly ever used."""
    pixels = images.reshape(len(images), -1)
    return (pixels - pixels.mean(axis=0)) / (pixels.std(axis=0) + 0.1 * pixels.std())


def train(images, labels, epochs, lr, batch_size, rng):
    """Images (N, 28, 28, 1), labels (N,) -> a dict with all that `accuracy` needs."""
    x = standardised(images)
    weight, bias = np.zeros((x.shape[1], 10)), np.zeros(10)
    for _ in range(epochs):
        order = rng.permutation(len(x))
        for start in range(0, len(x), batch_size):
            chosen = order[start : start + batch_size]
            dz = softmax(x[chosen] @ weight + bias)
            dz[np.arange(len(chosen)), labels[chosen]] -= 1
            weight -= lr * x[chosen].T @ dz / len(chosen)
            bias -= lr * dz.mean(axis=0)
    return {"weight": weight, "bias": bias}


def accuracy(model, images, labels):
    scores = standardised(images) @ model["weight"] + model["bias"]
    return np.mean(scores.argmax(axis=1) == labels)


def main():
    train_set, test_set = digits()
    images, labels = train_set.images[:2000], train_set.labels[:2000]
    model = train(images, labels, epochs=5, lr=0.02, batch_size=50, rng=np.random.default_rng(0))
    print(f"training {accuracy(model, images, labels):.1%}", end="  ")
    print(f"test {accuracy(model, test_set.images, test_set.labels):.1%}")


if __name__ == "__main__":
    main()
