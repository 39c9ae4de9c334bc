"""What controllers are put through, scene by scene; each plays in a namespace of its own."""

from . import apps, batch, cluster, services

ALONE = [services.ranges]
"""Services of all scenes get addresses from a range that there is."""
SCENES = [*apps.SCENES, *batch.SCENES, *services.SCENES, *cluster.SCENES]
