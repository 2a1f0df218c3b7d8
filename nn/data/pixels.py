"""One image file, in any of Pillow's formats, to an array of bytes: upright, grey or RGB, of the wanted size."""

from __future__ import annotations

import contextlib
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from nn.data.unread import kind_not_read, why_unread

# An image made to fill the memory has few bytes and many pixels. While it is decoded and converted, a pixel takes up
# to 20 bytes (WebP with transparency), one of a JPEG up to 10: these limits keep that at 500 MB at most.
MOST_PIXELS = 20_000_000
MOST_JPEG_PIXELS = 8192 * 6144  # the photographs of the largest common cameras
FIRST_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF")
PAPER = (255, 255, 255)

BITS_A_SAMPLE = 258  # the tag of a TIFF


def formats() -> tuple[str, ...]:
    """The formats that are tried, the common ones first; all that Pillow reads except one.

    Encapsulated PostScript is a program, and Pillow runs it with whatever Ghostscript it finds.
    """
    Image.init()
    known = set(Image.OPEN) - {"EPS"}
    first = [name for name in FIRST_FORMATS if name in known]
    return (*first, *sorted(known - set(first)))


def read_picture(
    file: BinaryIO,
    image_size: int | None = None,
    channels: int = 3,
    among: tuple[str, ...] | None = None,
    whole: bool = False,
) -> np.ndarray:
    """The image as uint8 (H, W, channels): RGB for 3 channels, grey for 1. Of several frames, the first.

    image_size  the short side is brought to this size and the square in the middle is cut out, so that H = W =
                image_size; an image that has this size already keeps its pixels. None: every image as it is
    among       the formats to try, as `formats()` gives them
    whole       cut nothing off and enlarge nothing: only a short side longer than image_size is brought to it

    Rotated as its EXIF orientation says. What is transparent becomes white. 16-bit grey keeps its upper half, 12-bit
    grey its upper eight bits. Colours are taken as they are stored: colour profiles are not applied.

    Raises whatever Pillow raises, UnidentifiedImageError with a sentence of what the file is, and ValueError for images
    that are too large or have no fixed range of values.
    """
    with _open(file, among or formats()) as image:
        most = MOST_JPEG_PIXELS if image.format in ("JPEG", "MPO") else MOST_PIXELS
        if image.width * image.height > most:
            raise ValueError(
                f"{image.width} x {image.height} pixels are more than the {most:,} that are allowed, make it smaller"
            )
        if image_size is not None:
            # Large JPEGs can be decoded at half, a quarter or an eighth of their size, which saves most of the time.
            # Twice the wanted size is left, so that the resizing below still decides how it looks.
            image.draft(None, (2 * image_size, 2 * image_size))
        image.load()
        _turn_upright(image)
        picture = _convert(image, "RGB" if channels == 3 else "L")
    if image_size is not None:
        picture = shrink(picture, image_size) if whole else fit(picture, image_size)
    return to_array(picture)


def _open(file: BinaryIO, among: tuple[str, ...]) -> Image.Image:
    """What `Image.open` gives, with errors that say what to do."""
    try:
        return Image.open(file, formats=among)
    except Image.DecompressionBombError:
        raise ValueError(
            f"it has more than the {MOST_PIXELS:,} pixels that are allowed ({MOST_JPEG_PIXELS:,} of a JPEG), "
            "make it smaller"
        ) from None
    except UnidentifiedImageError:
        raise UnidentifiedImageError(why_unread(file)) from None
    except Exception:  # Pillow's reader of AVIF begins with some HEIC files, and fails in a way of its own
        file.seek(0)
        if kind_not_read(file.read(16)) == "HEIC":
            raise UnidentifiedImageError(why_unread(file)) from None
        raise


def to_image(array: np.ndarray) -> Image.Image:
    """Pillow's image, grey or RGB, of uint8 (H, W, 1) or (H, W, 3)."""
    return Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array)


def to_array(picture: Image.Image) -> np.ndarray:
    """uint8 (H, W, 1) of a grey image, (H, W, 3) of an RGB one."""
    return np.asarray(picture).reshape(picture.height, picture.width, len(picture.getbands()))


def fit(picture: Image.Image, image_size: int | tuple[int, int]) -> Image.Image:
    """The largest square in the middle of the image, image_size x image_size; or, for (height, width), the largest
    part of that shape."""
    high, wide = (image_size, image_size) if isinstance(image_size, int) else image_size
    # It cuts and resizes in one step: an image of 1 x 100,000 never becomes one of 224 x 22,400,000 in between.
    return ImageOps.fit(picture, (wide, high), Image.Resampling.BICUBIC)


def shrink(picture: Image.Image, short_side: int) -> Image.Image:
    """The whole image, its short side brought to this many pixels if it has more."""
    if min(picture.size) <= short_side:
        return picture
    share = short_side / min(picture.size)
    width, height = (round(share * side) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.BICUBIC)


def _turn_upright(image: Image.Image) -> None:
    if image.format == "TIFF":  # Pillow has rotated it while loading it, and older versions forget to say so
        return
    with contextlib.suppress(Exception):  # EXIF data is often broken, in many ways; the image beside it is good
        ImageOps.exif_transpose(image, in_place=True)  # in place: a copy of a large photograph takes 150 MB


def _convert(image: Image.Image, mode: str) -> Image.Image:
    """To "RGB" or "L", with what Pillow's `convert` gets wrong or leaves out: 16 bits, and transparency."""
    if image.mode.startswith("I"):
        image = _from_16_bits(image)
    elif image.mode == "F":
        raise ValueError("its pixels are floating-point numbers, which have no fixed white")
    elif image.mode == "La":  # grey already multiplied by its opacity; to RGBA there is no direct way
        image = image.convert("LA")
    elif image.mode == "LAB":  # and from this none to grey
        image = image.convert("RGB")
    # The colours of a palette may have opacities of their own, which nothing but the conversion looks at.
    if image.mode in ("LA", "P", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (*PAPER, 255)), image)
    return image if image.mode == mode else image.convert(mode)


def _from_16_bits(image: Image.Image) -> Image.Image:
    """0..65535 to 0..255; `convert` would cut off at 255, so that nearly everything became white.

    It also compares the one transparent value that a PNG can name with a pixel's lower half, or with nothing.
    """
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise ValueError("its pixels are 32-bit integers, which have no fixed white")
    white = 4095 if image.format == "TIFF" and image.tag_v2.get(BITS_A_SAMPLE) == (12,) else 65535
    grey = ((values.astype(np.uint32) * 255 + white // 2) // white).astype(np.uint8)
    if "transparency" in image.info:
        grey[values == image.info["transparency"]] = PAPER[0]
    return Image.fromarray(grey)
