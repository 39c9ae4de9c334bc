"""Kinds of the group batch, one module each."""
