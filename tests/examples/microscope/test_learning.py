"""The network learns in the microscope's page: pressed as a person does, and what is shown compared with Python."""

import re
import time

import numpy as np
import pytest

from layers import ReLU, Sigmoid, Tanh
from models.classifier import load_classifier
from nn import SGD, Network, SoftmaxCrossEntropy, inspect
from nn.data import digits
from tests.browser import ARROWS, ENTER, PAGE_DOWN, needs_browser
from tests.examples.microscope.test_engine import picture_for
from tests.examples.microscope.test_hall import VIOLATIONS, axe
from tests.examples.microscope.test_looks import INK_AND_PAPER, OUTSIDE, OVERLAPS, luminance
from tests.examples.microscope.test_page import NAMELESS
from tests.microscope import READY, VISIT, assert_answer, digits_lenet, seen, show, shown_answer

pytestmark = [needs_browser, pytest.mark.slow]

KINDS = {"Sigmoid": Sigmoid, "Tanh": Tanh, "ReLU": ReLU}
LIMIT = 180  # seconds that learning may take where many tests run at once
FRAMES = 20  # a second at least, the same; the page aims at more than 30
# Keeps what the worker says, before the page's own script runs.
LISTEN = """
window.snapshots = [];
const Original = window.Worker;
window.Worker = class extends Original {
    constructor(...all) {
        super(...all);
        this.addEventListener("message", ({data}) => window.snapshots.push(data));
    }
};
"""
LAST = """
const last = window.snapshots[window.snapshots.length - 1];
const plain = {...last};
for (const name of ["params", "velocities", "gradients", "previous"]) {
    plain[name] = [...last[name]];
}
return {...plain, batch: [...last.batch], losses: [...last.losses], corrects: [...last.corrects], units: null};
"""
CHOOSE = """
const [label, index] = arguments;
const choice = [...document.querySelectorAll("#learning label")].find(({textContent}) => textContent.startsWith(label));
const select = choice.querySelector("select");
select.selectedIndex = index;
select.dispatchEvent(new Event("change"));
"""
PRESS = """
[...document.querySelectorAll("#learning button")].find(({textContent}) => textContent === arguments[0]).click();
"""
STEPS = "return window.snapshots.length > 0 && window.snapshots[window.snapshots.length - 1].step >= arguments[0]"
CURVES = "return [...document.querySelectorAll('.curve')].map((canvas) => canvas.toDataURL())"
LOSSES = "return window.snapshots.flatMap(({losses}) => [...losses])"


@pytest.fixture
def learner(browser):
    """The page of a LeNet in a browser that keeps the worker's snapshots."""
    added = browser.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": LISTEN})
    yield browser
    browser.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)


def press(browser, words):
    browser.run(PRESS, words)


def step(browser, number):
    """One step, and what the worker says after it; number: which one it is."""
    press(browser, "One step")
    browser.wait_until(STEPS, number)
    browser.wait_until(f"return document.querySelector('#learning .words').textContent.startsWith('Step {number},')")
    browser.wait_until(READY)
    return browser.run(LAST)


def python_network(classifier, kind, params):
    """The classifier's network with another activation and with these parameters."""
    layers = [
        (name, KINDS[kind]() if isinstance(layer, Sigmoid) else layer)
        for name, layer in load_classifier("digits_lenet").network.layers.items()
    ]
    network = Network(layers, image_shape=classifier.network.image_shape).astype(np.float64)
    start = 0
    for array in network.params.values():
        array[...] = np.reshape(params[start : start + array.size], array.shape)
        start += array.size
    assert start == len(params)
    return network


def blob(arrays):
    return np.concatenate([array.ravel() for array in arrays.values()])


def learned_from(classifier, batch):
    """The images of the digits with these numbers, prepared, and their labels."""
    train_set, _ = digits()
    levels = np.rint(train_set.images[batch] * 255).astype(np.uint8)
    return classifier.preparation(levels).astype(np.float64), train_set.labels[batch]


