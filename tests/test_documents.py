"""README and docs: tables are those that programs wrote, links lead somewhere, commands exist, and README is short."""

import re
import subprocess
import sys

import pytest

import examples.__main__ as launcher
from tests import documents
from tests.documents import PAGES, PLACE, ROOT, filled

README_BYTES = 8500


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PAGES)
def test_tables_are_those_that_programs_wrote(name):
    assert filled(text_of(name)) == text_of(name), "python -m tests.documents mends this"


def test_every_table_has_a_place():
    placed = {place for name in PAGES for place in PLACE.findall(text_of(name))}
    assert placed == {path.stem for path in (ROOT / "docs" / "tables").iterdir()}


def test_a_table_goes_into_its_place(tmp_path, monkeypatch):
    monkeypatch.setattr(documents, "ROOT", tmp_path)
    (tmp_path / "docs" / "tables").mkdir(parents=True)
    (tmp_path / "docs" / "tables" / "b.txt").write_text("1 2\n3 4\n")
    page = "before\n<!-- table: b -->\nold\n<!-- end -->\nafter <!-- end -->"
    expected = "before\n<!-- table: b -->\n```\n1 2\n3 4\n```\n<!-- end -->\nafter <!-- end -->"
    assert filled(page) == filled(expected) == expected


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_files_and_headings(name):
    for link in re.findall(r"\]\(([^)]+)\)", text_of(name)):
        if link.startswith("https://"):
            continue
        path, _, heading = link.partition("#")
        target = ((ROOT / name).parent / path).resolve() if path else ROOT / name
        assert target.exists(), f"{name} links to {link}"
        if heading:
            titles = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
            assert heading in slugs, f"{name} links to {link}"


@pytest.mark.parametrize("name", PAGES)
def test_commands_that_a_page_names_exist(name):
    page = text_of(name).replace("lenet PROGRAM", "").replace("python -m examples.PROGRAM", "")
    assert set(re.findall(r"\blenet ([a-z_0-9]+)(?= |`|\n)", page)) <= set(launcher.PROGRAMS)
    makefile = text_of("Makefile")
    for target in re.findall(r"(?:^|`)make ([a-z\-]+)", page, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{name}: make {target}"
    for module in re.findall(r"python -m ((?:examples|tests|nn)[\w.]*\w)", page):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), f"{name}: {module}"
    for path in re.findall(r"`((?:nn|layers|models|examples|tests)/[\w/.]+)`", page):
        assert (ROOT / path).exists(), f"{name}: {path}"


@pytest.mark.slow
def test_the_program_in_the_readme_runs(tmp_path):
    program = re.search(r"```python\n(.*?)```", text_of("README.md"), re.DOTALL)[1]
    path = tmp_path / "readme.py"
    path.write_text(f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{program}")
    result = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    loss = re.search(r"^(\d+\.\d+)$", result.stdout, re.MULTILINE)
    said = re.search(r"# (\d\.\d\d): wrong", program)
    assert float(loss[1]) == pytest.approx(float(said[1]), abs=0.005)


def test_the_readme_is_short():
    assert len(text_of("README.md").encode()) <= README_BYTES


def test_the_figures_in_the_readme_are_those_of_the_results():
    """A number of README's table of results that RESULTS.md does not have is out of date."""
    table = re.search(r"^## What they reach\n(.*?)^## ", text_of("README.md"), re.DOTALL | re.MULTILINE)[1]
    results = text_of("examples/RESULTS.md")
    for number in re.findall(r"\d+\.\d+", table):
        assert re.search(rf"(?<![\d.]){re.escape(number)}(?!\d)", results), number


def test_the_whole_project_has_one_version():
    import nn

    assert f"version: {nn.__version__}\n" in text_of("CITATION.cff")
    assert f"\n## {nn.__version__}" in text_of("CHANGELOG.md")
