"""CIFAR-10's binary version, from an archive or a folder: planes become pixels; nothing is unpacked to the disk."""

import gzip
import hashlib
import importlib
import io
import tarfile

import numpy as np
import pytest

from nn.data import cifar10, load
from nn.data.download import WebFile

module = importlib.import_module("nn.data.cifar10")

NAMES = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
RNG = np.random.default_rng(0)
# Each file holds pictures of its own: (label, 32 rows of 32 pixels of R, G, B).
PICTURES = {
    name: [(int(label), RNG.integers(0, 256, (32, 32, 3))) for label in RNG.integers(0, 10, count)]
    for name, count in zip(NAMES, (3, 2, 4, 1, 2, 5))
}


def records(pictures):
    """By the description: a byte for the label, then 1024 bytes each of red, green and blue, row by row."""
    content = b""
    for label, picture in pictures:
        content += bytes([label])
        for channel in range(3):
            content += bytes(int(picture[row, column, channel]) for row in range(32) for column in range(32))
    return content


CONTENTS = {name: records(pictures) for name, pictures in PICTURES.items()}


def archived(contents, top="cifar-10-batches-bin/", extra=()):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in [*extra, *((top + name, content) for name, content in contents.items())]:
            member = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            if not isinstance(name, tarfile.TarInfo):
                member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def check(sets):
    for dataset, names in zip(sets, (NAMES[:5], NAMES[5:])):
        pictures = [entry for name in names for entry in PICTURES[name]]
        assert dataset.images.dtype == np.uint8 and dataset.image_shape == (32, 32, 3)
        np.testing.assert_array_equal(dataset.images, [picture for _, picture in pictures])
        assert dataset.labels.tolist() == [label for label, _ in pictures]
        assert dataset.class_names[0] == "airplane" and dataset.class_names[9] == "truck"
        assert dataset.num_classes == 10


def test_from_the_archive_without_touching_the_disk(tmp_path):
    extra = [("cifar-10-batches-bin/readme.html", b"<html>"), ("cifar-10-batches-bin/batches.meta.txt", b"airplane\n")]
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(archived(CONTENTS, extra=extra))
    check(cifar10(tmp_path / "cifar-10-binary.tar.gz"))
    assert [path.name for path in tmp_path.iterdir()] == ["cifar-10-binary.tar.gz"]


def test_the_order_in_the_archive_does_not_matter(tmp_path):
    (tmp_path / "a.tar.gz").write_bytes(archived(dict(reversed(CONTENTS.items())), top=""))
    check(cifar10(str(tmp_path / "a.tar.gz")))


def test_from_a_folder(tmp_path):
    for name, content in CONTENTS.items():
        (tmp_path / name).write_bytes(content)
    check(cifar10(tmp_path))


def test_from_the_folder_around_it(tmp_path):
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(archived(CONTENTS))
    check(cifar10(tmp_path))
    check(load(tmp_path))
    (tmp_path / "cifar-10-binary.tar.gz").unlink()
    (tmp_path / "cifar-10-batches-bin").mkdir()
    for name, content in CONTENTS.items():
        (tmp_path / "cifar-10-batches-bin" / name).write_bytes(content)
    check(cifar10(tmp_path))
    check(load(tmp_path))


def test_from_the_network_once_then_from_the_cache(server, cache, monkeypatch):
    content = archived(CONTENTS)
    server.files["cifar-10-binary.tar.gz"] = content
    file = WebFile("cifar-10-binary.tar.gz", len(content), hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(module, "FILE", file)
    monkeypatch.setattr(module, "MIRRORS", [server.mirror("corrupt"), server.mirror("whole")])
    check(cifar10())
    check(cifar10())
    assert len(server.requests) == 2
    assert [path.name for path in cache.rglob("*") if path.is_file()] == ["cifar-10-binary.tar.gz"]


def refuse(path, complaint):
    with pytest.raises(ValueError, match=complaint) as error:
        cifar10(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"data_batch_2.bin": CONTENTS["data_batch_2.bin"][:-1]}, "data_batch_2.bin must hold records of 3,073 bytes"),
        ({"test_batch.bin": b""}, "test_batch.bin must hold records .* got 0 bytes"),
        ({"data_batch_5.bin": b"\x0a" + CONTENTS["data_batch_5.bin"][1:]}, "expected labels 0 to 9, got 10"),
    ],
)
@pytest.mark.parametrize("form", ["archive", "folder"])
def test_files_that_are_not_as_described(tmp_path, form, change, complaint):
    contents = CONTENTS | change
    if form == "archive":
        path = tmp_path / "a.tar.gz"
        path.write_bytes(archived(contents))
    else:
        path = tmp_path
        for name, content in contents.items():
            (path / name).write_bytes(content)
    refuse(path, complaint)