def shown_update(browser):
    return [
        float(text)
        for text in browser.run(
            "return [...document.querySelectorAll('.update .number')].map(({textContent}) => textContent)"
        )
    ]


# --------------------------------------------------------------------------------------------------- Python's numbers
@pytest.mark.parametrize("kind, number", [("Sigmoid", 0), ("ReLU", 2)])
def test_a_step_is_python_s(kind, number, learner, tmp_path):
    classifier = digits_lenet(learner, tmp_path)
    learner.run(CHOOSE, "Activation", number)
    first = step(learner, 1)
    second = step(learner, 2)
    network = python_network(classifier, kind, first["params"])
    sgd = SGD(network, lr=0.02, momentum=0.9)
    for velocity, part in zip(
        sgd.velocities.values(),
        np.split(first["velocities"], np.cumsum([array.size for array in network.params.values()])[:-1]),
        strict=True,
    ):
        velocity[...] = part.reshape(velocity.shape)
    assert learner.run("return document.querySelectorAll('.batch .right').length") == second["corrects"][-1]
    images, labels = learned_from(classifier, second["batch"])
    loss = SoftmaxCrossEntropy()
    assert second["losses"][-1] == pytest.approx(loss.forward(network.forward(images, training=True), labels), rel=1e-5)
    network.backward(loss.backward())
    gradients = blob(network.grads)
    sgd.step()
    learner.run("document.querySelectorAll('.kernels')[1].focus()")
    learner.press(ARROWS["down"], ARROWS["left"], *[PAGE_DOWN] * 5, ENTER)
    learner.run(CHOOSE, " for ", 3)
    at = 156 + ((3 * 5 + 1) * 6 + 3) * 16 + 5  # conv2's weight: row 3, column 1, map 3, kernel 5
    learner.wait_until("return document.querySelector('.update caption').textContent.includes('kernel 5, input map 3')")
    wanted = [gradients[at], blob(sgd.velocities)[at], blob(network.params)[at]]
    np.testing.assert_allclose(shown_update(learner), wanted, rtol=2e-5, atol=1e-5 * np.abs(gradients).max())
    pulls = []
    for index in second["batch"]:
        image, label = learned_from(classifier, [index])
        alone = python_network(classifier, kind, second["previous"])
        loss.forward(alone.forward(image, training=True), label)
        alone.backward(loss.backward())
        pulls.append(-0.02 * blob(alone.grads)[at] / len(second["batch"]))
    shown = learner.run("return [...document.querySelectorAll('.pulls span')].map(({textContent}) => textContent)")
    strongest = sorted(pulls, key=abs, reverse=True)[: len(shown)]
    np.testing.assert_allclose([float(text.replace("\u2212", "-")) for text in shown], strongest, rtol=0.06)


def test_the_maps_are_those_of_the_network_that_learns(learner, tmp_path):
    classifier = digits_lenet(learner, tmp_path)
    learner.run(CHOOSE, "Activation", 1)
    press(learner, "Play")
    learner.wait_until(STEPS, 20)
    press(learner, "Pause")
    learner.wait_until("return !window.snapshots[window.snapshots.length - 1].playing")
    last = learner.run(LAST)
    learner.wait_until(
        "return document.querySelector('#what').textContent.endsWith(arguments[0])", f"after {last['step']} steps"
    )
    learner.wait_until(READY)
    network = python_network(classifier, "Tanh", last["params"])
    x = classifier.preparation(seen(learner, 1)[None]).astype(np.float64)
    outputs = inspect.activations(network, x)
    rng = np.random.default_rng(5)
    places, wanted = [], []
    for name, values in outputs.items():
        for _ in range(6):
            at = tuple(int(rng.integers(length)) for length in values.shape[1:])
            places.append(f"{name} {','.join(map(str, at))}")
            wanted.append(values[(0, *at)])
    shown = [float(text) for text in learner.run(VISIT, places)]
    np.testing.assert_allclose(shown, wanted, rtol=1e-5, atol=1e-6)
    logits = outputs["fc5"][0]
    powers = np.exp(logits - logits.max())
    np.testing.assert_allclose(list(shown_answer(learner).values()), 100 * powers / powers.sum(), rtol=0, atol=0.051)


