"""Rows of consent, opt-out and suppression-list files: the text of each cell and what it means.

Lives here: columns, values and their defaults. Does not live here: whether the file knows the contact (the importer), reading the
file (row_file.py).
Rules a change must keep: what is left out of a file has the default of the command line, what stands there empty is refused where
the default is wider than what a person may have meant; an unknown word is refused, never read as the nearest one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, get_args

import msgspec

from dee_appliance.intake.addresses import normalise_email, normalise_phone
from dee_appliance.intake.codes import CODE_HINT, is_code
from dee_appliance.intake.contacts import MAX_KEY_CHARS
from dee_appliance.intake.invalid import InvalidValue
from dee_appliance.intake.moments import parse_moment
from dee_appliance.intake.row_file import SUBJECTS, Columns
from dee_appliance.kernel.e1.happening import CONSENT_CLASSES
from dee_appliance.kernel.e1.plan import Channel, Purpose

if TYPE_CHECKING:
    from collections.abc import Mapping

CHANNELS: Final[tuple[Channel, ...]] = get_args(Channel)
PURPOSES: Final[tuple[str, ...]] = ("*", *get_args(Purpose))
LONGEST_EVIDENCE: Final = 4_000
SOFT_OPT_IN: Final = "soft_opt_in"
_YES: Final = frozenset({"yes", "y", "true", "1", "granted"})
_NO: Final = frozenset({"no", "n", "false", "0", "revoked"})


class ConsentLine(msgspec.Struct, frozen=True, kw_only=True):
    """What a row of a consent file says, beside whom it is about. Times are ticks."""

    channel: Channel
    purpose: str
    granted: bool
    consent_class: str
    basis: str
    obtained: int | None
    expires: int | None
    source: str
    evidence: str


class OptOutLine(msgspec.Struct, frozen=True, kw_only=True):
    """What a row of an opt-out file says, beside whom it is about. `since` is a tick."""

    scope: str
    reason: str
    since: int | None


def _columns(**names: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    return {**SUBJECTS, **names}


CONSENT_COLUMNS: Final = Columns(
    names=_columns(
        channel=(),
        purpose=(),
        granted=("consent", "opted_in"),
        **{"class": ("consent_class",)},
        basis=(),
        obtained=("obtained_at", "consent_date"),
        expires=("expires_at",),
        source=(),
        evidence=(),
    ),
    needed=("channel",),
)
OPT_OUT_COLUMNS: Final = Columns(
    names=_columns(
        scope=(),
        channel=(),
        reason=(),
        date=("since", "opted_out", "opted_out_at", "unsubscribed_at", "opt_out_date"),
    ),
    needed=tuple(SUBJECTS),
)
LIST_COLUMNS: Final = Columns(
    names={"email": SUBJECTS["email"], "phone": (*SUBJECTS["phone"], "number")},
    needed=("email", "phone"),
    strict=False,
    headless=lambda cell: "email" if "@" in cell else "phone",
)


def read_subjects(fields: Mapping[str, str], region: str | None) -> dict[str, str]:
    """Return who a row is about, normalised, by kind: contact (an id), email, phone, key. Raises InvalidValue.

    `region` reads phone numbers without "+".
    """
    given = {kind: fields[kind] for kind in SUBJECTS if fields.get(kind)}
    if not given:
        raise InvalidValue("no_subject", "the row does not say whom it is about")
    return {kind: read_address(kind, text, region) for kind, text in given.items()}


def read_address(kind: str, text: str, region: str | None) -> str:
    """Return an e-mail address, number, key or id as it is compared. Raises InvalidValue."""
    try:
        match kind:
            case "email":
                return normalise_email(text)
            case "phone":
                return normalise_phone(text, region)
            case _:
                pass
    except InvalidValue as problem:
        raise InvalidValue(problem.code, problem.reason, field=kind) from None
    if len(text) > MAX_KEY_CHARS:
        raise InvalidValue("key_too_long", f"a customer key has at most {MAX_KEY_CHARS} characters", field=kind)
    return text


def read_consent(fields: Mapping[str, str], *, now: int) -> ConsentLine:
    """Read what a row says about consent. Raises InvalidValue."""
    granted = _granted(fields)
    obtained = _past(fields, "obtained", now)
    expires = parse_moment(fields["expires"], field="expires") if fields.get("expires") else None
    if expires is not None and obtained is not None and expires <= obtained:
        raise InvalidValue("moment_order", "the consent ends before it was obtained", field="expires")
    evidence = fields.get("evidence", "")
    if len(evidence) > LONGEST_EVIDENCE:
        raise InvalidValue(
            "evidence_too_long", f"evidence has at most {LONGEST_EVIDENCE:,} characters", field="evidence"
        )
    purpose = fields.get("purpose", "*").lower()
    if purpose not in PURPOSES:
        raise InvalidValue("purpose_unknown", f"write {', '.join(PURPOSES)}; * is every purpose", field="purpose")
    consent_class, basis = counted_as(_class(fields, granted=granted), _code(fields, "basis", ""))
    return ConsentLine(
        channel=read_channel(fields.get("channel", "")),
        purpose=purpose,
        granted=granted,
        consent_class=consent_class,
        basis=basis,
        obtained=obtained,
        expires=expires,
        source=_code(fields, "source", "import"),
        evidence=evidence,
    )


def counted_as(consent_class: str, basis: str) -> tuple[str, str]:
    """Return class and basis as rules count them: a soft opt-in is a consent implied by itself. Raises InvalidValue."""
    if consent_class != SOFT_OPT_IN:
        return consent_class, basis
    if basis not in ("", SOFT_OPT_IN):
        raise InvalidValue("basis_unfit", "a soft opt-in is its own basis: leave it out", field="basis")
    return "implied", SOFT_OPT_IN


def read_opt_out(fields: Mapping[str, str], *, reason: str, now: int) -> OptOutLine:
    """Read what a row says about an opt-out; `reason` is that of rows which give none. Raises InvalidValue."""
    return OptOutLine(scope=_scope(fields), reason=_code(fields, "reason", reason), since=_past(fields, "date", now))


def read_channel(text: str) -> Channel:
    """Return the channel that a cell names. Raises InvalidValue."""
    channel = next((one for one in CHANNELS if one == text.lower()), None)
    if channel is None:
        raise InvalidValue("channel_unknown", f"`{text}` is none of {', '.join(CHANNELS)}", field="channel")
    return channel


def _scope(fields: Mapping[str, str]) -> str:
    scope, channel = fields.get("scope", ""), fields.get("channel", "")
    if channel:
        wanted = f"channel:{read_channel(channel)}"
        if scope not in ("", wanted):
            raise InvalidValue("scope_unknown", "scope and channel say different things", field="scope")
        return wanted
    kind, colon, name = scope.partition(":")
    known = scope in ("", "*") or (colon and name and (kind == "plan" or (kind == "channel" and name in CHANNELS)))
    if not known:
        raise InvalidValue("scope_unknown", "write *, channel:NAME or plan:NAME", field="scope")
    return scope or "*"


def _granted(fields: Mapping[str, str]) -> bool:
    text = fields.get("granted", "yes").lower()
    if text not in _YES | _NO:
        raise InvalidValue("granted_unknown", "write yes or no", field="granted")
    return text in _YES


def _class(fields: Mapping[str, str], *, granted: bool) -> str:
    text = fields.get("class", "" if not granted else CONSENT_CLASSES[2]).lower()
    if text in CONSENT_CLASSES or (not granted and not text):
        return text or CONSENT_CLASSES[2]
    raise InvalidValue("class_unknown", f"write {', '.join(CONSENT_CLASSES)}", field="class")


def _code(fields: Mapping[str, str], field: str, default: str) -> str:
    text = fields.get(field) or default
    if text and not is_code(text):
        raise InvalidValue("code", f"`{text}` is no code, and the log keeps it for ever: {CODE_HINT}", field=field)
    return text


def _past(fields: Mapping[str, str], field: str, now: int) -> int | None:
    if not fields.get(field):
        return None
    tick = parse_moment(fields[field], field=field)
    if tick > now:
        raise InvalidValue("moment_future", "it is in the future", field=field)
    return tick
