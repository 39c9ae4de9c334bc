"""What must hold at every write, and what must come true once faults end: a family per module, exporting INVARIANT.

They judge deeds by the truth, or, where a part can only act on what it knows, by what it may still believe
(`World.recent`). Refuses: knowing how a controller decides.
"""
