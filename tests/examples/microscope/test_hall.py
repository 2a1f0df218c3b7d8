"""The microscope's page on the screens that it is shown on: a lecture hall's, a notebook's, a phone; and to all."""

import os
from pathlib import Path

import numpy as np
import pytest

from examples.microscope.program import in_words
from models.classifier import load_classifier
from nn import inspect
from tests.browser import ARROWS, TAB, needs_browser
from tests.examples.microscope.test_engine import picture_for
from tests.examples.microscope.test_looks import OUTSIDE
from tests.microscope import READY, VISIT, WHERE, digits_lenet, heading, objects, seen

pytestmark = [needs_browser, pytest.mark.slow]

SIZES = [(1280, 720), (1440, 900), (1920, 1080), (768, 1024), (390, 844)]
# What one sees of these elements lies in the window, without scrolling.
BELOW = """
const [selectors] = arguments;
return selectors.flatMap((selector) => {
    const found = [...document.querySelectorAll(selector)].filter((element) => element.checkVisibility());
    return found.length === 0 ? [`no ${selector}`] : found.filter((element) => {
        const {top, bottom, left, right} = element.getBoundingClientRect();
        return top < -0.5 || left < -0.5 || bottom > innerHeight + 0.5 || right > innerWidth + 0.5;
    }).map((element) => `${selector} ${JSON.stringify(element.getBoundingClientRect())}`);
});
"""
# Elements that would have to be scrolled to show all that they hold.
SCROLLING = """
const boxes = "html, body, #stand, #panel, #networks, #controls, #controls section, .matrices, .terms";
return [...document.querySelectorAll(boxes)]
    .filter((element) => element.checkVisibility() && (element.scrollHeight > element.clientHeight + 1
        || element.scrollWidth > element.clientWidth + 1) && getComputedStyle(element).display !== "contents")
    .map((element) => `${element.outerHTML.slice(0, 60)} ${element.scrollHeight} > ${element.clientHeight}`);
"""
SMALL_NUMBERS = """
const written = (element) => [...element.childNodes].some((node) => node.nodeType === 3 && /\\d/.test(node.data));
const shown = document.querySelectorAll("#panel :is(td, th, output, h2, .added, select, option, label, caption), "
    + "#answers *, #stand *");
return [...shown].filter((element) => element.checkVisibility() && written(element))
    .map((element) => [element.outerHTML.slice(0, 60), parseFloat(getComputedStyle(element).fontSize)]);
"""
HOVER = (
    "return document.querySelector('.hover')?.checkVisibility() ? document.querySelector('.hover').textContent : null"
)
POINT = """
const [canvas, x, y] = arguments;
const {left, top} = document.querySelector(canvas).getBoundingClientRect();
const event = {bubbles: true, clientX: left + x, clientY: top + y};
document.querySelector(canvas).dispatchEvent(new PointerEvent("pointermove", event));
"""
TAKEN_APART = ["#panel h2", "#result", ".how", ".matrices .matrix", ".added"]


def lecture(browser, width=1280, height=720):
    browser.resize(width, height)
    classifier = digits_lenet(browser, browser.folder)
    browser.click("#lecture")
    return classifier


@pytest.fixture
def page(browser, tmp_path):
    browser.folder = tmp_path
    return browser


# ------------------------------------------------------------------------------------------------------ the window
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("names", [["digits_lenet"], ["objects_alexnet"], ["objects_lenet", "objects_alexnet"]])
def test_nothing_is_wider_than_the_window(names, size, browser, tmp_path):
    browser.resize(*size)
    digits_lenet(browser, tmp_path) if names == ["digits_lenet"] else objects(browser, tmp_path, names)
    for place in ("conv2 3,4,7", "conv1 3,4,2", "input 3,4,0"):
        browser.run(VISIT, [place])
        assert browser.run("return document.documentElement.scrollWidth") <= size[0]
        assert browser.run(OUTSIDE) == []


