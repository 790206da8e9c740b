"""The templates and scripts that a plan names: found beside it, checked, and turned into the documents that are pinned with it.

    plan.toml   templates/NAME.eml.j2   templates/NAME.sms.j2   scripts/NAME.toml

What a template or a script may say is known to the content room; here its refusals become findings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path as FilePath
from typing import Literal

import msgspec

from dee_appliance.authoring.finding import Code, Findings, did_you_mean
from dee_appliance.authoring.normal_steps import NormalStep
from dee_appliance.authoring.place import Place
from dee_appliance.authoring.source import Source, read_source, read_text
from dee_appliance.authoring.written import WrittenCall, WrittenSendEmail, WrittenSendSms
from dee_appliance.content.script import parse_script, script_fields, script_to_document
from dee_appliance.content.template import fields, parse_template, to_document
from dee_appliance.errors import Refused
from dee_appliance.kernel.e1.encoding import canonical, document_digest

Kind = Literal["email", "sms", "voice"]

_FOLDER: dict[Kind, str] = {"email": "templates", "sms": "templates", "voice": "scripts"}
_ENDING: dict[Kind, str] = {"email": ".eml.j2", "sms": ".sms.j2", "voice": ".toml"}
UNSUBSCRIBE_FIELD = "unsubscribe_link"
GIVEN_FIELDS: dict[str, tuple[str, ...]] = {"sender": ("name", "email"), "previous": ("step",), "run": ("id",)}
"""What rendering fills in beside the contact's fields and the variables: anything else would fail every run."""


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """What is pinned with the plan: digests by name and canonical bytes by digest.

    `max_duration_s` is what each script says of itself: the longest its call can last.
    """

    templates: dict[str, str]
    scripts: dict[str, str]
    max_duration_s: dict[str, int]
    documents: dict[str, bytes]


