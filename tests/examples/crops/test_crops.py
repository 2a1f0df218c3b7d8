"""The crop experiment: what it counts, checked by hand, what it writes, and what it refuses."""

import argparse
import json
import re

import numpy as np
import pytest
from PIL import Image

from examples.crops import program as crops
from examples.crops.windows import PORTIONS, Window, windows
from models import Classifier, lenet
from nn.data.preparation import Preparation
from nn.data.rendered import CLASS_NAMES

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


@pytest.fixture
def crops_are_not_drawn(monkeypatch):
    """Each picture's crops are 41 small axes with words: a second or two of matplotlib's."""
    monkeypatch.setattr(crops, "draw", lambda path, *_: path.touch())


@pytest.fixture
def curves_are_not_drawn(monkeypatch):
    monkeypatch.setattr(crops.plots, "crop_curves", lambda path, *_: path.touch())


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
    expected = ["crops_1.png", "crops_2.png", "curves.png", "report.html", "results.json", "table.txt"]
    assert sorted(path.name for path in out.iterdir()) == expected
    table = (out / "table.txt").read_text(encoding="utf-8")
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
    assert f"\n{table}" in out and table.count("%") == 2 * 3 * len(PORTIONS)
    for group in ("centre", "corner", "random"):
        assert f"accuracy, {group} crops" in out


