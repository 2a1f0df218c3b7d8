"""lenet evaluate: its figures are those that are counted by hand."""

import csv

import numpy as np
import pytest

from examples import evaluate
from examples.train import program as train
from models import load_classifier
from nn.data import load
from nn.training import evaluate as evaluate_arrays
from tests.streamed import make_folder, make_shards

SIZE = 32


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("LENET_TO_ALEXNET_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A network for six classes, of which 11 images are held out; its weights, and the folder it learned from."""
    place = tmp_path_factory.mktemp("trained")
    make_folder(place / "set", each=8, test=3)
    arguments = ["--model", "alexnet_small", "--data", place / "set", "--image-size", SIZE, "--epochs", 1]
    arguments += ["--augment", "crop", "--width", "0.1", "--held-out", 11, "--out", place / "run"]
    assert train.main(list(map(str, arguments))) == 0
    return place / "run" / "best.safetensors", place / "set"


def asked(capsys, out, *arguments):
    assert evaluate.main([*map(str, arguments), "--out", str(out), "--force"]) == 0
    with open(out / "classes.csv", newline="") as file:
        return capsys.readouterr().out, list(csv.DictReader(file))


def test_top_1_and_top_5_of_the_centre_and_of_ten_crops(trained, tmp_path, capsys):
    weights, folder = trained
    classifier = load_classifier(weights)
    _, test_set = load(folder, SIZE)
    for stream in ("yes", "no"):
        said, rows = asked(capsys, tmp_path, weights, folder, "--ten-crop", "--stream", stream)
        for way, ten_crop in (("centre", False), ("ten crops", True)):
            probabilities = classifier.probabilities(test_set.images, ten_crop)
            order = np.argsort(-probabilities, axis=1, kind="stable")
            right = order == test_set.labels[:, None]
            line = next(line for line in said.splitlines() if line.startswith(way))
            expected = f"{right[:, 0].mean():.2%} top-1,  {right[:, :5].any(axis=1).mean():.2%} top-5"
            assert " ".join(line.split()).endswith(" ".join(expected.split())), (line, expected)
        assert [row["class"] for row in rows] == list(test_set.class_names)
        for label, row in enumerate(rows):  # by the last way, ten crops
            of_class = order[test_set.labels == label]
            assert int(row["images"]) == 3 and float(row["top1"]) == round(np.mean(of_class[:, 0] == label), 4)
            wrong = of_class[of_class[:, 0] != label, 0]
            assert (row["taken_for"] == "") == (len(wrong) == 0)
            if len(wrong):
                counts = np.bincount(wrong)
                assert int(row["so_often"]) == counts.max() == counts[test_set.class_names.index(row["taken_for"])]


def test_it_agrees_with_what_training_found(trained, tmp_path, capsys):
    """The held-out images are those of the run, which its folder lists."""
    weights, folder = trained
    with open(weights.parent / "metrics.csv", newline="") as file:
        row = next(csv.DictReader(file))
    said, rows = asked(capsys, tmp_path, weights, folder, "--held-out", 11)
    assert f"{float(row['test_accuracy']):8.2%} top-1, {float(row['test_top5']):7.2%} top-5" in said
    assert sum(int(row["images"]) for row in rows) == len((weights.parent / "held_out.txt").read_text().splitlines())


def test_what_was_held_out_of_a_stream(trained, tmp_path, capsys):
    """Its files are listed, too: else another part would be found where the images fit into memory."""
    _, folder = trained
    run = tmp_path / "run"
    arguments = ["--model", "alexnet_small", "--data", folder, "--image-size", SIZE, "--epochs", 1, "--width", "0.1"]
    assert train.main([*map(str, arguments), "--held-out", "7", "--stream", "yes", "--out", str(run)]) == 0
    names = (run / "held_out.txt").read_text().splitlines()
    assert len(names) == 7 and all((folder.parent / name).is_file() for name in names)
    with open(run / "metrics.csv", newline="") as file:
        row = next(csv.DictReader(file))
    for stream in ("yes", "no"):
        said, _ = asked(capsys, tmp_path, run / "best.safetensors", folder, "--held-out", 7, "--stream", stream)
        assert f"{float(row['test_accuracy']):8.2%} top-1, {float(row['test_top5']):7.2%} top-5" in said


def test_classes_are_matched_by_name_or_by_number(trained, tmp_path, capsys):
    weights, _ = trained
    make_folder(tmp_path / "two", classes=("hen", "cat"))
    said, rows = asked(capsys, tmp_path / "out", weights, tmp_path / "two")
    assert [row["class"] for row in rows] == ["cat", "hen"] and "12" not in rows[0]["images"]
    make_shards(tmp_path / "shards", 12, 1)
    said, rows = asked(capsys, tmp_path / "out", weights, tmp_path / "shards")
    assert "no images to test with" in said and [int(row["images"]) for row in rows] == [2] * 6
    assert rows[0]["class"] == "cat"
    make_folder(tmp_path / "others", classes=("hen", "yak"))
    with pytest.raises(SystemExit, match="2"):
        evaluate.main([str(weights), str(tmp_path / "others"), "--out", str(tmp_path / "out")])
    assert "and not 'yak'" in capsys.readouterr().err


def test_what_cannot_be_read_does_not_count(trained, tmp_path, capsys):
    weights, _ = trained
    make_folder(tmp_path / "set", test=4)
    for number in (0, 3):
        (tmp_path / "set" / "test" / "dog" / f"{number}.jpg").write_bytes(b"broken")
    _, rows = asked(capsys, tmp_path / "out", weights, tmp_path / "set", "--stream", "yes")
    assert [int(row["images"]) for row in rows] == [4, 2, 4, 4, 4, 4]


def test_digits(tmp_path, capsys):
    said, _ = asked(capsys, tmp_path, "digits_lenet", "digits")
    classifier = load_classifier("digits_lenet")
    _, test_set = load("digits")
    _, accuracy, _ = evaluate_arrays(
        classifier.network, test_set.images, test_set.labels, prepare=lambda images, _: classifier.preparation(images)
    )
    assert f"{accuracy:.2%} top-1" in said
