"""The microscope's page in a real browser: clicked, typed into and drawn on, and compared with Python."""

import numpy as np
import pytest
from PIL import Image

from models.classifier import load_classifier
from nn import inspect
from tests.browser import ARROWS, ENTER, PAGE_DOWN, PAGE_UP, TAB, needs_browser
from tests.examples.microscope.test_engine import CLASSIFIERS, Switched, padded, picture_for
from tests.microscope import (
    READY,
    SLIDE,
    VISIT,
    WHERE,
    assert_answer,
    digits_lenet,
    heading,
    objects,
    seen,
    show,
    shown_answer,
)

pytestmark = needs_browser

NAMELESS = """
const name = (element) => element.getAttribute("aria-label") || element.labels?.[0]?.textContent.trim()
    || element.textContent.trim();
const controls = document.querySelectorAll("button, input, select, [tabindex='0'], [role=button]");
return [...controls].filter((element) => !name(element)).map((element) => element.outerHTML);
"""
PLACES = 50  # of each kind of layer


# ------------------------------------------------------------------------------------------------------ numbers
def places_by_kind(names):
    """For each network a list of (layer number, name, place): PLACES for each kind of layer among all networks."""
    rng = np.random.default_rng(7)
    layers = {}
    for name in names:
        network = CLASSIFIERS[name]().network
        shapes = network.shapes(network.image_shape)
        for number, (layer, shape) in enumerate(zip(network.layers.values(), shapes)):
            layers.setdefault(type(layer).__name__, []).append((name, number, layer.name, shape))
    places = {name: [] for name in names}
    for among in layers.values():
        for count in range(PLACES):
            name, number, layer_name, shape = among[count % len(among)]
            places[name].append((number, layer_name, tuple(int(rng.integers(length)) for length in shape)))
    return places


NAMES = list(CLASSIFIERS)
PLACES_BY_KIND = places_by_kind(NAMES)


def gradients_of_loss(network, x, target):
    logits = network.forward(x)
    powers = np.exp(logits - logits.max())
    dlogits = powers / powers.sum()
    dlogits[0, target] -= 1
    return inspect.gradients(network, x, dlogits)


def assert_shown(shown, wanted, scale):
    """Six digits are shown."""
    for text, number in zip(shown, wanted, strict=True):
        assert float(text) == pytest.approx(number, rel=1e-5, abs=1e-12 * scale)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_numbers_are_python_s(name, browser, tmp_path):
    classifier = CLASSIFIERS[name]()
    picture, target = picture_for(classifier), 1
    show(browser, tmp_path, classifier, picture, target)
    x = classifier.preparation(picture[None]).astype(np.float64)
    network = classifier.network.astype(np.float64)
    outputs, gradients = inspect.activations(network, x), gradients_of_loss(network, x, target)
    places = PLACES_BY_KIND[name]
    words = [f"{layer_name} {','.join(map(str, at))}" for _, layer_name, at in places]
    scale = max(np.abs(values).max() for values in [*outputs.values(), x])
    assert_shown(browser.run(VISIT, words), [outputs[layer][(0, *at)] for _, layer, at in places], scale)
    browser.click("input[value=gradients]")
    browser.wait_until(READY)
    scale = max(np.abs(values).max() for values in gradients.values())
    assert_shown(browser.run(VISIT, words), [gradients[layer][(0, *at)] for _, layer, at in places], scale)


@pytest.mark.slow
def test_the_input_and_its_gradient(browser, tmp_path):
    classifier = padded()
    picture = picture_for(classifier)
    show(browser, tmp_path, classifier, picture, 2)
    x = classifier.preparation(picture[None]).astype(np.float64)
    gradient = gradients_of_loss(classifier.network.astype(np.float64), x, 2)["input"]
    places = [(0, 0, 0), (12, 11, 2), (5, 6, 1)]
    words = [f"input {h},{w},{c}" for h, w, c in places]
    assert_shown(browser.run(VISIT, words), [x[(0, *at)] for at in places], 1)
    browser.click("input[value=gradients]")
    assert_shown(browser.run(VISIT, words), [gradient[(0, *at)] for at in places], np.abs(gradient).max())


