"""Training, watched: what the page gets, that training does not change by it, and what it costs."""

import http.client
import json
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress

import numpy as np
import pytest

from examples.microscope import watch as module
from examples.microscope.watch import SHARE, Watch
from models import Classifier, alexnet, lenet
from nn import SGD
from nn.data import digits
from nn.data.preparation import Preparation
from nn.training import train
from tests.browser import needs_browser
from tests.invocations import ROOT
from tests.microscope import READY, shown_answer

PREPARATION = Preparation((28, 28), 1, (28, 28), "standardised", np.float32(0.13), np.float32(0.31))


@pytest.fixture(scope="module")
def sets():
    train_set, test_set = digits()
    return train_set.subset(slice(0, 512)), test_set.subset(slice(0, 100))


def fetch(address, path):
    host = address.removeprefix("http://").rstrip("/")
    connection = http.client.HTTPConnection(host, timeout=30)
    try:
        connection.request("GET", path)
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


def snapshot(address, after=0, place=0):
    """(what the line of JSON says, all numbers after it), or None where there is nothing new."""
    status, body = fetch(address, f"/snapshot/{place}?after={after}")
    assert status == 200
    if not body:
        return None
    line, _, numbers = body.partition(b"\n")
    return json.loads(line), np.frombuffer(numbers, "<f4")


@contextmanager
def asking(address, pause=0.0):
    """A page that asks and asks: the list of all that it got."""
    got, stop = [], threading.Event()

    def ask():
        while not stop.wait(pause):
            found = snapshot(address, got[-1][0]["step"] if got else 0)
            if found is not None:
                got.append(found)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield got
    finally:
        stop.set()
        thread.join()


def flat(network, arrays):
    return np.concatenate([arrays[name].ravel() for name in network.params])


def run(sets, network, watch=None, epochs=2, after=None):
    optimizer = SGD(network, 0.1, 0.9)
    following = watch.following("LeNet", optimizer) if watch else lambda history: False

    def after_step(history):
        following(history)
        return bool(after and after(optimizer))

    history = train(
        network,
        *sets,
        epochs=epochs,
        optimizer=optimizer,
        batch_size=32,
        prepare=lambda images, rng: PREPARATION(images),
        progress=False,
        after_step=after_step,
    )
    if watch:
        watch.after_training("LeNet", optimizer, history)
    return optimizer, history


@pytest.fixture
def watched(sets):
    network = lenet(rng=0)
    with Watch({"LeNet": Classifier(network, PREPARATION, tuple("0123456789"))}, sets[1].images[0]) as watch:
        yield network, watch


def test_training_watched_ends_with_the_same_bits(sets, watched, monkeypatch):
    network, watch = watched
    monkeypatch.setattr(watch, "spend", lambda seconds: None)  # a copy whenever there is somebody who asks
    with asking(watch.address) as got:
        _, history = run(sets, network, watch)
        time.sleep(0.2)
    alone = lenet(rng=0)
    run(sets, alone)
    assert len(got) >= 3
    for name, param in network.params.items():
        np.testing.assert_array_equal(param, alone.params[name], err_msg=name)
    # And the last that the page got is what the network has become.
    told, numbers = got[-1]
    assert told["step"] == len(history.steps) == 32 and told["epoch"] == 2
    np.testing.assert_array_equal(numbers[: network.num_parameters], flat(network, network.params))
    # Together it got each step's loss, and each epoch's test, once.
    assert [first["first"] for first, _ in got] == [0, *(told["step"] for told, _ in got[:-1])]
    np.testing.assert_array_equal(sum((told["losses"] for told, _ in got), []), history.steps)
    held = [[16, history.epochs[0]["test_loss"], history.epochs[0]["test_accuracy"]],
            [32, history.epochs[1]["test_loss"], history.epochs[1]["test_accuracy"]]]  # fmt: skip
    assert sum((told["held"] for told, _ in got), []) == held


def test_a_snapshot_is_of_one_step(sets, watched, monkeypatch):
    """Parameters, velocities and gradients belong together: w - v is what the weights were before the step."""
    network, watch = watched
    monkeypatch.setattr(watch, "spend", lambda seconds: None)  # a copy after each step
    before, taken = {}, []
    snapshot(watch.address)  # a page is open

    def after(optimizer):
        step = len(before)
        before[step] = flat(network, network.params).copy()
        found = snapshot(watch.address, step)
        taken.append((step, found, flat(network, optimizer.velocities).copy(), flat(network, network.grads).copy()))
        return step == 5

    run(sets, network, watch, epochs=1, after=after)
    assert len(taken) == 6
    count = network.num_parameters
    for step, (told, numbers), velocities, gradients in taken:
        params, v, g = numbers[:count], numbers[count : 2 * count], numbers[2 * count :]
        assert told["step"] == step + 1
        np.testing.assert_array_equal(v, velocities)
        np.testing.assert_array_equal(g, gradients)
        np.testing.assert_array_equal(params, before[step])
        if step > 0:  # w <- w + v rounds once, and so does w - v here
            np.testing.assert_allclose(params - v, before[step - 1], rtol=0, atol=1.2e-7 * np.abs(params).max())


def test_nothing_is_copied_while_nobody_asks(sets, watched, monkeypatch):
    network, watch = watched
    monkeypatch.setattr(module, "_snapshot", lambda *_: pytest.fail("a copy was taken"))
    run(sets, network, watch, epochs=1)


