"""The reliability diagram: what it says and where its points are."""

import numpy as np

from nn import plots
from nn.inspect.calibration import calibration_error, reliability
from tests.drawn import assert_filled, catch


def test_points_errors_and_the_line(tmp_path, monkeypatch):
    drawn = catch(monkeypatch)
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.2, 1, 500)
    answers = {"as trained": (sure, rng.random(500) < sure**2), "fair $5": (sure, rng.random(500) < sure)}
    plots.reliability_diagram(tmp_path / "r.png", answers, least=0.4)
    assert_filled(tmp_path / "r.png", columns=1, width=840)
    drawn[0].check()
    upper, lower = drawn[0].axes
    lines = {line.get_label(): line for line in upper.lines}
    for name, (confidence, right) in answers.items():
        (label,) = (label for label in lines if label.startswith(name.replace("$", r"\$")))
        points = np.column_stack([lines[label].get_xdata(), lines[label].get_ydata()])
        np.testing.assert_allclose(points, [row[1:] for row in reliability(confidence, right)])
        assert f"{100 * calibration_error(confidence, right):.1f} %" in label
    assert "no answer" in drawn[0].words()
    assert sum(list(line.get_xdata()) == [0.4, 0.4] for line in (*upper.lines, *lower.lines)) == 2


def test_without_a_line(tmp_path, monkeypatch):
    drawn = catch(monkeypatch)
    plots.reliability_diagram(tmp_path / "r.png", {"sure": (np.ones(3), np.array([True, False, True]))})
    drawn[0].check()
    assert "no answer" not in drawn[0].words()
