"""The microscope's server: what it answers, and what it refuses."""

import base64
import http.client
import json
import socket
import threading
from contextlib import contextmanager

import numpy as np
import pytest

from examples.microscope.answers import Answerer, read_question
from examples.microscope.data import describe, in_base64, layer_arrays
from examples.microscope.page import page
from examples.microscope.program import make_page, make_parser
from examples.microscope.server import MOST_BYTES, make_server
from examples.step_through.subject import random_classifier
from models.classifier import load_classifier
from nn import inspect
from tests.browser import Browser, needs_browser
from tests.examples.microscope.test_engine import CLASSIFIERS, Switched, padded, picture_for
from tests.microscope import READY, SLIDE, VISIT, WHERE, assert_answer

PAGE = "<!DOCTYPE html><title>page</title>"
UNCHANGED = {"off": False, "channels_off": [], "units_off": [], "mask": None}


@contextmanager
def serving(text, classifiers):
    server = make_server(text, classifiers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def port():
    with serving(PAGE, [padded(), load_classifier("digits_lenet")]) as number:
        yield number


def ask(port, method, path, body=None, **headers):
    """(status, headers, body) of one request, sent as it is written here."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders(body)
        reply = connection.getresponse()
        return reply.status, dict(reply.getheaders()), reply.read()
    finally:
        connection.close()


def question(classifier, number=0, changes=None, target=None):
    levels = picture_for(classifier)
    task = {"network": number, "levels": in_base64(levels.tobytes()), "changes": changes or {}, "target": target}
    return json.dumps(task).encode()


def posted(port, body, **headers):
    headers = {"Content_Type": "application/json", "Content_Length": str(len(body))} | headers
    return ask(port, "POST", "/answer", body, **headers)


# -------------------------------------------------------------------------------------------------- the answers
@pytest.mark.parametrize("name", ["padded", "digits_lenet", "lenet5_1998"])
@pytest.mark.parametrize("target", [None, 2])
def test_the_answer_is_the_library_s(name, target):
    classifier = CLASSIFIERS[name]()
    network = classifier.network
    found = Answerer([classifier])(question(classifier, target=target))
    x = classifier.preparation(picture_for(classifier)[None])
    outputs = inspect.activations(network, x)
    logits = outputs[list(network.layers)[-1]].astype(np.float64)
    dlogits = np.exp(logits - logits.max())
    dlogits /= dlogits.sum()
    dlogits[0, logits.argmax() if target is None else target] -= 1
    gradients = inspect.gradients(network, x, dlogits.astype(np.float32))
    for values, wanted in zip(found, [*outputs.values(), *gradients.values()], strict=True):
        np.testing.assert_allclose(values, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("off", ["layer6", "layer8", None])
def test_what_is_switched_off(off):
    """Forward as the layers say; backward as finite differences of a float64 twin do."""
    classifier = padded()
    classifier.network.astype(np.float64)
    network = classifier.network
    changes = {"layer1": UNCHANGED | {"channels_off": [1], "units_off": [7]}}
    changes |= {} if off is None else {off: UNCHANGED | {"off": True}}
    names = {"off": "off", "channels_off": "channelsOff", "units_off": "unitsOff"}
    changed = {name: {names[key]: each[key] for key in names} for name, each in changes.items()}
    found = Answerer([classifier])(question(classifier, changes=changes, target=0))

    def outputs(x):
        every = []
        for name, layer in network.layers.items():
            x = Switched(layer, changed.get(name, {})).forward(x)
            every.append(x)
        return every

    def loss(x):
        logits = outputs(x)[-1][0]
        return np.log(np.exp(logits - logits.max()).sum()) + logits.max() - logits[0]

    x = classifier.preparation(picture_for(classifier)[None]).astype(np.float64)
    for values, wanted in zip(found, outputs(x)):
        np.testing.assert_allclose(values, wanted, rtol=0, atol=1e-12 * max(1e-30, np.abs(wanted).max()))
    gradient = found[len(network.layers)]
    if off == "layer8":
        assert not gradient.any()  # behind a convolution that answers 0 nothing comes back
        return
    assert np.abs(gradient).max() > 0
    rng = np.random.default_rng(0)
    for _ in range(30):
        at = tuple(int(rng.integers(length)) for length in x.shape)
        step = np.zeros_like(x)
        step[at] = 1e-6
        slope = (loss(x + step) - loss(x - step)) / 2e-6
        assert abs(gradient[at] - slope) <= 1e-6 * np.abs(gradient).max() + 1e-8


def test_dropout_with_a_mask():
    classifier = padded()
    network, p = classifier.network, classifier.network.layers["layer10"].p
    kept = np.random.default_rng(0).random(network.shapes(network.image_shape)[10]) < 0.5
    changes = {"layer10": UNCHANGED | {"mask": in_base64(kept.astype(np.uint8).tobytes())}}
    found = Answerer([classifier])(question(classifier, changes=changes, target=1))
    assert kept.any() and not kept.all()
    np.testing.assert_allclose(found[10][0], found[9][0] * kept / (1 - p), rtol=1e-6)
    gradients = found[len(network.layers) + 1 :]
    np.testing.assert_allclose(gradients[9][0], gradients[10][0] * kept / (1 - p), rtol=1e-6)


def test_asking_changes_nothing_and_two_may_ask_at_once():
    classifier = load_classifier("digits_lenet")
    answerer = Answerer([classifier])
    bodies = [question(classifier, target=target) for target in range(4)]
    wanted = [answerer(body) for body in bodies]
    found = [[] for _ in bodies]

    def ask_often(number):
        found[number] = [answerer(bodies[number]) for _ in range(20)]

    threads = [threading.Thread(target=ask_often, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for right, answers in zip(wanted, found, strict=True):
        assert len(answers) == 20
        for answer in answers:
            for values, expected in zip(answer, right, strict=True):
                np.testing.assert_array_equal(values, expected)


BAD = {
    "no JSON": b"{",
    "a list": b"[]",
    "nested too deeply": b"[" * 100_000,
    "bytes": bytes(range(256)),
    "no such network": {"network": 2},
    "a negative network": {"network": -1},
    "a network's name": {"network": "0"},
    "true is no number": {"network": True},
    "too few levels": {"levels": in_base64(bytes(3))},
    "levels as a list": {"levels": [0, 1]},
    "no base64": {"levels": "?"},
    "no such class": {"target": 4},
    "half a class": {"target": 0.5},
    "no such layer": {"changes": {"conv9": {"off": True, "channels_off": [], "units_off": [], "mask": None}}},
    "no such channel": {"changes": {"layer0": {"off": False, "channels_off": [8], "units_off": [], "mask": None}}},
    "no such unit": {"changes": {"layer0": {"off": False, "channels_off": [], "units_off": [10**9], "mask": None}}},
    "no list of units": {"changes": {"layer0": {"off": False, "channels_off": [], "units_off": 3, "mask": None}}},
    "changes as a list": {"changes": []},
    "a mask for a convolution": {"changes": {"layer0": UNCHANGED | {"mask": "AAAA"}}},
    "a mask that is too short": {"changes": {"layer10": UNCHANGED | {"mask": "AAAA"}}},
    "no mask": {"changes": {"layer10": UNCHANGED | {"mask": 7}}},
    "no word of a mask": {"changes": {"layer10": {"off": False, "channels_off": [], "units_off": []}}},
}


@pytest.mark.parametrize("name", BAD)
def test_questions_that_are_not_understood(name, port):
    classifier = padded()
    body = BAD[name]
    if isinstance(body, dict):
        body = json.dumps(json.loads(question(classifier)) | body).encode()
    with pytest.raises(ValueError):
        read_question(body, [classifier, load_classifier("digits_lenet")])
    status, _, said = posted(port, body)
    assert status == 400 and said.startswith(b"the question is not understood: ") and said.count(b"\n") == 1


# --------------------------------------------------------------------------------------------------- the server
def test_the_page_and_weights(port):
    status, headers, body = ask(port, "GET", "/")
    assert (status, body.decode()) == (200, PAGE)
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    layers = list(load_classifier("digits_lenet").network.layers.values())
    for number, layer in enumerate(layers):
        status, headers, body = ask(port, "GET", f"/weights/1/{number}")
        assert status == 200
        wanted = [array.ravel() for array in layer_arrays(layer).values()]
        np.testing.assert_array_equal(np.frombuffer(body, "<f4"), np.concatenate(wanted) if wanted else [])
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin" and headers["X-Content-Type-Options"] == "nosniff"


def test_an_answer_over_the_network(port):
    classifier = padded()
    status, headers, body = posted(port, question(classifier))
    assert status == 200 and headers["Content-Type"] == "application/octet-stream"
    shapes = [*classifier.network.shapes(classifier.network.image_shape)]
    sizes = [int(np.prod(shape)) for shape in [*shapes, classifier.network.image_shape, *shapes]]
    assert len(body) == 4 * sum(sizes)


@pytest.mark.parametrize(
    "path",
    [
        *("/index.html", "/answer", "/page.js", "/../README.md", "/%2e%2e/README.md", "//etc/passwd", "/?x=1", "*"),
        *(
            "/weights",
            "/weights/2/0",
            "/weights/0/99",
            "/weights/0/-1",
            "/weights/0/0/",
            "/weights/0/0x",
            "/weights/0/%D9%A0",
        ),
    ],
)
def test_nothing_else_is_served(path, port):
    assert ask(port, "GET", path)[0] == 404


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(method, port):
    assert ask(port, method, "/")[0] == 501


def test_posting_elsewhere_is_refused(port):
    assert ask(port, "POST", "/", b"{}", Content_Type="application/json", Content_Length="2")[0] == 404


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "localhost.evil:{port}"]
)
def test_other_names_for_this_machine_are_refused(host, port):
    """What a stranger's page sends whose name server points here (DNS rebinding)."""
    host = host.format(port=port)
    assert ask(port, "GET", "/", Host=host)[0] == 403
    assert posted(port, question(padded()), Host=host)[0] == 403


def test_its_own_names_are_not(port):
    for host in ("127.0.0.1", "localhost"):
        assert ask(port, "GET", "/", Host=f"{host}:{port}")[0] == 200


def test_without_a_host_nothing_is_said(port):
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert connection.recv(1000).split()[1] == b"403"


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:{port}", "http://127.0.0.1"])
def test_other_pages_are_refused(origin, port):
    origin = origin.format(port=port)
    assert posted(port, question(padded()), Origin=origin)[0] == 403
    assert posted(port, question(padded()), Origin=f"http://127.0.0.1:{port}")[0] == 200


def test_what_another_page_fetches_is_refused(port):
    """Without an Origin, as browsers send it for pictures and scripts."""
    for site in ("cross-site", "same-site"):
        assert ask(port, "GET", "/weights/1/0", Sec_Fetch_Site=site)[0] == 403
    for site in ("same-origin", "none"):
        assert ask(port, "GET", "/weights/1/0", Sec_Fetch_Site=site)[0] == 200


def test_what_a_form_of_another_page_could_send_is_refused(port):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        assert posted(port, question(padded()), Content_Type=kind)[0] == 415


def test_bodies_over_10_mb_are_refused_unread(port):
    for length in (MOST_BYTES + 1, 10**17):
        status, _, said = posted(port, b"", Content_Length=str(length))
        assert status == 413 and b"10,000,000" in said


@pytest.mark.parametrize("length", [None, "-1", "ten", "1e3", ""])
def test_a_body_needs_a_length(length, port):
    headers = {"Content_Type": "application/json"} | ({} if length is None else {"Content_Length": length})
    assert ask(port, "POST", "/answer", None, **headers)[0] == 411


def test_it_listens_on_this_machine_alone():
    server = make_server(PAGE, [padded()])
    try:
        assert server.socket.getsockname()[0] == "127.0.0.1"
    finally:
        server.server_close()


# ------------------------------------------------------------------------------------------- the page that it serves
@pytest.mark.slow
@needs_browser
def test_a_served_page_shows_what_the_server_computes():
    """A network whose weights are not in the page: numbers, explanations, experiments."""
    classifier = padded()
    picture = picture_for(classifier)
    source = {"shape": list(picture.shape), "levels": base64.b64encode(picture.tobytes()).decode()}
    data = {"networks": [describe(classifier, picture, with_weights=False)], "source": source, "target": 1}
    x = classifier.preparation(picture[None]).astype(np.float64)
    network = classifier.network.astype(np.float64)
    outputs = inspect.activations(network, x)
    logits = outputs[list(network.layers)[-1]]
    dlogits = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    dlogits[0, 1] -= 1
    gradients = inspect.gradients(network, x, dlogits)
    browser = Browser()
    try:
        with serving(page(data, served=True), [classifier]) as port:
            browser.open(f"http://127.0.0.1:{port}/")
            browser.wait_until(READY)
            rng = np.random.default_rng(0)
            for view, values in (("activations", outputs), ("gradients", gradients)):
                browser.click(f"input[value={view}]")
                for name in network.layers:
                    shape = values[name].shape[1:]
                    places = [tuple(int(rng.integers(length)) for length in shape) for _ in range(5)]
                    words = [f"{name} {','.join(map(str, at))}" for at in places]
                    browser.run(VISIT, words[:1])
                    title = f"return document.querySelector('#panel h2').textContent.includes('{name},')"
                    browser.wait_until(title)  # its weights may still be on their way
                    shown = [float(text) for text in browser.run(VISIT, words)]
                    wanted = [values[name][(0, *at)] for at in places]
                    np.testing.assert_allclose(shown, wanted, rtol=0, atol=1e-5 * np.abs(values[name]).max())
            browser.click("[data-layer=layer0] .power")
            browser.wait_until(READY)
            off = {"layer0": {"off": True, "channels_off": [], "units_off": [], "mask": None}}
            last = Answerer([classifier])(question(classifier, changes=off, target=1))[len(network.layers) - 1][0]
            probabilities = 100 * np.exp(last - last.max()) / np.exp(last - last.max()).sum()
            shown = browser.run("return [...document.querySelectorAll('.answer .share')].map((e) => e.textContent)")
            np.testing.assert_allclose([float(text[:-2]) for text in shown], probabilities, rtol=0, atol=0.051)
            assert browser.complaints() == []
        browser.click("[data-layer=layer0] .power")  # and the server is gone
        browser.wait_until("return !document.querySelector('#trouble').hidden")
        assert "does not answer; start it again" in browser.text("#trouble")
    finally:
        browser.close()


@pytest.mark.slow
@needs_browser
def test_two_served_networks_while_everything_changes_at_once():
    """Dragging and sliding faster than the server answers: in the end all belongs to the last picture."""
    classifiers = [load_classifier(name) for name in ("objects_lenet", "objects_alexnet")]
    picture = np.random.default_rng(0).integers(0, 256, (80, 100, 3), dtype=np.uint8)
    source = {"shape": list(picture.shape), "levels": in_base64(picture.tobytes())}
    described = [describe(classifier, picture, with_weights=False) for classifier in classifiers]
    browser = Browser()
    try:
        text = page({"networks": described, "source": source, "target": None}, served=True)
        with serving(text, classifiers) as port:
            browser.open(f"http://127.0.0.1:{port}/")
            browser.wait_until(READY)
            browser.run(SLIDE, 0, 40)
            left, top, width, height = browser.run(WHERE, ".cropping")
            browser.drag([(left + 0.9 * width - 2, top + height - 5), (left + 0.6 * width, top + 0.6 * height)])
            inside = (left + 0.3 * width, top + 0.3 * height)
            browser.drag([inside, *((inside[0] + step, inside[1] + step) for step in range(20))])
            for value in range(0, 60, 5):
                browser.run(SLIDE, 1, value)
            browser.click("[data-layer=conv1] .power")
            browser.wait_until("return document.querySelector('.off-list button')")
            browser.run("document.querySelector('.off-list button').click()")  # at once: it is drawn anew all the time
            browser.wait_until(READY)
            for number, classifier in enumerate(classifiers):
                assert_answer(browser, classifier, number)
            browser.run("[...document.querySelectorAll('#experiments button')].at(-1).click()")  # as it was
            browser.wait_until(READY)
            for number, classifier in enumerate(classifiers):
                assert_answer(browser, classifier, number)
            assert browser.run("return [...document.querySelectorAll('.before')].every((mark) => mark.hidden)")
            assert browser.complaints() == []
    finally:
        browser.close()


@pytest.mark.slow
@needs_browser
def test_alexnet_at_full_size():
    """Through the program's own functions: 61 million weights, which the server keeps."""
    parser = make_parser()
    classifier = random_classifier("alexnet", 0)
    with pytest.raises(ValueError, match="--serve"):
        make_page({"alexnet": classifier}, parser.parse_args(["--model", "alexnet"]))
    text = make_page({"alexnet": classifier}, parser.parse_args(["--model", "alexnet", "--serve"]))
    assert len(text) < 3_000_000
    browser = Browser()
    try:
        with serving(text, [classifier]) as port:
            browser.open(f"http://127.0.0.1:{port}/")
            browser.wait_until(READY)
            for place in ("conv2 3,4,7", "norm1 10,20,95", "pool5 5,5,255", "fc6 4095", "fc8 999"):
                name = place.split()[0]
                browser.run(VISIT, [place])
                browser.wait_until("return document.querySelector('#place').value === arguments[0]", place)
                browser.wait_until(f"return document.querySelector('#panel h2').textContent.startsWith('{name},')")
                shown = float(browser.text("#result"))
                *_, total = browser.run(
                    "return [...document.querySelectorAll('.terms tfoot .number')].map(({textContent}) => textContent)"
                )
                assert shown == pytest.approx(float(total), rel=1e-3, abs=1e-6)
            assert browser.complaints() == []
    finally:
        browser.close()
