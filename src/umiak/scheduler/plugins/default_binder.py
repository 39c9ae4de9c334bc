"""Binds a pod by the API's `binding` subresource. The loop does so; this says that it is meant."""

from umiak.scheduler.contract import Plugin

NAME = "DefaultBinder"

PLUGIN = Plugin(name=NAME, order=140, points=frozenset({"bind"}))
