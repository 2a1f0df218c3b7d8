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
    found, expected = load(tmp_path / "few" / "objects.npz"), objects(16, 8, 4)
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


@pytest.mark.parametrize("how, name", [([], "objects.npz"), (["--folder"], "mine.txt")])
def test_nothing_outside_runs_is_overwritten(tmp_path, capsys, how, name):
    mine = tmp_path / "mine" / name
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(SystemExit) as exit_:
        render.main([*FEW, *how, "--out", str(mine.parent)])
    assert exit_.value.code == 2 and "--force" in capsys.readouterr().err
    assert mine.read_text() == "mine" and list(mine.parent.iterdir()) == [mine]
    assert render.main([*FEW, *how, "--out", str(mine.parent), "--force"]) == 0
    assert len(load(mine.parent if how else mine)[0]) == 8
    assert not how or mine.read_text() == "mine"


@pytest.mark.parametrize("how, name", [([], "objects.npz"), (["--folder"], "")])
def test_inside_runs_images_replace_those_of_before(tmp_path, monkeypatch, how, name):
    monkeypatch.chdir(tmp_path)
    assert render.main([*FEW, *how]) == 0
    assert render.main(["--train", "4", "--test", "0", "--image-size", "16", *how]) == 0
    train_set, test_set = load(tmp_path / "runs" / "render" / name)
    assert len(train_set) == 4 and test_set is None


@pytest.mark.parametrize("arguments", [["--train", "0"], ["--image-size", "4"], ["--image-size", "5000"], ["x"]])
def test_bad_arguments(arguments, capsys, tmp_path):
    with pytest.raises(SystemExit) as exit_:
        render.main([*arguments, "--out", str(tmp_path / "x")])
    err = capsys.readouterr().err
    assert exit_.value.code == 2 and err.startswith("render: ") and err.count("\n") == 1
