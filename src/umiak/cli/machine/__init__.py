"""The life of a cluster on this machine: what `umiak up`, `down`, `reset` and `status` are made of.

Refuses: deciding anything about pods; it starts programs, and takes away what they left.
"""
