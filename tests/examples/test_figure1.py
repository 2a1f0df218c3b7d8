"""Figure 1's program trains what it says, gives up where it should, and draws and writes what it found."""

import json

import numpy as np
import pytest

from examples import figure1
from layers import Conv2d, Linear, LocalResponseNorm, ReLU, Tanh


@pytest.mark.parametrize(("name", "kind"), [("ReLU", ReLU), ("tanh", Tanh)])
def test_four_layers_that_differ_in_the_activation_alone(name, kind):
    network = figure1.make_network(name, 10, (32, 32, 3), seed=3)
    layers = list(network.layers.values())
    assert sum(isinstance(layer, Conv2d | Linear) for layer in layers) == 4
    assert sum(isinstance(layer, kind) for layer in layers) == 3
    assert not any(isinstance(layer, LocalResponseNorm) for layer in layers)
    other = figure1.make_network("ReLU", 10, (32, 32, 3), seed=3)
    assert all(np.array_equal(network.params[key], other.params[key]) for key in other.params)


@pytest.mark.slow
def test_a_small_run(colours, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(figure1, "EVERY", 2)
    out = tmp_path / "out"
    rates = ["1e-9", "0.002"]
    arguments = ["--data", str(colours), "--seeds", "2", "--epochs", "30", "--rates", *rates, "--out", str(out)]
    assert figure1.main(arguments) == 0
    found = json.loads((out / "figure1.json").read_text())
    assert found["data"] == "colours" and found["target"] == 0.25
    for name in ("ReLU", "tanh"):
        runs = [run for run in found["runs"] if run["activation"] == name]
        assert [run["seed"] for run in runs] == [0, 0, 1]
        assert runs[0]["steps"] is None and len(runs[0]["errors"]) == 30 // 2 + 1  # a step a pass, and at the start
        assert found["steps"][name] == [runs[1]["steps"], runs[2]["steps"]]
        assert runs[1]["rate"] == runs[2]["rate"] == 0.002
        assert all(run["errors"][-1] <= 0.25 and min(run["errors"][:-1]) > 0.25 for run in runs if run["steps"])
    assert (out / "figure1.png").stat().st_size > 10_000
    assert "times as fast as tanh" in capsys.readouterr().out


@pytest.mark.slow
def test_an_interrupted_call_goes_on_with_the_runs_that_are_missing(colours, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(figure1, "EVERY", 2)
    arguments = ["--data", str(colours), "--seeds", "2", "--epochs", "12", "--rates", "1e-9", "0.002"]
    assert figure1.main([*arguments, "--out", str(tmp_path / "whole")]) == 0
    once, calls = figure1.run, []

    def interrupted(*parameters):
        calls.append(parameters[:3])
        if len(calls) == 4:
            raise KeyboardInterrupt
        return once(*parameters)

    monkeypatch.setattr(figure1, "run", interrupted)
    assert figure1.main([*arguments, "--out", str(tmp_path / "parts")]) == 130
    assert "--resume --force does the others" in capsys.readouterr().err
    with pytest.raises(SystemExit):  # they lie outside runs/
        figure1.main([*arguments, "--out", str(tmp_path / "parts"), "--resume"])
    assert "add --force to replace it" in capsys.readouterr().err
    assert figure1.main([*arguments, "--out", str(tmp_path / "parts"), "--resume", "--force"]) == 0
    assert len(calls) == 7 and len(set(calls)) == 6, "six runs, one of them begun twice"
    whole, parts = (json.loads((tmp_path / name / "figure1.json").read_text()) for name in ("whole", "parts"))
    for found in (whole, parts):
        for row in found["runs"]:
            del row["seconds"]
    assert whole == parts

    for words, changed in (("other settings", "9"), ("no ", "12")):
        out = tmp_path / ("parts" if changed == "9" else "gone")
        with pytest.raises(SystemExit):
            figure1.main(["--data", str(colours), "--epochs", changed, "--out", str(out), "--resume", "--force"])
        assert words in capsys.readouterr().err
    (tmp_path / "parts" / "figure1.json").write_text("[]")
    with pytest.raises(SystemExit):
        figure1.main([*arguments, "--out", str(tmp_path / "parts"), "--resume", "--force"])
    assert "is not what this program writes" in capsys.readouterr().err


def test_a_rate_that_is_too_high_ends_the_run(colours, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(figure1, "EVERY", 2)
    out = tmp_path / "out"
    assert (
        figure1.main(["--data", str(colours), "--seeds", "1", "--rates", "10", "--epochs", "9", "--out", str(out)]) == 0
    )
    assert json.loads((out / "figure1.json").read_text())["steps"]["ReLU"] == []
    assert "given up" in capsys.readouterr().out


def test_grey_pictures_are_refused(few_digits, capsys):
    with pytest.raises(SystemExit):
        figure1.main(["--data", str(few_digits)])
    assert "expected colour images" in capsys.readouterr().err
