"""The first place where two values of plain JSON differ, named by its path."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ABSENT = "(absent)"
"""Stands for the side that has no such field."""


class Difference(msgspec.Struct, frozen=True):
    """The path (`core.detail.gate[3][1]`), what was expected there and what was found."""

    path: str
    expected: object
    actual: object


def first_difference(expected: Mapping[str, object], actual: Mapping[str, object]) -> Difference | None:
    """Return the first difference of two objects, their fields taken in sorted order; None when there is none."""
    return _objects("", expected, actual)


def _values(path: str, expected: object, actual: object) -> Difference | None:
    if type(expected) is not type(actual):
        return Difference(path, expected, actual)
    if isinstance(expected, dict) and isinstance(actual, dict):
        return _objects(path, expected, actual)
    if isinstance(expected, list) and isinstance(actual, list):
        return _lists(path, expected, actual)
    return None if expected == actual else Difference(path, expected, actual)


def _objects(path: str, expected: Mapping[str, object], actual: Mapping[str, object]) -> Difference | None:
    for key in sorted({*expected, *actual}):
        inner = f"{path}.{key}" if path else str(key)
        if key not in actual:
            return Difference(inner, expected[key], ABSENT)
        if key not in expected:
            return Difference(inner, ABSENT, actual[key])
        found = _values(inner, expected[key], actual[key])
        if found is not None:
            return found
    return None


def _lists(path: str, expected: Sequence[object], actual: Sequence[object]) -> Difference | None:
    for position in range(max(len(expected), len(actual))):
        inner = f"{path}[{position}]"
        if position >= len(actual):
            return Difference(inner, expected[position], ABSENT)
        if position >= len(expected):
            return Difference(inner, ABSENT, actual[position])
        found = _values(inner, expected[position], actual[position])
        if found is not None:
            return found
    return None
