"""Speaks the Kubernetes API to any server, ours or the original.

Refuses: caching (see reconcile) and retries that the caller did not ask for.
"""
