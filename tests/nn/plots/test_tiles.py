"""Tiles: which number lies where, on arrays and on the finished grid, where it is read as a person would."""

import itertools

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import same_color

import models
from layers import Conv2d, Flatten, Linear, MaxPool2d, Tanh
from nn import Network, plots
from nn.plots import inside, tiles
from nn.plots.style import COLOURS, WRONG
from tests.drawn import catch


def numbers(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def tile_in(mosaic, frame, shape):
    """What lies in a frame, one number for each of the tile's."""
    x, y, across, down, _ = frame
    pixels = mosaic.values[y : y + down, x : x + across]
    high, wide = down // shape[0], across // shape[1]
    found = pixels[high // 2 :: high, wide // 2 :: wide]
    np.testing.assert_array_equal(pixels, np.repeat(np.repeat(found, high, axis=0), wide, axis=1))
    return found


def only_frames_hold_numbers(mosaic):
    paper = np.ones(mosaic.values.shape[:2], dtype=bool)
    for x, y, across, down, _ in mosaic.frames:
        assert paper[y : y + down, x : x + across].all(), "no tile lies on another"
        assert y + down <= paper.shape[0] and x + across <= paper.shape[1]
        paper[y : y + down, x : x + across] = False
    return np.isnan(mosaic.values[paper]).all()


# ------------------------------------------------------------------------------------------------- arrays
@pytest.mark.parametrize("colour", [(), (3,)])
@pytest.mark.parametrize("limit", [23, 40])
def test_map_after_map_in_reading_order(colour, limit):
    array = numbers((5, 4, 33, *colour))
    array[:, :, 5] = 0
    mosaic = tiles.maps(array, limit)
    shown = min(limit, 33)
    assert len(mosaic.frames) == shown and only_frames_hold_numbers(mosaic)
    assert [frame[:2] for frame in mosaic.frames] == sorted((f[:2] for f in mosaic.frames), key=lambda f: (f[1], f[0]))
    for index, frame in enumerate(mosaic.frames):
        np.testing.assert_array_equal(tile_in(mosaic, frame, (5, 4)), array[:, :, index])
        assert frame[4] == (index == 5), "whether it is zero throughout"
    assert len(mosaic.row_labels) > 1
    for _, y, text in mosaic.row_labels:
        row = [index for index, (_, top, _, down, _) in enumerate(mosaic.frames) if top + down / 2 == y]
        assert text == str(row[0])
    there = "the first 23 of 33 maps" if limit == 23 else "all 33 maps"
    assert mosaic.caption == f"{there}; beside each row the number of its first"


@pytest.mark.parametrize(("inputs", "outputs"), [(4, 6), (2, 40), (20, 9)])
def test_a_table_of_kernels(inputs, outputs):
    weight = numbers((3, 2, inputs, outputs))
    weight[:, :, 1, 2] = 0
    mosaic = tiles.pairs(weight, limit=128)
    columns = min(inputs, 16)
    rows = min(outputs, 128 // columns)
    assert len(mosaic.frames) == rows * columns and only_frames_hold_numbers(mosaic)
    pairs = itertools.product(range(rows), range(columns))
    for (output, channel), frame in zip(pairs, mosaic.frames):
        x, y, across, down, zero = frame
        np.testing.assert_array_equal(tile_in(mosaic, frame, (3, 2)), weight[:, :, channel, output])
        assert zero == ((output, channel) == (2, 1))
        beside = [(right, text) for right, middle, text in mosaic.row_labels if middle == y + down / 2 and right < x]
        assert max(beside)[1] == str(output), "the nearest on the left"
        assert {text for middle, _, text in mosaic.column_labels if middle == x + across / 2} == {str(channel)}
    assert "rows: " in mosaic.caption and "outputs; columns: " in mosaic.caption


def test_a_matrix_has_a_row_for_each_output():
    weight = numbers((70, 30))
    mosaic = tiles.matrix(weight)
    high, wide = (length // count for length, count in zip(mosaic.values.shape, (30, 70)))
    for inputs, output in itertools.product(range(70), range(30)):
        cell = mosaic.values[output * high : (output + 1) * high, inputs * wide : (inputs + 1) * wide]
        assert (cell == weight[inputs, output]).all()
    for _, y, text in mosaic.row_labels:
        assert y == (int(text) + 0.5) * high
    for x, _, text in mosaic.column_labels:
        assert x == (int(text) + 0.5) * wide
    assert mosaic.caption == "rows: all 30 outputs; columns: all 70 inputs"


@pytest.mark.parametrize("units", [33, 120, 4096])
def test_cell_after_cell_in_reading_order(units):
    vector = numbers((units,))
    vector[[0, 7, 31]] = 0
    mosaic = tiles.cells(vector)
    columns = int(mosaic.caption.split(", ")[-1].removesuffix(" a row"))
    side = mosaic.values.shape[1] // columns
    for unit, value in enumerate(vector):
        row, column = divmod(unit, columns)
        place = slice(row * side, (row + 1) * side), slice(column * side, (column + 1) * side)
        cell = mosaic.values[place]
        line = 1 if side >= 8 else 0  # of paper, on two sides
        assert (cell[: side - line, : side - line] == value).all()
        assert mosaic.dots[place].any() == (value == 0)
        if value == 0:
            middle = np.argwhere(mosaic.dots[place]).mean(axis=0)
            assert np.all(np.abs(middle - (side - line - 1) / 2) <= 1), "in the middle"
    for _, y, text in mosaic.row_labels:
        assert y == (int(text) // columns + 0.5) * side and int(text) % columns == 0


def test_a_tile_made_smaller_holds_the_means_of_its_parts():
    tile = numbers((12, 20))
    means = [[tile[3 * r : 3 * r + 3, 5 * c : 5 * c + 5].mean() for c in range(4)] for r in range(4)]
    np.testing.assert_allclose(tiles._resize(tile, (4, 4)), means, rtol=0, atol=1e-6)  # float32


MODELS = {
    "lenet": lambda: models.lenet(rng=0),
    "lenet5_1998": lambda: models.lenet5_1998(rng=0),
    "alexnet_small": lambda: models.alexnet_small(4, (64, 64, 3), rng=0),
}
# Of every output and every weight of the networks, AlexNet's at full size among them.
SHAPES = {shape for make in MODELS.values() for shape in make().shapes(make().image_shape)}
SHAPES |= {(55, 55, 96), (27, 27, 96), (27, 27, 256), (13, 13, 256), (13, 13, 384), (6, 6, 256), (227, 227, 3), (1000,)}
WEIGHTS = [(11, 11, 3, 96), (5, 5, 48, 256), (3, 3, 256, 384), (9216, 4096), (4096, 1000), (5, 5, 6, 16), (1, 1, 16, 4)]


@pytest.mark.parametrize("shape", [*sorted(SHAPES), *WEIGHTS], ids=str)
def test_every_layer_fits_the_page_and_its_numbers_stand_apart(shape):
    kinds = {1: tiles.cells, 2: tiles.matrix, 3: lambda array: tiles.maps(array, 128)}
    mosaic = kinds.get(len(shape), lambda array: tiles.pairs(array, 128))(np.ones(shape, np.float32))
    high, wide = mosaic.values.shape[:2]
    assert 20 < wide <= 1240 and 2 <= high <= 760
    for x, y, across, down, _ in mosaic.frames:
        assert min(x, y) >= 0 and x + across <= wide and y + down <= high
    for x in {x for x, _, _ in mosaic.row_labels}:
        heights = sorted(y for other, y, _ in mosaic.row_labels if other == x)
        assert all(b - a >= 15 for a, b in zip(heights, heights[1:])), "a line of text takes 14 pixels"
    labels = sorted((x - 4.5 * len(text), x + 4.5 * len(text)) for x, _, text in mosaic.column_labels)
    assert all(start >= end for (_, end), (start, _) in zip(labels, labels[1:])), "a digit is 9 pixels wide"


# ------------------------------------------------------------------------------------------------- the page
def draw(tmp_path, monkeypatch, *arguments, **keywords):
    drawn = catch(monkeypatch)
    plots.grid(tmp_path / "grid.png", *arguments, **keywords)
    return drawn[0]


def labels_of(axis):
    return {tick.get_loc(): tick.label1.get_text() for tick in axis.get_major_ticks()}


@pytest.mark.parametrize("kind", ["activations", "gradients", "kernels"])
@pytest.mark.parametrize("signed", [True, False])
def test_a_number_has_the_colour_that_the_bar_gives_it(tmp_path, monkeypatch, kind, signed):
    array = numbers((3, 3, 1, 6)) if kind == "kernels" else numbers((3, 3, 6))
    array = array if signed else np.abs(array)
    array[..., 2] = 0
    drawn = draw(tmp_path, monkeypatch, array, kind=kind)
    page, bar = drawn.axes
    around_zero = signed or kind != "activations"
    top = np.abs(array).max()
    low = -top if around_zero else 0
    ends = {0: f"−{top:.3g}", 0.5: "0", 1: f"{top:.3g}"} if around_zero else {0: "0", 1: f"{top:.3g}"}
    assert labels_of(bar.xaxis) == ends
    colours = bar.images[0]
    assert np.allclose(colours.get_array(), np.linspace(0, 1, 260)) and colours.get_extent() == [0, 1, 0, 1]
    white, largest = (colours.to_rgba(np.array([(value - low) / (top - low)]))[0, :3] for value in (0, top))
    assert white.min() > 0.95 and largest.sum() < 1.5
    if around_zero:
        assert largest[0] > 2 * largest[2], "red above zero"
    pixels = page.images[0].get_array()
    assert page.images[0].get_extent() == [0, pixels.shape[1], pixels.shape[0], 0]
    assert len(page.patches) == 6
    for index, frame in enumerate(page.patches):
        (x, y), high, wide = frame.get_xy(), frame.get_height() / 3, frame.get_width() / 3
        for row, column in np.ndindex(3, 3):
            value = array[row, column, 0, index] if kind == "kernels" else array[row, column, index]
            expected = colours.to_rgba(np.array([(value - low) / (top - low)]))[0, :3]
            found = pixels[int(y + (row + 0.5) * high), int(x + (column + 0.5) * wide)]
            np.testing.assert_allclose(found, expected, atol=1e-9)
        assert same_color(frame.get_edgecolor(), WRONG if index == 2 else "#bdbdbd")
    noun = {"activations": "activation", "gradients": "gradient", "kernels": "weight"}[kind]
    assert noun in [text.get_text() for text in page.figure.texts]


def test_a_giant_is_as_dark_as_can_be_and_the_others_are_not_pale(tmp_path, monkeypatch):
    array = np.abs(numbers((13, 13, 64)))
    array[0, 0, 0] = 1000
    page, bar = draw(tmp_path, monkeypatch, array).axes
    top = float(labels_of(bar.xaxis)[1])
    assert top == pytest.approx(np.quantile(array, 0.998), rel=0.01)
    np.testing.assert_allclose(page.images[0].get_array()[2, 2], bar.images[0].to_rgba(np.array([1.0]))[0, :3])


def test_coloured_kernels_are_brightness_around_grey(tmp_path, monkeypatch):
    weight = numbers((4, 5, 3, 7))
    weight[1, 2, 0, 3] = 50  # in colour nothing is cut off
    (page,) = draw(tmp_path, monkeypatch, weight, kind="kernels").axes
    pixels, largest = page.images[0].get_array(), np.abs(weight).max()
    for index, frame in enumerate(page.patches):
        (x, y), high, wide = frame.get_xy(), frame.get_height() / 4, frame.get_width() / 5
        for row, column in np.ndindex(4, 5):
            found = pixels[int(y + (row + 0.5) * high), int(x + (column + 0.5) * wide)]
            np.testing.assert_allclose(found, 0.5 + weight[row, column, :, index] / (2 * largest))
    assert any(f"the brightest is {largest:.3g}." in text.get_text() for text in page.figure.texts)


def test_the_numbers_stand_at_their_rows_and_columns(tmp_path, monkeypatch):
    page, _ = draw(tmp_path, monkeypatch, numbers((3, 2, 4, 6)), kind="kernels").axes
    mosaic = tiles.pairs(numbers((3, 2, 4, 6)), 128)
    written = {(*text.get_position(), text.get_text()) for text in page.texts}
    assert written == {*mosaic.row_labels, *mosaic.column_labels}


def test_a_dot_in_each_cell_that_is_zero(tmp_path, monkeypatch):
    vector = np.abs(numbers((120,)))
    vector[17] = 0
    page, _ = draw(tmp_path, monkeypatch, vector).axes
    pixels, mosaic = page.images[0].get_array(), tiles.cells(vector)
    assert mosaic.dots.any() and same_color(pixels[mosaic.dots][0], "#d9705f")
    assert (pixels[mosaic.dots] == pixels[mosaic.dots][0]).all()


def test_bars_are_as_long_as_their_numbers(tmp_path, monkeypatch):
    vector = numbers((12,))
    vector[3] = 0
    (axes,) = draw(tmp_path, monkeypatch, vector, kind="gradients").axes
    bars = axes.containers[0]
    for unit, bar in enumerate(bars):
        assert bar.get_height() == vector[unit] and bar.get_x() + bar.get_width() / 2 == pytest.approx(unit)
        assert same_color(bar.get_facecolor(), WRONG if unit == 3 else COLOURS[0])
    assert axes.get_xlabel() == "unit" and axes.get_ylabel() == "gradient"


def test_the_picture_stands_beside_the_title(tmp_path, monkeypatch):
    image = np.random.default_rng(0).random((6, 5, 3))
    for given, shown in ((image, image), (image * 90 - 40, (image - image.min()) / np.ptp(image))):
        thumbnail, *_ = draw(tmp_path, monkeypatch, numbers((3, 3, 2)), image=given).axes
        np.testing.assert_allclose(thumbnail.images[0].get_array(), shown, atol=1e-12)
        monkeypatch.undo()
    thumbnail, *_ = draw(tmp_path, monkeypatch, numbers((3, 3, 2)), image=numbers((6, 5, 2)) * 0 + [0.2, 0.4]).axes
    np.testing.assert_allclose(thumbnail.images[0].get_array(), 0.3)


def test_what_is_not_finite_is_drawn_as_zero(tmp_path, monkeypatch):
    array = numbers((2, 2, 3))
    array[0, 0] = [np.nan, np.inf, -np.inf]
    page, _ = draw(tmp_path, monkeypatch, array).axes
    pixels = page.images[0].get_array()
    for frame in page.patches:
        x, y = frame.get_xy()
        np.testing.assert_allclose(pixels[int(y) + 2, int(x) + 2], matplotlib.colormaps["RdBu_r"](0.5)[:3])


# ------------------------------------------------------------------------------------------------- networks
@pytest.fixture
def asked(monkeypatch):
    """What `grid` is asked to draw: (array, title, kind, image)."""
    calls = []
    monkeypatch.setattr(
        inside, "grid", lambda path, array, title, kind, image=None: calls.append((array, title, kind, image))
    )
    return calls


def volume(shape):
    return f"{shape[0]} units" if len(shape) == 1 else "×".join(map(str, shape))


@pytest.mark.parametrize("name", MODELS)
def test_feature_maps_and_kernels_of_every_layer(asked, name):
    network = MODELS[name]()
    image = np.random.default_rng(0).random(network.image_shape, dtype=np.float32)
    y = image[None]
    for layer_name, layer in network.layers.items():
        y = layer.forward(y)
        plots.feature_maps("a.png", network, image, layer_name)
        array, title, kind, shown = asked.pop()
        np.testing.assert_array_equal(array, y[0])
        assert (title, kind) == (f"{network.name}: output of {layer_name}, {volume(y.shape[1:])}", "activations")
        assert shown is image
        if "weight" in layer.params:
            plots.layer_kernels("a.png", network, layer_name)
            array, title, kind, shown = asked.pop()
            np.testing.assert_array_equal(array, layer.params["weight"])
            groups = f" in {layer.groups} groups" if getattr(layer, "groups", 1) > 1 else ""
            assert title == f"{network.name}: weights of {layer_name}, {volume(array.shape)}{groups}"
            assert kind == "kernels" and shown is None


def test_kernels_of_groups_say_so(asked):
    network = Network([("conv", Conv2d(4, 6, 3, groups=2, rng=0))], image_shape=(8, 8, 4), name="net")
    plots.layer_kernels("a.png", network, "conv")
    assert asked.pop()[1] == "net: weights of conv, 3×3×2×6 in 2 groups"


def test_gradients_are_those_of_central_differences(asked):
    layers = [("conv", Conv2d(2, 3, 3, rng=0)), ("tanh", Tanh()), ("pool", MaxPool2d(2)), ("flatten", Flatten())]
    network = Network([*layers, ("fc", Linear(12, 4, rng=0))], image_shape=(6, 6, 2), name="net").astype(np.float64)
    image, step = numbers((6, 6, 2)), 1e-6
    dlogits = numbers((4,), seed=1)
    names = list(network.layers)
    start = image[None]
    for place, layer_name in enumerate(["input", *names[:-1]]):
        if place:
            start = network.layers[layer_name].forward(start)

        def answers(middle, rest=names[place:]):
            for name in rest:
                middle = network.layers[name].forward(middle)
            return middle[0]

        slopes = np.empty((*start.shape[1:], 4))
        for index in np.ndindex(start.shape[1:]):
            up, down = start.copy(), start.copy()
            up[0][index] += step
            down[0][index] -= step
            slopes[index] = (answers(up) - answers(down)) / (2 * step)
        where = "the image" if layer_name == "input" else f"{layer_name}'s output"
        for given, expected, of_what in (
            (2, slopes[..., 2], "class 2's output"),
            (dlogits, slopes @ dlogits, "the loss"),
        ):
            plots.layer_gradients("a.png", network, image, given, layer_name)
            array, title, kind, shown = asked.pop()
            np.testing.assert_allclose(array, expected, rtol=0, atol=1e-8)
            assert title == f"net: gradient of {of_what} w.r.t. {where}, {volume(array.shape)}"
            assert kind == "gradients" and shown is image