class _Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A template or script that a step names: `key` is the field that names it, `place` the step."""

    kind: Kind
    name: str
    key: str
    place: Place

    @property
    def path(self) -> FilePath:
        folder = FilePath(self.place.source.file).parent / _FOLDER[self.kind]
        return folder / f"{self.name}{_ENDING[self.kind]}"


class _Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """A sound template or script: its canonical bytes and the fields it needs."""

    body: bytes
    digest: str
    fields: tuple[str, ...]
    max_duration_s: int = 0


def check_content(
    source: Source, steps: Iterable[NormalStep], *, marketing: bool, variables: Iterable[str] | None, found: Findings
) -> Content:
    """Load and check every template and script that the steps name; what was refused is left out.

    `variables` are those the plan declares, None when that is not known. Marketing e-mail must carry an unsubscribe link in its
    text: the List-Unsubscribe header that is added on sending is not shown by every mail program.
    """
    content = Content(templates={}, scripts={}, max_duration_s={}, documents={})
    loaded: dict[tuple[Kind, str], _Loaded | None] = {}
    for wanted in _wanted(source, steps, found):
        key = (wanted.kind, wanted.name)
        if not wanted.path.is_file():
            _missing(wanted)
            loaded[key] = None
        if key in loaded:
            continue
        loaded[key] = one = _load(wanted)
        if one is None:
            continue
        _check_fields(wanted, one, marketing=marketing, variables=variables)
        pins = content.scripts if wanted.kind == "voice" else content.templates
        pins[wanted.name] = one.digest
        content.documents[one.digest] = one.body
        if wanted.kind == "voice":
            content.max_duration_s[wanted.name] = one.max_duration_s
    _check_names(source, steps, found)
    return content


def _wanted(source: Source, steps: Iterable[NormalStep], found: Findings) -> list[_Wanted]:
    wanted: list[_Wanted] = []
    for step in steps:
        place = Place(source, step.draft.path, found)
        match step.draft.written:
            case WrittenSendEmail(template=name):
                wanted.append(_Wanted(kind="email", name=name, key="template", place=place))
            case WrittenSendSms(template=name):
                wanted.append(_Wanted(kind="sms", name=name, key="template", place=place))
            case WrittenCall(script=name):
                wanted.append(_Wanted(kind="voice", name=name, key="script", place=place))
            case _:
                pass
    return wanted


def _missing(wanted: _Wanted) -> None:
    ending = _ENDING[wanted.kind]
    folder = wanted.path.parent
    there = [path.name.removesuffix(ending) for path in folder.glob(f"*{ending}")] if folder.is_dir() else []
    hint = did_you_mean(wanted.name, there) or f"write it to {_FOLDER[wanted.kind]}/{wanted.name}{ending}"
    wanted.place.refuse(
        (wanted.key,),
        "missing_script" if wanted.kind == "voice" else "missing_template",
        f"there is no file {wanted.path}",
        hint,
    )


def _load(wanted: _Wanted) -> _Loaded | None:
    """Read one file; what content refuses becomes a finding in that file."""
    file, found = str(wanted.path), wanted.place.found
    try:
        if wanted.kind != "voice":
            template = parse_template(wanted.name, wanted.kind, read_text(wanted.path), where=file)
            body = canonical(to_document(template))
            return _Loaded(body=body, digest=document_digest("template", body), fields=fields(template))
        if read_source(wanted.path, found) is None:
            return None
        script = parse_script(wanted.name, read_text(wanted.path), where=file)
        body = canonical(script_to_document(script))
        return _Loaded(
            body=body,
            digest=document_digest("script", body),
            fields=script_fields(script),
            max_duration_s=script.max_duration_s,
        )
    except Refused as refused:
        place, _, line = (refused.where or "").rpartition(":")
        found.refuse(
            place or file,
            int(line) if line.isdecimal() else 1,
            "unusable_script" if wanted.kind == "voice" else "unusable_template",
            refused.what,
            refused.hint or "",
        )
        return None


def _check_fields(wanted: _Wanted, one: _Loaded, *, marketing: bool, variables: Iterable[str] | None) -> None:
    if marketing and wanted.kind == "email" and UNSUBSCRIBE_FIELD not in one.fields:
        hint = f"write {{{{ {UNSUBSCRIBE_FIELD} }}}} into its text"
        _refuse(wanted, "", "missing_unsubscribe", "marketing e-mail must say how to unsubscribe", hint)
    declared = None if variables is None else tuple(variables)
    for field in one.fields:
        root, _, name = field.partition(".")
        if root == "var" and declared is not None and name not in declared:
            hint = did_you_mean(name, declared) or f'declare it in the plan: [variables] {name} = "…"'
            _refuse(wanted, field, "undeclared_variable", f"the plan declares no variable {name}", hint)
        elif root in GIVEN_FIELDS and name not in GIVEN_FIELDS[root]:
            hint = did_you_mean(name, GIVEN_FIELDS[root])
            _refuse(wanted, field, "unknown_field", f"there is no {field} to fill in", hint)
        elif field == UNSUBSCRIBE_FIELD and wanted.kind != "email":
            hint = "say in words how to say no, as in: STOP ends texts"
            _refuse(wanted, field, "unknown_field", "only e-mail has an unsubscribe link", hint)


def _refuse(wanted: _Wanted, field: str, code: Code, reason: str, hint: str) -> None:
    """Add a finding at the line of the file where `field` is first read, or at its first line."""
    root, _, name = field.partition(".")
    words = rf"\b{root}\s*(?:\.\s*|\[\s*[\"']){re.escape(name)}\b" if name else rf"\b{root}\b"
    text = read_text(wanted.path)
    read = re.search(words, text) if field else None
    line = 1 if read is None else text.count("\n", 0, read.start()) + 1
    wanted.place.found.refuse(str(wanted.path), line, code, reason, hint)


def _check_names(source: Source, steps: Iterable[NormalStep], found: Findings) -> None:
    """One name means one document: an e-mail and a text message of a plan cannot share it."""
    kinds: dict[str, Kind] = {}
    for wanted in _wanted(source, steps, found):
        if wanted.kind == "voice":
            continue
        if kinds.setdefault(wanted.name, wanted.kind) != wanted.kind:
            reason = f'"{wanted.name}" names both an e-mail and a text message'
            wanted.place.refuse(("template",), "ambiguous_template", reason, f"call one of them {wanted.name}-sms")
