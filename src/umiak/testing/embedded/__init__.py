"""A real cluster inside a program that is not ours, with a blocking face: what `umiak.testing.Cluster` is made of.

Everything runs on one event loop in a thread of its own. Refused here: asking the caller for an event loop, and
writing anywhere but in a temporary folder that goes with the cluster.
"""
