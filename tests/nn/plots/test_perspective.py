"""What an architecture's drawing shows: lengths, windows, rays and texts, measured on the paper."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
from matplotlib.colors import same_color, to_rgb

import models
from layers import AvgPool2d, Conv2d, Dropout, Flatten, Linear, MaxPool2d, ReLU
from nn import Network, plots
from nn.plots.blocks import read_blocks
from nn.plots.style import COLOURS
from tests.drawn import catch

ORANGE, FAN = COLOURS[1], "#8a8a8a"


def mixed():
    """Nothing in it is square, and no two lengths agree."""
    layers = [("conv", Conv2d(3, 5, (3, 7), padding=(0, 2), rng=0)), ("relu", ReLU()), ("pool", AvgPool2d((2, 3)))]
    layers += [("conv2", Conv2d(5, 8, (5, 2), stride=(1, 2), rng=0)), ("flatten", Flatten())]
    layers += [("fc", Linear(8 * 7 * 3, 12, rng=0)), ("drop", Dropout(0.25)), ("out", Linear(12, 4, rng=0))]
    return Network(layers, image_shape=(24, 20, 3), name="mixed")


def eight_groups():
    return Network([("c1", Conv2d(3, 8, 3)), ("c2", Conv2d(8, 16, 3, groups=8))], (16, 16, 3), name="eight groups")


MODELS = {
    "mixed": mixed,
    "lenet5_1998": models.lenet5_1998,
    "alexnet": lambda: models.alexnet(rng=0),
    "eight groups": eight_groups,
}


@dataclass
class Body:
    """A box on the paper, by the corners of its front and its side."""

    front: np.ndarray  # lower left, lower right, upper right, upper left
    top: np.ndarray
    side: np.ndarray  # lower front, lower back, upper back, upper front
    colour: tuple

    @property
    def lengths(self):
        """To the right, upwards, and to the back: this one as it lies on the paper, at a slant."""
        back = self.side[1] - self.side[0]
        return self.front[1, 0] - self.front[0, 0], self.front[3, 1] - self.front[0, 1], math.hypot(*back)

    def shares(self, point):
        """(row, column) of a point of the last map, from its upper front corner, as shares of its sides."""
        down, back = self.side[0] - self.side[3], self.side[1] - self.side[0]
        return np.linalg.solve(np.stack([down, back], axis=1), point - self.side[3])


@dataclass
class Paper:
    network: Network
    blocks: list  # of Body: one for each tower, the upper first
    windows: list  # of polygons, in the order of the blocks
    lines: list  # (points, colour, width)
    dots: list
    axes: object


@pytest.fixture(scope="module", params=MODELS)
def paper(request, tmp_path_factory):
    network = MODELS[request.param]()
    with pytest.MonkeyPatch.context() as monkeypatch:
        drawn = catch(monkeypatch)
        plots.architecture(tmp_path_factory.mktemp("paper") / "a.png", network)
    (axes,) = drawn[0].axes
    faces = [patch for patch in axes.patches if patch.get_zorder() == 2]
    bodies = [
        Body(*(face.get_xy()[:4] for face in faces[i : i + 3]), faces[i + 2].get_facecolor())
        for i in range(0, len(faces), 3)
    ]
    blocks = []
    for body in bodies:  # towers stand one above the other
        if blocks and blocks[-1][0].front[0, 0] == body.front[0, 0]:
            blocks[-1].append(body)
        else:
            blocks.append([body])
    windows = [patch.get_xy()[:4] for patch in axes.patches if patch.get_zorder() == 4]
    lines = [(line.get_xydata(), line.get_color(), line.get_linewidth()) for line in axes.get_lines()]
    dots = [points[0] for points, _, _ in lines if len(points) == 1]
    return Paper(network, blocks, windows, lines, dots, axes)


def made_by(network):
    """(name, layer, volume before, volume): of every layer that makes another volume."""
    shapes = [network.image_shape, *network.shapes(network.image_shape)]
    return [
        (name, layer, tuple(before), tuple(after))
        for (name, layer), before, after in zip(network.layers.items(), shapes, shapes[1:])
        if not isinstance(layer, Flatten) and (layer.params or hasattr(layer, "kernel_size") or before != after)
    ]


def is_vector(shape):
    return len(shape) == 1 or shape[:2] == (1, 1)


@pytest.mark.slow
def test_lengths_are_to_scale(paper):
    """On the scales that the foot names: as they are, or their square roots."""
    (foot,) = (text.get_text() for text in paper.axes.texts if "own scale" in text.get_text())
    kinds = {"heights and widths": [], "numbers of maps": [], "units of a vector": []}
    shapes = [paper.network.image_shape, *(after for *_, after in made_by(paper.network))]
    assert len(shapes) == len(paper.blocks)
    for shape, towers in zip(shapes, paper.blocks):
        for body in towers:
            maps, high, wide = body.lengths
            if is_vector(shape):
                kinds["units of a vector"].append((shape[-1], high))
            else:
                back = math.hypot(0.42, 0.30)  # pixels on the paper for one to the back
                kinds["heights and widths"] += [(shape[0], high), (shape[1], wide / back)]
                kinds["numbers of maps"].append((shape[2] / len(towers), maps))
    for name, pairs in kinds.items():
        if pairs:
            root = f"{name} as square roots" in foot
            assert root or f"{name} linear" in foot
            scales = [pixels / (math.sqrt(number) if root else number) for number, pixels in pairs]
            np.testing.assert_allclose(scales, scales[0])


def test_a_window_has_its_share_of_the_volume_that_it_lies_in(paper):
    windows = iter(paper.windows)
    for index, (_, layer, before, _) in enumerate(made_by(paper.network)):
        if not hasattr(layer, "kernel_size") or is_vector(before):
            continue
        for body in paper.blocks[index]:
            corners = np.array([body.shares(corner) for corner in next(windows)])
            assert corners.min() > -1e-9 and corners.max() < 1 + 1e-9, "inside the last map"
            np.testing.assert_allclose(np.ptp(corners, axis=0), np.divide(layer.kernel_size, before[:2]))
            middle = corners.mean(axis=0)
            wanted = ((0.34, 0.22), (0.66, 0.22))[(index + 1) % 2]
            for share, size, place in zip(middle, np.ptp(corners, axis=0), wanted):
                assert share == pytest.approx(min(max(place, size / 2), 1 - size / 2))
    assert not list(windows)


def outlines(paper, width):
    """Closed orange rectangles of lines so thick."""
    return [xy for xy, colour, thick in paper.lines if len(xy) == 5 and same_color(colour, ORANGE) and thick == width]


def test_a_kernel_goes_through_the_maps_that_it_sees(paper):
    """Through all maps of a tower, or one group's share of them; what pools sees one map alone."""
    near, far = outlines(paper, 1.0), iter(outlines(paper, 0.6))
    np.testing.assert_allclose([rectangle[:4] for rectangle in near], paper.windows)
    rectangles = iter(near)
    for index, (_, layer, before, _) in enumerate(made_by(paper.network)):
        if not hasattr(layer, "kernel_size") or is_vector(before):
            continue
        towers = paper.blocks[index]
        for body in towers:
            rectangle = next(rectangles)
            if "weight" in layer.params and layer.params["weight"].ndim == 4:
                share = min(1, len(towers) / layer.groups) if layer.groups > 1 else 1
                np.testing.assert_allclose(rectangle - next(far), np.tile([share * body.lengths[0], 0], (5, 1)))
    assert not list(far)