def test_the_class_whose_loss_is_taken(browser, tmp_path):
    classifier = digits_lenet(browser, tmp_path)
    browser.click("input[value=gradients]")
    browser.run(
        "const t = document.querySelector('#target'); t.selectedIndex = 8; t.dispatchEvent(new Event('change'))"
    )
    browser.wait_until(READY)
    probabilities = classifier.probabilities([seen(browser, 1)])[0].astype(float)
    last = list(classifier.network.layers)[-1]
    shown = browser.run(VISIT, [f"{last} {unit}" for unit in range(10)])
    wanted = probabilities - (np.arange(10) == 7)  # after "the answer" comes class 0
    np.testing.assert_allclose([float(text) for text in shown], wanted, rtol=0, atol=1e-5)


# ------------------------------------------------------------------------------------- pointing, typing, the keyboard
@pytest.mark.slow
def test_click_on_a_number_and_walk_on_with_the_keys(browser, tmp_path):
    browser.resize(1280, 720)
    digits_lenet(browser, tmp_path)
    left, top, _, _ = browser.run(WHERE, "[data-layer=conv1] .marks")
    # Maps of 28 x 28 numbers of 2 pixels, 3 pixels apart, three beside each other: map 3, row 4, column 10.
    browser.drag([(left + 10 * 2 + 1, top + 56 + 3 + 4 * 2 + 1)])
    assert heading(browser) == "conv1, map 3, row 4, column 10"
    browser.press(ARROWS["down"], ARROWS["right"], ARROWS["right"], PAGE_UP)
    assert heading(browser) == "conv1, map 2, row 5, column 12"
    browser.press(*[PAGE_DOWN] * 9, *[ARROWS["up"]] * 9, ARROWS["left"])  # and no further than the edge
    assert heading(browser) == "conv1, map 5, row 0, column 11"
    said = browser.run("return document.activeElement.getAttribute('aria-valuetext')")
    assert said.startswith("map 5, row 0, column 11: ") and said.endswith(browser.text("#result"))


def test_type_where_to_go(browser, tmp_path):
    digits_lenet(browser, tmp_path)
    browser.run("document.querySelector('#place').value = ''")
    browser.type("#place", "pool2 3, 4,7\n")
    assert heading(browser) == "pool2, map 7, row 3, column 4"
    for words, sentence in [
        ("conv9 0,0,0", "no layer conv9"),
        ("conv1 99,0,0", "no place 99,0,0"),
        ("conv1 a", "no place a"),
        ("conv1 3,,7", "no place 3,7"),
        ("fc5 3,4", "expected a unit below 10"),
        (" ", "no layer"),
    ]:
        browser.run("document.querySelector('#place').value = ''")
        browser.type("#place", f"{words}\n")
        assert sentence in browser.text("#trouble")
        assert heading(browser) == "pool2, map 7, row 3, column 4"


@pytest.mark.slow
def test_a_term_leads_to_the_number_that_it_reads(browser, tmp_path):
    digits_lenet(browser, tmp_path)
    browser.run(VISIT, ["conv2 3,4,7"])
    place = browser.text("#panel .terms tbody th button")
    browser.click("#panel .terms tbody th button")
    row, column, channel = place.split(",")
    assert heading(browser) == f"pool1, map {channel}, row {row}, column {column}"


@pytest.mark.slow
def test_a_network_can_be_walked_with_the_tab_key_alone(browser, tmp_path):
    """Every layer's numbers are reached, in order, and the panel stays as it is until a number is chosen."""
    classifier = digits_lenet(browser, tmp_path)
    before = heading(browser)
    browser.run("document.querySelector('#place').focus()")
    order = []
    while len(order) <= len(classifier.network.layers):
        browser.press(TAB)
        focused = browser.run("""const {activeElement: element} = document;
            return element.matches(".marks") ? element.closest("[data-layer]").dataset.layer : null""")
        order += [focused] if focused else []
    assert order == ["input", *classifier.network.layers]
    assert heading(browser) == before
    browser.press(ARROWS["down"], ENTER)
    assert heading(browser) == f"{order[-1]}, 1"
    assert browser.run("return document.activeElement.id") == "panel"
    browser.press(TAB, ENTER)  # the first of the terms
    assert heading(browser).startswith(f"{order[-2]}, unit ")


