"""Devices for claims (KEP-4381): which of those that drivers publish fit what a ResourceClaim asks for, on one node.

Refuses: any I/O, and any notion of pods. Follows dynamic-resource-allocation's `structured` allocator with the features
that 1.37 has on: admin access, alternatives, taints, partitions, shared capacity, binding conditions.
"""