def test_rays_go_to_the_one_number_that_sees_the_window(paper):
    """From a tower to its own tower alone, where a convolution has a group for each and where maps are pooled."""
    rays = [xy for xy, colour, _ in paper.lines if len(xy) == 2 and same_color(colour, ORANGE)]
    expected = 0
    for index, (_, layer, before, after) in enumerate(made_by(paper.network)):
        if not hasattr(layer, "kernel_size") or is_vector(before):
            continue
        sources, targets = paper.blocks[index], paper.blocks[index + 1]
        pooled = "weight" not in layer.params or layer.params["weight"].ndim != 4
        apart = len(sources) == len(targets) and (pooled or layer.groups == len(targets))
        row, column = (0.5, 0.5) if is_vector(after) else ((0.34, 0.22), (0.66, 0.22))[(index + 1) % 2]
        for number, target in enumerate(targets):
            corner, down = target.front[3], target.front[0] - target.front[3]
            end = corner + row * down + column * (target.top[3] - corner)
            seen = sum(bool(np.allclose(end, dot)) for dot in paper.dots)
            assert seen == (1 if apart else len(sources))
            expected += seen
            for other, source in enumerate(sources):
                inside = [
                    xy[0]
                    for xy in rays
                    if np.allclose(xy[1], end) and np.all(np.abs(source.shares(xy[0]) - 0.5) < 0.5 + 1e-9)
                ]
                assert len(inside) == (4 if other == number or not apart else 0)
    assert len(paper.dots) == expected


def test_everything_in_a_vector_sees_everything_before(paper):
    fans = [xy for xy, colour, _ in paper.lines if same_color(colour, FAN)]
    expected = []
    for index, (_, layer, before, _) in enumerate(made_by(paper.network)):
        if not hasattr(layer, "kernel_size") or is_vector(before):
            (target,) = paper.blocks[index + 1]
            for body in paper.blocks[index]:
                expected += [(body.top[2], target.front[3]), (body.front[1], target.front[0])]
    np.testing.assert_allclose(np.reshape(fans, (-1, 2, 2)), np.reshape(expected, (-1, 2, 2)))


def test_few_maps_are_drawn_one_by_one(tmp_path, monkeypatch):
    drawn = catch(monkeypatch)
    plots.architecture(tmp_path / "a.png", models.lenet())
    sheets = [line.get_xydata() for line in drawn[0].axes[0].get_lines() if line.get_linewidth() == 0.35]
    # A line between every two of the 6, 6, 16 and 16 maps, each as far from the next.
    assert len(sheets) == 5 + 5 + 15 + 15
    steps = np.diff([xy[0, 0] for xy in sheets])
    np.testing.assert_allclose(np.r_[steps[:4], steps[5:9]], steps[0])


