"""What the pictures of answers, looks and crops show: every number is read back from the axes, in its place."""

from dataclasses import dataclass

import numpy as np
import pytest
from matplotlib.colors import same_color

from nn import plots
from nn.plots.style import COLOURS, MARKERS, RIGHT, WRONG
from tests.drawn import catch

NAMES = ("ant", "bee", "cat", "dog", "eel", "fox", "gnu")
RNG = np.random.default_rng(0)


def pictures(count, channels, height=9):
    return [RNG.integers(0, 256, (height, 9, channels), dtype=np.uint8) for _ in range(count)]


def in_reading_order(axes):
    """From the upper left to the lower right, by the axes' upper edges."""
    return sorted(axes, key=lambda one: (-round(one.get_position().y1, 6), one.get_position().x0))


def just_above(axes, figure):
    """The text that begins at the axes' left edge, nearest above their upper edge."""
    box = axes.get_position()
    texts = [
        text for text in figure.texts if text.get_position()[1] > box.y1 and text.get_position()[0] <= box.x0 + 0.02
    ]
    texts = [text for text in texts if text.get_position()[0] > box.x0 - 0.02]
    return min(texts, key=lambda text: text.get_position()[1]).get_text()


@pytest.mark.parametrize("channels", [1, 3])
def test_each_picture_with_the_bars_of_its_five_likeliest_classes(tmp_path, monkeypatch, channels):
    drawn = catch(monkeypatch)
    shown, chances = pictures(4, channels), RNG.dirichlet(np.ones(7), 4)
    titles = ["p.png", "q.png", "r.png", "s.png"]
    plots.answers(tmp_path / "a.png", titles, shown, chances, NAMES)
    frames = in_reading_order(axes for axes in drawn[0].axes if axes.images)
    bars = in_reading_order(axes for axes in drawn[0].axes if axes.patches)
    assert len(frames) == len(bars) == 4
    for title, image, shares, left, right in zip(titles, shown, chances, frames, bars):
        np.testing.assert_array_equal(left.images[0].get_array(), image[..., 0] if channels == 1 else image)
        assert (left.images[0].norm.vmin, left.images[0].norm.vmax) == (0, 255)
        assert list(left.images[0].to_rgba(np.array([0.0, 255.0]))[:, 0]) == [0, 1], "from black to white"
        assert just_above(left, left.figure) == title
        assert (
            left.get_position().y0 == pytest.approx(right.get_position().y0)
            and left.get_position().x1 < right.get_position().x0
        )
        likeliest = sorted(range(7), key=lambda label: -shares[label])[:5]
        (low, high), (bottom, top) = right.get_xlim(), right.get_ylim()
        assert (low, high) == (0, 1) and bottom > top, "the first row is the highest"
        lengths = {round(bar.get_y() + bar.get_height() / 2, 2): bar.get_width() for bar in right.patches if bar.zorder}
        assert [*lengths.values()] == pytest.approx([shares[label] for label in likeliest])
        tracks = [bar for bar in right.patches if not bar.zorder]
        assert len(tracks) == 5 and all(bar.get_width() == 1 for bar in tracks), "what a certain answer would fill"
        for row, label in enumerate(likeliest):  # the words stand over their bar
            (place,) = (y for y in lengths if row - 0.5 < y < row + 0.5)
            words = [text.get_text() for text in right.texts if abs(text.get_position()[1] - row) < 0.1]
            assert place > row and words == [NAMES[label], f"{100 * shares[label]:.1f} %"]
        first, *others = (bar.get_facecolor() for bar in right.patches if bar.zorder)
        assert same_color(first, COLOURS[0]) and not any(same_color(first, other) for other in others)


