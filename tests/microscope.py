"""The microscope's page in a browser: how tests open it and what they ask it."""

import numpy as np
from PIL import Image

from examples.microscope.data import describe, in_base64, training_data
from examples.microscope.page import page
from models.classifier import load_classifier
from tests.examples.microscope.test_engine import picture_for

READY = "return document.querySelector('main').getAttribute('aria-busy') === 'false'"
# Goes to each place by its name and says what the page shows there.
VISIT = """
const [places] = arguments;
const found = [];
for (const place of places) {
    document.querySelector("#place").value = place;
    document.querySelector("#go").requestSubmit();
    found.push(document.querySelector("#result").textContent);
}
return found;
"""
SEEN = """
const canvas = document.querySelectorAll(".seen canvas")[arguments[0] ?? 0];
const {data, height, width} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
return {data: [...data], height, width};
"""
WHERE = """
const {left, top, width, height} = document.querySelector(arguments[0]).getBoundingClientRect();
return [left, top, width, height];
"""
SLIDE = """
const slider = document.querySelectorAll("#experiments input[type=range]")[arguments[0]];
slider.value = arguments[1];
slider.dispatchEvent(new Event("input"));
"""


def show(browser, folder, classifiers, picture, target=None, titles=("",), training=None):
    classifiers = classifiers if isinstance(classifiers, list) else [classifiers]
    source = {"shape": list(picture.shape), "levels": in_base64(picture.tobytes())}
    networks = [describe(classifier, picture, title) for classifier, title in zip(classifiers, titles)]
    data = {"networks": networks, "source": source, "target": target, "training": training}
    file = folder / "page.html"
    file.write_text(page(data), encoding="utf-8")
    browser.open(file.as_uri())
    browser.wait_until(READY)


def digits_lenet(browser, folder):
    classifier = load_classifier("digits_lenet")
    show(browser, folder, classifier, picture_for(classifier), training=training_data(classifier))
    return classifier


def objects(browser, folder, names=("objects_alexnet",)):
    classifiers = [load_classifier(name) for name in names]
    picture = np.random.default_rng(3).integers(0, 256, (8, 10, 3), dtype=np.uint8)
    picture = np.asarray(Image.fromarray(picture).resize((250, 200)))
    show(browser, folder, classifiers, picture, titles=names)
    return classifiers, picture


def seen(browser, channels, number=0):
    """The levels that a network of the page reads now, uint8 (H, W, channels)."""
    found = browser.run(SEEN, number)
    levels = np.array(found["data"], np.uint8).reshape(found["height"], found["width"], 4)
    return levels[..., :channels]


def heading(browser):
    return browser.text("#panel h2")


def shown_answer(browser, number=0):
    """The probabilities in per cent, by class."""
    script = """return [...document.querySelectorAll(".answer")[arguments[0]].querySelectorAll("li")].map((item) =>
        [item.querySelector(".name").textContent, parseFloat(item.querySelector(".share").textContent)])"""
    return dict(browser.run(script, number))


def assert_answer(browser, classifier, number=0):
    """The page says of the picture that it shows what Python says of it."""
    browser.wait_until(READY)
    levels = seen(browser, classifier.preparation.channels, number)
    wanted = 100 * classifier.probabilities([levels])[0]
    shown = shown_answer(browser, number)
    np.testing.assert_allclose(
        [shown[name] for name in classifier.class_names], wanted, rtol=0, atol=0.05 + 1e-3
    )  # a tenth of a per cent is the last digit shown
