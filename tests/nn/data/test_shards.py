"""Tar shards as others write them: read, told apart, and looked at anew where they have changed."""

import os
import tarfile

import numpy as np
import pytest

from nn.data import load, shards
from nn.data.shards import is_shards, shard_sources, write_index
from nn.data.sources import DataLost
from tests.streamed import jpeg, make_folder, make_shards, write_shard


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("LENET_TO_ALEXNET_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_shards_of_any_form_of_tar(tmp_path, form):
    """Long names and letters of all kinds are written in three different ways."""
    long = "folder/" * 12 + "n01440764_10026"
    keys = [long, "kätzchen", "a.b/plain"] if form != tarfile.USTAR_FORMAT else [long, "plain", "x/plain"]
    pictures = [(key, jpeg(number), 2 - number) for number, key in enumerate(keys)]
    write_shard(tmp_path / "one.tar", pictures, format=form)
    source, test = shard_sources(tmp_path / "one.tar")
    assert test is None and len(source) == 3
    assert [source.read(number) for number in range(3)] == [content for _, content, _ in pictures]
    assert source.labels.tolist() == [2, 1, 0] and source.class_names == ("0", "1", "2")
    assert [source.name(number) for number in range(3)] == [f"one.tar/{key}.jpg" for key in keys]


def test_what_tarfile_finds_is_what_is_read(tmp_path):
    source, _ = shard_sources(make_shards(tmp_path))
    found = []
    for name in sorted(os.listdir(tmp_path)):
        with tarfile.open(tmp_path / name) as tar:
            content = {member.name: tar.extractfile(member).read() for member in tar}
        found += [(content[f"{key}.jpg"], int(content[f"{key}.cls"])) for key in sorted({key[:8] for key in content})]
    assert len(found) == 60
    assert found == [(source.read(number), label) for number, label in enumerate(source.labels)]


def test_webdataset_reads_the_same(tmp_path):
    webdataset = pytest.importorskip("webdataset")
    source, _ = shard_sources(make_shards(tmp_path))
    read = webdataset.WebDataset([str(path) for path in sorted(tmp_path.glob("*.tar"))], shardshuffle=False)
    assert [(each["jpg"], int(each["cls"])) for each in read] == [
        (source.read(number), label) for number, label in enumerate(source.labels)
    ]


def test_divisions_by_folder_and_by_name(tmp_path):
    make_shards(tmp_path / "a" / "train", 6, 1), make_shards(tmp_path / "a" / "val", 4, 1)
    train, test = shard_sources(tmp_path / "a")
    assert (len(train), len(test)) == (6, 4) and test.class_names == train.class_names
    (tmp_path / "b").mkdir()
    for name, count in (("imagenet-train-000000", 3), ("imagenet-train-000001", 2), ("imagenet-val-000000", 4)):
        write_shard(tmp_path / "b" / f"{name}.tar", [(f"{n}", jpeg(n), n % 2) for n in range(count)])
    train, test = shard_sources(tmp_path / "b")
    assert (len(train), len(test)) == (5, 4)


@pytest.mark.filterwarnings("ignore:.*were left out")
def test_a_tar_beside_the_folders_that_it_was_unpacked_to_is_no_shard(tmp_path):
    make_folder(tmp_path)
    write_shard(tmp_path / "all.tar", [("a", jpeg(1), 0)])
    assert len(load(tmp_path, 8)[0]) == 30 and not is_shards(tmp_path)
    write_shard(tmp_path / "train" / "cat.tar", [("a", jpeg(1), 0)])
    assert len(load(tmp_path, 8)[0]) == 30 and not is_shards(tmp_path)


def test_what_cannot_be_read_is_left_out_in_memory(tmp_path):
    write_shard(tmp_path / "0.tar", [("a", jpeg(1), 0), ("b", b"broken", 1), ("c", jpeg(3), 1)])
    with pytest.warns(UserWarning, match=r"1 of 3 images cannot be read, and are left out: 0\.tar/b\.jpg"):
        images, _ = load(tmp_path, 8)
    assert images.labels.tolist() == [0, 1]


def test_names_of_classes(tmp_path):
    make_shards(tmp_path)
    (tmp_path / "classes.txt").write_text("".join(f"class {n}\n" for n in range(7)))
    assert load(tmp_path, 8)[0].class_names[5] == "class 5"
    (tmp_path / "classes.txt").write_text("cat\n")
    with pytest.raises(ValueError, match="names 1 classes, expected at least 6"):
        shard_sources(tmp_path)


def test_the_headers_are_read_once_and_anew_when_a_shard_has_changed(tmp_path, monkeypatch):
    path = make_shards(tmp_path / "set")
    walked = []
    real = shards._pictures
    monkeypatch.setattr(shards, "_pictures", lambda path: walked.append(path.name) or real(path))
    first, _ = shard_sources(path)
    second, _ = shard_sources(path)
    assert walked == ["00000.tar", "00001.tar", "00002.tar"] and second.read(59) == first.read(59) == jpeg(59)
    write_shard(path / "00001.tar", [(f"{n}", jpeg(n), 1) for n in range(5)])
    third, _ = shard_sources(path)
    assert len(walked) == 6 and len(third) == 45
    # The same size, another time.
    os.utime(path / "00001.tar", ns=(1, 1))
    shard_sources(path)
    assert len(walked) == 9
    write_index(path, sorted(name for name in os.listdir(path) if name.endswith(".tar")))
    walked.clear()
    shard_sources(path)
    assert walked == []
    (path / "index.npz").write_bytes(b"damaged")
    assert len(shard_sources(path)[0]) == 45


def test_nothing_is_written_beside_the_shards_of_others(tmp_path):
    path = make_shards(tmp_path / "set")
    before = sorted(os.listdir(path))
    shard_sources(path)
    assert sorted(os.listdir(path)) == before


def test_shards_that_vanish_or_shrink_while_they_are_read(tmp_path):
    source, _ = shard_sources(make_shards(tmp_path))
    with open(tmp_path / "00002.tar", "r+b") as file:
        file.truncate(int(source._start[59]) + 10)
    with pytest.raises(DataLost, match=r"00002\.tar has become shorter"):
        source.read(59)
    (tmp_path / "00001.tar").unlink()
    with pytest.raises(DataLost, match=r"00001\.tar could be read before and no longer can"):
        source.read(30)
    assert source.read(0) == jpeg(0)


@pytest.mark.parametrize(
    "make, said",
    [
        (lambda path: path.write_bytes(path.read_bytes()[:5000]), "is cut off"),
        (lambda path: path.write_bytes(b"\x1f\x8b" + bytes(2000)), "is compressed"),
        (lambda path: path.write_bytes(b"x" * 2000), "is no tar, or damaged at byte 0"),
        (lambda path: path.write_bytes(bytes(2000)), "expected shards with images and their classes"),
        (lambda path: write_shard(path, [("a", jpeg(1), "cat")]), "expected the number of a class"),
    ],
)
def test_damaged_shards(tmp_path, make, said):
    make_shards(tmp_path, 10, 1)
    make(tmp_path / "00000.tar")
    with pytest.raises(ValueError, match=said) as caught:
        load(tmp_path, 8)
    assert "\n" not in str(caught.value)


def test_a_key_without_a_class_is_left_out(tmp_path):
    write_shard(tmp_path / "0.tar", [("a", jpeg(1), 0), ("b", jpeg(2), 1), ("c", jpeg(3), 1)])
    with tarfile.open(tmp_path / "1.tar", "w") as out, tarfile.open(tmp_path / "0.tar") as tar:
        for member in tar:
            if member.name != "b.cls":
                out.addfile(member, tar.extractfile(member))
    (tmp_path / "0.tar").unlink()
    source, _ = shard_sources(tmp_path)
    assert [source.read(n) for n in range(2)] == [jpeg(1), jpeg(3)] and np.array_equal(source.labels, [0, 1])
