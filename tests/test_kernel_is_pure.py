"""The kernel decides from values alone: what its code calls while it decides, call by call, and what it is made of.

Every situation of tests/kernel_situations.py × everything that can happen there is decided under a profiler that sees each call
of Python and of C. Only what is listed here may be called: a list of what is forbidden would never be complete. Clocks, random
numbers and sockets raise all the same, since that says more than a name.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import os
import pkgutil
import random  # noqa: TID251 - to see that the kernel does not
import socket
import sys
import time
import types
import uuid  # noqa: TID251 - to see that the kernel does not
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from kernel_builder import Story, branch, email, plan_of
from kernel_situations import HAPPENINGS, SITUATIONS, TIER, possible

import dee_appliance.kernel.e1
from dee_appliance.kernel.e1 import deciding, enrolment
from dee_appliance.kernel.e1.compiled import CompiledPlan
from dee_appliance.kernel.e1.input import decode_input

DECIDERS = tuple((deciding, name) for name in ("decide", "decide_due", "decide_pull", "decide_file"))
OUR_CODE = ("dee_appliance.kernel.",)
BORROWED_CODE = {"msgspec.structs", "functools", "enum", "collections.abc"}
C_MODULES = {
    "builtins",
    "_bisect",
    "_functools",
    "_hashlib",
    "functools",
    "blake3",
    "blake3.blake3",
    "msgspec._core",
    "msgspec.json",
}
FORBIDDEN_BUILT_INS = {
    "__import__", "breakpoint", "compile", "eval", "exec", "float", "globals", "hash", "id", "input", "open", "print", "vars",
}  # fmt: skip
FORBIDDEN_AUDIT = (
    "open",
    "socket.",
    "os.",
    "subprocess.",
    "shutil.",
    "tempfile.",
    "import",
    "exec",
    "compile",
    "sqlite3.",
)


class Impure(Exception):
    """Something was read that is no value."""


class Watch:
    """Sees what is called while the kernel decides."""

    def __init__(self) -> None:
        self.deciding = 0
        self.called: Counter[str] = Counter()
        self.strangers: Counter[str] = Counter()

    def around(self, decider: Callable[..., object]) -> Callable[..., object]:
        def watched(*args: object, **named: object) -> object:
            self.deciding += 1
            sys.setprofile(self._saw)
            try:
                return decider(*args, **named)
            finally:
                sys.setprofile(None)
                self.deciding -= 1

        return watched

    def _saw(self, frame: types.FrameType, event: str, function: Any) -> None:
        if event == "call":
            name = str(frame.f_globals.get("__name__"))
            known = name.startswith(OUR_CODE) or name in BORROWED_CODE
            (self.called if known else self.strangers)[f"{name}.{frame.f_code.co_name}"] += 1
        elif event == "c_call" and function is not sys.setprofile:
            # A method of a C type has no module of its own: it belongs where its type does.
            module = getattr(function, "__module__", None) or type(function.__self__).__module__
            name = function.__qualname__
            known = module in C_MODULES and not (module == "builtins" and name in FORBIDDEN_BUILT_INS)
            (self.called if known else self.strangers)[f"{module}.{name}"] += 1


WATCH = Watch()


def _audit(event: str, _arguments: object) -> None:
    if WATCH.deciding and event.startswith(FORBIDDEN_AUDIT):
        raise Impure(f"{event} while the kernel decides")


sys.addaudithook(_audit)


def _raising(name: str, real: Callable[..., object]) -> Callable[..., object]:
    def forbidden(*args: object, **named: object) -> object:
        if WATCH.deciding:
            raise Impure(f"{name} while the kernel decides")
        return real(*args, **named)

    return forbidden


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Everything that the journal asks of the kernel is watched, and what is no value raises."""
    for module, name in DECIDERS:
        monkeypatch.setattr(module, name, WATCH.around(getattr(module, name)))
    impure: list[tuple[Any, str]] = [
        (time, "time"), (time, "time_ns"), (time, "monotonic"), (time, "perf_counter"), (time, "localtime"),
        (random, "random"), (random, "randrange"), (uuid, "uuid4"), (uuid, "uuid1"), (os, "urandom"), (os, "getpid"),
        (socket, "socket"), (socket, "getaddrinfo"),
    ]  # fmt: skip
    for module, name in impure:
        monkeypatch.setattr(module, name, _raising(name, getattr(module, name)))
    WATCH.called.clear()
    WATCH.strangers.clear()
    return WATCH


