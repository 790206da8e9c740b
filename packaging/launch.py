"""Where the binary begins: the same `main` as the console script."""

from __future__ import annotations

from dee_appliance.cli.main import main

main()
