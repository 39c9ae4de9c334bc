"""What several kinds share: pod templates, metadata, resource lists, table cells.

Refuses: knowledge of a single kind that no other kind needs.
"""
