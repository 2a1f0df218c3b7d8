"""Does training on as many pictures as one likes begin at once, in memory that does not grow, without waiting?

    python -m tests.large                   a folder of 100,000 pictures: hard links to 1,000 photographs' worth of JPEG
    python -m tests.large --packed          the same from shards, which are packed first
    python -m tests.large --killed          and a run that is killed in the middle and resumed, to the same bits
    python -m tests.large --steps 20        how many steps of full-size AlexNet, of 128 pictures each

Printed are the seconds from the start of the program to the first batch, the memory after each step, and the share of
the time that the network waited for pictures. Exit status 1 where one of them is worse than promised: 5 seconds, 2%
more memory after the last step than after the third, 3% of the time; or where the bits differ.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors import safe_open

from examples.train.results import CHECKPOINT

CLASSES, ALIKE = 1000, 100
FIRST, GROWTH, WAITED = 5.0, 0.02, 0.03  # seconds to the first batch, and shares
ROOT = Path(__file__).resolve().parent.parent

# The program; after each step it says how much memory it has, and it stops after the last.
NOTING = """
import sys, time
from examples.train import program
from nn.training.prefetch import Prefetch

began, steps = float(sys.argv[1]), int(sys.argv[2])
loop, walk = program.train, Prefetch.__iter__
batches = []

def memory():
    with open("/proc/self/status") as file:
        return int(next(line for line in file if line.startswith("VmRSS")).split()[1])

def noted(self):
    batches.append(self)
    for number, batch in enumerate(walk(self)):
        if not number:
            print(f"first batch {time.time() - began}", flush=True)
        yield batch

def train(*arguments, after_step, **options):
    def after(history):
        print(f"step {memory()} {time.time() - began}", flush=True)
        if len(history.steps) == steps:
            print(f"waited {batches[0].waited}", flush=True)
            program_stop[0].asked = "the test"
        return after_step(history)
    return loop(*arguments, after_step=after, **options)

program_stop = []
class Noted(program.StopSignals):
    def __enter__(self):
        program_stop.append(self)
        return super().__enter__()

program.StopSignals, program.train, Prefetch.__iter__ = Noted, train, noted
program.main(sys.argv[3:])
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--packed", action="store_true")
    parser.add_argument("--killed", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        data = make_folder(Path(place) / "pictures")
        if options.packed:
            began = time.time()
            subprocess.run([sys.executable, "-m", "examples.pack", data, Path(place) / "shards"], check=True, cwd=ROOT)
            data = Path(place) / "shards"
            print(f"packed in {time.time() - began:.0f} s")
        status = judge(run(data, Path(place) / "run", options.steps))
        return resumed(data, Path(place), options.steps) if options.killed and not status else status


def make_folder(path: Path) -> Path:
    """1,000 class folders of 100 names, which are one file each."""
    rng = np.random.default_rng(0)
    for label in range(CLASSES):
        folder = path / f"n{label:08}"
        folder.mkdir(parents=True)
        smooth = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize((500, 375))
        levels = np.asarray(smooth) + rng.integers(-14, 15, (375, 500, 3))
        Image.fromarray(levels.clip(0, 255).astype(np.uint8)).save(folder / "000.JPEG", quality=95)
        for number in range(1, ALIKE):
            os.link(folder / "000.JPEG", folder / f"{number:03}.JPEG")
    return path


def command(data: Path, out: Path, steps: int, *more: object) -> list[str]:
    arguments = ["--model", "alexnet", "--data", data, "--stream", "yes", "--out", out, *more]
    return [sys.executable, "-c", NOTING, str(time.time()), str(steps), *map(str, arguments)]


def run(data: Path, out: Path, steps: int, *more: object) -> list[list[str]]:
    """What the program said, in words."""
    result = subprocess.run(command(data, out, steps, *more), cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if result.returncode:
        sys.exit(f"training ended with status {result.returncode}")
    return [line.split() for line in result.stdout.splitlines()]


def judge(said: list[list[str]]) -> int:
    first = next(float(words[2]) for words in said if words[:2] == ["first", "batch"])
    memory = [int(words[1]) / 1024 for words in said if words[0] == "step"]
    times = [float(words[2]) for words in said if words[0] == "step"]
    waited = next(float(words[1]) for words in said if words[0] == "waited")
    growth = memory[-1] / memory[2] - 1
    print("memory after each step, MB:", " ".join(f"{each:,.0f}" for each in memory))
    print(f"first batch after {first:.2f} s, memory {growth:+.2%} from the third step to the last, waited {waited:.2%}")
    print(f"{128 * (len(times) - 3) / (times[-1] - times[2]):.0f} images a second")
    return int(first > FIRST or growth > GROWTH or waited > WAITED)


def resumed(data: Path, place: Path, steps: int) -> int:
    """Kill a run after its first checkpoint and half of the steps, resume it, and compare it with the whole one."""
    out, often = place / "killed", ("--save-every", 1)
    with subprocess.Popen(command(data, out, steps, *often), cwd=ROOT, stdout=subprocess.PIPE, text=True) as begun:
        assert begun.stdout is not None
        done = 0
        for line in begun.stdout:
            done += line.startswith("step")
            if done >= steps // 2 and (out / CHECKPOINT).is_file():
                begun.kill()
                break
    run(data, out, steps, *often, "--resume")
    same = arrays(place / "run" / CHECKPOINT) == arrays(out / CHECKPOINT)
    print(f"killed after step {done} of {steps} and resumed: {'the same bits' if same else 'OTHER BITS'}")
    return int(not same)


def arrays(path: Path) -> dict[str, bytes]:
    """The parameters and velocities of a checkpoint."""
    with safe_open(path, framework="numpy") as file:
        names = [name for name in file.keys() if name.startswith(("param/", "velocity/"))]  # noqa: SIM118 (not a dict)
        return {name: file.get_tensor(name).tobytes() for name in names}


if __name__ == "__main__":
    sys.exit(main())
