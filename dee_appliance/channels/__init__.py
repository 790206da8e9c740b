"""Channels: the only room that talks to providers, one adapter per file.

Lives here: the interface every adapter keeps, the registry, the embedded sandbox, SMTP, and a null adapter for measurements.
A new adapter is one module, its capability card, a row in `registry`, and the contract suite run over it. Nothing here decides
whether, when or how often something is sent: an adapter takes one permit, makes at most one contact with it, and says truthfully
what became of it. Imports: the kernel and the error tree, nothing else of this package.
"""
