"""The part of the Python API about the rules of a file: its policy, compliance packs, and what the gate says of a send.

Questions change nothing; a policy or a pack comes into use by an input that brings its document along.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from dee_appliance.engine_queue import EngineQueue
from dee_appliance.kernel.e1.input import PackRetire, PackUse, PolicySet

if TYPE_CHECKING:
    from collections.abc import Callable

    from dee_appliance.kernel.e1.plan import Channel, Purpose
    from dee_appliance.replay.changed_history import ChangedHistory
    from dee_appliance.replay.changed_rules import ChangedRules
    from dee_appliance.replay.what_if import WhatIf, WhatIfOptions
    from dee_appliance.runtime.changed_documents import ChangedFiles
    from dee_appliance.runtime.gate_ask import GateReport
    from dee_appliance.runtime.packs import PackNeeds
    from dee_appliance.runtime.rules_preview import PendingFlip, RulesPreview


class UsedPack(msgspec.Struct, frozen=True, kw_only=True):
    """A pack that was brought into use, and what it asks for that is not there."""

    pack: str
    version: str
    digest: str
    needs: PackNeeds


class EngineRules(EngineQueue):
    """The verbs of an Engine that concern rules."""

    def policy_covers_voice(self) -> bool:
        """Tell whether the file's own policy has calling hours for calls, so that a plan need not bring its own."""
        with self.view() as view:
            return view.policy_covers_voice()

    def set_policy(self, path: str | Path) -> str:
        """Check a policy file and use it from now on. Returns its digest."""
        from dee_appliance.authoring.policy_file import check_policy, settable  # noqa: PLC0415 - slow, and only used here

        with self.view() as view:
            zones = view.zone_ids()
        checked = check_policy(Path(path), known_zones=zones)
        settable(checked)
        documents = {checked.digest: ("policy", checked.body.decode())}
        self._checked(self.submit(PolicySet(digest=checked.digest), private={"documents": documents}))
        return checked.digest

    def use_pack(self, source: str | Path) -> UsedPack:
        """Check a pack (a file, or the name of a shipped one) and use it from now on, in the place of one of its id.

        Returns what it asks for that is not there: its rules refuse for the want of it.
        """
        from dee_appliance.runtime.packs import pack_needs, read_pack  # noqa: PLC0415 - slow, and only used here

        with self.view() as view:
            checked = read_pack(str(source), view.zone_ids())
            assert checked.pack is not None
            needs = pack_needs(view, checked.pack)
        pack = checked.pack
        documents = {checked.digest: ("pack", checked.body.decode())}
        use = PackUse(pack=pack.id, digest=checked.digest, actor=self.actor)
        self._checked(self.submit(use, private={"documents": documents}))
        return UsedPack(pack=pack.id, version=pack.version, digest=checked.digest, needs=needs)

    def pack_needs(self, source: str | Path) -> PackNeeds:
        """Return what a pack (a file, or the name of a shipped one) asks for that is not there. Raises Refused."""
        from dee_appliance.runtime.packs import pack_needs, read_pack  # noqa: PLC0415 - slow, and only used here

        with self.view() as view:
            checked = read_pack(str(source), view.zone_ids())
            assert checked.pack is not None
            return pack_needs(view, checked.pack)

    def retire_pack(self, pack: str) -> None:
        """Stop using a pack. Raises Refused when no pack of this id is in use."""
        self._checked(self.submit(PackRetire(pack=pack, actor=self.actor)))

    def changed_rules(
        self, *, policy: str | Path | None = None, packs: tuple[str, ...] = (), retire: tuple[str, ...] = ()
    ) -> ChangedRules:
        """Read a policy file and packs (files, or names of shipped ones), to ask what they would change.

        Raises Refused, also for an id to retire of which the file has never used a pack: it would change nothing.
        """
        from dee_appliance.runtime.changed_documents import (  # noqa: PLC0415 - slow, and only used here
            ChangedFiles,
            read_changed_rules,
        )

        with self.view() as view:
            return read_changed_rules(view, ChangedFiles(policy=policy, packs=packs, retire=retire))

    def changed_history(self, files: ChangedFiles) -> ChangedHistory:
        """Read the files that say what a what-if changes. Raises Refused for what cannot be used in this file."""
        from dee_appliance.runtime.changed_documents import read_changed_history  # noqa: PLC0415 - slow, only used here

        with self.view() as view:
            return read_changed_history(view, files)

    def preview_rules(
        self, change: ChangedRules, *, on_flip: Callable[[PendingFlip], None] | None = None
    ) -> RulesPreview:
        """Say what changed rules would tell every send that is queued or held; nothing is changed."""
        from dee_appliance.runtime.rules_preview import preview_rules  # noqa: PLC0415 - slow, and only used here

        now = self.now()
        with self.view() as view:
            return preview_rules(view, change, now, on_flip)

    def what_if(
        self,
        change: ChangedHistory,
        *,
        options: WhatIfOptions | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> WhatIf:
        """Decide the whole recorded history again with a change, and say what comes out otherwise. Nothing is sent or written.

        Raises Refused for what the file does not have, Divergence when the history does not come out as it was recorded.
        """
        from dee_appliance.replay.what_if import WhatIfOptions, what_if  # noqa: PLC0415 - slow, and only used here
        from dee_appliance.runtime.rerender import PastMessages, Rerenderer  # noqa: PLC0415

        with self.view() as view:
            options = replace(
                options or WhatIfOptions(),
                make=Rerenderer(view.database),
                messages=PastMessages(view.database),
            )
            return what_if(self.path, change, progress=progress, options=options)

    def ask_gate(
        self,
        contact: str,
        *,
        channel: Channel | None = None,
        plan: str = "",
        purpose: Purpose | None = None,
        step: str = "",
        at: int | None = None,
        variables: dict[str, str] | None = None,
    ) -> GateReport:
        """Ask the gate whether a contact may be reached, now or at a later tick. Nothing is recorded, reserved or sent.

        `plan` is NAME or NAME@VERSION, or else `purpose` is said; with `step` the message is made and looked into.
        Raises Refused for what is not there.
        """
        from dee_appliance.runtime.gate_ask import GateAsked, gate_report  # noqa: PLC0415 - slow, and only used here

        asked = GateAsked(
            contact=contact,
            tick=self.now() if at is None else at,
            channel=channel,
            plan=plan,
            purpose=purpose,
            step=step,
            variables=variables or {},
        )
        with self.view() as view:
            return gate_report(view, asked)
