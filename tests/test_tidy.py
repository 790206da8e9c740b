"""The repository itself under test: sizes, words, and what no linter knows about the kernel.

Each rule is a function from a parsed module to its faults, so that a planted fault can show that the rule bites. Where a rule is
broken for a good reason, the reason goes into a table here and the number in it may only fall.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "dee_appliance"
SKIPPED = {"__pycache__", "build", "dist", "mutants", "node_modules"}

LINES_PER_FILE = 500
LINES_PER_FUNCTION = 50

# path -> lines allowed. Only ever shorten these lists and lower these numbers.
LONGER_FILES: dict[str, int] = {}
# "path::name" -> lines allowed
LONGER_FUNCTIONS: dict[str, int] = {}

KERNEL_MAY_IMPORT = {
    "__future__",
    "bisect",
    "blake3",
    "collections.abc",
    "dee_appliance.errors",
    "enum",
    "functools",
    "hashlib",
    "msgspec",
    "msgspec.structs",
    "typing",
}
# Calls that give floats, depend on the process, or leave the kernel.
KERNEL_MAY_NOT_CALL = {"compile", "eval", "exec", "float", "globals", "hash", "id", "input", "open", "print", "vars"}
SET_TYPES = {"AbstractSet", "FrozenSet", "MutableSet", "Set", "frozenset", "set"}
# Consumers of an iterable whose result does not depend on its order.
ORDER_BLIND = {"all", "any", "bool", "frozenset", "len", "max", "min", "set", "sorted", "sum"}
IN_ORDER = {"dict", "enumerate", "filter", "iter", "join", "list", "map", "next", "reversed", "tuple", "zip"}

# One letter of each in brackets, so that this file does not hold what it looks for.
LEFT_OVER = re.compile(r"\b(T[O]DO|F[I]XME|H[A]CK|NotImplemented[E]rror)\b|\bX[X]X[ :]")
VAGUE_NAME = re.compile(r"(^|_)(util|utils|helper|helpers|manager|misc|stuff)(_|$)|(Helper|Manager|Util|Utils)$")
MACHINE_PATH = re.compile(r"(?<![\w.])/(w[o]rk|r[o]ot|h[o]me|U[s]ers)/\w|\.py[e]nv\b")

Check = Callable[[ast.Module], Iterator[str]]


def relative(path: Path) -> str:
    """The path from the top of the repository, as the tables and the messages here write it."""
    return path.relative_to(ROOT).as_posix()


@cache
def files(suffix: str) -> tuple[Path, ...]:
    """Every file of ours with that suffix, in order; build products and hidden folders but .ci are not ours."""
    found = []
    for path in sorted(ROOT.rglob(f"*{suffix}")):
        parts = path.relative_to(ROOT).parts
        hidden = any(part.startswith(".") and part != ".ci" for part in parts[:-1])
        if path.is_file() and not hidden and not SKIPPED & set(parts):
            found.append(path)
    return tuple(found)


@cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of one of our files."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=relative(path))


def python(folder: Path) -> list[Path]:
    """The Python files below a folder."""
    return [path for path in files(".py") if path.is_relative_to(folder)]


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method, nested ones too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end, without the docstring."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function, clean=False) is None:
        return lines
    first = function.body[0]
    return lines - ((first.end_lineno or first.lineno) - first.lineno + 1)


def faults(check: Check, paths: list[Path]) -> list[str]:
    """What one rule finds in many files."""
    return [f"{relative(path)}:{fault}" for path in paths for fault in check(parsed(path))]


# -- sizes -------------------------------------------------------------------------------------------------------------


def test_no_file_is_longer_than_a_head_holds() -> None:
    lengths = {relative(path): len(path.read_text(encoding="utf-8").splitlines()) for path in files(".py")}
    assert {path: lines for path, lines in lengths.items() if lines > LONGER_FILES.get(path, LINES_PER_FILE)} == {}


def test_no_function_is_longer_than_a_screen() -> None:
    lengths = {
        f"{relative(path)}::{function.name}": code_lines(function)
        for path in files(".py")
        for function in functions(parsed(path))
    }
    assert {
        name: lines for name, lines in lengths.items() if lines > LONGER_FUNCTIONS.get(name, LINES_PER_FUNCTION)
    } == {}


def test_an_exception_that_is_no_longer_needed_leaves_the_table() -> None:
    slack = [
        path
        for path, allowed in LONGER_FILES.items()
        if len((ROOT / path).read_text(encoding="utf-8").splitlines()) < allowed
    ]
    for name, allowed in LONGER_FUNCTIONS.items():
        path, _, function_name = name.partition("::")
        lengths = [code_lines(f) for f in functions(parsed(ROOT / path)) if f.name == function_name]
        if not lengths or max(lengths) < allowed:
            slack.append(name)
    assert slack == []


# -- words -------------------------------------------------------------------------------------------------------------


def text_faults(pattern: re.Pattern[str], *suffixes: str) -> list[str]:
    """Lines of ours that match."""
    return [
        f"{relative(path)}:{number}: {line.strip()[:100]}"
        for suffix in suffixes
        for path in files(suffix)
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]


def test_nothing_is_left_for_later() -> None:
    assert text_faults(LEFT_OVER, ".py", ".sql", ".sh", ".md", ".toml") == []


def test_nothing_names_a_path_of_one_machine() -> None:
    everything = (".py", ".sql", ".sh", ".md", ".toml", ".txt", ".json", ".csv", ".spec", ".service", "run")
    assert text_faults(MACHINE_PATH, *everything) == []


def vague_names(tree: ast.Module) -> Iterator[str]:
    """Classes and functions whose name says nothing."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and VAGUE_NAME.search(node.name):
            yield f"{node.lineno}: {node.name}"


