"""Intake: what comes from outside and the inputs it becomes.

Lives here: addresses, contacts and the facts derived from them, reading a CSV. Does not live here: the file (store), decisions
(kernel), rendering (content), command-line words (cli). Imports only the kernel and errors.
"""
