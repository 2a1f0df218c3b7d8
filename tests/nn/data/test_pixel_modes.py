"""Every mode, depth and kind of transparency that Pillow reads, held to what Pillow itself makes of it.

The oracle is Pillow's conversion to RGBA, laid over white; for opaque pictures asked for in grey its conversion to
grey. Where Pillow's own has no good answer (16 bits, which it cuts off at 255), the values are computed one by one.
"""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from nn.data.pixels import fit, formats, read_picture

RNG = np.random.default_rng(0)
WIDTH, HEIGHT = 16, 16
MODES = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB", "HSV")


def by_pillow(content, channels):
    """(H, W, channels) as Pillow converts it."""
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        multiplied = {"La": "LA"}.get(image.mode, image.mode)  # Pillow has no direct way from La to RGBA
        rgba = image.convert(multiplied).convert("RGBA")
        over_white = Image.alpha_composite(Image.new("RGBA", image.size, (255, 255, 255, 255)), rgba).convert("RGB")
        if channels == 3:
            return np.asarray(over_white)
        opaque = rgba.getchannel("A").getextrema() == (255, 255)
        grey = image if opaque and image.mode != "LAB" else over_white  # nor one from LAB to grey
        return np.asarray(grey.convert("L"))[..., np.newaxis]


def check(content):
    for channels in (1, 3):
        expected = by_pillow(content, channels)
        np.testing.assert_array_equal(read_picture(io.BytesIO(content), channels=channels), expected)


# ------------------------------------------------------------------------------------- whatever Pillow can write
def some_image(mode):
    bands = len(Image.new(mode, (1, 1)).getbands())
    image = Image.frombytes(mode, (WIDTH, HEIGHT), RNG.bytes(WIDTH * HEIGHT * bands if mode != "1" else 2 * HEIGHT))
    if mode in ("P", "PA"):
        image.putpalette(RNG.bytes(768))
    return image


def written(format):
    """(mode, transparency, content) for each mode that this format takes, with each kind of transparency."""
    for mode in MODES:
        for transparency in (None, 3, (1, 2, 3), bytes(range(0, 256, 2))):
            image = some_image(mode)
            image.putpixel((0, 0), {"RGB": (1, 2, 3)}.get(mode, image.getpixel((5, 5))))
            options = {} if transparency is None else {"transparency": transparency}
            buffer = io.BytesIO()
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    image.save(buffer, format, **options)
            except Exception:  # not for this mode: each format has an error of its own for that
                continue
            yield mode, transparency, buffer.getvalue()


@pytest.mark.parametrize("format", ["BMP", "DDS", "GIF", "ICO", "JPEG", "JPEG2000", "PCX", "PNG", "PPM", "SGI", "TGA",
                                    "TIFF", "WEBP"])  # fmt: skip
def test_every_mode_that_pillow_writes(format):
    Image.init()
    if format not in Image.SAVE or format not in formats():
        pytest.skip("this Pillow was built without it")
    count = 0
    for _mode, _transparency, content in written(format):
        try:
            by_pillow(content, 3)
        except Exception:  # what Pillow itself does not read again
            continue
        check(content)
        count += 1
    assert count >= 1


# ----------------------------------------------------------------------------- PNG, every colour type and depth
GREY, COLOUR, PALETTE, GREY_ALPHA, COLOUR_ALPHA = 0, 2, 3, 4, 6
SAMPLES = {GREY: 1, COLOUR: 3, PALETTE: 1, GREY_ALPHA: 2, COLOUR_ALPHA: 4}
DEPTHS = {GREY: (1, 2, 4, 8, 16), COLOUR: (8, 16), PALETTE: (1, 2, 4, 8), GREY_ALPHA: (8, 16), COLOUR_ALPHA: (8, 16)}


