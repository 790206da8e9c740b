"""The queries of sql/queries/state.sql by name."""

from __future__ import annotations

import msgspec


class StateQueries(msgspec.Struct, frozen=True, kw_only=True):
    """sql/queries/state.sql."""

    append_mark: str
    delete_address: str
    delete_hold: str
    delete_list_versions: str
    delete_listed: str
    delete_suppression: str
    delete_timer: str
    insert_address: str
    insert_attempt: str
    insert_breaker: str
    insert_consent: str
    insert_contact: str
    insert_enrolment: str
    insert_hold: str
    insert_list_version: str
    insert_listed: str
    insert_plan: str
    insert_run: str
    insert_setting: str
    insert_suppression: str
    insert_timer: str
    insert_touch: str
    select_address: str
    select_attempt: str
    select_breakers: str
    select_consents: str
    select_contact: str
    select_contact_chain: str
    select_dispatching: str
    select_due: str
    select_enrolment: str
    select_holds: str
    select_last_attempt: str
    select_last_run: str
    select_list_version: str
    select_newest_list_version: str
    select_listed: str
    select_lists: str
    select_live_runs: str
    select_newest_attempt: str
    select_newest_plan: str
    select_next_due: str
    select_plan_names: str
    select_plan_version: str
    select_queue: str
    select_run: str
    select_run_by_id: str
    select_settings: str
    select_suppressions: str
    select_tokens: str
    select_touches: str
    select_touches_of_address: str
    update_attempt: str
    update_contact_chain: str
    update_run: str
    update_touch: str
