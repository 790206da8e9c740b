"""Content: the bytes of a message, made once, when a send is pulled.

Lives here: the template language, e-mail and SMS templates, call scripts, MIME, SMS segments. Everything is a pure function of a
published document and the values handed in; nothing here opens a socket or a file, reads a clock, or draws a random number, so
the same send gives the same bytes on any machine. What is stored about a rendering (`given`) is decided by the caller.
Imports: the kernel and the error tree, nothing else of this package.
"""
