"""Is a table of the shape its type says? Reads tables into msgspec structs and collects every mistake, each with its line.

msgspec.convert stops at the first mistake; this walks the same types field by field. It knows the forms that written types use
(structs, tagged unions, lists, dicts and leaves) and nothing about plans or policies.
"""

from __future__ import annotations

import datetime
import types
import typing
import unicodedata
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from dee_appliance.authoring.finding import Code, Findings, did_you_mean
from dee_appliance.authoring.positions import Path
from dee_appliance.authoring.source import Source

Part = TypeVar("Part", bound=msgspec.Struct)
Hints = Mapping[tuple[str, str], tuple[Code, str]]


class Broken:
    """Stands for a value that was refused; `BROKEN` is the only one."""


BROKEN = Broken()


class Shape:
    """Reads the tables of one source.

    `hints` gives the code and the suggestion for a missing field, by tag (or type name) of the table and name of the field.
    """

    def __init__(self, source: Source, found: Findings, hints: Hints) -> None:
        self._source = source
        self._found = found
        self._hints = hints

    def refuse(self, path: Path, code: Code, reason: str, suggestion: str = "") -> None:
        """Add a finding at the line of `path`."""
        self._found.refuse(self._source.file, self._source.positions.line(path), code, reason, suggestion)

    def struct(self, kind: type[Part], table: object, path: Path) -> Part | Broken:
        """Return the table as `kind`, or BROKEN after findings."""
        if not isinstance(table, dict):
            self.refuse(path, "wrong_type", f"{named(path)} must be a table, not {shown(table)}")
            return BROKEN
        values, sound = self.fields(kind, table, path)
        return kind(**values) if sound else BROKEN

    def fields(
        self, kind: type[msgspec.Struct], table: Mapping[str, object], path: Path, *, apart: tuple[str, ...] = ()
    ) -> tuple[dict[str, Any], bool]:
        """Return the sound fields of a table by their Python names, and whether nothing was refused.

        The caller reads the values of the fields `apart`; that they are known and not missing is still seen to here.
        """
        tag_field = kind.__struct_config__.tag_field
        known = {field.encode_name: field for field in msgspec.structs.fields(kind)}
        values: dict[str, Any] = {}
        sound = True
        for key in table:
            if key not in known and key != tag_field:
                self._unknown_field(kind, key, known, path)
                sound = False
        for key, field in known.items():
            if key in table and key in apart:
                continue
            if key in table:
                value = self.value(field.type, table[key], (*path, key))
                if value is BROKEN:
                    sound = False
                else:
                    values[field.name] = value
            elif field.required:
                code, hint = self._hints.get((word_of(kind), key), ("missing_field", how_to_write(field.type)))
                self.refuse(path, code, f"{word_of(kind)} has no `{key}`", hint)
                sound = False
        return values, sound

    def value(self, kind: Any, value: object, path: Path) -> Any:  # noqa: ANN401 - as many types as there are fields
        """Return the value as the type `kind`, or BROKEN after findings."""
        meta = None
        if get_origin(kind) is Annotated:
            kind, meta = get_args(kind)
        if value is None:
            self.refuse(path, "wrong_type", f"{named(path)} is null, which means nothing here", "leave the field out")
            return BROKEN
        origin = get_origin(kind)
        if origin is Union or origin is types.UnionType:
            return self._one_of(get_args(kind), value, path)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return self.struct(kind, value, path)
        if origin is list:
            return self._list(get_args(kind)[0], meta, value, path)
        if origin is dict:
            return self._dict(get_args(kind), meta, value, path)
        return self._leaf(kind, meta, value, path)

    def tagged(self, kinds: tuple[type[Part], ...], value: object, path: Path) -> Part | Broken:
        """Return the table as the one of `kinds` that its tag field names, or BROKEN after findings."""
        if not isinstance(value, dict):
            self.refuse(path, "wrong_type", f"{named(path)} must be a table, not {shown(value)}")
            return BROKEN
        by_tag = {word_of(kind): kind for kind in kinds}
        tag_field = str(kinds[0].__struct_config__.tag_field)
        word = value.get(tag_field)
        if isinstance(word, str) and word in by_tag:
            return self.struct(by_tag[word], value, path)
        if word is None:
            self.refuse(path, "missing_field", f"{named(path)} has no `{tag_field}`", f"one of {', '.join(by_tag)}")
        else:
            reason = f"`{tag_field}` must be one of {', '.join(by_tag)}, not {shown(word)}"
            self.refuse((*path, tag_field), "unknown_kind", reason, _nearest(word, by_tag))
        return BROKEN

    def _one_of(self, kinds: tuple[Any, ...], value: object, path: Path) -> Any:  # noqa: ANN401
        """Choose the member of a union by the form of the value: the written types never need more."""
        kinds = tuple(kind for kind in kinds if kind is not type(None))
        structs = tuple(kind for kind in kinds if isinstance(kind, type) and issubclass(kind, msgspec.Struct))
        if len(structs) > 1:
            return self.tagged(structs, value, path)
        for kind in kinds:
            if _form_of(kind) is type(value):
                return self.value(kind, value, path)
        return self.value(kinds[0], value, path)

    def _list(self, kind: Any, meta: Any, value: object, path: Path) -> Any:  # noqa: ANN401
        if not isinstance(value, list):
            self.refuse(path, "wrong_type", f"{named(path)} must be a list, not {shown(value)}", "write it in [ ]")
            return BROKEN
        if not self._length_fits(meta, len(value), path):
            return BROKEN
        items = [self.value(kind, item, (*path, index)) for index, item in enumerate(value)]
        return BROKEN if BROKEN in items else items

    def _dict(self, kinds: tuple[Any, ...], meta: Any, value: object, path: Path) -> Any:  # noqa: ANN401
        key_kind, value_kind = kinds
        if not isinstance(value, dict):
            self.refuse(path, "wrong_type", f"{named(path)} must be a table, not {shown(value)}", "write it in { }")
            return BROKEN
        if not self._length_fits(meta, len(value), path):
            return BROKEN
        read: dict[str, Any] = {}
        sound = True
        for key, item in value.items():
            sound = self._key_fits(key_kind, key, (*path, key)) and sound
            read[key] = self.value(value_kind, item, (*path, key))
            sound = sound and read[key] is not BROKEN
        return read if sound else BROKEN

    def _key_fits(self, kind: Any, key: str, path: Path) -> bool:  # noqa: ANN401
        if _converts(kind, key):
            return True
        words = _words(kind)
        wanted = f"one of {', '.join(words)}" if words else how_to_write(kind)
        self.refuse(path, "unknown_key", f'"{key}" in `{path[-2]}` must be {wanted}', _nearest(key, words))
        return False

    def _length_fits(self, meta: msgspec.Meta | None, length: int, path: Path) -> bool:
        least = (meta.min_length if meta else None) or 0
        most = (meta.max_length if meta else None) or length
        if least <= length <= most:
            return True
        bound = f"at least {least}" if length < least else f"at most {most}"
        self.refuse(path, "wrong_length", f"{named(path)} has {length} entries, but needs {bound}")
        return False

    def _leaf(self, kind: Any, meta: msgspec.Meta | None, value: object, path: Path) -> Any:  # noqa: ANN401
        annotated: Any = kind if meta is None else Annotated[kind, meta]
        if isinstance(value, str):
            value = unicodedata.normalize("NFC", value)
            if any(unicodedata.category(mark) == "Cc" and mark not in "\n\t" for mark in value):
                self.refuse(path, "wrong_value", f"{named(path)} holds a control character", "write plain text")
                return BROKEN
        if _converts(annotated, value):
            return msgspec.convert(value, annotated)
        words = _words(kind)
        if words:
            reason, hint = (
                f"{named(path)} must be one of {', '.join(words)}, not {shown(value)}",
                _nearest(value, words),
            )
        else:
            reason, hint = f"{named(path)} must be {how_to_write(annotated)}, not {shown(value)}", ""
        if isinstance(value, float):
            hint = "numbers with a point are not exact; write amounts as text"
        self.refuse(path, "wrong_type" if not isinstance(value, str) else "wrong_value", reason, hint)
        return BROKEN

    def _unknown_field(self, kind: type[msgspec.Struct], key: str, known: Mapping[str, object], path: Path) -> None:
        self.refuse((*path, key), "unknown_field", f"{word_of(kind)} has no field `{key}`", did_you_mean(key, known))