# -------------------------------------------------------------------------------------------------- it learns, smoothly
def test_relu_reads_nine_of_ten_digits_soon_while_the_page_stays_smooth(learner, tmp_path, capsys):
    digits_lenet(learner, tmp_path)
    learner.run("""window.frames = 0;
        const count = () => { window.frames++; requestAnimationFrame(count); };
        requestAnimationFrame(count);""")
    press(learner, "Play")
    begin, frames = time.monotonic(), learner.run("return window.frames")
    share = 0
    while share <= 90 and time.monotonic() - begin < LIMIT:
        time.sleep(0.5)
        found = re.search(r"reads ([\d.]+) %", learner.text("#learning .words"))
        share = float(found[1]) if found else 0
    seconds = time.monotonic() - begin
    frames_a_second = (learner.run("return window.frames") - frames) / seconds
    with capsys.disabled():
        print(f"\n{share} % of the other digits after {seconds:.1f} s, {frames_a_second:.1f} frames a second")
        print(learner.text("#learning .words"))
    assert share > 90
    assert frames_a_second > FRAMES


def test_dead_maps_and_units_are_counted_and_marked(learner, tmp_path):
    classifier = digits_lenet(learner, tmp_path)
    learner.run("""const slider = document.querySelector("#learning .slider input");
        slider.value = -0.5; slider.dispatchEvent(new Event("input"));""")  # a rate of 0.32, which is far too large
    for number in range(1, 5):
        step(learner, number)
    network = python_network(classifier, "ReLU", learner.run(LAST)["params"])
    _, test_set = digits()
    levels = np.rint(test_set.images[:100] * 255).astype(np.uint8)
    outputs = inspect.activations(network, classifier.preparation(levels).astype(np.float64))
    wanted = []
    for squashed, name in [("conv1", "sigmoid1"), ("conv2", "sigmoid2"), ("fc3", "sigmoid3"), ("fc4", "sigmoid4")]:
        values = outputs[name]
        dead = (values == 0).all(axis=tuple(range(values.ndim - 1)))
        if dead.any():
            wanted.append(f"{squashed}: {dead.sum()} of {len(dead)} {'maps' if values.ndim == 4 else 'units'}")
    assert any("maps" in words for words in wanted) and any("units" in words for words in wanted)
    assert learner.text("#learning .settings .hint") == f" Dead, 0 for every digit: {'; '.join(wanted)}."
    # A map that is 0 everywhere would be blank but for its mark.
    dead = (outputs["sigmoid2"] == 0).all(axis=(0, 1, 2))
    inked = learner.run("""const canvas = document.querySelector("[data-layer=sigmoid2] canvas");
        const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        const {width, height} = canvas;
        return [...Array(16).keys()].map((map) => {
            const [x, y] = [map % 4 * (width + 3) / 4 + 1, Math.floor(map / 4) * (height + 3) / 4];
            const at = 4 * (Math.floor(y) * width + Math.floor(x));
            return data[at] + data[at + 1] + data[at + 2] < 3 * 128;
        })""")
    np.testing.assert_array_equal(inked, dead)


