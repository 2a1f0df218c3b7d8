"""How fast is this library? Ours, PyTorch and ONNX Runtime on the same weights, images and threads.

Each engine runs in a process of its own, and they take turns (A B C A B C ...), so that a machine that is
sometimes slower affects them alike. A ratio is the median of the ratios of neighbouring turns, ours / theirs:
below 1 we are faster. Libraries that are not installed are left out; make bench installs them. Where CuPy finds a
GPU, AlexNet is measured there too (beside a PyTorch that can use it), first in full float32 and then
with TF32. Written to --out:

    results.json   every turn of every engine
    table.txt      what is printed
    ratios.png     the ratios as bars

Close other programs meanwhile: two processes that want the same cores measure each other.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import json
import os
import platform
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
from matplotlib.figure import Figure
from threadpoolctl import threadpool_limits

from examples.benchmark.worker import NETWORKS
from examples.shared.command_line import Parser, carry_out, in_a_process, output_folder, whole_number
from examples.shared.options import add_output, add_value
from nn.backend.cuda import load_cupy
from nn.backend.runtime.threads import num_threads
from nn.data.bars import bar

CASES = [
    *(("AlexNet", "training", batch) for batch in (1, 16, 32, 128, 256)),
    *(("AlexNet", "forward", batch) for batch in (1, 32, 128)),
    *(("LeNet", "training", batch) for batch in (1, 64, 256)),
    ("LeNet", "forward", 1),
    ("CIFAR-10 18pct", "training", 128),
]
CARD_CASES = [
    ("AlexNet", task, batch) for task, batches in (("training", (128, 512)), ("forward", (1, 128))) for batch in batches
]
CARD_KINDS = ("cuda", "cuda-tf32")
RIVALS = {"torch": "torch", "torch-channels-last": "torch", "onnxruntime": "onnxruntime"}  # engine: package
TURN_SECONDS = 0.2  # a turn takes as many steps as fill this time
# Where a process's arrays happen to lie in memory can make small networks half as slow again, as long as it lives. So
# those with fewer parameters than this get new processes in every round.
SMALL = 1_000_000
ALONE = {"start_new_session": True}  # Ctrl-C at a terminal reaches this process only, which ends the others
REST_SECONDS = 0.2  # between turns: threads that wait for more work by spinning have given up by then


class Worker:
    """A process with one engine in it (see `examples.benchmark.worker`)."""

    def __init__(self, engine: str, case: tuple, folder: str, environment: dict) -> None:
        command = [*in_a_process("examples.benchmark.worker"), engine, *map(str, case), folder]
        self.name = f"{engine} ({name_of(case)})"
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, **ALONE
        )
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
        output_folder(options.out, ("results.json", "table.txt", "ratios.png"), options.force)
        return cases, on_card

    stopped = f"stopped by Ctrl-C; the cases measured so far are in {options.out / 'results.json'}"
    failures = (RuntimeError, subprocess.CalledProcessError)
    return carry_out(parser, make, lambda made: run(*made, options), stopped=stopped, failures=failures)


def make_parser() -> Parser:
    parser = Parser(prog="python -m examples.benchmark", description=__doc__)
    add_value(parser, "--rounds", "turns of each engine", default=5, type=whole_number(1), metavar="N")
    add_value(parser, "--only", "cases with this in their name, such as LeNet", default="", told="all", metavar="TEXT")
    parser.add_argument("--without-rivals", action="store_true", help="measure ours alone")
    add_output(parser, "runs/benchmark")
    return parser


def run(cases: Sequence[tuple], card_cases: Sequence[tuple], options: argparse.Namespace) -> None:
    """Measure all cases, say and draw what came out."""
    threads = num_threads()
    rivals = [] if options.without_rivals else [name for name, package in RIVALS.items() if installed(package)]
    print(f"{machine()}; {threads} threads; rivals: {', '.join(rivals) or 'none'}", flush=True)
    results = {"machine": machine(), "threads": threads, "date": str(datetime.date.today()), "cases": {}}
    packages = ("numpy", "numba", "torch", "onnxruntime")
    results["versions"] = {name: metadata.version(name) for name in packages if installed(name)}
    results["sgemm"] = sgemm_rate(threads)
    if not options.only:
        results["cold start"] = {kind: cold_start(kind) for kind in ("empty", "warm")}
    for case in bar(cases, desc="benchmark", unit="case"):
        engines = ["ours", *(rival for rival in rivals if rival != "onnxruntime" or case[1] == "forward")]
        results["cases"][name_of(case)] = measure(case, engines, options.rounds, threads, results["sgemm"])
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
    lives = rounds if model.num_parameters < SMALL else 1
    del model
    steps, turns, peaks = 0, {engine: [] for engine in engines}, dict.fromkeys(engines, 0)
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(lives):
            with ExitStack() as ends:
                workers = {
                    engine: ends.enter_context(Worker(engine, case, folder, environment(threads, engine)))
                    for engine in engines
                }
                outputs = {engine: np.load(Path(folder) / f"outputs-{engine}.npy") for engine in engines}
                steps = steps or max(1, round(TURN_SECONDS / workers[mine].seconds(1)))
                for _ in range(rounds // lives):
                    for engine, worker in workers.items():
                        time.sleep(REST_SECONDS)
                        turns[engine].append(worker.seconds(steps))
                peaks = {engine: max(peaks[engine], worker.finish()) for engine, worker in workers.items()}
    size = np.abs(outputs[mine]).max()
    differences = {engine: float(np.abs(output - outputs[mine]).max() / size) for engine, output in outputs.items()}
    if not max(differences.values()) < (1e-2 if mine.endswith("tf32") else 1e-3):
        raise RuntimeError(f"{name_of(case)}: the engines do not compute the same, {differences}")
    return {
        "batch": batch,
        "flops": flops,
        "of the matrix product's rate": flops / statistics.median(turns[mine]) / rate,
        "steps a turn": steps,
        "seconds": short(turns),
        "peak bytes": short(peaks),
        "largest difference": short(differences),  # as a share of our largest output
    }


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
            subprocess.run(
                [sys.executable, "-c", program], check=True, env=os.environ | {"NUMBA_CACHE_DIR": folder}, **ALONE
            )
        return time.perf_counter() - start


def sgemm_rate(threads: int) -> float:
    """Floating-point operations a second of NumPy's matrix product, float32: the most that this machine offers."""
    a, b, c = np.ones((3, 2048, 2048), np.float32)
    seconds = []
    with threadpool_limits(threads):
        for _ in range(10):
            start = time.perf_counter()
            np.matmul(a, b, out=c)
            seconds.append(time.perf_counter() - start)
    return 2 * 2048**3 / statistics.median(seconds)


