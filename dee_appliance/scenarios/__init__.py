"""Scenario files, run: a user's plan on simulated time, against what the user expects of it. The engine is the real one."""