@pytest.mark.slow
def test_every_control_has_a_name(browser, tmp_path):
    digits_lenet(browser, tmp_path)
    assert browser.run(NAMELESS) == []


# ------------------------------------------------------------------------------------------------------- drawing
STROKES = {
    "one": [[(0.5, 0.15), (0.5, 0.85)]],
    "seven": [[(0.2, 0.2), (0.8, 0.2), (0.4, 0.85)]],
    "zero": [[(0.5 + 0.22 * np.cos(turn), 0.5 + 0.35 * np.sin(turn)) for turn in np.linspace(0, 2 * np.pi, 30)]],
    "four": [[(0.3, 0.15), (0.25, 0.5), (0.75, 0.5)], [(0.65, 0.15), (0.65, 0.9)]],
}


def draw(browser, strokes, kind="mouse"):
    left, top, width, height = browser.run(WHERE, ".pad")
    for stroke in strokes:
        browser.drag([(left + x * width, top + y * height) for x, y in stroke], kind)


@pytest.mark.parametrize("name, kind, digit", [("one", "mouse", "1"), ("seven", "touch", "7"), ("zero", "pen", "0")])
def test_a_drawn_digit_is_read(name, kind, digit, browser, tmp_path):
    classifier = load_classifier("digits_lenet")
    show(browser, tmp_path, classifier, picture_for(classifier), 9)
    draw(browser, STROKES[name], kind)
    assert_answer(browser, classifier)
    assert (
        browser.run("return document.querySelector('#target').value") == "the answer"
    )  # no longer the old picture's 9
    shown = shown_answer(browser)
    assert max(shown, key=shown.get) == digit


@pytest.mark.slow
def test_every_layer_answers_while_one_draws(browser, tmp_path):
    classifier = digits_lenet(browser, tmp_path)
    browser.click("#picture label input")  # as it is drawn, not brought to size
    previous = None
    for stroke in STROKES["four"]:
        draw(browser, [stroke])
        assert_answer(browser, classifier)
        shown = browser.run("""return [...document.querySelectorAll(".layer canvas:first-child")].map(
            (canvas) => canvas.toDataURL())""")
        assert previous is None or all(now != before for now, before in zip(shown, previous))
        previous = shown
    browser.click("#picture .buttons button")
    browser.wait_until(READY)
    assert not seen(browser, 1).any()
    assert_answer(browser, classifier)
    browser.run("document.querySelectorAll('#picture .buttons button')[1].click()")
    browser.wait_until(READY)
    np.testing.assert_array_equal(seen(browser, 1), picture_for(classifier))


@pytest.mark.slow
def test_drawing_with_the_keyboard(browser, tmp_path):
    classifier = digits_lenet(browser, tmp_path)
    browser.run("document.querySelector('.pad').focus()")
    browser.press(*[ARROWS["up"]] * 9, " ", *[ARROWS["down"]] * 18, " ", *[ARROWS["right"]] * 5)
    assert_answer(browser, classifier)
    assert shown_answer(browser)["1"] > 90


