"""What a what-if is to change, read from files: a plan, a policy, a rate card, packs, templates, call scripts, a time-zone table.

Each file is checked as if it were to be used in the open file; nothing is appended.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from dee_appliance.authoring.checks import check_plan, publishable
from dee_appliance.authoring.policy_file import check_policy, settable
from dee_appliance.authoring.source import read_text
from dee_appliance.content.script import parse_script, script_to_document
from dee_appliance.content.template import parse_template, to_document
from dee_appliance.errors import Refused
from dee_appliance.kernel.e1.encoding import canonical, document_digest
from dee_appliance.kernel.e1.policy import Policy, WindowRule
from dee_appliance.replay.changed_history import ChangedHistory
from dee_appliance.replay.changed_rules import ChangedRules
from dee_appliance.runtime.packs import read_pack
from dee_appliance.runtime.published import plan_versions
from dee_appliance.runtime.tz_table import read_table, refuse_lesser
from dee_appliance.store.rules_in_use import was_ever_used

if TYPE_CHECKING:
    from dee_appliance.kernel.e1.plan import Plan
    from dee_appliance.runtime.reading import View

Documents = dict[str, tuple[str, str]]
ENDINGS: dict[str, Literal["email", "sms", "voice"]] = {".eml.j2": "email", ".sms.j2": "sms", ".toml": "voice"}


class ChangedFiles(msgspec.Struct, frozen=True, kw_only=True):
    """The files that say what is changed.

    `policy`: in the place of every policy; `rates`: a policy file of which only the rate card counts; `packs` and `retire` as
    in `ChangedRules`; `plans`: each in the place of every version of its name; `templates`: files of templates and scripts by
    the name under which plans have them; `zones`: a time-zone table.
    """

    policy: str | Path | None = None
    rates: str | Path | None = None
    packs: tuple[str, ...] = ()
    retire: tuple[str, ...] = ()
    plans: tuple[str | Path, ...] = ()
    templates: dict[str, str | Path] = {}
    zones: str | Path | None = None


def read_changed_rules(view: View, files: ChangedFiles) -> ChangedRules:
    """Read policy, rate card and packs. Raises Refused, also for an id to retire of which the file has never used a pack."""
    zones = view.zone_ids()
    for one in files.retire:
        if not was_ever_used(view.state.settings, one):
            raise Refused(
                f"no pack `{one}` was ever in use", where=str(view.database.path), hint="dee policy pack list"
            )
    return ChangedRules(
        policy=_policy(files.policy, zones),
        rates=_policy(files.rates, zones),
        use=tuple(pack for one in files.packs if (pack := read_pack(one, zones).pack) is not None),
        retire=files.retire,
    )


def read_changed_history(view: View, files: ChangedFiles) -> ChangedHistory:
    """Read everything that is to be changed. Raises Refused that says what cannot be used, and where."""
    rules = read_changed_rules(view, files)
    documents: Documents = {}
    plans: dict[str, Plan] = {}
    for path in files.plans:
        plan = _plan(view, Path(path), rules, documents)
        if plan.plan in plans:
            raise Refused(f"two files are the plan `{plan.plan}`", where=str(path), hint="name one of them")
        plans[plan.plan] = plan
    pinned: dict[str, dict[str, str]] = {"template": {}, "script": {}}
    for name, path in files.templates.items():
        kind, digest = _text(name, Path(path), documents)
        _require_pinned(view, name, Path(path), tuple(plans.values()))
        pinned[kind][name] = digest
    return ChangedHistory(
        plans=plans,
        templates=pinned["template"],
        scripts=pinned["script"],
        rules=rules,
        zones=None if files.zones is None else _zones(view, Path(files.zones)),
        documents=documents,
    )


def _policy(path: str | Path | None, zones: tuple[str, ...]) -> Policy | None:
    return None if path is None else settable(check_policy(Path(path), known_zones=zones))


def _plan(view: View, path: Path, rules: ChangedRules, documents: Documents) -> Plan:
    changed = () if rules.policy is None else rules.policy.rules
    covered = view.policy_covers_voice() or any(
        isinstance(rule, WindowRule) and (not rule.channels or "voice" in rule.channels) for rule in changed
    )
    checked = check_plan(path, policy_covers_voice=covered)
    plan = publishable(checked)
    kinds = {**dict.fromkeys(plan.templates.values(), "template"), **dict.fromkeys(plan.scripts.values(), "script")}
    documents |= {digest: (kinds[digest], body.decode()) for digest, body in checked.documents.items()}
    return plan


def _channel(path: Path) -> Literal["email", "sms", "voice"]:
    for ending, channel in ENDINGS.items():
        if path.name.endswith(ending):
            return channel
    raise Refused(
        "its name does not say what it is", where=str(path), hint="end it in .eml.j2, .sms.j2 or, for a call, .toml"
    )


def _text(name: str, path: Path, documents: Documents) -> tuple[str, str]:
    """Keep the document of a template or script, and return its kind and digest."""
    channel = _channel(path)
    text, where = read_text(path), str(path)
    if channel == "voice":
        kind, body = "script", canonical(script_to_document(parse_script(name, text, where=where)))
    else:
        kind, body = "template", canonical(to_document(parse_template(name, channel, text, where=where)))
    digest = document_digest(kind, body)
    documents[digest] = (kind, body.decode())
    return kind, digest


def _require_pinned(view: View, name: str, path: Path, others: tuple[Plan, ...]) -> None:
    """Raise Refused unless some plan has a template or script of this name, for the same channel."""
    channel = _channel(path)
    plans = [view.state.plan(one.digest).plan for one in plan_versions(view)]
    for plan in (*plans, *others):
        if channel == "voice" and name in plan.scripts:
            return
        if channel != "voice" and name in plan.templates:
            digest = plan.templates[name]
            there = view.state.documents.find(digest)
            if there is None or msgspec.json.decode(there[2], type=dict[str, str]).get("channel", channel) == channel:
                return
    what = {"email": "e-mail template", "sms": "text message template", "voice": "call script"}[channel]
    raise Refused(f"no plan has this {what}: `{name}`", where=str(path), hint="dee plan show PLAN names what it has")


def _zones(view: View, path: Path) -> str:
    offered = read_table(path)
    refuse_lesser(offered, view.state.zones())
    return offered.body.decode()
