"""A training run that several processes share: its options, how they come together, and how they end together."""

from __future__ import annotations

import argparse
import os
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from examples.shared.command_line import BAD_INPUT, how_to_start, positive_number, whole_number
from examples.shared.options import add_value
from examples.train import launcher
from examples.train.stopping import StopSignals
from models.recipes import Recipe
from nn import Network
from nn.backend.runtime.blas import blas_libraries
from nn.data.sources import DataLost
from nn.parallel import Ranks
from nn.parallel.faults import EXPECTED, LET_SPEAK, fail
from nn.parallel.ranks import PATIENCE, RANKS, choose_card, told, told_size
from nn.training.data_parallel import DataParallel, usual_shards
from nn.training.schedules import WarmUp
from nn.training.weird_trick import WeirdTrick

ABOUT_PARALLEL = """\
--processes 4 shares each batch among four processes of this machine; across machines, mpiexec starts them: mpiexec
-hosts a,b -n 2 python -m examples.train ... (docs/SCALING.md). --batch-size is the batch of all together. It is cut
into --shards, whose gradients are added in one fixed order: as long as they stay 8, say, 1, 2, 4 and 8 processes end
with the same bits, also where a run is continued by another number of them. For a larger batch, --lr-of-batch 128
multiplies the learning rate by --batch-size / 128, and --warm-up lets it rise at first. More processes on the same
cores are no faster than one: they are for several machines or cards. --weird-trick sends less where links are slow:
each process learns a part of the fully connected layers' units, from all images of the batch, and sends activations
instead of those layers' gradients. The results are the same but for rounding, which is another for each number of
processes."""
UNFIT = (ValueError, ImportError, RuntimeError)  # what `join` raises
REMEDY = "; to continue from the last checkpoint, if there is one: "
TRICK = "--weird-trick"
OWN = ("--processes", "--patience", "--shards")  # which the command in a checkpoint leaves out: shards are added anew


def add_parallel(parser: argparse.ArgumentParser) -> None:
    """The options of a shared run."""
    meaning = "share the work among N processes of this machine"
    needs = "needs pip install 'lenet-to-alexnet[mpi]'"
    add_value(parser, "--processes", meaning, here=needs, told="1", type=whole_number(1), metavar="N")
    meaning = "parts of a batch whose gradients are added in a fixed order; as many as there are processes: ranks"
    told = "8 where 2, 4 or 8 processes share batches of at least 256, else as many as there are"
    add_value(parser, "--shards", meaning, told=told, type=_shards, metavar="N|ranks")
    meaning = "share the fully connected layers by units and not by images: fewer bytes for small batches, slow links"
    parser.add_argument(TRICK, action="store_true", help=meaning)
    meaning = "after so long without a sign of life from one process, name it and end all"
    add_value(parser, "--patience", meaning, default=PATIENCE, type=positive_number(1e6), metavar="SECONDS")
    meaning = "the learning rate is meant for batches of N, and is multiplied by --batch-size / N"
    add_value(parser, "--lr-of-batch", meaning, told="for the batch as it is", type=whole_number(1), metavar="N")
    meaning = "epochs in which the learning rate rises from a tenth to all of what the schedule says"
    add_value(parser, "--warm-up", meaning, told="0", type=positive_number(1e6), metavar="N")


def quiet_others() -> None:
    """Let this process say nothing where mpiexec started it as another than rank 0, until it has to say why all end;
    and let it see one card, its own."""
    if told(RANKS) not in (None, 0):
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115 (as long as the process)
    choose_card()


def is_started() -> bool:
    """Whether mpiexec started this process."""
    return told_size() is not None or "mpi4py" in sys.modules


def is_to_be_launched(options: argparse.Namespace) -> bool:
    """Whether processes are asked for that are not there yet."""
    return (options.processes or 1) > 1 and not is_started()


def launched(parser: Any, options: argparse.Namespace, arguments: Sequence[str], command: str) -> int:
    """Start the processes; the exit status."""
    resume = f"{how_to_start('train')} {command}{_shards_again(options)} --processes {options.processes} --resume"
    try:
        return launcher.start(arguments, options.processes, f"{REMEDY}{resume}")
    except FileNotFoundError as error:
        parser.error(f"--processes: {error}")