def test_names_say_what_a_thing_is() -> None:
    vague_files = [relative(path) for path in files(".py") if VAGUE_NAME.search(path.stem)]
    assert vague_files + faults(vague_names, list(files(".py"))) == []


def test_every_module_says_what_lives_there() -> None:
    unsaid = [relative(path) for path in files(".py") if len(ast.get_docstring(parsed(path)) or "") < 30]
    assert unsaid == []


# -- the kernel --------------------------------------------------------------------------------------------------------


def impure_imports(tree: ast.Module) -> Iterator[str]:
    """Imports the kernel may not have. A list of what is allowed, since a list of what is banned is never complete."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{'.' * node.level}{node.module or ''}"]
        else:
            continue
        for name in names:
            if not name.startswith((".", "dee_appliance.kernel")) and name not in KERNEL_MAY_IMPORT:
                yield f"{node.lineno}: imports {name}"


def floats(tree: ast.Module) -> Iterator[str]:
    """Constants and operations that give floats, and calls that leave the kernel's world of integers and strings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, float | complex):
            yield f"{node.lineno}: the float {node.value}"
        elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            yield f"{node.lineno}: / gives a float, use // and say how it rounds"


def outside_calls(tree: ast.Module) -> Iterator[str]:
    """Built-ins that read the process or the world."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KERNEL_MAY_NOT_CALL:
            yield f"{node.lineno}: calls {node.func.id}()"


def last_name(node: ast.expr | None) -> str:
    """`set` for `set[str]`, `x.set` and `"set[str]"`; empty for anything unnamed."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(value=value):
            return last_name(value)
        case ast.Constant(value=str() as text):
            return text.partition("[")[0]
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):  # `frozenset[str] | None`
            return next((name for name in (last_name(left), last_name(right)) if name in SET_TYPES), "")
        case _:
            return ""


def names_of_sets(tree: ast.Module) -> set[str]:
    """Names and fields that are annotated as a set or given one, anywhere in the module: a coarse but safe net."""
    names = set()
    for node in ast.walk(tree):
        match node:
            case ast.AnnAssign(target=target, annotation=annotation) if last_name(annotation) in SET_TYPES:
                names.add(last_name(target))
            case ast.arg(arg=name, annotation=annotation) if last_name(annotation) in SET_TYPES:
                names.add(name)
            case ast.Assign(targets=targets, value=value) if is_set(value, set()):
                names.update(last_name(target) for target in targets)
            case _:
                pass
    return names - {""}


def is_set(node: ast.expr, names: set[str]) -> bool:
    """Whether an expression is a set, as far as its looks tell."""
    match node:
        case ast.Set() | ast.SetComp():
            return True
        case ast.Call(func=ast.Name(id="set" | "frozenset")):
            return True
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in names
        case ast.BinOp(op=ast.BitOr() | ast.BitAnd() | ast.Sub() | ast.BitXor(), left=left, right=right):
            return is_set(left, names) or is_set(right, names)
        case _:
            return False