def test_copying_and_sending_take_a_small_share_of_the_time(sets, watched, monkeypatch):
    network, watch = watched
    spent = []
    real = watch.spend
    monkeypatch.setattr(watch, "spend", lambda seconds: (spent.append(seconds), real(seconds)))
    copies = []
    take = module._snapshot
    monkeypatch.setattr(
        module, "_snapshot", lambda *all: copies.append(0) or time.sleep(0.02) or take(*all)
    )  # a large one
    begun = time.perf_counter()
    with asking(watch.address, pause=0.1):
        run(sets, network, watch, epochs=12, after=lambda _: time.perf_counter() - begun > 7)
    took = time.perf_counter() - begun
    assert 1 <= len(copies) - 1 <= SHARE * took / 0.02 + 1  # and the one after training


def test_a_long_run_is_told_in_few_points(sets, watched):
    network, watch = watched
    watch.snapshots["LeNet"] = module.Snapshot(5001, 3, 0.1, 0.9, list(range(6000)), [], 1.0, [])
    told, _ = snapshot(watch.address)
    assert told["every"] == 3 and len(told["losses"]) == 1667
    assert told["losses"][:2] == [1, 4] and told["losses"][-1] == 4999  # of 4998, 4999 and 5000
    assert snapshot(watch.address, after=5001) is None


def test_a_loss_that_is_no_number_is_told_as_a_large_one(sets, watched):
    """Python's JSON would hold NaN, which a browser refuses, and the page would ask no more."""
    _, watch = watched
    watch.snapshots["LeNet"] = module.Snapshot(3, 1, 0.1, 0.9, [2.3, np.inf, np.nan], [], 1.0, [])
    _, body = fetch(watch.address, "/snapshot/0?after=0")
    assert json.loads(body, parse_constant=pytest.fail)["losses"] == [2.3, 1e30, 1e30]


def test_what_is_not_served_is_refused(watched):
    _, watch = watched
    status, body = fetch(watch.address, "/")
    assert status == 200 and b'"training":{"watched":true}' in body
    for path in ("/snapshot/1?after=0", "/snapshot/0", "/snapshot/0?after=-1", "/answer", "/weights/9/0"):
        assert fetch(watch.address, path)[0] == 404, path


def test_a_network_too_large_for_a_page_is_refused():
    preparation = Preparation((227, 227), 3, (227, 227))
    classifier = Classifier(alexnet(10, rng=0), preparation, tuple("0123456789"))
    with pytest.raises(ValueError, match=r"--watch: AlexNet has [\d,]+ parameters, more than the 5,000,000"):
        Watch({"AlexNet": classifier}, np.zeros((227, 227, 3), np.uint8))


@pytest.mark.slow
@pytest.mark.parametrize("program", ["train", "compare"])
def test_a_program_serves_the_page_while_it_trains(program, tmp_path):
    rng = np.random.default_rng(0)
    data = tmp_path / "few.npz"
    np.savez(data, images=rng.integers(0, 256, (640, 28, 28), dtype=np.uint8), labels=np.arange(640) % 4)
    options = ["--data", str(data), "--epochs", "6", "--out", str(tmp_path / "out"), "--watch"]
    options += ["--model", "lenet", "--held-out", "100"] if program == "train" else ["--width", "0.05"]
    command = [sys.executable, "-u", "-m", f"examples.{program}", *options]
    last = {}
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, encoding="utf-8") as process:
        said = iter(process.stdout)
        assert any(line == "Watch it learn at\n" for line in said)
        address = next(said).strip()
        with suppress(ConnectionError):  # it has ended
            while process.poll() is None:
                for place in range(1 if program == "train" else 2):
                    found = snapshot(address, last.get(place, ({"step": 0},))[0]["step"], place)
                    if found is not None:
                        last[place] = found
                time.sleep(0.05)
        assert "Results are in" in "".join(said)
        assert process.wait() == 0
    per_epoch = 9 if program == "train" else 8
    assert [told["network"] for told, _ in last.values()] == (["lenet"] if program == "train" else ["LeNet", "AlexNet"])
    assert all(told["step"] == 6 * per_epoch and told["epoch"] == 6 for told, _ in last.values())


@needs_browser
@pytest.mark.slow
def test_the_page_shows_the_network_as_it_has_become(window, sets, watched):
    network, watch = watched
    browser = window  # which asks the server again and again
    browser.open(watch.address)
    browser.wait_until(READY)
    before = shown_answer(browser)
    assert "Waiting for the first step" in browser.text("#learning")
    _, history = run(sets, network, watch, after=lambda _: time.sleep(0.1))
    browser.wait_until("return document.querySelector('#learning .words').textContent.startsWith('Step 32, epoch 2;')")
    browser.wait_until("return document.body.innerText.includes('while it learns, after 32 steps')")
    browser.wait_until(READY)
    levels = np.rint(255 * sets[1].images[:1]).astype(np.uint8)
    expected = 100 * network.predict(PREPARATION(levels))[0]
    np.testing.assert_allclose(list(shown_answer(browser).values()), expected, atol=0.051)  # one digit is shown
    assert before != shown_answer(browser)
    share = f"{100 * history.epochs[-1]['test_accuracy']:.1f} %"
    assert share in browser.text("#learning .words")
    watch.__exit__()
    browser.wait_until("return document.querySelector('#learning [role=status]').textContent.includes('has ended')")
    assert all("snapshot" in complaint for complaint in browser.complaints())  # that nobody answers
    browser.open("about:blank")
