"""What happened in random schedules, counted by name, and how often each thing must have happened.

A determinism test over histories in which nothing happens proves nothing: every outcome that the machine knows has its line in
LEAST, and the suite fails when over all its seeds one of them did not come up that often.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from schedule_history import History

_LEAST = """
    answer:late=177
    arm:armed=12 arm:rejected:incarnation=35
    branch:else=222 branch:failed=26 branch:taken=108 branch:visits_exceeded=16
    call:answered=10 call:busy=15 call:confirmed=106 call:declined=12 call:dispatched=445 call:failed=15
    call:no_answer=12 call:not_rendered=8 call:ongoing=242 call:rejected=79 call:unknown=262
    call:unknown:deadline=193 call:voicemail=9
    cancel:ACTIVE=138 cancel:FAILED=179 cancel:HELD=102 cancel:PAUSED=85 cancel:PENDING=52 cancel:WAITING=34
    cancel:erased=65 cancel:rejected:illegal_status=66 cancel:rejected:unknown_run=19
    config:rejected:unknown_setting=27 config:rejected:wrong_type=91
    consent:rejected:unknown_contact=120 consent:revoked=441
    contact:changed=1222
    end:done=191 end:over=192
    enroll:enrolled=3030 enroll:rejected:already_enrolled=481 enroll:rejected:attribute_type=71
    enroll:rejected:erased=38 enroll:rejected:exclusive=211 enroll:rejected:min_gap=86
    enroll:rejected:missing_attribute=682 enroll:rejected:still_live=416 enroll:rejected:unknown_contact=158
    enroll:rejected:unknown_plan=194 enroll:rejected:variables=160 enroll:scheduled=802
    erase:pending=90 erase:rejected:unknown_contact=18
    event:meeting=243 event:of_contact=1541 event:of_send=2833 event:rejected:unknown_send=81
    exit:exit0=155 exit:exit1=60
    fail:failed=33
    failed:absent_attribute=53 failed:condition_failed:absent_attribute=42 failed:condition_failed:wrong_type=20
    failed:unknown_zone=33 failed:visits_exceeded=80
    halt:halt=174
    hold:channel_unavailable=23 hold:daily_limit=171
    input:nothing=1359 input:rejected:malformed=116
    pause:backoff=5 pause:call=18 pause:flight=176 pause:hold=93 pause:queue=617 pause:rejected:illegal_status=122
    pause:rejected:unknown_run=41 pause:start=125 pause:task=38 pause:wait=174
    policy:rejected:unknown_document=15 policy:released_holds=3
    publish:rejected:unknown_document=16 publish:rejected:version_exists=32 publish:same=48
    release:due=164 release:rejected:not_held=119 release:released=53
    resolve:abandoned=15 resolve:delivered=16 resolve:not-delivered=15 resolve:rejected:illegal_status=136
    resolve:rejected:nothing_to_resolve=376 resolve:rejected:unknown_run=21 resolve:resend=37
    resume:FAILED:confirmed=13 resume:HELD:not_a_guest=9 resume:HELD:outside_hours=36 resume:HELD:stale=55
    resume:backoff=7 resume:call=3 resume:elsewhere=49 resume:flight=69 resume:hold=41 resume:queue=325
    resume:rejected:illegal_status=103 resume:rejected:not_confirmed=163 resume:rejected:unknown_run=34
    resume:start=69 resume:task=19 resume:wait=86
    retry:FAILED=446 retry:rejected:abandoned=4 retry:rejected:already_accepted=32
    retry:rejected:illegal_status=140 retry:rejected:outcome_unknown=107 retry:rejected:unknown_run=26
    send:above_estimate=169 send:accepted:elsewhere=34 send:attempt:1=2069 send:attempt:2=98 send:attempt:3=9
    send:confirmed:elsewhere=18 send:confirmed:failed=108 send:confirmed:recovered=69 send:denied:budget:ended=28
    send:denied:budget:failed=84 send:denied:consent_class:ended=27 send:denied:consent_class:failed=115
    send:denied:currency:ended=7 send:denied:currency:failed=28 send:denied:never_open:failed=104
    send:denied:no_address:failed=133 send:denied:no_consent:ended=80 send:denied:no_consent:failed=267
    send:denied:no_rate:ended=9 send:denied:no_rate:failed=35 send:denied:suppressed:ended=26
    send:denied:suppressed:failed=81 send:denied:unknown_zone:failed=60 send:held:hours=514
    send:held:plan/calling_hours=66 send:held:send_by=313 send:held:trial=99 send:rejected:config:failed=108
    send:rejected:elsewhere=10 send:rejected:permanent:failed=59 send:rejected:permanent:retry=27
    send:rejected:permanent:to=22 send:rejected:transient:failed=143 send:rejected:transient:retry=60
    send:unknown:elsewhere=14
    skip:ACTIVE=76 skip:FAILED=66 skip:HELD=35 skip:WAITING=5 skip:rejected:illegal_status=78
    skip:rejected:in_flight=55 skip:rejected:not_skippable=340 skip:rejected:nothing_after=7
    skip:rejected:unknown_run=19
    split:again=120 split:arm0=61 split:arm1=65 split:arm2=25 split:failed=69 split:on=96
    start:late=368 start:started=644
    suppress:added=670 suppress:lifted=40 suppress:rejected:not_suppressed=40
    task:assigned=291 task:late=135 task:no=8 task:rejected:no_task=139 task:rejected:unknown_outcome=7
    task:timed_out=224 task:yes=13
    wait:elapsed=598 wait:failed=101 wait:late=327 wait:met=69 wait:moved=4 wait:past=74
    zones:rejected:unknown_document=20
