"""What the rules about volumes share."""

from umiak.api.core import persistentvolume, persistentvolumeclaim
from umiak.api.storage import storageclass
from umiak.objects import meta
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.scheduler.contract import Cycle


def is_its_claim(cycle: Cycle, old: Object | None, new: Object) -> bool:
    """The hint for claims: whether it is one that the pod uses."""
    return meta.namespace(new) == cycle.pod.namespace and meta.name(new) in cycle.pod.claims


def named_claims(cycle: Cycle) -> list[str]:
    """Claims that the pod uses by name, so that others may, too."""
    return [name for name in cycle.pod.claims if name not in cycle.pod.ephemeral_claims]


def claim_of(cycle: Cycle, name: str, namespace: str = "") -> Object | None:
    """A claim; of the pod's namespace when none is given."""
    return cycle.cache.get(persistentvolumeclaim.KIND, Key(namespace or cycle.pod.namespace, name))


def volume_named(cycle: Cycle, name: str) -> Object | None:
    return cycle.cache.get(persistentvolume.KIND, Key("", name)) if name else None


def class_named(cycle: Cycle, name: str) -> Object | None:
    return cycle.cache.get(storageclass.KIND, Key("", name)) if name else None


def class_name(obj: Object) -> str:
    """The storage class of a claim or volume; the old annotation wins."""
    old = meta.annotations(obj).get("volume.beta.kubernetes.io/storage-class")
    return (old if old is not None else (obj.get("spec") or {}).get("storageClassName")) or ""


def volume_name(claim: Object) -> str:
    """Of the volume that a claim is bound to, or is to be."""
    return (claim.get("spec") or {}).get("volumeName") or ""


def claim_not_found(name: str) -> str:
    return f'persistentvolumeclaim "{name}" not found'
