"""The Pod Security Standards: which pods are baseline, which restricted, version by version. Pure.

Texts and versions are those of k8s.io/pod-security-admission.
"""
