"""Stepping through a network: the stops, their drawings, the keys at the prompt, one number taken apart, bad input."""

import argparse
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from examples.explain.terms import backward_terms, forward_terms
from examples.step_through import program as step_through
from examples.step_through.pages import LOSSES, pages, walk
from examples.step_through.subject import MADE_FOR, the_picture
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
    run("--layer", "pool2", "--no-pause", "--out", tmp_path / "deep" / "out")
    out = capsys.readouterr().out
    printed = re.findall(r"-> (.*\.png)", out)
    assert sorted(path.name for path in (tmp_path / "deep" / "out").iterdir()) == sorted(
        Path(path).name for path in printed
    )
    assert {"06_pool2.png", "13_loss.png", "22_conv2_gradient.png", "26_input_gradient.png"} <= {
        Path(path).name for path in printed
    }
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
    run("--layer", layer, "--at", at, "--label", "8")
    out = capsys.readouterr().out
    names = re.findall(r"the network's (\w+\[.*\]):", out)
    assert len(names) == 2 and names[0] == f"y[{at}]"
    for name in names:
        before, theirs = last_lines(out, name)
        assert before == theirs and len(theirs[0].replace("0.", "").lstrip("-0")) >= 8


def test_all_terms_where_there_is_no_terminal(capsys):
    run("--layer", "conv2", "--at", "4,5,7", "--input-at", "6,7,0")
    out = capsys.readouterr().out
    assert "more terms" not in out
    assert out.count("x[") >= 150 and out.count(" * w[") >= 150 + 16 * 20 and "sum of all 151 terms" in out
    assert "dx[6,7,0]" in out


def test_the_middle_is_left_out_at_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    run("--layer", "fc3", "--at", "5")
    out = capsys.readouterr().out
    assert "389 more terms" in out and "sum of all 401 terms" in out and out.count("\n") < 50
    run("--layer", "fc3", "--at", "5", "--all")
    out = capsys.readouterr().out
    assert "more terms" not in out and out.count("\n") > 500


def test_a_mask_in_training(capsys):
    run("--model", "alexnet_small", "--layer", "dropout6", "--at", "3", "--training")
    assert "/ (1 - p 0.5)" in capsys.readouterr().out
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
    assert "--at" in refused(capsys, "--layer", "conv2", "--input-at", "0,0,0")


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
