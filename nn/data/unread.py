"""Why a file cannot be read as an image: what it is instead, and what to do."""

from __future__ import annotations

import re
from typing import BinaryIO

READ = "JPEG, PNG, GIF, WebP, BMP or TIFF"  # there are more, which nobody has to know
LOOKED_AT = 1024  # bytes: an SVG file may begin with comments
MPEG_BRANDS = {
    "HEIC": (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"),
    "AVIF": (b"avif", b"avis"),
}
BEGINNINGS = (  # of files whose format is read: one of these is damaged
    ("JPEG", rb"\xff\xd8\xff"),
    ("PNG", rb"\x89PNG"),
    ("GIF", rb"GIF8"),
    ("WebP", rb"RIFF....WEBP"),
    ("TIFF", rb"II\*\x00|MM\x00\*"),
)


def why_unread(file: BinaryIO) -> str:
    """What is wrong with a file that no reader of images takes, and what to do: the end of a sentence."""
    file.seek(0)
    start = file.read(LOOKED_AT)
    if not start:
        return "the file is empty"
    kind = kind_not_read(start)
    if kind == "a web page":
        return "it is a web page, save the image itself"
    if kind:
        return f"{kind} is not read, convert it to {READ}"
    for name, beginning in BEGINNINGS:
        if re.match(beginning, start, re.DOTALL):
            return f"it begins like {name} and is damaged, get it again"
    return f"not an image in a format that is read, convert it to {READ}"


def kind_not_read(start: bytes) -> str:
    """The format of a file that begins with these bytes, where it is a common one that is not read; else ""."""
    if start[4:8] == b"ftyp":
        return next((name for name, brands in MPEG_BRANDS.items() if start[8:12] in brands), "a film")
    if start.startswith(b"%PDF"):
        return "PDF"
    if start.startswith(b"%!PS"):
        return "PostScript"
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return "a web page"
    return "SVG" if text.startswith(b"<") and b"<svg" in text else ""
