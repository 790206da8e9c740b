"""A second semantics epoch and a second file format, made by a test: the mechanism is real, only these two are not.

The epoch is made as docs/versions.md says that one is: a package with the one module that decides otherwise and all modules that
import it; everything else it takes from epoch 1, which stands still. Under it a daily limit lets half as many through.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from dee_appliance.kernel import epochs
from dee_appliance.kernel.e1.encoding import canonical, document_digest
from dee_appliance.kernel.e1.input import PlanPublish, encode_input
from dee_appliance.kernel.epochs import EPOCHS, Kernel
from dee_appliance.store import schema
from dee_appliance.store.database import open_writer
from dee_appliance.store.journal import Brought, Journal, NoShell

E1 = Path(epochs.__file__).parent / "e1"
OURS = "dee_appliance.kernel.e1"
PACKAGE = "second_epoch_of_the_tests"
CHANGED = "rules.daily_limit"
STEP = """
CREATE TABLE note_of_the_tests (
    seq  INTEGER PRIMARY KEY,
    text TEXT NOT NULL
) STRICT;
CREATE INDEX note_of_the_tests_by_text ON note_of_the_tests (text);
"""


def modules() -> dict[str, Path]:
    """Every module of epoch 1, by its name below the package."""
    found = {".".join(path.relative_to(E1).with_suffix("").parts): path for path in sorted(E1.rglob("*.py"))}
    return {name.removesuffix(".__init__").replace("__init__", ""): path for name, path in found.items()}


def imported(text: str, known: dict[str, Path]) -> set[str]:
    """The modules of epoch 1 that a module imports."""
    found = set(re.findall(rf"from {re.escape(OURS)}\.([\w.]+) import", text))
    for package, names in re.findall(rf"from {re.escape(OURS)}((?:\.\w+)*) import (\([^)]*\)|[^\n]*)", text):
        found |= {f"{package}.{name}".lstrip(".") for name in re.findall(r"\w+", names)}
    return found & set(known)


def affected() -> list[str]:
    """The changed module and all that import it, directly or through others."""
    known = modules()
    imports = {name: imported(path.read_text(encoding="utf-8"), known) for name, path in known.items()}
    reached = {CHANGED}
    while grown := {name for name, used in imports.items() if used & reached} - reached:
        reached |= grown
    return sorted(reached)


def write_package(folder: Path) -> Path:
    """Write the package of the second epoch into a folder."""
    own = affected()
    assert {CHANGED, "gate", "machine", "deciding"} <= set(own), own
    assert not {"run", "input", "plan", "policy", "encoding"} & set(own), "what crosses the border has one form"
    for name in own:
        text = modules()[name].read_text(encoding="utf-8")
        text = _redirected(text, own)
        if name == CHANGED:
            old = "limit = limit_on(rule, bucket) if rule.ramp else rule.limit"
            assert text.count(old) == 1, "the rule that the tests change has another form"
            text = text.replace(old, "limit = (limit_on(rule, bucket) if rule.ramp else rule.limit) // 2")
        target = folder / PACKAGE / (name.replace(".", "/") + ".py")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    for package in (folder / PACKAGE, folder / PACKAGE / "rules"):
        (package / "__init__.py").touch()
    return folder


def _redirected(text: str, own: list[str]) -> str:
    """Let a module import from the new package what is there."""
    for name in own:
        text = re.sub(rf"from {re.escape(OURS)}\.{re.escape(name)} import", f"from {PACKAGE}.{name} import", text)

    def of_package(match: re.Match[str]) -> str:
        package, names = match[1], re.findall(r"\w+", match[2])
        ours = [one for one in names if f"{package}.{one}".lstrip(".") not in own]
        new = [one for one in names if one not in ours]
        lines = [f"from {OURS}{package} import {', '.join(ours)}"] if ours else []
        lines += [f"from {PACKAGE}{package} import {', '.join(new)}"] if new else []
        return "\n".join(lines)

    return re.sub(rf"from {re.escape(OURS)}((?:\.rules)?) import (\([^)]*\)|[^\n]*)", of_package, text)


def load(folder: Path) -> Kernel:
    """Import the second epoch from a folder."""
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]
    sys.path.insert(0, str(folder))
    try:
        return cast("Kernel", importlib.import_module(f"{PACKAGE}.deciding"))
    finally:
        sys.path.remove(str(folder))


@contextmanager
def second_epoch(folder: Path) -> Iterator[Kernel]:
    """While this lasts, the program has two epochs."""
    kernel = load(write_package(folder / "epoch"))
    EPOCHS[2] = kernel
    try:
        yield kernel
    finally:
        del EPOCHS[2]


@contextmanager
def second_format(folder: Path) -> Iterator[None]:
    """While this lasts, the program has two file formats."""
    step = folder / "0002-notes.sql"
    step.write_text(STEP, encoding="utf-8")
    schema.STEPS.append(str(step))
    try:
        yield
    finally:
        schema.STEPS.pop()


@contextmanager
def newer_program(folder: Path) -> Iterator[None]:
    """While this lasts, the program is a newer one: another epoch, and another format."""
    with second_epoch(folder), second_format(folder):
        yield


class KnowsSchema2:
    """A kernel that executes one plan schema more."""

    PLAN_SCHEMAS = (1, 2)

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def __getattr__(self, name: str) -> object:
        """Everything else is as it was."""
        return getattr(self._kernel, name)

    def read_plan(self, body: bytes) -> object:
        """Schema 2 is schema 1 by another number."""
        return self._kernel.read_plan(body.replace(b'"schema":2,', b""))


def publish_of_schema_2(path: Path) -> None:
    """Publish the plan `future@1` as a newer program would: its kernel executes plan schema 2."""
    steps = [{"do": "end", "id": "end", "outcome": "done"}]
    body = canonical({"plan": "future", "purpose": "transactional", "schema": 2, "steps": steps, "version": 1})
    digest = document_digest("plan", body)
    brought = Brought(documents={digest: ("plan", body.decode())})
    payload = encode_input(PlanPublish(plan="future", version=1, digest=digest)).decode()
    with open_writer(path) as database:
        journal = Journal(database, NoShell())
        journal.state.kernel = cast("Kernel", KnowsSchema2(journal.state.kernel))
        with database.transaction():
            _, outcome = journal.admit(
                journal.last_tick, journal.last_tick, "test", "plan.publish", payload, brought=brought
            )
            assert outcome == "done", outcome
            journal.flush()
        database.checkpoint_truncate()
