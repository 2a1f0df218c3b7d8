"""The program that renders pictures: what it writes is a data set, and it overwrites nothing."""

import numpy as np
import pytest
from PIL import Image

from examples import render
from nn.data import load
from nn.data.rendered import CLASS_NAMES, objects

FEW = ["--train", "8", "--test", "4", "--image-size", "16"]


def test_one_file(tmp_path):
    assert render.main([*FEW, "--out", str(tmp_path / "few")]) == 0
    found, expected = load(tmp_path / "few.npz"), objects(16, 8, 4)
    for one, other in zip(found, expected):
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_array_equal(one.labels, other.labels)
        assert one.class_names == CLASS_NAMES


def test_a_folder(tmp_path):
    assert render.main([*FEW, "--folder", "--out", str(tmp_path / "few")]) == 0
    found, expected = load(tmp_path / "few"), objects(16, 8, 4)
    for one, other in zip(found, expected):
        assert one.class_names == CLASS_NAMES
        assert sorted(image.tobytes() for image in one.images) == sorted(image.tobytes() for image in other.images)
    with Image.open(next((tmp_path / "few" / "train" / "cat").iterdir())) as image:
        assert image.size == (16, 16)


def test_nothing_is_overwritten(tmp_path, capsys):
    (tmp_path / "mine.npz").write_text("mine")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "mine.txt").write_text("mine")
    for arguments in (["--out", str(tmp_path / "mine")], ["--folder", "--out", str(tmp_path / "mine")]):
        with pytest.raises(SystemExit) as exit_:
            render.main([*FEW, *arguments])
        assert exit_.value.code == 2 and "--force" in capsys.readouterr().err
    assert (tmp_path / "mine.npz").read_text() == "mine"
    assert render.main([*FEW, "--out", str(tmp_path / "mine"), "--force"]) == 0


@pytest.mark.parametrize("arguments", [["--train", "0"], ["--image-size", "4"], ["--image-size", "5000"], ["x"]])
def test_bad_arguments(arguments, capsys, tmp_path):
    with pytest.raises(SystemExit) as exit_:
        render.main([*arguments, "--out", str(tmp_path / "x")])
    err = capsys.readouterr().err
    assert exit_.value.code == 2 and err.startswith("render: ") and err.count("\n") == 1
