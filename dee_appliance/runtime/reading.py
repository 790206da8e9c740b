"""Reading the file: one view for the API, reports and explanations. Nothing here writes.

A view sees one moment of the file as long as no transaction is opened on it; a running loop is not disturbed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import msgspec

from dee_appliance.errors import Refused
from dee_appliance.kernel.e1.encoding import canonical
from dee_appliance.kernel.e1.policy import WindowRule
from dee_appliance.store.database import open_reader
from dee_appliance.store.queries import load_queries
from dee_appliance.store.state import State
from dee_appliance.store.vault import FILE, Vault

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from dee_appliance.store.database import Database


_texts_decoder = msgspec.json.Decoder(dict[str, str])


class ViewQueries(msgspec.Struct, frozen=True, kw_only=True):
    """sql/queries/view.sql."""

    select_file: str
    select_end: str
    select_last_tick: str
    select_contact_ids: str
    select_contact_id: str
    select_queued_private: str
    select_seen_token: str
    select_input_tick: str


class View:
    """One open file, read-only. A context manager. `state` is given by somebody who has it read already."""

    def __init__(self, database: Database, state: State | None = None) -> None:
        self.database = database
        self._queries = load_queries(ViewQueries, "view")
        row = database.one(self._queries.select_file)
        assert row is not None
        self.lineage: bytes = row[0]
        self.epoch: int = row[1]
        self.simulated: bool = row[2] == "simulated"
        self.state = State(database, self.lineage, row[3]) if state is None else state
        self.vault = Vault(database)

    @property
    def last_tick(self) -> int:
        """The tick of the newest input."""
        row = self.database.one(self._queries.select_last_tick)
        return self.epoch if row is None else int(row[0])

    @property
    def log_size(self) -> int:
        """How many entries the log has."""
        return int(self._end()[0]) + 1

    @property
    def log_head(self) -> bytes:
        """The hash of the newest entry."""
        return bytes(self._end()[1])

    def _end(self) -> tuple[int, bytes]:
        row = self.database.one(self._queries.select_end)
        assert row is not None
        return row[0], row[1]

    @property
    def incarnation(self) -> int:
        """How often the file was armed."""
        value = self.state.settings.get("incarnation", 0)
        return value if isinstance(value, int) else 0

    def zone_ids(self) -> tuple[str, ...]:
        """Every zone of the file's own table."""
        return self.state.zones().zones()

    def policy_covers_voice(self) -> bool:
        """Tell whether the file's policy has calling hours for calls."""
        policy, _ = self.state.policy()
        return any(
            isinstance(rule, WindowRule) and (not rule.channels or "voice" in rule.channels) for rule in policy.rules
        )

    def file_secret(self) -> bytes:
        """The secret that keys address tokens."""
        return self.vault.secret(FILE)

    def seen(self, source: str, token: str) -> bool:
        """Tell whether an input with this dedupe token was admitted."""
        return self.database.one(self._queries.select_seen_token, (source, token)) is not None

    def contact_ids(self) -> list[str]:
        """Every contact that was not erased."""
        return [row[0] for row in self.database.execute(self._queries.select_contact_ids)]

    def is_contact(self, identity: str) -> bool:
        """Tell whether this is the id of a contact, an erased one too."""
        return self.database.one(self._queries.select_contact_id, (identity,)) is not None

    def resolve_contact(self, text: str) -> str:
        """Return the id of a contact named by id, e-mail address, phone number or customer key. Raises Refused."""
        if text.startswith("c_") and self.is_contact(text):
            return text
        for token in self._tokens(text):
            contact = self.state.contact_of(token)
            if contact is not None:
                return contact
        raise Refused(f"there is no contact `{text}`", where=str(self.database.path), hint="dee contact find TEXT")

    def suppression_subject(self, text: str) -> str:
        """Return what a suppression of this contact, address or number names: a contact id or a keyed token. Raises Refused.

        An address need not be in the file. A key must: a number without its plus, or a name, would suppress nobody.
        """
        if text.startswith("c_"):
            return self.resolve_contact(text)
        tokens = self._tokens(text)
        is_address = "@" in text or text.startswith("+")
        if not tokens or not (is_address or self._is_known(tokens[0])):
            raise Refused(
                f"`{text}` is no contact, e-mail address or phone number", hint="write numbers as +12025550123"
            )
        return tokens[0]

    def _is_known(self, token: str) -> bool:
        """Tell whether a contact has this token, or a suppression names it."""
        return self.state.contact_of(token) is not None or bool(
            self.state.subject_snapshot(self.last_tick, token).contact.suppressions
        )

    def _tokens(self, text: str) -> list[str]:
        from dee_appliance.intake.addresses import normalise_email, normalise_phone  # noqa: PLC0415 - slow to import
        from dee_appliance.intake.contacts import clean_text  # noqa: PLC0415
        from dee_appliance.intake.facts import address_token  # noqa: PLC0415
        from dee_appliance.intake.invalid import InvalidValue  # noqa: PLC0415

        tokens: list[str] = []
        try:
            if "@" in text:
                tokens.append(address_token(self.file_secret(), "email", normalise_email(text)))
            elif text.startswith("+"):
                tokens.append(address_token(self.file_secret(), "phone", normalise_phone(text, None)))
            else:
                tokens.append(address_token(self.file_secret(), "key", clean_text(text)))
        except InvalidValue as error:
            raise Refused(f"`{text}`: {error.reason}") from error
        return tokens

    def personal_values(self, contact: str) -> list[bytes]:
        """Return everything that vault and inbox keep of a contact, older versions too, as the bytes that may lie in the file.

        They are to be searched for after an erasure. A text may lie there as it is (a customer key), escaped in JSON (a
        profile), and in JSON inside JSON (a row of the inbox).
        """
        kept = [value for _, _, value in self.vault.rows(contact)]
        for (private,) in self.database.execute(self._queries.select_queued_private, (f'"{contact}"',)):
            kept += _brought_for(private, contact)
        texts = {text for value in kept for text in (value, *_texts_in(value))}
        return sorted({form for text in texts for form in _stored_forms(text)})

    def waiting_about(self, contact: str) -> int:
        """Return how many requests with personal data of a contact have not been admitted yet."""
        return len(self.database.execute(self._queries.select_queued_private, (f'"{contact}"',)))

    def tick_of_input(self, seq: int) -> int:
        """Return the tick at which an input was admitted."""
        row = self.database.one(self._queries.select_input_tick, (seq,))
        return self.epoch if row is None else int(row[0])

    def close(self) -> None:
        """Close the file."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _texts_in(value: str) -> list[str]:
    """The texts inside a value of the vault that is a JSON object of texts; none in any other."""
    try:
        return list(_texts_decoder.decode(value).values())
    except msgspec.DecodeError:
        return []


class _Brought(msgspec.Struct, frozen=True):
    vault: dict[str, dict[str, str]] = {}


def _brought_for(private: str, contact: str) -> list[str]:
    """What a row of the inbox brings for the vault of a contact; nothing when it is not of our form."""
    try:
        return list(msgspec.json.decode(private, type=_Brought).vault.get(contact, {}).values())
    except (msgspec.DecodeError, RecursionError):
        return []


def _stored_forms(text: str) -> list[bytes]:
    once = canonical(text)[1:-1]
    return [text.encode(), once, canonical(once.decode())[1:-1]]


def open_view(path: Path) -> View:
    """Open a file for reading. Raises as store.database.open_reader."""
    return View(open_reader(path))
