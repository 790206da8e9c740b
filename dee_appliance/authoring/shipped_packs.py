"""The packs that come with the program: where they are, by name. They are files like any other and are checked like any other."""

from __future__ import annotations

from collections.abc import Collection
from importlib.resources import as_file, files

from dee_appliance.authoring.finding import did_you_mean
from dee_appliance.authoring.pack_file import CheckedPack, check_pack
from dee_appliance.errors import Refused


def shipped_packs() -> tuple[str, ...]:
    """Return the names of the packs that come with the program, sorted. Each is the id of its pack."""
    found = files("dee_appliance").joinpath("data/packs").iterdir()
    return tuple(sorted(one.name.removesuffix(".toml") for one in found if one.name.endswith(".toml")))


def check_shipped(name: str, *, known_zones: Collection[str] | None = None) -> CheckedPack:
    """Check a pack that comes with the program, by its name. Raises Refused when there is none of this name."""
    if name not in shipped_packs():
        hint = did_you_mean(name, shipped_packs()) or "give the name of a pack, or the path of a pack file"
        raise Refused(f'no pack "{name}" comes with the program', hint=hint)
    with as_file(files("dee_appliance").joinpath(f"data/packs/{name}.toml")) as path:
        return check_pack(path, known_zones=known_zones)
