"""The course kit: slides and sheets from a small lesson, what its guide says, and the pages in a browser."""

import base64
import html
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("jupytext", reason="jupytext is not installed: pip install -e '.[book]'")
pytest.importorskip("latex2mathml", reason="latex2mathml is not installed: pip install -e '.[book]'")
pytest.importorskip("mdit_py_plugins", reason="mdit-py-plugins is not installed: pip install -e '.[book]'")

from examples.lessons.__main__ import FOLDER as LESSONS
from examples.lessons.course import __main__ as course
from examples.lessons.course.cells import Cell, read, run
from examples.lessons.course.markup import STATIC, as_html, nodes
from examples.lessons.course.sheets import sheet_page
from examples.lessons.course.slides import OUTPUT_LINES, first_sentences, shortened, slides, slides_page
from tests.browser import ARROWS, Browser, needs_browser

LESSON = r"""# %% [markdown]
# # Lesson 7: halves
#
# A **half** is one of two equal parts. We cut some.

# %%
from pathlib import Path

from examples.lessons.figures import figure

with open("ran.txt", "a") as ran:
    ran.write("x")

# %% [markdown]
# ## Cutting
#
# Cut a number in two, e.g. by 0.5. It costs < 1 second & no `$` at all.
#
# $$\text{half}(x) = \frac{x}{2}$$
#
# Here $x_0$ is what is cut.
#
# | x | half |
# |---|---|
# | 4 | 2 |

# %%
for x in range(20):
    print(x, "<", x / 2)
with figure("07_halves", 4, 2) as drawing:
    drawing.subplots().plot([1, 2])

# %% [markdown]
# ## In short
#
# - Half of it is half.
#
# $$\text{half}(x) = \frac{x}{2}$$
#
# - Watch out: not a third.

# %% [markdown]
# ## Exercises (answers: `solutions/solution_07.py`)
#
# 1. What is half of 3?
# 2. BUG: what is wrong with a third?
"""


