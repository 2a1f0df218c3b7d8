"""Augmentation: each function against its definition, one number at a time, and which random changes it makes."""

import math

import numpy as np
import pytest

from nn.backend import cpu
from nn.data import augmentation as augment
from nn.data import digits
from tests.checks import one_sentence


def pictures(N=4, H=9, W=7, C=3, seed=0, dtype=np.uint8):
    rng = np.random.default_rng(seed)
    if dtype == np.uint8:
        return rng.integers(0, 256, (N, H, W, C), dtype=np.uint8)
    return rng.uniform(0, 1, (N, H, W, C)).astype(dtype)


def generator(seed=3):
    return np.random.default_rng(seed)


COLOURS = (np.array([0.1, 0.2, 0.3]), np.eye(3))
FUNCTIONS = {
    "unit_interval": lambda images: augment.unit_interval(images),
    "lenet5_input": lambda images: augment.lenet5_input(images),
    "distort": lambda images: augment.distort(images, generator()),
    "random_crop": lambda images: augment.random_crop(images, 5, generator()),
    "centre_crop": lambda images: augment.centre_crop(images, 5),
    "ten_crops": lambda images: augment.ten_crops(images, 5),
    "mirror": lambda images: augment.mirror(images, generator()),
    "colour_noise": lambda images: augment.colour_noise(images, COLOURS, generator()),
}
RANDOM = {
    "distort": augment.distort,
    "random_crop": lambda images, rng: augment.random_crop(images, 5, rng),
    "mirror": augment.mirror,
    "colour_noise": lambda images, rng: augment.colour_noise(images, COLOURS, rng),
}


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_float32_comes_out_and_what_goes_in_is_left_alone(name, dtype):
    images = pictures(dtype=dtype)
    before = images.tobytes()
    images.flags.writeable = False
    result = FUNCTIONS[name](images)
    assert result.dtype == np.float32
    assert images.tobytes() == before
    if name != "unit_interval":  # which gives float32 pictures back as they are
        assert not np.may_share_memory(result, images), "the result must be the caller's own"


