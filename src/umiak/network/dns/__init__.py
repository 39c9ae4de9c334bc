"""Cluster DNS: the names of Services and pods as CoreDNS answers them, everything else asked upstream.

`wire` reads and writes messages, `zone` knows the names, `answer` decides, `upstream` forwards, `server` listens.
Source of names: the Kubernetes DNS specification 1.1.0.
"""
