"""The vault: the only table with personal data. Reading it for rendering, and the file's own secrets.

`profile` is one canonical JSON object per version; the newest row counts. The contact's `secret` keys the commitments
to its data, and the file's `secret` (contact '') keys address and dedupe tokens, so that suppression and dedupe work
after an erasure. An enrolment brings `variables`, the free texts of one run; they are kept as `variables:RUN`. A consent
brings its `evidence`, an event the `reply` that a person wrote: each lies beside the number of its input.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from dee_appliance.store.queries import load_queries

if TYPE_CHECKING:
    from dee_appliance.store.database import Database

FILE = ""
NO_SECRET = bytes(32)
TEXTS = "variables"
EVIDENCE = "evidence"
REPLY = "reply"
SECRET_CHARACTERS = 64
_HEX = frozenset("0123456789abcdef")
_texts_decoder = msgspec.json.Decoder(dict[str, str])


def well_formed(field: str, value: str) -> bool:
    """Tell whether a value can be kept under a field: what is read from the vault is never checked again."""
    if field == "secret":
        return len(value) == SECRET_CHARACTERS and _HEX.issuperset(value)
    if field == "profile" or field.partition(":")[0] == TEXTS:
        try:
            _texts_decoder.decode(value)
        except (msgspec.DecodeError, RecursionError):
            return False
    return True


def texts_of(run: str) -> str:
    """Return the field under which the free texts of a run are kept."""
    return f"{TEXTS}:{run}"


def refused_field(field: str) -> str:
    """Return the field under which lies what came with a refused input; nothing reads it but an erasure."""
    return f"refused:{field}"


class VaultQueries(msgspec.Struct, frozen=True, kw_only=True):
    """sql/queries/vault.sql."""

    select_vault: str
    select_vault_rows: str


class Vault:
    """Reads personal data of one open file."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queries = load_queries(VaultQueries, "vault")

    def newest(self, contact: str, field: str) -> str | None:
        """Return the newest value of a field, or None."""
        row = self._database.one(self._queries.select_vault, (contact, field))
        return None if row is None else str(row[0])

    def profile(self, contact: str) -> dict[str, str]:
        """Return the contact's profile; empty if there is none or it was erased."""
        text = self.newest(contact, "profile")
        return {} if text is None else _texts_decoder.decode(text)

    def secret(self, contact: str) -> bytes:
        """Return the secret that keys commitments of this contact (or of the file); zeros once it was erased."""
        text = self.newest(contact, "secret")
        return NO_SECRET if text is None else bytes.fromhex(text)

    def variables(self, contact: str, run: str) -> dict[str, str]:
        """Return the free-text variables that a run of the contact was entered with."""
        text = self.newest(contact, texts_of(run))
        return {} if text is None else _texts_decoder.decode(text)

    def brought(self, contact: str, field: str, seq: int) -> str | None:
        """Return what one input brought for a field, or None if it brought nothing or the contact was erased."""
        return next((value for name, at, value in self.rows(contact) if (name, at) == (field, seq)), None)

    def rows(self, contact: str) -> list[tuple[str, int, str]]:
        """Return everything that is kept of a contact as (field, input seq, value)."""
        return [(row[0], row[1], row[2]) for row in self._database.execute(self._queries.select_vault_rows, (contact,))]
