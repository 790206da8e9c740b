"""What people touch on a terminal: arguments in, text or JSON out. No decisions and no SQL; every command calls one engine verb.

    main.py      the entry, the table of every command, lazy loading, exit codes
    command.py   the decorator that makes a command, and the Session it gets
    output.py    text, JSON lines and progress, safe for terminals
    failure.py   errors to text and exit codes, the only place that does
    instant.py   moments and durations as people type them

The other modules are commands, one module for those that are read together. A module imports what it needs when a command
runs, or every command would pay for all of them.
"""
