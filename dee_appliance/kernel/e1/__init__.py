"""Semantics epoch 1.

Nothing here reads a clock, a file, a socket, a database, the environment or a source of randomness; there is no float and no
iteration over a set. A change that alters one byte of one recorded trace belongs into a new epoch, never into this one.
"""
