"""Runs in the binary before anything else: the bundled time-zone rules are found, and only they.

The rules are one zip and not 600 files, which the one-file binary would unpack at every start. `zoneinfo` asks the host's
folders first unless PYTHONTZPATH is set and empty; two hosts would then make two different files.
"""

from __future__ import annotations

import os
import sys

sys.path.append(f"{sys._MEIPASS}/tzdata.zip")  # type: ignore[attr-defined]  # noqa: SLF001 - PyInstaller's documented name
os.environ["PYTHONTZPATH"] = ""
