"""Which column is which field of a contact.

Lives here: the names we recognise, the `field=Column` notation, and checking both against a header. Does not live here: reading
values.
Rules a change must keep: a column is never chosen by guess between two candidates; a column that is not used is reported, never
silently dropped; adding a recognised name can change what an old command does, so it belongs in the release notes.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from typing import TYPE_CHECKING, Final, cast

import msgspec

from dee_appliance.errors import Refused, Usage
from dee_appliance.intake.attribute_values import ATTRIBUTE_TYPES, AttributeType
from dee_appliance.intake.contacts import FIELD_NAME, RESERVED_NAMES
from dee_appliance.intake.rejects import REPORT_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_COLUMNS: Final = 256

RECOGNISED: Final[dict[str, tuple[str, ...]]] = {
    "key": ("key", "customer_id", "customer_key", "external_id", "contact_id", "crm_id", "record_id", "id"),
    "email": ("email", "e_mail", "email_address", "e_mail_address", "mail", "work_email", "business_email"),
    "phone": (
        "phone", "phone_number", "telephone", "telephone_number", "tel", "mobile", "mobile_phone", "mobile_number",
        "mobile_phone_number", "cell", "cell_phone", "work_phone", "business_phone",
    ),
    "first_name": ("first_name", "firstname", "given_name", "forename", "first"),
    "last_name": ("last_name", "lastname", "surname", "family_name", "last"),
    "full_name": ("name", "full_name", "fullname", "contact_name"),
    "company": ("company", "company_name", "organisation", "organization", "account_name", "employer", "business"),
    "job_title": ("job_title", "jobtitle", "position"),
    "street": ("street", "street_address"),
    "city": ("city", "town"),
    "state": ("state", "state_region", "province", "county"),
    "postal_code": ("postal_code", "postcode", "zip", "zip_code"),
    "address_country": ("address_country",),
    "language": ("language", "lang", "locale"),
    "timezone": ("timezone", "time_zone", "tz", "iana_timezone"),
    "country": ("country", "country_code", "country_region"),
    "region": ("region", "region_code", "iso_region", "subdivision"),
    "calling_hours": ("calling_hours",),
    "subscriber": ("subscriber", "subscriber_type"),
    "attribute.tier:enum": ("tier", "customer_tier"),
    "attribute.renewal_date:date": ("renewal_date", "renews_on"),
}  # fmt: skip
"""Field, and the header names that mean it, with case, spaces and punctuation taken out: "E-mail Address" is e_mail_address."""

_WRITTEN_ATTRIBUTE: Final = re.compile(r"attribute\.(?P<name>[^:]*):(?P<type>\w+)")


class MappedColumn(msgspec.Struct, frozen=True, kw_only=True):
    """One column in use: field name, header text, and the type if it is an attribute."""

    field: str
    column: str
    attribute_type: AttributeType | None = None

    @property
    def target(self) -> str:
        """The field as it is written in a mapping, without the type."""
        return f"attribute.{self.field}" if self.attribute_type else self.field


class ColumnMapping(msgspec.Struct, frozen=True, kw_only=True):
    """What the person said about columns. `left_out` are fields that no column may fill, `automatic` fills the rest by name."""

    columns: tuple[MappedColumn, ...] = ()
    left_out: frozenset[str] = frozenset()
    automatic: bool = True


class ResolvedColumns(msgspec.Struct, frozen=True, kw_only=True):
    """A mapping applied to a header: the columns in use with their positions, and the header names not used."""

    used: tuple[tuple[int, MappedColumn], ...]
    unused: tuple[str, ...]

    @property
    def attribute_types(self) -> dict[str, AttributeType]:
        """The type of each attribute column, by field name."""
        return {column.field: column.attribute_type for _, column in self.used if column.attribute_type}


def parse_mapping(pairs: Iterable[str], *, automatic: bool = True) -> ColumnMapping:
    """Read `field=Column` pairs, as `--map` gives them.

    `email=Work e-mail` fills a field from a column; any lower-case name is a profile field. `attribute.tier=Level:enum` makes a
    typed attribute (bool, int, date, date_dmy, date_mdy, zone, enum). `phone=` leaves a field out even if a column looks like it.
    Raises Usage.
    """
    columns: list[MappedColumn] = []
    left_out: set[str] = set()
    for pair in pairs:
        target, equals, column = pair.partition("=")
        if not equals:
            raise Usage(f"“{pair}” is not a mapping", hint="write field=Column, for example email=Work e-mail")
        if column.strip():
            columns.append(_written(target.strip(), column.strip()))
        else:
            left_out.add(target.strip().removeprefix("attribute."))
    _require_distinct_fields(columns)
    return ColumnMapping(columns=tuple(columns), left_out=frozenset(left_out), automatic=automatic)


def resolve_columns(header: tuple[str, ...], mapping: ColumnMapping, *, where: str) -> ResolvedColumns:
    """Apply a mapping to a header. Raises Refused, naming the columns, when it does not fit or no column holds an address."""
    positions = _positions(header, where)
    used: dict[int, MappedColumn] = {}
    for column in mapping.columns:
        at = _position_of(column, header, where)
        used[at] = msgspec.structs.replace(column, column=header[at])
    if len(used) < len(mapping.columns):
        raise Refused("one column is mapped to two fields", where=where, hint="map each column once")
    if mapping.automatic:
        taken = {column.field for column in used.values()} | mapping.left_out
        free = {plain: at for plain, at in positions.items() if at not in used and header[at] not in REPORT_COLUMNS}
        used |= _recognised(header, free, taken, where)
    _require_distinct_fields(used.values())
    if not {column.field for column in used.values() if not column.attribute_type} & {"email", "phone"}:
        raise Refused(
            "no column is an e-mail address or a phone number",
            where=where,
            hint=f"use --map email=COLUMN; {_columns(header)}",
        )
    unused = (name for at, name in enumerate(header) if at not in used and name not in REPORT_COLUMNS)
    return ResolvedColumns(used=tuple(sorted(used.items())), unused=tuple(unused))


def plain_name(header: str) -> str:
    """Return a header name with case, spaces and punctuation taken out: "E-mail Address" is e_mail_address."""
    folded = unicodedata.normalize("NFKC", header).casefold()
    return re.sub(r"[\W_]+", "_", folded).strip("_")


def _written(target: str, text: str) -> MappedColumn:
    name = target.removeprefix("attribute.")
    if not FIELD_NAME.fullmatch(name):
        raise Usage(
            f"“{target}” is not a field name", hint="use lower-case letters, digits and _, starting with a letter"
        )
    if name == target:
        return MappedColumn(field=name, column=text)
    column, _, kind = text.rpartition(":")
    if not column or kind not in ATTRIBUTE_TYPES:
        raise Usage(f"the attribute {name} has no type", hint=f"write {target}={text}:TYPE with one of {_types()}")
    return _attribute(name, column, kind)


def _attribute(name: str, column: str, kind: str) -> MappedColumn:
    if name in RESERVED_NAMES | {"email", "phone"}:
        raise Usage(f"{name} cannot be a typed attribute", hint=f"write {name}=COLUMN, without “attribute.”")
    return MappedColumn(field=name, column=column, attribute_type=cast("AttributeType", kind))


def _types() -> str:
    return ", ".join(ATTRIBUTE_TYPES)


def _require_distinct_fields(columns: Iterable[MappedColumn]) -> None:
    """A template reads profile fields and attributes under one name, `contact.x`, so no name may be used twice."""
    seen: dict[str, MappedColumn] = {}
    for column in columns:
        earlier = seen.setdefault(column.field, column)
        if earlier is not column:
            raise Usage(
                f"{column.field} would be filled from two columns, “{earlier.column}” and “{column.column}”",
                hint=f"choose one with --map {column.target}=COLUMN",
            )


def _positions(header: tuple[str, ...], where: str) -> dict[str, int]:
    if len(header) > MAX_COLUMNS:
        raise Refused(f"the header has more than {MAX_COLUMNS} columns", where=where, hint="remove columns")
    positions: dict[str, int] = {}
    for at, name in enumerate(header):
        if not name:
            raise Refused(f"column {at + 1} has no name", where=where, hint="name it or remove it")
        earlier = positions.setdefault(plain_name(name) or name, at)
        if earlier != at:
            raise Refused(
                f"columns {earlier + 1} and {at + 1} have the same name, “{name}”",
                where=where,
                hint="rename one of them",
            )
    return positions


def _position_of(column: MappedColumn, header: tuple[str, ...], where: str) -> int:
    if column.column in header:
        return header.index(column.column)
    folded = [name.casefold() for name in header]
    if column.column.casefold() in folded:
        return folded.index(column.column.casefold())
    near = difflib.get_close_matches(column.column, header, n=1)
    hint = f"did you mean “{near[0]}”?" if near else _columns(header)
    raise Refused(f"there is no column “{column.column}” for {column.target}", where=where, hint=hint)


def _recognised(header: tuple[str, ...], free: dict[str, int], taken: set[str], where: str) -> dict[int, MappedColumn]:
    """Return the columns that name themselves, by position; refuse a choice between two."""
    found: dict[int, MappedColumn] = {}
    for target, names in RECOGNISED.items():
        field = target.removeprefix("attribute.").partition(":")[0]
        matches = [free[name] for name in names if name in free]
        if field in taken or not matches:
            continue
        if len(matches) > 1:
            both = " and ".join(f"“{header[at]}”" for at in sorted(matches))
            raise Refused(f"{both} could both be {field}", where=where, hint=f"choose with --map {field}=COLUMN")
        found[matches[0]] = _self_written(target, header[matches[0]])
    for at in free.values():
        if (written := _WRITTEN_ATTRIBUTE.fullmatch(header[at])) and written["name"] not in taken:
            found[at] = _self_written(header[at], header[at])
    return found


def _self_written(target: str, column: str) -> MappedColumn:
    """Read a target with its type in it: "attribute.tier:enum", as in RECOGNISED or as a header of that very form."""
    name, _, kind = target.partition(":")
    return _written(name, f"{column}:{kind}" if kind else column)


def _columns(header: tuple[str, ...]) -> str:
    return "the columns are " + ", ".join(header[:20]) + (", …" if len(header) > 20 else "")
