"""Who is asking (authentication) and whether they may (authorization).

Refuses: HTTP, and writing to the store. What it must know of roles, pods and tokens it reads from the store itself.
"""
