"""How fast is this library? Ours, PyTorch, JAX, ONNX Runtime and OpenVINO on the same weights, images and threads.

Each engine runs in a process of its own, and they take turns (A B C A B C ...), so that a machine that is
sometimes slower affects them alike. A turn's first step is not counted. A ratio is the median of the ratios
of neighbouring turns, ours / theirs: below 1 we are faster. Forward, ours is nn.CompiledForward, as the
others' are compiled as well. PyTorch is measured three times: as it is, with channels last, and by
torch.compile, which needs a C++ compiler; what is compiled is compiled before the first turn. ONNX Runtime
and OpenVINO only go forward. Libraries that are not installed are left out; make bench installs them. Where
CuPy finds a GPU, AlexNet is measured there too (beside a PyTorch that can use it), first in full float32
and then with TF32.

--kernels avx2 asks how it were on a processor without AVX-512: all libraries are then told to use AVX2 and nothing
newer. ONNX Runtime's and JAX's matrix products cannot be told; both are marked.

Written to --out:

    results.json   every turn of every engine; the rates of the machine's own matrix product and memory
    table.txt      what is printed
    ratios.png     the ratios as bars

Close other programs meanwhile: two processes that want the same cores measure each other.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from importlib import metadata
from pathlib import Path

import numpy as np

from examples.benchmark.machine import (
    CARD_KINDS,
    can_compile,
    card_kinds,
    card_name,
    card_rate,
    environment,
    held_to_avx2,
    installed,
    machine,
    own_rates,
    torch_has_card,
)
from examples.benchmark.processes import printed_by, started
from examples.benchmark.settings import NETWORKS
from examples.benchmark.table import draw, make_table, ratio
from examples.shared.command_line import Parser, carry_out, in_a_process, one_of, output_folder, whole_number
from examples.shared.options import add_output, add_value
from nn.backend.runtime.threads import num_threads
from nn.data.bars import bar

CASES = [
    *(("AlexNet", "training", batch) for batch in (1, 16, 32, 128, 256)),
    *(("AlexNet", "forward", batch) for batch in (1, 16, 32, 128)),
    ("AlexNet", "forward float16", 1),  # ours: `nn.CompiledForward`'s half, beside the others' float32
    *(("LeNet", "training", batch) for batch in (1, 64, 256)),
    ("LeNet", "forward", 1),
    ("CIFAR-10 18pct", "training", 128),
]
CARD_CASES = [
    ("AlexNet", task, batch) for task, batches in (("training", (128, 512)), ("forward", (1, 128))) for batch in batches
]
RIVALS = {  # engine: the packages that it needs
    "torch": ("torch",),
    "torch-channels-last": ("torch",),
    "torch-compile": ("torch",),
    "jax": ("jax",),
    "onnxruntime": ("onnxruntime", "onnx"),
    "openvino": ("openvino", "onnx"),
}
FORWARD_ONLY = ("onnxruntime", "openvino")
FROM_MEMORY = ("AlexNet", "forward", 1)  # one image has little to compute: how fast are the weights read?
TURN_SECONDS = 0.2  # a turn takes as many steps as fill this time
# Where a process's arrays happen to lie in memory can make small networks half as slow again, as long as it lives. So
# those with fewer parameters than this get new processes in every round. To start those takes far longer than a turn,
# and a step of a millisecond is soon disturbed: so they take several turns each.
SMALL, TURNS_OF_SMALL = 1_000_000, 5
REST_SECONDS = 0.2  # between turns: threads that wait for more work by spinning have given up by then


class Worker:
    """A process with one engine in it (see `examples.benchmark.worker`)."""

    def __init__(self, engine: str, case: tuple, folder: str, environment: dict) -> None:
        command = [*in_a_process("examples.benchmark.worker"), engine, *map(str, case), folder]
        self.name = f"{engine} ({name_of(case)})"
        self.process = started(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        try:
            self._read()  # "ready"
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def seconds(self, steps: int) -> float:
        """What one step takes, in a turn of so many."""
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        return float(self._read()) / steps

    def finish(self) -> int:
        """End the process; the most memory it held, in bytes."""
        self.process.stdin.close()
        self.process.stdin = None  # or `communicate` would flush it
        return int(self._read())

    def _read(self) -> str:
        line = self.process.stdout.readline().strip()
        if not line:
            raise RuntimeError(f"{self.name} ended early; its own message is above")
        return line


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program. Exit status: 0; 1 an engine failed, or the disk did; 2 bad input; 130 stopped by Ctrl-C."""
    parser = make_parser()
    options = parser.parse_args(arguments)

    def make() -> tuple[list, list]:
        cases = [case for case in CASES if options.only in name_of(case)]
        on_card = [(case, kind) for kind in card_kinds() for case in CARD_CASES if options.only in name_of(case, kind)]
        if not (cases or on_card):
            raise ValueError(f"--only: no case has {options.only!r} in its name, such as {name_of(CASES[0])!r}")
        if options.kernels == "avx2":
            os.environ.update(held_to_avx2())  # for the processes that are started from here on
        output_folder(options.out, ("results.json", "table.txt", "ratios.png"), options.force)
        return cases, on_card

    stopped = f"stopped by Ctrl-C; the cases measured so far are in {options.out / 'results.json'}"
    failures = (RuntimeError, subprocess.CalledProcessError)
    return carry_out(parser, make, lambda made: run(*made, options), stopped=stopped, failures=failures)


