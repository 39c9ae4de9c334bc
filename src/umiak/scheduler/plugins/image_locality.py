"""Prefer nodes that already hold the pod's images, weighed by size and by how common each image is."""

from umiak.scheduler.contract import MAX_SCORE, SKIP, Cycle, Plugin, Word
from umiak.scheduler.nodes import NodeView

NAME = "ImageLocality"
SMALL = 23 * 1024 * 1024
LARGE_PER_CONTAINER = 1000 * 1024 * 1024


def normalized(image: str) -> str:
    """`nginx` is listed by the runtime as `nginx:latest`."""
    return image if ":" in image.rpartition("/")[2] else image + ":latest"


def prescore(cycle: Cycle, nodes: list[NodeView]) -> Word | None:
    spec = cycle.pod.spec
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    images = [normalized(c.get("image") or "") for c in containers]
    held = cycle.census.images(cycle.nodes)
    spread = {image: held.get(image, 0) / max(len(cycle.nodes), 1) for image in set(images)}
    cycle.notes[NAME] = [(image, spread[image]) for image in images]
    return None if any(spread.values()) else SKIP


def score(cycle: Cycle, node: NodeView) -> int:
    images = cycle.notes[NAME]
    total = sum(int(node.images[image] * spread) for image, spread in images if image in node.images)
    largest = LARGE_PER_CONTAINER * len(images)
    clamped = min(max(total, SMALL), largest)
    return MAX_SCORE * (clamped - SMALL) // (largest - SMALL)


PLUGIN = Plugin(name=NAME, order=130, weight=1, prescore=prescore, score=score)
