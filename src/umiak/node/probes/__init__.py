"""Startup, liveness and readiness probes: one module per way of asking, and the manager that repeats them.

Refuses: deciding what a failure means for a pod; that is `node.decide`.
"""
