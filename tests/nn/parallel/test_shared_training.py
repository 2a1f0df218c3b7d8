"""One, two and four processes that share a training run end with the same bits, and where one fails, all end."""

import json
import re

import numpy as np
import pytest

from tests.mpi import LIMIT, ROOT, needs_mpi, start

WORK = ROOT / "tests" / "nn" / "parallel" / "ranks_at_work.py"
pytestmark = needs_mpi


def work(processes, *arguments):
    """What rank 0 found at the end of the small run."""
    ended = start(processes, WORK, *arguments)
    assert ended.status == 0, ended.err
    found = json.loads(ended.out.strip().splitlines()[-1])
    assert found["all"] == 1, "the ranks' parameters are not the same"
    return found


@pytest.fixture(scope="module")
def alone():
    """One process, without MPI."""
    return work(0, "--alone", "--augment")


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_any_number_of_ranks_ends_with_the_same_bits(alone, ranks):
    found = work(ranks, "--augment")
    assert len(found["steps"]) == 40
    assert found == alone


def test_the_bits_depend_on_the_number_of_shards(alone):
    assert work(2, "--augment", "--shards", 2)["digest"] != alone["digest"]


def test_batches_with_fewer_images_than_shards(alone):
    """The last batch of 35 has three images for eight shards: rank 3 of 4 has none of them."""
    assert work(4, "--images", 35) == work(0, "--alone", "--images", 35)


def test_it_is_the_training_that_one_process_does(tmp_path):
    """In float64, dropout included, to the last digits: only the order of the additions is another."""
    work(0, "--alone", "--shards", 0, "--dtype", "float64", "--save", tmp_path / "plain.npz")
    work(2, "--shards", 4, "--dtype", "float64", "--save", tmp_path / "shared.npz")
    plain, shared = np.load(tmp_path / "plain.npz"), np.load(tmp_path / "shared.npz")
    for name in plain.files:
        np.testing.assert_allclose(shared[name], plain[name], rtol=0, atol=1e-12)


def test_a_run_that_changes_the_number_of_its_ranks(alone, tmp_path):
    """One process until the seventh step, in the middle of an epoch, two until the twentieth, at its end, then one."""
    checkpoint = ("--augment", "--checkpoint", tmp_path / "checkpoint.safetensors")
    work(1, *checkpoint, "--stop-at", 7)
    work(2, *checkpoint, "--resume", "--stop-at", 20)
    assert work(1, *checkpoint, "--resume") == alone


def test_the_weird_trick(tmp_path):
    """In float64 to the last digits what one process does, dropout included: to the seventh step, in the middle of an
    epoch, with three processes, and to the end with two."""
    work(0, "--alone", "--shards", 0, "--dtype", "float64", "--save", tmp_path / "plain.npz")
    shared = ("--dtype", "float64", "--checkpoint", tmp_path / "checkpoint.safetensors")
    work(3, *shared, "--trick", "--stop-at", 7)
    found = work(2, *shared, "--resume", "--trick", "--save", tmp_path / "trick.npz")
    assert len(found["steps"]) == 40
    plain, trick = np.load(tmp_path / "plain.npz"), np.load(tmp_path / "trick.npz")
    for name in plain.files:
        np.testing.assert_allclose(trick[name], plain[name], rtol=0, atol=1e-12)


@pytest.mark.parametrize("fault", ["kill", "raise", "exit", "vanish"])
def test_all_end_where_one_fails(fault):
    ended = start(2, WORK, "--fault", fault, "--fault-at", 7)
    assert "digest" not in ended.out
    if fault != "vanish":  # os._exit(0) is a good end to MPICH, though it ends the others; `lenet train` notices
        assert ended.status != 0
    if fault in ("raise", "exit"):
        said = [line for line in ended.err.splitlines() if re.match(r"rank 1 of 2 on \S+ (failed|ended)", line)]
        assert len(said) == 1, ended.err
    if fault == "raise":
        assert "RuntimeError: planted" in said[0]


@pytest.mark.parametrize(("ranks", "more"), [(4, ()), (3, ("--trick", "--patience", 2))])
def test_a_rank_that_hangs_is_named(ranks, more):
    ended = start(ranks, WORK, "--fault", "hang", "--fault-at", 7, "--fault-rank", 2, "--patience", 5, *more)
    assert ended.status != 0 and ended.seconds < LIMIT
    said = [line for line in ended.err.splitlines() if "no sign of life" in line]
    assert len(said) == 1 and said[0].startswith(f"rank 2 of {ranks}: "), ended.err