def test_missing_files_are_named(tmp_path):
    contents = {name: content for name, content in CONTENTS.items() if name != "data_batch_3.bin"}
    (tmp_path / "a.tar.gz").write_bytes(archived(contents))
    refuse(tmp_path / "a.tar.gz", "there is no data_batch_3.bin in it")
    (tmp_path / "python").mkdir()
    refuse(tmp_path / "python", "expected the binary version .* no data_batch_1.bin, .*test_batch.bin")
    with pytest.raises(FileNotFoundError, match="neither a file nor a folder"):
        cifar10(tmp_path / "nothing")


WHOLE = archived(CONTENTS)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no archive",
        gzip.compress(b"no archive, but zipped"),
        WHOLE[: len(WHOLE) // 2],
        WHOLE[:-4],
        WHOLE[:9000] + bytes([WHOLE[9000] ^ 16]) + WHOLE[9001:],
        WHOLE[:-8] + bytes(4) + WHOLE[-4:],
    ],
    ids=["empty", "text", "zipped text", "half", "cut at the end", "flipped bit", "check sum"],
)
def test_damaged_archives(tmp_path, content):
    (tmp_path / "a.tar.gz").write_bytes(content)
    refuse(tmp_path / "a.tar.gz", r"a\.tar\.gz")


def member(name, size=0, kind=tarfile.REGTYPE, target=""):
    made = tarfile.TarInfo(name)
    made.size, made.type, made.linkname = size, kind, target
    return made


def test_links_and_devices_are_passed_over(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(CONTENTS["test_batch.bin"])
    contents = {name: content for name, content in CONTENTS.items() if name != "test_batch.bin"}
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE):
        extra = [(member("test_batch.bin", kind=kind, target=str(secret)), b"")]
        (tmp_path / "a.tar.gz").write_bytes(archived(contents, extra=extra))
        refuse(tmp_path / "a.tar.gz", "there is no test_batch.bin")


def test_what_unpacks_to_too_much_is_refused_early(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 200_000)
    monkeypatch.setattr(module, "MOST_UNPACKED", 500_000)
    path = tmp_path / "a.tar.gz"
    path.write_bytes(archived(CONTENTS, extra=[("data_batch_1.bin", bytes(200_001))]))
    refuse(path, "data_batch_1.bin has 200,001 bytes")
    path.write_bytes(archived(CONTENTS, extra=[("something else", bytes(600_000))]))
    refuse(path, "unpacks to far more than it should")
    with gzip.open(path, "wb") as file:  # after the archive's end
        file.write(gzip.decompress(WHOLE) + bytes(600_000))
    refuse(path, "unpacks to far more than it should")
    (tmp_path / "data_batch_1.bin").write_bytes(bytes(200_001))
    with pytest.raises(ValueError, match="at most 200,000 bytes"):
        cifar10(tmp_path)


def test_what_follows_the_archive_is_read_up_to_the_check_sum(tmp_path):
    path = tmp_path / "a.tar.gz"
    padded = gzip.compress(gzip.decompress(WHOLE) + bytes(3 << 20), 1)
    path.write_bytes(padded)
    check(cifar10(path))
    path.write_bytes(padded[:-8] + bytes(4) + padded[-4:])
    refuse(path, "CRC")
