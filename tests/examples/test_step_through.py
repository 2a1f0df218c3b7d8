"""Stepping through a network: the stops, their drawings, the keys at the prompt, one number taken apart, bad input."""

import argparse
import re
import webbrowser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from examples.explain.terms import backward_terms, forward_terms
from examples.step_through import program as step_through
from examples.step_through.album import Album, can_open
from examples.step_through.one_number import OneNumber
from examples.step_through.pages import LOSSES, pages, walk
from examples.step_through.subject import MADE_FOR, find_subject, the_picture
from examples.step_through.tables import block, liveliest, side_by_side
from layers import ELU, BatchNorm2d, Conv2d, Flatten, Linear
from models import lenet
from models.registry import MODELS
from nn import LeNet5Loss, Network, SoftmaxCrossEntropy
from nn.data import digits
from nn.data.preparation import Preparation
from nn.inspect import activations, gradients

LAYERS = list(lenet(rng=0).layers)
STOPS = ["the", *LAYERS, "the", *reversed(LAYERS), "the"]


def run(*arguments, status=0):
    assert step_through.main([*map(str, arguments)]) == status


def titles(out):
    """The stops that were shown, in order, as (number, way, name)."""
    return [(int(n), way, name) for n, way, name in re.findall(r"^\[(\d+)/\d+\] (\w+): (\w+)", out, re.MULTILINE)]


def numbers(out):
    return [number for number, _, _ in titles(out)]


@pytest.fixture
def answer(monkeypatch):
    """Somebody at the terminal who gives these answers, and then leaves."""

    def give(*answers):
        left = list(answers)

        def typed(prompt):
            if not left:
                raise EOFError
            return left.pop(0)

        monkeypatch.setattr(step_through, "at_a_terminal", lambda: True)
        monkeypatch.setattr("builtins.input", typed)

    return give


def refused(capsys, *arguments):
    with pytest.raises(SystemExit) as exit_:
        step_through.main([*map(str, arguments)])
    assert exit_.value.code == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("step_through: ") and err.count("\n") == 1
    return err


@pytest.mark.parametrize("channels, number", [(1, 37), (3, 5)])
def test_the_picture_is_the_one_that_the_network_is_least_sure_of(channels, number):
    """Where it is sure all gradients are next to 0, and there is nothing to see."""
    asked = []

    def probabilities(images):
        asked.extend(images)
        sure = np.linspace(0.6, 0.9, len(images))
        sure[number] = 0.5
        return np.stack([1 - sure, sure], axis=1)

    names = tuple("0123456789") if channels == 1 else ("car", "dog")
    preparation = Preparation((28, 28), channels, (28, 28))
    classifier = argparse.Namespace(class_names=names, preparation=preparation, probabilities=probabilities)
    picture, label = the_picture(classifier, None, seed=1)
    assert np.array_equal(picture, asked[number])
    assert label == (digits()[1].labels[100 + number] if channels == 1 else 0)


def test_every_stop_without_a_terminal(capsys):
    run("--no-pictures")
    out = capsys.readouterr().out
    assert numbers(out) == list(range(1, 28))
    assert [name for _, _, name in titles(out)] == STOPS
    assert "61,706 parameters" in out and "14x14x6 -> 10x10x16" in out
    assert "sum over i,j,c of" in out and "y = 1 / (1 + exp(-x))" in out
    assert "240,000 multiply-adds" in out and "% of its 4,704 units" in out
    assert ".png" not in out


@pytest.mark.slow
def test_the_drawings(tmp_path, capsys):
    run("--layer", "conv2", "--no-pause", "--out", tmp_path / "deep" / "out")
    out = capsys.readouterr().out
    printed = re.findall(r"-> (.*\.png)", out)
    assert sorted(path.name for path in (tmp_path / "deep" / "out").iterdir()) == sorted(
        Path(path).name for path in printed
    )
    assert {
        "06_pool2.png",
        "13_loss.png",
        "04_conv2_kernels.png",
        "22_conv2_gradient.png",
        "26_input_gradient.png",
    } <= {Path(path).name for path in printed}
    assert "22_conv2_weight_gradient.png" in out
    for path in printed:
        with Image.open(path) as image:
            assert image.format == "PNG" and np.asarray(image.convert("L")).min() < 128


