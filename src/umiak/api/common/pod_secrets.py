"""The names of the secrets that a pod refers to."""

from collections.abc import Iterator
from itertools import chain

from umiak.objects.types import Object

CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
VOLUME_SECRETS = {
    "azureFile": ("secretName", None),
    "cephfs": ("secretRef", "name"),
    "cinder": ("secretRef", "name"),
    "flexVolume": ("secretRef", "name"),
    "rbd": ("secretRef", "name"),
    "secret": ("secretName", None),
    "scaleIO": ("secretRef", "name"),
    "iscsi": ("secretRef", "name"),
    "storageos": ("secretRef", "name"),
    "csi": ("nodePublishSecretRef", "name"),
}
"""Where a volume source of a pod keeps the name of its secret."""


def secret_names(spec: Object) -> Iterator[str]:
    """Every secret that a pod refers to."""
    yield from (secret.get("name", "") for secret in spec.get("imagePullSecrets") or ())
    for container in chain.from_iterable(spec.get(field) or () for field in CONTAINERS):
        yield from (secret for _, secret in container_secrets(container))
    for volume in spec.get("volumes") or ():
        for source, (field, inner) in VOLUME_SECRETS.items():
            if found := (volume.get(source) or {}).get(field):
                yield found.get(inner, "") if inner else found
        for part in (volume.get("projected") or {}).get("sources") or ():
            if part.get("secret"):
                yield part["secret"].get("name", "")


def container_secrets(container: Object) -> Iterator[tuple[str, str]]:
    """(how the container refers to it, name) of each secret in its environment."""
    for variable in container.get("env") or ():
        if key := (variable.get("valueFrom") or {}).get("secretKeyRef"):
            yield f"envVar {variable['name']} referencing", key.get("name", "")
    for source in container.get("envFrom") or ():
        if source.get("secretRef"):
            yield "envFrom referencing", source["secretRef"].get("name", "")
