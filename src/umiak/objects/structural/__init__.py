"""What the schema of a custom resource says of values: their shape, what is dropped, filled in, and refused.

Schemas are plain JSON data, `JSONSchemaProps` of apiextensions.k8s.io/v1; "structural" is that API's word for those
which say the type of everything they name. Knows nothing of objects' metadata and nothing of servers.
"""
