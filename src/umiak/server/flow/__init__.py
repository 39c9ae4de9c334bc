"""API priority and fairness (KEP-1040): which requests run at once, which wait, which are sent away with 429.

`rules` tells what a flow schema matches, `estimate` how many seats a request takes, `shares` how many a level has,
`queues` who is next, `levels` puts them together; all of these are synchronous and are handed the time. `control`
alone waits, follows the store and writes. `inflight` is what serves without priority and fairness.

Refuses: knowing what requests do.
"""