@pytest.mark.parametrize("size", SIZES[:3])
def test_what_was_clicked_and_how_it_is_made_are_on_one_screen(size, browser, tmp_path):
    classifier = digits_lenet(browser, tmp_path)
    browser.resize(*size)
    browser.run(VISIT, ["conv2 3,4,7"])
    layers = [f"[data-layer={name}] .sheet" for name in ("input", *classifier.network.layers)]
    assert browser.run(BELOW, [*layers, *TAKEN_APART, ".pad", "#answers"]) == []
    assert browser.run("return scrollY") == 0


def test_a_phone_shows_what_the_drawing_changes(browser, tmp_path):
    browser.resize(390, 844)
    digits_lenet(browser, tmp_path)
    browser.run("document.querySelector('.strip').scrollLeft = 0")
    assert browser.run(BELOW, [".pad", "#answers", ".strip", "[data-layer=conv1] .sheet"]) == []
    assert browser.run("return document.querySelector('.strip').getBoundingClientRect().height") > 200


# ------------------------------------------------------------------------------------------------------ lecture mode
@pytest.mark.parametrize("size", SIZES[:3])
@pytest.mark.parametrize(
    "place", ["input 3,4,0", "conv1 9,9,2", "conv2 3,4,7", "sigmoid2 3,4,7", "pool2 1,2,3", "fc3 7"]
)
def test_lecture_mode_is_all_in_view_and_large(place, size, page):
    lecture(page, *size)
    page.run(VISIT, [place])
    assert page.run(SCROLLING) == []
    tables = [".matrices .matrix"] if place.startswith("conv") else []
    assert page.run(BELOW, ["#stand .sheet", "#result", "#tabs button", ".pad", "#answers li", *tables]) == []
    numbers = page.run(SMALL_NUMBERS)
    assert len(numbers) > 5
    assert [(element, pixels) for element, pixels in numbers if pixels < 20] == []


def test_lecture_mode_goes_from_layer_to_layer(page):
    classifier = lecture(page)
    names = ["input", *classifier.network.layers, "softmax", "loss"]
    tabs = page.run("return [...document.querySelectorAll('#tabs button')].map(({textContent}) => textContent)")
    assert tabs == ["\u2039", *names, "\u203a"]
    current = "return document.querySelector('#tabs [aria-current]').textContent"
    page.run("[...document.querySelectorAll('#tabs button')].at(3).click()")
    for name in names[2:5]:
        assert page.run(current) == name == page.run("return document.querySelector('[data-stand]').dataset.stand")
        assert heading(page).startswith(f"{name},")
        page.press(ARROWS["right"])
    page.press(*[ARROWS["right"]] * 20)
    assert page.run(current) == names[-1]
    page.press(*[ARROWS["left"]] * 30)
    assert page.run(current) == "input"


def test_lecture_mode_is_remembered_in_the_address(page):
    digits_lenet(page, page.folder)
    on = "return document.documentElement.classList.contains('lecture')"
    page.press("l")
    assert page.run(on) and page.run("return location.search") == "?lecture"
    page.driver.refresh()
    page.wait_until(READY)
    page.wait_until(on)
    page.press("L")
    assert not page.run(on) and page.run("return location.search") == ""
    page.type("#place", "l")  # a letter there, not the key
    assert not page.run(on)


def test_a_layer_of_small_numbers_is_opened_large(browser, tmp_path):
    browser.resize(1280, 720)
    objects(browser, tmp_path)
    browser.click("[data-layer=relu1] .enlarge")
    assert heading(browser).startswith("relu1,")
    width = browser.run("return document.querySelector('#stand .marks').width")
    assert width >= 4 * 32
    browser.run(VISIT, ["relu1 3,4,5"])  # one map alone fits
    assert "here map 5" in browser.text("#stand")
    browser.run("document.querySelector('#stand .marks').focus()")
    browser.press("\ue00f", ARROWS["down"])  # page down: the next map
    assert heading(browser) == "relu1, map 6, row 4, column 4" and "here map 6" in browser.text("#stand")


