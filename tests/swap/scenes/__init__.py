"""What controllers are put through, scene by scene; each plays in a namespace of its own."""

from . import apps, batch, cluster, services

SCENES = [*apps.SCENES, *batch.SCENES, *services.SCENES, *cluster.SCENES]
