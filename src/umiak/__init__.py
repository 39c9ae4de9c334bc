"""umiak: a Kubernetes-conformant container orchestrator with the platform around it built in."""
