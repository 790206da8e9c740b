"""A suppression list that is probably the wrong file: older than the one in use, or less than half of it."""

from __future__ import annotations

import pytest
from terminal import Terminal


def loaded(desk: Terminal) -> dict[str, object]:
    """The only list, as `dee suppress lists` shows it."""
    (row,) = desk.ok("suppress", "lists", "--json").records()
    return row


@pytest.fixture
def five(desk: Terminal) -> Terminal:
    """A file with a list of five numbers, as of the second of February."""
    desk.write("five.csv", "".join(f"+1206555010{number}\n" for number in range(5)))
    desk.ok("suppress", "import", "five.csv", "--list", "numbers", "--as-of", "2026-02-02")
    desk.write("two.csv", "+12065550101\n+12065550102\n")
    return desk


def test_less_than_half_of_a_list_does_not_take_its_place_unasked(five: Terminal) -> None:
    for dry in ((), ("--dry-run",)):
        said = five.dee("suppress", "import", "two.csv", "--list", "numbers", *dry)
        assert (said.code, said.out) == (1, "")
        assert "the list has 2 entries, and version 1, which is in use, 5" in said.err
        assert "--allow-smaller" in said.err
    assert (loaded(five)["version"], loaded(five)["entries"]) == (1, 5)
    assert "is on list numbers" in five.ok("suppress", "check", "+12065550100").out
    five.ok("suppress", "import", "two.csv", "--list", "numbers", "--allow-smaller")
    assert loaded(five)["entries"] == 2


def test_half_of_a_list_takes_its_place(five: Terminal) -> None:
    five.write("three.csv", "+12065550101\n+12065550102\n+12065550103\n")
    five.ok("suppress", "import", "three.csv", "--list", "numbers")
    assert loaded(five)["entries"] == 3


def test_an_older_list_does_not_take_the_place_of_a_newer_one_unasked(five: Terminal) -> None:
    older = ("suppress", "import", "five.csv", "--list", "numbers", "--as-of", "2026-02-01")
    said = five.dee(*older)
    assert (said.code, said.out) == (1, "")
    assert "as of 2026-02-01T00:00:00Z" in said.err
    assert "as of 2026-02-02T00:00:00Z" in said.err
    assert "--allow-older" in said.err
    assert loaded(five)["version"] == 1
    five.ok(*older, "--allow-older")
    assert five.ok("suppress", "lists").out.count("2026-02-01T00:00:00Z") == 1


def test_whoever_says_that_a_list_is_empty_need_not_say_that_it_is_smaller(five: Terminal) -> None:
    five.write("none.csv", "phone\n")
    five.ok("suppress", "import", "none.csv", "--list", "numbers", "--allow-empty")
    assert loaded(five)["entries"] == 0


@pytest.mark.parametrize("option", ["--allow-smaller", "--allow-older"])
def test_opt_outs_of_ones_own_have_no_earlier_version(desk: Terminal, option: str) -> None:
    desk.write("own.csv", "email\nada@good.example.com\n")
    said = desk.dee("suppress", "import", "own.csv", option)
    assert said.code == 2
    assert "go with --list" in said.err
