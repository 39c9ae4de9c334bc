"""OpenAPI documents of what is served, versions 2 and 3, made from compiled schemas when somebody asks.

Refuses: prose. Descriptions are the reference's own and are not repeated here.
"""