def test_gradient_and_fall_lie_in_their_own_panels(tmp_path, monkeypatch):
    drawn = catch(monkeypatch)
    shown, chances = pictures(2, 3, height=8), RNG.dirichlet(np.ones(7), 2)
    maps = [(RNG.uniform(-0.4, 0.7, (8, 9)), RNG.uniform(0, 5, (8, 9))) for _ in range(2)]
    plots.looks(tmp_path / "a.png", ["p.png", "q.png"], shown, chances, maps, NAMES)
    figure = drawn[0].axes[0].figure
    panels = in_reading_order(axes for axes in drawn[0].axes if axes.images)
    bars = in_reading_order(axes for axes in drawn[0].axes if not axes.images)
    assert len(panels) == 6 and len(bars) == 2
    headings = {text.get_position()[0]: text.get_text() for text in figure.texts}
    for column, word in enumerate(("reads", "gradient", "covered")):
        box = panels[column].get_position()
        (heading,) = (text for x, text in headings.items() if x == pytest.approx((box.x0 + box.x1) / 2))
        assert word in heading
    for row, (title, image, shares, (fall, gradient)) in enumerate(zip("pq", shown, chances, maps)):
        reads, change, covered = panels[3 * row : 3 * row + 3]
        for axes in (reads, change, covered):
            np.testing.assert_array_equal(axes.images[0].get_array(), image)
        assert len(reads.images) == 1
        (_, over) = change.images
        np.testing.assert_allclose(over.get_array(), gradient / gradient.max())
        assert (over.norm.vmin, over.norm.vmax) == (0, 1)
        (_, over) = covered.images
        np.testing.assert_array_equal(over.get_array(), fall)
        most = np.abs(fall).max()
        assert (over.norm.vmin, over.norm.vcenter, over.norm.vmax) == (-most, 0, most)
        for axes in (change, covered):  # pixel on pixel, and the picture shines through
            assert axes.images[1].get_extent() == axes.images[0].get_extent()
            assert 0.3 < axes.images[1].get_alpha() < 0.9
        label = max(range(7), key=lambda number: shares[number])
        assert just_above(reads, figure) == f"{title}.png: {NAMES[label]}, {100 * shares[label]:.0f} %"
        ticks = {tick.get_loc(): tick.label2.get_text() for tick in bars[row].yaxis.get_major_ticks()}
        assert ticks == {-most: f"−{100 * most:.0f} %", 0: "0", most: f"+{100 * most:.0f} %"}


# ------------------------------------------------------------------------------------------------- crops
@dataclass(frozen=True)
class Window:
    """One whose crops are all of one grey, by which a tile is known."""

    place: str
    portion: float
    left: float
    top: float
    number: int

    @property
    def side(self):
        return self.portion**0.5

    def cut(self, image, size):
        assert size == (180, 180)
        return np.full((*size, image.shape[2]), self.number, np.uint8)


PLACES = ("centre", "top left", "top right", "bottom left", "random")
WINDOWS = [Window("centre", 1.0, 0, 0, 0)]
WINDOWS += [
    Window(place, portion, 0.1 * column, 0.05 + 0.02 * column, 1 + column + 5 * row)
    for row, portion in enumerate((0.5, 0.25))
    for column, place in enumerate(PLACES)
]


@pytest.mark.parametrize("channels", [1, 3])
def test_each_tile_shows_its_own_crop_and_what_was_answered(tmp_path, monkeypatch, channels):
    drawn = catch(monkeypatch)
    image = RNG.integers(200, 256, (100, 100, channels), dtype=np.uint8)
    probabilities, label = RNG.dirichlet(np.ones(3), len(WINDOWS)), 1
    plots.crops(tmp_path / "a.png", "title", image, WINDOWS, probabilities, label, NAMES)
    figure = drawn[0].axes[0].figure
    places = [axes for axes in drawn[0].axes if axes.patches]
    tiles = in_reading_order(axes for axes in drawn[0].axes if not axes.patches)
    assert len(places) == 1 and len(tiles) == len(WINDOWS)
    texts = [(*text.get_position(), text) for text in figure.texts]
    for tile, window, shares in zip(tiles, WINDOWS, probabilities):
        assert (tile.images[0].get_array() == window.number).all()
        box = tile.get_position()
        centre = pytest.approx((box.x0 + box.x1) / 2)
        words = sorted(((y, text) for x, y, text in texts if x == centre and box.y0 - 0.1 < y < box.y0), reverse=True)
        answer = int(shares.argmax())
        mark, colour = ("✓", RIGHT) if answer == label else ("✗", WRONG)
        said = [f"{mark} {NAMES[answer]}", f"{100 * shares[answer]:.0f} %"]
        assert [text.get_text() for _, text in words] == said
        assert all(same_color(text.get_color(), colour) for _, text in words)
        assert all(same_color(spine.get_edgecolor(), colour) for spine in tile.spines.values())
        beside = [text.get_text() for x, y, text in texts if x < box.x0 and y == pytest.approx((box.y0 + box.y1) / 2)]
        assert f"{100 * window.portion:g} %" in beside
        if window.portion < 1:
            assert window.place in [
                text.get_text() for x, y, text in texts if x == centre and y > tiles[0].get_position().y1
            ]
    (shown,) = places[0].images
    np.testing.assert_array_equal(shown.get_array(), image[..., 0] if channels == 1 else image)
    for rectangle, portion in zip(places[0].patches, (0.5, 0.25)):  # a pixel's middle is a whole number
        (window,) = (w for w in WINDOWS if w.portion == portion and w.place == "centre")
        assert rectangle.get_xy() == pytest.approx((100 * window.left - 0.5, 100 * window.top - 0.5))
        assert rectangle.get_width() == rectangle.get_height() == pytest.approx(100 * portion**0.5)


