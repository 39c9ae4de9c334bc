"""A whole cluster in virtual time under faults drawn from one seed, watched by invariants at every write.

The API server, controllers and scheduler are the real ones; between them lies a network that delays, loses and
refuses, beneath them machines that die, beside them users who change their minds. `schedule.run(seed)` is the way in.

Refuses: real time, threads, sockets, and any chance that is not the seed's.
"""
