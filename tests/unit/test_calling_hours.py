"""Personal calling hours as people write them."""

from __future__ import annotations

import pytest

from dee_appliance.intake.calling_hours import format_calling_hours, parse_calling_hours
from dee_appliance.intake.invalid import InvalidValue

HOUR = 3600
NONE: tuple[tuple[int, int], ...] = ()


def test_days_that_are_not_named_have_no_hours() -> None:
    noon_to_six = ((12 * HOUR, 18 * HOUR),)
    assert parse_calling_hours("Mon-Fri 12:00-18:00; Sat 10:00-14:00") == (
        *(noon_to_six,) * 5,
        ((10 * HOUR, 14 * HOUR),),
        NONE,
    )


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("mon-FRI 9:00-12:00,13:30-18:00", "Mon-Fri 09:00-12:00, 13:30-18:00"),
        ("Mon, Wed 09:00 - 12:00;", "Mon,Wed 09:00-12:00"),
        ("Sat–Mon 09:00–12:00", "Mon,Sat-Sun 09:00-12:00"),
        ("Mon9:00-12:00", "Mon 09:00-12:00"),
        ("Mon-Sun 0:00-24:00", "Mon-Sun 00:00-24:00"),
        ("Mon 18:00-00:00", "Mon 18:00-24:00"),
        ("Fri 22:00-02:00", "Fri 22:00-02:00"),
        ("Sun 10:00-12:00; Mon 10:00-12:00", "Mon,Sun 10:00-12:00"),
        ("Mon 10:00-12:00; Mon 11:00-13:00; Mon 13:00-14:00", "Mon 10:00-14:00"),
        ("Mon 22:00-02:00; Mon 22:00-02:00", "Mon 22:00-02:00"),
        ("Mon 10:00-09:00, 05:00-11:00", "Mon 05:00-11:00, 10:00-09:00"),
    ],
)
def test_hours_are_kept_in_one_written_form_that_means_the_same(text: str, kept: str) -> None:
    weekly = parse_calling_hours(text)
    assert format_calling_hours(weekly) == kept
    assert parse_calling_hours(kept) == weekly


@pytest.mark.parametrize(
    "text",
    [
        "afternoons",
        "9:00-17:00",
        "Mon",
        "Mon 9-17",
        "Mon 9am-5pm",
        "Mon 09:00",
        "Mon 09:00-12:00;; Tue 09:00-12:00",
        "Mon 09:00-12:00,",
        "Mon 12:00-12:00",
        "Mon 00:00-00:00",
        "Mon 24:00-02:00",
        "Mon 09:00-24:30",
        "Mon 09:60-12:00",
        "Mon 09:00-12:00 Tue 09:00-12:00",
        "Mo-Fr 09:00-17:00",
        "Montag 09:00-17:00",
        "Mon-Tue-Wed 09:00-12:00",
        "Mon,, Tue 09:00-12:00",
        "Mon ٠٩:٠٠-١٢:٠٠",
        ";",
        "Mon 09:00-12:00; " * 60,
    ],
)
def test_hours_that_cannot_be_read_are_refused_with_the_form_to_write(text: str) -> None:
    with pytest.raises(InvalidValue, match="write days and hours, such as") as refusal:
        parse_calling_hours(text)
    assert (refusal.value.code, refusal.value.field) == ("calling_hours", "calling_hours")