PORTIONS = (1.0, 0.5, 0.25)
BOUNDS = (0, 0.25, 0.5, 1)


def results():
    def measured():
        return {"mean": RNG.uniform(0.2, 0.9), "standard_error": RNG.uniform(0.01, 0.04)}

    def row(**place):
        return place | {"accuracy": measured(), "confidence": measured()}

    return {
        name: {
            "by_portion": {group: [row(portion=p) for p in PORTIONS] for group in ("centre", "corners", "random")},
            "by_held": [row(**{"from": a, "to": b}) for a, b in zip(BOUNDS, BOUNDS[1:])],
        }
        for name in ("LeNet", "AlexNet")
    }


@pytest.mark.parametrize("boxes", [True, False])
def test_crop_curves_in_the_panel_whose_title_says_so(tmp_path, monkeypatch, boxes):
    drawn = catch(monkeypatch)
    told = results()
    told["LeNet"]["by_portion"]["random"][1]["accuracy"] = None
    if not boxes:
        for result in told.values():
            del result["by_held"]
    plots.crop_curves(tmp_path / "a.png", told, 1234, 4)
    panels = {
        "Centre crops": ("centre", "accuracy", "right answers"),
        "Random crops": ("random", "accuracy", "right answers"),
        "Centre crops: how sure of the right class": ("centre", "confidence", "mean probability"),
        "Corner crops": ("corners", "accuracy", "right answers"),
        "All crops, by how much of the object they hold": (None, "accuracy", "right answers"),
    }
    assert len(drawn[0].axes) == 4
    for axes in drawn[0].axes:
        group, what, words = panels.pop(axes.get_title())
        assert words in axes.get_ylabel()
        assert ("object's box" in axes.get_xlabel()) == (group is None) == ("area" not in axes.get_xlabel())
        for index, ((name, result), container) in enumerate(zip(told.items(), axes.containers, strict=True)):
            rows = result["by_portion"][group] if group else result["by_held"]
            points = [
                (100 * row["portion"] if group else number, 100 * row[what]["mean"], 100 * row[what]["standard_error"])
                for number, row in enumerate(rows)
                if row[what] is not None
            ]
            line, _, (bars,) = container.lines
            np.testing.assert_allclose(line.get_xydata(), [point[:2] for point in points])
            expected = [[(x, mean - 2 * error), (x, mean + 2 * error)] for x, mean, error in points]
            np.testing.assert_allclose(bars.get_segments(), expected)
            assert same_color(line.get_color(), COLOURS[index]) and line.get_marker() == MARKERS[index]
            assert container.get_label() == name
        (guess,) = (line for line in axes.get_lines() if line.get_linestyle() == ":")
        assert list(guess.get_ydata()) == [25, 25]
        low, high = axes.get_xlim()
        assert low > high, "from the whole picture to the smallest piece"
        ticks = {round(tick.get_loc(), 9): tick.label1.get_text() for tick in axes.xaxis.get_major_ticks()}
        by_portion, by_held = {100: "100", 50: "50", 25: "25"}, {0: "0–25", 1: "25–50", 2: "50–100"}
        assert ticks == (by_portion if group else by_held)
        assert axes.get_ylim() == (0, 102) and axes.get_xscale() == ("log" if group else "linear")
    figure = drawn[0].axes[0].figure
    assert list(panels) == ["Corner crops" if boxes else "All crops, by how much of the object they hold"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["LeNet", "AlexNet"]
    assert figure.get_supxlabel().startswith("1,234 images; bars: two standard errors each way")
