"""The benchmark measures ours without any rival, says one sentence when misused, and compares equal networks."""

import argparse
import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from examples.benchmark import program as benchmark
from examples.benchmark.worker import NETWORKS, channels_first, ours


@pytest.mark.slow
def test_ours_alone(tmp_path, capsys):
    arguments = ["--only", "LeNet forward", "--rounds", "2", "--without-rivals", "--out", str(tmp_path / "new")]
    assert benchmark.main(arguments) == 0
    printed = capsys.readouterr().out
    assert "LeNet forward, 1" in printed and "rivals: none" in printed
    assert printed.endswith(f"{(tmp_path / 'new' / 'table.txt').read_text()}Results are in {tmp_path / 'new'}.\n")
    results = json.loads((tmp_path / "new" / "results.json").read_text())
    case = results["cases"]["LeNet forward, 1"]
    assert len(case["seconds"]["ours"]) == 2 and all(seconds > 0 for seconds in case["seconds"]["ours"])
    assert case["flops"] == 2 * 416_520
    assert results["sgemm"] > 0
    assert not (tmp_path / "new" / "ratios.png").exists(), "there is nothing to compare"


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--only", "VGG"], ["--only", "VGG"]),
        (["--rounds", "0"], ["--rounds", "at least 1"]),
        (["--out", "{file}"], ["file"]),
        (["--on", "LeNet"], ["--on"]),
    ],
)
def test_misuse_gets_one_sentence(arguments, words, tmp_path, capsys):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(SystemExit) as stop:
        benchmark.main([argument.format(file=tmp_path / "file") for argument in arguments])
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and all(word in said for word in words)