"""
LEAST: dict[str, int] = {name: int(least) for name, _, least in (one.partition("=") for one in _LEAST.split())}
"""Over the 2,000 seeds of the suite: about a quarter of what they give. A change that makes something impossible shows here."""

SENDS = ("send_email", "send_sms", "call")


def tally_of(history: History) -> Counter[str]:
    """Count what happened in one schedule, by name."""
    found = Counter(history.marks)
    for (body,) in history.journal.database.execute("SELECT body FROM audit ORDER BY seq"):
        entry = msgspec.json.decode(body)
        found.update(_names(entry["core"], entry.get("evidence") or {}))
    return found


def _names(core: dict[str, Any], evidence: dict[str, Any]) -> list[str]:
    """Name what one entry tells."""
    action, outcome, detail = core["action"], core["outcome"], core["detail"]
    if outcome == "rejected" and "code" in detail:
        return [f"{action}:rejected:{detail['code']}"]
    if action in SENDS:
        return _of_send(action, outcome, detail, evidence)
    names = [f"{action}:{outcome}"]
    if "late" in detail:
        names.append(f"{action}:late")
    if detail.get("status") == "FAILED":
        names.append(f"failed:{detail.get('reason')}:{detail.get('code', '')}".rstrip(":"))
    if action == "policy" and detail.get("released"):
        names.append("policy:released_holds")
    if action == "event":
        names[0] = "event:of_send" if "about" in detail else "event:of_contact"
        names.append(f"event:{outcome}")
    return names


def _of_send(action: str, outcome: str, detail: dict[str, Any], evidence: dict[str, Any]) -> list[str]:
    names = [f"{action}:{outcome}"]
    if "about" in detail:
        names.append(f"send:{outcome}:elsewhere")
    elif outcome == "rejected":
        way = "retry" if "retry" in detail else "to" if "to" in detail else "failed"
        names.append(f"send:rejected:{detail['kind']}:{way}")
    elif outcome == "confirmed":
        names.append("send:confirmed:recovered" if "to" in detail else "send:confirmed:failed")
    elif outcome == "denied" or outcome.startswith("denied:"):
        end = "ended" if detail["status"] == "COMPLETED" else "failed"
        names.append(f"send:denied:{detail['why']}:{end}")
    elif outcome == "held":
        names.append(f"send:held:{detail['rule']}")
    elif outcome == "dispatched":
        names.append(f"send:attempt:{min(detail['attempt'], 3)}")
    elif outcome == "unknown" and detail.get("cause") == "deadline":
        names.append("call:unknown:deadline")
    if "above_estimate_micros" in evidence:
        names.append("send:above_estimate")
    return names
