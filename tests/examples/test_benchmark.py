"""The benchmark measures ours without any rival, says one sentence when misused, and compares equal networks."""

import argparse
import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from examples.benchmark import machine, processes, table, worker
from examples.benchmark import program as benchmark
from examples.benchmark.settings import NETWORKS, channels_first
from examples.benchmark.with_jax import apply, jax_engine, training_step
from examples.benchmark.with_onnx import openvino_engine
from examples.benchmark.with_torch import torch_engine
from examples.benchmark.worker import ours
from nn import SGD, SoftmaxCrossEntropy
from tests.checks import interrupted_starts, one_sentence


@pytest.mark.slow
def test_ours_alone(tmp_path, capsys):
    arguments = ["--only", "LeNet forward", "--rounds", "2", "--without-rivals", "--out", str(tmp_path / "new")]
    assert benchmark.main(arguments) == 0
    printed = capsys.readouterr().out
    assert "LeNet forward, 1" in printed and "rivals: none" in printed
    assert printed.endswith(f"{(tmp_path / 'new' / 'table.txt').read_text()}Results are in {tmp_path / 'new'}.\n")
    results = json.loads((tmp_path / "new" / "results.json").read_text())
    case = results["cases"]["LeNet forward, 1"]
    assert len(case["seconds"]["ours"]) == 2 * 5 and all(seconds > 0 for seconds in case["seconds"]["ours"])
    assert case["flops"] == 2 * 416_520
    assert results["sgemm"] > 0 and results["memory"] > 0
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


def test_ctrl_c_while_a_process_starts_leaves_none_running(monkeypatch):
    with interrupted_starts(monkeypatch) as running:
        with pytest.raises(KeyboardInterrupt):
            processes.printed_by([sys.executable, "-c", "import time; time.sleep(20)"], os.environ)
        assert running[0].poll() is not None, "the process was left running"


@pytest.mark.slow
def test_the_memory_takes_turns_with_the_engines(monkeypatch):
    monkeypatch.setattr(benchmark, "TURN_SECONDS", 0.02)
    found = benchmark.measure(("AlexNet", "forward", 1), ["ours", "memory"], 2, 1, 1e11)
    assert len(found["seconds"]["memory"]) == 2 and set(found["largest difference"]) == {"ours"}
    rate = found["parameter bytes"] / min(found["seconds"]["memory"])
    assert 1e9 < rate < 1e12, "bytes a second"


