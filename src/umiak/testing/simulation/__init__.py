"""Nodes that are not there: they register, renew their leases, and say that pods run, without running anything.

For `umiak dev`, `umiak simulate` and load tests, against any Kubernetes API server. Refuses: keeping pods that rest, so
that ten thousand nodes fit into one small process.
"""

from umiak.testing.simulation.nodes import Nodes
from umiak.testing.simulation.settings import Life, Outages, Settings

__all__ = ["Life", "Nodes", "Outages", "Settings"]
