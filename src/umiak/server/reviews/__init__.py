"""Kinds that are asked, not kept: who is this, may they do that. One module per question, each exporting `REVIEW`.

Refuses: storing anything.
"""