def word_of(kind: type[msgspec.Struct]) -> str:
    """Return what people call this table: its tag, or its type's name without the prefix."""
    tag = kind.__struct_config__.tag
    return str(tag) if tag else kind.__name__.removeprefix("Written").lower()


def named(path: Path) -> str:
    """Return the words for the value at `path`: the last name, and which item of it."""
    if not path:
        return "the file"
    last = path[-1]
    return f"item {last + 1} of `{path[-2]}`" if isinstance(last, int) else f"`{last}`"


def shown(value: object) -> str:
    """Return a value as it stands in a TOML file, short enough for a sentence."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            text = value if len(value) <= 60 else f"{value[:57]}…"
            return '"' + text.replace("\n", "\\n") + '"'
        case int():
            # Python refuses to print very long integers.
            return str(value) if abs(value) < 10**50 else "a number of more than fifty digits"
        case float() | datetime.date() | datetime.time():
            return str(value)
        case dict():
            return "a table"
        case list():
            return "a list"
        case _:
            return "nothing"


def how_to_write(kind: Any) -> str:  # noqa: ANN401
    """Return the words that describe a field's type: its title, its alternatives, or what it is in general."""
    if get_origin(kind) is Annotated:
        base, meta = get_args(kind)
        return str(meta.title) if meta.title else how_to_write(base)
    words = _words(kind)
    if words:
        return f"one of {', '.join(words)}"
    if get_origin(kind) in {Union, types.UnionType}:
        return " or ".join(how_to_write(part) for part in get_args(kind) if part is not type(None))
    general = {bool: "true or false", int: "a whole number", str: "a text in quotes", list: "a list", dict: "a table"}
    return general.get(get_origin(kind) or kind, "a table")


def _converts(kind: Any, value: object) -> bool:  # noqa: ANN401
    # A pattern's $ also matches before a last newline, which no short text here may have.
    if isinstance(value, str) and value.endswith("\n") and _has_pattern(kind):
        return False
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def _has_pattern(kind: Any) -> bool:  # noqa: ANN401
    return get_origin(kind) is Annotated and get_args(kind)[1].pattern is not None


def _words(kind: Any) -> tuple[str, ...]:  # noqa: ANN401
    return get_args(kind) if get_origin(kind) is Literal else ()


def _form_of(kind: Any) -> type:  # noqa: ANN401
    """Return the type that values of `kind` have right after reading TOML."""
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    origin = get_origin(kind)
    if origin is Literal:
        return str
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return dict
    return typing.cast("type", origin or kind)


def _nearest(word: object, known: Mapping[str, object] | tuple[str, ...]) -> str:
    hint = did_you_mean(word, known) if isinstance(word, str) else ""
    return hint if hint.startswith("did") else ""
