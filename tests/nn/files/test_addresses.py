"""An address where a file is expected: the sentence says to download it, and gives the address as it was typed."""

import os
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest

from examples.shared.picture_files import PictureFiles
from models.registry import find_weights
from nn.data import load
from nn.files.addresses import refuse_address
from tests.checks import one_sentence

ADDRESS = "https://example.com/my%20cat.jpg"


@pytest.mark.parametrize("kind", [str, PurePosixPath, PureWindowsPath])
def test_it_is_told_as_it_was_typed(kind):
    with one_sentence(ValueError, f"{ADDRESS} is an address", "expected a file", "download it first"):
        refuse_address(kind(ADDRESS))


def test_a_file_behind_an_address():
    with one_sentence(ValueError, "file:///home/me/cat.jpg is an address", "without file://"):
        refuse_address("file:///home/me/cat.jpg")


@pytest.mark.parametrize("path", ["cat.jpg", "http", "C:/cat.jpg", "C:\\cat.jpg", "my:/cat.jpg", "/https:/x", "https:"])
def test_other_names_are_none(path):
    refuse_address(path)
    refuse_address(Path(path))


@pytest.mark.parametrize("read", [lambda path: PictureFiles([path], 3), find_weights, load])
def test_pictures_weights_and_data(read):
    for path in (ADDRESS, Path(ADDRESS)):
        with one_sentence(ValueError, f"{ADDRESS} is an address", "download it first"):
            read(path)


@pytest.mark.skipif(os.name == "nt", reason="no folder may be called so")
def test_a_folder_may_be_called_like_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("https:/example.com").mkdir(parents=True)
    Path(ADDRESS).write_bytes(b"")
    assert PictureFiles([ADDRESS], 3).files == [Path(ADDRESS)]
