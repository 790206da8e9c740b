"""Zones as Python's zoneinfo reads them from the tzdata package, never from the files of the host: those may be years behind."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo


@cache
def tzdata_zone(name: str) -> ZoneInfo:
    """Return a zone. Raises OSError when the package has none of this name."""
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)