@pytest.mark.slow
def test_an_engine_that_dies_gets_one_sentence(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(benchmark, "installed", lambda package: package != "onnxruntime")
    monkeypatch.setattr(benchmark, "RIVALS", {"no such engine": ("numpy",)})
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
    assert table.ratio(case, "torch") == 0.5


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


def test_a_small_network_gets_new_processes_in_every_round_and_several_turns_in_each(engine, monkeypatch):
    started = []

    class Counted(Engine):
        def __init__(self, name, *arguments):
            started.append(name)
            super().__init__(name, *arguments)

    monkeypatch.setattr(benchmark, "Worker", Counted)
    case = benchmark.measure(("LeNet", "forward", 2), ["ours", "torch"], 3, 1, rate=1e9)
    assert started == 3 * ["ours", "torch"] and [len(turns) for turns in case["seconds"].values()] == [3 * 5] * 2


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
    assert row.split()[4:] == ["500", "256", "0.50", "50%", "1,024", "-"]
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
    from examples.benchmark.with_torch import to_torch

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


# ------------------------------------------------------------------------------------------------------------ rivals
def some(name, count):
    network = NETWORKS[name]()
    rng = np.random.default_rng(0)
    images = rng.normal(size=(count, *network.image_shape)).astype(np.float32)
    return network, images, rng.integers(0, 10, count)


def of_ours(network, images, outputs):
    """How far what an engine wrote is from ours, as a share of our largest answer."""
    mine = network.forward(images)
    return np.abs(np.load(outputs) - mine).max() / np.abs(mine).max()


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["LeNet", "CIFAR-10 18pct"])
def test_jax_runs_the_same_network_and_a_wrong_weight_is_found(name, tmp_path):
    pytest.importorskip("jax")
    network, images, labels = some(name, 3)
    jax_engine(network, images, labels, "forward", tmp_path / "outputs.npy", "jax")()
    assert of_ours(network, images, tmp_path / "outputs.npy") < 1e-5
    network.params["conv2.weight"][0, 0, 0, 0] += 1
    assert of_ours(network, images, tmp_path / "outputs.npy") > 1e-3


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["LeNet", "CIFAR-10 18pct"])
def test_jax_trains_as_we_do(name, monkeypatch):
    jax = pytest.importorskip("jax")
    monkeypatch.setattr("examples.benchmark.with_jax.RATE", 0.1)
    monkeypatch.setattr("examples.benchmark.with_jax.WEIGHT_DECAY", 0.1)  # large enough to be seen
    network, images, labels = some(name, 4)
    params = {key: jax.numpy.array(array) for key, array in network.params.items()}
    state = params, {key: jax.numpy.zeros_like(array) for key, array in params.items()}, jax.random.key(0)
    update = training_step(list(network.layers.items()))
    optimizer, loss = SGD(network, 0.1, 0.9, 0.1, form="pytorch"), SoftmaxCrossEntropy()
    for _ in range(3):
        state = update(*state, images, labels)
        loss.forward(network.forward(images, training=True), labels)
        network.backward(loss.backward(), input_gradient=False)
        optimizer.step()
    for key, array in network.params.items():
        np.testing.assert_allclose(state[0][key], array, rtol=0, atol=1e-4 * np.abs(array).max(), err_msg=key)


@pytest.mark.oracle
def test_jax_drops_and_scales_in_training_alone():
    jax = pytest.importorskip("jax")
    from layers import Dropout

    x, layers = np.ones((100, 100), np.float32), [("dropout", Dropout(0.25))]
    y = np.asarray(apply(layers, {}, x, jax.random.key(0)))
    assert set(np.unique(y)) == {np.float32(0), np.float32(1) / np.float32(0.75)} and abs((y == 0).mean() - 0.25) < 0.02
    assert np.array_equal(apply(layers, {}, x), x)


@pytest.mark.oracle
@pytest.mark.parametrize("beta", [0.75, 0.5])
@pytest.mark.parametrize("region", ["across", "within"])
def test_jax_normalises_as_we_do(region, beta):
    pytest.importorskip("jax")
    from layers import LocalResponseNorm

    x = np.random.default_rng(0).normal(size=(2, 6, 7, 8)).astype(np.float32)
    layer = LocalResponseNorm(3, alpha=0.5, beta=beta, k=1.5, region=region)  # alpha is large enough to be seen
    np.testing.assert_allclose(apply([("norm", layer)], {}, x), layer.forward(x), rtol=1e-5, atol=1e-6)


@pytest.mark.oracle
@pytest.mark.parametrize("kind", ["MaxPool2d", "AvgPool2d"])
@pytest.mark.parametrize("ceil_mode", [False, True])
def test_jax_pools_as_we_do(kind, ceil_mode):
    pytest.importorskip("jax")
    import layers

    x = np.random.default_rng(0).normal(size=(2, 8, 9, 3)).astype(np.float32)
    layer = getattr(layers, kind)(3, 2, 1, ceil_mode=ceil_mode)
    np.testing.assert_allclose(apply([("pool", layer)], {}, x), layer.forward(x), rtol=1e-5, atol=1e-6)


@pytest.mark.oracle
def test_openvino_runs_the_same_network_and_a_wrong_weight_is_found(tmp_path, monkeypatch):
    pytest.importorskip("openvino")
    pytest.importorskip("onnx")
    monkeypatch.setenv("NUM_THREADS", "1")
    network, images, labels = some("LeNet", 2)
    openvino_engine(network, images, labels, "forward", tmp_path / "outputs.npy", "openvino")()
    assert of_ours(network, images, tmp_path / "outputs.npy") < 1e-5
    network.params["fc4.weight"][0, 0] += 10
    assert of_ours(network, images, tmp_path / "outputs.npy") > 1e-3


