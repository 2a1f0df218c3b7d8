"""Damage valid files of every format that is read, and see that each still loads or is refused in one sentence.

    python -m tests.fuzz                        20,000 mutations
    python -m tests.fuzz --mutations 500        what the test suite does
    python -m tests.fuzz --only png --seed 7    one format, other mutations

A worker process reads the damaged files, so that one that hangs or fills the memory takes nobody with it. A format that
is packed (gzip, zip) is also damaged inside and packed again: else its check sums would find everything.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import io
import json
import os
import re
import struct
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from examples.shared.picture_files import PictureFiles
from models import lenet, load_classifier
from nn import SGD
from nn.data.cifar10 import cifar10
from nn.data.load import load
from nn.data.mnist import mnist
from nn.data.npz import npz
from nn.data.preparation import Preparation
from nn.files.foreign import read_caffe_npy, read_pth
from nn.training import History
from nn.training.checkpoint import load_checkpoint, save_checkpoint
from tests.foreign_files import some_arrays, some_layers, state_dict, write_pth, write_python2_npy

MOST_SECONDS = 2.0  # of the processor; a busy machine may take longer by the clock
MOST_MEMORY = 500e6  # bytes, above the file's size
PATIENCE = 30  # seconds by the clock, after which the worker is taken to hang


# ------------------------------------------------------------------------------------------------- valid files
def picture(kind: str, **options) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    if kind == "GIF":
        image = image.convert("P")
        options = {"save_all": True, "append_images": [image.rotate(90)], **options}
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    image.save(buffer, kind, **({"exif": exif} if kind in ("JPEG", "PNG", "WEBP", "TIFF") else {}), **options)
    return buffer.getvalue()


def pictures_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("cat/1.png", "cat/2.png", "dog/1.png", "dog/2.jpg"):
            archive.writestr(name, picture("JPEG" if name.endswith("jpg") else "PNG"))
    return buffer.getvalue()


def npz_file() -> bytes:
    buffer = io.BytesIO()
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
    np.savez_compressed(buffer, images=images, labels=np.arange(6) % 3, class_names=np.array(["a", "b", "c"]))
    return buffer.getvalue()


def idx(shape: tuple[int, ...]) -> bytes:
    numbers = np.arange(np.prod(shape)) % 10
    return bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}i", *shape) + numbers.astype(np.uint8).tobytes()


def cifar_tar() -> bytes:
    rng = np.random.default_rng(0)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in [f"data_batch_{number}.bin" for number in range(1, 6)] + ["test_batch.bin"]:
            records = rng.integers(0, 256, (2, 3073), dtype=np.uint8)
            records[:, 0] %= 10
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = records.size
            archive.addfile(member, io.BytesIO(records.tobytes()))
    return buffer.getvalue()


def written(write: Callable[[Path], object]) -> bytes:
    """What a function writes to the path that it is given."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        write(path)
        return path.read_bytes()


def weights() -> bytes:
    extra = {"class_names": ["a", "b"], "preparation": Preparation((12, 12), 1, (12, 12)).to_json(), "data": "x"}
    return written(lambda path: lenet(2, (12, 12, 1), rng=0).save(path, extra))


def small_run():
    network = lenet(2, (12, 12, 1), rng=0)
    return network, SGD(network, 0.1, momentum=0.9)


# ------------------------------------------------------------------------------------------------- reading them
def read_pictures(path: Path) -> None:
    """Broken pictures are no error: they are listed."""
    files = PictureFiles([path], channels=3)
    for _, pixels in files:
        assert pixels.dtype == np.uint8 and pixels.ndim == 3
    assert "\n" not in files.complaint()


def read_mnist(path: Path) -> None:
    """The damaged file in the place of the training pictures; the others are whole."""
    with tempfile.TemporaryDirectory() as folder:
        for name, shape in (("train-images-idx3", (20, 28, 28)), ("t10k-images-idx3", (10, 28, 28))):
            labels = name.replace("images-idx3", "labels-idx1")
            (Path(folder) / f"{name}-ubyte.gz").write_bytes(gzip.compress(idx(shape)))
            (Path(folder) / f"{labels}-ubyte.gz").write_bytes(gzip.compress(idx(shape[:1])))
        os.replace(path, Path(folder) / "train-images-idx3-ubyte.gz")
        mnist(folder)


FORMATS: dict[str, tuple[Callable[[], bytes], Callable[[Path], object], str]] = {
    # name: (a valid file, its reader, how it is packed: damaged inside, too)
    "jpeg": (lambda: picture("JPEG"), read_pictures, ""),
    "png": (lambda: picture("PNG"), read_pictures, ""),
    "gif": (lambda: picture("GIF"), read_pictures, ""),
    "bmp": (lambda: picture("BMP"), read_pictures, ""),
    "webp": (lambda: picture("WEBP"), read_pictures, ""),
    "tiff": (lambda: picture("TIFF", compression="tiff_lzw"), read_pictures, ""),
    "zip": (pictures_zip, lambda path: load(path, 16), "zip"),
    "npz": (npz_file, npz, "zip"),
    "idx": (lambda: gzip.compress(idx((20, 28, 28))), read_mnist, "gzip"),
    "cifar10": (lambda: gzip.compress(cifar_tar()), cifar10, "gzip"),
    "weights": (weights, load_classifier, ""),
    "checkpoint": (
        lambda: written(lambda path: save_checkpoint(path, *small_run(), History())),
        lambda path: load_checkpoint(path, *small_run()),
        "",
    ),
    "pth": (lambda: written(lambda path: write_pth(path, *state_dict(some_arrays()))), read_pth, "zip"),
    "npy": (lambda: written(lambda path: write_python2_npy(path, some_layers())), read_caffe_npy, ""),
}


