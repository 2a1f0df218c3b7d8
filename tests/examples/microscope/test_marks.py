"""What the microscope's page shows of one number: marks, windows, products, the winner; and the ways to get there."""

import numpy as np
import pytest

from examples.explain.terms import forward_terms
from models.classifier import load_classifier
from nn import inspect
from tests.browser import ENTER, needs_browser
from tests.examples.microscope.test_engine import padded, picture_for
from tests.microscope import READY, VISIT, WHERE, digits_lenet, heading, objects, show

pytestmark = [needs_browser, pytest.mark.slow]

FIELD = """
const {top, left, height, width} = document.querySelector(".field").style;
return document.querySelector(".field").hidden ? null : [top, left, height, width].map(parseFloat);
"""
# For each layer how much of its canvas of marks is drawn on.
MARKED = """
return [...document.querySelectorAll("[data-layer]")].map((card) => {
    const canvas = card.querySelector(".marks");
    const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return [card.dataset.layer, data.filter((value, index) => index % 4 === 3 && value > 0).length];
});
"""
MATRICES = """
const numbers = (row) => [...row.cells].slice(1).map(({textContent}) => textContent.replaceAll("\u2212", "-"));
return [...document.querySelectorAll(".matrix")].map((table) =>
    [table.caption.textContent, [...table.rows].slice(1).map(numbers)]);
"""
PRESS = """
[...document.querySelectorAll("button")].find(({textContent}) => textContent.startsWith(arguments[0])).click();
"""


def of_28(top, left, height, width):
    return [pytest.approx(100 * pixels / 28, abs=1e-3) for pixels in (top, left, height, width)]


def test_the_receptive_field_lights_up_in_the_picture(browser, tmp_path):
    """LeNet: 5x5 kernels, the first padded by 2, each followed by pooling of 2x2."""
    digits_lenet(browser, tmp_path)
    for place, field in [
        ("conv1 4,10,0", (2, 8, 5, 5)),
        ("conv1 0,27,5", (0, 25, 3, 3)),  # cut off at the border
        ("pool1 3,4,0", (4, 6, 6, 6)),
        ("conv2 3,4,7", (4, 6, 14, 14)),
        ("fc3 7", (0, 0, 28, 28)),
    ]:
        browser.run(VISIT, [place])
        assert browser.run(FIELD) == of_28(*field), place
    browser.run(VISIT, ["input 3,3,0"])
    assert browser.run(FIELD) is None


def test_what_is_switched_off_lets_more_or_nothing_through(browser, tmp_path):
    digits_lenet(browser, tmp_path)
    browser.run(VISIT, ["conv2 3,4,7"])
    browser.click("[data-layer=conv1] .power")  # answers 0: nothing of the picture is seen
    browser.wait_until(READY)
    assert browser.run(FIELD)[2:] == [0, 0]


@pytest.mark.parametrize(
    "view, place, marked",
    [
        ("activations", "conv2 3,4,7", ["input", "pool1", "conv2"]),
        ("activations", "conv1 3,4,2", ["input", "conv1"]),
        ("activations", "fc4 3", ["input", "sigmoid3", "fc4"]),
        ("gradients", "pool1 5,5,1", ["input", "pool1", "conv2"]),
        ("gradients", "conv1 5,5,1", ["input", "conv1", "sigmoid1"]),
    ],
)
def test_what_a_number_is_made_of_lights_up(view, place, marked, browser, tmp_path):
    digits_lenet(browser, tmp_path)
    browser.click(f"input[value={view}]")
    browser.run(VISIT, [place])
    assert [layer for layer, pixels in browser.run(MARKED) if pixels] == marked


def numbers(texts):
    return np.array([[float(text) for text in row] for row in texts])


def test_window_kernel_products_and_their_sum(browser, tmp_path):
    classifier = digits_lenet(browser, tmp_path)
    picture = picture_for(classifier)
    x = inspect.activations(classifier.network, classifier.preparation(picture[None]))["pool1"][0]
    layer, at = classifier.network.layers["conv2"], (3, 4, 7)
    browser.run(VISIT, ["conv2 3,4,7"])
    window, weights = x[3:8, 4:9], layer.params["weight"][..., 7]
    sums = (window * weights).sum(axis=(0, 1))
    channels = browser.run("return [...document.querySelector('.channels select').options].map((each) => each.text)")
    for channel, text in enumerate(channels):
        assert text.startswith(f"map {channel}: sum ")
        assert float(text.split()[-1].replace("\u2212", "-")) == pytest.approx(sums[channel], rel=0.06)
    for channel in (int(np.abs(sums).argmax()), 4):
        script = """const choice = document.querySelector(".channels select");
            choice.selectedIndex = arguments[0]; choice.dispatchEvent(new Event("change"))"""
        if channel == 4:
            browser.run(script, channel)
        tables = browser.run(MATRICES)
        assert [caption.split(";")[0] for caption, _ in tables] == [f"pool1, map {channel}", "weights", "products"]
        wanted = [window[..., channel], weights[..., channel], window[..., channel] * weights[..., channel]]
        for (_, found), array in zip(tables, wanted, strict=True):
            # Two digits are shown of small numbers, one of very small ones.
            np.testing.assert_allclose(numbers(found), array, rtol=0.06, atol=5e-4)
    # The largest terms come first; they and the bias give the sum.
    browser.run(PRESS, f"{25 * 6 - 9} smaller ones")
    shown = browser.run(
        """return [...document.querySelectorAll(".terms .number")].map(({textContent}) => textContent)"""
    )
    terms = [term.value for term in forward_terms(layer, x, at).terms]
    *products, bias, total = map(float, shown[1:])  # below the head
    np.testing.assert_allclose(sorted(products), sorted(terms[1:]), rtol=1e-5, atol=1e-12)
    assert sorted(map(abs, products), reverse=True) == list(map(abs, products))
    assert bias == pytest.approx(terms[0], rel=1e-5) and total == pytest.approx(sum(terms), rel=1e-5)


