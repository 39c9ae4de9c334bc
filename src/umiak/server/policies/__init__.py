"""Admission policies: rules in CEL that a write must satisfy, and changes in CEL that it goes through.

`book` follows policies and bindings, `subject` is one write as they see it, `selection` says which of them it meets,
`validating` and `mutating` judge and change it. A policy takes effect with the write that makes it. Evaluation never
waits: where it needs to know whether an access is allowed it stops, and starts again with the answer
(`evaluation.Unanswered`).
"""
