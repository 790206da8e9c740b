"""50,000 random operations on files with every kind of rule; an auditor asks every rule a second time for each verdict."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from gate_stories import tell
from msgspec.structs import replace

from dee_appliance.kernel.e1 import gate
from dee_appliance.kernel.e1 import policy as policies
from dee_appliance.kernel.e1.rules import cap, daily_limit, rate, window
from dee_appliance.kernel.e1.rules.question import PASS
from dee_appliance.store.rules_in_use import recorded_facts

FIRST_SEED = 700_000
STORIES = 25
pytestmark = pytest.mark.slow

LEAST = {
    "suppression no": 500, "consent no": 2_000, "fact no": 200, "content no": 500, "window no": 5_000, "cap no": 1_500,
    "ratio no": 20, "daily_limit no": 100, "rate no": 200, "budget no": 200, "cap pass": 5_000, "fact pass": 50,
    "content pass": 500, "held for window": 1_000, "held for cap": 150, "never open": 200, "queue held for daily_limit": 50,
    "queue held for rate": 100, "queue held for ratio": 5, "queue held for budget": 2, "resolve resend": 10,
    "resolve abandoned": 5, "resolve not-delivered": 5, "retry retried": 300, "erase pending": 50, "zones used": 20,
    "list used": 20, "pack retired": 5, "consent revoked": 50, "consent kept": 20,
}  # fmt: skip
"""What has to have happened at least so often, that the test cannot become harmless unnoticed."""


def test_no_verdict_of_50_000_operations_is_another_than_the_rules_give(tmp_path: Path) -> None:
    seen: Counter[str] = Counter()
    operations = deaths = permits = 0
    for seed in range(FIRST_SEED, FIRST_SEED + STORIES):
        told = tell(seed, folder=tmp_path if seed % 5 == 0 else None)
        assert told.faults == [], f"seed {seed}"
        operations, deaths, permits = operations + told.operations, deaths + told.deaths, permits + told.permits
        seen += told.seen
    assert (operations, deaths > 50, permits > 4_000) == (50_000, True, True)
    assert {name: seen[name] for name, least in LEAST.items() if seen[name] < least} == {}


# -- can the auditor fail? -----------------------------------------------------------------------------------------------


def _passes(kind: type) -> Any:
    def change(patch: pytest.MonkeyPatch) -> None:
        patch.setitem(gate._ASK, kind, lambda _rule, _question: PASS)

    return change


def _one_more(module: Any, field: str = "limit") -> Any:
    """The rule lets one through that is too many."""

    def change(patch: pytest.MonkeyPatch) -> None:
        ask = module.ask
        kind = next(one for one, asked in gate._ASK.items() if asked is ask)
        more = lambda rule, question: ask(replace(rule, **{field: getattr(rule, field) + 1}), question)  # noqa: E731
        patch.setitem(gate._ASK, kind, more)

    return change


def _shifted(patch: pytest.MonkeyPatch) -> None:
    """Windows and caps open a second early."""
    found = gate.next_permitted

    def early(question: Any) -> int | None:
        until = found(question)
        return until if until is None or until - 1 <= question.tick else until - 1

    patch.setattr(gate, "next_permitted", early)


def _late(patch: pytest.MonkeyPatch) -> None:
    found = gate.next_permitted
    patch.setattr(gate, "next_permitted", lambda question: None if found(question) is None else found(question) + 1)  # type: ignore[operator]


def _every_place(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("dee_appliance.kernel.e1.rulebook._may_be_in", lambda code, wanted: code == wanted)


def _one_zone(patch: pytest.MonkeyPatch) -> None:
    zones = window._zones
    patch.setattr(window, "_zones", lambda rule, question: zones(rule, question)[:1])


def _all_facts(patch: pytest.MonkeyPatch) -> None:
    def taken_for_granted(settings: Any, entries: Any) -> dict[str, tuple[bool, int]]:
        return dict.fromkeys(("registered", "emergency", "bonded"), (True, 0)) | recorded_facts(settings, entries)

    patch.setattr("dee_appliance.store.state.recorded_facts", taken_for_granted)


def _busy_counts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(cap, "NOTHING_SENT", ())


FAULTS: dict[str, Any] = {
    "suppressions are not asked": _passes(policies.SuppressionRule),
    "consents are not asked": _passes(policies.ConsentRule),
    "hours are not asked": _passes(policies.WindowRule),
    "caps are not asked": _passes(policies.CapRule),
    "facts are not asked": _passes(policies.FactRule),
    "contents are not asked": _passes(policies.ContentRule),
    "ratios are not asked": _passes(policies.RatioRule),
    "a cap lets one more through": _one_more(cap),
    "a daily limit lets one more through": _one_more(daily_limit),
    "a rate lets one more through": _one_more(rate),
    "a hold ends a second early": _shifted,
    "a hold ends a second late": _late,
    "somewhere in a country is nowhere in its parts": _every_place,
    "one open zone is enough": _one_zone,
    "what nobody recorded is so": _all_facts,
    "what was refused counts": _busy_counts,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_auditor_notices_a_gate_with_a_fault(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    FAULTS[fault](monkeypatch)
    assert any(tell(seed, 1_500).faults for seed in range(FIRST_SEED, FIRST_SEED + 8))