def test_the_winner_of_a_pooling_window(browser, tmp_path):
    classifier = padded()
    picture = picture_for(classifier)
    show(browser, tmp_path, classifier, picture)
    x = inspect.activations(classifier.network, classifier.preparation(picture[None]))["layer2"][0]
    browser.run(VISIT, ["layer3 2,3,5"])
    ((caption, found),) = browser.run(MATRICES)
    assert caption == "layer2, map 5"
    np.testing.assert_allclose(numbers(found), x[3:6, 5:8, 5], rtol=0.06, atol=5e-4)
    won = browser.run("return [...document.querySelectorAll('.matrix .won')].map(({textContent}) => textContent)")
    assert len(won) == 1
    row = browser.run("return [...document.querySelector('.terms .won').cells].map(({textContent}) => textContent)")
    place = np.unravel_index(x[3:6, 5:8, 5].argmax(), (3, 3))
    assert row[:2] == [f"{place[0] + 3},{place[1] + 5},5", "the largest"]


def test_response_normalisation_shows_its_formula(browser, tmp_path):
    classifier = padded()
    show(browser, tmp_path, classifier, picture_for(classifier))
    for name in ("layer2", "layer6"):
        browser.run(VISIT, [f"{name} 2,3,1"])
        foot = browser.run(
            "return [...document.querySelectorAll('.terms tfoot tr')].map(({textContent}) => textContent)"
        )
        assert foot[0] == "k1" or foot[0] == "k2"
        assert foot[1].startswith("sum") and " / " in foot[2]
    assert [caption for caption, _ in browser.run(MATRICES)] == ["layer5, map 1", "squares"]


def test_the_overview_leads_to_a_layer(browser, tmp_path):
    browser.resize(1440, 1000)  # where there is room for it
    digits_lenet(browser, tmp_path)
    script = """const volume = [...document.querySelectorAll(".overview g")].find(
        (each) => each.getAttribute("aria-label").startsWith("Show " + arguments[0]));
        volume.focus(); if (arguments[1]) { volume.dispatchEvent(new MouseEvent("click")) }"""
    browser.run(script, "conv2", True)
    assert heading(browser).startswith("conv2, map 0")
    browser.run(script, "fc4", False)
    browser.press(ENTER)
    assert heading(browser) == "fc4, unit 0"
    assert browser.run("return document.activeElement.closest('[data-layer]').dataset.layer") == "fc4"


def test_the_overview_has_every_volume(browser, tmp_path):
    (classifier,), _ = objects(browser, tmp_path)
    drawn = browser.run(
        "return [...document.querySelectorAll('.overview text:not(.size)')].map((each) => each.textContent.trim())"
    )
    kinds = ("conv", "pool", "fc")
    assert drawn == ["input", *(name for name in classifier.network.layers if name.startswith(kinds))]


@pytest.mark.parametrize("calm, behaviour", [(True, "auto"), (False, "smooth")])
def test_nothing_moves_for_who_wants_no_movement(calm, behaviour, browser, tmp_path):
    browser.resize(1440, 900, calm=calm)
    digits_lenet(browser, tmp_path)
    browser.run("Element.prototype.scrollIntoView = ({behavior}) => { window.behaviour = behavior; }")
    browser.run("document.querySelectorAll('.overview g')[3].dispatchEvent(new MouseEvent('click'))")
    assert browser.run("return window.behaviour") == behaviour


def test_the_enlarged_map_is_clicked(browser, tmp_path):
    digits_lenet(browser, tmp_path)
    browser.run(VISIT, ["conv1 3,4,2"])
    browser.run("document.querySelector('#panel figure').scrollIntoView()")
    left, top, width, _ = browser.run(WHERE, "#panel figure canvas")
    assert width == 28 * 4
    browser.drag([(left + 4 * 20 + 2, top + 4 * 11 + 2)])
    assert heading(browser) == "conv1, map 2, row 11, column 20"


def test_what_was_opened_stays_open_while_the_picture_changes(browser, tmp_path):
    objects(browser, tmp_path)
    browser.run(VISIT, ["conv2 3,4,7"])
    browser.run("""const choice = document.querySelector(".channels select");
        choice.selectedIndex = 3; choice.dispatchEvent(new Event("change")); choice.focus()""")
    chosen = browser.run("return document.querySelector('.channels select').value")
    browser.run("document.querySelector('.more').click()")
    rows = browser.run("return document.querySelectorAll('.terms tbody tr').length")
    browser.run("document.querySelector('.channels select').focus()")
    browser.click("[data-layer=norm2] .power")
    browser.wait_until(READY)
    assert browser.run("return document.querySelector('.channels select').value") == chosen
    assert browser.run("return document.querySelectorAll('.terms tbody tr').length") == rows > 12


def test_shipped_networks_in_words(browser, tmp_path):
    show(browser, tmp_path, load_classifier("cifar10_alexnet"), np.zeros((40, 50, 3), np.uint8))
    browser.run(VISIT, ["input 3,4,2"])
    assert "(level / 255 - mean) / deviation" in browser.text("#panel .how")
