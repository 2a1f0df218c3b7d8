"""Grids of tiles: arrays of every form, and every layer of the networks, with all texts readable and apart."""

import numpy as np
import pytest

import models
from layers import Conv2d, Flatten, Linear, MaxPool2d, ReLU
from nn import Network, plots
from nn.plots import tiles
from tests.drawn import assert_filled, catch


def numbers(shape, seed=0, positive=False):
    array = np.random.default_rng(seed).normal(size=shape)
    return np.maximum(array, 0) if positive else array


FORMS = {
    "maps": ((13, 13, 64), "activations"),
    "more maps than fit": ((27, 27, 256), "activations"),
    "large maps": ((227, 227, 3), "gradients"),
    "maps of one pixel": ((1, 1, 120), "activations"),
    "low maps": ((4, 90, 7), "activations"),
    "one map": ((28, 28, 1), "gradients"),
    "a few units": ((10,), "activations"),
    "units": ((120,), "activations"),
    "many units": ((4096,), "gradients"),
    "more units than fit": ((12_345,), "activations"),
    "grey kernels": ((5, 5, 1, 6), "kernels"),
    "coloured kernels": ((11, 11, 3, 96), "kernels"),
    "kernels of six inputs": ((5, 5, 6, 16), "kernels"),
    "kernels of many inputs": ((3, 3, 256, 384), "kernels"),
    "kernels of one pixel": ((1, 1, 16, 4), "kernels"),
    "one output of many inputs": ((3, 3, 40, 1), "kernels"),
    "two inputs, many outputs": ((3, 3, 2, 300), "kernels"),
    "gradients of kernels": ((3, 3, 2, 4), "gradients"),
    "a matrix": ((84, 10), "kernels"),
    "a large matrix": ((9216, 1000), "kernels"),
    "a matrix of one output": ((20, 1), "gradients"),
}


# Whether numbers are negative changes the page of activations alone.
@pytest.mark.parametrize(
    ("name", "positive"),
    [(name, sign) for name, (_, kind) in FORMS.items() for sign in {False, kind == "activations"}],
)
def test_forms(tmp_path, monkeypatch, name, positive):
    drawn = catch(monkeypatch)
    shape, kind = FORMS[name]
    array = numbers(shape, positive=positive)
    kept = array.copy()
    plots.grid(tmp_path / "grid.png", array, "a title", kind)
    assert_filled(tmp_path / "grid.png", columns=1)
    drawn[0].check()
    assert drawn[0].words().startswith("a title")
    np.testing.assert_array_equal(array, kept)


def words(tmp_path, monkeypatch, *arguments, **keywords):
    drawn = catch(monkeypatch)
    plots.grid(tmp_path / "grid.png", *arguments, **keywords)
    drawn[0].check()
    return drawn[0].words()


def test_it_says_what_is_left_out(tmp_path, monkeypatch):
    assert "the first 128 of 256 maps" in words(tmp_path, monkeypatch, numbers((5, 5, 256)))
    text = words(tmp_path, monkeypatch, numbers((3, 3, 48, 256)), kind="kernels")
    assert "the first 8 of 256 outputs" in text and "the first 16 of 48 inputs" in text
    assert "the first 20 of 64 maps" in words(tmp_path, monkeypatch, numbers((5, 5, 64)), limit=20)
    assert "the first 512 of 9,216 inputs" in words(tmp_path, monkeypatch, numbers((9216, 5)), kind="kernels")


def test_what_is_zero_throughout_is_counted(tmp_path, monkeypatch):
    array = numbers((5, 5, 64), positive=True)
    array[..., [3, 9, 63]] = 0
    assert "3 of 64 maps are zero (framed in red)" in words(tmp_path, monkeypatch, array)
    vector = np.ones(100)
    vector[7] = 0
    assert "1 of 100 units is zero (red)" in words(tmp_path, monkeypatch, vector)
    assert "1 of 100 units is without gradient" in words(tmp_path, monkeypatch, vector, kind="gradients")
    weight = np.ones((3, 3, 4, 5))
    weight[:, :, 0, :2] = 0
    assert "2 of 20 kernels are zero" in words(tmp_path, monkeypatch, weight, kind="kernels")


def test_all_zero_and_numbers_that_are_none(tmp_path, monkeypatch):
    for name in ("maps of one pixel", "a few units", "units", "coloured kernels", "kernels of one pixel", "a matrix"):
        shape, kind = FORMS[name]
        plots.grid(tmp_path / "grid.png", np.zeros(shape), kind=kind)
    array = numbers((5, 5, 4))
    array[0, 0] = [np.nan, np.inf, -np.inf, 1]
    assert "3 numbers are not finite" in words(tmp_path, monkeypatch, array)


def test_one_giant_does_not_pale_the_others(tmp_path, monkeypatch):
    array = numbers((13, 13, 64), positive=True)
    array[0, 0, 0] = 1000
    assert "beyond the scale, up to 1,000" in words(tmp_path, monkeypatch, array)


def test_what_cannot_be_drawn_is_said_in_one_sentence(tmp_path):
    path = tmp_path / "grid.png"
    with pytest.raises(ValueError, match=r"kind is 'maps', expected 'activations', 'kernels' or 'gradients'"):
        plots.grid(path, np.ones(3), kind="maps")
    with pytest.raises(ValueError, match=r"expected activations of shape \(H, W, C\) or \(units,\), got \(2, 3\)"):
        plots.grid(path, np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"expected kernels of shape .*, got \(2, 3, 4\)"):
        plots.grid(path, np.ones((2, 3, 4)), kind="kernels")
    with pytest.raises(ValueError, match=r"nothing to draw of shape \(5, 5, 0\)"):
        plots.grid(path, np.ones((5, 5, 0)))


