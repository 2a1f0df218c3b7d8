"""Judge a file in a process of its own, which is stopped when it takes too long."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from pathlib import Path

from examples.check.judging import Finding
from examples.check.report import Report
from examples.shared.command_line import in_a_process


def judge_in_a_process(file: Path, exercise: str, seconds: float) -> Report:
    """What there is to say about the functions in a file. It is run, so it must be a file that may be run."""
    file = file.resolve()
    with tempfile.TemporaryDirectory() as folder:
        report, place = Path(folder, "report.json"), Path(folder, "place.txt")
        command = [*in_a_process("examples.check.child"), str(file), exercise, str(report), str(place), str(seconds)]
        environment = os.environ | {"MPLBACKEND": "Agg", "PYTHONUTF8": "1"}
        nothing = subprocess.DEVNULL
        try:
            done = subprocess.run(
                command, env=environment, stdin=nothing, stdout=nothing, stderr=nothing, timeout=seconds + 30
            )
        except subprocess.TimeoutExpired:  # its own alarm did not ring
            return _stopped(file, "", seconds)
        if report.exists():
            return Report.from_json(json.loads(report.read_text(encoding="utf-8")))
        stack = place.read_text(encoding="utf-8") if place.exists() else ""
        if "Timeout" in stack:
            return _stopped(file, stack, seconds)
    hint = "Does it call os._exit, or take all memory?"
    return Report(
        trouble=Finding(False, f"the process in which the file ran ended with status {done.returncode}", hint)
    )


def _stopped(file: Path, stack: str, seconds: float) -> Report:
    """stack: what faulthandler writes, the innermost call first."""
    found = re.search(rf'File "[^"\n]*{re.escape(file.name)}", line (\d+) in (\S+)', stack)
    place = f", in line {found[1]} of {file.name}, in {found[2]}" if found else ""
    hint = "Is there a loop that never ends? --seconds gives it more time."
    return Report(trouble=Finding(False, f"it had not ended after {seconds:g} seconds{place}", hint))
