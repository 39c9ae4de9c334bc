"""What one schedule is made of, drawn from its seed.

Each kind of fault is in about half of all schedules: where everything goes wrong at once nothing gets far enough for
the rarer mistakes to show (Groce et al., "Swarm Testing", ISSTA 2012).
"""

import random

import msgspec

WORKLOADS = ("deployment", "statefulset", "daemonset", "job", "indexed-job")
LONGEST_STALL = 8.0
LONGEST_ANSWER = 4.0
"""Seconds that a slow answer takes."""
RECONNECTING = 12.0
"""Seconds that watches may take to come back when some tries fail."""
LONGEST_OUTAGE = 15.0
QUICK = 1.5
"""Seconds within which a decision is carried out when nothing is slow or lost."""
GRACE = 3
"""Seconds that pods of these schedules have to stop."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Rates are chances per request or event; times are seconds of virtual time."""

    seed: int
    seconds: float
    """How long faults and users go on."""
    nodes: int
    workloads: tuple[str, ...]
    refusals: float
    """409, 429, 500, 503 and broken connections before anything was done."""
    losses: float
    """Done, but the answer is an error or never comes."""
    slowness: float
    deaths: float
    """The part dies with its write done and the answer on its way."""
    crashes: int
    stalls: int
    """Times that a part hears nothing new of one kind for a while."""
    breaks: float
    """Watches that end with what they were about to tell."""
    compactions: int
    """Times that the server forgets its history, so that who missed something lists anew."""
    rivals: bool
    """Two processes of controllers, one of which leads."""
    thefts: int
    """Times that the lease changes hands while its holder is well."""
    skew: bool
    node_faults: int
    pod_faults: int
    edits: int
    evictions: int

    @property
    def staleness(self) -> float:
        """How old, at most, what a part acts upon can be."""
        slow = self.losses > 0 or self.slowness > 0
        return (
            QUICK
            + (LONGEST_STALL if self.stalls else 0)
            + (RECONNECTING if self.refusals or self.breaks else 0)
            + (6 * LONGEST_ANSWER if slow else 0)
        )

    def told(self) -> str:
        """One line for people."""
        parts = [f"{self.seconds:.0f} s, {self.nodes} nodes", *self.workloads]
        for name in ("refusals", "losses", "slowness", "deaths", "breaks"):
            if rate := getattr(self, name):
                parts.append(f"{name} {rate:.1%}")
        for name in ("crashes", "stalls", "compactions", "thefts", "node_faults", "pod_faults", "edits", "evictions"):
            if count := getattr(self, name):
                parts.append(f"{name} {count}")
        return ", ".join([*parts, *(name for name in ("rivals", "skew") if getattr(self, name))])


def draw(seed: int) -> Plan:
    dice = random.Random(f"plan {seed}")

    def rate(most: float, odds: float = 0.5) -> float:
        return round(dice.uniform(0.01, most), 3) if dice.random() < odds else 0.0

    def count(most: int, odds: float = 0.5) -> int:
        return dice.randint(1, most) if dice.random() < odds else 0

    rivals = dice.random() < 0.25
    workloads = tuple(sorted(dice.sample(WORKLOADS, dice.choice((1, 1, 1, 2)))))
    return Plan(
        seed=seed,
        seconds=float(dice.randint(20, 50)),
        nodes=dice.randint(1 + len(workloads), 4),  # room for all, but not for mistakes
        workloads=workloads,
        refusals=rate(0.2),
        losses=rate(0.15),
        slowness=rate(0.1, 0.3),
        deaths=rate(0.05, 0.3),
        crashes=count(5),
        stalls=count(4),
        breaks=rate(0.1, 0.4),
        compactions=count(2, 0.3),
        rivals=rivals,
        thefts=count(2, 0.4) if rivals else 0,
        skew=dice.random() < 0.3,
        node_faults=count(2, 0.3),
        pod_faults=count(4, 0.4),
        edits=count(10, 0.85),
        evictions=count(5, 0.4),
    )
