"""Mutants of the kernel: mutmut's own operators say which there are; each takes the place of one function in a running process.

Lives here: what a mutant is, which ones a file has, and how one is put in. Who tries them is `kernel_mutants`.

A mutant is put in by exchanging the code object of the function that everybody already holds: no import is done twice and nothing
is slowed down. What mutmut's operators change outside of functions (constants, defaults of fields) cannot be put in like that and
is not made, as with mutmut itself. Functions with a decorator, which mutmut leaves out, are in.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import textwrap
import types
from collections.abc import Callable
from pathlib import Path
from typing import Final

import libcst
from mutmut.mutation.file_mutation import create_mutations

ROOT: Final = Path(__file__).parent.parent
KERNEL: Final = ROOT / "dee_appliance" / "kernel"
PROLOGUE: Final = "from __future__ import annotations\n"


@dataclasses.dataclass(frozen=True)
class Mutant:
    """One function with one thing changed."""

    file: str
    """The path in the repository."""
    owner: str
    """The class it is a method of, empty if it is a function."""
    function: str
    lines: tuple[int, int]
    """First and last line of what is changed, in the file."""
    change: str
    """`the lines taken away => the lines put there`: with file and function, the mutant's name."""
    source: str
    """The whole function, changed."""

    @property
    def module(self) -> str:
        """The module's name without the path all kernel modules share."""
        return self.file.removeprefix("dee_appliance/kernel/").removesuffix(".py")

    @property
    def name(self) -> str:
        """What it is called in lists: the same as long as the function's lines are the same."""
        where = f"{self.owner}.{self.function}" if self.owner else self.function
        return f"{self.module}:{where}: {self.change}"


def mutants_of(path: Path, wanted: Callable[[], bool] = lambda: True) -> list[Mutant]:
    """The mutants of a file, in the order of its lines; `wanted` is asked for each whether to make it."""
    lines = path.read_text(encoding="utf-8").split("\n")
    code = "\n".join("#" + line if line.lstrip().startswith("@") else line for line in lines)
    module, mutations, _, _ = create_mutations(str(path), code)
    owners = _owners(module)
    positions = libcst.metadata.MetadataWrapper(module, unsafe_skip_copy=True).resolve(libcst.metadata.PositionProvider)
    made = []
    for mutation in mutations:
        function = mutation.contained_by_top_level_function
        if not isinstance(function, libcst.FunctionDef) or not wanted():
            continue
        before = module.code_for_node(function).strip("\n")
        after = module.code_for_node(function.deep_replace(mutation.original_node, mutation.mutated_node)).strip("\n")
        place = positions.get(mutation.original_node, positions[function])
        made.append(
            Mutant(
                file=path.relative_to(ROOT).as_posix(),
                owner=owners[function],
                function=function.name.value,
                lines=(place.start.line, place.end.line),
                change=_change(before, after),
                source=after,
            )
        )
    return made


def _owners(module: libcst.Module) -> dict[libcst.CSTNode, str]:
    """The class of each function at the top of a module or of a class."""
    owners: dict[libcst.CSTNode, str] = {}
    for node in module.body:
        owners[node] = ""
        if isinstance(node, libcst.ClassDef) and isinstance(node.body, libcst.IndentedBlock):
            owners |= dict.fromkeys(node.body.body, node.name.value)
    return owners


def _change(before: str, after: str) -> str:
    """The lines that differ, in one line."""
    taken, put = before.split("\n"), after.split("\n")
    while taken and put and taken[0] == put[0]:
        del taken[0], put[0]
    while taken and put and taken[-1] == put[-1]:
        del taken[-1], put[-1]
    return f"{' '.join(line.strip() for line in taken)} => {' '.join(line.strip() for line in put)}"


def put_in(mutant: Mutant) -> None:
    """Let the mutant take the function's place, in this process and for good.

    Raises:
        SyntaxError: it is no Python.
    """
    module = importlib.import_module(mutant.file.removesuffix(".py").replace("/", "."))
    names = dict(vars(module))
    if mutant.owner:
        # Inside a class of the same name, so that private names and super() mean what they meant.
        exec(f"{PROLOGUE}class {mutant.owner}:\n{textwrap.indent(mutant.source, '    ')}", names)
        new, old = vars(names[mutant.owner])[mutant.function], vars(vars(module)[mutant.owner])[mutant.function]
    else:
        exec(f"{PROLOGUE}{mutant.source}", names)
        new, old = names[mutant.function], vars(module)[mutant.function]
    old = bare(old)
    old.__code__, old.__defaults__, old.__kwdefaults__ = new.__code__, new.__defaults__, new.__kwdefaults__


def bare(function: object) -> types.FunctionType:
    """The function below a property, a cache or another decorator."""
    if isinstance(function, property):
        return bare(function.fget)
    if isinstance(function, (staticmethod, classmethod)):
        return bare(function.__func__)
    if isinstance(function, functools._lru_cache_wrapper):  # noqa: SLF001 - the type has no other name
        return bare(function.__wrapped__)
    assert isinstance(function, types.FunctionType), function
    return function
