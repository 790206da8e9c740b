"""What the binary takes of phonenumbers, in place of PyInstaller's own hook, which also packs 19 MB of place and carrier names.

The metadata modules are imported by name at run time, so PyInstaller cannot see them.
"""

from __future__ import annotations

from PyInstaller.utils.hooks import collect_submodules

hiddenimports = collect_submodules("phonenumbers.data") + collect_submodules("phonenumbers.shortdata")