@pytest.mark.slow
def test_nothing_but_values_is_read_while_the_kernel_decides(watched: Watch) -> None:
    for make in SITUATIONS.values():
        with make() as story:
            for happening in HAPPENINGS:
                if possible(story, happening):
                    with story.trying():
                        HAPPENINGS[happening](story)
    when = 'has(contact.tier) && !(contact.tier in [1, 2]) || replied("mail") && count("x") >= 2 || unsubscribed()'
    plan = plan_of(email(), branch("which", when, "mail", "end", max_visits=2), attributes=TIER)
    watched.around(CompiledPlan)(plan, "b3:x")
    watched.around(decode_input)("contact.put", '{"contact":"c_1","facts":{"zones":{"declared":["x"]}}}')
    assert watched.strangers == {}
    functions = {name for name in watched.called if name.startswith(OUR_CODE)}
    assert len(functions) > 150  # or it has not watched


INTRUDERS: list[tuple[Any, str, tuple[Any, ...]]] = [
    (time, "time", ()),
    (time, "sleep", (0,)),
    (random, "random", ()),
    (os, "urandom", (4,)),
    (os, "getcwd", ()),
    (os, "getenv", ("TZ",)),
    (uuid, "uuid4", ()),
    (socket, "socket", ()),
    (builtins, "open", (os.devnull,)),
    (builtins, "hash", ("x",)),
]


@pytest.mark.parametrize(("module", "name", "arguments"), INTRUDERS, ids=[name for _, name, _ in INTRUDERS])
def test_the_watch_sees_what_should_not_be_there(
    module: Any, name: str, arguments: tuple[Any, ...], watched: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = enrolment.enroll

    def enroll(turn: Any, cause: Any) -> None:
        getattr(module, name)(*arguments)
        real(turn, cause)

    monkeypatch.setattr(enrolment, "enroll", enroll)
    with Story(plan_of(email())) as story:
        watched.strangers.clear()
        with suppress(Impure):
            story.enroll()
            assert [called for called in watched.strangers if name in called] != []


# -- what it is made of ----------------------------------------------------------------------------------------------------

PARTS = ("dee_appliance.kernel", "dee_appliance.errors", "msgspec", "blake3")
STANDARD = {
    "__future__", "_hashlib", "_bisect", "bisect", "builtins", "collections", "collections.abc", "enum", "functools", "hashlib",
    "types", "typing",
}  # fmt: skip


def kernel_modules() -> list[str]:
    found = pkgutil.walk_packages(dee_appliance.kernel.e1.__path__, "dee_appliance.kernel.e1.")
    return sorted(one.name for one in found)


@pytest.mark.parametrize("name", kernel_modules())
def test_whatever_a_module_of_the_kernel_can_name_is_a_value_or_comes_from_the_kernel(name: str) -> None:
    module = importlib.import_module(name)
    foreign = {}
    for known, value in vars(module).items():
        home = value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", None)
        if known.startswith("__") or home is None:
            continue
        if home not in STANDARD and not str(home).startswith(PARTS):
            foreign[known] = home
    assert foreign == {}


def inexact(text: str) -> list[str]:
    """What a source text says that may give another result elsewhere: true division, floats, and sets that can be iterated.

    A frozenset is for asking what is in it; that nobody iterates one is seen by the histories that run under two hash seeds.
    """
    tree = ast.parse(text)
    frozen = {
        id(argument)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "frozenset"
        for argument in node.args
    }
    found: list[str] = []
    for node in ast.walk(tree):
        match node:
            case ast.Set() | ast.SetComp() if id(node) in frozen:
                pass
            case ast.Div() | ast.Set() | ast.SetComp():
                found.append(type(node).__name__)
            case ast.Constant(value=float() | complex()):
                found.append(f"constant {node.value!r}")
            case ast.Name(id="float" | "complex" | "set"):
                found.append(node.id)
            case _:
                pass
    return found


@pytest.mark.parametrize("name", kernel_modules())
def test_a_module_of_the_kernel_has_neither_floats_nor_sets(name: str) -> None:
    assert inexact(inspect.getsource(importlib.import_module(name))) == []


@pytest.mark.parametrize(
    "text", ["a / b", "a /= 2", "x = 0.5", "[*{a, b}]", "{a for a in b}", "list(set(a))", "x: float"]
)
def test_what_is_inexact_is_seen(text: str) -> None:
    assert inexact(text) != []


def test_no_module_of_the_kernel_keeps_a_value_that_a_decision_could_change() -> None:
    stories = [make() for make in list(SITUATIONS.values())[:6]]
    before = _module_state()
    for story in stories:
        for happening in HAPPENINGS:
            if possible(story, happening):
                with story.trying():
                    HAPPENINGS[happening](story)
        story.close()
    assert _module_state() == before


def _module_state() -> dict[str, str]:
    """Every table, list and set that a module of the kernel holds, as text."""
    return {
        f"{name}.{known}": repr(value)
        for name in kernel_modules()
        for known, value in vars(importlib.import_module(name)).items()
        if isinstance(value, dict | list | set) and not known.startswith("__")
    }