# ------------------------------------------------------------------------------------------------- damage
def damaged(name: str, seed: int) -> bytes:
    """The valid file of this format with one to four random changes, half the time within what it packs."""
    make, _, packed = FORMATS[name]
    rng = np.random.default_rng([seed, list(FORMATS).index(name)])
    data = make()
    if packed == "gzip" and rng.random() < 0.5:
        return gzip.compress(change(gzip.decompress(data), rng), 1)
    if packed == "zip" and rng.random() < 0.5:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {member.filename: archive.read(member) for member in archive.infolist()}
        chosen = list(members)[rng.integers(len(members))]
        members[chosen] = change(members[chosen], rng)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for member, content in members.items():
                archive.writestr(member, content)
        return buffer.getvalue()
    return change(data, rng)


def change(data: bytes, rng: np.random.Generator) -> bytes:
    data = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        if not data:
            break
        # The beginning, where headers are, as often as all the rest.
        at = int(rng.integers(min(len(data), 64) if rng.random() < 0.5 else len(data)))
        length = int(rng.integers(1, 9))
        kind = rng.integers(7)
        if kind == 0:
            data[at] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            data[at : at + length] = rng.bytes(length)
        elif kind == 2:
            del data[at : len(data) if rng.random() < 0.3 else at + length * 8]
        elif kind == 3:
            data[at:at] = rng.bytes(length * 8)
        elif kind == 4:
            numbers = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 2**63 - 1)
            number = numbers[rng.integers(len(numbers))]
            size = int(rng.choice([1, 2, 4, 8]))
            order = "little" if rng.random() < 0.5 else "big"
            data[at : at + size] = (number % 256**size).to_bytes(size, order)
        elif kind == 5:
            data[at:at] = data[at : at + length * 16]
        else:
            data[at : at + length * 8] = bytes(min(length * 8, len(data) - at))
    return bytes(data)


# ------------------------------------------------------------------------------------------------- the worker
def work() -> None:
    """Read tasks from stdin, a line of JSON each, and answer each with one."""
    with tempfile.TemporaryDirectory() as folder:
        for line in sys.stdin:
            name, seed = json.loads(line)
            path = Path(folder) / "file"
            path.write_bytes(damaged(name, seed))
            print(json.dumps(judge(name, path)), flush=True)
            path.unlink(missing_ok=True)


def judge(name: str, path: Path) -> str:
    """ "loaded", "refused", or what was wrong."""
    size = path.stat().st_size
    before = reset_peak()
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            FORMATS[name][1](path)
            outcome = "loaded"
        except (ValueError, FileNotFoundError) as error:
            message = str(error)
            one = message and "\n" not in message and not re.search(r"[.!?]\s+[A-Z]", message.replace(str(path), ""))
            outcome = "refused" if one else f"not one sentence: {message!r}"
        except BaseException as error:
            outcome = f"{type(error).__name__}: {error}"
    seconds = time.process_time() - start
    if seconds > MOST_SECONDS:
        return f"took {seconds:.1f} s"
    taken = peak() - before
    if taken > MOST_MEMORY + size:
        return f"took {taken / 1e6:.0f} MB"
    return outcome


def reset_peak() -> int:
    """Forget the largest memory this process has had; what it has now. 0 where the system does not tell (not Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return peak()


def peak() -> int:
    """The largest memory since `reset_peak`, in bytes; 0 where the system does not tell."""
    with contextlib.suppress(OSError):
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
        return int(found[1]) * 1024 if found else 0
    return 0


# ------------------------------------------------------------------------------------------------- the watcher
class Worker:
    def __init__(self) -> None:
        self.process = None

    def ask(self, name: str, seed: int) -> str:
        if self.process is None:
            command = [sys.executable, "-m", "tests.fuzz", "--worker"]
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        timer = threading.Timer(PATIENCE, self.process.kill)
        timer.start()
        try:
            self.process.stdin.write(json.dumps([name, seed]) + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except OSError:
            answer = ""
        finally:
            timer.cancel()
        if answer:
            return json.loads(answer)
        self.process.kill()
        status = self.close()
        return f"the worker hung or died (status {status})"

    def close(self) -> int | None:
        """End the process; its status."""
        if self.process is None:
            return None
        process, self.process = self.process, None
        with contextlib.suppress(OSError):  # what was to be written to a process that has died
            process.stdin.close()
        process.stdout.close()
        return process.wait()


def run(mutations: int, only: str = "", seed: int = 0) -> tuple[dict[str, Counter], list[str]]:
    """How the files of each format fared, and a line for each that was neither loaded nor refused."""
    names = [name for name in FORMATS if only in ("", name)]
    counts, wrong = {name: Counter() for name in names}, []
    worker = Worker()
    for number in tqdm(range(mutations), unit="file", disable=None):
        name = names[number % len(names)]
        outcome = worker.ask(name, seed + number // len(names))
        if outcome not in ("loaded", "refused"):
            wrong.append(f"{name}, seed {seed + number // len(names)}: {outcome}")
            outcome = "wrong"
        counts[name][outcome] += 1
    worker.close()
    return counts, wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutations", type=int, default=20_000)
    parser.add_argument("--only", choices=tuple(FORMATS), default="")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work()
        return 0
    counts, wrong = run(options.mutations, options.only, options.seed)
    for name, count in counts.items():
        print(f"{name:<12}{count['loaded']:>7} loaded {count['refused']:>7} refused {count['wrong']:>5} wrong")
    for line in wrong:
        print(line)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
