"""Why the entries of a whole record are not those that its inputs give: told by what the entries cite, and in which order.

Only asked when every hash of the record agrees. An entry cites the documents that it was decided by: a plan at its publishing and
at each enrolment, the policy and the packs by the entry that brought them into use, the zone table by its digest. Where the two
sides cite another document, that is the cause; where both cite the same, no document can be. Then the order of what happened
is compared; what is left is the engine, or somebody who has written the whole record anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from dee_appliance.kernel.e1.input import INPUTS
from dee_appliance.replay.entry_form import lenient, part

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dee_appliance.store.journal import InputRow

Cause = Literal[
    "plan",
    "template",
    "policy",
    "pack",
    "rate_card",
    "zones",
    "event_order",
    "engine",
    "runtime",
    "renderer",
    "tampering",
]

MEANING: dict[Cause, str] = {
    "plan": "the recorded entries follow another plan",
    "template": "the recorded entries follow the same plan with another template or script",
    "policy": "the recorded entries follow another policy",
    "pack": "the recorded entries follow another compliance pack",
    "rate_card": "the recorded entries follow another rate card",
    "zones": "the recorded entries follow other time-zone rules",
    "event_order": "the same things happened in another order, at another time, or one of them once more or less",
    "engine": "another engine wrote the recorded entries, or somebody who gave every entry a new hash",
    "runtime": "this machine gave two answers to the same inputs",
    "renderer": "the renderer gives another message today",
    "tampering": "the record was changed",
}

NEXT: dict[Cause, str] = {
    "plan": "compare the plan that the log names with the one that is in the file: `dee plan diff`",
    "template": "compare the templates that the two plans pin: `dee plan diff`",
    "policy": "compare the policy with the one that was in use then: `dee policy show`, and a copy of the file",
    "pack": "compare the packs: `dee policy pack diff`",
    "rate_card": "compare the prices: `dee policy show`, and a copy of the file",
    "zones": "see which zone table the file uses: `dee tz show`",
    "event_order": "compare the inputs around it with a copy of the file",
    "engine": "replay with the version that wrote the file; compare its head with one that you wrote down elsewhere",
    "runtime": "check the memory of this machine, and replay on another one",
    "renderer": "nothing: what was sent is what was recorded",
    "tampering": "keep the file as it is, run `dee verify`, and compare it with a copy",
}

CITED_BY: dict[object, Cause] = {
    "publish": "plan",
    "enroll": "plan",
    "policy": "policy",
    "pack": "pack",
    "zones": "zones",
}
"""Actions whose entries name a document by its digest."""

ALIKE = 4
"""So many happenings in a row must agree before one side counts as shifted against the other."""

Value = dict[str, object]


UNREADABLE = ("unknown_document", "malformed_document")
"""Why an input that brings a document into use is refused when that is another one."""

_VERB = ("run.verb",)
_SENDING = ("attempt.answered", "dispatch.pull", "event")
GIVEN_BY: dict[object, tuple[str, ...]] = {
    "arm": ("file.arm",),
    "config": ("config.set",),
    "consent": ("consent.set",),
    "contact": ("contact.put",),
    "enroll": ("run.enroll",),
    "erase": ("contact.erase",),
    "event": ("event",),
    "pack": ("pack.use", "pack.retire"),
    "pause": _VERB,
    "policy": ("policy.set",),
    "publish": ("plan.publish",),
    "resolve": _VERB,
    "resume": _VERB,
    "retry": _VERB,
    "send_email": _SENDING,
    "send_sms": _SENDING,
    "skip": _VERB,
    "suppress": ("suppression.set", "event"),
    "zones": ("zones.use",),
}
"""Actions that only these kinds of inputs can lead to."""

GIVEN_BY_PULL = frozenset({"send_email", "send_sms", "call", "hold", "exit", "end", "input"})
"""Actions that a pull can lead to."""

ACTIONS = frozenset(
    {*GIVEN_BY, *GIVEN_BY_PULL, "branch", "cancel", "halt", "release", "split", "start", "task", "wait"}
)

ABOUT_ANOTHER = frozenset({"cp", "cs", "input.digest", "input.seq"})
"""Fields that come before anything is decided: because of which input, and about whom. The tick is another."""

TIMES = frozenset({"late", "since", "until", "retry"})
"""Details that say when: the same thing at another time differs in them."""


class Sides(msgspec.Struct, frozen=True, kw_only=True):
    """Both entries and the bodies that follow them. `replayed` is empty when the kernel stopped.

    `document` gives a document of the file by its digest, `input` is the one whose entries differ.
    """

    recorded: Value
    replayed: Value
    input: InputRow | None
    later_recorded: Sequence[bytes]
    later_replayed: Sequence[bytes]
    document: Callable[[str], Value | None]


def cause_of(path: str, sides: Sides) -> Cause:
    """Return the cause of a difference at `path`."""
    if _of_another_input(sides):
        return "event_order"
    if not sides.replayed:
        return "engine"
    here = [_happening(sides.recorded), *map(_happening_of, sides.later_recorded)]
    there = [_happening(sides.replayed), *map(_happening_of, sides.later_replayed)]
    if here[0] != there[0] and here[0] in there and there[0] in here:
        return "event_order"
    cited = _cited(sides)
    if cited is not None:
        return cited
    at, then = part(sides.recorded, "core").get("tick"), part(sides.replayed, "core").get("tick")
    if path in ABOUT_ANOTHER or at != then or _shifted(here, there) or _shifted(there, here):
        return "event_order"
    return "engine"


# ---- what is cited ---------------------------------------------------------------------------------------------------


def _cited(sides: Sides) -> Cause | None:
    recorded, replayed = sides.recorded, sides.replayed
    action = part(recorded, "core").get("action")
    if action == part(replayed, "core").get("action"):
        before, after = _digest(sides, recorded), _digest(sides, replayed)
        if action in CITED_BY and before != after and "" not in (before, after):
            return _narrowed(CITED_BY[action], sides.document(before), sides.document(after))
        for name, cause in _SEEN:
            if name in part(recorded, "saw") and name in part(replayed, "saw") and _saw(sides, name):
                return cause
    both_in_plans = part(recorded, "core").get("plan") and part(replayed, "core").get("plan")
    same_run = recorded.get("run") == replayed.get("run")
    if both_in_plans and same_run and part(recorded, "core")["plan"] != part(replayed, "core")["plan"]:
        return "plan"
    return None


_SEEN: tuple[tuple[str, Cause], ...] = (("zones", "zones"), ("policy", "policy"), ("packs", "pack"))
"""What an entry of the gate cites: the zone table by its digest, policy and packs by the entries that brought them into use."""


def _saw(sides: Sides, name: str) -> bool:
    return part(sides.recorded, "saw")[name] != part(sides.replayed, "saw")[name]


def _digest(sides: Sides, entry: Value) -> str:
    """The document that an entry names; of a document that was refused, the one that the input names."""
    detail = part(part(entry, "core"), "detail")
    value = detail.get("digest")
    if value is None and detail.get("code") in UNREADABLE and sides.input is not None:
        value = (lenient(sides.input.payload.encode()) or {}).get("digest")
    return value if isinstance(value, str) else ""


def _narrowed(cause: Cause, before: Value | None, after: Value | None) -> Cause:
    """Tell a template from a plan and prices from a policy, when both documents are there and nothing else differs."""
    if before is None or after is None:
        return cause
    differing = {key for key in (*before, *after) if before.get(key) != after.get(key)}
    if cause == "plan" and differing <= {"templates", "scripts"}:
        return "template"
    if cause == "policy" and differing <= {"rates"}:
        return "rate_card"
    return cause


# ---- the order of what happened ----------------------------------------------------------------------------------------


def _of_another_input(sides: Sides) -> bool:
    """Tell whether the recorded entry is one that the input at this place cannot have led to, whatever the engine."""
    if sides.input is None or sides.input.kind not in INPUTS:
        return False
    kind, core = sides.input.kind, part(sides.recorded, "core")
    action, named = core.get("action"), part(core, "detail").get("kind")
    if action == "input":
        return named in INPUTS and named != kind
    if kind == "dispatch.pull":
        return action in ACTIONS and action not in GIVEN_BY_PULL
    return core.get("outcome") == "dispatched" or kind not in GIVEN_BY.get(action, (kind,))


def _shifted(longer: Sequence[bytes], shorter: Sequence[bytes]) -> bool:
    """Tell whether one side goes on as the other does, after something that only it has."""
    ahead = list(shorter[:ALIKE])
    return any(list(longer[by : by + len(ahead)]) == ahead for by in range(1, len(longer) - len(ahead) + 1))


def _happening_of(body: bytes) -> bytes:
    return _happening(lenient(body) or {})


def _happening(value: Value) -> bytes:
    """What happened to whom, without when and where in the log."""
    core = part(value, "core")
    detail = {name: told for name, told in part(core, "detail").items() if name not in TIMES}
    chosen = [value.get("run"), *(core.get(field) for field in ("plan", "step", "visit", "action", "outcome")), detail]
    return msgspec.json.encode(chosen, order="sorted")
