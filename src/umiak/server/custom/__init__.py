"""Custom resources: kinds that are defined by objects (apiextensions.k8s.io), from their names to their removal.

A definition becomes one `Kind` for each of its served versions; after that the rest of the server does not tell them
from built-in ones. `follow` is loaded with the server, everything else with the first definition.
"""