def test_the_curve_begins_anew_and_is_the_same(learner, tmp_path):
    classifier = digits_lenet(learner, tmp_path)
    before = shown_answer(learner)
    for number in range(1, 6):
        step(learner, number)
    assert shown_answer(learner) != before
    losses, drawn = learner.run(LOSSES), learner.run(CURVES)
    learner.run("window.snapshots = []")
    press(learner, "Start anew")
    assert "Started anew: ReLU, initial spread 1, seed 1." in learner.text("#learning .notice")
    for number in range(1, 6):
        step(learner, number)
    assert learner.run(LOSSES) == losses and len(losses) == 5
    assert learner.run(CURVES) == drawn and drawn[0] != drawn[1]
    learner.run("window.snapshots = []")
    learner.run(
        "const seed = document.querySelector('#learning input[type=number]'); seed.value = 2;"
        "seed.dispatchEvent(new Event('change'))"
    )
    assert "seed 2" in learner.text("#learning .notice")
    step(learner, 1)
    assert learner.run(LOSSES)[0] != losses[0]
    assert learner.text("[data-layer=sigmoid1] h3") == "sigmoid1: ReLU"
    press(learner, "Back to the trained network")
    learner.wait_until(READY)
    assert shown_answer(learner) == before
    assert_answer(learner, classifier)
    assert learner.text("[data-layer=sigmoid1] h3") == "sigmoid1"


def test_what_is_switched_off_stays_off(learner, tmp_path):
    digits_lenet(learner, tmp_path)
    learner.click("[data-layer=sigmoid1] .power")
    step(learner, 1)
    shown = learner.run(VISIT, ["conv1 3,4,2", "sigmoid1 3,4,2"])
    assert shown[0] == shown[1]  # a layer that is off passes its input on


# ---------------------------------------------------------------------------------------------- strangers, and looks
def test_a_page_of_photographs_does_not_learn(browser, tmp_path):
    classifier = load_classifier("objects_lenet")
    show(browser, tmp_path, classifier, picture_for(classifier))
    assert browser.run("return document.querySelector('#learning')") is None


def test_every_control_has_a_name(learner, tmp_path):
    digits_lenet(learner, tmp_path)
    step(learner, 1)
    assert learner.run(NAMELESS) == []


def test_a_screen_reader_is_told_now_and_then(learner, tmp_path):
    digits_lenet(learner, tmp_path)
    learner.run("""window.told = [];
        new MutationObserver(() => window.told.push(document.querySelector("#learning [role=status]").textContent))
            .observe(document.querySelector("#learning [role=status]"), {childList: true, characterData: true});""")
    press(learner, "Play")
    time.sleep(8)
    press(learner, "Pause")
    told = learner.run("return window.told.filter((words) => words !== '')")
    assert 2 <= len(told) <= 4
    assert told[0] == "Learning, with ReLU" and told[-1].startswith("Paused. Step ")


@pytest.mark.parametrize("width", [360, 768, 1280, 1920])
def test_nothing_sticks_out_or_overlaps(width, learner, tmp_path):
    learner.resize(width, 900)
    digits_lenet(learner, tmp_path)
    step(learner, 1)
    learner.run("document.querySelectorAll('.kernels')[1].focus()")
    learner.press(ENTER)
    learner.wait_until("return document.querySelector('.update') !== null")
    assert learner.run("return document.documentElement.scrollWidth") <= width
    assert learner.run(OUTSIDE) == []
    assert learner.run(OVERLAPS) == []


@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out(dark, learner, tmp_path):
    learner.resize(1440, 900, dark=dark)
    digits_lenet(learner, tmp_path)
    step(learner, 1)
    for element, ink, paper in learner.run(INK_AND_PAPER):
        dim, light = sorted([luminance(ink), luminance(paper)])
        assert (light + 0.05) / (dim + 0.05) >= 4.5, (element, ink, paper)


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing(dark, learner, tmp_path):
    source = axe()
    for width, height in ((1440, 1000), (390, 844)):
        learner.resize(width, height, dark=dark)
        digits_lenet(learner, tmp_path)
        learner.run(source)
        step(learner, 1)
        learner.run("document.querySelectorAll('.kernels')[1].focus()")
        learner.press(ENTER)
        learner.wait_until("return document.querySelector('.update') !== null")
        assert learner.run(VIOLATIONS) == []
