"""What held-out images say of how sure a network may be: written into the weights, drawn, and told."""

import numpy as np
import pytest
from safetensors import safe_open

from examples.train import program as train
from models import load_classifier
from nn import SoftmaxCrossEntropy
from nn.data import digits, load, split
from nn.files.weights import read_metadata
from tests.drawn import assert_filled


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    train_set, _ = digits()
    path = tmp_path_factory.mktemp("data") / "digits.npz"
    images = np.rint(train_set.images[:420, ..., 0] * 255).astype(np.uint8)
    np.savez(path, images=images, labels=train_set.labels[:420])
    return path


def run(data, out, *more):
    common = (
        "--model",
        "lenet",
        "--data",
        data,
        "--epochs",
        12,
        "--batch-size",
        20,
        "--lr",
        0.2,
        "--held-out",
        120,
        "--out",
        out,
    )
    assert train.main([*map(str, (*common, *more))]) == 0


@pytest.fixture(scope="module")
def folder(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "out"
    run(data, out, "--float16")
    return out


@pytest.mark.parametrize("name", ["best.safetensors", "last.safetensors"])
def test_weights_say_how_sure_they_may_be(folder, data, name):
    classifier = load_classifier(folder / name)
    found = classifier.calibration
    _, held_out = split(load(data)[0], 120, seed=0)
    assert found.images == 120 and found.wrong_above == 0.1 and found.temperature != 1
    logits = classifier.network.forward(classifier.preparation(held_out.images)).astype(float)
    losses = [
        SoftmaxCrossEntropy().forward(logits / (found.temperature * by), held_out.labels) for by in (0.97, 1, 1.03)
    ]
    assert losses[1] == min(losses)
    chances = classifier.probabilities(held_out.images)
    sure = chances.max(axis=1) >= found.least_probability
    assert sure.sum() > 0 and np.mean(chances.argmax(axis=1)[sure] != held_out.labels[sure]) <= 0.1
    with safe_open(folder / name, framework="numpy") as file:
        assert file.get_tensor("conv1.weight").dtype == np.float16
    assert read_metadata(folder / name)["extra"]["epoch"] in range(1, 13)


def test_what_it_changes_is_drawn(folder):
    assert_filled(folder / "reliability.png", columns=1, width=840)


def test_a_finished_run_that_is_resumed_says_it_again_and_changes_nothing(data, folder, capsys):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    run(data, folder, "--float16", "--resume")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    calibration = load_classifier(folder / "best.safetensors").calibration
    said = f"Calibrated on 120 held-out images: temperature {calibration.temperature:.2f}"
    assert said in capsys.readouterr().out


def test_few_images_say_nothing(data, tmp_path, capsys):
    run(data, tmp_path / "out", "--held-out", 99, "--epochs", 1)
    assert "Calibrated" not in capsys.readouterr().out
    assert not (tmp_path / "out" / "reliability.png").exists()
    assert load_classifier(tmp_path / "out" / "last.safetensors").calibration.images == 0
