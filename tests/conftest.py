"""What all tests share: how Hypothesis searches. Anything else belongs to the tests that need it."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# On CI the same examples every time: a red build must be the change's fault. At a desk the search goes on where it can.
settings.register_profile("ci", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("desk", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ci" if os.environ.get("CI") else "desk")

pytest_plugins = ["replayed_files"]