def test_drawings_outside_runs_are_not_replaced_without_force(tmp_path, capsys):
    (tmp_path / "13_loss.png").write_text("mine")
    assert "--force" in refused(capsys, "--out", tmp_path, "--no-pause")
    assert (tmp_path / "13_loss.png").read_text() == "mine"


def test_enter_goes_on_and_q_ends(answer, capsys):
    answer("", "", "q")
    run("--no-pictures")
    assert numbers(capsys.readouterr().out) == [1, 2, 3]


def test_enter_at_the_last_stop_ends(answer, capsys):
    answer("input", *[""] * 30)
    run("--no-pictures", "--layer", "fc5")
    assert numbers(capsys.readouterr().out) == [13, 1, *range(2, 28)]


def test_b_goes_back(answer, capsys):
    answer("", "b", "b", "", "q")
    run("--no-pictures")
    out = capsys.readouterr().out
    assert numbers(out) == [1, 2, 1, 2]
    assert out.count("This is the first stop.") == 1


def test_a_name_jumps_and_stays_on_the_way_back(answer, capsys):
    answer("conv2", "loss", "", "conv2", "input", "loss", "sigmoid1", "q")
    run("--no-pictures")
    assert titles(capsys.readouterr().out) == [
        (1, "forward", "the"),
        (5, "forward", "conv2"),
        (14, "forward", "the"),
        (15, "backward", "fc5"),
        (23, "backward", "conv2"),
        (27, "backward", "the"),
        (14, "forward", "the"),
        (3, "forward", "sigmoid1"),
    ]


def test_the_unknown_and_the_question_mark(answer, capsys):
    answer("sigmod1", "?", "", "q")
    run("--no-pictures")
    out = capsys.readouterr().out
    assert numbers(out) == [1, 2]
    assert (
        "There is no layer 'sigmod1'; did you mean sigmoid1? Enter goes on, b back, q quits, ? lists the layers.\n"
        in out
    )
    assert "layers: input, conv1, sigmoid1" in out


def test_the_end_of_the_input_ends(answer, capsys):
    answer()
    run("--no-pictures")
    assert numbers(capsys.readouterr().out) == [1]


def test_no_pause_at_a_terminal(answer, capsys):
    answer()
    run("--no-pictures", "--no-pause")
    assert len(numbers(capsys.readouterr().out)) == 27


def test_ctrl_c(answer, monkeypatch, capsys):
    answer()
    monkeypatch.setattr("builtins.input", lambda prompt: (_ for _ in ()).throw(KeyboardInterrupt))
    run("--no-pictures", status=130)
    assert capsys.readouterr().err == "\nstep_through: stopped by Ctrl-C\n"