# ------------------------------------------------------------------------------------------------ experiments
@pytest.mark.slow
def test_noise_turning_and_moving(browser, tmp_path):
    classifier = digits_lenet(browser, tmp_path)
    draw(browser, STROKES["seven"])
    browser.wait_until(READY)
    whole = seen(browser, 1)
    before = shown_answer(browser)
    for slider, value in [(1, 90), (2, 3), (3, -2), (0, 60)]:
        browser.run(SLIDE, slider, value)
        assert_answer(browser, classifier)
        levels = seen(browser, 1)
        if slider == 1:
            np.testing.assert_array_equal(levels, np.rot90(whole, -1))  # clockwise
            turned = levels
        if slider == 3:
            np.testing.assert_array_equal(levels[:26, 3:], turned[2:, :25])
    noise = levels.astype(float) - np.roll(turned, (-2, 3), (0, 1))
    assert 20 < noise.std() < 60  # cut off at black
    assert browser.run("return [...document.querySelectorAll('.before')].some((mark) => !mark.hidden)")
    browser.run("[...document.querySelectorAll('#experiments button')].at(-1).click()")  # as it was
    browser.wait_until(READY)
    assert shown_answer(browser) == before


def switched_probabilities(classifier, levels, changes):
    x = classifier.preparation(levels[None]).astype(np.float64)
    for name, layer in classifier.network.astype(np.float64).layers.items():
        x = Switched(layer, changes.get(name, {})).forward(x)
    powers = np.exp(x - x.max())
    return 100 * (powers / powers.sum())[0]


@pytest.mark.slow
def test_switching_off_and_on(browser, tmp_path):
    classifier = digits_lenet(browser, tmp_path)
    draw(browser, STROKES["zero"])
    browser.wait_until(READY)
    whole, levels = shown_answer(browser), seen(browser, 1)
    changes = {}

    def press(words):
        script = """const button = [...document.querySelectorAll("#panel .switches button")].find(
            (each) => each.textContent.startsWith(arguments[0])); button.click()"""
        browser.run(script, words)
        browser.wait_until(READY)
        wanted = switched_probabilities(classifier, levels, changes)
        np.testing.assert_allclose(list(shown_answer(browser).values()), wanted, rtol=0, atol=0.051)

    browser.run(VISIT, ["conv1 3,4,2"])
    changes["conv1"] = {"channelsOff": [2]}
    press("Switch map 2 off")
    changes["conv1"] = {"channelsOff": [2], "unitsOff": [(3 * 28 + 4) * 6 + 2]}
    press("Switch this number off")
    assert browser.text("#result") == "0"
    browser.run(VISIT, ["fc4 17"])
    changes["fc4"] = {"unitsOff": [17]}
    press("Switch this unit off")
    browser.click("[data-layer=sigmoid1] .power")
    changes["sigmoid1"] = {"off": True}
    browser.run(VISIT, ["conv2 0,0,0"])
    changes["conv2"] = {"off": True}
    press("Switch conv2 off")
    off = browser.run("return [...document.querySelectorAll('.off-list li')].map((item) => item.firstChild.data)")
    assert len(off) == 5
    for _ in off:
        browser.click(".off-list button")
        browser.wait_until(READY)
    assert shown_answer(browser) == whole


@pytest.mark.slow
def test_dropout_masks(browser, tmp_path):
    (classifier,), _ = objects(browser, tmp_path)
    levels = seen(browser, 3)
    browser.run("let number = 0; Math.random = () => (number++ % 3 === 0 ? 0.1 : 0.9)")  # every third unit is silenced
    browser.run("""[...document.querySelectorAll("#experiments button")].find(
        ({textContent}) => textContent.startsWith("Draw dropout masks")).click()""")
    browser.wait_until(READY)
    network, changes, number = classifier.network, {}, 0
    for name, shape in zip(network.layers, network.shapes(network.image_shape)):
        if name.startswith("dropout"):
            (size,) = shape
            changes[name] = {"mask": [int((number + unit) % 3 != 0) for unit in range(size)]}
            number += size
    assert len(changes) == 2
    wanted = switched_probabilities(classifier, levels, changes)
    np.testing.assert_allclose(list(shown_answer(browser).values()), wanted, rtol=0, atol=0.051)
    browser.run(VISIT, ["dropout6 3"])
    assert "mask 0 / (1 - p 0.5)" in browser.text("#panel .terms") and browser.text("#result") == "0"
    browser.click(".off-list button")
    browser.wait_until(READY)
    assert len(browser.run("return [...document.querySelectorAll('.off-list li')].map(String)")) == 1


