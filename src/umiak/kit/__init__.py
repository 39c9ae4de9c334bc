"""Tools without any knowledge of Kubernetes: clock, backoff, HTTP, TLS, metrics, discovery of modules.

Refuses: importing anything else of umiak, and reading a clock or rolling dice that was not handed in.
"""
