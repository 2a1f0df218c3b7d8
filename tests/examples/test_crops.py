"""The crop experiment: what it counts, checked by hand, what it writes, and what it refuses."""

import json

import numpy as np
import pytest
from PIL import Image

from examples import crops
from examples.crop_windows import PORTIONS, Window
from models import lenet
from nn.data.objects import CLASS_NAMES
from nn.data.preparation import Preparation

CROPS = 1 + 5 * (5 + 3)  # of each picture


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A network that knows the names of the rendered classes and nothing else."""
    path = tmp_path_factory.mktemp("weights") / "untaught.safetensors"
    preparation = Preparation((24, 24), 3, (24, 24), "standardised", np.float32(0.5), np.float32(0.25))
    extra = {"class_names": list(CLASS_NAMES), "preparation": preparation.to_json(), "data": "objects"}
    lenet(4, (24, 24, 3), rng=0).save(path, extra)
    return path


@pytest.fixture
def folder(tmp_path):
    """Labelled by sub-folders, one class in capitals, one picture in no class's folder, one that is none."""
    rng = np.random.default_rng(0)
    for name in ("cat/one.png", "cat/two.png", "Dog/three.jpg", "loose.png"):
        path = tmp_path / "pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(path)
    (tmp_path / "pictures" / "cat" / "broken.png").write_bytes(b"\x89PNG broken")
    return tmp_path / "pictures"


def results(folder):
    return json.loads((folder / "results.json").read_text(encoding="utf-8"))


def assert_drawn(path):
    with Image.open(path) as image:
        assert image.format == "PNG" and image.width > 800
        pixels = np.asarray(image.convert("L"))
    for part in np.array_split(pixels, 2, axis=1):
        assert np.mean(part < 250) > 0.01
    for edge in (pixels[:3], pixels[-3:], pixels[:, :3], pixels[:, -3:]):
        assert edge.min() == 255


def refused(capsys, *arguments):
    with pytest.raises(SystemExit) as exit_:
        crops.main([*map(str, arguments)])
    assert exit_.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith("crops: ") and err.count("\n") == 1
    return err


def test_rendered_pictures(weights, tmp_path, capsys):
    out = tmp_path / "out"
    assert crops.main(["--weights", str(weights), "--count", "8", "--figures", "2", "--out", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["crops_1.png", "crops_2.png", "curves.png", "results.json"]
    for name in ("crops_1.png", "curves.png"):
        assert_drawn(out / name)
    facts = results(out)
    assert facts["pictures"] == facts["with_known_class"] == 8
    (network,) = facts["networks"].values()
    for group, places in (("centre", 1), ("corners", 4), ("random", 3)):
        rows = network["by_portion"][group]
        assert [row["portion"] for row in rows] == list(PORTIONS)
        assert [row["crops"] for row in rows] == [8] + [8 * places] * 5
        for row in rows:
            assert 0 <= row["accuracy"]["mean"] <= 1 and 0 < row["confidence"]["mean"] < 1
        assert rows[0]["held"]["mean"] == pytest.approx(1)
    assert sum(row["crops"] for row in network["by_held"]) == 8 * CROPS
    out = capsys.readouterr().out
    for group in ("centre", "corner", "random"):
        assert f"accuracy, {group} crops" in out


def test_a_labelled_folder(weights, folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert crops.main([str(folder), "--weights", str(weights), "--out", str(out)]) == 0
    facts = results(out)
    assert facts["pictures"] == 4 and facts["with_known_class"] == 3
    assert_drawn(out / "curves.png")
    names = ["crops_1_loose.png", "crops_2_three.png", "crops_4_one.png", "crops_5_two.png"]  # 3 is the broken one
    assert sorted(path.name for path in out.glob("crops_*")) == names
    err = capsys.readouterr().err
    assert "1 of 5 files could not be read" in err and "broken.png" in err


def test_a_picture_of_unknown_class_gets_a_figure_and_no_curves(weights, folder, tmp_path):
    out = tmp_path / "out"
    assert crops.main([str(folder / "loose.png"), "--weights", str(weights), "--out", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["crops_1_loose.png", "results.json"]
    assert results(out)["networks"] == {}


def test_a_label_from_the_command_line(weights, folder, tmp_path):
    arguments = [str(folder / "loose.png"), "--weights", str(weights), "--out", str(tmp_path / "out")]
    assert crops.main([*arguments, "--label", "vernier calliper"]) == 0
    assert results(tmp_path / "out")["with_known_class"] == 1


def test_the_summary_counts_right():
    """Two pictures, two windows each: their means are 1/2 and 1, so mean 3/4 and standard error 1/4."""
    cuts = [Window("centre", 1.0, 0, 0), Window("centre", 0.25, 0.25, 0.25)]
    sure = np.array([[0.9, 0.1], [0.2, 0.8]])
    outcomes = [
        crops.Outcome(cuts, {"net": sure}, 0, [1.0, 0.5]),
        crops.Outcome(cuts, {"net": sure}, 0, [1.0, 0.05]),
    ]
    found = crops.summary(outcomes, "net")
    whole, quarter = (found["by_portion"]["centre"][PORTIONS.index(portion)] for portion in (1.0, 0.25))
    assert whole["accuracy"] == {"mean": 1.0, "standard_error": 0.0} and quarter["accuracy"]["mean"] == 0.0
    assert whole["confidence"]["mean"] == pytest.approx(0.9) and quarter["confidence"]["mean"] == pytest.approx(0.2)
    assert found["by_portion"]["centre"][1]["accuracy"] is None  # no crop of three quarters
    counted = {(row["from"], row["to"]): row["crops"] for row in found["by_held"]}
    assert counted[0, 0.1] == 1 and counted[0.5, 0.75] == 1 and counted[0.9, 1.0] == 2
    both = crops.over_pictures([np.array([1, 0]), np.array([1, 1])], [np.array([True, True])] * 2)
    assert both == {"mean": 0.75, "standard_error": pytest.approx(0.25)}


def test_the_seed_places_the_random_crops(weights, folder, tmp_path):
    def run(name, *options):
        out = tmp_path / name
        arguments = [str(folder), "--weights", str(weights), "--figures", "0", "--out", str(out), *options]
        assert crops.main(arguments) == 0
        return results(out)

    one, same, other = run("a"), run("b"), run("c", "--seed", "1")
    assert one == same != other


def test_what_is_refused(weights, folder, tmp_path, capsys):
    arguments = ("--weights", weights, "--out", tmp_path / "out")
    assert "none of car, cat" in refused(capsys, folder, "--label", "horse", *arguments)
    assert "no picture is named" in refused(capsys, "--label", "cat", *arguments)
    assert "no such file" in refused(capsys, tmp_path / "gone", *arguments)
    (tmp_path / "empty").mkdir()
    assert "no pictures" in refused(capsys, tmp_path / "empty", *arguments)
    assert "broken.png" in refused(capsys, folder / "cat" / "broken.png", *arguments)
    assert "did not learn the rendered objects" in refused(capsys, "--weights", "cifar10_alexnet", "--out", tmp_path)
    assert "other classes" in refused(capsys, folder, *arguments, "--weights", "cifar10_alexnet")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "results.json").write_text("mine")
    assert "--force" in refused(capsys, folder, "--weights", weights, "--out", tmp_path / "mine")


def test_help_teaches(capsys):
    with pytest.raises(SystemExit) as exit_:
        crops.main(["--help"])
    assert exit_.value.code == 0
    out = capsys.readouterr().out
    for text in ("curves.png", "results.json", "examples:", "runs/crops", "6.25%"):
        assert text in out
