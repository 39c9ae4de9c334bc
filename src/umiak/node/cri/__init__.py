"""Speaks CRI v1 to containerd 1.6 or later, or to CRI-O.

Refuses: knowing pods or the Kubernetes API; `node.runtime` is its whole vocabulary.
"""