def png(colour, depth, rows, transparent=None):
    """A PNG by its specification (ISO/IEC 15948, section 11): rows are bytes, `transparent` is the tRNS chunk."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    palette = chunk(b"PLTE", RNG.bytes(3 * 2**depth)) if colour == PALETTE else b""
    transparency = b"" if transparent is None else chunk(b"tRNS", transparent)
    header = struct.pack(">IIBBBBB", WIDTH, len(rows), depth, colour, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(b"".join(b"\x00" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + palette + transparency + data + chunk(b"IEND", b"")


def some_rows(colour, depth):
    return [RNG.bytes(SAMPLES[colour] * WIDTH * depth // 8) for _ in range(HEIGHT)]


def transparencies(colour, depth, rows):
    """No tRNS chunk, and each kind of it; the transparent colour is the first pixel's."""
    yield None
    if colour == PALETTE:
        yield b"\xff\x00"  # one entry
        yield bytes(range(0, 256, 255 // (2**depth - 1)))[: 2**depth]  # every opacity
    elif colour == GREY:
        first = rows[0][0] >> 8 - depth if depth < 16 else int.from_bytes(rows[0][:2], "big")
        yield struct.pack(">H", first)
    elif colour == COLOUR:
        yield b"".join(b"\x00" + rows[0][k : k + 1] for k in range(3)) if depth == 8 else rows[0][:6]


@pytest.mark.parametrize(("colour", "depth"), [(c, d) for c in DEPTHS for d in DEPTHS[c] if (c, d) != (GREY, 16)])
def test_png(colour, depth):
    rows = some_rows(colour, depth)
    for transparent in transparencies(colour, depth, rows):
        check(png(colour, depth, rows, transparent))


@pytest.mark.parametrize("transparent", [None, 0, 257, 40_000, 65_535])
def test_png_of_16_bit_grey_and_one_transparent_value(transparent):
    """Nothing but the transparent value itself turns white, not even what differs from it in the lower half only."""
    values = [0, 1, 128, 129, 255, 256, 257, 258, 32_768, 39_999, 40_000, 40_001, 65_280, 65_534, 65_535, 257]
    chunk = None if transparent is None else struct.pack(">H", transparent)
    content = png(GREY, 16, [struct.pack(">16H", *values)], chunk)
    expected = [255 if value == transparent else round(value / 257) for value in values]
    assert read_picture(io.BytesIO(content), channels=1)[0, :, 0].tolist() == expected
    assert read_picture(io.BytesIO(content), channels=3)[0].tolist() == [[value] * 3 for value in expected]


# ------------------------------------------------------------- what Pillow reads and does not write: by hand
def test_tga_whose_colour_map_has_opacities():
    """Truevision TGA 2.0: image type 1, a colour map of 32 bits an entry, blue first; 8 bits of attribute."""
    header = struct.pack("<BBBHHBHHHHBB", 0, 1, 1, 0, 256, 32, 0, 0, WIDTH, HEIGHT, 8, 0x28)
    content = header + RNG.bytes(4 * 256) + RNG.bytes(WIDTH * HEIGHT)
    with Image.open(io.BytesIO(content), formats=["TGA"]) as image:
        try:
            alpha = np.asarray(image.convert("RGBA"))[..., 3]
        except ValueError:
            pytest.skip("this version of Pillow does not read such a file")
    assert alpha.min() < 255, "the file has nothing transparent in it"
    check(content)


def tiff(tags, pixels):
    """A TIFF 6.0 of one strip: tags are number -> shorts, and ImageWidth, ImageLength and the strip's are added."""
    tags = {256: [WIDTH], 257: [HEIGHT], 259: [1], 273: [8], 278: [HEIGHT], 279: [len(pixels)]} | tags
    body, extra = b"", b""
    after = 8 + len(pixels) + 2 + 12 * len(tags) + 4
    for number, values in sorted(tags.items()):
        packed = struct.pack(f"<{len(values)}H", *values)
        if len(packed) > 4:
            packed, extra = struct.pack("<I", after + len(extra)), extra + packed
        body += struct.pack("<HHI", number, 3, len(values)) + packed.ljust(4, b"\x00")
    return struct.pack("<2sHI", b"II", 42, 8 + len(pixels)) + pixels + struct.pack("<H", len(tags)) + body + bytes(
        4
    ) + extra  # fmt: skip


BITS, PHOTOMETRIC, SAMPLES_PER_PIXEL, EXTRA_SAMPLES, SUBSAMPLING = 258, 262, 277, 338, 530


@pytest.mark.parametrize(
    ("photometric", "samples", "extra"),
    [(8, 3, None), (6, 3, None), (5, 4, None), (2, 3, None), (2, 4, 0), (2, 4, 1), (2, 4, 2), (1, 1, None),
     (0, 1, None), (1, 2, 0), (1, 2, 1), (1, 2, 2)],
)  # fmt: skip
def test_tiff(photometric, samples, extra):
    """Photometric 8: CIE L*a*b*, 6: YCbCr, 5: inks, 2: RGB, 1 and 0: grey; extra 1: multiplied opacity, 2: opacity."""
    tags = {BITS: [8] * samples, PHOTOMETRIC: [photometric], SAMPLES_PER_PIXEL: [samples], SUBSAMPLING: [1, 1]}
    pixels = RNG.integers(0, 256, (HEIGHT * WIDTH, samples), dtype=np.uint8)
    if extra is not None:
        tags[EXTRA_SAMPLES] = [extra]
        pixels[:, :-1] = np.minimum(pixels[:, :-1], pixels[:, -1:])  # no brighter than the opacity allows
    content = tiff(tags, pixels.tobytes())
    try:
        by_pillow(content, 3)
    except OSError:
        pytest.skip("this version of Pillow does not read such a file")
    check(content)


def test_12_bits_have_their_own_white():
    """Two values in three bytes (TIFF 6.0, FillOrder 1); 4095 is white, and Pillow gives the values as they are."""
    values = np.array([0, 16, 2048, 4095] * (WIDTH * HEIGHT // 4))
    pairs = [(a << 12 | b).to_bytes(3, "big") for a, b in zip(values[::2].tolist(), values[1::2].tolist())]
    content = tiff({BITS: [12], PHOTOMETRIC: [1], SAMPLES_PER_PIXEL: [1]}, b"".join(pairs))
    for channels in (1, 3):
        picture = read_picture(io.BytesIO(content), channels=channels)
        assert picture[0, :4].tolist() == [[value] * channels for value in (0, 1, 128, 255)]


# ------------------------------------------------------------------------------------ what is left to Pillow
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_the_part_in_the_middle_is_pillows(mode):
    for _ in range(100):
        width, height, wide, high = RNG.integers(1, 120, 4).tolist()
        image = Image.effect_noise((width, height), 80).convert(mode)
        expected = ImageOps.fit(image, (wide, high), Image.Resampling.BICUBIC)
        assert fit(image, (high, wide)).tobytes() == expected.tobytes()


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("mode", ["L", "RGB", "P", "RGBA", "1"])
def test_pictures_are_turned_before_they_are_converted(format, mode):
    image = some_image(mode)
    for orientation in (*range(1, 9), 0, 9, 70_000):
        exif = Image.Exif()
        exif[0x0112] = orientation
        upright = io.BytesIO()
        turned = io.BytesIO()
        try:
            image.save(turned, format, exif=exif, lossless=True)
            image.save(upright, format, lossless=True)
        except (OSError, struct.error):
            continue
        with Image.open(upright) as same:
            same.load()
            method = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}.get(orientation)  # Image.Transpose
            expected = same if method is None else same.transpose(method)
            buffer = io.BytesIO()
            expected.convert("RGBA").save(buffer, "PNG")
        np.testing.assert_array_equal(read_picture(io.BytesIO(turned.getvalue())), by_pillow(buffer.getvalue(), 3))
