"""Kinds of the group discovery.k8s.io, one module each."""
