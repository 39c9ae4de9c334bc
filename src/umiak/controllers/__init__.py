"""One controller per module, each exporting CONTROLLER.

Refuses: talking to anything but the Kubernetes API, and sleeping.
"""
