"""The program that writes the microscope's page, or serves it."""

import json
import re
import signal
import socket
import subprocess
import sys
from graphlib import CycleError

import numpy as np
import pytest
import requests
from PIL import Image

from examples.microscope import page
from examples.microscope.page import FOLDER, joined_script
from examples.microscope.program import main
from tests.checks import one_sentence
from tests.invocations import ROOT


def data_of(text):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])


@pytest.mark.parametrize("entry", ["page", "worker"])
def test_every_module_is_in_the_script_once_and_after_those_that_it_imports(entry):
    script = joined_script(entry)
    assert not re.search(r"^(import|export)\b", script, re.MULTILINE)
    texts = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.js")}
    bodies = {name: page.bare(text) for name, text in texts.items()}
    inside = {f"{entry}.js"}
    for _ in texts:  # as far as imports lead
        inside |= {name for other in inside for name in re.findall(r'^import\b[^;]*"\./(.+)";', texts[other], re.M)}
    assert {name: script.count(body) for name, body in bodies.items()} == {name: name in inside for name in texts}
    for name in inside:
        for imported in re.findall(r'^import\b[^;]*"\./(.+)";', texts[name], re.M):
            assert script.index(bodies[imported]) < script.index(bodies[name]), (name, imported)
    # In HTML a script, whatever its kind, ends there.
    assert "</script" not in script and "<!--" not in script


def test_the_two_scripts_have_all_modules():
    bodies = [page.bare(path.read_text(encoding="utf-8")) for path in FOLDER.glob("*.js")]
    scripts = joined_script("page") + joined_script("worker")
    assert all(body in scripts for body in bodies)


def test_comments_and_indentation_are_left_out_and_nothing_else():
    text = """/** What it is for:
 * nothing. */

import {b} from "./b.js";

/* Of one line. */
export function a(x) {
    // A comment.
    const url = "http://somewhere"; // stays: it is not a line of its own
    return x / b /** 2 */ + `
    ${url}`;
}
"""
    expected = """

function a(x) {
const url = "http://somewhere"; // stays: it is not a line of its own
return x / b /** 2 */ + `
${url}`;
}
"""
    assert page.bare(text) == expected
    # A template of several lines would lose its indentation, as above: there is none.
    for path in FOLDER.glob("*.js"):
        code = re.sub(r"//[^\n]*|/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert all(line.count("`") % 2 == 0 for line in code.splitlines()), path.name


def test_modules_that_import_one_another_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "FOLDER", tmp_path)
    (tmp_path / "a.js").write_text('import {b} from "./b.js";\nexport const a = 1;\n')
    (tmp_path / "b.js").write_text('import {\n    c,\n} from "./c.js";\nexport const b = c;\n')
    (tmp_path / "c.js").write_text("export const c = 1;\n")
    assert " ".join(joined_script("a").split()) == "const c = 1; const b = c; const a = 1;"
    (tmp_path / "c.js").write_text('import {a} from "./a.js";\nexport const c = a;\n')
    with pytest.raises(CycleError, match="'a', 'c', 'b', 'a'"):
        joined_script("a")


def test_the_page_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([]) == 0
    (path,) = tmp_path.rglob("*.*")
    assert path == tmp_path / "runs/microscope/digits_lenet.html"
    assert str(path.relative_to(tmp_path)) in capsys.readouterr().out
    text = path.read_text(encoding="utf-8")
    assert len(text) < 1_000_000
    assert "connect-src" not in text and not re.search(r"https?://(?!www\.w3\.org)", text)
    data = data_of(text)
    (network,) = data["networks"]
    assert network["name"] == "lenet" and network["weights"] is not None and 0 <= data["target"] <= 9


def test_two_networks_and_a_picture_of_one_s_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.zeros((500, 900, 3), np.uint8) + np.uint8([200, 100, 50])).save("mine.png")
    weights = ["--weights", "objects_lenet", "--weights", "objects_alexnet"]
    assert main([*weights, "--picture", "mine.png", "--label", "dog"]) == 0
    text = (tmp_path / "runs/microscope/objects_lenet_and_objects_alexnet.html").read_text(encoding="utf-8")
    data = data_of(text)
    assert [network["name"] for network in data["networks"]] == ["lenet", "alexnet_small"]
    assert data["source"]["shape"] == [213, 384, 3]
    assert data["networks"][0]["class_names"][data["target"]] == "dog"


def test_random_weights(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["--model", "lenet5_1998", "--seed", "3"]) == 0
    first = (tmp_path / "runs/microscope/lenet5_1998.html").read_text(encoding="utf-8")
    assert main(["--model", "lenet5_1998", "--seed", "4"]) == 0
    assert (tmp_path / "runs/microscope/lenet5_1998.html").read_text(encoding="utf-8") != first


def test_a_port_that_is_taken(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(SystemExit) as ended:
            main(["--serve", "--no-browser", "--port", str(taken.getsockname()[1])])
    assert ended.value.code == 2
    with one_sentence(ValueError):
        raise ValueError(capsys.readouterr().err.strip())


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGINT for one process alone.")
def test_serving_until_ctrl_c(tmp_path):
    command = [sys.executable, "-m", "examples.microscope", "--serve", "--no-browser"]
    before = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # where it is ignored, children would ignore it too
    try:
        program = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        assert program.stdout.readline() == "The microscope is served until Ctrl-C ends it, at\n"
        address = program.stdout.readline().removesuffix("\n")  # alone on its line, as it is clicked or copied
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", address)
        reply = requests.get(address, timeout=30)
        assert reply.status_code == 200 and "connect-src 'self'" in reply.text
        program.send_signal(signal.SIGINT)
        _, said = program.communicate(timeout=30)
    finally:
        program.kill()
    assert program.returncode == 130 and "Traceback" not in said and "stopped by Ctrl-C" in said
