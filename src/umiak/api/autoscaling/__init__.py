"""Kinds of the group autoscaling, one module each."""
