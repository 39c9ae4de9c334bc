"""The Common Expression Language as kube-apiserver 1.37 speaks it: parse, type-check, estimate, compile, run.

`environment.Environment` is the way in. Knows no API kind and does no I/O: what an expression may see is declared by
the caller, and whether an access is allowed is asked of a function that the caller hands in.
"""