@pytest.mark.parametrize("name", RANDOM)
def test_the_seed_fixes_what_is_random(name):
    images = pictures(N=40)
    first, again, other = (RANDOM[name](images, generator(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    rng = generator(1)
    assert np.array_equal(first, RANDOM[name](images, rng))
    assert not np.array_equal(first, RANDOM[name](images, rng)), "the next batch must be changed in other ways"


@pytest.mark.parametrize("name", RANDOM)
def test_each_picture_of_a_batch_is_changed_in_its_own_way(name):
    images = np.repeat(pictures(N=1), 40, axis=0)
    assert len(np.unique(RANDOM[name](images, generator()), axis=0)) > 1


# ---------------------------------------------------------------------------------------------------- levels
def test_levels():
    images = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    expected = (np.arange(256) / 255).reshape(1, 16, 16, 1)
    np.testing.assert_allclose(augment.unit_interval(images), expected, rtol=1e-7)
    floats = np.array([-3.5, 0.25, 7], np.float32).reshape(1, 1, 3, 1)
    np.testing.assert_array_equal(augment.unit_interval(floats), floats)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_lenet5_input(dtype):
    images = np.zeros((2, 28, 28, 1), dtype)
    images[0, 0, 0] = images[1, 27, 27] = 255 if dtype == np.uint8 else 1
    images[1, 5, 6] = 51 if dtype == np.uint8 else 0.2
    result = augment.lenet5_input(images)
    assert result.shape == (2, 32, 32, 1)
    for n, h, w in np.ndindex(2, 32, 32):
        level = {(0, 2, 2): 1.175, (1, 29, 29): 1.175, (1, 7, 8): -0.1 + 0.2 * 1.275}.get((n, h, w), -0.1)
        assert result[n, h, w, 0] == pytest.approx(level, abs=1e-6), (n, h, w)


def test_lenet5_input_centres_pictures_of_other_sizes():
    result = augment.lenet5_input(np.ones((1, 20, 27, 1), np.float32))
    assert result.shape == (1, 32, 32, 1)
    rows, columns = np.nonzero(result[0, :, :, 0] > 0)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (6, 25, 2, 28)
    assert augment.lenet5_input(np.ones((1, 32, 32, 1), np.float32)).min() == pytest.approx(1.175)


def test_digits_have_a_mean_of_about_0():
    levels = augment.lenet5_input(digits()[0].images)
    assert abs(levels.mean()) < 0.1
    assert levels.min() == np.float32(-0.1) and levels.max() == pytest.approx(1.175)


# ------------------------------------------------------------------------------------------------ distortions
def seen_through(image, m, fill):
    """The definition in `augment.affine`, one output pixel at a time in Python's own numbers."""
    H, W, C = image.shape
    y = np.zeros(image.shape)
    for h, w, c in np.ndindex(image.shape):
        dh, dw = h - (H - 1) / 2, w - (W - 1) / 2
        source_h = m[0][0] * dh + m[0][1] * dw + m[0][2] + (H - 1) / 2
        source_w = m[1][0] * dh + m[1][1] * dw + m[1][2] + (W - 1) / 2
        top, left = math.floor(source_h), math.floor(source_w)
        for ih in (top, top + 1):
            for iw in (left, left + 1):
                share = (1 - abs(source_h - ih)) * (1 - abs(source_w - iw))
                inside = 0 <= ih < H and 0 <= iw < W
                y[h, w, c] += share * (float(image[ih, iw, c]) if inside else fill)
    return y


SHAPES = [(3, 8, 8, 1), (2, 5, 9, 3), (1, 1, 1, 2), (2, 2, 1, 1), (70, 3, 4, 1)]


@pytest.mark.parametrize("kernel", [augment.affine.plain, cpu.affine], ids=["plain", "fast"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_both_kernels_equal_the_definition_on_random_maps(kernel, shape, dtype):
    rng = np.random.default_rng(0)
    images = rng.normal(0, 1, shape).astype(dtype)
    maps = rng.normal(0, 0.7, (shape[0], 2, 3)) + np.eye(2, 3)
    maps[:, :, 2] *= 3
    out = np.full_like(images, 99)
    kernel(images, maps, 0.375, out)
    expected = np.stack([seen_through(image, m, 0.375) for image, m in zip(images, maps)])
    np.testing.assert_allclose(out, expected, rtol=0, atol=20 * np.finfo(dtype).eps * np.abs(images).max())


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("spread", [0.0, 0.3, 50.0])
def test_plain_equals_fast(shape, spread):
    """Whole pixels, half pixels and the edges of the picture included, where the two could round to different sides."""
    rng = np.random.default_rng(1)
    images = rng.normal(0, 1, shape)
    maps = np.zeros((shape[0], 2, 3)) + np.eye(2, 3)
    maps[:, :, :2] += spread * rng.normal(0, 1, (shape[0], 2, 2))
    maps[:, :, 2] = rng.integers(-2 * max(shape), 2 * max(shape) + 1, (shape[0], 2)) / 2
    plain, fast = np.empty_like(images), np.empty_like(images)
    augment.affine.plain(images, maps, -1.5, plain)
    cpu.affine(images, maps, -1.5, fast)
    np.testing.assert_allclose(plain, fast, rtol=0, atol=1e-11)


STILL = {"shift": 0, "scale": 0, "squeeze": 0, "shear": 0}


def recorded_maps(monkeypatch, N=4000, **ranges):
    """The maps that `distort` draws, instead of the pictures that they give."""
    maps = []

    def affine(images, part, fill, out):
        maps.append(part.copy())
        out[...] = 0

    monkeypatch.setattr(augment, "affine", affine)
    augment.distort(np.zeros((N, 2, 2, 1), np.float32), generator(), **{**STILL, **ranges})
    maps = np.concatenate(maps)
    assert maps.shape == (N, 2, 3)
    assert np.all(maps[:, 0, 1] == 0), "rows stay rows"
    return maps


def test_without_ranges_nothing_happens():
    images = pictures(N=130, dtype=np.float32)
    np.testing.assert_allclose(augment.distort(images, generator(), **STILL), images, atol=1e-7)


def test_bytes_are_read_as_0_to_1():
    images = pictures()
    expected = augment.distort((images / 255).astype(np.float32), generator())
    np.testing.assert_allclose(augment.distort(images, generator()), expected, atol=1e-6)


def test_many_pictures_are_distorted_as_if_by_one_thread(monkeypatch):
    images = pictures(N=300, dtype=np.float32)
    result = augment.distort(images, generator(), fill=0.5)
    monkeypatch.setattr("nn.backend.cpu.affine_map.split", lambda count, parts: [slice(0, count)])
    assert np.array_equal(result, augment.distort(images, generator(), fill=0.5))


class Extremes:
    """Stands for a generator: every number is the highest, or the lowest, of its range."""

    def __init__(self, highest):
        self.highest = highest

    def uniform(self, low, high, size):
        return np.full(size, high if self.highest else low, np.float64)

    def random(self, size):
        return np.zeros(size)


@pytest.mark.parametrize("highest", [True, False])
@pytest.mark.parametrize("pixels", [1, 2, 3])
def test_a_shift_by_whole_pixels(pixels, highest):
    images = pictures(dtype=np.float32)
    result = augment.distort(images, Extremes(highest), **{**STILL, "shift": pixels}, fill=0.25)
    # Both shifts are extreme: what was at (h, w) is now `pixels` nearer to one corner, and `fill` comes in behind it.
    expected = np.full_like(images, 0.25)
    if highest:
        expected[:, :-pixels, :-pixels] = images[:, pixels:, pixels:]
    else:
        expected[:, pixels:, pixels:] = images[:, :-pixels, :-pixels]
    np.testing.assert_allclose(result, expected, atol=1e-6)


def test_far_outside_is_fill_alone():
    result = augment.distort(pictures(), Extremes(True), shift=1000, fill=-0.1)
    np.testing.assert_array_equal(result, np.float32(-0.1))


def test_shifts_keep_to_their_range(monkeypatch):
    maps = recorded_maps(monkeypatch, shift=2.5)
    np.testing.assert_array_equal(maps[:, :, :2] - np.eye(2), 0)
    for axis in range(2):
        shifts = maps[:, axis, 2]
        assert -2.5 <= shifts.min() < -2.45 and 2.45 < shifts.max() <= 2.5
        assert abs(shifts.mean()) < 5 * 2.5 / math.sqrt(3 * len(shifts))
    assert abs(np.corrcoef(maps[:, 0, 2], maps[:, 1, 2])[0, 1]) < 0.1, "up and sideways are drawn apart"


def test_scales_keep_to_their_range(monkeypatch):
    maps = recorded_maps(monkeypatch, scale=0.2)
    np.testing.assert_allclose(maps[:, 0, 0], maps[:, 1, 1])
    assert 0.8 <= maps[:, 0, 0].min() < 0.81 and 1.19 < maps[:, 0, 0].max() <= 1.2
    assert not maps[:, 1, 0].any() and not maps[:, :, 2].any()


def test_squeezes_keep_the_area_and_their_range(monkeypatch):
    maps = recorded_maps(monkeypatch, squeeze=0.25)
    np.testing.assert_allclose(maps[:, 0, 0] * maps[:, 1, 1], 1)
    ratio = maps[:, 0, 0]
    assert 1 / 1.25 <= ratio.min() < 0.81 and 1.24 < ratio.max() <= 1.25 + 1e-12
    assert np.mean(ratio > 1) == pytest.approx(0.5, abs=5 * 0.5 / math.sqrt(len(ratio)))


def test_shears_keep_to_their_range(monkeypatch):
    maps = recorded_maps(monkeypatch, shear=0.3)
    np.testing.assert_array_equal(maps[:, [0, 1], [0, 1]], 1)
    assert -0.3 <= maps[:, 1, 0].min() < -0.29 and 0.29 < maps[:, 1, 0].max() <= 0.3


def test_a_shear_moves_rows_sideways():
    image = np.zeros((1, 5, 7, 1), np.float32)
    image[0, :, 3] = 1
    result = augment.distort(image, Extremes(True), **{**STILL, "shear": 1.0})[0, :, :, 0]
    # One pixel sideways for each pixel up or down: an upright line becomes a diagonal one, still through the centre.
    assert sorted(result.argmax(axis=1).tolist()) == [1, 2, 3, 4, 5]
    assert result[2, 3] == 1
    np.testing.assert_allclose(result.sum(axis=1), 1)


def test_the_defaults_are_all_four_kinds():
    images = np.repeat(pictures(N=1, dtype=np.float32), 30, axis=0)
    explicit = augment.distort(images, generator(), shift=2.0, scale=0.15, squeeze=0.15, shear=0.3, fill=0.0)
    assert np.array_equal(augment.distort(images, generator()), explicit)


# ------------------------------------------------------------------------------------------------------ crops
def numbered(N=3, H=6, W=8, C=2):
    return np.arange(N * H * W * C, dtype=np.float32).reshape(N, H, W, C)


def test_random_crops_are_windows_and_every_window_comes():
    images = numbered(N=600)
    result = augment.random_crop(images, 5, generator())
    assert result.shape == (600, 5, 5, 2)
    corners = set()
    for image, crop in zip(images, result):
        first = int(crop[0, 0, 0] - image[0, 0, 0]) // 2
        top, left = divmod(first, 8)
        assert np.array_equal(crop, image[top : top + 5, left : left + 5])
        corners.add((top, left))
    assert corners == {(top, left) for top in range(2) for left in range(4)}


@pytest.mark.parametrize("size, top, left", [(1, 2, 3), (2, 2, 3), (3, 1, 2), (4, 1, 2), (5, 0, 1), (6, 0, 1)])
def test_the_centre_crop(size, top, left):
    images = numbered()
    expected = images[:, top : top + size, left : left + size]
    assert np.array_equal(augment.centre_crop(images, size), expected)


def test_ten_crops_and_their_order():
    images = numbered()
    result = augment.ten_crops(images, 4)
    assert result.shape == (10, 3, 4, 4, 2)
    places = [(0, 0), (0, 4), (2, 0), (2, 4), (1, 2)]
    for i, (top, left) in enumerate(places):
        window = images[:, top : top + 4, left : left + 4]
        assert np.array_equal(result[i], window), f"crop {i}"
        assert np.array_equal(result[i + 5], window[:, :, ::-1]), f"crop {i}, mirrored"


def test_a_crop_of_the_whole_picture():
    images = numbered(H=6, W=6)
    assert np.array_equal(augment.random_crop(images, 6, generator()), images)
    assert np.array_equal(augment.centre_crop(images, 6), images)
    ten = augment.ten_crops(images, 6)
    assert all(np.array_equal(crop, images) for crop in ten[:5])
    assert all(np.array_equal(crop, images[:, :, ::-1]) for crop in ten[5:])


@pytest.mark.parametrize("size", [0, 7, -1])
def test_a_window_that_does_not_fit(size):
    images = numbered()
    for crop in (augment.centre_crop, augment.ten_crops, lambda *a: augment.random_crop(*a, generator())):
        with one_sentence(ValueError, f"{size}x{size}", "6x8"):
            crop(images, size)


def test_mirror_turns_about_half_of_the_pictures():
    images = numbered(N=2000, H=2, W=3)
    turned = 0
    for image, result in zip(images, augment.mirror(images, generator())):
        assert np.array_equal(result, image) or np.array_equal(result, image[:, ::-1])
        turned += not np.array_equal(result, image)
    assert abs(turned - 1000) < 5 * math.sqrt(500)


# ----------------------------------------------------------------------------------------------------- colours
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_principal_colours_are_those_of_the_covariance(dtype):
    images = pictures(N=50, dtype=dtype)
    images[..., 1] = images[..., 0] // 2 if dtype == np.uint8 else images[..., 0] / 2  # colours that go together
    values, vectors = augment.principal_colours(images)
    pixels = images.reshape(-1, 3).astype(np.float64) / (255 if dtype == np.uint8 else 1)
    covariance = np.cov(pixels, rowvar=False, bias=True)
    assert values.shape == (3,) and vectors.shape == (3, 3)
    np.testing.assert_allclose(covariance @ vectors, vectors * values, atol=1e-7)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(np.sort(values), np.sort(np.linalg.eigvalsh(covariance)), atol=1e-7)


def test_principal_colours_of_more_pixels_than_are_read_at_once():
    images = np.random.default_rng(0).integers(0, 256, (3, 700, 700, 3), dtype=np.uint8)
    values, _ = augment.principal_colours(images)
    covariance = np.cov(images.reshape(-1, 3) / 255, rowvar=False, bias=True)
    np.testing.assert_allclose(values, np.linalg.eigvalsh(covariance), rtol=1e-6)


class Drawn:
    """Stands for a generator: remembers what was asked for and gives known numbers."""

    def normal(self, mean, std, size):
        self.asked = mean, std, size
        self.numbers = np.random.default_rng(5).normal(0, 1, size)
        return self.numbers


@pytest.mark.parametrize("white", [1.0, 255.0])
def test_colour_noise_is_the_paper_s_formula(white):
    images = pictures(dtype=np.float32) * np.float32(white)
    values, vectors = augment.principal_colours(pictures(N=20, seed=1))
    rng = Drawn()
    result = augment.colour_noise(images, (values, vectors), rng, std=0.2, white=white)
    mean, std, size = rng.asked
    assert (mean, std) == (0.0, 0.2)
    assert tuple(size) == (4, 3), "three draws for each picture, not for each pixel"
    for n, h, w, c in np.ndindex(images.shape):
        added = white * sum(vectors[c, i] * rng.numbers[n, i] * values[i] for i in range(3))
        assert result[n, h, w, c] == pytest.approx(images[n, h, w, c] + added, abs=1e-6 * white)


def test_the_noise_has_the_covariance_that_the_formula_promises():
    values, vectors = np.array([0.5, 1.0, 2.0]), np.linalg.qr(generator().normal(size=(3, 3)))[0]
    noise = augment.colour_noise(np.zeros((20_000, 1, 1, 3), np.float32), (values, vectors), generator())[:, 0, 0]
    expected = vectors @ np.diag((0.1 * values) ** 2) @ vectors.T  # std 0.1; the eigenvalues, not their roots
    np.testing.assert_allclose(np.cov(noise, rowvar=False), expected, atol=5 * 0.04 * math.sqrt(2 / 20_000))


# ------------------------------------------------------------------------------------------------ coarser images
def test_half_of_the_images_lose_what_fewer_pixels_cannot_show():
    """Waves: of those with more than one crest in two pixels of the coarse image nothing is left."""
    across = np.arange(128)
    images = np.empty((600, 128, 128, 3), np.uint8)
    periods = np.array([4, 16, 64])  # pixels, in the three channels
    images[:] = (127.5 + 100 * np.cos(2 * np.pi * across[:, None] / periods)).astype(np.uint8)
    soft = augment.soften(images, np.random.default_rng(0))
    assert soft.shape == images.shape and soft.dtype == np.uint8 and not np.shares_memory(soft, images)
    changed = (soft != images).any(axis=(1, 2, 3))
    assert 0.42 < changed.mean() < 0.58  # half of them, four standard errors of 600
    left = soft[changed].std(axis=(1, 2)) / images[0].std(axis=(0, 1))
    fine, middle, coarse = left.T
    assert coarse.min() > 0.9  # four pixels of 32, the coarsest, show 16 of these
    assert fine.min() < 0.05 < 0.5 < fine.max()  # from 32 pixels, which cannot show a period of 4, to nearly all
    assert middle.min() > 0.4
    np.testing.assert_allclose(soft.mean(axis=(1, 2)), images.mean(axis=(1, 2)), atol=3)


def test_how_coarse_at_most():
    checks = np.indices((64, 64)).sum(axis=0)[None, :, :, None].repeat(50, axis=0) % 2 * np.uint8(255)
    one = augment.soften(checks.astype(np.uint8), np.random.default_rng(1), least=1)
    np.testing.assert_array_equal(one, checks)  # brought to all of its side: nothing is lost
    soft = augment.soften(checks.astype(np.uint8), np.random.default_rng(1), least=1 / 8)
    assert soft.shape == checks.shape and sorted(soft.std(axis=(1, 2, 3)))[0] < 10


# ------------------------------------------------------------------------------------------------ random portions
def test_portions_are_windows_of_every_size_everywhere():
    """Each pixel holds its own place, so that the result tells which window it is."""
    ramp = np.linspace(0, 255, 128).round().astype(np.uint8)
    image = np.zeros((128, 128, 3), np.uint8)
    image[..., 0], image[..., 1] = ramp[:, None], ramp[None, :]
    portions = augment.random_portions(np.repeat(image[None], 400, axis=0), (32, 32), np.random.default_rng(0))
    assert portions.shape == (400, 32, 32, 3) and portions.dtype == np.uint8
    assert portions[..., 2].max() == 0
    rows, columns = portions[:, :, 16, 0].astype(float), portions[:, 16, :, 1].astype(float)
    # From the middle of the first of 32 pixels to that of the last: 31/32 of the window.
    heights, widths = ((line[:, -1] - line[:, 0]) / 255 * 32 / 31 for line in (rows, columns))
    np.testing.assert_allclose(heights, widths, atol=0.03)
    assert 0.24 < heights.min() < 0.27 and 0.97 < heights.max() < 1.02
    assert abs(heights.mean() - 0.625) < 0.04  # uniform between 1/4 and 1; its standard error is 0.011
    room = 1 - heights
    top = rows[:, 0] / 255 - heights / 64
    free = room > 0.2
    shares = top[free] / room[free]
    assert shares.min() > -0.1 and shares.max() < 1.1 and abs(shares.mean() - 0.5) < 0.08
    across = (columns[:, 0] / 255 - widths / 64)[free] / room[free]
    # Down and across are drawn by themselves: a correlation of more than 0.3 has a chance of one in a million.
    assert abs(np.corrcoef(shares, across)[0, 1]) < 0.3


def test_portions_of_grey_pictures_and_of_all():
    image = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 1), dtype=np.uint8)
    whole = augment.random_portions(image, (16, 16), np.random.default_rng(0), least=1)
    np.testing.assert_array_equal(whole, image)
    assert augment.random_portions(image, (8, 4), np.random.default_rng(0)).shape == (2, 8, 4, 1)
