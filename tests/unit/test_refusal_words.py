"""Every code with which the kernel refuses an input has a sentence for people and something to do next."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from dee_appliance.runtime.refusal import REFUSALS, refused, said

KERNEL = Path(__file__).parents[2] / "dee_appliance" / "kernel" / "e1"
OUTSIDE = {"malformed"}
"""Refused before the kernel is asked."""


def _text(node: ast.expr | None) -> Iterator[str]:
    """The texts that an expression can be: a constant, or one of two."""
    match node:
        case ast.Constant(value=str() as text):
            yield text
        case ast.IfExp(body=body, orelse=orelse):
            yield from _text(body)
            yield from _text(orelse)
        case _:
            pass


def kernel_codes() -> set[str]:
    """Codes given to `refuse` or `refused`, and those returned by functions that look for a refusal."""
    found: set[str] = set()
    for path in sorted(KERNEL.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Call(func=ast.Attribute(attr="refuse"), args=[_, code, *_]):
                    found.update(_text(code))
                case ast.Call(func=ast.Name(id="refused"), args=[_, _, code, *_]):
                    found.update(_text(code))
                case ast.FunctionDef(name=name) if "refusal" in name:
                    returned = (one.value for one in ast.walk(node) if isinstance(one, ast.Return))
                    found.update(text for value in returned for text in _text(value))
                case _:
                    pass
    return found


def test_every_code_of_the_kernel_has_its_sentence() -> None:
    codes = kernel_codes()
    assert len(codes) > 20
    assert codes | OUTSIDE == set(REFUSALS)


@pytest.mark.parametrize("code", sorted(REFUSALS))
def test_a_refusal_says_what_where_and_what_next(code: str) -> None:
    error = refused(code, "input 7")
    assert error.what == f"{said(code)} ({code})"
    assert error.where == "input 7"
    assert error.hint


def test_a_code_of_a_newer_file_stands_for_itself() -> None:
    assert said("from_the_future") == "from_the_future"
    assert "dee log" in str(refused("from_the_future", "input 7"))
