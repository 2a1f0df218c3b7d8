"""Small sets of pictures in files of their own, so that a run of a program takes a second; and a browser for pages."""

import numpy as np
import pytest

from nn.data import digits


@pytest.fixture(scope="session")
def few_digits(tmp_path_factory):
    """90 digits, a sixth of them for testing."""
    train_set, _ = digits()
    images = np.rint(train_set.images[:90, :, :, 0] * 255).astype(np.uint8)
    path = tmp_path_factory.mktemp("data") / "few digits.npz"
    arrays = {"images": images[:75], "labels": train_set.labels[:75]}
    arrays |= {"test_images": images[75:], "test_labels": train_set.labels[75:90]}
    np.savez_compressed(path, **arrays, class_names=np.array(list("0123456789")))
    return path


@pytest.fixture(scope="session")
def colours(tmp_path_factory):
    """60 coloured pictures of three classes."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    images = rng.integers(0, 200, (60, 32, 32, 3), dtype=np.uint8)
    images[np.arange(60), :, :, labels] += 55
    path = tmp_path_factory.mktemp("data") / "colours.npz"
    np.savez(path, images=images, labels=labels, class_names=np.array(["red", "green", "blue"]))
    return path


@pytest.fixture(scope="module")
def window():
    from tests.browser import Browser  # here, since only these tests need selenium

    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture
def browser(window):
    """Nothing may have been said in the console when the test is over, and nothing asked of the network."""
    window.resize(1440, 900)
    window.complaints()
    yield window
    assert window.complaints() == []
    assert window.run("return performance.getEntriesByType('resource').map(({name}) => name)") == []