def test_tiles_keep_their_numbers():
    array = numbers((4, 4, 6))
    mosaic = tiles.maps(array, limit=5)
    assert len(mosaic.frames) == 5
    for index, (x, y, width, height, zero) in enumerate(mosaic.frames):
        tile = mosaic.values[y : y + height, x : x + width]
        scale = height // 4
        np.testing.assert_array_equal(tile[::scale, ::scale], array[..., index])
        assert not zero
    pairs = tiles.pairs(numbers((3, 3, 4, 6)), limit=128)
    assert len(pairs.frames) == 24 and len(pairs.column_labels) % 4 == 0 and len(pairs.row_labels) == 6
    assert tiles.matrix(numbers((7, 5))).values.shape[0] % 5 == 0


def test_a_tile_made_smaller_keeps_its_mean():
    tile = numbers((227, 227), positive=True)
    assert tiles._resize(tile, (64, 64)).mean() == pytest.approx(tile.mean(), rel=1e-3)
    assert tiles._resize(tile, (300, 300)).mean() == pytest.approx(tile.mean(), rel=1e-3)
    coloured = np.stack([tile, 2 * tile, 0 * tile], axis=2)
    small = tiles._resize(coloured, (64, 50))
    assert small.shape == (64, 50, 3)
    np.testing.assert_allclose(small.mean(axis=(0, 1)), np.array([1, 2, 0]) * tile.mean(), rtol=1e-3)


def test_a_layer_of_lenet(tmp_path, monkeypatch):
    """Which array and words each layer's picture gets, and whether it fits the page, is in test_plots_tiles.py."""
    drawn = catch(monkeypatch)
    network, path = models.lenet(rng=0), tmp_path / "grid.png"
    image = np.random.default_rng(0).random(network.image_shape, dtype=np.float32)
    plots.feature_maps(path, network, image, "conv2")
    plots.layer_gradients(path, network, image, 1, "input")
    plots.layer_kernels(path, network, "conv2")
    titles = "output of conv2, 10×10×16", "gradient of class 1's output w.r.t. the image, 28×28×1", "weights of conv2, "
    for picture, title in zip(drawn, titles):
        assert f"lenet: {title}" in picture.words()
        picture.check()
        assert picture.width == 1320 and picture.height <= 1400


@pytest.mark.slow
def test_alexnet(tmp_path, monkeypatch):
    """The network as published, at full size."""
    drawn = catch(monkeypatch)
    network, path = models.alexnet(rng=0), tmp_path / "grid.png"
    image = np.random.default_rng(0).normal(0, 60, network.image_shape).astype(np.float32)
    plots.feature_maps(path, network, image, "norm2")
    assert_filled(path, columns=1)
    plots.layer_gradients(path, network, image, 7, "input")
    assert_filled(path, columns=1)
    for picture in drawn:
        picture.check()


def network_and_image(channels=2):
    layers = [("conv", Conv2d(channels, 4, 3, rng=0)), ("relu", ReLU()), ("pool", MaxPool2d(2))]
    layers += [("flatten", Flatten()), ("fc", Linear(36, 3, rng=0))]
    network = Network(layers, image_shape=(8, 8, channels))
    return network, np.random.default_rng(0).normal(size=(8, 8, channels)).astype(np.float32)


def test_gradients_of_a_loss(tmp_path, monkeypatch):
    drawn = catch(monkeypatch)
    network, image = network_and_image()
    plots.layer_gradients(tmp_path / "grid.png", network, image, np.array([0.1, 0.2, -0.3]), "conv")
    assert "gradient of the loss w.r.t. conv's output, 6×6×4" in drawn[0].words()


def test_a_network_of_vectors(tmp_path, monkeypatch):
    drawn = catch(monkeypatch)
    network = Network([("fc1", Linear(20, 50, rng=0)), ("relu", ReLU()), ("fc2", Linear(50, 3, rng=0))], (20,))
    vector = np.random.default_rng(0).normal(size=20).astype(np.float32)
    plots.feature_maps(tmp_path / "grid.png", network, vector, "relu")
    plots.layer_gradients(tmp_path / "grid.png", network, vector, 2, "input")
    for picture in drawn:
        picture.check()


def test_names_that_are_not_there_are_said_in_one_sentence(tmp_path):
    network, image = network_and_image()
    path = tmp_path / "grid.png"
    for draw in (
        lambda: plots.feature_maps(path, network, image, "conv9"),
        lambda: plots.layer_kernels(path, network, "conv9"),
        lambda: plots.layer_gradients(path, network, image, 0, "conv9"),
    ):
        with pytest.raises(
            ValueError,
            match=r"has no layer 'conv9', expected one of conv, relu, pool, flatten, fc; did you mean conv\?$",
        ):
            draw()
    with pytest.raises(ValueError, match="pool has no weights to draw, expected one of conv, fc$"):
        plots.layer_kernels(path, network, "pool")
    with pytest.raises(ValueError, match="has no class 3, expected a number from 0 to 2$"):
        plots.layer_gradients(path, network, image, 3, "conv")
