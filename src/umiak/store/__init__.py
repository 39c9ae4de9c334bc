"""Ordered keys, bytes as values, one revision counter: the protocol and its backends.

Refuses: decoding what it keeps. Only server, cli and testing may import it.
"""
