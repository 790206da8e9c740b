"""The kernel fed differently: verify, replay, compare, export. Nothing here sends, and nothing here writes to the
file it reads.
"""
