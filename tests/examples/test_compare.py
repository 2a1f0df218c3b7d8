"""The comparison from the command line: a tiny run with everything it leaves behind, and every kind of bad input."""

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from examples.compare import program as compare
from examples.compare.results import RESULT_FILES, aligned, warnings
from nn.data import digits
from nn.training import History
from nn.training.diagnosis import diagnose

ROOT = Path(compare.__file__).resolve().parents[2]
FAST = ["--epochs", "1", "--width", "0.05", "--batch-size", "32"]


@pytest.fixture(scope="module")
def few_digits(tmp_path_factory):
    """300 digits as a file of one's own, so that a run takes seconds."""
    train_set, _ = digits()
    images = np.rint(train_set.images[:300, :, :, 0] * 255).astype(np.uint8)
    path = tmp_path_factory.mktemp("data") / "few digits & more.npz"
    np.savez_compressed(path, images=images, labels=train_set.labels[:300])
    return path


@pytest.fixture(scope="module")
def finished(few_digits, tmp_path_factory):
    """One run of the whole program in a process of its own: (its output folder, stdout, stderr)."""
    folder = tmp_path_factory.mktemp("runs") / "deep" / "out"
    arguments = ["--data", str(few_digits), "--out", str(folder), "--seed", "3", *FAST]
    command = [sys.executable, "-m", "examples.compare", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout, done.stderr


def test_exactly_the_promised_files_are_written(finished):
    assert sorted(path.name for path in finished[0].iterdir()) == sorted(RESULT_FILES)
    assert f"\n{(finished[0] / 'table.txt').read_text(encoding='utf-8')}\n" in finished[1]


def test_the_numbers(finished):
    results = json.loads((finished[0] / "results.json").read_text(encoding="utf-8"))
    assert results["seed"] == 3
    assert (results["train_images"], results["test_images"]) == (240, 60)
    assert results["lenet"]["parameters"] == 61706
    assert results["lenet"]["multiply_adds"] == 416520
    for name in ("lenet", "alexnet"):
        network = results[name]
        assert network["epochs"] == len(network["history"]["epochs"]) == 1
        assert len(network["history"]["steps"]) == 8  # 240 pictures in batches of 32
        assert 0 <= network["test_accuracy"] <= 1
        assert 0 <= network["train_accuracy"] <= 1
        assert network["seconds"] > 0
        assert network["seconds_per_epoch"] > 0
        assert network["images_per_second"] > 0
        confusion = np.array(network["confusion"])
        assert confusion.sum() == 60
        assert np.trace(confusion) / 60 == pytest.approx(network["test_accuracy"])
        assert network["history"]["epochs"][-1]["test_accuracy"] == pytest.approx(network["test_accuracy"])


@pytest.mark.parametrize("name", [name for name in RESULT_FILES if name.endswith(".png")])
def test_the_pictures(finished, name):
    with Image.open(finished[0] / name) as image:
        assert image.format == "PNG"
        assert 1000 <= image.width <= 1400
        assert 300 <= image.height <= 1400
        grey = np.asarray(image.convert("L"))
    for half in np.array_split(grey, 2, axis=1):
        assert np.mean(half < 250) > 0.01
    for edge in (grey[:3], grey[-3:], grey[:, :3], grey[:, -3:]):
        assert edge.min() == 255


def test_the_page_holds_everything_itself(finished):
    page = (finished[0] / "report.html").read_text(encoding="utf-8")
    assert page.count('src="data:image/png;base64,') == 6
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "://" not in page
    assert "few digits &amp; more.npz" in page
    assert "61,706" in page
    assert "conv1 (Conv2d)" in page
    assert "--seed 3" in page


def test_what_is_printed(finished):
    folder, out, err = finished
    table = [line for line in out.splitlines() if line.startswith(("parameters", "train accuracy", "test accuracy"))]
    assert len(table) == 3
    assert len({len(line) for line in table}) == 1  # aligned
    assert str(folder) in out
    assert "LeNet epoch 1/1" in err  # no terminal here: a line an epoch, no bar
    assert "AlexNet epoch 1/1" in err
    assert "\r" not in err


@pytest.mark.slow
def test_a_second_run_replaces_the_first_and_repeats_it(finished, few_digits, capsys):
    folder = finished[0]
    before = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    (folder / "report.html").write_text("old")
    arguments = ["--data", str(few_digits), "--out", str(folder), "--seed", "3", "--quiet", *FAST]
    with pytest.raises(SystemExit) as refusal:  # the folder is not below runs/
        compare.main(arguments)
    assert refusal.value.code == 2 and "--force" in capsys.readouterr().err
    assert (folder / "report.html").read_text() == "old"
    assert compare.main([*arguments, "--force"]) == 0
    assert "epoch" not in capsys.readouterr().err
    after = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert "LeNet" in (folder / "report.html").read_text(encoding="utf-8")
    for name in ("lenet", "alexnet"):
        assert before[name]["history"]["steps"] == after[name]["history"]["steps"]
        assert before[name]["test_accuracy"] == after[name]["test_accuracy"]


@pytest.mark.slow
def test_colour_pictures_with_named_classes_and_test_pictures(tmp_path):
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    images = rng.integers(0, 256, (60, 32, 32, 3), dtype=np.uint8)
    path = tmp_path / "colour.npz"
    names = np.array(["aeroplane", "bird", "automobile"])
    np.savez(path, images=images, labels=labels, test_images=images[:30], test_labels=labels[:30], class_names=names)
    assert compare.main(["--data", str(path), "--out", str(tmp_path / "out"), "--train-size", "45", *FAST]) == 0
    results = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert (results["train_images"], results["test_images"]) == (45, 30)
    assert results["class_names"] == ["aeroplane", "bird", "automobile"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(RESULT_FILES)


@pytest.mark.slow
def test_a_loss_that_runs_away_is_reported_and_still_valid_json(few_digits, tmp_path, capsys):
    arguments = ["--data", str(few_digits), "--out", str(tmp_path), "--alexnet-lr", "1000", *FAST]
    with np.errstate(all="ignore"):
        assert compare.main(arguments) == 0
    out = capsys.readouterr().out
    assert "AlexNet: " in out and "choose a lower learning rate" in out and "--alexnet-lr" in out
    text = (tmp_path / "results.json").read_text(encoding="utf-8")
    assert "NaN" not in text
    assert "Infinity" not in text


def test_warnings_name_who_has_not_learned():
    def result(*losses):
        statistics = {"pictures": 64, "guessing": math.log(10), "gradients": {}, "silent": {}, "saturated": {}}
        epochs = [{"train_loss": losses[-1], "learning_rate": 0.5}]
        history = History(steps=list(losses), epochs=epochs, statistics=[statistics])
        return {"findings": [finding.sentence for finding in diagnose(history, fewest_steps=1)]}

    assert warnings({"LeNet": result(0.1), "AlexNet": result(1.5)}) == []
    (guessing,) = warnings({"LeNet": result(2.31), "AlexNet": result(1.5)})
    assert guessing.startswith("LeNet: it has not learned yet") and "--lenet-epochs" in guessing
    (lost,) = warnings({"LeNet": result(0.1), "AlexNet": result(float("nan"))})
    assert lost.startswith("AlexNet: the loss diverged") and "--alexnet-lr" in lost


def test_aligned_puts_numbers_under_each_other():
    assert aligned([["", "A", "BB"], ["x", "1", "22"]]) == "    A   BB\n----------\nx   1   22"


# ------------------------------------------------------------------------------------------------- bad input
@pytest.fixture
def refused(monkeypatch, capsys):
    """Run the program with arguments that it must refuse in one line, before it trains; returns that line."""

    def run(*arguments):
        monkeypatch.setattr(compare, "train", lambda *args, **kwargs: pytest.fail("it trained"))
        with pytest.raises(SystemExit) as exit_:
            compare.main([str(argument) for argument in arguments])
        assert exit_.value.code == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1
        assert err.startswith("compare: ")
        return err

    return run


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--epochs", "0"], "at least 1, got '0'"),
        (["--lenet-epochs", "-1"], "at least 1"),
        (["--alexnet-epochs", "two"], "whole number"),
        (["--epochs", "1.5"], "whole number"),
        (["--batch-size", "0"], "at least 1"),
        (["--train-size", "0"], "at least 1"),
        (["--train-size", "8001"], "at most 8000"),
        (["--seed", "-1"], "at least 0"),
        (["--lenet-lr", "-0.1"], "above 0"),
        (["--lenet-lr", "nan"], "above 0"),
        (["--alexnet-lr", "inf"], "at most"),
        (["--alexnet-lr", "0"], "above 0"),
        (["--alexnet-lr", "fast"], "above 0"),
        (["--width", "0"], "above 0"),
        (["--width", "1e9"], "at most 4"),
        (["--epoch", "1"], "--epoch"),
        (["--unknown"], "--unknown"),
        (["stray"], "stray"),
        (["--data"], "--data"),
        (["--data", "there_is_no_such_file.npz"], "there_is_no_such_file.npz is neither"),
    ],
)
def test_bad_arguments(refused, arguments, complaint, tmp_path):
    assert complaint in refused(*arguments, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_output_folder_that_is_a_file(refused, tmp_path):
    (tmp_path / "file").write_text("")
    assert "is a file, expected a folder" in refused("--out", tmp_path / "file")
    assert "cannot write" in refused("--out", tmp_path / "file" / "below")


def test_a_folder_where_a_result_belongs(refused, tmp_path):
    (tmp_path / "curves.png").mkdir()
    assert "cannot replace" in refused("--out", tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_an_output_folder_that_is_read_only(refused, tmp_path):
    tmp_path.chmod(0o500)
    try:
        assert "cannot write" in refused("--out", tmp_path)
    finally:
        tmp_path.chmod(0o700)


def test_pictures_too_small_for_the_networks(refused, tmp_path):
    np.savez(tmp_path / "tiny.npz", images=np.zeros((10, 8, 8), np.uint8), labels=np.arange(10) % 2)
    refused("--data", tmp_path / "tiny.npz", "--out", tmp_path / "out")


def test_ctrl_c_gets_one_sentence_and_status_130(monkeypatch, capsys, tmp_path):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(compare, "train", interrupted)
    assert compare.main(["--out", str(tmp_path), "--train-size", "100"]) == 130
    assert "stopped by Ctrl-C" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_help_teaches(capsys):
    with pytest.raises(SystemExit) as exit_:
        compare.main(["--help"])
    assert exit_.value.code == 0
    out = capsys.readouterr().out
    for text in (*RESULT_FILES, "examples:", "runs/compare", "minutes", "--lenet-lr"):
        assert text in out