def test_colours_tell_the_kinds_apart(paper):
    kinds = {}
    for (_, layer, _, after), (body, *_) in zip(made_by(paper.network), paper.blocks[1:]):
        kernels = "weight" in layer.params and layer.params["weight"].ndim == 4
        kind = "convolution" if kernels else "pooling" if len(after) == 3 else "vector"
        kinds.setdefault(kind, set()).add(body.colour)
    assert all(len(colours) == 1 for colours in kinds.values())
    picture = paper.blocks[0][0].colour
    assert len(set(to_rgb(picture))) == 1, "the input is grey"
    assert len({picture, *(colour for colours in kinds.values() for colour in colours)}) == 1 + len(kinds)


def test_texts_stand_at_their_block(paper):
    """Above it the volume, below it the name and under that what made it, line by line."""
    texts = [(*text.get_position(), text.get_text()) for text in paper.axes.texts]
    blocks = read_blocks(paper.network)
    expected = [("input", paper.network.image_shape), *((name, after) for name, _, _, after in made_by(paper.network))]
    assert [(block.name, tuple(block.shape)) for block in blocks] == expected
    for block, towers in zip(blocks, paper.blocks):
        left, right = towers[0].front[0, 0], max(towers[0].side[:, 0])
        column = sorted((-y, text) for x, y, text in texts if x == pytest.approx((left + right) / 2))
        words = [text for _, text in column]
        parts = [" + ".join([str(block.shape[2] // len(towers))] * len(towers))] if len(towers) > 1 else []
        assert words == ["×".join(map(str, block.shape)), *parts, block.name, *block.caption]
        above = column[: 1 + len(parts)]
        assert max(above)[0] < -max(towers[0].top[:, 1]), "above the block"
        assert all(-y < min(towers[-1].front[:, 1]) for y, _ in column[1 + len(parts) :]), "below it"


def test_two_towers_where_two_groups_keep_the_halves_apart(paper):
    """AlexNet's from conv1, whose halves conv2's groups read, to pool5; eight groups are too many to be drawn apart."""
    halves = {"alexnet": range(1, 9)}.get(paper.network.name, [])
    assert [len(towers) for towers in paper.blocks] == [1 + (n in halves) for n in range(len(paper.blocks))]


def test_the_upper_tower_comes_first_and_towers_do_not_touch(paper):
    for towers in paper.blocks:
        for upper, lower in zip(towers, towers[1:]):
            assert min(upper.front[:, 1]) > max(lower.top[:, 1])
    ends = [max(towers[0].side[:, 0]) for towers in paper.blocks]
    starts = [towers[0].front[0, 0] for towers in paper.blocks]
    assert all(start > end for start, end in zip(starts[1:], ends)), "from left to right"


def test_the_title_counts_what_the_network_has(tmp_path, monkeypatch):
    drawn = catch(monkeypatch)
    plots.architecture(tmp_path / "a.png", mixed())
    # conv 22x18x5 of 3x7x3; pool 11x6 (2x3 windows); conv2 7x3x8 of 5x2x5; fc 168x12; out 12x4
    parameters = 3 * 7 * 3 * 5 + 5 + 5 * 2 * 5 * 8 + 8 + 168 * 12 + 12 + 12 * 4 + 4
    multiply_adds = 22 * 18 * 5 * 63 + 7 * 3 * 8 * 50 + 168 * 12 + 12 * 4
    words = drawn[0].words()
    assert f"mixed: {parameters:,} parameters, {multiply_adds:,} multiply-adds" in words


def test_what_made_each_block():
    blocks = {block.name: block.caption for block in read_blocks(mixed())}
    assert blocks == {
        "input": [],
        "conv": ["convolution", "3×7, pad 0×2", "ReLU"],
        "pool": ["average-pool", "2×3"],
        "conv2": ["convolution", "5×2, stride 1×2"],
        "fc": ["fully connected", "dropout 0.25"],
        "out": ["fully connected"],
    }
    blocks = {block.name: block.caption for block in read_blocks(models.lenet5_1998())}
    assert blocks["C3"] == ["convolution", "5×5", "connection table", "scaled tanh"]
    assert blocks["S4"] == ["subsampling", "2×2", "scaled tanh"]
    assert blocks["F6"] == ["fully connected", "scaled tanh"] and blocks["output"] == ["RBF units"]
    layers = [("conv", Conv2d(1, 2, 3, stride=2, padding=1)), ("pool", MaxPool2d(3, stride=2, padding=1))]
    blocks = {block.name: block.caption for block in read_blocks(Network(layers, (20, 20, 1)))}
    assert blocks["conv"] == ["convolution", "3×3, stride 2", "pad 1"]
    assert blocks["pool"] == ["max-pool", "3×3, stride 2", "pad 1"]