def make_parser() -> Parser:
    parser = Parser(prog="python -m examples.benchmark", description=__doc__)
    told_rounds = f"turns of each engine; for small networks new processes, which take {TURNS_OF_SMALL} turns each"
    add_value(parser, "--rounds", told_rounds, default=5, type=whole_number(1), metavar="N")
    add_value(parser, "--only", "cases with this in their name, such as LeNet", default="", told="all", metavar="TEXT")
    meaning = (
        "best: what each library chooses on this processor; avx2: AVX2 and nothing newer, where a library can be told"
    )
    add_value(parser, "--kernels", meaning, default="best", type=one_of(("best", "avx2")), metavar="best|avx2")
    parser.add_argument("--without-rivals", action="store_true", help="measure ours alone")
    add_output(parser, "runs/benchmark")
    return parser


def run(cases: Sequence[tuple], card_cases: Sequence[tuple], options: argparse.Namespace) -> None:
    """Measure all cases, say and draw what came out."""
    threads = num_threads()
    rivals = [] if options.without_rivals else [name for name, needs in RIVALS.items() if all(map(installed, needs))]
    if "torch-compile" in rivals and not can_compile():
        rivals.remove("torch-compile")
        print("torch-compile is left out: it needs a C++ compiler, such as g++, and Python's headers.", flush=True)
    print(f"{machine()}; {threads} threads; rivals: {', '.join(rivals) or 'none'}", flush=True)
    results = {"machine": machine(), "threads": threads, "date": str(datetime.date.today()), "cases": {}}
    results["kernels"] = options.kernels
    packages = ("numpy", "numba", "torch", "jax", "onnxruntime", "openvino")
    results["versions"] = {name: metadata.version(name) for name in packages if installed(name)}
    results |= own_rates(threads)
    if not options.only:
        results["cold start"] = {kind: cold_start(kind) for kind in ("empty", "warm")}
    for case in bar(cases, desc="benchmark", unit="case"):
        engines = ["ours", *(rival for rival in rivals if rival not in FORWARD_ONLY or case[1].startswith("forward"))]
        if case == FROM_MEMORY:  # in turns with the engines, as other machines may use the same memory
            engines.append("memory")
        found = measure(case, engines, options.rounds, threads, results["sgemm"])
        if case == FROM_MEMORY:
            found["of the memory's rate"] = memory_shares(found)
            results["memory"] = found["parameter bytes"] / statistics.median(found["seconds"].pop("memory"))
        results["cases"][name_of(case)] = found
        write(results, options.out)
    if card_cases:
        results["card"] = {"name": card_name()} | {kind: card_rate(kind) for kind in CARD_KINDS}
        rival = ["torch"] * ("torch" in rivals and torch_has_card())
    for case, kind in bar(card_cases, desc="GPU", unit="case"):
        engines = [f"{engine}-{kind}" for engine in ("ours", *rival)]
        rate = results["card"][kind]
        results["cases"][name_of(case, kind)] = measure(case, engines, options.rounds, threads, rate)
        write(results, options.out)
    if not options.only:
        results["scale"] = scale(threads, options.rounds)
        write(results, options.out)
    print(make_table(results))
    (options.out / "table.txt").write_text(f"{make_table(results)}\n", encoding="utf-8")
    draw(results, options.out / "ratios.png")
    print(f"Results are in {options.out}.")


def write(results: dict, folder: Path) -> None:
    """After every case: whoever stops early keeps what there is."""
    (folder / "results.json").write_text(json.dumps(results, indent=2), encoding="utf-8")


def name_of(case: tuple, kind: str = "") -> str:
    network, task, batch = case
    return f"{network} {task}, {batch}" + (f", {kind}" if kind else "")