@pytest.mark.slow
def test_an_engine_that_dies_gets_one_sentence(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(benchmark, "installed", lambda package: package != "onnxruntime")
    monkeypatch.setattr(benchmark, "RIVALS", {"no such engine": "numpy"})
    monkeypatch.setattr(benchmark.metadata, "version", lambda package: "0")
    monkeypatch.setitem(sys.modules, "torch", None)  # in this process; the worker finds none, or no such engine
    environment = os.environ | {"PYTHONPATH": str(broken_torch(tmp_path))}
    monkeypatch.setattr(benchmark, "environment", lambda threads, _: environment | {"NUM_THREADS": str(threads)})
    assert benchmark.main(["--only", "LeNet forward", "--rounds", "1", "--out", str(tmp_path / "out")]) == 1
    assert "benchmark: no such engine (LeNet forward, 1) ended early" in capfd.readouterr().err


def broken_torch(folder):
    (folder / "broken").mkdir()
    (folder / "broken" / "torch.py").write_text("raise SystemExit('broken on purpose')")
    return folder / "broken"


def test_ratios_are_medians_of_pairs():
    case = {"seconds": {"ours": [1.0, 2.0, 9.0], "torch": [2.0, 8.0, 10.0]}}
    assert benchmark.ratio(case, "torch") == 0.5


def test_a_turn_tells_what_one_step_takes():
    worker = benchmark.Worker.__new__(benchmark.Worker)
    worker.name = "ours"
    worker.process = argparse.Namespace(stdin=io.StringIO(), stdout=io.StringIO("2.0\n"))
    assert worker.seconds(4) == 0.5 and worker.process.stdin.getvalue() == "4\n"


class Engine:
    """A worker in this process, whose turns take what is written here: 2 ms an image, but 14 every third turn."""

    def __init__(self, engine, case, folder, environment):
        self.images, self.turns = case[2], 0
        np.save(f"{folder}/outputs-{engine}.npy", np.ones((1, 10)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def seconds(self, steps):
        self.turns += 1
        return self.images * (0.014 if self.turns % 3 == 0 else 0.002)

    def finish(self):
        return 1


@pytest.fixture
def engine(monkeypatch):
    monkeypatch.setattr(benchmark, "Worker", Engine)
    monkeypatch.setattr(benchmark, "REST_SECONDS", 0)


def test_the_share_of_the_matrix_products_rate_is_that_of_a_usual_turn(engine, monkeypatch):
    monkeypatch.setattr(benchmark, "SMALL", 0)  # one worker for all rounds
    case = benchmark.measure(("LeNet", "forward", 2), ["ours"], 5, 1, rate=1e9)
    assert case["seconds"]["ours"].count(0.028) == 2 and case["seconds"]["ours"].count(0.004) == 3
    assert case["of the matrix product's rate"] == pytest.approx(2 * 2 * 416_520 / 0.004 / 1e9)


def test_the_scale_is_in_seconds_an_image(engine):
    found = benchmark.scale(threads=2, rounds=5)
    assert len(found) == 8 and all(seconds == pytest.approx(0.002) for seconds in found.values())


@pytest.mark.parametrize("task", ["training", "forward"])
def test_a_step_on_a_card(gpu, task, tmp_path):
    network = NETWORKS["LeNet"]()
    images, labels = np.random.default_rng(0).normal(size=(3, 28, 28, 1)).astype(np.float32), np.array([1, 0, 9])
    expected, before = network.forward(images), network.params["fc5.weight"].copy()
    step = ours(network, images, labels, task, tmp_path / "outputs.npy", "ours-cuda")
    step()
    np.testing.assert_allclose(np.load(tmp_path / "outputs.npy"), expected, rtol=1e-4, atol=1e-5)
    after = network.params["fc5.weight"]
    assert isinstance(after, gpu.ndarray) and np.array_equal(after.get(), before) == (task == "forward")


@pytest.mark.slow
def test_the_rows_of_a_card_can_be_measured_alone(monkeypatch, tmp_path, capsys):
    measured = []

    def measure(case, engines, rounds, threads, rate):
        measured.append((case, engines, rate))
        times = {"ours": [0.5], "torch": [1.0]}
        return {"batch": 128, "of the matrix product's rate": 0.5, "seconds": times, "peak bytes": {"ours": 1 << 30}}

    monkeypatch.setattr(benchmark, "measure", measure)
    monkeypatch.setattr(benchmark, "card_kinds", lambda: ["cuda", "cuda-tf32"])
    monkeypatch.setattr(benchmark, "card_name", lambda: "a fine card")
    monkeypatch.setattr(benchmark, "card_rate", {"cuda": 5e13, "cuda-tf32": 4e14}.get)
    monkeypatch.setattr(benchmark, "torch_has_card", lambda: True)
    monkeypatch.setattr(benchmark, "installed", lambda package: package == "torch")
    monkeypatch.setattr(benchmark.metadata, "version", lambda package: "2.13.0")
    arguments = ["--only", "training, 128, cuda", "--out", str(tmp_path / "out")]
    assert benchmark.main(arguments) == 0
    assert measured == [
        (("AlexNet", "training", 128), ["ours-cuda", "torch-cuda"], 5e13),
        (("AlexNet", "training", 128), ["ours-cuda-tf32", "torch-cuda-tf32"], 4e14),
    ]
    out = capsys.readouterr().out
    row = next(line for line in out.splitlines() if line.startswith("AlexNet training, 128, cuda-tf32"))
    assert row.split()[4:] == ["500", "256", "0.50", "-", "-", "50%", "1,024", "-"]
    assert "cuda: on a fine card; of sgemm: of its own matrix product's 50 (cuda) and 400 (cuda-tf32) TFLOP/s" in out


def test_the_rows_of_a_card_are_named_by_engine():
    assert benchmark.short({"ours-cuda-tf32": 1, "torch-cuda-tf32": 2}) == {"ours": 1, "torch": 2}
    assert benchmark.short({"ours": 1, "torch-channels-last": 2}) == {"ours": 1, "torch-channels-last": 2}
    assert benchmark.environment(2, "torch-cuda-tf32")["CUPY_TF32"] == "1"
    assert benchmark.environment(2, "ours-cuda")["CUPY_TF32"] == "0"


def test_a_fully_connected_layer_reads_maps_before_rows():
    network = NETWORKS["LeNet"]()
    image = np.random.default_rng(0).normal(size=(5, 5, 16)).astype(np.float32)
    ours = image.reshape(-1) @ network.params["fc3.weight"]
    theirs = image.transpose(2, 0, 1).reshape(-1) @ channels_first(network, "fc3")
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert channels_first(network, "conv2").shape == (16, 6, 5, 5)
    assert channels_first(network, "fc4") is network.params["fc4.weight"]


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["LeNet", "CIFAR-10 18pct"])
def test_pytorch_runs_the_same_network(name):
    torch = pytest.importorskip("torch")
    from examples.benchmark.worker import to_torch

    network = NETWORKS[name]()
    images = np.random.default_rng(0).normal(size=(3, *network.image_shape)).astype(np.float32)
    with torch.inference_mode():
        theirs = to_torch(network).eval()(torch.tensor(images.transpose(0, 3, 1, 2).copy())).numpy()
    ours = network.forward(images)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 * np.abs(ours).max())


@pytest.mark.slow
def test_the_worker_answers_line_by_line(tmp_path):
    command = [sys.executable, "-m", "examples.benchmark.worker", "ours", "LeNet", "training", "4", str(tmp_path)]
    done = subprocess.run(command, input="2\n1\n", capture_output=True, text=True, timeout=600, check=True)
    ready, first, second, peak = done.stdout.split()
    assert ready == "ready" and float(first) > 0 and float(second) > 0 and int(peak) >= 0
    assert np.load(tmp_path / "outputs-ours.npy").shape == (4, 10)
