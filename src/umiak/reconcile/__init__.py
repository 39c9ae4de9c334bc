"""Informer caches, keyed queues, leader election and the loop that runs controllers.

Refuses: knowing any one controller.
"""
