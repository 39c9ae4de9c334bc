"""For tests, ours and those of people who write operators: virtual clock, in-memory cluster, fakes."""
