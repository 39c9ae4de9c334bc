"""umiak: a Kubernetes-conformant container orchestrator with the platform around it built in."""

__version__ = "0.1.0"