# ----------------------------------------------------------------------------------------------------- hover values
def test_the_number_under_the_pointer_is_python_s(browser, tmp_path):
    browser.resize(1440, 900)
    classifier = digits_lenet(browser, tmp_path)
    x = inspect.activations(classifier.network, classifier.preparation(picture_for(classifier)[None]))
    assert browser.run(HOVER) is None
    for name in ("conv1", "conv2", "fc3"):
        canvas = f"[data-layer={name}] .marks"
        width, height = browser.run(WHERE, canvas)[2:]
        for share in (0.1, 0.43, 0.78):
            for step in range(0, 12, 2):  # from the gap between two, perhaps
                browser.run(POINT, canvas, share * width + step, share * height + step)
                if browser.run(HOVER) is not None:
                    break
            place, _, value = browser.run(HOVER).rpartition(": ")
            words = place.replace(",", "").split()
            at = [int(words[1])] if name == "fc3" else [int(words[3]), int(words[5]), int(words[1])]
            assert float(value) == pytest.approx(float(x[name][(0, *at)]), rel=1e-5, abs=1e-7)
    browser.run(VISIT, ["conv2 3,4,7"])
    browser.run(POINT, "#panel figure canvas", 5 * 11 + 2, 2 * 11 + 2)
    place, _, value = browser.run(HOVER).rpartition(": ")
    assert place == "map 7, row 2, column 5" and float(value) == pytest.approx(float(x["conv2"][0, 2, 5, 7]), rel=1e-5)
    browser.run("document.querySelectorAll('.matrix')[1].rows[3].cells[2]"
                ".dispatchEvent(new PointerEvent('pointerover', {bubbles: true}))")  # fmt: skip
    place, _, value = browser.run(HOVER).rpartition(": ")
    channel = int(browser.run("return document.querySelector('.channels select').selectedIndex"))
    weight = classifier.network.layers["conv2"].params["weight"][2, 1, channel, 7]
    assert place == "row 2, column 1" and float(value) == pytest.approx(float(weight), rel=1e-5)


def test_the_keyboard_gets_the_label_too(browser, tmp_path):
    browser.resize(1440, 900)
    digits_lenet(browser, tmp_path)
    browser.run("document.querySelector('[data-layer=input] .marks').focus()")
    while browser.run("return document.activeElement.closest('[data-layer=conv1] .sheet')") is None:
        browser.press(TAB)
    browser.press(ARROWS["down"])
    assert browser.run(HOVER) == browser.run("return document.activeElement.getAttribute('aria-valuetext')")
    browser.press("\ue00c")  # escape
    assert browser.run(HOVER) is None


def test_weights_are_counted_from_0_and_colours_are_the_map_s(browser, tmp_path):
    browser.resize(1440, 900)
    digits_lenet(browser, tmp_path)
    browser.run(VISIT, ["conv2 3,4,7"])
    heads = """return [...document.querySelectorAll(".matrix")].map((table) => [...table.rows[0].cells].slice(1)
        .map(({textContent}) => Number(textContent)))"""
    assert browser.run(heads) == [[4, 5, 6, 7, 8], [0, 1, 2, 3, 4], [4, 5, 6, 7, 8]]
    browser.click("input[value=gradients]")
    browser.run(VISIT, ["pool1 5,5,1"])
    assert browser.run(heads)[1] == [4, 3, 2, 1, 0]  # rotated
    browser.click("input[value=activations]")
    browser.run(VISIT, ["conv2 3,4,7"])
    script = """
    const cell = document.querySelector(".matrix").rows[1].cells[1];
    const canvas = document.querySelector("[data-layer=pool1] canvas");
    const frame = arguments[0];
    const [r, g, b] = canvas.getContext("2d").getImageData(frame[0], frame[1], 1, 1).data;
    return [getComputedStyle(cell).backgroundColor, `rgb(${r}, ${g}, ${b})`];
    """
    channel = int(browser.run("return document.querySelector('.channels select').selectedIndex"))
    width = browser.run("return document.querySelector('[data-layer=pool1] canvas').width")
    pixel = (width - 6) // (3 * 14)  # three maps beside each other, 3 pixels apart
    assert pixel * 3 * 14 + 6 == width
    left = channel % 3 * (14 * pixel + 3) + 4 * pixel + pixel // 2
    top = channel // 3 * (14 * pixel + 3) + 3 * pixel + pixel // 2
    cell, map_ = browser.run(script, [left, top])
    assert cell == map_


