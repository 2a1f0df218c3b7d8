"""`train --processes N`: start N processes by mpiexec, hand on Ctrl-C, and say in one sentence how it ended.

MPIs end with banners of ten lines, which name a process by a number that says nothing to anybody.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from threading import Thread
from typing import Any, TextIO

from examples.shared.command_line import ROOT
from nn.parallel.mpiexec import mpiexec, settings

NOTE = "lenet ranks: "  # how the lines begin by which rank 0 tells the launcher of itself and the others
ENDED = "ended"
TOLD = "LENET_LAUNCHED"  # set in the environment of what the launcher has started
# How the lines begin that MPIs write of themselves.
BANNERS = re.compile(
    rb"=|YOUR APPLICATION TERMINATED|This typically refers|Please see the FAQ|\[proxy:|\[mpiexec@|\[unset\]|"
    rb"Abort\(\d+\) on|internal ABORT|application called MPI_Abort|\[[^\] ]+:\d+\] "
)
RULE = re.compile(rb"-{20,}$")  # around each of Open MPI's
DEAD = (
    re.compile(rb"PID (?P<pid>\d+) RUNNING AT"),  # MPICH, Intel MPI
    re.compile(rb"process rank (?P<rank>\d+) with PID"),  # Open MPI
    re.compile(rb"Process name: \[prterun-[^,]*,(?P<rank>\d+)\]"),
)
SIGNAL = re.compile(rb"(?:^signal|exited on signal|EXIT STRING: .*\(signal) (\d+)")
SAID = re.compile(rb"rank \d+ of \d+|rank \d+ and rank")


def tell(what: object) -> None:
    """From rank 0 to the launcher, if there is one: of each rank its host and process, or that all have ended well."""
    if TOLD in os.environ:
        print(NOTE + json.dumps(what), file=sys.__stderr__, flush=True)


def start(arguments: Sequence[str], processes: int, remedy: str) -> int:
    """Run the program with these arguments in so many processes; the exit status. Raises FileNotFoundError without
    mpiexec. remedy: how to go on, for the sentence where one of them dies."""
    code = (
        f"import sys; sys.path[0] = {str(ROOT)!r}; sys.argv[0] = {sys.argv[0]!r}; "
        "from examples.shared.command_line import run_program; from examples.train.program import main; "
        "run_program(main)"
    )
    command = [*mpiexec(processes), sys.executable, "-c", code, *arguments]
    # In a session of its own, or the terminal's Ctrl-C would reach mpiexec too, and Open MPI's kills.
    environment = settings(processes) | {TOLD: "1"}
    pipe = subprocess.PIPE
    process: subprocess.Popen | None = None
    asked: list[int] = []

    def hand_on(number: int, frame: object) -> None:
        asked.append(number)
        if process is None:  # it is being started, and ended as soon as that is done
            return
        if len(asked) > 1 or not hasattr(signal, "SIGUSR1"):
            process.terminate()
        else:
            process.send_signal(signal.SIGUSR1)  # which every MPI hands on

    before = {number: signal.signal(number, hand_on) for number in (signal.SIGINT, signal.SIGTERM)}
    watched = Watched()
    try:
        process = subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, start_new_session=True)
        if asked:
            process.terminate()
        reader = Thread(target=watched.read, args=(process.stdout, sys.stdout))
        reader.start()
        watched.read(process.stderr, sys.stderr)
        reader.join()
        status = process.wait()
    finally:
        if process and process.poll() is None:
            process.kill()
        for number, handler in before.items():
            signal.signal(number, handler)
    if watched.has_ended or watched.has_said:
        return status if 0 <= status <= 2 or status in (130, 143) else 1
    if asked:
        print(f"\ntrain: stopped by {signal.Signals(asked[0]).name}{remedy}", file=sys.stderr)
        return 128 + asked[0]
    if 0 < status <= 2 and not watched.dead:  # bad input: the program has said so
        return status
    print(f"train: {watched.whom(processes)}, so all were ended{remedy}", file=sys.stderr)
    return 1


class Watched:
    """What the processes write on stderr, without what mpiexec adds; and what that says of who died."""

    def __init__(self) -> None:
        self.who: list[list] = []  # of each rank its host and process
        self.dead: re.Match | None = None
        self.has_ended = False  # as it should
        self.signal = 0
        self.has_said = False
        self._is_within = False

    def read(self, source: Any, target: TextIO) -> None:
        """Hand on the lines of `source`, while there are any."""
        for line in source:
            if (shown := self.line(line)) is not None:
                target.write(shown)
                target.flush()

    def line(self, line: bytes) -> str | None:
        """The line if it is the program's, else None."""
        text = line.replace(b"\0", b"").rstrip(b"\r\n")  # of runs that were ended, some have NULs
        if text.startswith(NOTE.encode()):
            told = json.loads(text[len(NOTE) :])
            self.has_ended = told == ENDED
            self.who = self.who if self.has_ended else told
            return None
        if RULE.match(text):
            self._is_within = not self._is_within
        elif not self._is_within and not BANNERS.match(text):
            self.has_said = self.has_said or SAID.search(text) is not None
            return text.decode(errors="replace") + "\n"
        self.dead = self.dead or next(filter(None, (each.search(text) for each in DEAD)), None)
        found = SIGNAL.search(text)
        self.signal = self.signal or (int(found[1]) if found else 0)
        return None

    def whom(self, processes: int) -> str:
        """Who died, and of what."""
        found = {} if self.dead is None else {name: int(number) for name, number in self.dead.groupdict().items()}
        rank = found.get("rank")
        if "pid" in found:
            rank = next((rank for rank, (_, pid) in enumerate(self.who) if pid == found["pid"]), None)
        name = "a rank" if rank is None else f"rank {rank} of {processes}"
        if rank is not None and rank < len(self.who):
            name += f" on {self.who[rank][0]}"
        cause = "died"
        if self.signal:
            known = self.signal in list(map(int, signal.Signals))
            cause = f"was ended by {signal.Signals(self.signal).name if known else f'signal {self.signal}'}"
        return f"{name} {cause}"
