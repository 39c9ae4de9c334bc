"""Who did what, when, and what came of it: audit events of audit.k8s.io/v1, as a policy file asks for them.

`policy` says how much is told of a request, `record` gathers it, `auditing` puts it into the way of requests; `log` and
`webhook` are where events go, `batch` keeps them from holding up anybody.

Refuses: knowing verbs and kinds; what is worth telling is handed in.
"""
