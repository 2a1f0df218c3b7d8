"""One picture file, in any of Pillow's formats, to an array of bytes: upright, grey or RGB, of the wanted size."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np
from PIL import Image

# A picture made to fill the memory has few bytes and many pixels. While it is decoded and converted, a pixel takes up
# to 20 bytes (WebP with transparency), one of a JPEG up to 10: these limits keep that below 500 MB or at it.
MOST_PIXELS = 20_000_000
MOST_JPEG_PIXELS = 8192 * 6144  # the photographs of the largest common cameras
FIRST_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF")
PAPER = (255, 255, 255)

# The value of the EXIF tag, and what puts the picture upright.
ORIENTATION = 0x0112
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def formats() -> tuple[str, ...]:
    """The formats that are tried, the common ones first; all that Pillow reads except one.

    Encapsulated PostScript is a program, and Pillow runs it with whatever Ghostscript it finds.
    """
    Image.init()
    known = set(Image.OPEN) - {"EPS"}
    first = [name for name in FIRST_FORMATS if name in known]
    return (*first, *sorted(known - set(first)))


def read_picture(
    file: BinaryIO, image_size: int | None = None, channels: int = 3, among: tuple[str, ...] | None = None
) -> np.ndarray:
    """The picture as uint8 (H, W, channels): RGB for 3 channels, grey for 1. Of several frames, the first.

    image_size  the short side is brought to this size and the square in the middle is cut out, so that H = W =
                image_size; a picture that has this size already keeps its pixels. None: every picture as it is
    among       the formats to try, as `formats()` gives them

    Turned as its EXIF orientation says. What is transparent shows white paper. 16-bit grey keeps its upper half.
    Colours are taken as they are stored: colour profiles are not applied.

    Raises whatever Pillow raises, and ValueError for pictures that are too large or have no fixed range of values.
    """
    with Image.open(file, formats=among or formats()) as image:
        most = MOST_JPEG_PIXELS if image.format in ("JPEG", "MPO") else MOST_PIXELS
        if image.width * image.height > most:
            raise ValueError(f"{image.width} x {image.height} pixels, more than the {most:,} that are allowed")
        if image_size is not None:
            # Large JPEGs can be decoded at half, a quarter or an eighth of their size, which saves most of the time.
            # Twice the wanted size is left, so that the resizing below still decides how it looks.
            image.draft(None, (2 * image_size, 2 * image_size))
        image.load()
        picture = _convert(_turn_upright(image), "RGB" if channels == 3 else "L")
    if image_size is not None:
        picture = fit(picture, image_size)
    return to_array(picture)


def to_image(array: np.ndarray) -> Image.Image:
    """Pillow's picture, grey or RGB, of uint8 (H, W, 1) or (H, W, 3)."""
    return Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array)


def to_array(picture: Image.Image) -> np.ndarray:
    """uint8 (H, W, 1) of a grey picture, (H, W, 3) of an RGB one."""
    return np.asarray(picture).reshape(picture.height, picture.width, len(picture.getbands()))


def fit(picture: Image.Image, image_size: int | tuple[int, int]) -> Image.Image:
    """The largest square in the middle of the picture, image_size x image_size; or, for (height, width), the largest
    part of that shape."""
    high, wide = (image_size, image_size) if isinstance(image_size, int) else image_size
    width, height = picture.size
    if (height, width) == (high, wide):
        return picture
    # The side that limits is taken as it is: computed, it could come out a rounding error too long.
    if width * high <= height * wide:
        part_width, part_height = width, width * high / wide
    else:
        part_width, part_height = height * wide / high, height
    left, top = (width - part_width) / 2, (height - part_height) / 2
    # Both steps in one: a picture of 1 x 100,000 never becomes one of 224 x 22,400,000 in between.
    box = (left, top, left + part_width, top + part_height)
    return picture.resize((wide, high), Image.Resampling.BICUBIC, box=box)


def _turn_upright(image: Image.Image) -> Image.Image:
    if image.format == "TIFF":  # Pillow has turned it while it was loaded, and older versions forget to say so
        return image
    try:
        orientation = image.getexif().get(ORIENTATION)
    except Exception:  # EXIF data is often broken, in many ways; the picture beside it is good
        return image
    return image.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else image


def _convert(image: Image.Image, mode: str) -> Image.Image:
    """To "RGB" or "L", with what Pillow's `convert` gets wrong or leaves out: 16 bits, and transparency."""
    if image.mode.startswith("I"):
        image = _from_16_bits(image)
    elif image.mode == "F":
        raise ValueError("its pixels are floating-point numbers, which have no fixed white")
    elif image.mode in ("La", "RGBa"):  # colours already multiplied by their opacity
        image = image.convert({"La": "LA", "RGBa": "RGBA"}[image.mode])
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (*PAPER, 255)), image)
    return image if image.mode == mode else image.convert(mode)


def _from_16_bits(image: Image.Image) -> Image.Image:
    """0..65535 to 0..255; `convert` would cut off at 255, so that nearly everything became white."""
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise ValueError("its pixels are 32-bit integers, which have no fixed white")
    return Image.fromarray(((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8))
