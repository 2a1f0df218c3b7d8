"""CIFAR-10's Python version, of which nothing is run, and CIFAR-100's binary version.

Both are described on www.cs.toronto.edu/~kriz/cifar.html. Python: data_batch_1 ... data_batch_5 and test_batch, each a
pickle that Python 2 wrote (protocol 2), of a dict with "data", an array of N x 3072 bytes (1024 red ones, row by row,
then green, then blue), "labels", a list, "batch_label" and "filenames". CIFAR-100: train.bin and test.bin, records of
<1 x coarse label><1 x fine label><3072 x pixel>, and fine_label_names.txt, a name on each line.
"""

import gzip
import io
import pickle
import tarfile
import tracemalloc
import zipfile

import numpy as np
import pytest

from nn.data import cifar10, load
from nn.data.cifar10 import CLASS_NAMES
from tests.checks import one_sentence
from tests.foreign_files import Call, Global, Opcodes, dump
from tests.nn.files.test_foreign_attacks import ATTACKS, BOMBS

RNG = np.random.default_rng(0)
NAMES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]


def some_pictures(count, classes):
    return [(int(label), RNG.integers(0, 256, (32, 32, 3))) for label in RNG.integers(0, classes, count)]


def planes(picture):
    return bytes(
        int(picture[row, column, channel]) for channel in range(3) for row in range(32) for column in range(32)
    )


def batch(pictures, number=1, python2=True, **changes):
    content = {
        "batch_label": f"training batch {number} of 5",
        "labels": [label for label, _ in pictures],
        "data": np.array([list(planes(picture)) for _, picture in pictures], np.uint8).reshape(-1, 3072),
        "filenames": [f"camion_s_{k:06}.png" for k in range(len(pictures))],
    } | changes
    return dump(content, python2=True) if python2 else pickle.dumps(content, protocol=4)


PICTURES = {name: some_pictures(count, 10) for name, count in zip(NAMES, (3, 2, 4, 1, 2, 5))}
FILES = {name: batch(pictures) for name, pictures in PICTURES.items()} | {
    "batches.meta": dump({"num_cases_per_batch": 10000, "label_names": list(CLASS_NAMES)}, python2=True),
    "readme.html": b"<html>",
}


