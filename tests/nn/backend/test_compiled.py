"""Compiled code that is kept: found again, not believed when damaged, done without; and other people's code as ever."""

import errno
import os
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numba
import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher
from numba.extending import _Intrinsic

from nn.backend.runtime import jit
from nn.backend.runtime.jit import compiled_loop

pytestmark = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")
ROOT = Path(jit.__file__).parents[3]

# A loop that is compiled soon, and what it computes. With two threads it is shared out.
LOOPS = """
import gc, os, sys
import numba
import numpy as np

def loops(dtype="float32", num_threads=1):
    import time
    from nn import sgd
    from nn.backend.runtime import pool, tasks, threads
    threads.set_num_threads(num_threads)
    w, v, g = np.arange(3 << 18).reshape(3, -1).astype(dtype) % 7
    expected = 0.5 * v - 0.5 * g
    sgd.sgd_paper(w, v, g, 0.5, 0.5, 0.0)
    assert np.array_equal(v, expected) and np.array_equal(w, np.arange(1 << 18) % 7 + expected)
    while num_threads > 1 and not (pool.in_parts(8, 1 << 20)[2] and tasks.slot[tasks.SPINNING]):
        time.sleep(0.0002)  # until the worker has compiled what it needs, too
    print("right")
"""
KEPT_BY_TWO = 3  # files: that loop, and what `nn.backend.runtime.tasks` needs to share it out
UNSET = "NUMBA_", "XDG_", "LENET_TO_ALEXNET_"


def start(program, environment, sources=ROOT):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(UNSET)}
    environment = clean | {"PYTHONPATH": str(sources), "PYTHONDONTWRITEBYTECODE": "1"} | environment
    command = [sys.executable, "-c", LOOPS + program]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen(command, cwd=sources, env=environment, text=True, **pipes)


def finish(process):
    """What it said on standard output and on standard error."""
    output, errors = process.communicate(timeout=100)
    assert process.returncode == 0, errors
    return output, errors


def run(program, sources=ROOT, **environment):
    return finish(start(program, environment, sources))


def sentences(errors):
    """Those of the warnings, each of which has two lines: where and what, and the line of the source."""
    assert re.fullmatch("(.*Warning: .*\n .*\n)*", errors)
    return re.findall("Warning: (.*)", errors)


def files(folder):
    return sorted(path for path in Path(folder).rglob("*") if path.is_file())


# --------------------------------------------------------------------------------------------- other people's code
def test_nothing_is_set_that_others_see_by_the_import_or_while_anything_is_compiled(tmp_path):
    program = """
from numba.core import event

def settings():
    values = {name: value for name, value in vars(numba.config).items() if name.isupper()}
    return values | {"collecting": gc.isenabled(), "thresholds": gc.get_threshold(), "warnings": sys.warnoptions}

class Watch(event.Listener):
    def on_start(self, _):
        seen.append(settings())

    on_end = on_start

before, environment = settings(), dict(os.environ)
import nn
assert settings() == before and dict(os.environ) == environment
event.register("numba:compile", Watch())
for collecting, dtype in ((True, "float32"), (False, "float64")):
    (gc.enable if collecting else gc.disable)()
    seen = []
    loops(dtype)
    numba.njit(lambda x: x + 1)(np.ones(3, dtype))
    assert len(seen) >= 4 and all(values == before | {"collecting": collecting} for values in seen)
    assert settings() == before | {"collecting": collecting}
"""
    assert run(program, LENET_TO_ALEXNET_CACHE=str(tmp_path)) == ("right\nright\n", "")


@pytest.mark.parametrize("chosen", [{}, {"NUMBA_CACHE_DIR": "chosen"}])
def test_what_others_have_numba_keep_lies_where_it_would_without_us(tmp_path, chosen):
    for name in ("early", "late"):
        (tmp_path / f"{name}.py").write_text("from numba import njit\n@njit(cache=True)\ndef f(x):\n    return x + 1\n")
    program = f"""
sys.path.insert(0, {str(tmp_path)!r})
import early
early.f(1)
import nn
import late
late.f(1)
print(early.f.stats.cache_path == late.f.stats.cache_path)
"""
    environment = {name: str(tmp_path / value) for name, value in chosen.items()}
    assert run(program, **environment, LENET_TO_ALEXNET_CACHE=str(tmp_path / "ours")) == ("True\n", "")
    theirs = {path.parent for path in files(tmp_path) if path.suffix == ".nbi"}
    (place,) = (tmp_path / "chosen").iterdir() if chosen else [tmp_path / "__pycache__"]
    assert theirs == {place}


@pytest.mark.slow
def test_functions_without_a_module_are_compiled(tmp_path):
    program = """
import nn
from numba.experimental import jitclass

@jitclass([("value", numba.float64)])
class Pair:
    def __init__(self, value):
        self.value = value

    def twice(self):
        return 2 * self.value

made = {}
exec("def plus_one(x): return x + 1", made)
made = eval("lambda x: x + 2", {}), made["plus_one"]
print(Pair(3.0).twice(), [numba.njit(function)(1) for function in made])
"""
    assert run(program, LENET_TO_ALEXNET_CACHE=str(tmp_path)) == ("6.0 [3, 2]\n", "")


