"""Processes that Ctrl-C at a terminal does not reach: the program hears of it, and ends what it has started."""

from __future__ import annotations

import signal
import subprocess


def started(command: list[str], **options) -> subprocess.Popen:
    """A process of its own; `options` are those of `subprocess.Popen`.

    Ctrl-C while it starts comes into effect afterwards: `subprocess` would forget the process and leave it running.
    """
    pressed = []
    before = signal.signal(signal.SIGINT, lambda *_: pressed.append(True))
    try:
        process = subprocess.Popen(command, start_new_session=True, **options)
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        process.kill()
        process.communicate()
        raise KeyboardInterrupt
    return process


def printed_by(command: list[str], environment: dict[str, str]) -> str:
    """What a process prints until it ends. Raises subprocess.CalledProcessError where it fails."""
    with started(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            printed, _ = process.communicate()
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return printed
