"""The contact list of the sales-outreach example: what the import makes of it, dirty rows included."""

from __future__ import annotations

import importlib.util
import re
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dee_appliance.intake.csv_import import ImportCounts, ImportOptions, PreparedRow, read_contacts

if TYPE_CHECKING:
    from dee_appliance.intake.rejects import Reject

FOLDER = Path(__file__).parents[2] / "examples" / "sales-outreach"


@pytest.fixture(scope="module")
def generator() -> Any:
    """The script that makes the list, loaded from its file."""
    spec = importlib.util.spec_from_file_location("make_contacts", FOLDER / "make_contacts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def imported() -> tuple[ImportCounts, list[PreparedRow], list[Reject]]:
    zones = frozenset(files("tzdata").joinpath("zones").read_text().split())
    rejects: list[Reject] = []
    plan = read_contacts(FOLDER / "contacts.csv", options=ImportOptions(known_zones=zones))
    rows = list(plan.rows(rejects.append))
    assert plan.columns.unused == ()
    return plan.counts, rows, rejects


def test_the_committed_list_is_what_the_script_writes(generator: Any) -> None:
    assert (FOLDER / "contacts.csv").read_bytes() == generator.contacts_csv()


def test_the_list_imports_with_the_rejects_it_was_made_to_have(
    generator: Any, imported: tuple[ImportCounts, list[PreparedRow], list[Reject]]
) -> None:
    counts, rows, rejects = imported
    taken = {row.contact.key for row in rows}
    expected = [code for _, _, code in generator.DIRTY if code != "taken"]
    assert [reject.code for reject in rejects] == expected
    assert {row[0] for _, row, code in generator.DIRTY if code == "taken"} <= taken
    assert counts == ImportCounts(rows=246, prepared=237, rejected=7, duplicate=2)


def test_the_list_spans_zones_that_are_half_an_hour_off_and_zones_without_summer_time(
    imported: tuple[ImportCounts, list[PreparedRow], list[Reject]],
) -> None:
    zones = {row.contact.attributes.get("timezone") for row in imported[1]}
    assert {"Asia/Kolkata", "America/Phoenix", "Australia/Brisbane", "Europe/London", "America/New_York", None} <= zones


def test_every_address_in_the_list_is_reserved_for_examples(
    imported: tuple[ImportCounts, list[PreparedRow], list[Reject]],
) -> None:
    reserved = re.compile(r"\+1\d{3}55501\d{2}|\+4420794609?\d{3,4}|\+61\d5550\d{4}")
    for row in imported[1]:
        assert row.contact.facts["email_domain"] in {"example.com", "example.org", "example.net"}
        phone = row.contact.profile.get("phone")
        assert phone is None or reserved.fullmatch(phone)
