"""Every kind of the Kubernetes API: one module per kind, one compiled file for what OpenAPI can say.

Refuses: I/O. A kind is data and pure functions of objects.
"""