def archive(path, folder, files):
    with tarfile.open(path, "w:gz") as tar:
        top = tarfile.TarInfo(folder)
        top.type = tarfile.DIRTYPE
        tar.addfile(top)
        for name, content in files.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def unpack(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def check(sets, parts, class_names):
    for dataset, pictures in zip(sets, parts, strict=True):
        assert dataset.images.dtype == np.uint8 and dataset.images.flags.c_contiguous
        np.testing.assert_array_equal(dataset.images, [picture for _, picture in pictures])
        assert dataset.labels.tolist() == [label for label, _ in pictures]
        assert dataset.class_names == tuple(class_names)


def check_cifar10(sets):
    check(sets, ([each for name in NAMES[:5] for each in PICTURES[name]], PICTURES["test_batch"]), CLASS_NAMES)


def test_what_the_tests_write_is_what_pickle_reads():
    read = pickle.loads(FILES["data_batch_1"], encoding="latin1")
    assert read["data"].dtype == np.uint8 and read["data"].shape == (3, 3072)
    assert FILES["data_batch_1"][:2] == b"\x80\x02" and b"U\x0bbatch_label" in FILES["data_batch_1"]


def test_cifar10s_python_version(tmp_path):
    folder = unpack(tmp_path / "a" / "cifar-10-batches-py", FILES)
    packed = archive(tmp_path / "cifar-10-python.tar.gz", "cifar-10-batches-py", FILES)
    for path in (folder, folder.parent, packed, tmp_path):
        check_cifar10(load(path))
        check_cifar10(cifar10(path))


def test_as_python_3_writes_it_and_in_fortrans_order(tmp_path):
    turned = {"data": np.asfortranarray(np.array([list(planes(p)) for _, p in PICTURES["test_batch"]], np.uint8))}
    files = {name: batch(PICTURES[name], python2=False) for name in NAMES}
    files["test_batch"] = batch(PICTURES["test_batch"], python2=False, **turned)
    check_cifar10(load(unpack(tmp_path, files)))


@pytest.mark.parametrize("name", ATTACKS)
def test_nothing_in_it_runs(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    folder = unpack(tmp_path / "cifar-10-batches-py", FILES | {"data_batch_1": ATTACKS[name]})
    with one_sentence(ValueError, folder, "data_batch_1 cannot be read as a part of CIFAR-10"):
        load(folder)
    assert not (tmp_path / "marker").exists()


def test_an_attack_beside_the_pictures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = Call(Global("builtins", "exec"), ("open('marker', 'w')",))
    folder = unpack(tmp_path / "cifar-10-batches-py", FILES | {"test_batch": batch(PICTURES["test_batch"], x=run)})
    with one_sentence(ValueError, "test_batch", "'builtins.exec'", "may be malicious; nothing was run"):
        load(folder)
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize("name", ["memo", "frame", "longer string", "long bytes", "a list in itself", "doubling"])
def test_waste_is_limited(tmp_path, name):
    folder = unpack(tmp_path, FILES | {"data_batch_3": b"\x80\x04" + BOMBS[name] + b"."})
    tracemalloc.start()
    with one_sentence(ValueError, folder, "data_batch_3"):
        load(folder)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200e6


SOME = PICTURES["test_batch"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (FILES["test_batch"][:-10], "test_batch cannot be read as a part of CIFAR-10: its pickle breaks off"),
        (b"", "breaks off"),
        (dump([1, 2]), "no dict with an array"),
        (dump({"labels": [1]}), "no dict with an array"),
        (batch(SOME, labels=[1, 2]), "a list of 5 labels"),
        (batch(SOME, labels=5), "a list of 5 labels"),
        (batch(SOME, labels=[0, 1, 2, 3, 10]), "expected labels 0 to 9, got 10"),
        (batch(SOME, labels=[0, 1, 2, 3, -1]), "labels must be whole numbers"),
        (batch(SOME, labels=[0, 1, 2, 3, 256]), "labels must be whole numbers"),
        (batch(SOME, labels=[0, 1, 2, 3, "4"]), "labels must be whole numbers"),
        (batch(SOME, labels=[0, 1, 2, 3, True]), "labels must be whole numbers"),
        (batch(SOME, data=np.zeros((5, 3071), np.uint8)), "3,072 bytes each, got (5, 3071)"),
        (batch([], data=np.zeros((0, 3072), np.uint8)), "3,072 bytes each, got (0, 3072)"),
        (batch(SOME, data=np.zeros((5, 3072), np.float32)), "something else than unsigned bytes"),
        (batch(SOME, data=np.zeros(5 * 3072, np.uint8)), "something else than rows"),
        (batch(SOME).replace(b"M\x00\x0c", b"M\x01\x0c"), "are not all there"),
        (
            batch(SOME, data=Call(Global("numpy.core.multiarray", "_reconstruct"), (Global("numpy", "ndarray"), 0, 0))),
            "3,072 bytes each, got none",
        ),
        (batch(SOME, data=Call(Global("numpy.core.multiarray", "_reconstruct"), ())), "a way that NumPy does not"),
        (batch(SOME, data=Opcodes(b"cnumpy\ndtype\n)R")), "something else than unsigned bytes"),
    ],
)
def test_batches_that_are_not_as_described(tmp_path, content, complaint):
    folder = unpack(tmp_path, FILES | {"test_batch": content})
    with one_sentence(ValueError, folder, complaint):
        load(folder)


def test_missing_batches_are_named(tmp_path):
    folder = unpack(tmp_path, {name: content for name, content in FILES.items() if name != "data_batch_4"})
    with one_sentence(ValueError, folder, "the Python version of CIFAR-10", "there is no data_batch_4 in it"):
        load(folder)


# ------------------------------------------------------------------------------------------------------ CIFAR-100
FINE_NAMES = [f"fine_{number}" for number in range(100)]
HUNDRED = {"train.bin": some_pictures(7, 100), "test.bin": some_pictures(4, 100)}


def records(pictures):
    return b"".join(bytes([19 - label % 20, label]) + planes(picture) for label, picture in pictures)


HUNDRED_FILES = {name: records(pictures) for name, pictures in HUNDRED.items()} | {
    "fine_label_names.txt": "".join(f"{name}\n" for name in FINE_NAMES).encode(),
    "coarse_label_names.txt": "".join(f"coarse_{number}\n" for number in range(20)).encode(),
}


def test_cifar100s_binary_version(tmp_path):
    folder = unpack(tmp_path / "a" / "cifar-100-binary", HUNDRED_FILES)
    packed = archive(tmp_path / "cifar-100-binary.tar.gz", "cifar-100-binary", HUNDRED_FILES)
    renamed = archive(tmp_path / "b.tgz", "cifar-100-binary", HUNDRED_FILES)
    for path in (folder, folder.parent, packed, renamed, tmp_path):
        check(load(path), (HUNDRED["train.bin"], HUNDRED["test.bin"]), FINE_NAMES)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"train.bin": HUNDRED_FILES["train.bin"][:-1]}, "train.bin must hold records of 3,074 bytes"),
        ({"test.bin": b""}, "test.bin must hold records of 3,074 bytes, got 0 bytes"),
        ({"test.bin": records([(0, HUNDRED["test.bin"][0][1]), (100, HUNDRED["test.bin"][1][1])])}, "0 to 99, got 100"),
        ({"fine_label_names.txt": b"apple\n"}, "fine_label_names.txt must hold 100 names, got 1"),
        ({"fine_label_names.txt": None}, "there is no fine_label_names.txt in it"),
        ({"test.bin": None}, "there is no test.bin in it"),
    ],
)
@pytest.mark.parametrize("form", ["archive", "folder"])
def test_cifar100_that_is_not_as_described(tmp_path, form, change, complaint):
    files = {name: content for name, content in (HUNDRED_FILES | change).items() if content is not None}
    if form == "archive":
        path = archive(tmp_path / "cifar-100-binary.tar.gz", "cifar-100-binary", files)
    else:
        path = unpack(tmp_path / "cifar-100-binary", files)
    with one_sentence(ValueError, path, complaint):
        load(path)


