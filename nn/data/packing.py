"""Pictures of a folder, packed into shards of small JPEG files: what takes long is done once, and not in every epoch.

A photograph of ImageNet, 500 x 375 pixels, has 107 kB and takes 2 ms to decode and bring to 256 x 256; as a JPEG of
that size it has 36 kB and takes 0.4 ms.
"""

from __future__ import annotations

import io
import os
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from nn.backend.runtime.threads import num_threads
from nn.data.bars import bar
from nn.data.pixels import formats, read_picture
from nn.data.shards import CLASSES, ShardSource, write_index
from nn.data.sources import Source, in_threads
from nn.data.stream import StreamedImages, measure

QUALITY = 95  # of the JPEG files: errors of two levels or so
SAMPLED = 10_000  # pictures, of which the mean and the colours are kept with the shards


def pack(
    source: Source,
    folder: Path,
    image_size: int = 256,
    per_shard: int = 5000,
    threads: int | None = None,
    description: str = "packing",
) -> list[tuple[str, str]]:
    """Write all pictures of a source into shards in an empty folder, in their order: the short side brought to
    image_size, the square in the middle cut out. With them go the index, the classes' names, and the mean and colours
    of a random sample. Returns what could not be read and is left out, as (name, reason).

    The same pictures give the same bytes, for any number of threads. description: of the bar.

    Raises ValueError where a class has no picture that can be read, and OSError.
    """
    among = formats()
    skipped: list[tuple[str, str]] = []
    counts = np.zeros(len(source.class_names), np.int64)
    shards: list[str] = []
    tar: tarfile.TarFile | None = None

    def packed(number: int) -> bytes | Exception:
        try:
            picture = read_picture(io.BytesIO(source.read(number)), image_size, 3, among)
        except Exception as error:  # broken files make Pillow's readers fail in every way there is
            return error
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "JPEG", quality=QUALITY)
        return buffer.getvalue()

    with ThreadPoolExecutor(threads or num_threads(), "pack") as pool:
        done = in_threads(pool, packed, range(len(source)))
        try:
            for number, content in enumerate(bar(done, total=len(source), desc=description, unit="img")):
                if isinstance(content, Exception):
                    why = content.strerror if isinstance(content, OSError) and content.strerror else str(content)
                    skipped.append((source.name(number), " ".join(why.split()) or type(content).__name__))
                    continue
                count = int(counts.sum())
                if count % per_shard == 0:
                    if tar is not None:
                        tar.close()
                    shards.append(f"{len(shards):05}.tar")
                    tar = tarfile.open(folder / shards[-1], "x", format=tarfile.USTAR_FORMAT)  # noqa: SIM115
                label = int(source.labels[number])
                assert tar is not None
                for ending, data in (("cls", str(label).encode()), ("jpg", content)):
                    member = tarfile.TarInfo(f"{count:08}.{ending}")
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))
                counts[label] += 1
        finally:
            done.close()
            if tar is not None:
                tar.close()
    present = set(np.unique(source.labels))
    empty = [name for label, name in enumerate(source.class_names) if label in present and not counts[label]]
    if empty:
        raise ValueError(
            f"no image of {', '.join(empty)} can be read; the first of {len(skipped):,} that cannot is "
            f"{skipped[0][0]}: {skipped[0][1]}"
        )
    (folder / CLASSES).write_text("".join(f"{name}\n" for name in source.class_names), encoding="utf-8")
    write_index(folder, shards)
    images = StreamedImages(ShardSource(folder, shards), image_size, threads=threads)
    measure(images, SAMPLED).save(folder)
    return skipped


def size_of(folder: Path) -> int:
    """The bytes of all files in a folder and those inside it."""
    return sum((Path(inside) / name).stat().st_size for inside, _, names in os.walk(folder) for name in names)
