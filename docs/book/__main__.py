"""Make the book of the course: every lesson as a page with its figures and typeset formulas, in one folder.

    python docs/book

runs all lessons (some minutes; what they gave is kept, so that a second time takes seconds) and writes runs/book/,
which any web server can serve, and which works as files too: open runs/book/index.html. No page needs the internet.
With --jobs 2 two lessons run at the same time; the times that lessons measure are then not to be trusted.

It needs the extra "book": pip install -e ".[book]". With --repository OWNER/NAME each lesson also gets a link by which
it opens in Colab. Colab reads notebooks from GitHub: the book's folder must be published there, on the branch --branch.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from examples.microscope.program import main as write_microscope  # noqa: E402  (the path comes first)
from examples.shared.command_line import Parser, carry_out, run_program, whole_number  # noqa: E402

LESSONS = ROOT / "examples" / "lessons"
PAGES = {"lessons": ("lesson_*.py", "appendix*.py"), "solutions": ("solutions/solution_*.py",)}
NEEDED = ("sphinx", "myst_nb", "jupytext", "furo", "sphinx-mathjax-offline")
VERSIONS_THAT_MATTER = ("numpy", "numba", "matplotlib", "myst-nb", "jupytext")


class Failed(Exception):
    """The book could not be made: a lesson failed, or Sphinx says above what is wrong."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program. Exit status: 0; 1 the book could not be made; 2 bad input; 130 stopped by Ctrl-C."""
    parser = make_parser()
    options = parser.parse_args(arguments)

    def make() -> None:
        missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
        if missing:
            raise ImportError(f"{missing[0]} is not installed, which the book needs: pip install -e '.[book]'")
        if options.repository and not re.fullmatch(r"[\w.-]+/[\w.-]+", options.repository):
            raise ValueError(f"--repository: expected OWNER/NAME, got {options.repository!r}")
        check_folder(options.out, "index.html")
        check_folder(options.cache, "pages")

    def work(_: None) -> None:
        places = options.out.absolute(), options.cache.absolute()
        build(*places, options.repository, options.branch, options.jobs)
        print(f"The book is {(options.out / 'index.html').as_posix()}; open it in a browser.")

    return carry_out(parser, make, work, unwritten="the book could not be written: {reason}", failures=(Failed,))


def make_parser() -> Parser:
    parser = Parser(prog="python docs/book", description=__doc__)
    add = parser.add_argument
    add("--out", type=Path, default=Path("runs/book"), metavar="FOLDER", help="the book (default: runs/book)")
    add(
        "--cache",
        type=Path,
        default=Path("runs/book_cache"),
        metavar="FOLDER",
        help="what is kept for the next time (default: runs/book_cache)",
    )
    add(
        "--repository",
        default=os.environ.get("BOOK_REPOSITORY", ""),
        metavar="OWNER/NAME",
        help="on GitHub, for links to Colab (default: the environment's BOOK_REPOSITORY, or no such links)",
    )
    add(
        "--branch",
        default="gh-pages",
        metavar="NAME",
        help="the branch that the book's folder is published on (default: %(default)s)",
    )
    jobs = "how many lessons run at the same time (default: %(default)s)"
    add("--jobs", type=whole_number(1), default=1, metavar="N", help=jobs)
    return parser