def test_cifar100_up_to_its_limits(tmp_path, monkeypatch):
    monkeypatch.setattr("nn.data.cifar100.MOST_BYTES", 20_000)
    with one_sentence(ValueError, "train.bin", "at most 20,000 bytes"):
        load(unpack(tmp_path / "cifar-100-binary", HUNDRED_FILES))
    with one_sentence(ValueError, "a.tar.gz", "train.bin has 21,518 bytes"):
        load(archive(tmp_path / "a.tar.gz", "cifar-100-binary", HUNDRED_FILES))


def test_cifar100s_python_version_is_named_in_the_refusal(tmp_path):
    files = {"meta": dump({}), "train": dump({}), "test": dump({})}
    for path in (
        unpack(tmp_path / "cifar-100-python", files),
        archive(tmp_path / "cifar-100-python.tar.gz", "cifar-100-python", files),
    ):
        with one_sentence(ValueError, path, "cifar-100-binary.tar.gz, got the Python version"):
            load(path)


def test_other_archives_are_still_refused_in_one_sentence(tmp_path):
    with tarfile.open(tmp_path / "pictures.tar.gz", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("pictures/readme"))
    with one_sentence(ValueError, tmp_path / "pictures.tar.gz", "there is no data_batch_1.bin"):
        load(tmp_path / "pictures.tar.gz")
    (tmp_path / "text.gz").write_bytes(gzip.compress(b"text"))
    with one_sentence(ValueError, tmp_path / "text.gz"):
        load(tmp_path / "text.gz")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as zipped:
        zipped.writestr("readme", b"")
    with one_sentence(ValueError, tmp_path / "a.zip"):
        load(tmp_path / "a.zip")
