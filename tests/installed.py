"""Install a wheel into an empty environment and run every program from another folder, as its users will.

    python -m tests.installed dist/*.whl                 with this Python
    python -m tests.installed dist/*.whl --python python3.13

The folder has a package called `models` of its own, as many folders have, which must not get in the way. Exit status 1
where a command fails; its output is shown then.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COMMANDS = [
    "lenet",
    "lenet --version",
    "lenet render --train 4 --test 0 --folder --out images",
    "lenet render --train 60 --test 20 --image-size 32 --out small",
    "lenet classify images",
    "lenet pack images shards --image-size 32",
    "lenet evaluate digits_lenet digits",
    "lenet compare --epochs 1 --train-size 500",
    "lenet crops --count 4 --figures 1",
    "lenet lessons 1",
    "lenet check 6 --start mine.py",
    "lenet step_through --no-pause",
    "lenet microscope",
    "lenet train --model lenet --data digits --epochs 1",
    "lenet train --model lenet --data digits --epochs 1 --resume",
    "lenet classify --weights runs/train/lenet/last.safetensors --json images",
    "lenet ablations --help",  # it takes photographs of ten classes, which are not in the box
    "lenet few_images --help",  # likewise
    "lenet figure1 --data small/objects.npz --seeds 1 --epochs 1 --rates 0.001",
    "lenet two_gpus --steps 1",
    "lenet benchmark --rounds 1 --without-rivals --only 'LeNet forward, 1'",
]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--python", default=sys.executable, help="that makes the environment (default: this one)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        subprocess.run([options.python, "-m", "venv", place / "environment"], check=True)
        programs = place / "environment" / ("Scripts" if os.name == "nt" else "bin")
        pip = [programs / "python", "-m", "pip", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "--quiet", options.wheel.resolve()], check=True)
        subprocess.run([*pip, "check"], check=True)
        elsewhere = place / "elsewhere"
        (elsewhere / "models").mkdir(parents=True)
        (elsewhere / "models" / "__init__.py").write_text(
            "raise ImportError('these are the models of somebody else')\n"
        )
        failed = sum(not runs(command, programs, elsewhere) for command in COMMANDS)
        empty = [path for path in (elsewhere / "runs").rglob("*.*") if path.stat().st_size == 0]
        print(f"{len(COMMANDS)} commands, {failed} failed; files without content: {empty or 'none'}")
        return 1 if failed or empty else 0


def runs(command: str, programs: Path, folder: Path) -> bool:
    """Does this command end well? Its line is printed, and its output where it does not."""
    first, *rest = split(command)
    hidden = ("PYTHONPATH", "VIRTUAL_ENV")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    start = time.perf_counter()
    result = subprocess.run(
        [programs / first, *rest], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    print(f"{time.perf_counter() - start:6.1f} s  {result.returncode}  {command}", flush=True)
    if result.returncode:
        print(result.stdout.decode("utf-8", "replace"), flush=True)
    return result.returncode == 0


def split(command: str) -> list[str]:
    """The words of a command; what stands between quotes is one."""
    parts = command.split("'")
    return [word for n, part in enumerate(parts) for word in ([part] if n % 2 else part.split())]


if __name__ == "__main__":
    sys.exit(main())
