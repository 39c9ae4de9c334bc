"""Kinds of the group policy, one module each."""