@pytest.mark.slow
@pytest.mark.oracle
@pytest.mark.parametrize("task", ["training", "forward"])
def test_torch_compile_runs_the_same_network(task, tmp_path, monkeypatch):
    pytest.importorskip("torch")
    if not machine.can_compile():
        pytest.skip("needs a C++ compiler")
    monkeypatch.setenv("NUM_THREADS", "1")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "compiled"))
    network, images, labels = some("LeNet", 2)
    torch_engine(network, images, labels, task, tmp_path / "outputs.npy", "torch-compile")()
    assert of_ours(network, images, tmp_path / "outputs.npy") < 1e-5


def found(tmp_path, monkeypatch, capsys, arguments=(), compiler=True, packages=("torch", "jax", "onnxruntime", "onnx")):
    """What the program prints and writes where these packages are there, and the engines it asked for, by case."""
    asked = {}

    def measure(case, engines, rounds, threads, rate):
        asked[benchmark.name_of(case)] = engines
        times = {engine: [{"ours": 0.5, "memory": 0.2}.get(engine, 1.0)] for engine in engines}
        of = {"of the matrix product's rate": 0.5, "parameter bytes": 10**9}
        return {"batch": case[2], "seconds": times, "peak bytes": {"ours": 1 << 30}} | of

    monkeypatch.setattr(benchmark, "measure", measure)
    monkeypatch.setattr(benchmark, "card_kinds", lambda: [])
    monkeypatch.setattr(benchmark, "own_rates", lambda threads: {"sgemm": 1e11, "memory": 9e9})
    monkeypatch.setattr(benchmark, "installed", packages.__contains__)
    monkeypatch.setattr(benchmark, "can_compile", lambda: compiler)
    monkeypatch.setattr(benchmark.metadata, "version", lambda package: "1.0")
    monkeypatch.setattr(os, "environ", dict(os.environ))
    assert benchmark.main([*arguments, "--rounds", "1", "--out", str(tmp_path / "out")]) == 0
    return capsys.readouterr().out, json.loads((tmp_path / "out" / "results.json").read_text()), asked


def test_those_that_are_not_installed_are_left_out_and_training_has_no_rivals_for_forward(
    tmp_path, monkeypatch, capsys
):
    out, results, asked = found(tmp_path, monkeypatch, capsys, ["--only", "AlexNet"])
    in_training = ["ours", "torch", "torch-channels-last", "torch-compile", "jax"]
    assert asked["AlexNet training, 16"] == in_training
    assert asked["AlexNet forward, 32"] == [*in_training, "onnxruntime"]
    rows = out.splitlines()
    head = next(row for row in rows if "ms a step" in row)
    assert head.split()[4:] == ["PyTorch", "ch.-last", "compile", "JAX", "ONNX", "R.", "of", "sgemm", "MB", "PyTorch's"]
    row = next(row for row in rows if row.startswith("AlexNet forward, 1 "))
    assert row.split()[3:] == ["500", "2", *["0.50"] * 5, "50%", "1,024", "-"] and len(row) == len(head) <= 120
    row = next(row for row in rows if row.startswith("AlexNet training, 16"))
    assert row.split()[3:] == ["500", "32", *["0.50"] * 4, "-", "50%", "1,024", "-"]
    assert (
        "read 5.0 GB/s from memory" in out
        and "1000 MB of float32 parameters" in out
        and "40% of our step's time" in out
    )
    assert "Of the others': PyTorch 20%, ch.-last 20%, compile 20%, JAX 20%, ONNX R. 20%." in out and "AVX2" not in out
    shares = {name: case.get("of the memory's rate") for name, case in results["cases"].items()}
    assert shares.pop("AlexNet forward, 1") == {"ours": 0.4} | dict.fromkeys([*in_training[1:], "onnxruntime"], 0.2)
    assert results["memory"] == 5e9 and set(shares.values()) == {None}
    assert list(results["cases"]["AlexNet forward, 1"]["seconds"]) == [*in_training, "onnxruntime"]
    assert asked["AlexNet forward, 1"][-1] == "memory" and asked["AlexNet forward, 16"][-1] == "onnxruntime"
    assert (tmp_path / "out" / "ratios.png").stat().st_size > 10_000