def ordered_uses_of_sets(tree: ast.Module) -> Iterator[str]:
    """Places where the order of a set, which differs between processes, would reach a result."""
    names = names_of_sets(tree)
    blind = {
        id(argument)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and last_name(node.func) in ORDER_BLIND
        for argument in node.args
    }
    for node in ast.walk(tree):
        match node:
            case ast.For(iter=source) | ast.Starred(value=source) | ast.YieldFrom(value=source):
                used = [source]
            case ast.ListComp() | ast.DictComp():
                used = [generator.iter for generator in node.generators]
            case ast.GeneratorExp() if id(node) not in blind:
                used = [generator.iter for generator in node.generators]
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=used) if name in IN_ORDER:
                pass
            case ast.Call(func=ast.Attribute(attr="pop", value=source), args=[]):
                used = [source]
            case _:
                continue
        if any(is_set(source, names) for source in used):
            yield f"{node.lineno}: takes a set in order, sort it by a key that is unique"


KERNEL_CHECKS = [impure_imports, floats, outside_calls, ordered_uses_of_sets]


@pytest.mark.parametrize("check", KERNEL_CHECKS, ids=lambda check: check.__name__)
def test_the_kernel_is(check: Check) -> None:
    assert faults(check, python(PACKAGE / "kernel")) == []


@pytest.mark.parametrize(
    ("check", "source"),
    [
        (impure_imports, "import time"),
        (impure_imports, "from datetime import datetime"),
        (impure_imports, "from dee_appliance.store import schema"),
        (impure_imports, "def f():\n    import os"),
        (floats, "share = 0.5"),
        (floats, "half = 1 / 2"),
        (floats, "half /= 2"),
        (outside_calls, "bucket = hash(name) % 10"),
        (outside_calls, "open('plan.toml')"),
        (ordered_uses_of_sets, "for name in {'a', 'b'}: pass"),
        (ordered_uses_of_sets, "names = set(given)\nfirst = [n for n in names]"),
        (ordered_uses_of_sets, "def f(names: frozenset[str]):\n    return tuple(names)"),
        (
            ordered_uses_of_sets,
            "class Run:\n    tags: frozenset[str] | None\ndef f(run):\n    return ','.join(run.tags)",
        ),
        (ordered_uses_of_sets, "names = set(a)\nnames.pop()"),
        (ordered_uses_of_sets, "names = set(a)\nx = [*names]"),
        (ordered_uses_of_sets, "for n in set(a) - b: pass"),
    ],
)
def test_a_planted_fault_is_found(check: Check, source: str) -> None:
    assert len(list(check(ast.parse(source)))) == 1


@pytest.mark.parametrize(
    "source",
    [
        "from dee_appliance.kernel.e1 import plan\nimport msgspec\nfrom collections.abc import Mapping",
        "names = {'a', 'b'}\nknown = 'a' in names\ncount = len(names)",
        "names = set(given)\nfor name in sorted(names): pass",
        "names = set(given)\nyes = any(name == 'a' for name in names)",
        "both = {n for n in set(a)}",
    ],
)
def test_what_is_allowed_is_not_reported(source: str) -> None:
    assert [fault for check in KERNEL_CHECKS for fault in check(ast.parse(source))] == []


# -- the rooms ---------------------------------------------------------------------------------------------------------


def speaking(tree: ast.Module) -> Iterator[str]:
    """Writes to the terminal."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="print")):
                yield f"{node.lineno}: print()"
            case ast.Attribute(value=ast.Name(id="sys"), attr="stdout" | "stderr" | "stdin" as name):
                yield f"{node.lineno}: sys.{name}"
            case _:
                pass


def test_only_the_command_line_speaks() -> None:
    quiet = [path for path in python(PACKAGE) if not path.is_relative_to(PACKAGE / "cli")]
    assert faults(speaking, quiet) == []


# -- the tests ---------------------------------------------------------------------------------------------------------


def test_every_test_file_has_its_own_name() -> None:
    names = Counter(path.name for path in python(ROOT / "tests") if path.name != "conftest.py")
    assert [name for name, count in names.items() if count > 1] == []


def idle_tests(tree: ast.Module) -> Iterator[str]:
    """Tests that could not fail: no assertion, no expected error, no call of something that checks."""
    for function in functions(tree):
        if not function.name.startswith("test_"):
            continue
        called = {last_name(node.func) for node in ast.walk(function) if isinstance(node, ast.Call)}
        checks = {name for name in called if name.startswith(("assert", "check", "expect", "raises", "fail"))}
        if not checks and not any(isinstance(node, ast.Assert) for node in ast.walk(function)):
            yield f"{function.lineno}: {function.name}"


def test_every_test_can_fail() -> None:
    assert faults(idle_tests, python(ROOT / "tests")) == []


def sleeps(tree: ast.Module) -> Iterator[str]:
    """Waiting for time to pass instead of for the thing itself."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and last_name(node.func) == "sleep":
            yield f"{node.lineno}: sleep"


def test_no_test_sleeps() -> None:
    assert faults(sleeps, python(ROOT / "tests")) == []