def check_folder(folder: Path, mark: str) -> None:
    """A folder of an earlier time is replaced, nothing else: ValueError."""
    if folder.is_file():
        raise ValueError(f"{folder} is a file, expected a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / mark).exists():
        raise ValueError(f"{folder} holds other files, expected a new folder or one of an earlier book")


def build(out: Path, cache: Path, repository: str = "", branch: str = "", jobs: int = 1) -> None:
    """Raises Failed where a lesson fails, or a page has an error or a warning."""
    pages, executed = cache / "pages", cache / "executed"
    gather_pages(pages, bool(repository))
    fingerprint = fingerprint_of_code()
    kept = executed / "fingerprint.txt"
    if not (kept.exists() and kept.read_text(encoding="utf-8") == fingerprint):
        shutil.rmtree(executed, ignore_errors=True)
        executed.mkdir(parents=True)
        kept.write_text(fingerprint, encoding="utf-8")
    run_lessons(sorted(pages.rglob("*.py")), executed, jobs)
    html = cache / "html"
    shutil.rmtree(html, ignore_errors=True)  # or pages that are no longer made would stay
    run_sphinx(pages, html, cache / "doctrees", executed, repository, branch, fingerprint)
    shutil.copyfile(mathjax(), html / "_static" / "mathjax.js")
    write_notebooks(html / "notebooks", repository)
    if write_microscope(["--out", str(html / "microscope"), "--force"]):
        raise Failed("the microscope's page could not be written")
    if out.exists():
        shutil.rmtree(out)
    shutil.move(html, out)  # only now: what fails leaves an earlier book


def gather_pages(pages: Path, colab: bool) -> None:
    """Copies of the book's own pages, the lessons and the answers, below one folder, as Sphinx wants them. A page that
    has not changed is left, so that Sphinx does not read it again."""
    wanted = {pages / path.name: path.read_bytes() for path in HERE.glob("*.md")}
    for folder, patterns in PAGES.items():
        for path in (path for pattern in patterns for path in LESSONS.glob(pattern)):
            wanted[pages / folder / path.name] = path.read_bytes()
    for path, content in wanted.items():
        if not (path.exists() and path.read_bytes() == content):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    for path in [*pages.rglob("*.md"), *pages.rglob("*.py")]:
        if path not in wanted:
            path.unlink()


def fingerprint_of_code() -> str:
    """Of all that a lesson uses, beside its own text: where it changes, all lessons are run again."""
    found = hashlib.sha256(sys.version.encode())
    found.update(" ".join(map(version, VERSIONS_THAT_MATTER)).encode())
    own = {path for patterns in PAGES.values() for pattern in patterns for path in LESSONS.glob(pattern)}
    for folder in (ROOT / "nn", ROOT / "layers", ROOT / "models", LESSONS):
        for path in sorted(folder.rglob("*.py")):
            if path not in own:
                found.update(path.relative_to(ROOT).as_posix().encode() + path.read_bytes())
    return found.hexdigest()


def run_lessons(paths: Sequence[Path], executed: Path, jobs: int) -> None:
    """Where Sphinx finds what they gave, so that it need not run them itself, one after the other."""
    from nbclient.exceptions import CellExecutionError, CellTimeoutError
    from notebooks import run_all

    # They run in processes of their own, which must find this checkout.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    try:
        run_all(paths, executed, jobs)
    except (CellExecutionError, CellTimeoutError) as error:
        raise Failed(f"a lesson failed as a notebook: {error}") from None


def run_sphinx(
    pages: Path, out: Path, doctrees: Path, executed: Path, repository: str, branch: str, fingerprint: str
) -> None:
    from sphinx.cmd.build import main as sphinx

    os.environ["BOOK_EXECUTED"] = str(executed)
    settings = {"repository": repository, "branch": branch, "fingerprint": fingerprint}
    defined = [word for name, value in settings.items() for word in ("-D", f"{name}={value}")]
    places = ["-c", str(HERE), "-d", str(doctrees), str(pages), str(out)]
    if sphinx(["-b", "html", "-W", "--keep-going", *defined, *places]):
        raise Failed("the book has errors or warnings, which stand above")


def mathjax() -> Path:
    """The one file that typesets formulas, without anything from the internet."""
    package = importlib.util.find_spec("sphinx-mathjax-offline")
    return Path(package.submodule_search_locations[0]) / "static" / "mathjax" / "tex-svg.js"


def write_notebooks(folder: Path, repository: str) -> None:
    """Each lesson as a notebook, after a cell that says what must be installed."""
    import jupytext
    from nbformat.v4 import new_code_cell, new_markdown_cell

    folder.mkdir(exist_ok=True)
    if repository:
        first = new_code_cell(f'%pip install --quiet "git+https://github.com/{repository}"', id="install")
    else:
        first = new_markdown_cell(
            "This notebook needs the course's project, LeNet and AlexNet from scratch, where Jupyter runs: in the "
            "project's folder, `python -m pip install -e .` installs it.",
            id="install",
        )
    for pattern in PAGES["lessons"]:
        for path in sorted(LESSONS.glob(pattern)):
            notebook = jupytext.read(path, fmt="py:percent")
            for number, cell in enumerate(notebook.cells):
                cell["id"] = f"cell-{number}"  # else a random one each time
            notebook.cells.insert(0, first)
            notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
            jupytext.write(notebook, folder / f"{path.stem}.ipynb")


if __name__ == "__main__":
    run_program(main)