@pytest.fixture
def lesson(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    path = tmp_path / "lesson_07_halves.py"
    path.write_text(LESSON, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The lesson's cells after a run, and its folder."""
    folder, before = tmp_path_factory.mktemp("small"), os.getcwd()
    os.chdir(folder)
    try:
        Path("lesson_07_halves.py").write_text(LESSON, encoding="utf-8")
        cells = run(Path("lesson_07_halves.py"), Path("kept.json"))
        for cell in cells:
            cell.figures = [str(folder / figure) for figure in cell.figures]
    finally:
        os.chdir(before)
    return cells


def alone(page):
    """Nothing in the page leads anywhere else but to files beside it."""
    links = re.findall(r'(?:src|href)="(.*?)"|url\((.*?)\)|@import (.*?);', page)
    return all(one.startswith("data:image/png;base64,") or "/" not in one for each in links for one in each)


# ------------------------------------------------------------------------------------------------- running
def test_each_cell_has_what_it_printed_and_drew(small):
    assert [cell.markdown for cell in small] == [True, False, True, False, True, True]
    assert small[1].output == "" and small[1].figures == []
    assert small[3].output == "\n".join(f"{x} < {x / 2}" for x in range(20))  # and no line "-> runs/..."
    assert [Path(figure).name for figure in small[3].figures] == ["07_halves.png"]


@pytest.mark.slow
def test_a_lesson_runs_again_only_if_its_text_changed_or_a_figure_is_gone(lesson, tmp_path):
    kept, ran = tmp_path / "kept.json", tmp_path / "ran.txt"
    first = run(lesson, kept)
    assert run(lesson, kept) == first and ran.read_text() == "x"
    Path(first[3].figures[0]).unlink()
    assert run(lesson, kept) == first and ran.read_text() == "xx"
    lesson.write_text(LESSON.replace("range(20)", "range(2)"), encoding="utf-8")
    again = run(lesson, kept)[3]
    assert again.output == "0 < 0.0\n1 < 0.5" and ran.read_text() == "xxx"
    assert again.figures == first[3].figures  # drawn again over the old one


@pytest.mark.slow
def test_a_lesson_that_fails_is_not_kept(lesson, tmp_path):
    lesson.write_text(LESSON.replace("for x in", "assert False, 'half a loaf'\nfor x in"), encoding="utf-8")
    for _ in range(2):
        with pytest.raises(RuntimeError, match="lesson_07_halves.py ended with an error: AssertionError: half a loaf"):
            run(lesson, tmp_path / "kept.json")


# ------------------------------------------------------------------------------------------------- slides
def test_the_slides(small):
    made = slides(small)
    assert [slide.title for slide in made[:2]] == ["Lesson 7: halves", "Cutting"]
    assert [slide.title for slide in made[-2:]] == ["In short", "Exercises (answers: `solutions/solution_07.py`)"]
    assert made[0].kind == "title" and "<strong>half</strong>" in made[0].body[0]
    cutting = "".join(part for slide in made[1:-2] for part in slide.body)
    assert cutting.count("<mfrac>") == 1 and "<td>4</td>" in cutting
    assert "Here" not in cutting and "Here" in made[1].notes and "Cut a number" in made[1].notes
    assert "0 &lt; 0.0" in cutting and f"... and {20 - OUTPUT_LINES} lines more" in cutting and "19 &lt;" not in cutting
    figures = [slide for slide in made if slide.kind == "figure"]
    assert len(figures) == 1 and figures[0].title == "Cutting" and figures[0].notes
    data = re.search(r"base64,(.*?)\"", figures[0].body[-1])[1]
    assert base64.b64decode(data) == Path(small[3].figures[0]).read_bytes()
    assert "not a third" in "".join(made[-2].body) and '<ol start="2">' in "".join(made[-1].body)


def test_more_than_a_slide_holds_goes_on_the_next():
    long = "## A\n\n" + "\n\n".join(f"$$x_{{{n}}} = {n}$$" for n in range(12))
    made = slides([Cell(True, "# T"), Cell(True, long), Cell(False, "", "printed"), Cell(True, "## B")])
    assert [slide.title for slide in made] == ["T", "A", "A", "A", "B"]
    assert "".join("".join(slide.body) for slide in made).count("<math") == 12
    assert "printed" in "".join(made[3].body) and made[4].body == []
    (recipe,) = slides([Cell(True, "## Recipe\n\n1. Take it.\n2. Eat it.\n\nProse.\n\n- not this")])
    assert len(recipe.body) == 2 and "Eat it" in recipe.body[1] and "Prose" in recipe.notes
    (sets,) = slides([Cell(True, "## Sets\n\nThere are two:\n\n- this\n- that\n\nProse:\n\n- not this")])
    assert len(sets.body) == 3 and "that" in sets.body[2]


def test_what_is_printed_alone_on_a_slide_is_introduced():
    """By the first sentence before its cell; and what a bug prints that is planted behind "In short" is for later."""
    text = "Now by the library, which has the very same numbers and is faster by far. And more."
    cells = [
        Cell(True, "## A\n\nFirst. Then nothing."),
        Cell(False, "", "x\n" * 13),
        Cell(True, text),
        Cell(False, "", "alone\n" * 12),
        Cell(False, "", "y\n" * 12),
        Cell(True, "## In short\n\n- It is."),
        Cell(False, "", "from the bug"),
        Cell(True, "## Exercises"),
    ]
    made = slides(cells)
    assert [slide.title for slide in made] == ["A", "A", "A", "In short", "Exercises"]
    assert [len(slide.body) for slide in made] == [2, 2, 1, 1, 0]
    assert made[1].body[0] == f'<p class="lead">{text[:-10]}</p>' and "alone" in made[1].body[1]
    assert text[:-10] not in made[0].body[0] + made[2].body[0] and "Now" in made[1].notes


def test_few_lines_are_set_in_larger_letters():
    def kind(output):
        return re.search('<section class="(.*?)"', slides_page([Cell(True, "## A"), Cell(False, "", output)], "t"))[1]

    assert kind("short\n" * 3) == "light"
    assert kind("x" * 80) == "" and kind("short\n" * 10) == ""


def test_in_short():
    assert first_sentences("One. Two.", 1) == "One." and first_sentences("By e.g. this it. No", 1) == "By e.g. this it."
    assert first_sentences("In 3.5 steps, `a.b`. No", 1) == "In 3.5 steps, `a.b`." and first_sentences("A", 1) == "A"
    assert first_sentences("One. Two. Three.", 5) == "One. Two." and first_sentences("One. Two.", 99) == "One. Two."
    assert first_sentences("It is one. (In a way. Or two.) Three.", 5) == "It is one."
    assert first_sentences("It is (in a way. Or two). Three.", 5) == "It is (in a way. Or two)."
    assert shortened("\n a \nb\n") == " a \nb"
    lines = [str(n) for n in range(OUTPUT_LINES + 1)]
    assert shortened("\n".join(lines)).splitlines() == lines  # a line that says that one is left out saves none
    assert shortened("\n".join([*lines, "last"])).splitlines()[-1] == "... and 2 lines more"


def test_the_page_of_slides_is_complete(small):
    page = slides_page(small, "Lesson 7: <halves>")
    assert "<title>Lesson 7: &lt;halves&gt;</title>" in page and alone(page) and "</script>" in page
    assert page.count("<section") == len(slides(small)) == page.count("<footer>")
    assert "&lt; 1 second &amp; no <code>$</code>" in page


# ------------------------------------------------------------------------------------------------- sheets
def test_the_sheet(small):
    page = sheet_page(small, "Lesson 7: halves")
    assert alone(page) and page.count("<img") == 1
    order = [
        "<h1>Lesson 7: halves",
        "one of two equal parts",
        "<h2>In short",
        "not a third",
        "<h2>Exercises",
        "half of 3",
    ]
    places = [page.index(part) for part in order]
    assert places == sorted(places)
    assert page.count("<mfrac>") == 1 and "More formulas" not in page  # the one formula is in short already
    without = [cell for cell in small if "In short" not in cell.text]
    page = sheet_page(without, "t")
    assert "In short" not in page and "<h2>Formulas" in page and page.count("<mfrac>") == 1
    assert sheet_page([Cell(True, "# T")], "T").count("<section") == 0


# ------------------------------------------------------------------------------------------- the program
@pytest.fixture
def some_lessons(lesson, monkeypatch):
    monkeypatch.setattr(course, "FOLDER", lesson.parent)
    (lesson.parent / "lesson_08_thirds.py").write_text(
        "# %% [markdown]\n# # Lesson 8: thirds & more\n", encoding="utf-8"
    )
    return lesson


@pytest.mark.slow
def test_the_program_writes_all(some_lessons, capsys):
    assert course.main([]) == 0
    made = Path("runs/course")
    assert {path.name for path in made.glob("*.html")} == {
        *(f"lesson_{name}_{kind}.html" for name in ("07_halves", "08_thirds") for kind in ("slides", "sheet")),
        "index.html",
    }
    index = (made / "index.html").read_text(encoding="utf-8")
    links = re.findall(r'href="(.*?)"', index)
    assert len(links) == 4 and all((made / link).exists() for link in links) and "thirds &amp; more" in index
    assert "2 lessons in runs/course" in capsys.readouterr().out
    assert course.main(["8", "--out", "other"]) == 0
    assert not list(Path("other").glob("lesson_07*")) and list(Path("other").glob("lesson_08*"))


@pytest.mark.slow
def test_the_program_says_what_failed(some_lessons, capsys):
    some_lessons.write_text(LESSON.replace("for x in", "1 / 0\nfor x in"), encoding="utf-8")
    assert course.main([]) == 1
    out = capsys.readouterr().out
    assert "lesson_07_halves.py ended with an error: ZeroDivisionError" in out and "1 lessons in" in out
    with pytest.raises(SystemExit) as exit_:
        course.main(["9"])
    assert exit_.value.code == 2 and "there is no lesson 9, expected numbers from 7 to 8" in capsys.readouterr().err


def test_what_is_not_installed_is_one_sentence(some_lessons, capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "latex2mathml.converter", None)
    monkeypatch.delitem(__import__("sys").modules, "examples.lessons.course.markup", raising=False)
    with pytest.raises(SystemExit) as exit_:
        course.main([])
    err = capsys.readouterr().err
    assert exit_.value.code == 2 and err.count("\n") == 1
    assert 'pip install "lenet-to-alexnet[book]"' in err  # cmd.exe knows no other quotes


# --------------------------------------------------------------------------------------------- all lessons
def all_lessons():
    return sorted(LESSONS.glob("lesson_*.py")) + sorted(LESSONS.glob("appendix*.py"))


@pytest.mark.parametrize("path", all_lessons(), ids=lambda path: path.stem)
def test_every_formula_of_the_lessons_is_typeset(path):
    """What the converter does not know it leaves standing, with its backslash; and no formula ends in the middle."""
    for cell in read(path):
        if cell.markdown:
            words = as_html(*nodes(cell.text))
            for formula in re.findall("<math.*?</math>", words, re.DOTALL):
                said = html.unescape(re.sub("<.*?>", "", formula))
                assert "\\" not in said and "$" not in said, said
            rest = re.sub("<code>.*?</code>|<math.*?</math>", "", words, flags=re.DOTALL)
            assert "$" not in rest, re.search(r".{0,60}\$.{0,60}", rest)[0]


def test_the_guide_names_what_there_is():
    """docs/course/README.md: every lesson, by its number, and no file that is not there."""
    guide = Path(__file__).parents[1] / "docs" / "course" / "README.md"
    text = guide.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert (guide.parent / link).exists(), link
    taught = set(map(int, re.findall(r"^\| (\d+) \|", text, re.MULTILINE)))
    assert taught == set(range(21))


def test_the_guides_program_counts_right_answers():
    """The test set of the project, as `lenet classify --json` answers about it."""
    guide = Path(__file__).parents[1] / "docs" / "course" / "README.md"
    program = re.search(r"```python\n(.*?)```", guide.read_text(encoding="utf-8"), re.DOTALL)[1]
    answers = [("my_test/leaf/a.png", "leaf"), ("my_test/cup/a.png", "leaf"), ("my_test/leaf/b.png", "leaf")]
    pictures = [{"file": file, "answers": [{"class": name}, {"class": "cup"}]} for file, name in answers]
    said = subprocess.run(
        [sys.executable, "-c", program], input=json.dumps({"pictures": pictures}), capture_output=True, text=True
    )
    assert said.stdout == "2 of 3\n", said.stderr


# ------------------------------------------------------------------------------------------- in a browser
@pytest.fixture(scope="module")
def browser():
    browser = Browser()
    yield browser
    browser.close()


@needs_browser
def test_keys_go_through_the_slides(small, browser, tmp_path):
    (tmp_path / "slides.html").write_text(slides_page(small, "t"), encoding="utf-8")
    browser.open((tmp_path / "slides.html").as_uri())
    browser.resize(1280, 720)
    shown = "return [...document.querySelectorAll('section')].filter((s) => s.offsetHeight).map((s) => s.id)"
    notes = "return getComputedStyle(document.querySelector('.shown .notes')).display"
    count = len(slides(small))
    assert browser.run(shown) == ["1"]
    browser.press(ARROWS["right"], ARROWS["right"], ARROWS["left"], " ")
    assert browser.run(shown) == ["3"] and browser.run("return location.hash") == "#3"
    assert browser.run(notes) == "none"
    browser.press("n")
    assert browser.run(notes) == "block"
    browser.press("n", *[ARROWS["right"]] * 20)
    assert browser.run(shown) == [str(count)] and browser.run(notes) == "none"
    browser.press(*[ARROWS["left"]] * 20)
    assert browser.run(shown) == ["1"] and browser.complaints() == []


@pytest.mark.parametrize("style", ["slides.css", "sheet.css"])
def test_formulas_have_a_font_on_every_system(style):
    """Without one a root covers half of its fraction. Windows, macOS and Linux have these."""
    families = re.search(r"^math { font-family: (.*), math; }$", (STATIC / style).read_text(), re.MULTILINE)[1]
    for family in ("Cambria Math", "STIX Two Math", "DejaVu Math TeX Gyre"):
        assert f'"{family}"' in families


@needs_browser
def test_a_sheet_is_one_page(small, browser, tmp_path):
    """Also one that has much to say: its letters become smaller."""
    more = [Cell(True, "## In short\n\n" + "\n".join(f"- This is the point {n}, at some length." for n in range(35)))]
    for cells, name in ((small, "small"), ([*small[:4], *more, *small[5:]], "long")):
        (tmp_path / f"{name}.html").write_text(sheet_page(cells, "Lesson 7: halves"), encoding="utf-8")
        browser.open((tmp_path / f"{name}.html").as_uri())
        assert browser.wait_until("return document.body.dataset.fits") == "true"
        printed = browser.driver.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
        assert len(re.findall(rb"/Type\s*/Page\b", base64.b64decode(printed["data"]))) == 1
    assert float(browser.run("return parseFloat(document.documentElement.style.fontSize)")) < 11
    assert browser.complaints() == []
