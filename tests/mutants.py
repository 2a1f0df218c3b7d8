"""Do the tests notice a wrong formula? Make one small mistake at a time in the layers and kernels, and run the tests.

    python -m tests.mutants                     every mistake, in layers/ and in the plain kernels
    python -m tests.mutants layers/rbf.py       those in one file
    python -m tests.mutants --list              what would be tried

A mistake is a flipped sign or comparison, a changed constant, a dropped term or a dropped statement. A mutant is killed
when a test fails, or when the tests take far longer than they should; it survives when all pass. A survivor is either a
gap in the tests, or computes what the original computes (a constant that only decides how work is shared out, say);
the second kind is listed, with the reason, in mutants_equal.txt beside this file, and only tried with --equal.

The tests run in a copy of the project, whose files stay as they are: a mutant is put in while they are imported
(tests/mutant_import.py). What a message says is not mutated, nor are type annotations.
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("docs", "layers", "nn", "models", "examples", "tests")  # what the tests need
EQUAL = Path(__file__).with_name("mutants_equal.txt")
PATIENCE = 240  # seconds; a mutant may loop for ever
LEAST_KILLED = 0.9

# The tests of each file, the likeliest first; those of every layer follow.
OWN_TESTS = {
    "layers/activations.py": ["layers/test_activations.py"],
    "layers/conv.py": ["layers/test_conv.py", "layers/test_conv_connections.py", "layers/test_winograd.py"],
    "layers/dropout.py": ["layers/test_dropout.py"],
    "layers/flatten.py": ["layers/test_flatten.py"],
    "layers/linear.py": ["layers/test_linear.py"],
    "layers/normalisation.py": ["layers/test_response_norm.py"],
    "layers/pooling.py": ["layers/test_pooling.py"],
    "layers/rbf.py": ["layers/test_rbf.py"],
    "layers/subsampling.py": ["layers/test_subsampling.py"],
    "layers/elu.py": ["layers/test_elu.py"],
    "layers/batch_norm.py": ["layers/test_batch_norm.py"],
    "nn/windows.py": [
        "nn/test_windows.py",
        "layers/test_pooling.py",
        "layers/test_conv.py",
        "layers/test_subsampling.py",
    ],
    "nn/backend/cpu/affine_map.py": ["nn/data/test_augmentation.py"],
    "nn/backend/cpu/conv_batched.py": ["layers/test_conv_batched.py"],
    "nn/backend/cpu/conv_depthwise.py": ["layers/test_conv_depthwise.py"],
    "nn/backend/cpu/conv_direct.py": ["layers/test_conv.py"],
    "nn/backend/cpu/convolution.py": [
        "layers/test_conv_depthwise.py",
        "layers/test_conv_batched.py",
        "layers/test_conv.py",
        "layers/test_winograd.py",
    ],
    "nn/backend/cpu/dense.py": ["layers/test_linear.py"],
    "nn/backend/cpu/elementwise.py": ["layers/test_activations.py"],
    "nn/backend/cpu/im2col.py": ["layers/test_conv.py"],
    "nn/backend/cpu/loss.py": ["nn/test_loss.py", "nn/test_lenet5_loss.py"],
    "nn/backend/cpu/panel_products.py": [
        "nn/backend/test_kernels.py",
        "layers/test_winograd.py",
        "nn/test_compiled.py",
    ],
    "nn/backend/cpu/pooling.py": ["layers/test_pooling.py"],
    "nn/backend/cpu/response_norm.py": ["layers/test_response_norm.py", "layers/test_response_norm_extremes.py"],
    "nn/backend/cpu/rows.py": ["layers/test_conv.py", "layers/test_linear.py"],
    "nn/backend/cpu/sgd.py": ["nn/test_sgd.py"],
    "nn/backend/cpu/simd.py": ["nn/backend/test_kernels.py"],
    "nn/backend/cpu/small_batch_matmul.py": ["layers/test_linear.py"],
    "nn/backend/cpu/small_matmul.py": ["layers/test_linear.py"],
    "nn/backend/cpu/weights_in_24_bits.py": ["nn/test_compiled.py"],
    "nn/backend/cpu/winograd.py": ["layers/test_winograd.py"],
    "nn/backend/cpu/winograd_tiles.py": ["layers/test_winograd.py"],
    "nn/backend/patches.py": ["layers/test_conv.py"],
}
COMMON_TESTS = [
    "layers/test_contract.py",
    "layers/test_properties.py",
    "nn/backend/test_backend.py",
    "nn/backend/test_kernels.py",
]
# Only for those that survive the others.
FURTHER_TESTS = [
    "nn/test_network.py",
    "nn/backend/test_threads.py",
    "nn/inspect/test_inspection.py",
    "nn/training/test_diagnosis.py",
    "models/test_lenet.py",
]


# ------------------------------------------------------------------------------------------------- making mutants
@dataclass(frozen=True)
class Mutant:
    path: str  # of the file, from the project's folder
    line: int
    before: str  # the piece of code that is changed, on one line
    after: str
    source: str  # the whole file, changed
    recompile: bool  # whether compiled kernels depend on it

    def __str__(self) -> str:
        return f"{self.path}: {self.before}  ->  {self.after}"


OPPOSITES = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
}


def replacements(node: ast.AST) -> Iterator[ast.AST]:
    """What may stand in a node's place: each with one mistake."""
    if isinstance(node, ast.BinOp) and not isinstance(node.op, ast.BitOr):  # which joins types here
        if isinstance(node.op, ast.Mult | ast.MatMult):
            yield node.right  # the left factor is dropped
        elif type(node.op) in OPPOSITES:
            yield ast.BinOp(node.left, OPPOSITES[type(node.op)](), node.right)
        yield node.left  # the right term or factor is dropped
    elif isinstance(node, ast.AugAssign) and type(node.op) in OPPOSITES:
        yield ast.AugAssign(node.target, OPPOSITES[type(node.op)](), node.value)
        yield ast.Pass()  # the statement is dropped
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Not):
        yield node.operand
    elif isinstance(node, ast.Compare):
        for i, operator in enumerate(node.ops):
            changed = copy.copy(node)
            changed.ops = [*node.ops[:i], OPPOSITES[type(operator)](), *node.ops[i + 1 :]]
            yield changed
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(OPPOSITES[type(node.op)](), node.values)
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            yield ast.Constant(not node.value)
        elif isinstance(node.value, int | float):
            yield ast.Constant(node.value + 1)
    elif isinstance(node, ast.Expr) or (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript)):
        yield ast.Pass()


