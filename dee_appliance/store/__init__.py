"""The one file: the only room that speaks SQL.

database: connections and transactions · settings: what they may do · schema, header: is this file ours · queries: named SQL ·
lock: one loop · state_dir: memory outside the file · inbox: the way in · snapshot, untrusted: copies · erasure: proof of absence.
"""
