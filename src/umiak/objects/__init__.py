"""What every Kubernetes object shares: metadata, errors, quantities, selectors, patches.

Refuses: I/O, clocks, and knowledge of any single kind.
"""
