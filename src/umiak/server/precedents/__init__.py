"""Writes that are like earlier ones are decided by precedent, instead of being worked out again.

Controllers, kubelets and `kubectl apply` say the same of hundreds of objects. What is stored of a write follows from
its body, the object before it, who sends it and how, and from the few objects that admission looks at. Some parts of
these texts are *free*: nothing follows from what they are, but that some are equal. So a write is cut at its free
parts; what is left, which parts are equal, and of what form each is, is its *likeness*. A `Precedent` keeps for a
likeness what was stored, with places for the parts, and the next such write has its own parts put there: 20 to 40 µs
instead of 150 to 600 (docs/measurements.md).

`free` says which parts are free and of what form: the object's name; uids, times and addresses as everybody writes
them; what `Kind.free` names. A part is only ever exchanged for one of the same form: times in seconds are none with
microseconds, a name that is no DNS label is none that is one, and an address is of the sort that is valid everywhere.
`texts` are cut and filled, `templates` cut quickly what was cut alike before. All of that is pure, as is `precedent`.
`cases` looks at requests; the verbs ask it first, and tell it what came of what was worked out.

What makes it safe:
- The same text is free wherever it stands, or the write is worked out: so no two parts are compared unseen. Bodies with
  unusual escapes, managed fields or versions are not looked at, and neither are objects that are being deleted.
- Managers are sorted by their times, so the order of these belongs to the likeness.
- Who sends a write is found out and may do it or not before all this, each time.
- Admission plugins say what they look at (`Admission.looks_at`); with any change there a precedent holds no longer. One
  that does not say it, and is not dormant, leaves no precedent; neither does what sets `Admitted.alike` to False.
- A precedent is not believed at once. What it foretells is compared with what working it out comes to for others, and a
  part may differ from the one it was learnt with only when it did so in a comparison that came out right. One that was
  wrong once is never used.
"""