# -------------------------------------------------------------------------------------------- pictures and frames
@pytest.mark.slow
def test_the_frame_cuts_out_what_it_shows(browser, tmp_path):
    (classifier,), picture = objects(browser, tmp_path)
    assert_answer(browser, classifier)
    left, top, width, height = browser.run(WHERE, ".cropping")
    corner = (left + 0.9 * width - 2, top + height - 5)  # of the frame: the square in the middle
    browser.drag([corner, (corner[0] - 40, corner[1] - 90)])
    inside = (left + 0.3 * width, top + 0.3 * height)
    browser.drag([inside, (inside[0] + 20, inside[1] + 35)], "touch")
    assert_answer(browser, classifier)
    box = np.array(browser.run(WHERE, ".frame"))
    assert box[2] < 0.8 * width
    scale = 250 / width
    cut = (box[0] - left, box[1] - top, box[0] - left + box[2], box[1] - top + box[3])
    wanted = Image.fromarray(picture).resize((64, 64), Image.Resampling.BICUBIC, box=[side * scale for side in cut])
    # The browser says where the frame is to a 64th of a pixel; a picture as rough as this one changes by as little.
    assert np.abs(seen(browser, 3).astype(int) - np.asarray(wanted)).max() <= 2
    browser.run("document.querySelector('.frame').focus()")
    browser.press("-", ARROWS["left"], ARROWS["up"], "+")
    assert_answer(browser, classifier)
    browser.click("#picture .buttons button")
    browser.wait_until(READY)
    wanted = classifier.preparation.resized(picture[None])[0]
    assert np.abs(seen(browser, 3).astype(int) - wanted).max() <= 1


@pytest.mark.slow
def test_another_picture_is_opened_in_the_page(browser, tmp_path):
    (classifier,), _ = objects(browser, tmp_path)
    picture = np.asarray(Image.radial_gradient("L").convert("RGB").resize((100, 70)))
    Image.fromarray(picture).save(tmp_path / "mine.png")
    browser.type("input[type=file]", str(tmp_path / "mine.png"))
    browser.wait_until("return document.querySelector('.picture').width === 100")
    assert_answer(browser, classifier)
    assert np.abs(seen(browser, 3).astype(int) - classifier.preparation.resized(picture[None])[0]).max() <= 1
    (tmp_path / "broken.png").write_text("no picture")
    browser.type("input[type=file]", str(tmp_path / "broken.png"))
    browser.wait_until("return !document.querySelector('#trouble').hidden")
    assert browser.text("#trouble") == "broken.png cannot be read as an image"


@pytest.mark.slow
def test_two_networks_one_above_the_other(browser, tmp_path):
    classifiers, _ = objects(browser, tmp_path, ("objects_lenet", "objects_alexnet"))
    for number, classifier in enumerate(classifiers):
        assert_answer(browser, classifier, number)
    columns = browser.run("""return [...document.querySelectorAll(".layer")].map((layer) =>
        [layer.dataset.layer, layer.closest(".stage").style.gridColumn])""")
    found = {}
    for name, column in columns:
        found.setdefault(name, []).append(column)
    assert found["conv1"][0] == found["conv1"][1] and found["conv2"][0] == found["conv2"][1]
    assert found["fc3"] == found["fc6"] and found["fc5"] == found["fc8"]
    browser.run(SLIDE, 0, 100)
    for number, classifier in enumerate(classifiers):
        assert_answer(browser, classifier, number)
    for place, start in [
        ("fc8 1", "objects_alexnet: fc8, cat"),
        ("fc4 2", "objects_lenet: fc4, unit 2"),
        ("objects_alexnet conv1", "objects_alexnet: conv1, map 0"),
        ("conv2 3 4 5", "objects_alexnet: conv2, map 5, row 3, column 4"),
        ("OBJECTS_LENET FC5 Vernier calliper", "objects_lenet: fc5, vernier calliper"),
    ]:
        browser.run(VISIT, [place])
        assert heading(browser).startswith(start)
    assert browser.run("return document.querySelector('#trouble').hidden")
