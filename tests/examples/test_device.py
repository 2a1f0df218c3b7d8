"""--device cuda: the programs on a graphics card, or on what stands for one, find what they find on the processor."""

import csv
import json
import sys

import numpy as np
import pytest
from PIL import Image

from examples import classify
from examples.compare import program as compare
from examples.crops import program as crops
from examples.train import program as train
from nn.backend import cuda

on_a_card = pytest.mark.parametrize("gpu", ["kernels", pytest.param("cupy", marks=pytest.mark.cuda)], indirect=True)

# Where a network answers often: the kernels' own source would be slow on the processor.
on_a_plain_card = pytest.mark.parametrize("gpu", ["plain", pytest.param("cupy", marks=pytest.mark.cuda)], indirect=True)


@pytest.fixture
def picture(tmp_path):
    levels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    Image.fromarray(levels).resize((200, 160)).save(tmp_path / "picture.png")
    return str(tmp_path / "picture.png")


def on_both(main, arguments, out):
    """Run the program on either device; the two folders with what it wrote."""
    folders = []
    for place in ("cpu", "cuda"):
        folders.append(out / place)
        assert main([*arguments, "--device", place, "--out", str(out / place)]) == 0
    return folders


@pytest.mark.slow
@on_a_card
def test_train(gpu, few_digits, tmp_path):
    options = ["--model", "alexnet_small", "--data", str(few_digits), "--image-size", "32", "--width", "0.1"]
    options += ["--epochs", "2", "--batch-size", "25", "--lr", "0.001"]
    options += ["--augment", "crop,mirror"]
    tables = []
    for folder in on_both(train.main, options, tmp_path):
        with open(folder / "metrics.csv", newline="", encoding="utf-8") as file:
            tables.append(list(csv.DictReader(file)))
    for here, there in zip(*tables, strict=True):
        assert float(there["train_loss"]) == pytest.approx(float(here["train_loss"]), rel=1e-4)
        assert float(there["test_loss"]) == pytest.approx(float(here["test_loss"]), rel=1e-4)
    arguments = ["--model", "lenet", "--data", str(few_digits), "--epochs", "1", "--device", "cuda"]
    assert train.main([*arguments, "--out", str(tmp_path / "again")]) == 0
    assert train.main([*arguments, "--out", str(tmp_path / "again"), "--resume"]) == 0


@pytest.mark.slow
@on_a_plain_card
def test_compare(gpu, few_digits, tmp_path):
    found = []
    for folder in on_both(compare.main, ["--data", str(few_digits), "--epochs", "1", "--width", "0.1"], tmp_path):
        found.append(json.loads((folder / "results.json").read_text(encoding="utf-8")))
        assert (folder / "report.html").is_file()
    assert [results["device"] for results in found] == ["cpu", "cuda"]
    for name in ("lenet", "alexnet"):
        here, there = (results[name] for results in found)
        assert there["history"]["steps"] == pytest.approx(here["history"]["steps"], rel=1e-4)
        assert there["confusion"] == here["confusion"]


@pytest.mark.slow
@on_a_plain_card
def test_classify(gpu, picture, tmp_path, capsys):
    on_both(classify.main, [picture, "--look"], tmp_path)
    here, there = capsys.readouterr().out.split("photos_alexnet: ")[1:]
    assert here.split("Drawn")[0] == there.split("Drawn")[0]
    assert (tmp_path / "cuda" / "looks.png").is_file()


@pytest.mark.slow
@on_a_plain_card
def test_crops(gpu, tmp_path):
    found = []
    for folder in on_both(crops.main, ["--count", "4", "--random", "1", "--figures", "1"], tmp_path):
        found.append(json.loads((folder / "results.json").read_text(encoding="utf-8")))
    here, there = (list(numbers(results)) for results in found)
    assert len(here) > 200 and there == pytest.approx(here, abs=1e-5)


def numbers(results):
    """All numbers in what was read from JSON."""
    if isinstance(results, dict | list):
        for part in results.values() if isinstance(results, dict) else results:
            yield from numbers(part)
    elif isinstance(results, int | float):
        yield float(results)


@pytest.mark.parametrize("main", [train.main, compare.main, classify.main, crops.main])
def test_without_cupy_one_sentence_says_so(main, monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "cupy", None)
    cuda.load_cupy.cache_clear()
    with pytest.raises(SystemExit) as ended:
        main(["--device", "cuda", "--out", str(tmp_path / "out")])
    out, err = capsys.readouterr()
    assert ended.value.code == 2 and out == "" and not (tmp_path / "out").exists()
    assert err.count("\n") == 1 and "--device" in err and "CuPy" in err and "pip install" in err
