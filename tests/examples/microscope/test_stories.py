"""What the page tells: softmax and the loss, how strong gradients are, the tour, links, the sliding window."""

import math
import re

import numpy as np
import pytest

from models.classifier import load_classifier
from nn import SoftmaxCrossEntropy, inspect, softmax
from nn.data import digits
from tests.browser import ARROWS, ENTER, needs_browser
from tests.examples.microscope.test_engine import in_node, needs_node
from tests.examples.microscope.test_hall import BELOW, SCROLLING, VIOLATIONS, axe
from tests.examples.microscope.test_looks import OUTSIDE
from tests.microscope import READY, VISIT, digits_lenet, heading, objects, seen, show

CHOOSE_TARGET = """
const target = document.querySelector("#target");
target.selectedIndex = arguments[0];
target.dispatchEvent(new Event("change"));
"""
HASH = "return location.hash"
# How far a layer's sheet goes from grey: full orange is 190 red and no blue, full blue the other way round by 159.
STRONGEST = """
const canvas = document.querySelector(`[data-layer=${arguments[0]}] .sheet canvas`);
const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
return data.reduce((most, red, index) => (index % 4 === 0 ? Math.max(most, Math.abs(red - data[index + 2])) : most), 0);
"""
# Whether the tour lies on the number that it speaks of, at the top of the page.
COVERED = """
scrollTo(0, 0);
const [tour, panel] = ["#tour", "#panel"].map((name) => document.querySelector(name).getBoundingClientRect());
return tour.left < panel.right && panel.left < tour.right && tour.top < panel.bottom && panel.top < tour.bottom;
"""
TERMS = "return [...document.querySelectorAll('.terms tbody .number')].map(({textContent}) => Number(textContent))"
FOOT = "return [...document.querySelectorAll('.terms tfoot tr')].map(({textContent}) => textContent)"


def open_at(browser, folder, hash_, query=""):
    """The page of LeNet at an address."""
    if not (folder / "page.html").exists():
        digits_lenet(browser, folder)
    browser.open("about:blank")
    browser.open((folder / "page.html").as_uri() + query + hash_)
    browser.wait_until(READY)


def looked_at(browser, classifier):
    """The prepared image that the page shows, and what the float64 network makes of it."""
    x = classifier.preparation(seen(browser, classifier.preparation.channels)[None]).astype(np.float64)
    network = classifier.network.astype(np.float64)
    return x, inspect.activations(network, x), network


# ------------------------------------------------------------------------------------------------- softmax and the loss
@pytest.mark.parametrize("names", [["digits_lenet"], ["objects_alexnet"]])
@pytest.mark.slow
@needs_browser
def test_softmax_and_the_loss_are_python_s(names, browser, tmp_path):
    classifier = digits_lenet(browser, tmp_path) if names == ["digits_lenet"] else objects(browser, tmp_path)[0][0]
    _, outputs, _ = looked_at(browser, classifier)
    logits = list(outputs.values())[-1]
    probabilities = softmax(logits)[0]
    count = len(classifier.class_names)
    for target in range(min(3, count)):
        browser.run(CHOOSE_TARGET, 1 + target)  # the first is "the answer"
        browser.wait_until(READY)
        shown = browser.run(VISIT, [*(f"softmax {unit}" for unit in range(count)), "loss"])
        loss = SoftmaxCrossEntropy().forward(logits, np.array([target]))
        np.testing.assert_allclose([float(text) for text in shown], [*probabilities, loss], rtol=1e-5)
        browser.run("document.querySelector('input[value=gradients]').click()")
        shown = browser.run(VISIT, [*(f"softmax {unit}" for unit in range(count)), "loss"])
        slopes = np.where(np.arange(count) == target, -1 / probabilities[target], 0)
        np.testing.assert_allclose([float(text) for text in shown], [*slopes, 1], rtol=1e-5)
        browser.run("document.querySelector('input[value=activations]').click()")