def lasting(arguments: Sequence[str], without: Sequence[str] = OWN) -> list[str]:
    """The arguments without these options and their values."""
    kept, leave_next = [], False
    for argument in arguments:
        if leave_next:
            leave_next = False
        elif argument in without:
            leave_next = True
        elif argument.partition("=")[0] not in without:
            kept.append(argument)
    return kept


def is_same(one: str, other: str) -> bool:
    """Whether checkpoints with these commands are of the same run. Where one of them was made with --weird-trick, it
    does not matter how the other shares its batches: no run has its bits."""
    parts = one.split(), other.split()
    if not any(TRICK in each for each in parts):
        return one == other
    without = [lasting([word for word in each if word != TRICK], ("--shards",)) for each in parts]
    return without[0] == without[1]


def join(options: argparse.Namespace) -> Ranks:
    """The processes that mpiexec started; this one alone where it was started without. Raises what `Ranks.of_mpi` does,
    and ValueError where --processes is another number."""
    if not is_started():
        return Ranks()
    ranks = Ranks.of_mpi(options.patience)
    if options.processes not in (None, ranks.size):
        raise ValueError(f"--processes is {options.processes}, but mpiexec started {ranks.size}; leave --processes out")
    who = ranks.gather((ranks.host, os.getpid()))
    if options.processes and ranks.first:
        launcher.tell(who)
    ranks.busy += 1
    return ranks


def how_to_resume(ranks: Ranks, options: argparse.Namespace, command: str) -> str:
    """The line that continues the run, as it was started."""
    command += _shards_again(options)
    if ranks.size == 1:
        return f"{how_to_start('train')} {command} --resume"
    if options.processes:
        return f"{how_to_start('train')} {command} --processes {ranks.size} --resume"
    return f"mpiexec -n {ranks.size} {how_to_start('train')} {command} --resume"


def _shards_again(options: argparse.Namespace) -> str:
    return "" if options.shards is None else f" --shards {options.shards}"


def data_parallel(options: argparse.Namespace, ranks: Ranks, batch_size: int) -> DataParallel | None:
    """What --shards and --weird-trick say; None for a process that is alone and was asked for neither. Raises
    ValueError."""
    if options.weird_trick:
        return _weird_trick(options, ranks, batch_size)
    if options.shards is None and ranks.size == 1:
        return None
    shards = ranks.size if options.shards == "ranks" else options.shards or usual_shards(ranks.size, batch_size)
    if shards > batch_size:
        raise ValueError(f"--shards: a batch of {batch_size} images cannot be cut into {shards}; take a larger batch")
    try:
        return DataParallel(ranks, shards)
    except ValueError as error:
        raise ValueError(f"--shards: {error}") from None


def _weird_trick(options: argparse.Namespace, ranks: Ranks, batch_size: int) -> WeirdTrick:
    if options.shards not in (None, "ranks", ranks.size):
        raise ValueError(f"--shards: with {TRICK} each process has one part of a batch; leave one of the two out")
    if options.watch:
        raise ValueError(f"--watch shows a whole network, of which each process has a part with {TRICK}; leave one out")
    if ranks.size > batch_size:
        raise ValueError(f"--processes: a batch of {batch_size} images cannot be cut into {ranks.size}; take fewer")
    return WeirdTrick(ranks)


def in_shards(shared: DataParallel | None) -> str:
    """What the command in a checkpoint says of them."""
    return "" if shared is None or isinstance(shared, WeirdTrick) else f" --shards {shared.shards}"


def checked(shared: DataParallel | None, network: Network) -> DataParallel | None:
    """`shared` itself; raises ValueError for a network that cannot be trained so."""
    if shared is not None:
        shared.check(network)
    return shared


def saves(shared: DataParallel | None, is_due: bool) -> bool:
    """Whether this process writes a checkpoint now. All ask, as parts of it may have to be brought together."""
    return is_due if shared is None else shared.saves(is_due)