def test_the_walk_sees_what_the_network_computes():
    network, rng = lenet(rng=0), np.random.default_rng(0)
    image = rng.random((28, 28, 1), dtype=np.float32)
    loss = SoftmaxCrossEntropy()
    visits, value, label = walk(network, image, 3, loss, times=2)
    assert label == 3
    logits = network.forward(image[None])
    assert value == pytest.approx(float(loss.forward(logits, np.array([3]))))
    outputs = activations(network, image[None])
    derivatives = gradients(network, image[None], loss.backward())
    for visit, name in zip(visits, network.layers, strict=True):
        np.testing.assert_allclose(visit.y, outputs[name][0], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(visit.dy, derivatives[name][0], rtol=1e-4, atol=1e-8)
        assert visit.forward_seconds > 0 and visit.backward_seconds > 0
    np.testing.assert_allclose(visits[0].dx, derivatives["input"][0], rtol=1e-4, atol=1e-8)
    assert walk(network, image, None, loss)[2] == int(logits.argmax())


# ---------------------------------------------------------------------------------------------- one number
def last_lines(out, name):
    """The two numbers of each half: the sum, and what the network has."""
    theirs = re.findall(rf"^  the network's {re.escape(name)}: (.*)$", out, re.MULTILINE)
    before = re.findall(rf"^.*[=:] (.*)\n  the network's {re.escape(name)}", out, re.MULTILINE)
    return before, theirs


@pytest.mark.parametrize("layer, at", [("conv1", "0,0,0"), ("conv2", "4,5,7"), ("pool1", "3,3,5"), ("fc3", "119")])
def test_both_sums_are_the_networks_numbers_to_the_last_digit(layer, at, capsys):
    inside = {"fc3": "399"}.get(layer, at.rpartition(",")[0] + ",0")
    run("--layer", layer, "--at", at, "--input-at", inside, "--label", "8")
    out = capsys.readouterr().out
    names = re.findall(r"the network's (\w+\[.*\]):", out)
    assert names == [f"dx[{inside}]", f"y[{at}]"]
    for name in names:
        before, theirs = last_lines(out, name)
        assert before == theirs and len(theirs[0].replace("0.", "").lstrip("-0")) >= 8


def test_only_what_was_asked_for(capsys):
    run("--layer", "conv2", "--at", "4,5,7")
    assert "network's dx" not in capsys.readouterr().out
    run("--layer", "conv2", "--input-at", "4,5,2")
    assert "network's y" not in capsys.readouterr().out


def test_the_largest_terms_and_with_all_every_one(capsys):
    run("--layer", "conv2", "--at", "4,5,7", "--input-at", "6,7,0", "--all")
    out = capsys.readouterr().out
    assert "smaller" not in out and "dx[6,7,0]" in out
    assert out.count("]=") >= 300 + 2 * 16 * 20 and "sum of all 151 terms" in out
    products = re.findall(r"x\[\S+\]=(\S+) \* w\[\S+\]=(\S+) += (\S+)\n", out)
    assert len(products) == 150
    for x, w, product in products:
        assert float(x) * float(w) == pytest.approx(float(product), rel=1e-4)
    sizes = sorted((abs(float(product)) for *_, product in products), reverse=True)
    run("--layer", "conv2", "--at", "4,5,7")
    out = capsys.readouterr().out
    shown = [abs(float(value)) for value in re.findall(r"^  [ +] \S.* = (\S+)$", out, re.MULTILINE)]
    assert len(shown) == 10 and shown == sorted(shown, reverse=True) and shown[-1] >= sizes[10]
    assert "141 smaller, together " in out and "(--all shows them)" in out and "sum of all 151 terms" in out


def test_the_first_example_is_a_lively_number(capsys):
    """The one of --help, of the prompt and of the README: the strongest output of conv2, of a map with contrast."""
    asked = "--layer conv2 --at 4,5,12"
    assert asked in step_through.EXAMPLES and "conv2 4,5,12" in step_through.HELP
    root = Path(step_through.__file__).parents[2]
    assert all(asked in (root / page).read_text(encoding="utf-8") for page in ("README.md", "docs/PROGRAMS.md"))
    subject = find_subject(None, None, None, None, 0)
    visits, *_ = walk(subject.classifier.network, subject.image, subject.label, subject.loss)
    y = next(visit.y for visit in visits if visit.layer.name == "conv2")
    assert np.unravel_index(y.argmax(), y.shape) == (4, 5, 12)
    assert y[..., 12].std() > np.median(y.std(axis=(0, 1)))
    asked = "--layer conv2 --input-at 6,5,4"
    assert asked in step_through.EXAMPLES and "conv2 dx 6,5,4" in step_through.HELP
    dx = next(visit.dx for visit in visits if visit.layer.name == "conv2")
    assert np.unravel_index(abs(dx).argmax(), dx.shape) == (6, 5, 4)


# ------------------------------------------------------------------------------------- within the session
def answered(out):
    """What was said at the prompt: what comes after the first stop, which has no pictures."""
    return out.partition("microseconds")[2].partition("\n")[2]


def test_a_number_is_taken_apart_and_the_session_stays_where_it_is(answer, capsys):
    run("--layer", "conv2", "--at", "4,5,12")
    wanted = capsys.readouterr().out.replace("--all shows", "all behind the place shows")
    answer("conv2 4,5,12", "", "q")
    run("--no-pictures", "--layer", "sigmoid1")
    out = capsys.readouterr().out
    assert numbers(out) == [3, 4] and wanted in out
    run("--layer", "conv2", "--input-at", "6,5,4", "--all")
    wanted = capsys.readouterr().out
    for typed in ("conv2 dx 6,5,4 all", "conv2 dx[6, 5, 4] all", "conv2 dx(6,5,4) all"):
        answer(typed)
        run("--no-pictures", "--layer", "conv1")
        assert wanted in capsys.readouterr().out


def test_a_place_alone_is_of_this_stop_and_goes_its_way(answer, capsys):
    answer("3,4,2", "dx 3,4,0", "loss", "", "conv1", "3,4,0", "y 3,4,2", "q")
    run("--no-pictures", "--layer", "conv1")
    found = re.findall(r"^  the network's (\S+):", capsys.readouterr().out, re.MULTILINE)
    assert found == ["y[3,4,2]", "dx[3,4,0]", "dx[3,4,0]", "y[3,4,2]"]


def test_a_place_at_the_image_s_gradient_is_the_first_layer_s_input(answer, capsys):
    answer("fc5", "loss", "", "input", "3,4,0", "(3,4,0)", "quit")
    run("--no-pictures", "--layer", "conv1")
    assert capsys.readouterr().out.count("the network's dx[3,4,0]:") == 2


@pytest.mark.parametrize("model", ["lenet5_1998", "alexnet_small"])
def test_gradients_of_weights_and_biases_are_the_network_s(model):
    """With stride, padding, groups and LeNet-5's table of connections; at the first place, the last, one between,
    and one of a weight that is not there."""
    number, checks = OneNumber(find_subject(model, None, None, "2", 0)), 0
    for name, layer in number.subject.classifier.network.layers.items():
        if not isinstance(layer, Conv2d | Linear):
            continue
        layer = number.visit(name).layer
        for param, grad in layer.grads.items():
            places = [np.unravel_index(index, grad.shape) for index in (0, grad.size // 3, grad.size - 1)]
            if param == "weight" and getattr(layer, "connected", None) is not None:
                places.append((0, 0, *np.argwhere(~layer.connected)[0]))
            for at in places:
                asked = f"{name} {'dw' if param == 'weight' else 'db'} {','.join(map(str, at))}"
                text = "\n".join(number.asked(asked, name, "forward"))
                taken, theirs = re.findall(r"(?:terms|it is): (\S+)\n  the network's d\S+ (\S+)$", text)[0]
                assert taken == theirs and float(theirs) == pytest.approx(grad[at], rel=1e-6)
                checks += 1
    assert checks >= 24


@pytest.mark.parametrize(
    "typed, said",
    [
        ("conv2 dw 3,4", "conv2's weight is 5x5x6x16, so that a place in it has 4 coordinates; got 3,4."),
        ("conv2 db 16", "conv2's bias is 16, so that places in it go from 0 to 15; got 16."),
        ("pool1 dw 3", "pool1 (AvgPool2d) has no weight."),
        ("conv2 dx", "Behind conv2 comes a place, such as conv2 dx 6,5,4"),
        ("[3,b", "A place is whole numbers"),
        ("conv2 3,4", "conv2's output is 10x10x16, so that a place in it has three coordinates"),
        ("conv2 3,4,99", "places in it go from 0,0,0 to 9,9,15; got 3,4,99."),
        ("conv2 dx 3,4,6", "conv2's input is 14x14x6"),
        ("conv2 3,b,1", "A place is whole numbers, such as conv2 4,5,12; got '3 b 1'."),
        ("conv2 all 3", "A place is whole numbers"),
        ("conv2 3,4,-1", "places in it go from"),
        ("conf2 3,4,1", "There is no layer 'conf2'; did you mean conv2?"),
        ("input 3,4,0", "The input is no layer: name a layer"),
        ("3,4,0 loss", "A place is whole numbers"),
        ("-", "There is no layer '-'"),
        ("dx", "There is no layer 'dx'"),
    ],
)
def test_what_is_no_place_is_one_sentence(typed, said, answer, capsys):
    answer(typed)
    run("--no-pictures", "--layer", "conv1")
    line = answered(capsys.readouterr().out).strip()
    assert said in line and line.count("\n") == 0 and line.endswith(".")


def test_with_dropout_the_number_is_that_of_the_stop():
    """Double precision sees the same masks, and leaves the network as it is."""
    subject = find_subject("alexnet_small", None, None, None, 1)
    network, number = subject.classifier.network, OneNumber(subject, training=True)
    visits, *_ = walk(network, subject.image, subject.label, subject.loss, training=True, times=3)
    for visit in visits:
        again = number.visit(visit.layer.name, times=3)
        if visit.layer.name.startswith("dropout"):
            assert 0 < visit.layer.mask.mean() < 1 and np.array_equal(again.layer.mask, visit.layer.mask)
        np.testing.assert_allclose(again.y, visit.y, rtol=1e-3, atol=1e-3)
    assert all(param.dtype == np.float32 for param in network.params.values())


# ---------------------------------------------------------------------------------- the numbers at a stop
def blocks_of(lines):
    """The windows of numbers in a page's lines, by heading."""
    found, headings = {}, []
    for line in lines:
        spans = [(m.start(), m.group()) for m in re.finditer(r"\b[a-zA-Z]+\[[\d.,]+\](?: times 1e-?\d+)?", line)]
        if spans and "=" not in line:
            headings = spans
        elif headings and re.fullmatch(r"[\s\d.+*-]+", line):
            starts = [start for start, _ in headings] + [len(line)]
            for (start, heading), end in zip(headings, starts[1:]):
                cells = line[start:end].replace("*", " ").split()
                if cells:
                    found.setdefault(heading, []).append([float(cell) for cell in cells])
        else:
            headings = []
    return found


def part_of(array, heading):
    inside, _, power = re.search(r"\[(.*)\](.*?)(1e.*)?$", heading).groups()
    places = tuple(slice(int(part.split("..")[0]), int(part.split("..")[-1]) + 1) for part in inside.split(","))
    return array[places].squeeze() / float(power or 1)


@pytest.mark.parametrize("model", ["lenet", "lenet5_1998", "alexnet_small", "alexnet_cifar10"])
def test_the_windows_hold_the_layer_s_numbers(model):
    """Each window's heading says which part of which array it is: the numbers are compared with that part."""
    subject = find_subject(model, None, None, None, 1)
    network = subject.classifier.network
    visits, *found = walk(network, subject.image, subject.label, subject.loss)
    made = pages(network, visits, subject.picture, subject.classifier.class_names, subject.loss, found)
    arrays = {visit.layer.name: visit for visit in visits}
    compared = set()
    for page in made:
        if page.name == "loss":
            continue
        blocks = blocks_of(page.lines)
        assert blocks, page.title
        if page.way == "forward" and isinstance(arrays.get(page.name) and arrays[page.name].layer, Conv2d):
            (x, *_), (w, *_) = ([*map(int, re.findall(r"(\d+)\.\.", h))] for h in list(blocks)[:2])
            layer, row = arrays[page.name].layer, int(re.search(r"y\[(\d+),\d+,\d+\] =", "".join(page.lines))[1])
            assert x - w == row * layer.stride[0] - layer.padding[0]  # what is multiplied lies at the same place
        for heading, rows in blocks.items():
            name = heading.partition("[")[0]
            if page.name == "input":
                array = visits[0].x if name == "x" else visits[0].dx
            else:
                visit = arrays[page.name]
                layer, weight = visit.layer, getattr(visit.layer, "prototypes", visit.layer.params.get("weight"))
                of_weight = {"w": weight, "W": weight, "dw": layer.grads.get("weight"), "dW": layer.grads.get("weight")}
                array = of_weight[name] if name in of_weight else getattr(visit, name)
            wanted = part_of(array, heading)
            np.testing.assert_allclose(np.squeeze(rows), wanted, atol=0.0006 * max(1, np.abs(wanted).max()))
            compared.add(name)
        assert any(re.search(r"\d\*( |$)|\b0\*", line) for line in page.lines), page.title
    assert {"x", "y", "dx", "dy", "dw", "dW", "w", "W"} <= compared


def test_the_liveliest_place_is_where_the_numbers_differ_most():
    maps = np.zeros((12, 12, 3))
    maps[..., 0] = 100  # large, and the same everywhere
    maps[7, 3, 2], maps[8, 4, 2] = -9, 5
    maps[2, 2, 1] = 8
    assert liveliest(maps) == (7, 3, 2)
    assert liveliest(np.array([1.0, -3.0, 2.0])) == (1,)
    assert liveliest(np.zeros((2, 3, 1))) == (0, 0, 0)


def test_a_window_is_around_its_place():
    array = np.arange(100.0).reshape(10, 10, 1)
    lines = block("x", array, (5, 6, 0), star=True)
    assert lines[0] == "x[3..7,4..8,0]" and lines[3].split()[2] == "+56.00*" and len(lines) == 6
    assert block("x", array, (0, 9, 0))[0] == "x[0..4,5..9,0]"
    assert block("x", array[:, 0, 0], (1,), star=True)[1].split()[1] == "+10.00*"
    assert block("x", 1e-9 * array, (5, 5, 0))[0].endswith(" times 1e-8") and "0" in block("x", 0 * array, (5, 5, 0))[1]


def test_windows_stand_side_by_side_as_far_as_the_terminal_is_wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "46")
    narrow = side_by_side([["a", "1"], ["b" * 50, "2"], ["c", "3"]])
    assert narrow == ["a", "1", "b" * 50, "2", "c", "3"]
    monkeypatch.setenv("COLUMNS", "80")
    assert side_by_side([["a", "1"], ["b" * 50, "2"], ["c"]]) == ["a   " + "b" * 50 + "   c", "1   2"]


# --------------------------------------------------------------------------------------- the pictures' page
@pytest.fixture
def display(monkeypatch):
    """A machine with a display and a browser that notes what it is to open."""
    opened = []
    monkeypatch.setattr(step_through, "can_open", lambda: True)
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or True)
    return opened


def test_the_pictures_open_once_at_a_terminal(display, answer, tmp_path, capsys):
    answer("", "b", "q")
    run("--out", tmp_path, "--layer", "fc4")
    assert display == [(tmp_path / "pictures.html").resolve().as_uri()]
    page = (tmp_path / "pictures.html").read_text(encoding="utf-8")
    drawn = re.findall(r'<img src="(.*?)"', page)
    assert drawn == ["11_sigmoid4.png", "10_fc4.png"] and all((tmp_path / name).exists() for name in drawn)
    assert "refresh" not in page and "[12/27] forward: sigmoid4 (Sigmoid)" in page
    assert capsys.readouterr().out.count("-> ") == 3 + 3  # shapes and pictures


def test_while_the_session_lasts_the_page_shows_itself_anew(display, tmp_path):
    album = Album(tmp_path)
    album.add("<one>", [tmp_path / "1.png"])
    page = album.path.read_text(encoding="utf-8")
    assert 'http-equiv="refresh"' in page and "&lt;one&gt;" in page


@pytest.mark.parametrize("arguments", [["--no-open"], ["--no-pause"], ["--no-pictures"], ["--no-pause", "--open"]])
def test_nothing_is_opened_where_it_is_not_wanted(arguments, display, answer, tmp_path, capsys):
    answer("q")
    run("--out", tmp_path, "--layer", "fc5", *arguments, *(["--no-pictures"] if "--no-pause" in arguments else []))
    assert display == []


def test_nothing_is_opened_without_a_terminal(display, tmp_path, capsys):
    run("--out", tmp_path, "--layer", "fc5", "--no-pictures", "--open")
    run("--out", tmp_path, "--layer", "fc5", "--at", "3", "--open")
    assert display == []


def test_open_without_a_display_says_where_the_page_is(answer, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(step_through, "can_open", lambda: False)
    answer("q")
    run("--out", tmp_path, "--layer", "fc5", "--open")
    assert f"open {tmp_path / 'pictures.html'}" in capsys.readouterr().out
    answer("q")
    run("--out", tmp_path, "--layer", "fc5", "--force")
    assert "browser" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "platform, names, browser, opens",
    [
        ("linux", {"DISPLAY": ":0"}, "firefox", True),
        ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, "firefox", True),
        ("linux", {}, "firefox", False),
        ("linux", {"DISPLAY": ":0"}, "w3m", False),
        ("linux", {"DISPLAY": ":0", "CI": "true"}, "firefox", False),
        ("linux", {"DISPLAY": ":10", "SSH_CONNECTION": "a b"}, "firefox", True),
        ("darwin", {}, "MacOSX", True),
        ("darwin", {"SSH_CONNECTION": "a b"}, "MacOSX", False),
        ("win32", {}, "windows-default", True),
        ("linux", {"DISPLAY": ":0"}, None, False),
    ],
)
def test_where_a_browser_can_be_opened(platform, names, browser, opens, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "CI", "SSH_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in names.items():
        monkeypatch.setenv(name, value)

    def get():
        if browser is None:
            raise webbrowser.Error("none")
        return argparse.Namespace(name=browser)

    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setattr("webbrowser.get", get)
    assert can_open() is opens


def test_a_mask_in_training(capsys):
    run("--model", "alexnet_small", "--layer", "dropout6", "--at", "3", "--training")
    assert "/ (1 - p=0.5)" in capsys.readouterr().out
    run("--model", "alexnet_small", "--layer", "dropout6", "--at", "3")
    assert "outside training" in capsys.readouterr().out


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(name, marks=pytest.mark.slow) if name == "alexnet" else name
        for name in MODELS
        if name not in ("alexnet_caffe", "alexnet_torchvision")
    ],
)
def test_every_model(model, capsys):
    run("--model", model, "--no-pictures", "--seed", "1")
    out = capsys.readouterr().out
    found = titles(out)
    assert [number for number, _, _ in found] == list(range(1, len(found) + 1))
    assert len(found) == 2 * len(MODELS[model](**MADE_FOR.get(model, {})).layers) + 3
    assert "nan" not in out


