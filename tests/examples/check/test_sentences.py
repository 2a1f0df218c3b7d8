"""What the checker says of answers that cannot be compared, and how it is called from Python."""

from __future__ import annotations

import linecache

import numpy as np
import pytest

from examples.check import check
from examples.check.checker import find_exercise
from examples.check.exercises import EXERCISES
from examples.check.judging import same, where
from examples.check.report import Report, judge_functions
from tests.checks import one_sentence


def said(capsys, exercise, *functions, **named) -> str:
    assert not check(exercise, *functions, **named)
    return " ".join(capsys.readouterr().out.split())


def test_a_right_function_is_right(capsys):
    assert check(0, lambda a, b: a @ b)  # of whatever name, where only one is asked for
    out = capsys.readouterr().out
    assert "right  c is right in 6 cases" in out and out.endswith("All of it is right.\n")


def test_several_functions_by_name(capsys):
    def sigmoid_backward(dy, y):
        return dy * y * (1 - y)

    def tanh_backwards(dy, y):
        return dy * (1 - y**2)

    assert check("12", sigmoid_backward, tanh_backward=tanh_backwards, relu_backward=lambda dy, y: dy * (y > 0))
    text = said(capsys, 12, sigmoid_backward)
    assert "WRONG there is no function tanh_backward" in text and "1 of 3 right" in text
    with one_sentence(ValueError, "'tanh_backwards'", "did you mean tanh_backward"):
        check(12, sigmoid_backward, tanh_backwards)
    with one_sentence(ValueError, "exercise '21'", "0 to 20"):
        check(21, tanh_backwards)


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (lambda a, b: None, "it returns None Hint: Is there a `return`"),
        (lambda a, b: (a @ b).tolist(), "c is of the type list, expected an array (2, 2) Hint: np.array(c)"),
        (lambda a, b: float(a[0, 0]), "c is a single number, expected an array (2, 2)"),
        (lambda a, b: (a @ b)[0, 0], "c is a single number, expected an array (2, 2)"),
        (lambda a, b: input("b? "), "Hint: Nobody is there to answer input()"),
        (lambda a, b: "c", "c is of the type str, expected an array"),
        (lambda a, b: (a @ b)[:1], "its shape is (1, 2), expected (2, 2)"),
        (lambda a, b: np.ones(3) @ np.ones(4), "it raises ValueError: "),
        (lambda a: a, "were given Hint: It is called with 2 arguments"),
        (lambda a, b: len(3), "it raises TypeError: object of type 'int' has no len()"),
        (lambda a, b: (a @ b).astype("f"), "c has the dtype float32, expected that of the input, float64"),
        (
            lambda a, b: (a @ b).astype("d"),
            "c has the dtype float64, expected that of the input, float32 Hint: Is there",
        ),
        (lambda a, b: np.full((len(a), b.shape[1]), np.nan), "at [0, 0] it is nan, expected 0.67165"),
        (lambda a, b: exit(3), "it raises SystemExit: 3"),
        (lambda a, b: np.array([["a"]]), "c is of the type ndarray, expected numbers"),
    ],
)
def test_what_cannot_be_compared_gets_a_sentence(capsys, function, sentence):
    assert sentence in said(capsys, 0, function)


def test_an_argument_that_is_changed(capsys):
    def changing(a, b):
        a *= 2
        return a @ b / 2

    text = said(capsys, 0, changing)
    assert "right c is right in 6 cases" in text and "WRONG it changes its argument a Hint: " in text


def test_a_result_that_is_an_argument(capsys):
    def in_place(w, v, dw, lr, momentum, weight_decay):
        new = momentum * v - lr * (dw + weight_decay * w)
        return w + new, new

    def nothing_new(w, v, dw, lr, momentum, weight_decay):
        return w, v

    assert check(9, in_place)
    capsys.readouterr()
    assert "w is not a new array, it shares memory with an argument" in said(capsys, 9, nothing_new)


def test_too_few_results(capsys):
    assert "it returns one result, expected 2: loss, dlogits" in said(capsys, 8, lambda z, labels: z.mean())
    assert "it returns None as dlogits" in said(capsys, 8, lambda z, labels: (z.mean(), None))
    assert "it returns 3 results, expected 2" in said(capsys, 8, lambda z, labels: (1, 2, 3))


def test_a_number_that_should_be_whole(capsys):
    assert "of the type list" in said(capsys, 10, lambda shape, layers: [[1.0]])


def test_an_error_is_shown_with_the_line_of_the_student(capsys):
    source = "def f(a, b):\n    c = a @ b\n    return np.concatenate([c, 1])\n"
    functions = {"np": np}
    exec(compile(source, "notebook cell", "exec"), functions)
    linecache.cache["notebook cell"] = (len(source), None, source.splitlines(True), "notebook cell")
    text = said(capsys, 0, functions["f"])
    assert "ValueError: " in text and ", in line 3: return np.concatenate([c, 1])" in text
    try:
        functions["f"](np.ones((1, 1)), np.ones((1, 1)))
    except ValueError as error:
        assert where(error, check) == ""  # it has not come through there


def test_right_and_wrong_cases_are_told(capsys):
    def square_only(x, weight, bias, stride, padding):
        return EXERCISES["4"].parts[0].reference(x, weight, bias, 1, padding)

    text = said(capsys, 4, square_only)
    assert "stride 2: its shape is (2, 3, 4, 2), expected (2, 2, 2, 2) (it is right for one image 3x3" in text
    assert "Hint: It looks as if the stride were left out" in text


