"""Kinds of the group apps, one module each."""
