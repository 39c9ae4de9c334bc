"""What can be done with the objects of any kind, one verb per module.

Refuses: knowing any kind by name. What is special about a kind is in its `Kind`, or in a subresource.
"""