def test_a_picture_of_ones_own_and_a_label(tmp_path, capsys):
    Image.new("RGB", (50, 40), "white").save(tmp_path / "paper.png")
    run("--picture", tmp_path / "paper.png", "--label", "8", "--no-pictures")
    assert "asks for the class 8\n" in capsys.readouterr().out
    run("--weights", "cifar10_alexnet", "--picture", tmp_path / "paper.png", "--label", "dog", "--no-pictures")
    assert "asks for the class dog" in capsys.readouterr().out


# ------------------------------------------------------------------------------------------------- bad input
def test_a_layer_that_is_none(capsys):
    err = refused(capsys, "--layer", "conv9", "--at", "0,0,0")
    assert "conv9" in err and "conv1, sigmoid1" in err
    assert "conv9" in refused(capsys, "--layer", "conv9")


def test_a_place_that_is_none(capsys):
    assert "10x10x16" in refused(capsys, "--layer", "conv2", "--at", "10,0,0")
    assert "three coordinates" in refused(capsys, "--layer", "conv2", "--at", "4,5")
    assert "120" in refused(capsys, "--layer", "fc3", "--at", "120")
    assert "one coordinate" in refused(capsys, "--layer", "fc3", "--at", "1,2,3")
    assert "whole numbers" in refused(capsys, "--layer", "fc3", "--at", "one")
    assert "14x14x6" in refused(capsys, "--layer", "conv2", "--at", "0,0,0", "--input-at", "14,0,0")
    assert "--layer" in refused(capsys, "--at", "0,0,0")
    assert "--layer" in refused(capsys, "--input-at", "0,0,0")


