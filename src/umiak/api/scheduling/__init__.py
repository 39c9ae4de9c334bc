"""Kinds of the group scheduling.k8s.io, one module each."""
