"""Files that are no images that are read: the sentence names what they are, and says what to do."""

import io

import pytest
from PIL import Image, UnidentifiedImageError

from nn.data import pixels
from nn.data.pixels import read_picture
from nn.data.unread import kind_not_read
from tests.checks import one_sentence

READ = ("JPEG", "PNG", "GIF", "WebP", "BMP", "TIFF")


def mpeg(brand, *others):
    """The beginning of a file of MPEG-4's kind: its first box, and an empty second one."""
    box = b"ftyp" + brand + bytes(4) + b"".join(others)
    return (len(box) + 4).to_bytes(4, "big") + box + b"\0\0\0\x08mdat"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (mpeg(b"heic", b"mif1"), "HEIC"),
        (mpeg(b"heix"), "HEIC"),
        (mpeg(b"mif1", b"heic"), "HEIC"),
        (mpeg(b"qt  "), "a film"),
        (b"%PDF-1.7\n1 0 obj", "PDF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- a cat -->\n<svg/>', "SVG"),
    ],
)
def test_the_format_is_named_and_what_to_do(content, kind):
    with one_sentence(UnidentifiedImageError, f"{kind} is not read, convert it to", *READ):
        read_picture(io.BytesIO(content))


def test_avif_is_named_where_this_pillow_cannot_read_it():
    assert kind_not_read(mpeg(b"avif")) == kind_not_read(mpeg(b"avis")) == "AVIF"
    with one_sentence(UnidentifiedImageError, "AVIF is not read, convert it to", *READ):
        read_picture(io.BytesIO(mpeg(b"avif")), among=("PNG",))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"<!DOCTYPE html><html><svg/></html>", "it is a web page, save the image itself"),
        (b"\x89PNG broken", "it begins like PNG and is damaged"),
        (b"GIF89a", "it begins like GIF and is damaged"),
        (b"remember the milk", "not an image in a format that is read, convert it to"),
        (b"<note>milk</note>", "not an image in a format that is read, convert it to"),
    ],
)
def test_what_else_files_are(content, reason):
    with one_sentence(UnidentifiedImageError, reason):
        read_picture(io.BytesIO(content))


def test_a_good_picture_is_no_other_kind():
    for name in READ:
        buffer = io.BytesIO()
        Image.new("RGB", (9, 9)).save(buffer, name)
        assert kind_not_read(buffer.getvalue()[:64]) == ""


@pytest.mark.parametrize("name", ["PNG", "JPEG"])
def test_too_many_pixels_the_limit_and_what_to_do(monkeypatch, name):
    monkeypatch.setattr(pixels, "MOST_PIXELS", 1000)
    monkeypatch.setattr(pixels, "MOST_JPEG_PIXELS", 2000)
    buffer = io.BytesIO()
    Image.new("L", (100, 50)).save(buffer, name)
    most = {"PNG": "1,000", "JPEG": "2,000"}[name]
    with one_sentence(ValueError, "100 x 50 pixels", most, "make it smaller"):
        read_picture(buffer)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)  # from twice as many on Pillow itself refuses them
    with one_sentence(ValueError, "1,000", "2,000", "make it smaller"):
        read_picture(buffer)