def test_torch_compile_needs_a_compiler(tmp_path, monkeypatch, capsys):
    out, _, asked = found(tmp_path, monkeypatch, capsys, ["--only", "LeNet forward"], compiler=False)
    assert out.count("torch-compile is left out: it needs a C++ compiler") == 1
    assert asked == {"LeNet forward, 1": ["ours", "torch", "torch-channels-last", "jax", "onnxruntime"]}


def test_held_to_avx2(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(machine.llvmlite.binding, "get_host_cpu_features", lambda: {"avx2": True})
    monkeypatch.setenv("XLA_FLAGS", "--mine")
    out, results, _ = found(tmp_path, monkeypatch, capsys, ["--only", "LeNet forward", "--kernels", "avx2"])
    assert results["kernels"] == "avx2" and "JAX* ONNX R.*" in out and "Held to AVX2; *: except for" in out
    told = benchmark.environment(2)
    assert told["XLA_FLAGS"] == "--mine --xla_cpu_max_isa=AVX2" and told["NUMBA_CPU_NAME"] == "haswell"
    assert told["ONEDNN_MAX_CPU_ISA"] == "AVX2" and told["OPENBLAS_CORETYPE"] == "Haswell"


def test_a_processor_without_avx2_is_named(monkeypatch):
    monkeypatch.setattr(machine.llvmlite.binding, "get_host_cpu_features", dict)
    with one_sentence(ValueError, "--kernels avx2", "has no AVX2"):
        machine.held_to_avx2()


def test_the_memory_is_read_whole(monkeypatch):
    monkeypatch.setattr(machine, "MEMORY_BYTES", 1 << 16)
    ticks = iter(range(1000))
    monkeypatch.setattr(machine.time, "perf_counter", lambda: next(ticks))
    read, of_all = [], machine._total
    monkeypatch.setattr(machine, "_total", lambda words: (read.append(words.nbytes), of_all(words))[1])
    assert machine.memory_rate(3) == 1 << 16  # bytes, in the one second between two ticks
    assert len(read) == 3 * 40 and sum(read) == 40 << 16


def test_the_engine_memory_reads_what_the_parameters_take(monkeypatch):
    network, *_ = some("LeNet", 1)
    monkeypatch.setattr(worker, "reader", lambda size, threads: size)
    assert worker.ENGINES["memory"](network) == sum(array.nbytes for array in network.params.values())


@pytest.mark.slow
@pytest.mark.skipif(not machine.llvmlite.binding.get_host_cpu_features().get("avx2"), reason="needs AVX2")
def test_our_loops_have_no_register_of_avx512_where_they_are_held_to_avx2(tmp_path):
    """Also where others have been kept in the same folder."""
    program = (
        "import numpy as np; from nn.backend.cpu import conv_direct, simd;"
        "from models import alexnet; alexnet(rng=0).forward(np.ones((1, 227, 227, 3), np.float32));"
        "loops = [f for f in vars(conv_direct).values() if hasattr(f, 'inspect_asm')];"
        "texts = [text for f in loops for text in f.inspect_asm().values()];"
        "print(simd.CHOICES, *(any(kind in text for text in texts) for kind in ('zmm', 'ymm')))"
    )
    said = []
    for more in ({}, machine.held_to_avx2()):
        environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)} | more
        done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
        said.append(done.stdout.strip() or done.stderr)
    if machine.llvmlite.binding.get_host_cpu_features().get("avx512f"):
        assert said[0].startswith("(6, 8, 10, 11) True"), said
    assert said[1] == "(6,) False True", said
