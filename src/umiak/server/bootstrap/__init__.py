"""The objects that a new cluster has from its first second, as kube-apiserver makes them at each start.

Refuses: changing what an administrator has made of them, unless the reference would.
"""