def test_what_came_before_an_error_is_told(capsys):
    """The smaller case that is wrong first, and which cases are right."""

    def padded_everywhere(x, weight, bias, stride, padding):
        if not padding:
            return EXERCISES["4"].parts[0].reference(x, weight, bias, stride, 0)
        x = np.pad(x, padding)  # images and channels too
        y = np.zeros((len(x) - 2 * padding, *((n - 3) // stride + 1 for n in x.shape[1:3]), weight.shape[3]))
        for n, h, w, o in np.ndindex(y.shape):
            window = x[n, h * stride : h * stride + 3, w * stride : w * stride + 3]
            y[n, h, w, o] = np.sum(window * weight[..., o]) + bias[o]
        return y

    def rows_for_columns(a, b):
        return (b.T @ a.T).T if len(a) < 4 else a[:, 9]

    text = said(capsys, 4, padded_everywhere)
    first, second = text.index("y is wrong for 2 images 4x5"), text.index("kernels 3x3, stride 3, padding 2 it raises")
    assert first < second and "Hint" not in text
    text = said(capsys, 0, rows_for_columns)
    assert "for 4x4 by 4x4 it raises IndexError" in text
    assert "(it is right for 2x2 by 2x2, [[1, 2], [3, 4]] and [[5, 6], [7, 8]]; 2x3 by 3x4; " in text


def test_the_answer_to_another_exercise(capsys):
    report = judge_functions(EXERCISES["6"], {"im2col": lambda: 0, "np": np})
    (name, [finding]) = report.parts[0]
    assert finding.hint == "There is im2col, which exercise 5 asks for: is this the right number?"


def test_no_hint_without_the_mistake(capsys):
    text = said(capsys, 4, lambda x, w, b, stride, padding: EXERCISES["4"].parts[0].reference(x, 3 * w, b, 1, padding))
    assert "WRONG" in text and "Hint" not in text


def test_rounding_is_no_mistake():
    assert same(np.float32([1e6, 1.0]), np.float32([1e6 + 1, 1.5]))  # by the largest number
    assert same(np.array([np.nan, np.inf]), np.array([np.nan, np.inf]))
    assert not same(np.array([1.0, 2]), np.array([1.0, 2 + 1e-6]))
    assert not same(np.array([1.0]), np.array(1.0))
    assert not same(np.array([np.nan]), np.array([0.0]))


def test_names_of_exercises():
    assert [find_exercise(text)[0] for text in ("6", "06", "blind1", "Blind_1")] == ["6", "6", "blind1", "blind1"]
    with one_sentence(ValueError, "did you mean blind1"):
        find_exercise("blin1")


def test_a_report_survives_json():
    report = judge_functions(EXERCISES["12"], {"relu_backward": lambda dy, y: dy, "relu": lambda: 0})
    report.printed = "a line"
    copy = Report.from_json(report.to_json())
    assert copy.text() == report.text() and "| a line" in copy.text() and not copy.right


def test_the_skeletons_examples_are_true():
    """The numbers in the texts at the top of the skeletons."""
    from examples.check.solutions import exercise_02, exercise_07, exercise_08, exercise_14, exercise_18, exercise_19
    from examples.check.solutions.exercise_20 import slower_step, training_work

    one = np.ones((1, 1))
    gradients = exercise_02.backward(one, 0 * one, one, np.zeros(1), 2 * one, np.zeros(1))
    assert [round(float(g.squeeze()), 4) for g in gradients] == [0.0975, 0.0975, 0.1813, 0.248]
    x = np.array([[1.0, 5, 2], [4, 3, 0], [0, 6, 1]]).reshape(1, 3, 3, 1)
    dy = np.array([[1.0, 10], [100, 1000]]).reshape(1, 2, 2, 1)
    assert exercise_07.max_pool(x, 2, 1).reshape(-1).tolist() == [5, 5, 6, 6]
    assert exercise_07.max_pool_backward(dy, x, 2, 1).reshape(3, 3).tolist() == [[0, 11, 0], [0, 0, 0], [0, 1100, 0]]
    loss, dlogits = exercise_08.softmax_cross_entropy(np.zeros((1, 2)), np.array([1]))
    assert round(loss, 4) == 0.6931 and dlogits.tolist() == [[0.5, -0.5]]
    y = exercise_14.lrn(np.array([1.0, 2, 0]).reshape(1, 1, 1, 3), 3, 1.0, 1.0, 2.0)
    assert np.allclose(y.reshape(-1), [1 / 7, 2 / 7, 0])
    right_a, right_b = np.array([True, True, True, False]), np.array([True, False, False, False])
    mean, error = exercise_18.difference(right_a, right_b)
    assert (mean, round(error, 4), exercise_18.sign_test(right_a, right_b)) == (0.5, 0.2887, 0.5)
    W1, W2 = np.array([[3.0, -1]]), np.array([[1.0, 5], [7, 4]])
    maps = exercise_19.saliency(np.full((1, 1, 1, 1), 2.0), W1, np.zeros(2), W2, np.zeros(2), np.array([1]))
    assert maps.tolist() == [[[15]]]
    assert training_work([5, 3, 2], [False, True, True]) == (10, 7)
    w, v = slower_step(np.array([1.0]), np.zeros(1), np.array([2.0]), 0.1, 0.9, 0.0, 0.5)
    assert (w.tolist(), v.tolist()) == ([0.9], [-0.1])