def measure(case: tuple, engines: Sequence[str], rounds: int, threads: int, rate: float) -> dict:
    """The seconds of a step, for each engine and turn; the engines' peak memory; how far their outputs differ.

    engines: ours, then the rivals. rate: of the machine's own matrix product, in operations a second.
    """
    network, task, batch = case
    mine = engines[0]
    model = NETWORKS[network]()
    flops = 2 * batch * model.multiply_adds()
    if task == "training":  # three matrix products instead of one, but the first layer has no input gradient
        first = next(iter(model.layers.values()))
        flops = 3 * flops - 2 * batch * first.multiply_adds(model.image_shape)
    parameter_bytes = sum(array.nbytes for array in model.params.values())
    lives, turns_each = (rounds, TURNS_OF_SMALL) if model.num_parameters < SMALL else (1, rounds)
    del model
    steps, turns, peaks = 0, {engine: [] for engine in engines}, dict.fromkeys(engines, 0)
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(lives):
            with ExitStack() as ends:
                workers = {
                    engine: ends.enter_context(Worker(engine, case, folder, environment(threads, engine)))
                    for engine in engines
                }
                outputs = {
                    engine: np.load(Path(folder) / f"outputs-{engine}.npy") for engine in engines if engine != "memory"
                }
                steps = steps or max(1, round(TURN_SECONDS / workers[mine].seconds(1)))
                for _ in range(turns_each):
                    for engine, worker in workers.items():
                        time.sleep(REST_SECONDS)
                        worker.seconds(1)  # not counted: the engine before has displaced what lay in the caches
                        turns[engine].append(worker.seconds(steps))
                peaks = {engine: max(peaks[engine], worker.finish()) for engine, worker in workers.items()}
    size = np.abs(outputs[mine]).max()
    differences = {engine: float(np.abs(output - outputs[mine]).max() / size) for engine, output in outputs.items()}
    if not max(differences.values()) < (1e-2 if mine.endswith("tf32") else 1e-3):
        raise RuntimeError(f"{name_of(case)}: the engines do not compute the same, {differences}")
    return {
        "batch": batch,
        "flops": flops,
        "parameter bytes": parameter_bytes,
        "of the matrix product's rate": flops / statistics.median(turns[mine]) / rate,
        "steps a turn": steps,
        "seconds": short(turns),
        "peak bytes": short(peaks),
        "largest difference": short(differences),  # as a share of our largest output
    }


def memory_shares(case: dict) -> dict[str, float]:
    """By engine: what memory takes to deliver as many bytes as the parameters have, as a share of a step's time.

    Ours reads fewer bytes for one image, as it keeps large weights in 24 bits (`nn.CompiledForward`)."""
    return {engine: ratio(case, engine, "memory") for engine in case["seconds"] if engine != "memory"}


def short(by_engine: dict) -> dict:
    """With "ours" and "torch" for "ours-cuda" and "torch-cuda-tf32": a case says by itself where it ran."""
    return {engine.partition("-cuda")[0]: value for engine, value in by_engine.items()}


def scale(threads: int, rounds: int) -> dict:
    """Seconds an image of AlexNet: at several batch sizes, and with one thread."""
    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        for task, batches in (("forward", (16, 64, 256)), ("training", (16, 64, 256))):
            kinds = {str(batch): (batch, threads) for batch in batches}
            if threads > 1:
                kinds["64, one thread"] = (64, 1)
            turns = {kind: [] for kind in kinds}
            with ExitStack() as ends:
                workers = {
                    kind: ends.enter_context(Worker("ours", ("AlexNet", task, images), folder, environment(count)))
                    for kind, (images, count) in kinds.items()
                }
                for _ in range(rounds):
                    for kind, worker in workers.items():
                        time.sleep(REST_SECONDS)
                        images = kinds[kind][0]
                        turns[kind].append(worker.seconds(max(1, 128 // images)) / images)
                for worker in workers.values():
                    worker.finish()
            seconds |= {f"{task}, {batch}": statistics.median(values) for batch, values in turns.items()}
    return seconds


def cold_start(kind: str) -> float:
    """Seconds from the start of a process to the end of its first AlexNet step on 8 images."""
    program = (
        "import numpy as np, models, nn;"
        "network = models.alexnet(rng=0); sgd = nn.SGD(network, 0.01); loss = nn.SoftmaxCrossEntropy();"
        "x = np.random.default_rng(0).normal(size=(8, 227, 227, 3)).astype('float32');"
        "loss.forward(network.forward(x, training=True), np.arange(8));"
        "network.backward(loss.backward(), input_gradient=False); sgd.step()"
    )
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(1 if kind == "empty" else 2):  # the first fills the cache for the second
            start = time.perf_counter()
            printed_by([sys.executable, "-c", program], os.environ | {"NUMBA_CACHE_DIR": folder})
        return time.perf_counter() - start