def card_kinds() -> list[str]:
    """What the rows of a GPU are called: none without one."""
    try:
        load_cupy()
    except (ImportError, RuntimeError):
        return []
    return list(CARD_KINDS)


def card_name() -> str:
    return load_cupy().cuda.runtime.getDeviceProperties(0)["name"].decode()


def torch_has_card() -> bool:
    program = "import sys, torch; sys.exit(not torch.cuda.is_available())"
    return subprocess.run([sys.executable, "-c", program], **ALONE).returncode == 0


def card_rate(kind: str) -> float:
    """Floating-point operations a second of the GPU's own matrix product, in a process that has chosen its digits."""
    program = (
        "import time, cupy, numpy as np;"
        "a = cupy.asarray(np.random.default_rng(0).random((8192, 8192), 'float32'));"
        "wait = cupy.cuda.Device().synchronize; a @ a; wait();"
        "start = time.perf_counter(); [a @ a for _ in range(20)]; wait();"
        "print(20 * 2 * 8192**3 / (time.perf_counter() - start))"
    )
    command = [sys.executable, "-c", program]
    return float(subprocess.run(command, check=True, capture_output=True, env=environment(1, kind), **ALONE).stdout)


def ratio(case: dict, rival: str) -> float:
    """The median, over the turns, of our time over theirs."""
    pairs = zip(case["seconds"]["ours"], case["seconds"][rival], strict=True)
    return statistics.median(mine / theirs for mine, theirs in pairs)


