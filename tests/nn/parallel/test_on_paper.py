"""The formulas of docs/SCALING.md against numbers worked out by hand, and the page's tables against the formulas."""

import pytest

import models
from nn.parallel import on_paper
from tests.mpi import ROOT

PAGE = (ROOT / "docs" / "SCALING.md").read_text(encoding="utf-8")


def test_the_bytes_are_alexnet_s():
    params = models.alexnet(rng=0).params
    for kind, size in (("conv", on_paper.CONVOLUTIONS), ("fc", on_paper.FULLY_CONNECTED)):
        assert sum(array.nbytes for name, array in params.items() if name.startswith(kind)) == size
    assert on_paper.BYTES == 243_860_896 and "243.9 MB" in PAGE


def test_by_hand():
    """Two machines exchange half of 1,125 MB each way, twice, over 10 Gb/s, of which 9 are left: 1 s."""
    assert on_paper.seconds_to_add(1.125e9, 2, 10e9) == pytest.approx(1 + 2 * 20e-6)
    assert on_paper.seconds_to_add(1.125e9, 4, 10e9) == pytest.approx(1.5 + 6 * 20e-6)
    assert on_paper.seconds_to_add(1e9, 1, 10e9) == 0
    assert on_paper.efficiency(3, 1) == 0.75


def test_the_trick():
    assert on_paper.bytes_of_trick(128) == pytest.approx(on_paper.BYTES / 13.2, rel=0.01)
    assert on_paper.bytes_of_trick(1024) == pytest.approx(on_paper.BYTES / 3, rel=0.02)
    limit = on_paper.break_even()
    assert limit == 3275 and "3,275" in PAGE
    assert f"B * {on_paper.ACTIVATIONS / 1e3:.1f} kB" in PAGE
    assert on_paper.seconds_of_trick(0, 2, 1e12) == pytest.approx(on_paper.CONVOLUTIONS * 8 / 0.9e12 + 9 * 20e-6)
    assert on_paper.bytes_of_trick(limit - 1) < on_paper.BYTES <= on_paper.bytes_of_trick(limit)


@pytest.mark.parametrize("node", on_paper.NODES)
def test_the_page_has_the_tables(node):
    step, batch = on_paper.NODES[node]
    assert "\n".join(on_paper.table(step, batch, (1, 10, 25, 100), (2, 4, 8, 16, 32, 64))) in PAGE
