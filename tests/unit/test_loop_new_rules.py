"""A policy or pack that comes while messages wait in a queue: they are made again, and looked at for what it asks."""

from __future__ import annotations

from pathlib import Path

from running_files import PLAN, TEMPLATE

from dee_appliance import Engine
from dee_appliance.kernel.e1.encoding import canonical, document_digest
from dee_appliance.kernel.e1.input import PackUse, encode_input
from dee_appliance.kernel.e1.policy import ContentRule, Pack
from dee_appliance.store.inbox import InboxRow, append_inbox
from dee_appliance.store.state_dir import StateDir

BEGIN = 1_795_000_000


def test_a_message_that_was_made_before_a_pack_asked_for_its_text_is_not_denied_for_it(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "note.eml.j2").write_text(TEMPLATE)
    (tmp_path / "plan.toml").write_text(PLAN.replace("PAUSE", "1h"))
    (tmp_path / "people.csv").write_text("first_name,email\nAda,ada@example.org\n")
    engine = Engine.create(tmp_path / "own.db", simulated=True, start=BEGIN, state_dir=StateDir(tmp_path / "state"))
    engine.publish_plan(tmp_path / "plan.toml")
    engine.import_contacts(tmp_path / "people.csv")
    engine.enroll("notes")
    body = canonical(
        Pack(id="p", version="1", as_of="2026-11-18", notice="none", rules=(ContentRule(id="p/t", texts=("hello.",)),))
    )
    digest = document_digest("pack", body)
    row = InboxRow(
        source="cli",
        received=BEGIN,
        kind="pack.use",
        payload=encode_input(PackUse(pack="p", digest=digest)),
        private={"documents": {digest: ("pack", body.decode())}},
    )
    append_inbox(tmp_path / "own.db", [row])
    engine.serve(until_idle=True)
    with engine.view() as view:
        assert view.database.execute("SELECT DISTINCT status FROM run") == [("COMPLETED",)]
        assert [name for name, _, _ in view.state.packs] == ["p"]