def make_table(results: dict) -> str:
    """What is printed: a line for each case."""
    head = ("", "ms a step", "images/s", "PyTorch", "ch.-last", "ONNX R.", "of sgemm", "memory MB", "PyTorch's")
    lines = [f"{head[0]:<28}" + "".join(f"{word:>10}" for word in head[1:])]
    for name, case in results["cases"].items():
        seconds = statistics.median(case["seconds"]["ours"])
        ratios = [f"{ratio(case, rival):.2f}" if rival in case["seconds"] else "-" for rival in RIVALS]
        share = case["of the matrix product's rate"]
        peaks = [case["peak bytes"].get(engine, 0) / 2**20 for engine in ("ours", "torch")]
        cells = (f"{1000 * seconds:.4g}", f"{case['batch'] / seconds:,.0f}", *ratios, f"{share:.0%}")
        lines.append(
            f"{name:<28}" + "".join(f"{cell:>10}" for cell in (*cells, *(f"{p:,.0f}" if p else "-" for p in peaks)))
        )
    lines += [
        "",
        "PyTorch, ch.-last, ONNX R.: our time / theirs. of sgemm: the multiplications and additions of the textbook's",
        f"method, as a share of what the machine's own matrix product does in that time ({results['sgemm'] / 1e9:.0f} "
        "GFLOP/s); above 100% we need fewer.",
    ]
    if "card" in results:
        rates = (f"{results['card'][kind] / 1e12:.0f} ({kind})" for kind in CARD_KINDS)
        lines.append(
            f"cuda: on {results['card']['name']}; of sgemm: of its own matrix product's {' and '.join(rates)} TFLOP/s; "
            "memory: the GPU's."
        )
    for kind, seconds in results.get("cold start", {}).items():
        lines.append(f"Process start to the end of the first AlexNet step, 8 images, {kind} cache: {seconds:.1f} s.")
    if "scale" in results:
        lines.append("AlexNet, ms an image: " + "; ".join(f"{k}: {1000 * v:.2f}" for k, v in results["scale"].items()))
    return "\n".join(lines)


def draw(results: dict, path: Path) -> None:
    """The ratios as bars: shorter is better, 1 is the rival's time."""
    names = {"torch": "PyTorch", "torch-channels-last": "PyTorch, channels last", "onnxruntime": "ONNX Runtime"}
    colours = {"torch": "#0072b2", "torch-channels-last": "#9ab8cc", "onnxruntime": "#e69f00"}
    row, ticks = 0.0, {}
    longest = 2.0  # longer bars are cut off
    figure = Figure(figsize=(8, 9), layout="constrained")
    axes = figure.subplots()
    for name, case in results["cases"].items():
        rivals = [rival for rival in names if rival in case["seconds"]]
        if rivals:
            ticks[name] = row + (len(rivals) - 1) / 2
        for rival in rivals:
            value = ratio(case, rival)
            axes.barh(row, min(value, longest), color=colours[rival], height=0.85, label=names[rival])
            ground = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}  # over the line at 1
            axes.text(min(value, longest) + 0.02, row, f"{value:.2f}", va="center", fontsize=8, bbox=ground)
            row += 1
        row += 0.7
    if not ticks:
        return
    figure.set_size_inches(8, 0.24 * row + 1.3)
    axes.set_yticks(list(ticks.values()), list(ticks))
    axes.set(ylim=(row - 0.7, -0.8), xlim=(0, longest + 0.2))
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xlabel("our time / theirs: left of the line we are faster (bars end at 2)")
    bars, labels = axes.get_legend_handles_labels()
    once = {label: (bar, label) for bar, label in zip(bars, labels)}
    axes.legend(*zip(*once.values()), loc="lower right", fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    card = [results["card"]["name"]] if "card" in results else []
    axes.set_title(", ".join([results["machine"], *card]), fontsize=9)
    figure.savefig(path, dpi=120)


def installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def machine() -> str:
    """The processor's name and the number of cores."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        name = names[0] if names else name
    return f"{name}, {os.cpu_count()} cores"


def environment(threads: int, engine: str = "ours") -> dict:
    """The same number of threads for every engine; and whether CuPy's products may take fewer digits."""
    settings = {"NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
    return os.environ | settings | {"CUPY_TF32": "1" if engine.endswith("tf32") else "0"}
