"""Prefer nodes that already hold the pod's images, weighed by size and by how common each image is."""

from collections.abc import Sequence

import msgspec

from umiak.objects.types import Object
from umiak.scheduler.contract import MAX_SCORE, SKIP, Cycle, Plugin, Word
from umiak.scheduler.nodes import NodeView

NAME = "ImageLocality"
SMALL = 23 * 1024 * 1024
LARGE_PER_CONTAINER = 1000 * 1024 * 1024


class Wanted(msgspec.Struct):
    """What each image that some node has is worth, and what is worth 100."""

    worth: list[tuple[str, int]]
    largest: int


def normalized(image: str) -> str:
    """`nginx` is listed by the runtime as `nginx:latest`."""
    return image if ":" in image.rpartition("/")[2] else image + ":latest"


def wanted(spec: Object) -> list[str]:
    """Images of the containers and of image volumes."""
    containers = (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))
    named = [c.get("image") or "" for c in containers]
    named += [v["image"].get("reference") or "" for v in spec.get("volumes") or () if "image" in v]
    return [normalized(image) for image in named]


def prescore(cycle: Cycle, nodes: Sequence[NodeView]) -> Word | None:
    images, held = wanted(cycle.pod.spec), cycle.census.images(cycle.nodes)
    known = [(name, held[name]) for name in images if name in held]
    worth = [(name, int(image.size * (image.nodes / len(cycle.nodes)))) for name, image in known]
    cycle.notes[NAME] = Wanted(worth, LARGE_PER_CONTAINER * len(images))
    return None if worth else SKIP


def score(cycle: Cycle, node: NodeView) -> int:
    notes: Wanted = cycle.notes[NAME]
    total = sum(worth for name, worth in notes.worth if name in node.images)
    clamped = min(max(total, SMALL), notes.largest)
    return MAX_SCORE * (clamped - SMALL) // (notes.largest - SMALL)


PLUGIN = Plugin(name=NAME, order=130, weight=1, prescore=prescore, score=score)
