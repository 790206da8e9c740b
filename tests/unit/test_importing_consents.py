"""A consent for everybody in a file of contacts: it does not speak for those who have revoked it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dee_appliance import Engine
from dee_appliance.runtime.importing import ConsentGrant
from dee_appliance.store.state_dir import StateDir


@pytest.mark.parametrize("revoked", ["*", "marketing"])
def test_a_consent_that_was_revoked_stays_so_when_the_contacts_are_imported_again(tmp_path: Path, revoked: str) -> None:
    people = tmp_path / "people.csv"
    people.write_text("first_name,email\nAda,ada@example.org\nBob,bob@example.org\n")
    engine = Engine.create(tmp_path / "own.db", simulated=True, start=1_795_000_000, state_dir=StateDir(tmp_path / "s"))
    grants = (ConsentGrant(channel="email", purpose="marketing", consent_class="express"),)
    assert engine.import_contacts(people, consents=grants).consents == 2
    engine.set_consent("ada@example.org", channel="email", purpose=revoked, granted=False)
    again = engine.import_contacts(people, consents=grants, update=True)
    assert (again.consents, again.revoked) == (1, 1)
    with engine.view() as view:
        ada = view.state.contact(view.resolve_contact("ada@example.org"))
        bob = view.state.contact(view.resolve_contact("bob@example.org"))
    assert not any(one.granted and one.expires is None for one in ada.consents.values())
    assert bob.consents["email", "marketing"].granted
