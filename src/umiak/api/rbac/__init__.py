"""Kinds of the group rbac.authorization.k8s.io, one module each."""
