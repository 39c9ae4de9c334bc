"""The API server: authentication, authorization, admission, verbs, watch, discovery.

Refuses: acting on objects by itself; that is what controllers are for.
"""