def visited(node: ast.AST, plain: bool) -> Iterator[ast.AST]:
    """The nodes to mutate below this one: no messages, no annotations, and of the kernels (`plain`) none compiled."""
    if isinstance(node, ast.FunctionDef):
        if plain and (node.name.endswith("_fast") or node.decorator_list):
            return
        children = [*node.args.defaults, *filter(None, node.args.kw_defaults), *node.body]
    elif isinstance(node, ast.Raise | ast.JoinedStr | ast.Assert) or (
        isinstance(node, ast.keyword) and node.arg == "strict"  # of zip, which is always right here
    ):
        return
    elif isinstance(node, ast.AnnAssign):
        children = [node.value] if node.value else []
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return  # a docstring
    elif isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant):
        children = []  # -1 becomes 1, and that is enough: -2 would often mean the same
    elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    else:
        children = ast.iter_child_nodes(node)
    if isinstance(node, ast.expr | ast.stmt):
        yield node
    for child in children:
        yield from visited(child, plain)


def mutants_of(path: str) -> list[Mutant]:
    source = (ROOT / path).read_text(encoding="utf-8")
    lines = source.splitlines(keepends=True)

    def offset(line: int, column: int) -> int:
        return len("".join(lines[: line - 1]).encode()) + column  # the parser counts bytes

    text, found, seen = source.encode(), [], set()
    outside = {node.lineno for node in ast.parse(source).body if not isinstance(node, ast.FunctionDef)}
    for node in visited(ast.parse(source), plain=path.startswith("nn/backend/cpu/")):
        start, stop = offset(node.lineno, node.col_offset), offset(node.end_lineno, node.end_col_offset)
        for replacement in replacements(node):
            after = ast.unparse(ast.fix_missing_locations(replacement))
            # The number of lines stays, by which numba finds the compiled kernels of this file.
            padding = "\n" * (node.end_lineno - node.lineno)
            inserted = after + padding if isinstance(node, ast.stmt) else f"({after}{padding})"
            changed = (text[:start] + inserted.encode() + text[stop:]).decode()
            if changed not in seen and _compiles(changed):
                seen.add(changed)
                before = " ".join(text[start:stop].decode().split())
                statement = " ".join(lines[node.lineno - 1].partition("  #")[0].split())
                before = before if len(before) > 12 else f"{before} in {statement}"
                recompile = path.startswith("nn/backend/cpu/") and node.lineno in outside  # a constant of both versions
                found.append(Mutant(path, node.lineno, before, " ".join(after.split()), changed, recompile))
    return found


def _compiles(source: str) -> bool:
    try:
        compile(source, "mutant", "exec")
    except SyntaxError:
        return False
    return True


def files() -> list[str]:
    """layers/, the windows that they share, and the kernels that have a plain version; others only import."""
    paths = [*sorted((ROOT / "layers").glob("*.py")), ROOT / "nn" / "windows.py"]
    paths += sorted((ROOT / "nn" / "backend" / "cpu").glob("*.py"))
    return [path.relative_to(ROOT).as_posix() for path in paths if path.name != "__init__.py"]