@pytest.mark.slow
@needs_browser
def test_they_are_taken_apart(browser, tmp_path):
    classifier = digits_lenet(browser, tmp_path)
    _, outputs, _ = looked_at(browser, classifier)
    logits = outputs["fc5"][0]
    browser.run(VISIT, ["softmax 3"])
    assert heading(browser) == "softmax, 3"
    browser.run("document.querySelector('.terms .more').click()")
    powers = np.exp(logits - logits.max())
    np.testing.assert_allclose(browser.run(TERMS), np.sort(powers)[::-1], rtol=1e-5)
    total, last = browser.run(FOOT)
    assert float(total.removeprefix("sum")) == pytest.approx(powers.sum(), rel=1e-5)
    dividend, divisor = (float(text) for text in re.match(r"([\d.e-]+) / (\d\.\d{5})", last).groups())
    assert dividend / divisor == pytest.approx(softmax(logits[None])[0, 3], rel=1e-4)
    answer = classifier.class_names[int(logits.argmax())]
    browser.click(".terms tbody button")  # the largest term
    assert heading(browser) == f"fc5, {answer}" != "fc5, 3"
    browser.run(VISIT, ["loss"])
    assert heading(browser) == f"loss, for the class {answer}"
    assert "\u2212log 0." in browser.run(FOOT)[1]
    browser.click(".terms tbody button")  # the probability that it is made of
    assert heading(browser) == f"softmax, {answer}"
    browser.click(".terms tbody button")  # and the output that this is made of
    assert heading(browser) == f"fc5, {answer}"


@needs_node
def test_a_probability_too_small_for_a_number_still_has_a_loss(tmp_path):
    """e^-1000 is 0 in double precision; the loss is 1000 all the same."""
    script = """
    import {softmax} from "MODULES/engine.js";
    import {explainOutcome} from "MODULES/outcome.js";
    const logits = [1000, 0, 990];
    const outcome = {logits, probabilities: softmax(logits), target: 1};
    const [loss, share] = [explainOutcome("loss", [0], "activations", outcome),
        explainOutcome("softmax", [2], "activations", outcome)];
    writeFileSync("ANSWER", JSON.stringify({loss: loss.result, softmax: share.result}));
    """
    answer = in_node(tmp_path, script, header="")
    assert answer["loss"] == pytest.approx(1000 + math.log1p(math.exp(-10)), rel=1e-15)
    assert answer["softmax"] == pytest.approx(1 / (1 + math.exp(10)), rel=1e-14)


# ------------------------------------------------------------------------------------------ how strong gradients look
@pytest.mark.slow
@needs_browser
def test_gradients_of_a_well_read_image_look_weak(browser, tmp_path):
    classifier = load_classifier("digits_lenet")
    _, test_set = digits()
    levels = np.round(255 * test_set.images[:200]).astype(np.uint8)
    probabilities = classifier.probabilities(list(levels))
    sure = int(probabilities[np.arange(200), test_set.labels[:200]].argmax())
    show(browser, tmp_path, classifier, levels[sure])
    assert browser.run("return document.querySelector('#faint').hidden")
    browser.click("input[value=gradients]")
    browser.wait_until(READY)
    lacking = 1 - probabilities[sure].max()
    assert lacking < 0.01
    for layer in ("conv1", "fc3"):
        assert browser.run(STRONGEST, layer) <= 190 * lacking + 8, layer  # 8: the lines between the maps
    assert str(test_set.labels[sure]) in browser.text("#faint") and "weak" in browser.text("#faint")
    browser.click("#amplified")
    assert browser.run(STRONGEST, "conv1") > 150
    browser.click("#amplified")
    browser.run(CHOOSE_TARGET, 1 + (int(test_set.labels[sure]) + 1) % 10)
    browser.wait_until(READY)
    assert browser.run(STRONGEST, "conv1") > 150
    assert browser.run("return document.querySelector('#faint').hidden")


# ------------------------------------------------------------------------------------------------------------ the tour
def assert_true_here(browser, classifier):
    """The number that the page shows is Python's for the place and the view that it names."""
    _, outputs, network = looked_at(browser, classifier)
    logits = list(outputs.values())[-1]
    layer, *at = re.split("[ ,]", browser.run("return document.querySelector('#place').value"))
    place = (0, *map(int, at))
    if browser.run("return document.querySelector('input[value=gradients]').checked"):
        dlogits = softmax(logits)
        dlogits[0, logits.argmax()] -= 1
        wanted = inspect.gradients(network, looked_at(browser, classifier)[0], dlogits)[layer][place]
    else:
        x = looked_at(browser, classifier)[0]
        wanted = {"input": x, **outputs, "softmax": softmax(logits)}[layer][place]
    assert float(browser.text("#result")) == pytest.approx(wanted, rel=1e-4, abs=1e-9)
    return layer


