"""The program that asks about pictures: its words, its JSON, its drawings, and pictures that are none."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from examples import classify
from models import alexnet_small, lenet, load_classifier
from nn import plots
from nn.data import digits
from nn.data.preparation import Preparation
from nn.files.weights import read_metadata
from nn.inspect.saliency_maps import occlusion, saliency
from tests.drawn import catch

CLASSES = ["red", "green", "blue", "black", "white", "grey"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A network that has learned nothing, which is enough to answer."""
    path = tmp_path_factory.mktemp("weights") / "colours.safetensors"
    preparation = Preparation((32, 32), 3, (28, 28), "standardised", np.float32(0.5), np.float32(0.25))
    extra = {"class_names": CLASSES, "preparation": preparation.to_json(), "data": "colours"}
    alexnet_small(6, (28, 28, 3), width=0.03, rng=0).save(path, extra)
    return path


@pytest.fixture
def folder(tmp_path):
    """Two good pictures, one of them deeper, and what folders hold besides."""
    pictures = tmp_path / "my pictures"
    (pictures / "deep").mkdir(parents=True)
    Image.new("RGB", (60, 40), "red").save(pictures / "a$b.jpg")
    Image.new("L", (8, 9), 200).save(pictures / "deep" / "small.png")
    (pictures / "notes.txt").write_text("no picture")
    (pictures / "empty.png").write_bytes(b"")
    good = (pictures / "a$b.jpg").read_bytes()
    (pictures / "half.jpg").write_bytes(good[: len(good) // 2])
    (pictures / ".hidden.jpg").write_bytes(good)
    return pictures


def run(*arguments, status=0):
    assert classify.main([*map(str, arguments)]) == status


def refused(capsys, *arguments):
    with pytest.raises(SystemExit) as exit_:
        classify.main([*map(str, arguments)])
    assert exit_.value.code == 2
    out, err = capsys.readouterr()
    assert out.count("\n") <= 1 and err.startswith("classify: ") and err.count("\n") == 1
    return err


def assert_drawn(path, width=300):
    with Image.open(path) as image:
        assert image.format == "PNG" and image.width >= width
        pixels = np.asarray(image.convert("L"))
    assert 0.01 < np.mean(pixels < 250) < 0.9
    for edge in (pixels[:3], pixels[-3:], pixels[:, :3], pixels[:, -3:]):
        assert edge.min() == 255


def test_the_good_ones_are_used_and_the_bad_ones_listed(weights, folder, tmp_path, capsys):
    run(folder, "--weights", weights, "--out", tmp_path / "out")
    out, err = capsys.readouterr()
    assert out.endswith(f"\nDrawn in {tmp_path / 'out' / 'answers.png'}.\n")
    for name in ("a$b.jpg", "small.png"):
        assert name in out
        assert name not in err
    assert err.count("\n") == 1 and "3 of 5 files could not be read" in err
    for name in ("notes.txt", "empty.png", "half.jpg"):
        assert name in err and name not in out
    assert ".hidden" not in out + err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["answers.png"]
    assert_drawn(tmp_path / "out" / "answers.png")


def test_five_likeliest_classes_with_bars(weights, folder, tmp_path, capsys):
    run(folder / "a$b.jpg", "--weights", weights, "--out", tmp_path / "out")
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    assert len(lines) == 5
    shares = [float(line.split("%")[0].split()[-1]) for line in lines]
    assert shares == sorted(shares, reverse=True) and sum(shares) <= 100.3
    for line, share in zip(lines, shares):
        assert line.count("█") == pytest.approx(classify.BAR * share / 100, abs=0.6)


def test_json_says_the_same(weights, folder, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(folder, "--weights", weights, "--json")
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert err == "" and not (tmp_path / "runs").exists()
    assert [os.path.basename(picture["file"]) for picture in result["pictures"]] == ["a$b.jpg", "small.png"]
    assert len(result["left_out"]) == 3
    classifier = load_classifier(weights)
    for picture in result["pictures"]:
        with Image.open(picture["file"]) as image:
            expected = classifier.probabilities([np.asarray(image.convert("RGB"))])[0]
        found = {answer["class"]: answer["probability"] for answer in picture["answers"]}
        np.testing.assert_allclose([found[name] for name in CLASSES], expected, atol=1e-6)
        assert sorted(answer["class"] for answer in picture["answers"]) == sorted(CLASSES)
        chances = [answer["probability"] for answer in picture["answers"]]
        assert sum(chances) == pytest.approx(1, abs=1e-5) and chances == sorted(chances, reverse=True)


@pytest.fixture
def unsure(weights, folder, tmp_path):
    """The same network, which may answer only where it is surer than of the less sure of the two pictures."""
    classifier = load_classifier(weights)
    pixels = [np.asarray(Image.open(folder / name).convert("RGB")) for name in ("a$b.jpg", "deep/small.png")]
    largest = [float(row.max()) for row in classifier.probabilities(pixels)]
    extra = read_metadata(weights)["extra"] | {"calibration": {"least_probability": sum(largest) / 2}}
    classifier.network.save(tmp_path / "unsure.safetensors", extra)
    return tmp_path / "unsure.safetensors", int(np.argmin(largest))


def test_no_answer_where_no_class_is_likely(unsure, folder, tmp_path, capsys, monkeypatch):
    path, which = unsure
    drawn = catch(monkeypatch)
    run(folder, "--weights", path, "--out", tmp_path / "out")
    words = capsys.readouterr().out
    assert words.count("no answer: none of the 6 classes is likely") == 1 and words.count("%") == 5
    parts = words.split("no answer")
    assert ("small.png" in parts[0]) == (which == 1), "it stands below the picture that it is about"
    assert drawn[0].words().count("no answer") == 1 and drawn[0].words().count("%") == 5
    drawn[0].check()
    pictures = json_of(capsys, folder, "--weights", path)["pictures"]
    assert pictures[which]["answer"] is None and len(pictures[which]["answers"]) == 6
    assert pictures[1 - which]["answer"] == pictures[1 - which]["answers"][0]["class"]
    run(folder, "--weights", path, "--all-answers", "--out", tmp_path / "all")
    words = capsys.readouterr().out
    assert "no answer" not in words and words.count("%") == 10
    for picture in json_of(capsys, folder, "--weights", path, "--all-answers")["pictures"]:
        assert picture["answer"] == picture["answers"][0]["class"]


def test_ten_crops_and_looks(weights, folder, tmp_path, capsys):
    run(folder, "--weights", weights, "--ten-crop", "--look", "--out", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["answers.png", "looks.png"]
    assert_drawn(tmp_path / "out" / "looks.png")
    one = json_of(capsys, folder / "a$b.jpg", "--weights", weights)
    ten = json_of(capsys, folder / "a$b.jpg", "--weights", weights, "--ten-crop")
    assert one != ten


def test_several_scales(weights, tmp_path, capsys):
    pixels = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "noise.png")
    (picture,) = json_of(capsys, tmp_path / "noise.png", "--weights", weights, "--scales")["pictures"]
    expected = load_classifier(weights).probabilities([pixels], scales=True)[0]
    found = {answer["class"]: answer["probability"] for answer in picture["answers"]}
    np.testing.assert_allclose([found[name] for name in CLASSES], expected, atol=1e-6)
    assert "one of the two" in refused(capsys, tmp_path / "noise.png", "--weights", weights, "--scales", "--ten-crop")


def json_of(capsys, *arguments):
    capsys.readouterr()
    run(*arguments, "--json")
    return json.loads(capsys.readouterr().out)


def test_many_pictures_take_several_pages(weights, tmp_path, capsys):
    for number in range(classify.PAGE + 1):
        Image.new("RGB", (20, 30), (number * 9, 0, 0)).save(tmp_path / f"{number}.png")
    run(tmp_path, "--weights", weights, "--out", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["answers_1.png", "answers_2.png"]
    drawn = " ".join(f"{tmp_path / 'out' / name}" for name in ("answers_1.png,", "answers_2.png."))
    assert capsys.readouterr().out.endswith(f"\nDrawn in {drawn}\n")


def test_drawings_of_an_earlier_run_go_and_files_of_the_user_stay(weights, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(classify, "draw", lambda page, classifier, paths: [path.touch() for path in paths])
    monkeypatch.setattr(classify, "PAGE", 1)
    run(folder, "--weights", weights, "--look")
    drawn = tmp_path / "runs" / "classify"
    (drawn / "answers_of_mine.png").write_text("mine")
    names = ["answers_1.png", "answers_2.png", "answers_of_mine.png", "looks_1.png", "looks_2.png"]
    assert sorted(path.name for path in drawn.iterdir()) == names
    with pytest.raises(SystemExit):  # a run that can do nothing takes nothing away
        run(folder / "half.jpg", "--weights", weights)
    assert sorted(path.name for path in drawn.iterdir()) == names
    run(folder / "a$b.jpg", "--weights", weights)
    assert sorted(path.name for path in drawn.iterdir()) == ["answers.png", "answers_of_mine.png"]


def test_a_tiny_picture_is_answered_with_a_warning(weights, tmp_path, capsys):
    Image.new("RGB", (7, 40), "red").save(tmp_path / "tiny.png")
    run(tmp_path / "tiny.png", "--weights", weights, "--out", tmp_path / "out")
    out, err = capsys.readouterr()
    assert out.count("%") == 5
    assert err.startswith("classify: ") and "tiny.png has 7x40 pixels" in err and err.count("\n") == 1
    assert "at least 8x8" in err


def test_dark_ink_on_paper_is_turned_round_for_a_network_that_learned_light_ink(tmp_path, capsys):
    preparation = Preparation((28, 28), 1, (28, 28), "standardised", np.float32(0.13), np.float32(0.3))
    extra = {"class_names": list("0123456789"), "preparation": preparation.to_json(), "data": "digits"}
    lenet(rng=0).save(tmp_path / "digits.safetensors", extra)
    ink = np.zeros((28, 28), np.uint8)
    ink[5:22, 12:16] = 255
    Image.fromarray(ink).save(tmp_path / "light.png")
    Image.fromarray(255 - ink).save(tmp_path / "dark.png")
    weights = ("--weights", tmp_path / "digits.safetensors")
    light, dark = (json_of(capsys, tmp_path / name, *weights)["pictures"][0] for name in ("light.png", "dark.png"))
    assert light["answers"] == dark["answers"]


def test_a_digit_anywhere_on_a_page_is_read(tmp_path, capsys):
    """Small in a corner of grey paper: what the network reads is cut out and centred."""
    _, test_set = digits()
    digit = np.rint(255 * test_set.images[0, ..., 0])
    page = np.full((90, 120), 170.0)
    page[60:88, 5:33] -= digit * 0.5
    Image.fromarray(page.astype(np.uint8)).save(tmp_path / "page.png")
    (picture,) = json_of(capsys, tmp_path / "page.png", "--weights", "digits_lenet")["pictures"]
    assert picture["answers"][0]["class"] == str(test_set.labels[0]) and picture["answers"][0]["probability"] > 0.9
    run(tmp_path / "page.png", "--weights", "digits_lenet", "--out", tmp_path / "out")
    assert "It learned digits in light ink on black" in capsys.readouterr().out


def test_drawings_and_json_exclude_each_other(weights, folder, capsys):
    assert "expected one of the two" in refused(capsys, folder, "--weights", weights, "--json", "--look")


def test_a_drawing_outside_runs_is_not_replaced_without_force(weights, folder, tmp_path, capsys):
    picture = folder / "a$b.jpg"
    (tmp_path / "answers.png").write_text("mine")
    assert "--force" in refused(capsys, picture, "--weights", weights, "--out", tmp_path)
    assert (tmp_path / "answers.png").read_text() == "mine"
    run(picture, "--weights", weights, "--out", tmp_path, "--force")
    assert_drawn(tmp_path / "answers.png")


def test_a_drawing_inside_runs_is_replaced(weights, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(folder / "a$b.jpg", "--weights", weights)
    run(folder / "a$b.jpg", "--weights", weights)
    assert_drawn(tmp_path / "runs" / "classify" / "answers.png")


@pytest.mark.parametrize("name", ["notes.txt", "empty.png", "half.jpg"])
def test_no_good_picture_at_all(weights, folder, tmp_path, capsys, name):
    assert name in refused(capsys, folder / name, "--weights", weights, "--out", tmp_path / "out")


def test_an_empty_folder_and_a_missing_file(weights, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    arguments = ("--weights", weights, "--out", tmp_path / "out")
    assert "no images" in refused(capsys, tmp_path / "empty", *arguments)
    assert "no such file or folder" in refused(capsys, tmp_path / "gone.jpg", *arguments)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_no_picture_to_wait_for(weights, folder, tmp_path, capsys):
    os.mkfifo(folder / "pipe.jpg")
    run(folder, "--weights", weights, "--out", tmp_path / "out")
    assert "pipe.jpg" in capsys.readouterr().err


def test_a_picture_made_to_fill_the_memory(weights, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("nn.data.pixels.MOST_PIXELS", 1000)
    Image.new("L", (100, 100)).save(tmp_path / "bomb.png")
    message = refused(capsys, tmp_path / "bomb.png", "--weights", weights, "--out", tmp_path / "out")
    assert "bomb.png" in message and "more than" in message


def test_weights_that_are_none(folder, tmp_path, capsys):
    assert "neither a file of weights nor one of" in refused(capsys, folder, "--weights", "nothing")
    assert "notes.txt" in refused(capsys, folder, "--weights", folder / "notes.txt")


def test_what_is_drawn_of_where_the_network_looks(weights, folder, tmp_path, monkeypatch):
    """Of each picture the part that the network reads, and both ways of looking at its answer's class."""
    drawn = {}
    monkeypatch.setattr(plots, "looks", lambda path, *arguments: drawn.update(looks=arguments))
    monkeypatch.setattr(plots, "answers", lambda path, *arguments: drawn.update(answers=arguments))
    for name, colour in (("b.png", (10, 200, 30)), ("c.png", (250, 240, 5))):
        pixels = np.full((32, 32, 3), colour, np.uint8)
        pixels[5:9, 20:30] = 255 - pixels[5:9, 20:30]
        Image.fromarray(pixels).save(tmp_path / name)
    run(tmp_path / "b.png", tmp_path / "c.png", "--weights", weights, "--look", "--out", tmp_path / "out")
    network = load_classifier(weights).network
    titles, seen, probabilities, looks, names = drawn["looks"]
    assert titles == drawn["answers"][0] == ["b.png", "c.png"] and list(names) == CLASSES
    assert [list(p) for p in drawn["answers"][2]] == [list(p) for p in probabilities]
    labels = []
    for n, name in enumerate(titles):
        middle = np.asarray(Image.open(tmp_path / name))[2:30, 2:30]
        assert np.array_equal(seen[n], middle)
        x = ((middle / 255 - 0.5) / 0.25).astype(np.float32)
        expected = network.predict(x[None])[0]
        np.testing.assert_allclose(probabilities[n], expected, atol=1e-6)
        label = int(expected.argmax())
        labels.append(label)
        fall, gradient = looks[n]
        np.testing.assert_allclose(fall, occlusion(network, x, label), atol=1e-6)
        np.testing.assert_allclose(gradient, saliency(network, x, label), rtol=1e-4, atol=1e-9)
        assert fall.shape != gradient.shape or not np.allclose(fall, gradient)
    assert any(labels), "else class 0 could be looked at whatever the answer is"
