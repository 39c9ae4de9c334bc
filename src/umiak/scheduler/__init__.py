"""Chooses a node for every pod.

Refuses: talking to anything but the Kubernetes API. Plugins decide and are pure; only the loop acts.
"""
