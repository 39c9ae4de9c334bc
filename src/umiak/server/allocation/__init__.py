"""Addresses and node ports of services: given out when a service is written, taken back when it goes.

Refuses: judging anything else of a service; that is validation's business.
"""
