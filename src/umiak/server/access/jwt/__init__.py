"""Users by JSON Web Tokens of issuers that the operator trusts: OpenID Connect and its like (KEP-3331).

`config` reads and checks what the operator wrote, `mapping` makes a user of claims; both are pure. `provider` finds an
issuer's keys, `reader` puts the three together. Loaded only where an issuer is configured.
"""
