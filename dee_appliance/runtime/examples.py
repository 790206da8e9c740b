"""Where the examples are: packaged with the program, or in the checkout it runs from."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from dee_appliance.errors import HostError


def example(name: str) -> Path:
    """Return the folder of an example. Raises HostError when the installation has none of that name."""
    packaged = Path(str(files("dee_appliance"))) / "examples"
    root = packaged if packaged.is_dir() else Path(__file__).parents[2] / "examples"
    folder = root / name
    if not (folder / "plan.toml").is_file():
        raise HostError(f"the installation is incomplete: the example {name} is missing", hint="install DEE again")
    return folder
