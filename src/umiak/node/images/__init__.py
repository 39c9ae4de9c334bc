"""Makes OCI images from files on this machine, and hands them to containerd. No daemon, no registry.

Refuses: running anything inside an image.
"""
