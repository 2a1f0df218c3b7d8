"""Folders of small pictures and shards of them, made by hand, for the tests of what is streamed."""

import io
import tarfile

import numpy as np
from PIL import Image

CLASSES = ("cat", "dog", "eel", "fox", "gnu", "hen")


def jpeg(seed, width=40, height=32):
    """The bytes of a picture that is unlike those of other seeds."""
    levels = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(levels).resize((width, height), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def make_folder(path, each=5, test=2, classes=CLASSES):
    """train/CLASS/0.jpg ... and test/CLASS/..., each of its own size."""
    for part, count, first in (("train", each, 0), ("test", test, 1000)):
        for label, name in enumerate(classes):
            (path / part / name).mkdir(parents=True)
            for number in range(count):
                seed = first + 100 * label + number
                (path / part / name / f"{number}.jpg").write_bytes(jpeg(seed, 40 + number, 32 + label))
    return path


def write_shard(path, pictures, **how):
    """A shard as WebDataset's TarWriter makes it: for each (key, bytes, label) KEY.cls and KEY.jpg, sorted, with times
    that are fractions of a second, which tarfile writes as headers of their own."""
    with tarfile.open(path, "w", **how) as tar:
        for key, content, label in pictures:
            for ending, data in (("cls", str(label).encode()), ("jpg", content)):
                member = tarfile.TarInfo(f"{key}.{ending}")
                member.size, member.mtime, member.mode = len(data), 1.7e9 + 0.25, 0o444
                tar.addfile(member, io.BytesIO(data))
    return path


def make_shards(path, count=60, shards=3, classes=6):
    """Shards in one folder; picture n is jpeg(n), of class n % classes."""
    path.mkdir(parents=True, exist_ok=True)
    for number, some in enumerate(np.array_split(np.arange(count), shards)):
        write_shard(path / f"{number:05}.tar", [(f"{n:08}", jpeg(n), n % classes) for n in map(int, some)])
    return path