def scaled(recipe: Recipe, options: argparse.Namespace) -> Recipe:
    """The recipe with the learning rate for its batch, and a warm-up, where they are asked for."""
    if options.lr_of_batch is not None:
        recipe = replace(recipe, lr=recipe.lr * recipe.batch_size / options.lr_of_batch)
    if options.warm_up is not None:
        if options.warm_up > recipe.epochs:
            raise ValueError(
                f"--warm-up is {options.warm_up:g}, expected at most the {recipe.epochs} epochs of the run"
            )
        inner, share = recipe.schedule, options.warm_up / recipe.epochs
        recipe = replace(recipe, schedule=lambda lr: WarmUp(inner(lr), share))
    return recipe


def agreed(ranks: Ranks, make: Callable[[], Any]) -> Callable[[], Any]:
    """`make`, but where it fails on one rank, all raise its ValueError. They must have read the same images, too."""

    def make_together() -> Any:
        made, problem = None, ""
        try:
            made = make()
        except BAD_INPUT as error:
            problem = str(error) or type(error).__name__
        patience, ranks.patience = ranks.patience, None  # to read the data may take one longer than another
        told = ranks.gather((problem, "" if made is None else _fingerprint(made.train_set), _arithmetic()))
        ranks.patience = patience
        problems, images, arithmetic = zip(*told)
        is_bad = any(problems) or len(set(images)) > 1
        if is_bad:
            ranks.busy = 0
        if is_bad and ranks.first:
            launcher.tell(launcher.ENDED)  # as it should, with a sentence
        if any(problems):
            rank = next(rank for rank, each in enumerate(problems) if each)
            where = "" if len(set(problems)) == 1 or rank == 0 else f"rank {rank} of {ranks.size}: "
            raise ValueError(f"{where}{problems[rank]}")
        if len(set(images)) > 1:
            other = next(rank for rank, each in enumerate(images) if each != images[0])
            raise ValueError(
                f"--data: ranks 0 and {other} of {ranks.size} have read different images, expected the same"
            )
        if len(set(arithmetic)) > 1 and ranks.first:
            said = "; ".join(sorted(set(arithmetic)))
            print(f"train: not all ranks compute alike ({said}): other ranks may give other bits", file=sys.stderr)
        return made

    return make if ranks.size == 1 else make_together


def together(ranks: Ranks, work: Callable[[Any], int]) -> Callable[[Any], int]:
    """`work`, but where it fails on one rank, a sentence says so and all end. Its exit status is rank 0's alone:
    mpiexec may end all as soon as one ends with a status."""

    def work_together(run: Any) -> int:
        try:
            with ranks.together():
                status = work(run)
        except Exception as error:
            fail(ranks, error, (*EXPECTED, DataLost))
        ranks.busy = 0
        if ranks.first:
            launcher.tell(launcher.ENDED)
        return status if ranks.first else 0

    return work if ranks.size == 1 else work_together


def ended(ranks: Ranks, status: int) -> int:
    """The exit status; where this rank ends and the others do not know it, all end."""
    if ranks.busy:
        if not ranks.first:
            time.sleep(LET_SPEAK)
        ranks.abort(status=status or 1)
    return status


def agree(ranks: Ranks, stop: StopSignals) -> bool:
    """Whether one of the ranks was asked to stop: all do, after the same step. `stop.asked` may change at any time, so
    only what is returned is the same on all."""
    asked = ranks.any(bool(stop.asked))
    if asked and not stop.asked:
        stop.ask()
    return asked


def _fingerprint(dataset: Any) -> str:
    """Of the images in the order that they have: their number and labels, and the first of them."""
    first = np.ascontiguousarray(dataset.images[0])
    return f"{len(dataset)} {zlib.crc32(dataset.labels.tobytes())} {zlib.crc32(first.tobytes())}"


def _arithmetic() -> str:
    """By what this process multiplies: other kernels round otherwise."""
    kernels = {str(getattr(library, "architecture", "")) for library in blas_libraries()}
    return " ".join([f"NumPy {np.__version__}", *sorted(kernels)])


def _shards(text: str) -> int | str:
    return text if text == "ranks" else whole_number(1)(text)