def test_maps_of_a_colour_image_are_named(browser, tmp_path):
    objects(browser, tmp_path)
    names = "return [...document.querySelectorAll('[data-layer=input] .map-name')].map(({textContent}) => textContent)"
    assert browser.run(names) == ["R", "G", "B"]


def test_left_out_layers_are_named_where_two_networks_stand_under_each_other(browser, tmp_path):
    objects(browser, tmp_path, ["objects_lenet", "objects_alexnet"])
    absent = browser.run(
        "return [...document.querySelectorAll('.absent')].map((e) => [e.textContent, e.style.gridColumn])"
    )
    assert absent == [["objects_lenet has no such layers", str(column)] for column in (4, 5, 6)]  # conv3 to conv5


# ------------------------------------------------------------------------------------------------------- accessible
def test_the_answer_is_announced_when_drawing_stops(browser, tmp_path):
    digits_lenet(browser, tmp_path)
    browser.wait_until("return document.querySelector('#said').textContent !== ''")
    left, top, width, height = browser.run(WHERE, ".pad")
    browser.run("""window.said = [];
        new MutationObserver(() => window.said.push(document.querySelector("#said").textContent))
            .observe(document.querySelector("#said"), {childList: true})""")
    browser.drag([(left + 0.5 * width, top + share * height) for share in np.linspace(0.15, 0.85, 12)])
    browser.wait_until("return window.said.length > 0")
    assert browser.run("return document.querySelector('#said').getAttribute('aria-live')") == "polite"
    (said,) = browser.run("return window.said")
    assert said.startswith("1, ") and said.endswith(" %.")
    assert seen(browser, 1).any()


def axe():
    """axe-core's source, which is not part of this project."""
    root = Path(__file__).parents[3]
    places = [os.environ.get("AXE_CORE", ""), root / "node_modules/axe-core/axe.min.js"]
    for place in places:
        if place and Path(place).is_file():
            return Path(place).read_text(encoding="utf-8")
    pytest.skip("axe-core is not here: npm install --no-save axe-core, or name its axe.min.js in AXE_CORE")


VIOLATIONS = """
const where = ({html, failureSummary}) => html.slice(0, 150) + failureSummary;
return axe.run(document, {resultTypes: ["violations"]}).then(({violations}) => violations.map(
    ({id, help, nodes}) => [id, help, ...nodes.slice(0, 3).map(where)]));
"""


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("names", [["digits_lenet"], ["objects_alexnet"], ["objects_lenet", "objects_alexnet"]])
def test_axe_finds_nothing(names, dark, browser, tmp_path):
    source = axe()
    for width, height in ((1440, 1000), (390, 844)):
        browser.resize(width, height, dark=dark)
        digits_lenet(browser, tmp_path) if names == ["digits_lenet"] else objects(browser, tmp_path, names)
        browser.run(source)
        browser.run(VISIT, ["conv2 3,4,7"])
        assert browser.run(VIOLATIONS) == []
        browser.click("input[value=gradients]")
        browser.run(VISIT, ["pool1 5,5,1"])
        assert browser.run(VIOLATIONS) == []
        browser.press("l")
        assert browser.run(VIOLATIONS) == []


@pytest.mark.parametrize(
    "name, random, words",
    [
        ("digits_lenet", False, "LeNet, trained on handwritten digits, 61,706 parameters"),
        (
            "objects_alexnet",
            False,
            "A small AlexNet, trained on rendered cats, dogs, cars and callipers, 644,478 parameters",
        ),
        ("lenet", True, "LeNet, with random weights, 61,706 parameters"),
        ("mine.npz", False, "LeNet, mine.npz, for 10 classes, 61,706 parameters"),
    ],
)
def test_networks_are_named_in_plain_words(name, random, words):
    weights = name if name == "objects_alexnet" else "digits_lenet"
    assert in_words(name, load_classifier(weights), random) == words