# -------------------------------------------------------------------------------------------- kept from run to run
@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """What a program has kept in its folder for all data."""
    folder = tmp_path_factory.mktemp("filled")
    assert run("loops(num_threads=2)", LENET_TO_ALEXNET_CACHE=str(folder)) == ("right\n", "")
    return folder / "compiled"


@pytest.mark.slow
def test_the_second_program_compiles_nothing(filled):
    program = """
from numba.core import event
class Watch(event.Listener):
    def on_start(self, _):
        print("compiles")
    def on_end(self, _):
        pass
event.register("numba:compile", Watch())
loops(num_threads=2)
"""
    kept = files(filled)
    assert len(kept) == KEPT_BY_TWO
    assert run(program, LENET_TO_ALEXNET_CACHE=str(filled.parent)) == ("right\n", "")
    assert files(filled) == kept


@pytest.mark.slow
def test_the_version_changes_with_each_file_whose_code_may_be_within_a_loop(tmp_path):
    shutil.copytree(ROOT / "nn", tmp_path / "nn", ignore=shutil.ignore_patterns("__pycache__"))
    versions = []
    for name in (
        "training/loop.py",
        "backend/cpu/simd.py",
        "network.py",
        "backend/runtime/tasks.py",
        "backend/runtime/jit.py",
    ):
        with open(tmp_path / "nn" / name, "a") as file:
            file.write("# changed\n")
        versions.append(
            run("import nn.backend.runtime.jit; print(nn.backend.runtime.jit._VERSION.hexdigest())", tmp_path)[0]
        )
    assert versions[1] == versions[2] and len(set(versions)) == 4


def test_all_files_whose_code_is_compiled_into_loops_are_known():
    for module in [module for name, module in sys.modules.items() if name.startswith("nn.")]:
        for function in vars(module).values():
            if isinstance(function, Dispatcher | _Intrinsic):
                home = sys.modules[getattr(function, "py_func", getattr(function, "_defn", None)).__module__]
                assert Path(home.__file__) in jit.SOURCES


@pytest.mark.slow
def test_processes_that_compile_at_once_into_an_empty_folder(tmp_path):
    program = "import nn; print('ready', flush=True); sys.stdin.readline(); loops(sys.argv[1])"
    environment = {"NUMBA_CACHE_DIR": str(tmp_path)}
    kinds = ("float32", "float64")
    processes = [start(program.replace("sys.argv[1]", repr(kind)), environment) for kind in 2 * kinds]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [finish(process) for process in processes] == 4 * [("right\n", "")]
    kept = files(tmp_path)
    assert len(kept) == 2
    counts = "for kind in ('float32', 'float64'): loops(kind)\nfrom nn.backend.cpu import sgd; s = sgd._sgd_paper.stats"
    output, errors = run(counts + "; print(sum(s.cache_hits.values()))", **environment)
    assert output == "right\nright\n2\n" and errors == "" and files(tmp_path) == kept


def scramble(data):
    return bytes(byte ^ place * 37 % 256 for place, byte in enumerate(data, start=1))


