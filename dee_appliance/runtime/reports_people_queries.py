"""The queries of sql/queries/people.sql by name."""

from __future__ import annotations

import msgspec


class PeopleQueries(msgspec.Struct, frozen=True, kw_only=True):
    """sql/queries/people.sql."""

    select_profiles: str
    select_contacts_with_prefix: str
    select_chain_of_contact: str
    select_suppression_list: str
