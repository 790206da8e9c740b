"""A small plan with an e-mail, a wait, a call and an end, and scenarios about it, written where a test wants them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

PLAN = """\
plan = "p"
version = 1
purpose = "transactional"
[attributes]
vip = "bool"
[policy]
calling_hours = { days = "Mon-Fri", from = 09:00:00, to = 18:00:00 }
[[exit]]
when = 'event("debt.paid")'
outcome = "paid"
[[step]]
id = "intro"
do = "send_email"
template = "hello"
[[step]]
id = "pause"
do = "wait"
until = 'replied("intro")'
then = "done"
for = "2d"
[[step]]
id = "call"
do = "call"
script = "ask"
next = "done"
[[step]]
id = "done"
do = "end"
outcome = "finished"
"""
HEAD = """\
plan = "plan.toml"
zone = "America/New_York"
start = 2027-01-04T09:00:00
[contact.jane]
email = "jane@example.com"
phone = "+1 212 555 0123"
timezone = "America/New_York"
profile = { first_name = "Jane" }
consents = ["email", "voice"]
"""


def desk(folder: Path) -> Path:
    """Write the plan, with its template and script, into a folder."""
    for name in ("templates", "scripts"):
        (folder / name).mkdir(parents=True)
    (folder / "templates/hello.eml.j2").write_text("Subject: Hello\n\nHello {{ contact.first_name }}, how are you?\n")
    (folder / "scripts/ask.toml").write_text('max_duration_s = 90\n[[answered]]\nsay = "Hello"\n')
    (folder / "plan.toml").write_text(PLAN)
    (folder / "broken.toml").write_text(PLAN.replace('next = "done"', 'next = "gone"'))
    return folder


def scenario(folder: Path, *parts: str, name: str = "one.scenario.toml", head: str = HEAD) -> Path:
    """Write a scenario: the head with one contact, and these parts."""
    path = folder / name
    path.write_text(head + "\n".join(parts), encoding="utf-8")
    return path


def case(*lines: str, name: str = "a case", expect: Sequence[str] = ('status = "COMPLETED"',)) -> str:
    """One case: what happens, and what is expected."""
    return "\n".join(["[[case]]", f'name = "{name}"', *lines, "[[case.expect]]", *expect, ""])
