"""A contact's data on the command line: as JSON, as Markdown, into a file."""

from __future__ import annotations

import json
import stat
from typing import Any

import pytest
from terminal import Terminal, serve_all


@pytest.fixture
def served(desk: Terminal) -> Terminal:
    """A desk whose letters have left."""
    serve_all(desk)
    desk.ok("consent", "grant", "K-1", "--channel", "email", "--source", "form-3")
    desk.ok("suppress", "add", "K-1", "--channel", "voice")
    return desk


def exported(desk: Terminal, contact: str) -> dict[str, Any]:
    """The export as it stands on standard output."""
    found: dict[str, Any] = json.loads(desk.ok("contact", "export", contact).out)
    return found


def test_json_is_the_default_and_a_line_of_it_with_json(served: Terminal) -> None:
    found = exported(served, "K-1")
    assert found == served.ok("contact", "export", "ada@good.example.com", "--json").record()
    assert found["contact"]["profile"]["first_name"] == "Ada"
    (message,) = found["messages"]
    assert message["content"] == {
        "proven": True,
        "missing": "",
        "to": "ada@good.example.com",
        "subject": "Your visit",
        "text": "Dear Ada,\n\nsee you on 2026-12-24.\n",
        "html": "<p>Dear Ada</p>\n",
        "script": {},
    }
    assert message["outcome"]["what"] == "accepted"
    assert [one["source"] for one in found["consent_history"]] == ["form-3"]
    assert [one["scope"] for one in found["contact"]["suppressions"]] == ["channel:voice"]


def test_markdown_tells_a_person_the_same(served: Terminal) -> None:
    told = served.ok("contact", "export", "K-1", "--format", "md").out
    for text in (
        "# What is stored about Ada\n",
        "| email | ada@good.example.com |",
        "| your number with us | K-1 |",
        "| transactional | welcome@1 | 1 email |  | 1 |",
        ", email: Your visit\n",
        "- on: no rule asked for consent",
        "```\nDear Ada,\n\nsee you on 2026-12-24.\n```",
        "| ring | Ring and ask how it went. | none yet |",
        "## Not covered",
    ):
        assert text in told, text
    assert served.ok("contact", "export", "K-1", "--format", "md", "--json").record()["text"] + "\n" == told


def test_what_a_contact_wrote_cannot_break_out_of_its_cell(desk: Terminal) -> None:
    desk.write("odd.csv", 'customer_id,first_name,email\nK-9,"| x | [a](b) <b> `c` \x1b[31m",odd@good.example.com\n')
    desk.ok("contact", "import", "odd.csv", "--allow-rejects")
    desk.write("odd2.csv", 'customer_id,first_name,email\nK-9,"| x | [a](b) <b> `c` #1",odd@good.example.com\n')
    desk.ok("contact", "import", "odd2.csv", "--on-existing", "update")
    told = desk.ok("contact", "export", "K-9", "--format", "md").out
    assert r"| first\_name | \| x \| \[a\](b) \<b\> \`c\` \#1 |" in told
    assert "\x1b" not in told


def test_a_message_with_backticks_stays_inside_its_fence(desk: Terminal) -> None:
    desk.write("templates/letter.eml.j2", "Subject: Code\n\nRun ```ls``` and `` ` ``, {{ contact.first_name }}.\n")
    desk.write("plan.toml", (desk.folder / "plan.toml").read_text("utf-8").replace("version = 1", "version = 2"))
    desk.ok("plan", "publish", "plan.toml")
    serve_all(desk)
    told = desk.ok("contact", "export", "K-1", "--format", "md").out
    assert "````\nRun ```ls``` and `` ` ``, Ada.\n````\n" in told


def test_a_file_is_for_its_owner_only_and_holds_the_text_as_it_is(served: Terminal) -> None:
    served.write("more.csv", "customer_id,first_name,email\nK-7,Zoë,zoe@good.example.com\n")
    served.ok("contact", "import", "more.csv")
    told = served.ok("contact", "export", "K-7", "--out", "zoe.json", "--json").record()
    assert (told["file"], told["format"], told["messages"]) == ("zoe.json", "json", 0)
    path = served.folder / "zoe.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "Zoë" in path.read_text("utf-8")
    assert json.loads(path.read_text("utf-8"))["contact"]["key"] == "K-7"
    served.ok("contact", "export", "K-7", "--format", "md", "--out", "zoe.md")
    assert (served.folder / "zoe.md").read_text("utf-8").startswith("# What is stored about Zoë\n")


def test_the_file_itself_is_not_overwritten(served: Terminal) -> None:
    for name in ("desk.db", "desk.db.toml"):
        said = served.dee("contact", "export", "K-1", "--out", name)
        assert (said.code, "would be overwritten" in said.err) == (1, True)


def test_after_an_erasure_it_says_what_remains_and_why(served: Terminal) -> None:
    served.ok("contact", "erase", "K-1", "--yes")
    found = exported(served, "ada@good.example.com")
    assert found["contact"]["profile"] == {}
    assert found["messages"][0]["content"]["missing"] == "the contact's data were erased"
    assert {one["what"] for one in found["remains"]} >= {"keyed tokens of addresses", "suppressions in force"}
    told = served.ok("contact", "export", "K-1", "--format", "md").out
    assert "## What remains after the erasure, and why" in told
    assert "An erasure was made " in told
    for personal in ("Ada", "ada@", "206555"):
        assert personal not in told


def test_somebody_unknown_is_refused(desk: Terminal) -> None:
    said = desk.dee("contact", "export", "nobody@example.com")
    assert (said.code, "there is no contact" in said.err) == (1, True)
