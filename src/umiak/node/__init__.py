"""The node agent: runs pods through a container runtime that speaks CRI v1.

Refuses: importing the store or the server; it speaks the Kubernetes API like any kubelet.
"""
