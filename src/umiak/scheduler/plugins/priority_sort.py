"""The most important pod first, then the one that waited longest. The queue does so; this says that it is meant."""

from umiak.scheduler.contract import Plugin

PLUGIN = Plugin(name="PrioritySort", order=5, points=frozenset({"queueSort"}))
