"""Kinds of the group apiextensions.k8s.io, one module each."""