@pytest.mark.slow
@needs_browser
@pytest.mark.parametrize("lecture", [False, True])
@pytest.mark.parametrize("size", [(1280, 720), (1440, 900), (1920, 1080), (390, 844)])
def test_the_tour_of_lenet(size, lecture, browser, tmp_path):
    if lecture and size[0] < 1280:
        pytest.skip("lecture mode is for large screens")
    browser.resize(*size)
    classifier = digits_lenet(browser, tmp_path)
    open_at(browser, tmp_path, "", "?lecture" if lecture else "")
    browser.run("document.querySelector('#start-tour').click()")
    layers = []
    for stop in range(1, 13):
        browser.wait_until(
            "return document.querySelector('#tour-title').textContent.startsWith(arguments[0])", f"{stop} of 12: "
        )
        browser.wait_until(READY)
        layers.append(assert_true_here(browser, classifier))
        assert browser.run(OUTSIDE) == []
        assert not browser.run(COVERED)
        if lecture and stop < 12:
            assert browser.run(SCROLLING) == []
            assert browser.run(BELOW, ["#tour", "#result", "#stand .sheet", ".pad"]) == []
        browser.press(ENTER)  # "Next" has the focus
    assert layers == [
        "input",
        "conv1",
        "conv1",
        "sigmoid1",
        "pool1",
        "conv2",
        "pool2",
        "fc3",
        "fc5",
        "softmax",
        "fc5",
        "conv1",
    ]
    assert not browser.run("return document.querySelector('.learning-body').hidden")
    assert browser.run("return document.querySelector('#tour').hidden")  # after "Done"
    assert browser.run("return document.activeElement.id") == "start-tour"
    assert browser.complaints() == []


@pytest.mark.slow
@needs_browser
def test_a_larger_network_has_more_stops(browser, tmp_path):
    objects(browser, tmp_path)
    browser.click("#start-tour")
    titles = []
    while not browser.run("return document.querySelector('#tour').hidden"):
        titles.append(browser.text("#tour-title").split(": ")[1])
        browser.press(ARROWS["right"] if browser.text("#tour .play") == "Next" else ENTER)
    assert {"Local response normalisation", "Dropout"} < set(titles) and "Learning" not in titles
    browser.click("#start-tour")
    browser.press(ARROWS["right"], ARROWS["left"], "\ue00c")  # escape
    assert browser.run("return document.querySelector('#tour').hidden")


@pytest.mark.slow
@needs_browser
@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_in_the_tour(dark, browser, tmp_path):
    source = axe()
    for size, query in (((1440, 900), ""), ((1280, 720), "?lecture"), ((390, 844), "")):
        browser.resize(*size, dark=dark)
        for stop in (2, 10, 11):
            open_at(browser, tmp_path, f"#tour/{stop}", query)
            browser.run(source)
            assert browser.run(VIOLATIONS) == []


# ------------------------------------------------------------------------------------------------------------ addresses
@pytest.mark.slow
@needs_browser
def test_an_address_leads_to_a_number(browser, tmp_path):
    classifier = digits_lenet(browser, tmp_path)
    open_at(browser, tmp_path, "#conv2/4,5,9")
    assert heading(browser) == "conv2, map 9, row 4, column 5"
    assert_true_here(browser, classifier)
    open_at(browser, tmp_path, "#gradients/conv2/4,5,9")
    assert heading(browser) == "gradient of the loss with respect to conv2, map 9, row 4, column 5"
    assert_true_here(browser, classifier)
    browser.run("location.hash = '#softmax/7'")  # typed into the page's address
    browser.wait_until("return document.querySelector('#panel h2').textContent === 'softmax, 7'")
    browser.run("location.hash = '#learn'")
    browser.wait_until("return !document.querySelector('.learning-body').hidden")
    browser.run("location.hash = '#tour/5'")
    browser.wait_until("return document.querySelector('#tour-title').textContent === '5 of 12: Pooling'")


