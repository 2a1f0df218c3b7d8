"""The microscope's page before strangers' eyes: names that would be markup, narrow windows, contrast, size."""

import json
import re

import numpy as np
import pytest

from examples.microscope.page import page
from models.classifier import Classifier
from tests.browser import needs_browser
from tests.examples.microscope.test_engine import padded, picture_for
from tests.microscope import READY, VISIT, digits_lenet, heading, objects, show, shown_answer

pytestmark = [needs_browser, pytest.mark.slow]

OUTSIDE = """
const free = [...document.querySelectorAll("body *")].filter((element) => element.checkVisibility()
    && !element.closest(".overviews, .strip, .terms, .matrices, .cropping, .seen, svg")); // which scroll, or cut off
return free.filter((element) => {
    const {left, right, width} = element.getBoundingClientRect();
    return width > 0 && (left < -0.5 || right > innerWidth + 0.5);
}).map((element) => element.outerHTML.slice(0, 100));
"""
OVERLAPS = """
const all = document.querySelectorAll("button, input, select, h1, h2, h3, h4, canvas.marks, .pad, output");
const parts = [...all].filter((element) => element.checkVisibility()).map((element) => {
    const {left, right, top, bottom} = element.getBoundingClientRect();
    const visible = element.closest(".strip")?.getBoundingClientRect() ?? {left: 0, right: innerWidth};
    return {element, left: Math.max(left, visible.left), right: Math.min(right, visible.right), top, bottom};
});
const found = [];
parts.forEach((one, index) => parts.slice(index + 1).forEach((other) => {
    const wide = Math.min(one.right, other.right) - Math.max(one.left, other.left);
    const high = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
    if (wide > 1 && high > 1 && !one.element.contains(other.element)) {
        found.push([one, other].map(({element}) => element.outerHTML.slice(0, 80)));
    }
}));
return found;
"""
INK_AND_PAPER = """
const behind = (element) => {
    const colour = getComputedStyle(element).backgroundColor;
    return colour === "rgba(0, 0, 0, 0)" && element.parentElement ? behind(element.parentElement) : colour;
};
const written = (element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
return [...document.querySelectorAll("body *")]
    .filter((element) => element.checkVisibility() && !element.closest("svg") && written(element))
    .map((element) => [element.outerHTML.slice(0, 80), getComputedStyle(element).color, behind(element)]);
"""

# --------------------------------------------------------------------------------------------- strangers, and looks
EVIL = '</script><script>window.hacked = 1</script><img src=x onerror="window.hacked = 1"><!--<script>'


def test_names_are_never_markup(browser, tmp_path):
    trusted = padded()
    classifier = Classifier(trusted.network, trusted.preparation, (EVIL, f"'{EVIL}", f"\u2028{EVIL}", "&lt;b&gt;"))
    classifier.network.name = EVIL
    show(browser, tmp_path, classifier, picture_for(classifier))
    browser.run(VISIT, ["layer12 0"])
    assert heading(browser) == f"layer12, {EVIL}"
    assert list(shown_answer(browser)) == list(classifier.class_names)
    assert browser.run("return [window.hacked ?? null, document.images.length, document.scripts.length]") == [
        None,
        0,
        3,
    ]


def test_the_page_runs_nothing_but_its_own_script(browser, tmp_path):
    digits_lenet(browser, tmp_path)
    browser.run("""const script = document.createElement("script");
        script.textContent = "window.hacked = 1"; document.body.append(script);""")
    assert browser.run("return window.hacked ?? null") is None
    assert any("Content Security Policy" in message for message in browser.complaints())


@pytest.mark.parametrize("width", [360, 768, 1440])
@pytest.mark.parametrize("names", [["digits_lenet"], ["objects_lenet", "objects_alexnet"]])
def test_nothing_sticks_out_or_overlaps(names, width, browser, tmp_path):
    browser.resize(width, 900)
    if names == ["digits_lenet"]:
        digits_lenet(browser, tmp_path)
    else:
        objects(browser, tmp_path, names)
    for view, place in [("activations", "conv2 3,4,7"), ("gradients", "pool1 5,5,1")]:
        browser.click(f"input[value={view}]")
        browser.run(VISIT, [place])
        assert browser.run("return document.documentElement.scrollWidth") <= width
        outside = browser.run(OUTSIDE)
        assert outside == []
        overlaps = browser.run(OVERLAPS)
        assert overlaps == []


def luminance(colour):
    """Relative luminance, WCAG 2.2."""
    parts = [float(part) / 255 for part in re.findall(r"[\d.]+", colour)[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out(dark, browser, tmp_path):
    """By 4.5 to 1, as WCAG 2.2 asks for (1.4.3)."""
    browser.resize(1440, 900, dark=dark)
    digits_lenet(browser, tmp_path)
    browser.run(VISIT, ["conv2 3,4,7"])
    browser.click("[data-layer=pool1] .power")
    browser.wait_until(READY)
    pairs = browser.run(INK_AND_PAPER)
    assert len(pairs) > 50
    for element, ink, paper in pairs:
        dim, light = sorted([luminance(ink), luminance(paper)])
        assert (light + 0.05) / (dim + 0.05) >= 4.5, (element, ink, paper)


def test_pages_are_small(browser, tmp_path):
    digits_lenet(browser, tmp_path)
    assert (tmp_path / "page.html").stat().st_size < 3_000_000
    objects(browser, tmp_path, ("objects_alexnet",))
    assert (tmp_path / "page.html").stat().st_size < 15_000_000


def test_json_survives(tmp_path):
    text = page({"networks": [], "name": EVIL})
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1]
    assert json.loads(data) == {"networks": [], "name": EVIL}
