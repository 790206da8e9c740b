"""What content rules look for in a message: it counts when a reader gets to see it."""

from __future__ import annotations

import pytest

from dee_appliance.content.features import features_of_email
from dee_appliance.content.template import Rendered
from dee_appliance.kernel.e1.rules.content import text_feature

ADDRESS = "Smith & Sons, 1 Main Road, Ghent"
ESCAPED = "Smith &amp; Sons, 1 Main Road, Ghent"
LINK = "https://example.com/out?a=1&b=2"
ESCAPED_LINK = "https://example.com/out?a=1&amp;b=2"
NOTICE = "This is an advertisement"
PLAIN = f"Hello\n{ADDRESS}\n{NOTICE}\n{LINK}\n"


def features(html: str, text: str = PLAIN) -> tuple[str, ...]:
    return features_of_email(
        Rendered(channel="email", subject="s", text=text, html=html),
        sender_name="",
        postal_address=ADDRESS,
        unsubscribe_link=LINK,
        in_header=False,
        one_click=False,
        texts=(NOTICE,),
    )


ALL = tuple(sorted(["postal_address", "unsubscribe_link", text_feature(NOTICE)]))


@pytest.mark.parametrize(
    "html",
    [
        "",
        f"<p>{ESCAPED}</p><p>{NOTICE}</p><a href='{ESCAPED_LINK}'>no more</a>",
        f"<p>{ESCAPED}</p><p>{NOTICE}</p><a href='{ESCAPED_LINK}'><img src=x></a>",
        f"<p>{ESCAPED}</p>{NOTICE}<p>{ESCAPED_LINK}",
        f"<td>Smith &amp; Sons,<br>1 <b>Main</b> Road, Ghent<td>This is an <i>adver</i>tisement {ESCAPED_LINK}",
        f"<div style='display:none'>preview</div>{ESCAPED}, {NOTICE}, <a href={ESCAPED_LINK}>x</a>",
        f"<p style='opacity: 0.9; font-size: 10px'>{ESCAPED}, {NOTICE}, <a href={ESCAPED_LINK}>x</a></p>",
    ],
)
def test_what_is_to_be_seen_in_every_version_is_found(html: str) -> None:
    assert features(html) == ALL


SAID = f"{ESCAPED} {NOTICE} <a href='{ESCAPED_LINK}'>no more</a>"


@pytest.mark.parametrize(
    "html",
    [
        "<p>Hello</p>",
        "<!-- -->",
        f"<!-- {SAID} -->",
        f"<!--[if mso]>{SAID}<![endif]-->",
        f"<p>Hello</p><div hidden>{SAID}</div>",
        f"<p>Hello</p><div style='DISPLAY : none !important'>{SAID}</div>",
        f"<p>Hello</p><div style='color:red;visibility:hidden'><p>{SAID}</p></div>",
        f"<p>Hello</p><span style='font-size:0px'>{SAID}</span>",
        f"<p>Hello</p><div style='max-height:0;overflow:hidden'>{SAID}</div>",
        f"<p>Hello</p><div style='opacity:0.0'>{SAID}</div>",
        f"<p>Hello</p><div style='mso-hide:all'/>{SAID}</div>",
        f"<head><title>{SAID}</title></head><body>Hello</body>",
        f"<style>{SAID}</style>Hello",
        f'<p title="{ESCAPED} {NOTICE} {ESCAPED_LINK}">Hello</p>',
    ],
)
def test_what_no_reader_sees_is_not_found(html: str) -> None:
    assert features(html) == ()


def test_a_link_with_nothing_to_click_on_is_none() -> None:
    assert "unsubscribe_link" not in features(f"<p>{ESCAPED}</p><a href='{ESCAPED_LINK}'> </a>")
    assert "unsubscribe_link" not in features(f"<a href='{ESCAPED_LINK}'><i hidden>no more</i></a>")


def test_the_text_part_needs_it_as_well() -> None:
    assert features(SAID, text="Hello") == ()
