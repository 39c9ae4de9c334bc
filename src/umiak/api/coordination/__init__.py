"""Kinds of the group coordination.k8s.io, one module each."""