def test_weights_pictures_and_labels_that_are_none(tmp_path, capsys):
    assert "neither a file" in refused(capsys, "--weights", "nothing")
    assert "one of the two" in refused(capsys, "--weights", "digits_lenet", "--model", "lenet")
    assert "no class 'ten'" in refused(capsys, "--label", "ten")
    assert "no such file" in refused(capsys, "--picture", tmp_path / "gone.png")
    (tmp_path / "notes.txt").write_text("no picture")
    assert "notes.txt" in refused(capsys, "--picture", tmp_path / "notes.txt")
    (tmp_path / "folder").mkdir()
    assert "no image" in refused(capsys, "--picture", tmp_path / "folder")


@pytest.mark.parametrize("loss", [SoftmaxCrossEntropy(), LeNet5Loss(j=3.0)])
def test_the_formulas_on_the_loss_s_page_are_those_that_are_computed(loss):
    """The page's text, read as Python: first the loss, then dz."""
    z, label = np.array([0.5, -1.0, 2.0]), 1
    text = LOSSES[type(loss).__name__].replace("sum over d of exp(z[d])", "np.exp(z).sum()")
    text = text.replace("sum over c of exp(-d[c])", "np.exp(-d).sum()").replace("sum of exp(-d)", "np.exp(-d).sum()")
    text = text.replace("c is the label", "c == label").replace("log p[label]", "log(p[label])")
    names = {"np": np, "exp": np.exp, "log": np.log, "z": z, "d": -z, "j": 3.0, "label": label, "c": 0}
    value, _, softmax = text.split("\n")[0].removeprefix("loss = ").partition("   with")
    if "p[c] = " in softmax:
        formula = softmax.split("p[c] = ")[1]
        names["p"] = np.array([eval(formula, names | {"c": c}) for c in range(3)])
    assert eval(value, names) == pytest.approx(float(loss.forward(z[None], np.array([label]))), rel=1e-12)
    formula = text.split("dz[c] = ")[1]
    slopes = [eval(formula, names | {"c": c}) for c in range(3)]
    np.testing.assert_allclose(slopes, loss.backward()[0], rtol=1e-12)


