"""How many: a number on the command line of a campaign that has to be one at least, and lists of numbers."""

from __future__ import annotations

import argparse


def at_least_one(text: str) -> int:
    """Read a count. Raises ArgumentTypeError for one that would ask for nothing."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"`{text}` is no whole number from 1 on")
    return int(text)


def numbers(text: str) -> tuple[int, ...]:
    """Read numbers with commas between them. Raises ArgumentTypeError for anything else."""
    words = [one.strip() for one in text.split(",") if one.strip()]
    if not all(one.isdecimal() for one in words):
        raise argparse.ArgumentTypeError(f"`{text}` is no list of numbers such as 8,10,29")
    return tuple(int(one) for one in words)
