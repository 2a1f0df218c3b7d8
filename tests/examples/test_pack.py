"""lenet pack: what it writes is what the folder holds, all or nothing."""

import io
import os
import signal
import subprocess
import sys
import tarfile
import time

import numpy as np
import pytest
from PIL import Image

from examples import pack
from nn.data import load, packing
from nn.data.pictures import picture_sets
from nn.data.sources import folder_sources
from nn.data.stream import StreamedImages
from tests.streamed import jpeg, make_folder, make_shards

SIZE = 24


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("LENET_TO_ALEXNET_CACHE", str(tmp_path_factory.mktemp("cache")))


def packed(*arguments):
    return pack.main([*map(str, arguments), "--image-size", str(SIZE), "--per-shard", "7"])


def everything(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_shards_hold_the_folder(tmp_path, capsys):
    """Each picture is the JPEG of what is read of the folder into memory; tarfile reads the shards."""
    make_folder(tmp_path / "set", each=5, test=2)
    assert packed(tmp_path / "set", tmp_path / "shards") == 0
    assert "42 images" in capsys.readouterr().out
    for part, images in zip(("train", "val"), picture_sets(tmp_path / "set", SIZE)[:2], strict=True):
        found, labels = [], []
        shards = sorted((tmp_path / "shards" / part).glob("*.tar"))
        assert len(shards) == -(-len(images) // 7)
        for shard in shards:
            with tarfile.open(shard) as tar:
                for member in tar:
                    content = tar.extractfile(member).read()
                    (labels if member.name.endswith(".cls") else found).append(content)
        assert [int(label) for label in labels] == images.labels.tolist()
        for content, image in zip(found, images.images, strict=True):
            buffer = io.BytesIO()
            Image.fromarray(image).save(buffer, "JPEG", quality=95)
            assert content == buffer.getvalue()
        names = (tmp_path / "shards" / part / "classes.txt").read_text().splitlines()
        assert names == list(images.class_names)


def test_the_mean_and_the_colours_are_those_of_the_packed_pictures(tmp_path, monkeypatch):
    make_folder(tmp_path / "set")
    packed(tmp_path / "set", tmp_path / "shards")
    train_set, _ = load(tmp_path / "shards", stream=None)
    assert isinstance(train_set.images, StreamedImages) and train_set.image_shape == (SIZE, SIZE, 3)
    monkeypatch.setattr("nn.data.stream.measure", None)  # nothing is measured anew
    known, levels = train_set.images.statistics(), np.asarray(train_set.images) / 255
    assert known.count == 30 and np.allclose(known.mean_picture, levels.mean(axis=0), atol=1e-7)
    assert np.allclose(known.covariance, np.cov(levels.reshape(-1, 3).T, bias=True), atol=1e-9)


@pytest.mark.parametrize("threads", [1, 8])
def test_the_same_bytes_for_any_number_of_threads(tmp_path, threads):
    folder = make_folder(tmp_path / "set")
    source, _ = folder_sources(folder)
    for name, number in (("one", 2), ("other", threads)):
        (tmp_path / name).mkdir()
        assert packing.pack(source, tmp_path / name, SIZE, 7, number) == []
    one, other = (everything(tmp_path / name) for name in ("one", "other"))
    tars = [path for path in one if path.suffix == ".tar"]
    assert len(tars) == 5 and all(one[path] == other[path] for path in tars)


def test_broken_files_are_left_out_and_named(tmp_path, capsys):
    make_folder(tmp_path / "set")
    (tmp_path / "set" / "train" / "dog" / "1.jpg").write_bytes(b"broken")
    (tmp_path / "set" / "train" / "eel" / "0.jpg").write_bytes(b"")
    assert packed(tmp_path / "set", tmp_path / "shards") == 0
    said = capsys.readouterr()
    assert "2 of 42 images were left out: train/dog/1.jpg: not an image" in said.err and "40 images" in said.out
    assert np.bincount(load(tmp_path / "shards", stream=True)[0].labels).tolist() == [5, 4, 4, 5, 5, 5]


def test_a_class_of_which_nothing_can_be_read(tmp_path, capsys):
    make_folder(tmp_path / "set", each=2)
    for number in range(2):
        (tmp_path / "set" / "train" / "dog" / f"{number}.jpg").write_bytes(b"broken")
    assert packed(tmp_path / "set", tmp_path / "shards") == 1
    assert "no image of dog can be read" in capsys.readouterr().err
    assert sorted(os.listdir(tmp_path)) == ["set"]


def test_flat_test_images_with_a_file_of_labels(tmp_path):
    make_folder(tmp_path / "set", test=0)
    for folder in (tmp_path / "set" / "test").iterdir():
        folder.rmdir()
    (tmp_path / "set" / "test").rename(tmp_path / "set" / "val")
    for number in range(3):
        (tmp_path / "set" / "val" / f"v{number}.JPEG").write_bytes(jpeg(number))
    (tmp_path / "labels.txt").write_text("v0.JPEG 5\nv1.JPEG 0\nv2.JPEG 3\n")
    assert packed(tmp_path / "set", tmp_path / "shards", "--labels", tmp_path / "labels.txt") == 0
    assert load(tmp_path / "shards", stream=True)[1].labels.tolist() == [5, 0, 3]


def test_shards_are_replaced_only_with_force(tmp_path, capsys):
    make_folder(tmp_path / "set")
    make_shards(tmp_path / "shards", 12, 1)
    before = everything(tmp_path / "shards")
    with pytest.raises(SystemExit):
        packed(tmp_path / "set", tmp_path / "shards")
    assert "add --force" in capsys.readouterr().err and everything(tmp_path / "shards") == before
    assert packed(tmp_path / "set", tmp_path / "shards", "--force") == 0
    assert sorted(os.listdir(tmp_path / "shards")) == ["train", "val"]
    assert sorted(os.listdir(tmp_path)) == ["set", "shards"]


@pytest.mark.parametrize("error, status", [(KeyboardInterrupt(), 130), (OSError(28, "No space left on device"), 1)])
def test_what_is_stopped_leaves_nothing_behind(tmp_path, monkeypatch, capsys, error, status):
    make_folder(tmp_path / "set")
    make_shards(tmp_path / "shards", 12, 1)
    before = everything(tmp_path / "shards")
    count = 0

    def add(tar, member, content):
        nonlocal count
        count += 1
        if count == 50:
            raise error
        real(tar, member, content)

    real = tarfile.TarFile.addfile
    monkeypatch.setattr(tarfile.TarFile, "addfile", add)
    assert packed(tmp_path / "set", tmp_path / "shards", "--force") == status
    assert everything(tmp_path / "shards") == before and sorted(os.listdir(tmp_path)) == ["set", "shards"]
    assert capsys.readouterr().err.count("\n") <= 2


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="Windows has no such signals")
@pytest.mark.parametrize("when", ["listing", "packing"])
def test_ctrl_c_is_answered_within_two_seconds(tmp_path, when):
    """With more pictures than can be packed meanwhile: hard links."""
    for name in ("cat", "dog"):
        (tmp_path / "set" / name).mkdir(parents=True)
        (tmp_path / "set" / name / "0.jpg").write_bytes(jpeg(1, 500, 375))
        for number in range(1, 15_000):
            os.link(tmp_path / "set" / name / "0.jpg", tmp_path / "set" / name / f"{number}.jpg")
    command = [sys.executable, "-m", "examples.pack", str(tmp_path / "set"), str(tmp_path / "shards")]
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)  # where the tests run in the background it is ignored
    try:
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    finally:
        signal.signal(signal.SIGINT, before)
    partial = tmp_path / ".shards.partial"
    while process.poll() is None and when == "packing" and not (partial / "00000.tar").exists():
        time.sleep(0.01)
    if when == "listing":
        time.sleep(1)
    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert time.monotonic() - asked < 2 and process.returncode == 130, said
    assert "stopped by Ctrl-C" in said and sorted(os.listdir(tmp_path)) == ["set"]