def test_a_labelled_folder(crops_are_not_drawn, weights, folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert crops.main([str(folder), "--weights", str(weights), "--out", str(out)]) == 0
    facts = results(out)
    assert facts["pictures"] == 4 and facts["with_known_class"] == 3
    assert_drawn(out / "curves.png")
    names = ["crops_1_loose.png", "crops_2_three.png", "crops_4_one.png", "crops_5_two.png"]  # 3 is the broken one
    assert sorted(path.name for path in out.glob("crops_*")) == names
    printed, err = capsys.readouterr()
    assert "1 of 5 files could not be read" in err and "broken.png" in err
    lines = printed.splitlines()
    for name, label in (("loose.png", ""), ("Dog/three.jpg", "dog"), ("cat/one.png", "cat"), ("cat/two.png", "cat")):
        (line,) = (line for line in lines if line.startswith(f"{name}: "))
        assert re.search(rf" %; \d+ of its 40 crops are taken for {label}", line)
    assert "It learned from rendered images and does not know photographs." in lines
    assert "4 of 4 drawn." in lines
    assert lines[-1] == f"Results are in {out}; open {out / 'report.html'} in a browser."


def test_it_says_how_many_are_drawn_and_how_to_draw_all(
    curves_are_not_drawn, crops_are_not_drawn, weights, folder, tmp_path, capsys
):
    out = tmp_path / "out"
    assert crops.main([str(folder), "--weights", str(weights), "--out", str(out), "--figures", "3"]) == 0
    assert "\n3 of 4 drawn, --figures 4 draws all.\n" in capsys.readouterr().out
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count("<h2>Image ") == 3 and "4, 3 of them of a known class, 3 drawn" in page


def test_a_line_of_each_network_says_what_it_sees(monkeypatch):
    """The whole, and then four crops: three of the first network's and none of the second's are right."""
    preparation = Preparation((8, 8), 3, (8, 8))
    classifiers = {name: Classifier(MeanColour(), preparation, ("red", "green", "blue")) for name in ("one", "two")}
    sure, unsure = np.array([[0.9, 0.1, 0.0]] * 4 + [[0, 1, 0]]), np.array([[0.2, 0.5, 0.3]] + [[0.1, 0.1, 0.8]] * 4)
    outcome = crops.Outcome([], {"one": sure, "two": unsure}, 0, None, "a.png")
    assert crops.in_words(outcome, classifiers).splitlines() == [
        "a.png: one: red, 90.0 %; 3 of its 4 crops are taken for red",
        "a.png: two: green, 50.0 %; 0 of its 4 crops are taken for red",
    ]
    outcome.label = None  # then what the whole is taken for is right
    assert crops.in_words(outcome, {"two": classifiers["two"]}) == (
        "a.png: green, 50.0 %; 0 of its 4 crops are taken for green"
    )


def test_a_network_of_digits_says_so_of_photographs(curves_are_not_drawn, folder, tmp_path, capsys):
    arguments = [str(folder / "loose.png"), "--weights", "digits_lenet", "--figures", "0"]
    assert crops.main([*arguments, "--out", str(tmp_path / "out")]) == 0
    assert "It learned digits" in capsys.readouterr().out


def test_a_picture_of_unknown_class_gets_a_figure_and_no_curves(crops_are_not_drawn, weights, folder, tmp_path):
    out = tmp_path / "out"
    assert crops.main([str(folder / "loose.png"), "--weights", str(weights), "--out", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["crops_1_loose.png", "report.html", "results.json"]
    assert results(out)["networks"] == {}


def test_a_label_from_the_command_line(curves_are_not_drawn, crops_are_not_drawn, weights, folder, tmp_path):
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


def test_confidence_is_the_probability_of_the_right_class():
    whole = [Window("centre", 1.0, 0, 0)]
    outcomes = [
        crops.Outcome(whole, {"net": np.array([[0.7, 0.1, 0.2]])}, 2, [1.0]),
        crops.Outcome(whole, {"net": np.array([[0.3, 0.6, 0.1]])}, 1, [1.0]),
    ]
    row = crops.summary(outcomes, "net")["by_portion"]["centre"][0]
    assert row["confidence"]["mean"] == pytest.approx((0.2 + 0.6) / 2) and row["accuracy"]["mean"] == 0.5


def test_the_table_shows_accuracies():
    row = {"accuracy": {"mean": 0.125}, "confidence": {"mean": 0.5}}
    rows = [row] * (len(PORTIONS) - 1) + [{"accuracy": {"mean": 0.75}, "confidence": {"mean": 0.5}}]
    lines = crops.table({"net": {"by_portion": dict.fromkeys(crops.GROUPS, rows)}}).splitlines()
    shown = [line.split() for line in lines if line.startswith("net")]
    assert shown == [["net", *["12.5", "%"] * (len(PORTIONS) - 1), "75.0", "%"]] * 3


def test_the_share_of_the_object_that_each_crop_holds(monkeypatch, tmp_path):
    """The object is the upper left quarter of the picture: a crop of a quarter there holds it whole."""
    monkeypatch.setattr(crops, "asked", lambda classifier, cases, cuts: [np.ones((len(cut), 4)) / 4 for cut in cuts])
    case = crops.Case("", "", np.zeros((8, 8, 3), np.uint8), 0, np.array([0, 0, 0.5, 0.5]))
    options = argparse.Namespace(seed=0, random=1, figures=0, out=tmp_path, pictures=[])
    (outcome,) = crops.ask(iter([case]), 1, {"net": None}, options)
    held = {(window.place, window.portion): share for window, share in zip(outcome.windows, outcome.held)}
    assert held["top left", 0.25] == 1 and held["centre", 0.25] == 0.25 and held["bottom right", 0.25] == 0


def test_an_unknown_picture_is_taken_for_what_the_whole_of_it_is(monkeypatch, tmp_path):
    drawn = []
    monkeypatch.setattr(crops.plots, "crops", lambda *arguments: drawn.append(arguments))
    cut = windows(np.random.default_rng(0), random=1)
    probabilities = np.tile([0.5, 0.3, 0.2], (len(cut), 1))
    probabilities[0] = 0.1, 0.2, 0.7  # the whole picture; all its crops are taken for the first class
    classifier = Classifier(MeanColour(), Preparation((8, 8), 3, (8, 8)), ("red", "green", "blue"))
    case = crops.Case("mine.png", "", np.zeros((8, 8, 3), np.uint8))
    crops.draw(tmp_path, case, crops.Outcome(cut, {"net": probabilities}, None, None), {"net": classifier})
    (_, title, _, _, _, label, _) = drawn[0]
    assert label == 2 and "taken for blue" in title


def test_the_seed_places_the_random_crops(curves_are_not_drawn, weights, folder, tmp_path):
    def run(name, *options):
        out = tmp_path / name
        arguments = [str(folder), "--weights", str(weights), "--figures", "0", "--out", str(out), *options]
        assert crops.main(arguments) == 0
        return results(out)

    one, same, other = run("a"), run("b"), run("c", "--seed", "1")
    assert one == same and one["networks"] != other["networks"]


def test_what_is_refused(weights, folder, tmp_path, capsys):
    arguments = ("--weights", weights, "--out", tmp_path / "out")
    assert "no class 'horse', expected one of car, cat" in refused(capsys, folder, "--label", "horse", *arguments)
    assert "no image is named" in refused(capsys, "--label", "cat", *arguments)
    assert "no such file" in refused(capsys, tmp_path / "gone", *arguments)
    (tmp_path / "empty").mkdir()
    assert "no images" in refused(capsys, tmp_path / "empty", *arguments)
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


class MeanColour:
    """A network that answers with the colour that is strongest: what it says about a crop can be worked out by hand."""

    def predict(self, x):
        means = x.mean(axis=(1, 2)).astype(np.float64)
        return means / means.sum(axis=1, keepdims=True)


def test_each_crop_gets_the_answer_to_its_own_pixels():
    """Pictures of two halves: red above, and below a colour of each picture's own."""
    preparation = Preparation((8, 8), 3, (8, 8))
    classifier = Classifier(MeanColour(), preparation, ("red", "green", "blue"))
    cases = []
    for channel in (1, 2, 1):
        picture = np.zeros((crops.SIZE, crops.SIZE, 3), np.uint8)
        picture[: crops.SIZE // 2, :, 0] = 255
        picture[crops.SIZE // 2 :, :, channel] = 255
        cases.append(crops.Case("", "", picture))
    cuts = [windows(np.random.default_rng(n), random=2 + n) for n in range(3)]
    answers = crops.asked(classifier, cases, cuts)
    assert [part.shape for part in answers] == [(len(cut), 3) for cut in cuts]
    for case, cut, part in zip(cases, cuts, answers):
        below = int(case.picture[-1, 0].argmax())
        for window, probabilities in zip(cut, part):
            red = min(max(0.5 - window.top, 0) / window.side, 1)  # the share of the crop above the middle
            expected = np.zeros(3)
            expected[0], expected[below] = red, 1 - red
            np.testing.assert_allclose(probabilities, expected, atol=0.05)


def test_every_picture_gets_windows_of_its_own(curves_are_not_drawn, weights, folder, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        crops, "asked", lambda classifier, cases, cuts: seen.extend(cuts) or [np.ones((41, 4)) / 4] * len(cuts)
    )
    crops.main(["--weights", str(weights), "--count", "20", "--figures", "0", "--out", str(tmp_path / "out")])
    random = [tuple(window for window in cut if window.place == "random") for cut in seen]
    assert len(set(random)) == 20


def test_the_places_of_each_group():
    assert crops.GROUPS["centre"] == ("centre",) and crops.GROUPS["random"] == ("random",)
    assert sorted(crops.GROUPS["corners"]) == ["bottom left", "bottom right", "top left", "top right"]


def test_dark_ink_is_turned_round(curves_are_not_drawn, tmp_path):
    """A black 1 on white paper is read by the network of light digits as it reads its negative."""
    digit = np.full((40, 40), 255, np.uint8)
    digit[8:32, 19:22] = 0
    Image.fromarray(digit).save(tmp_path / "one.png")
    arguments = [str(tmp_path / "one.png"), "--weights", "digits_lenet", "--label", "1", "--figures", "0"]
    assert crops.main([*arguments, "--out", str(tmp_path / "out")]) == 0
    (network,) = results(tmp_path / "out")["networks"].values()
    assert network["by_portion"]["centre"][0]["accuracy"]["mean"] == 1


def test_weights_of_one_name_are_told_apart(curves_are_not_drawn, weights, folder, tmp_path):
    paths = []
    for name in ("run_a", "run_b"):
        (tmp_path / name).mkdir()
        paths.append(tmp_path / name / "last.safetensors")
        paths[-1].write_bytes(weights.read_bytes())
    arguments = [str(folder), "--figures", "0", "--out", str(tmp_path / "out")]
    assert crops.main([*arguments, "--weights", str(paths[0]), "--weights", str(paths[1])]) == 0
    assert list(results(tmp_path / "out")["networks"]) == ["run_a/last", "run_b/last"]
    with pytest.raises(SystemExit):
        crops.main([*arguments, "--force", "--weights", str(paths[0]), "--weights", str(paths[0])])


def test_figures_of_an_earlier_run_go_and_files_of_the_user_stay(
    curves_are_not_drawn, crops_are_not_drawn, weights, folder, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert crops.main([str(folder), "--weights", str(weights), "--figures", "1"]) == 0
    mine = tmp_path / "runs" / "crops" / "crops_of_wheat.png"
    mine.write_text("mine")
    assert crops.main([str(folder / "loose.png"), "--weights", str(weights)]) == 0
    names = ["crops_1_loose.png", "crops_of_wheat.png", "report.html", "results.json"]
    assert sorted(path.name for path in (tmp_path / "runs" / "crops").iterdir()) == names
    with pytest.raises(SystemExit):  # and a run that can do nothing takes nothing away
        crops.main([str(folder / "cat" / "broken.png"), "--weights", str(weights)])
    assert sorted(path.name for path in (tmp_path / "runs" / "crops").iterdir()) == names
