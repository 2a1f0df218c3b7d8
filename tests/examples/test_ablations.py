"""The ablations take out what they say, write what they find, and refuse other pictures in one sentence."""

import json

import numpy as np
import pytest

from examples import ablations
from layers import AvgPool2d, LocalResponseNorm, MaxPool2d, ReLU, Tanh
from models import alexnet_cifar10


def pictures(path, shape=(32, 32, 3), classes=10):
    rng = np.random.default_rng(0)
    labels = np.arange(60) % classes
    np.savez(path, images=rng.integers(0, 256, (60, *shape)).astype(np.uint8), labels=labels)
    return str(path)


def kinds(change):
    return [type(layer) for layer in ablations.changed(alexnet_cifar10("18pct", rng=0), change).layers.values()]


def test_what_each_change_changes():
    published = kinds("as published")
    assert published == [type(layer) for layer in alexnet_cifar10("18pct").layers.values()]
    assert kinds("without LRN") == [kind for kind in published if kind is not LocalResponseNorm]
    assert kinds("tanh for ReLU") == [Tanh if kind is ReLU else kind for kind in published]
    network = ablations.changed(alexnet_cifar10("18pct", rng=0), "without overlap")
    pools = [layer for layer in network.layers.values() if isinstance(layer, MaxPool2d | AvgPool2d)]
    assert len(pools) == 3 and all(pool.kernel_size == pool.stride == (2, 2) for pool in pools)
    assert network.params["conv1.weight"].any()


@pytest.mark.slow
def test_a_small_run(tmp_path, capsys):
    out = tmp_path / "out"
    data = pictures(tmp_path / "pictures.npz")
    assert ablations.main(["--data", data, "--held-out", "10", "--epochs", "3", "--seeds", "2", "--out", str(out)]) == 0
    found = json.loads((out / "results.json").read_text())["errors"]
    assert list(found) == [
        *("as published", "without LRN", "without overlap", "tanh for ReLU", "crops, centre", "crops, ten"),
    ]
    for row in found.values():
        assert len(row["errors"]) == 2 and all(0 <= error <= 1 for error in row["errors"])
        assert row["mean"] == pytest.approx(np.mean(row["errors"]))
        assert row["spread"] == pytest.approx(np.std(row["errors"], ddof=1))
    assert (out / "ablations.png").stat().st_size > 5000
    assert "without LRN" in capsys.readouterr().out


@pytest.mark.parametrize("shape, classes", [((28, 28), 10), ((32, 32, 3), 3)])
def test_other_pictures_are_refused(shape, classes, tmp_path, capsys):
    data = pictures(tmp_path / "pictures.npz", shape, classes)
    with pytest.raises(SystemExit) as stop:
        ablations.main(["--data", data, "--held-out", "10", "--out", str(tmp_path / "out")])
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "ten classes" in said
    assert not (tmp_path / "out").exists()