@pytest.mark.slow
@needs_browser
def test_the_address_follows_and_nothing_stands_in_the_history(browser, tmp_path):
    digits_lenet(browser, tmp_path)
    entries = browser.run("return history.length")
    browser.run(VISIT, ["conv2 1,2,3", "fc3 7"])
    browser.wait_until(f"{HASH} === '#fc3/7'")
    browser.click("input[value=gradients]")
    browser.wait_until(f"{HASH} === '#gradients/fc3/7'")
    browser.click("#start-tour")
    browser.wait_until(f"{HASH} === '#tour/1'")
    browser.press("\ue00c")
    browser.wait_until(f"{HASH} === '#input/14,14,0'")
    browser.press("l")
    assert browser.run("return location.search + location.hash") == "?lecture#input/14,14,0"
    assert browser.run("return history.length") == entries


@pytest.mark.slow
@needs_browser
def test_an_address_of_two_networks(browser, tmp_path):
    objects(browser, tmp_path, ["objects_lenet", "objects_alexnet"])
    browser.run(VISIT, ["objects_alexnet conv2 1,2,3"])
    browser.wait_until(f"{HASH} === '#objects_alexnet/conv2/1,2,3'")
    browser.run("location.hash = '#objects_lenet/softmax/cat'")
    browser.wait_until("return document.querySelector('#panel h2').textContent === 'objects_lenet: softmax, cat'")


@pytest.mark.slow
@needs_browser
@pytest.mark.parametrize(
    "address, words",
    [
        ("#conv9/1,2,3", "has no layer conv9, expected one of input, conv1"),
        ("#conv2/99,2,3", "conv2 has no place 99,2,3, expected a row, a column and a map below 10, 10, 16"),
        ("#softmax/11", "softmax has no place 11, expected a unit below 10"),
        ("#%E0%A4%A", "has no layer"),
        ("#gradients/conv2/1", "conv2 has no place 1, expected"),
    ],
)
def test_an_address_that_leads_nowhere(address, words, browser, tmp_path):
    open_at(browser, tmp_path, address)
    assert words in browser.text("#trouble")
    assert ", row " in heading(browser)  # what is chosen at the start
    assert browser.complaints() == []


@pytest.mark.slow
@needs_browser
def test_nothing_learns_in_a_page_of_photographs(browser, tmp_path):
    objects(browser, tmp_path)
    browser.run("location.hash = '#learn'")
    browser.wait_until("return !document.querySelector('#trouble').hidden")
    assert "expected the page of LeNet and digits" in browser.text("#trouble")


# ------------------------------------------------------------------------------------------------------- the window
@pytest.mark.slow
@needs_browser
def test_the_window_slides_along_its_map(browser, tmp_path):
    classifier = digits_lenet(browser, tmp_path)
    browser.run(VISIT, ["conv1 9,26,2"])
    browser.wait_until(f"{HASH} === '#conv1/9,26,2'")
    browser.click(".slide")
    for place in ("row 9, column 27", "row 10, column 0", "row 10, column 1"):
        browser.wait_until(
            "return document.querySelector('#panel h2').textContent === arguments[0]", f"conv1, map 2, {place}"
        )
        assert browser.text(".slide") == "Stop"
    assert_true_here(browser, classifier)
    assert browser.run(HASH) == "#conv1/9,26,2"  # the address waits until it stands
    browser.press("x")
    stopped = heading(browser)
    assert browser.text(".slide") == "Slide the window"
    browser.wait_until(f"{HASH} !== '#conv1/9,26,2'")
    assert heading(browser) == stopped
    browser.run(VISIT, ["pool1 13,13,5"])
    browser.click(".slide")
    browser.wait_until("return document.querySelector('#panel h2').textContent === 'pool1, map 5, row 0, column 0'")
    browser.run(VISIT, ["fc3 7"])  # another place ends it
    assert browser.run("return document.querySelector('.slide')") is None
    browser.wait_until(f"{HASH} === '#fc3/7'")
    assert heading(browser) == "fc3, unit 7"


@pytest.mark.slow
@needs_browser
def test_nothing_moves_by_itself_for_those_who_want_it_still(browser, tmp_path):
    browser.resize(1280, 720, calm=True)
    digits_lenet(browser, tmp_path)
    browser.run(VISIT, ["conv1 9,26,2"])
    browser.click(".slide")
    assert heading(browser) == "conv1, map 2, row 9, column 27"
    browser.wait_until(f"{HASH} === '#conv1/9,27,2'")
    assert heading(browser) == "conv1, map 2, row 9, column 27"
