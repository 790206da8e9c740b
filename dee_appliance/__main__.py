"""`python -m dee_appliance` is the same as `dee`."""

from __future__ import annotations

from dee_appliance.cli.main import main

main()
