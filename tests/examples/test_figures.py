"""Where the lessons' figures go, as a script and in a notebook."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
from PIL import Image as Picture

from examples.lessons import figures


class Shell:
    """As much of IPython's shell as is asked for; `shown` is what stands below the cells."""

    def __init__(self, monkeypatch):
        self.callbacks = {"post_run_cell": []}
        self.events = SimpleNamespace(callbacks=self.callbacks, register=self.register)
        self.shown = []
        image = lambda filename, alt: filename  # noqa: E731
        module = SimpleNamespace(get_ipython=lambda: self, version_info=(9, 0))  # which matplotlib asks for
        monkeypatch.setitem(sys.modules, "IPython", module)
        monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(Image=image, display=self.shown.append))

    def register(self, name, function):
        self.callbacks[name].append(function)

    def run(self, *names, success=True):
        """A cell that draws these figures."""
        self.shown.clear()
        for name in names:
            with figures.figure(name, 2, 1) as drawing:
                drawing.subplots()
        for function in self.callbacks["post_run_cell"]:
            function(SimpleNamespace(success=success))
        return [path.name for path in self.shown]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    return tmp_path


def test_a_script_saves_and_prints_the_path(folder, capsys):
    with figures.figure("01_x", 2, 1) as drawing:
        drawing.subplots()
    assert capsys.readouterr().out == "-> runs/lessons/01_x.png\n"
    with Picture.open(folder / "runs/lessons/01_x.png") as picture:
        assert picture.size == (240, 120)


def test_a_script_never_imports_ipython():
    code = "import sys, examples.lessons.figures as f; f._notebook(); assert 'IPython' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=figures.ROOT, check=True)


def test_a_notebook_shows_each_figure_below_its_cell(folder, monkeypatch, capsys):
    shell = Shell(monkeypatch)
    shell.kernel = object()
    assert shell.run("01_a", "01_b") == ["01_a.png", "01_b.png"]
    assert shell.run() == []
    assert shell.run("01_b", "01_b") == ["01_b.png"]
    assert shell.run("01_a", success=False) == []
    assert shell.run("01_c") == ["01_c.png"]
    assert len(shell.callbacks["post_run_cell"]) == 1
    assert capsys.readouterr().out == ""
    assert len(list(folder.glob("runs/lessons/*.png"))) == 3


def test_ipython_in_a_terminal_is_as_a_script(folder, monkeypatch, capsys):
    assert Shell(monkeypatch).run("01_a") == []
    assert capsys.readouterr().out == "-> runs/lessons/01_a.png\n"


def test_a_notebook_in_a_folder_of_the_checkout_uses_the_one_place(folder, monkeypatch):
    monkeypatch.setattr(figures, "ROOT", folder)
    (folder / "setup.cfg").touch()
    (folder / "examples" / "lessons").mkdir(parents=True)
    monkeypatch.chdir(folder / "examples" / "lessons")
    assert figures._folder(in_notebook=True) == folder / "runs" / "lessons"
    assert figures._folder(in_notebook=False).as_posix() == "runs/lessons"
    monkeypatch.chdir(folder.parent)
    assert figures._folder(in_notebook=True).as_posix() == "runs/lessons"


def test_what_cannot_be_written_is_one_sentence(folder):
    (folder / "runs").touch()
    with pytest.raises(SystemExit, match=r"^cannot write runs/lessons/01_x.png: "):
        figures.figure_path("01_x")
