"""One picture to bytes: every mode Pillow has, every EXIF orientation, and the square in the middle."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from nn.data import pixels
from nn.data.pixels import read_picture
from tests.fuzz import peak, reset_peak

RGB = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
GREY = RGB[..., 0]


def stored(image, format="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    buffer.seek(0)
    return buffer


def luma(rgb):
    return np.rint(rgb @ np.array([0.299, 0.587, 0.114])).astype(int)


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "PPM", "TGA", "WEBP"])
def test_lossless_formats_give_their_pixels(format):
    options = {"lossless": True} if format == "WEBP" else {}
    picture = read_picture(stored(Image.fromarray(RGB), format, **options))
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture, RGB)


def test_grey_becomes_three_equal_channels_and_stays_one_when_asked():
    np.testing.assert_array_equal(read_picture(stored(Image.fromarray(GREY))), np.stack([GREY] * 3, axis=-1))
    np.testing.assert_array_equal(read_picture(stored(Image.fromarray(GREY)), channels=1), GREY[..., np.newaxis])


def test_colour_becomes_grey_by_its_luma():
    picture = read_picture(stored(Image.fromarray(RGB)), channels=1)
    assert picture.shape == (6, 9, 1)
    assert np.abs(picture[..., 0].astype(int) - luma(RGB)).max() <= 1


def test_black_and_white():
    bits = GREY > 127
    np.testing.assert_array_equal(read_picture(stored(Image.fromarray(bits)), channels=1)[..., 0], bits * 255)


def test_palette():
    image = Image.new("P", (3, 1))
    image.putpalette([10, 20, 30, 200, 100, 50, 7, 8, 9])
    image.putdata([2, 0, 1])
    for format in ("PNG", "GIF"):
        assert read_picture(stored(image, format)).tolist() == [[[7, 8, 9], [10, 20, 30], [200, 100, 50]]]


@pytest.mark.parametrize("opacity", [0, 51, 255])
def test_what_is_transparent_shows_white_paper(opacity):
    rgba = np.concatenate([RGB, np.full((6, 9, 1), opacity, np.uint8)], axis=-1)
    expected = (RGB * (opacity / 255) + 255 * (1 - opacity / 255)).astype(int)
    assert np.abs(read_picture(stored(Image.fromarray(rgba))).astype(int) - expected).max() <= 1
    grey = Image.fromarray(np.stack([GREY, np.full_like(GREY, opacity)], axis=-1))
    assert grey.mode == "LA"
    expected = (GREY * (opacity / 255) + 255 * (1 - opacity / 255)).astype(int)
    assert np.abs(read_picture(stored(grey), channels=1)[..., 0].astype(int) - expected).max() <= 1


def test_grey_that_is_stored_times_its_opacity():
    """A grey 60 of opacity 120 adds 60 to what the white paper shows through it: 255 times the other 135 of 255."""
    grey = Image.fromarray(np.array([[[60, 120], [9, 255], [0, 0]]], np.uint8))
    tiff = stored(grey, "TIFF").getvalue()
    tag = struct.pack("<HHIH", 338, 3, 1, 2)  # ExtraSamples 2: opacity; 1: opacity that the colours are multiplied by
    assert tiff.count(tag) == 1
    multiplied = io.BytesIO(tiff.replace(tag, struct.pack("<HHIH", 338, 3, 1, 1)))
    try:
        assert Image.open(multiplied).mode == "La"
    except Image.UnidentifiedImageError:
        pytest.skip("this version of Pillow does not read such a file")
    assert read_picture(multiplied, channels=1)[0, :, 0].tolist() == [195, 9, 255]


def test_a_transparent_palette_entry_and_a_transparent_colour_show_white():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putdata([0, 1])
    for format in ("PNG", "GIF"):
        assert read_picture(stored(image, format, transparency=1)).tolist() == [[[10, 20, 30], [255, 255, 255]]]
    colours = Image.fromarray(np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8))
    assert read_picture(stored(colours, transparency=(4, 5, 6))).tolist() == [[[1, 2, 3], [255, 255, 255]]]


def test_cmyk():
    image = Image.new("CMYK", (2, 1))
    image.putdata([(0, 0, 0, 0), (0, 255, 255, 0)])
    assert read_picture(stored(image, "TIFF")).tolist() == [[[255, 255, 255], [255, 0, 0]]]
    wide = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    assert np.abs(read_picture(stored(wide, "JPEG")).astype(int) - [255, 0, 0]).max() <= 3


def png_of_16_bits(values):
    """A grey PNG with 16 bits a pixel, put together by hand."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    rows = b"".join(b"\x00" + struct.pack(f">{len(row)}H", *row) for row in values)
    header = struct.pack(">IIBBBBB", len(values[0]), len(values), 16, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_16_bits_keep_the_upper_half_and_do_not_turn_white():
    values = [[0, 257, 32768, 65535], [128, 129, 5140, 60000]]
    picture = read_picture(io.BytesIO(png_of_16_bits(values)), channels=1)[..., 0]
    assert picture.tolist() == [[round(value / 257) for value in row] for row in values]
    pgm = b"P5 4 1 65535\n" + struct.pack(">4H", 0, 257, 32768, 65535)
    assert read_picture(io.BytesIO(pgm), channels=1)[0, :, 0].tolist() == [0, 1, 128, 255]
    tiff = stored(Image.fromarray(np.array(values, np.uint16)), "TIFF")
    assert read_picture(tiff, channels=1)[..., 0].tolist() == picture.tolist()


@pytest.mark.parametrize("values", [np.full((2, 2), 0.5, np.float32), np.full((2, 2), 70_000, np.int32)])
def test_pixels_without_a_fixed_white_are_refused(values):
    with pytest.raises(ValueError, match="no fixed white"):
        read_picture(stored(Image.fromarray(values), "TIFF"))


# What a viewer does with a stored array to show it upright, for each value of the EXIF tag.
SHOWN = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("orientation", SHOWN)
@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP"])
def test_exif_orientation(orientation, format):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if format == "WEBP" else {}
    picture = read_picture(stored(Image.fromarray(RGB), format, exif=exif, **options))
    np.testing.assert_array_equal(picture, SHOWN[orientation](RGB))


def test_exif_orientation_of_a_photograph_that_is_cut_out():
    stripes = np.zeros((400, 600, 3), np.uint8)
    stripes[:, 100:300] = 255  # of the square in the middle, 100..500, the left half is white
    exif = Image.Exif()
    exif[0x0112] = 6
    photograph = stored(Image.fromarray(stripes), "JPEG", quality=95, exif=exif)
    picture = read_picture(photograph, image_size=40).astype(int)
    assert picture.shape == (40, 40, 3)
    assert picture[2:18].min() > 240 and picture[22:].max() < 15  # turned clockwise: left is up


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_broken_exif_does_not_cost_the_picture(monkeypatch):
    picture = stored(Image.fromarray(RGB), "PNG", exif=b"Exif\x00\x00MM\x00\x2a\xff\xff\xff\xff broken")
    np.testing.assert_array_equal(read_picture(picture), RGB)
    monkeypatch.setattr(Image.Image, "getexif", lambda _: struct.unpack("I", b"cut"))
    np.testing.assert_array_equal(read_picture(picture), RGB)


@pytest.mark.parametrize(("height", "width"), [(30, 50), (50, 30), (40, 40), (31, 50)])
def test_the_square_in_the_middle_with_the_short_side_as_wanted(height, width):
    rows, columns = np.mgrid[:height, :width]
    ramp = np.stack([rows * 4, columns * 4, 0 * rows], axis=-1).astype(np.uint8)
    picture = read_picture(stored(Image.fromarray(ramp)), image_size=10).astype(float)
    side = min(height, width)
    centres = (np.arange(10) + 0.5) * side / 10 - 0.5
    assert picture.shape == (10, 10, 3)
    # Away from the border, where a ramp is no longer one, resizing keeps it.
    np.testing.assert_allclose(picture[2:-2, 5, 0], 4 * (centres + (height - side) / 2)[2:-2], atol=1)
    np.testing.assert_allclose(picture[5, 2:-2, 1], 4 * (centres + (width - side) / 2)[2:-2], atol=1)


@pytest.mark.parametrize("size", [28, 100, 224, 227, (20, 30)])
def test_every_size_can_be_brought_to_every_other(size):
    """A rounding error once put the part's corner outside the picture, for one size in forty."""
    for length in range(1, 1000):
        for shape in ((length, 1000), (1000, length), (length, 4 * length // 3 + 1)):
            wanted = (size, size) if isinstance(size, int) else size
            assert pixels.fit(Image.new("1", shape), size).size == wanted[::-1]


def test_a_picture_of_the_wanted_size_keeps_its_pixels_and_a_small_one_grows():
    square = RGB[:, :6]
    np.testing.assert_array_equal(read_picture(stored(Image.fromarray(square)), image_size=6), square)
    assert read_picture(stored(Image.new("RGB", (1, 1), (9, 8, 7))), image_size=5).tolist() == [[[9, 8, 7]] * 5] * 5


def test_a_long_thin_picture_needs_no_huge_one_in_between():
    picture = read_picture(stored(Image.new("RGB", (60_000, 1), (1, 2, 3))), image_size=224)
    assert picture.shape == (224, 224, 3) and (picture == [1, 2, 3]).all()


def test_large_jpegs_look_the_same_as_when_decoded_in_full(monkeypatch):
    detailed = Image.fromarray(np.kron(RGB, np.ones((10, 10, 1), np.uint8))).resize(
        (900, 600), Image.Resampling.BICUBIC
    )
    full = read_picture(stored(detailed), image_size=100).astype(int)
    decoded = []
    original = Image.Image.resize
    monkeypatch.setattr(
        Image.Image, "resize", lambda self, *a, **k: decoded.append(self.size) or original(self, *a, **k)
    )
    fast = read_picture(stored(detailed, "JPEG", quality=98), image_size=100).astype(int)
    assert decoded == [(450, 300)]  # at half its size, which is the least that is at least twice 100
    assert np.abs(full - fast).mean() < 2


def test_the_first_frame_of_an_animation():
    frames = [Image.new("RGB", (4, 4), colour) for colour in ((255, 0, 0), (0, 0, 255))]
    picture = read_picture(stored(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert (picture == [255, 0, 0]).all()


def test_too_many_pixels_are_refused_before_they_are_unpacked(monkeypatch):
    bomb = stored(Image.new("L", (1000, 1000)))
    assert len(bomb.getvalue()) < 5000
    monkeypatch.setattr(pixels, "MOST_PIXELS", 999_999)
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("unpacked"))
    with pytest.raises(ValueError, match="1000 x 1000 pixels"):
        read_picture(bomb)


def test_the_largest_allowed_pictures_take_less_than_500_mb():
    """WebP with transparency takes the most."""
    side = int(pixels.MOST_PIXELS**0.5)
    before = reset_peak()
    if not before:
        pytest.skip("this system does not tell how much memory was taken")
    picture = read_picture(stored(Image.new("RGBA", (side, side)), "WEBP", lossless=True))
    assert picture.shape == (side, side, 3)
    assert peak() - before < 500e6


def test_postscript_is_not_run():
    eps = io.BytesIO(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n%%EOF\n")
    with Image.open(eps) as image:
        assert image.format == "EPS"  # Pillow itself would take it
    with pytest.raises(Image.UnidentifiedImageError):
        read_picture(io.BytesIO(eps.getvalue()))


def test_cut_off_pictures_are_errors():
    whole = stored(Image.fromarray(np.kron(RGB, np.ones((20, 20, 1), np.uint8))), "JPEG").getvalue()
    with pytest.raises(OSError, match="truncated"):
        read_picture(io.BytesIO(whole[: len(whole) // 2]))
