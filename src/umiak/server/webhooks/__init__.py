"""Admission webhooks: writes are shown to servers beside the cluster, which may change or refuse them.

`matching` and `review` decide and are pure; `sender` makes the calls; `plugins` hangs both into admission. What a
webhook can not do here: be asked about the configurations of webhooks and policies themselves.
"""
