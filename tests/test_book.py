"""The book: every lesson runs as a notebook, its figures below the cells, and the pages are as a reader needs them.

One building of the book does both; it runs all lessons and takes minutes.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "examples" / "lessons"
LESSONS = [path for pattern in ("lesson_*.py", "appendix*.py") for path in sorted(FOLDER.glob(pattern))]

sys.path.append(str(ROOT / "docs" / "book"))  # no package: the book's own little modules
import plan  # noqa: E402

needs_book = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("myst_nb", "jupytext", "furo", "sphinx-mathjax-offline")),
    reason="The extra that makes the book is not installed: pip install -e '.[book]'.",
)
LOADED = {("script", "src"), ("link", "href"), ("img", "src"), ("iframe", "src"), ("source", "src"), ("video", "src")}
NOT_LOADED = {"next", "prev", "index", "search", "canonical", "author", "copyright"}  # of <link rel=...>


class Page(HTMLParser):
    """What a test asks of a page: its links, what it loads, its ids, the images below cells, its text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.ids: set[str] = set()
        self.images = 0
        self.without_alt = 0
        self.prose = ""
        self._stack: list[tuple[str, str]] = []
        self.html = path.read_text(encoding="utf-8")
        self.feed(self.html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        self.ids.add(values.get("id", ""))
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag == "link" and values.get("rel", "") in NOT_LOADED:
            self.links.append(values["href"])
        else:
            self.loaded += [values[name] for kind, name in LOADED if kind == tag and name in values]
        if tag == "img" and "_images/" in values.get("src", ""):  # where Sphinx puts what cells have drawn
            self.images += 1
            self.without_alt += not values.get("alt", "").startswith("Figure")
        if tag not in ("img", "input", "link", "meta", "br", "hr", "source", "wbr", "col"):
            self._stack.append((tag, values.get("class", "")))

    def handle_endtag(self, tag: str) -> None:
        if any(opened == tag for opened, _ in self._stack):  # else an end without a beginning, as browsers allow
            while self._stack.pop()[0] != tag:
                pass

    def handle_data(self, data: str) -> None:
        apart = {"script", "style", "code", "pre", "svg", "title"}
        if not any(tag in apart or "math" in classes.split() for tag, classes in self._stack):
            self.prose += data


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the book is made from: with BOOK_CACHE=runs/book_cache that of `make book`, whose results are used again."""
    return Path(os.environ.get("BOOK_CACHE") or tmp_path_factory.mktemp("book_cache")).absolute()


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    place = tmp_path_factory.mktemp("book")
    make(place, cache)
    return place / "book"


@pytest.fixture(scope="module")
def pages(book: Path) -> dict[str, Page]:
    """By their paths below the book's folder; the microscope is no page of the book."""
    found = sorted(book.rglob("*.html"))
    return {path.relative_to(book).as_posix(): Page(path) for path in found if path.parent.name != "microscope"}


def make(place: Path, cache: Path, *arguments: str) -> str:
    """Make the book as a user does, and return what was printed. A warning fails it."""
    options = ["--out", "book", "--cache", str(cache), "--jobs", "2", *arguments]
    command = [sys.executable, str(ROOT / "docs" / "book"), *options]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    result = subprocess.run(
        command, cwd=place, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8"
    )
    assert result.returncode == 0, result.stdout
    return result.stdout


@needs_book
@pytest.mark.slow
def test_each_figure_of_a_lesson_is_below_a_cell(cache, pages):
    """A lesson and its answers have as many images as files were drawn whose names begin with its number (an
    appendix's with its name)."""
    drawn = list((cache / "pages").rglob("runs/lessons/*.png"))
    assert len(drawn) >= 20
    for lesson in LESSONS:
        answers = plan.answers(lesson.stem)
        number = answers.removeprefix("solution_")
        shown = [pages[f"lessons/{lesson.stem}.html"], pages[f"solutions/{answers}.html"]]
        assert sum(page.images for page in shown) == sum(path.name.startswith(number) for path in drawn), lesson
        assert sum(page.without_alt for page in shown) == 0


@needs_book
@pytest.mark.slow
def test_no_formula_is_left_raw(pages):
    assert {name: found for name, page in pages.items() if (found := re.findall(r".{0,30}\$.{0,30}", page.prose))} == {}
    assert sum('class="math' in page.html for page in pages.values()) >= 5


@needs_book
@pytest.mark.slow
def test_nothing_is_loaded_from_another_host(book, pages):
    for name, page in pages.items():
        assert [address for address in page.loaded if urlsplit(address).netloc] == [], name
    for path in book.rglob("*.css"):
        outside = re.findall(r"(?:url\(|@import)\s*['\"]?(?:https?:)?//[^)]*", path.read_text(encoding="utf-8"))
        assert outside == [], path


@needs_book
@pytest.mark.slow
def test_every_link_within_the_book_leads_somewhere(book, pages):
    broken = []
    for name, page in pages.items():
        for address in [*page.links, *page.loaded]:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (book / name).parent / unquote(parts.path) if parts.path else book / name
            target = Path(os.path.normpath(target))
            there = pages.get(target.relative_to(book).as_posix())
            if not target.is_file() or (there and parts.fragment and unquote(parts.fragment) not in there.ids):
                broken.append(f"{name}: {address}")
    assert broken == []


@needs_book
@pytest.mark.slow
def test_every_lesson_is_in_the_plan_and_can_be_taken_home(book, pages):
    for lesson in LESSONS:
        assert f"lessons/{lesson.stem}.html" in pages["index.html"].links
        assert f"../notebooks/{lesson.stem}.ipynb" in pages[f"lessons/{lesson.stem}.html"].links
        cells = json.loads((book / "notebooks" / f"{lesson.stem}.ipynb").read_text(encoding="utf-8"))["cells"]
        assert "pip install" in "".join(cells[0]["source"])
        assert len(cells) == 1 + len(plan.cells(lesson))
    assert "colab" not in "".join(address for page in pages.values() for address in page.links)


@needs_book
@pytest.mark.slow
def test_a_second_time_runs_nothing_and_can_link_to_colab(book, cache, tmp_path):
    said = make(tmp_path, cache, "--repository", "somebody/lenet", "--branch", "pages")
    assert "0 lessons and answers are run" in said
    assert "Executing notebook" not in said and "Executed notebook" not in said  # by Sphinx
    name = "lesson_04_convolution"
    address = f"https://colab.research.google.com/github/somebody/lenet/blob/pages/notebooks/{name}.ipynb"
    assert address in Page(tmp_path / "book" / "lessons" / f"{name}.html").links
    cells = json.loads((tmp_path / "book" / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    assert cells[0]["source"] == ['%pip install --quiet "git+https://github.com/somebody/lenet"']


@needs_book
def test_lessons_run_side_by_side_once(tmp_path, capsys):
    from nbclient.exceptions import CellExecutionError
    from notebooks import run_all

    paths = [tmp_path / name for name in ("one.py", "two.py")]
    for path, other in zip(paths, reversed(paths)):  # each waits for the other, which must run at the same time
        path.write_text(
            "# %%\nimport time\nfrom pathlib import Path\n"
            f"open({path.stem!r}, 'a').write('x')\n"
            f"while not Path({other.stem!r}).exists():\n    time.sleep(0.1)\n# %%\nprint(6 * 7)\n"
        )
    run_all(paths, tmp_path / "kept", jobs=2)
    assert capsys.readouterr().out == "2 lessons and answers are run, 0 have not changed\n"
    paths[0].write_text(paths[0].read_text() + "print(1 / 0)\n")
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        run_all(paths, tmp_path / "kept", jobs=1)
    assert capsys.readouterr().out == "1 lessons and answers are run, 1 have not changed\n"
    assert [(tmp_path / path.stem).read_text() for path in paths] == ["xx", "x"]


@pytest.mark.parametrize(
    ("arguments", "word"), [(["--repository", "lenet"], "OWNER/NAME"), (["--out", "."], "other files")]
)
@needs_book
def test_a_mistake_is_one_sentence_and_nothing_is_touched(tmp_path, arguments, word):
    (tmp_path / "precious.txt").touch()
    command = [sys.executable, str(ROOT / "docs" / "book"), *arguments]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 2 and word in result.stderr and result.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]


def test_without_the_extra_a_sentence_says_what_to_install(tmp_path):
    code = (
        "import importlib.util, runpy, sys; found = importlib.util.find_spec; "
        "importlib.util.find_spec = lambda name, *rest: None if name == 'furo' else found(name, *rest); "
        f"sys.argv = ['docs/book']; runpy.run_path({str(ROOT / 'docs' / 'book')!r}, run_name='__main__')"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 2 and "pip install -e '.[book]'" in result.stderr and result.stderr.count("\n") == 1