DAMAGES = {
    "empty": lambda data: b"",
    "cut": lambda data: data[: len(data) // 2],
    "zeros": lambda data: bytes(len(data)),
    "scrambled": scramble,
    "scrambled second half": lambda data: data[: len(data) // 2] + scramble(data[len(data) // 2 :]),
    "another bit": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
    "too long": lambda data: data + b"0",
}


@pytest.mark.slow
def test_a_program_with_a_damaged_cache_says_so_once_and_compiles_anew(tmp_path, filled):
    shutil.copytree(filled, tmp_path / "compiled")
    for path, damage in zip(files(tmp_path), DAMAGES.values()):
        path.write_bytes(damage(path.read_bytes()))
    output, errors = run("loops(num_threads=2)", LENET_TO_ALEXNET_CACHE=str(tmp_path))
    (sentence,) = sentences(errors)
    assert output == "right\n" and "damaged" in sentence and str(tmp_path) in sentence
    assert [path.stat().st_size for path in files(tmp_path)] == [path.stat().st_size for path in files(filled)]


@pytest.mark.slow
def test_a_program_on_a_full_disk_says_so_once_and_keeps_nothing(tmp_path):
    resource = pytest.importorskip("resource")
    full = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (5000, {resource.RLIM_INFINITY}))\n"
    output, errors = run(full + "loops(num_threads=2)", NUMBA_CACHE_DIR=str(tmp_path))
    (sentence,) = sentences(errors)
    assert output == "right\n" and "cannot be kept" in sentence and os.strerror(errno.EFBIG) in sentence
    assert files(tmp_path) == []  # no halves either


@pytest.mark.skipif(os.name == "nt", reason="Windows asks the registry for the cache folder.")
def test_a_program_without_a_place_to_keep_anything_says_so_once(tmp_path):
    (tmp_path / "home").write_text("a file")
    output, errors = run("loops()", HOME=str(tmp_path / "home"))
    (sentence,) = sentences(errors)
    assert output == "right\n" and "cannot be kept" in sentence and "NUMBA_CACHE_DIR" in sentence


def test_the_module_can_be_loaded_again(tmp_path):
    program = (
        "loops(); import importlib, nn.backend.runtime.jit; importlib.reload(nn.backend.runtime.jit); loops('float64')"
    )
    assert run(program, NUMBA_CACHE_DIR=str(tmp_path)) == ("right\nright\n", "")
    assert len(files(tmp_path)) == 2


# ------------------------------------------------------------------------------------------------- in this process
def double(x, y):
    for i in range(len(x)):
        y[i] = 2 * x[i]


def was_kept(dtype="float64"):
    """Does a program that starts now find `double`, compiled? It can be called either way."""
    loop = compiled_loop(double)
    x, y = np.arange(5, dtype=dtype), np.zeros(5, dtype)
    loop(x, y)
    assert y.tolist() == [0, 2, 4, 6, 8]
    return bool(loop.stats.cache_hits)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(jit, "FOLDER", tmp_path / "a" / "folder")
    jit._say_once.cache_clear()
    yield jit.FOLDER
    jit._say_once.cache_clear()


def test_each_kind_of_arguments_has_a_file(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [was_kept(dtype) for dtype in ("float32", "float64", "float32", "float64")] == [False, False, True, True]
    assert len(files(folder)) == 2


def test_a_loop_that_knows_variables_of_a_function_around_it_is_not_kept(folder):
    def times(factor):
        return compiled_loop(lambda x: factor * x)

    assert [times(2)(3), times(5)(3)] == [6, 15]
    assert files(folder) == []


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found_and_mended(folder, damage):
    was_kept()
    (path,) = files(folder)
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    with pytest.warns(UserWarning) as said:
        assert not was_kept()
    assert len(said) == 1 and str(said[0].message) == (
        f"Compiled loops in {folder} cannot be used (a file is damaged), so they are compiled anew."
    )
    assert was_kept()


def test_damage_is_mended_where_warnings_are_errors(folder):
    was_kept()
    (path,) = files(folder)
    path.write_bytes(b"damaged")
    with warnings.catch_warnings(), pytest.raises(UserWarning):
        warnings.simplefilter("error")
        was_kept()
    assert [was_kept(), was_kept()] == [False, True]


def test_what_another_version_kept_is_replaced_in_silence(folder, monkeypatch):
    with monkeypatch.context() as patch:
        other = jit._VERSION.copy()
        other.update(b"another numba")
        patch.setattr(jit, "_VERSION", other)
        was_kept()
    kept = files(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [was_kept(), was_kept()] == [False, True]
    assert files(folder) == kept


@pytest.mark.parametrize("refuses", [Path.mkdir, Path.write_bytes, Path.replace])
def test_what_cannot_be_written(folder, monkeypatch, refuses):
    def refuse(path, *arguments, **options):
        if refuses is Path.write_bytes:
            path.touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    monkeypatch.setattr(Path, refuses.__name__, refuse)
    with pytest.warns(UserWarning) as said:
        assert [was_kept("float32"), was_kept("float64"), was_kept("float64")] == [False] * 3
    assert len(said) == 1 and str(said[0].message) == (
        f"Compiled loops cannot be kept in {folder} (No space left on device), so each program compiles its own, which "
        "takes some seconds: name a folder for them in the environment variable NUMBA_CACHE_DIR."
    )
    assert files(folder) == []


@pytest.mark.parametrize("obstacle", ["a file for a folder", "a folder for a file", "not ours to write", "not to read"])
def test_obstacles(folder, obstacle):
    if obstacle == "a file for a folder":
        folder.parent.write_text("a file")
    elif obstacle == "not ours to write":
        folder.mkdir(parents=True, mode=0o500)
        if os.access(folder, os.W_OK):
            pytest.skip("this user may write everywhere")
    else:
        was_kept()
        (path,) = files(folder)
        if obstacle == "a folder for a file":
            path.unlink()
            path.mkdir()
        else:
            path.chmod(0)
            if os.access(path, os.R_OK):
                pytest.skip("this user may read everything")
            assert not was_kept()  # and replaces it
            assert was_kept()
            return
    with pytest.warns(UserWarning, match="cannot be kept") as said:
        assert [was_kept(), was_kept()] == [False, False]
    assert len(said) == 1


def test_a_user_without_a_home(monkeypatch, tmp_path):
    def no_home(*_):
        raise RuntimeError("there is no home folder")

    monkeypatch.setattr(jit, "user_cache_path", no_home)
    monkeypatch.setattr(Path, "expanduser", no_home)
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.delenv("LENET_TO_ALEXNET_CACHE", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(jit, "FOLDER", jit._folder())
    jit._say_once.cache_clear()
    with pytest.warns(UserWarning, match=r"cannot be kept in .* \(there is no home folder\)"):
        assert [was_kept(), was_kept()] == [False, False]
    assert files(tmp_path) == []
