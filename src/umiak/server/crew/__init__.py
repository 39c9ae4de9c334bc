"""Several processes that are one API server: the owner of the store and workers beside it.

`owner` starts, replaces and stops workers, and gives each process as many connections as the others. `desk` is a
worker's end of it, `post` what both sides say to each other.

Refuses: knowing what is served.
"""