# ------------------------------------------------------------------------------------------------- running the tests
class Copy:
    """A copy of the project, in which the tests run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in FOLDERS:
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "setup.cfg", folder)

    def kills(self, mutant: Mutant) -> bool:
        """Does one of the tests of this file fail, or else one of the further ones?"""
        common = COMMON_TESTS
        if mutant.path.startswith(
            "nn/backend/cpu/"
        ):  # layers call the fast kernels: only these tests see the plain ones
            common = COMMON_TESTS[::-1]
        own = [*OWN_TESTS.get(mutant.path, []), *common]
        return not (self._pass(own, mutant) and self._pass(FURTHER_TESTS, mutant))

    def prepare(self, paths: list[str]) -> bool:
        """Do all tests pass before anything is changed? Kernels and bytecode are compiled on the way, and kept."""
        own = [name for path in paths for name in OWN_TESTS.get(path, [])]
        return self._pass([*dict.fromkeys([*own, *COMMON_TESTS, *FURTHER_TESTS])])

    def _pass(self, names: list[str], mutant: Mutant | None = None) -> bool:
        command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", "-p", "no:cacheprovider"]
        command += ["--hypothesis-profile=mutants", "-m", "not oracle"]
        environment = os.environ | {"NUMBA_CACHE_DIR": str(self.folder / "compiled"), "NUM_THREADS": "2"}
        with tempfile.TemporaryDirectory() as folder:
            if mutant is not None:
                (Path(folder) / "mutant.py").write_text(mutant.source, encoding="utf-8")
                environment |= {"MUTANT": f"{folder}/mutant.py", "MUTANT_OF": str(self.folder / mutant.path)}
                command += ["-p", "tests.mutant_import"]
                if mutant.recompile:
                    environment["NUMBA_CACHE_DIR"] = folder
            command += [f"tests/{name}" for name in names]
            patience = 4 * PATIENCE if mutant is None or mutant.recompile else PATIENCE
            try:
                done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, timeout=patience)
            except subprocess.TimeoutExpired:
                return False
        if done.returncode in (4, 5):  # pytest's way to say that there are no such tests
            raise RuntimeError(done.stdout.decode() + done.stderr.decode())
        return done.returncode == 0


def run(mutants: list[Mutant], workers: int) -> list[Mutant]:
    """Those that survive."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(workers) as pool:
        project = Copy(Path(folder) / "copy")
        # First without a mistake: else every mutant would look killed.
        if not project.prepare(sorted({mutant.path for mutant in mutants})):
            raise RuntimeError("the tests fail before anything is changed")
        killed = pool.map(project.kills, mutants)
        bar = tqdm(zip(mutants, killed), total=len(mutants), unit="mutant", disable=not sys.stderr.isatty())
        return [mutant for mutant, is_killed in bar if not is_killed]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", default=files(), help="such as layers/conv.py (default: all)")
    parser.add_argument("--list", action="store_true", help="list the mutants instead of running the tests")
    parser.add_argument("--equal", action="store_true", help="try those, too, that are listed as equal to the original")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="how many at a time")
    options = parser.parse_args()
    mutants = [mutant for path in options.files for mutant in mutants_of(path)]
    if options.list:
        for mutant in mutants:
            print(f"{mutant.line:4} {mutant}")
        print(f"{len(mutants)} mutants")
        return 0
    start = time.monotonic()
    equal = {line for line in EQUAL.read_text(encoding="utf-8").splitlines() if not line.startswith("#")}
    tried = [mutant for mutant in mutants if options.equal or str(mutant) not in equal]
    survivors = run(tried, options.workers)
    gaps = [mutant for mutant in survivors if str(mutant) not in equal]
    same = [mutant for mutant in mutants if str(mutant) in equal and (mutant in survivors or not options.equal)]
    count, gap_count, same_count = (Counter(one.path for one in some) for some in (mutants, gaps, same))
    print(f"{'file':<28} {'mutants':>8} {'killed':>7} {'equal':>6} {'survived':>9}")
    for path in options.files:
        killed = count[path] - gap_count[path] - same_count[path]
        print(f"{path:<28} {count[path]:>8} {killed:>7} {same_count[path]:>6} {gap_count[path]:>9}")
    different = len(mutants) - len(same)
    share = 1 - len(gaps) / different
    print(
        f"{len(mutants)} mutants in {(time.monotonic() - start) / 60:.0f} minutes; {len(mutants) - different} compute "
        f"what the original computes; of the others {share:.1%} are killed (at least {LEAST_KILLED:.0%} should be)."
    )
    for mutant in gaps:
        print(f"survived: line {mutant.line} of {mutant}")
    for mutant in sorted({str(mutant) for mutant in tried} & equal - {str(mutant) for mutant in survivors}):
        print(f"killed, although {EQUAL.name} lists it: {mutant}")
    return int(share < LEAST_KILLED)


if __name__ == "__main__":
    sys.exit(main())