def test_batch_normalisation_and_elu_are_walked_as_outside_training():
    """What is shown is what `forward` computes, and no running average moves."""
    rng = np.random.default_rng(0)
    layers = [("conv1", Conv2d(1, 4, 3, bias=False, rng=rng)), ("bn1", BatchNorm2d(4)), ("elu1", ELU())]
    layers += [
        ("depthwise", Conv2d(4, 4, 3, groups=4, rng=rng)),
        ("flatten", Flatten()),
        ("fc", Linear(64, 3, rng=rng)),
    ]
    network = Network(layers, (8, 8, 1), name="today").astype(np.float64)
    network.layers["bn1"].state["running_mean"][...] = rng.normal(size=4)
    before = network.layers["bn1"].state["running_mean"].copy()
    image = rng.normal(size=(8, 8, 1))
    expected = network.forward(image[None])
    loss = SoftmaxCrossEntropy()
    visits, value, label = walk(network, image, 1, loss, times=2)
    np.testing.assert_array_equal(visits[-1].y, expected[0])
    np.testing.assert_array_equal(network.layers["bn1"].state["running_mean"], before)
    made = pages(network, visits, image, "abc", loss, (value, label))
    said = {page.name: "\n".join(page.lines) for page in made if page.way == "forward"}
    assert "sqrt(variance[c] + epsilon)" in said["bn1"]
    assert "0.0% of its 144 units are -1 and pass no gradient back" in said["elu1"]
    for visit in visits:
        at = tuple(0 for _ in visit.y.shape)
        assert forward_terms(visit.layer, visit.x, at).value == pytest.approx(visit.y[at], rel=1e-12)
        at = tuple(0 for _ in visit.dx.shape)
        wanted = pytest.approx(visit.dx[at], rel=1e-9, abs=1e-14)
        assert backward_terms(visit.layer, visit.x, visit.dy, at).value == wanted
