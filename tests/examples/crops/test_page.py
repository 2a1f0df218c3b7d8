"""The page of the crop experiment: its numbers are the results', and each drawn image is in it with its caption."""

import base64
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from examples.crops import program as crops
from examples.crops.page import LISTED, accuracies, answers, write_page
from examples.crops.windows import windows
from models import Classifier, lenet
from nn.data.preparation import Preparation

NAMES = ("cat", "dog", "car")


@pytest.fixture
def classifiers():
    preparation = Preparation((24, 24), 3, (24, 24))
    return {name: Classifier(lenet(3, (24, 24, 3), rng=0), preparation, NAMES) for name in ("LeNet", "<AlexNet>")}


def outcome(label, right, name="a.png", figure=None):
    """An image whose whole is taken for a cat, and so many of its crops for its class (a cat, if that is unknown)."""
    cut = windows(np.random.default_rng(0), random=3)
    wanted = 0 if label is None else label
    probabilities = np.zeros((len(cut), 3))
    probabilities[:, (wanted + 1) % 3] = 0.75
    probabilities[1 : right + 1] = 0
    probabilities[1 : right + 1, wanted] = 0.75
    probabilities[0] = 0.9, 0.1, 0.0
    return crops.Outcome(cut, dict.fromkeys(("LeNet", "<AlexNet>"), probabilities), label, None, name, figure)


def written(folder, outcomes, classifiers, results):
    write_page(folder, outcomes, results, classifiers, "python -m examples.crops --count 4", 7)
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "<AlexNet>" not in page
    return unescape(page)


def drawing(path, colour):
    Image.new("RGB", (9, 9), colour).save(path)
    return path


def test_images_of_a_known_class(tmp_path, classifiers):
    figure = drawing(tmp_path / "crops_1.png", "red")
    drawing(tmp_path / "curves.png", "blue")
    outcomes = [outcome(0, 40, "rendered", figure), outcome(0, 5)]  # of the second all quarters are wrong
    results = {name: crops.summary(outcomes, name) for name in classifiers}
    page = written(tmp_path, outcomes, classifiers, results)
    shares = {row["portion"]: 100 * row["accuracy"]["mean"] for row in results["LeNet"]["by_portion"]["centre"]}
    assert shares[1.0] == 100 and shares[0.25] == 50
    assert "Two networks were asked about 2 images, whole and cut down" in page
    assert f"LeNet: {shares[1.0]:.1f}% and {shares[0.25]:.1f}%; <AlexNet>: {shares[1.0]:.1f}%" in page
    assert "Image 1, rendered: cat" in page and "Of 40 crops, 40 are taken for cat." in page
    assert "Image 2" not in page
    for path in (figure, tmp_path / "curves.png"):
        assert base64.b64encode(path.read_bytes()).decode() in page
    for fact in (
        "python -m examples.crops --count 4",
        "7, of the random crops",
        "2, 2 of them of a known class, 1 drawn",
    ):
        assert fact in page
    assert "40 of each image" in page and "6.25% of its area" in page
    assert page.count("conv1") >= 2, "the summaries"


def test_the_table_of_accuracies():
    row = [{"accuracy": {"mean": share}} for share in (1, 0.75, 0.5, 0.25, 0.125, 0)]
    table = accuracies({"net": {"by_portion": {"centre": row, "corners": row[::-1], "random": row}}})
    shares = ["100.0%", "75.0%", "50.0%", "25.0%", "12.5%", "0.0%"]
    assert table == [
        ["accuracy", "100%", "75%", "50%", "25%", "12.5%", "6.25%"],
        ["net; crops at the centre", *shares],
        ["net; crops in the corners", *shares[::-1]],
        ["net; crops anywhere", *shares],
    ]


def test_images_that_nobody_told_the_class_of(tmp_path, classifiers):
    figure = drawing(tmp_path / "crops_1_mine.png", "red")
    outcomes = [outcome(None, 3, "mine.png", figure), outcome(None, 0, "other.png")]
    page = written(tmp_path, outcomes, classifiers, {})
    assert "the answer to the whole image is taken to be right" in page
    assert "Image 1, mine.png: taken for cat, as the whole image is" in page
    assert "Of 40 crops, 3 are taken for cat." in page
    assert answers(outcomes, classifiers)[1:] == [
        ["mine.png", *["cat, 90.0%", "3 of 40"] * 2],
        ["other.png", *["cat, 90.0%", "0 of 40"] * 2],
    ]
    assert "<td>cat, 90.0%</td><td>3 of 40</td>" in page


def test_a_long_table_ends_with_how_many_more(classifiers):
    rows = answers([outcome(None, 0, f"{n}.png") for n in range(LISTED + 3)], classifiers)
    assert len(rows) == 1 + LISTED + 1 and rows[-1] == ["and 3 more", "", "", "", ""]
    assert {len(row) for row in rows} == {5}


def test_a_single_network_and_image(tmp_path, classifiers):
    page = written(tmp_path, [outcome(None, 0)], {"LeNet": classifiers["LeNet"]}, {})
    assert "LeNet was asked about one image" in page and Path(tmp_path / "report.html").stat().st_size < 50_000
