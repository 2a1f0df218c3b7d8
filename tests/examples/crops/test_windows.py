"""Windows: their portions, their places, and how much of a box they hold, counted pixel by pixel."""

import numpy as np
import pytest

from examples.crops.windows import PLACES, PORTIONS, Window, windows


@pytest.fixture
def some():
    return windows(np.random.default_rng(0), random=3)


def test_every_portion_at_every_place_and_the_whole_once(some):
    assert [window.portion for window in some] == [1.0] + [p for p in PORTIONS[1:] for _ in range(5 + 3)]
    for portion in PORTIONS[1:]:
        places = [window.place for window in some if window.portion == portion]
        assert places == [*PLACES, "random", "random", "random"]


def test_portions_and_places_are_what_they_say(some):
    for window in some:
        assert window.side**2 == pytest.approx(window.portion)
        right, bottom = window.left + window.side, window.top + window.side
        assert window.left >= 0 and window.top >= 0 and right <= 1 + 1e-12 and bottom <= 1 + 1e-12
        if "left" in window.place:
            assert window.left == 0
        if "right" in window.place:
            assert right == pytest.approx(1)
        if "top" in window.place:
            assert window.top == 0
        if "bottom" in window.place:
            assert bottom == pytest.approx(1)
        if window.place == "centre":
            assert window.left == window.top == pytest.approx((1 - window.side) / 2)


def test_the_seed_decides():
    one, same, other = (windows(np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert one == same != other


def test_the_share_of_a_box_counted_in_pixels(some):
    rng = np.random.default_rng(3)
    centres = (np.arange(1000) + 0.5) / 1000
    for window in some:
        left, top = rng.random(2) * 0.7
        right, bottom = left + 0.05 + rng.random() * 0.25, top + 0.05 + rng.random() * 0.25
        across = (centres >= left) & (centres <= right)
        down = (centres >= top) & (centres <= bottom)
        inside_across = across & (centres >= window.left) & (centres <= window.left + window.side)
        inside_down = down & (centres >= window.top) & (centres <= window.top + window.side)
        counted = inside_across.sum() * inside_down.sum() / (across.sum() * down.sum())
        assert window.share_of(np.array([left, top, right, bottom])) == pytest.approx(counted, abs=0.05)


def test_a_window_is_cut_where_it_lies():
    picture = np.random.default_rng(4).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    window = Window("top right", 0.25, 0.5, 0.0)
    np.testing.assert_array_equal(window.cut(picture, (32, 32)), picture[:32, 32:])
    assert window.cut(picture[..., :1], (10, 12)).shape == (10, 12, 1)
