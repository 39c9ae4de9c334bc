"""Which volume suits which claim. Pure; texts are those of the reference's component-helpers."""

from collections.abc import Iterable

from umiak.api.common import moved_volumes as migration
from umiak.objects import meta, quantity
from umiak.objects.quantity import Quantity
from umiak.objects.selectors import from_label_selector
from umiak.objects.types import Object

BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
MIGRATED_TO = "pv.kubernetes.io/migrated-to"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
STORAGE_PROVISIONER = "volume.kubernetes.io/storage-provisioner"
BETA_STORAGE_PROVISIONER = "volume.beta.kubernetes.io/storage-provisioner"
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
BETA_DEFAULT_CLASS = "storageclass.beta.kubernetes.io/is-default-class"
CLASS = "volume.beta.kubernetes.io/storage-class"
BEFORE_RESIZE = "volume.alpha.kubernetes.io/pre-resize-capacity"
BUILT_IN = "kubernetes.io/"
BUILT_IN_FINALIZER = "kubernetes.io/pv-controller"
EXTERNAL_FINALIZER = "external-provisioner.volume.kubernetes.io/finalizer"


def spec(obj: Object) -> Object:
    return obj.get("spec") or {}


def phase(obj: Object) -> str:
    return (obj.get("status") or {}).get("phase") or ""


def claim_names(pod: Object) -> list[tuple[str, bool]]:
    """Names of the claims that a pod uses, and whether each was made for this pod alone."""
    names = []
    for volume in spec(pod).get("volumes") or ():
        if volume.get("persistentVolumeClaim"):
            names.append((volume["persistentVolumeClaim"]["claimName"], False))
        elif volume.get("ephemeral"):
            names.append((f"{meta.name(pod)}-{volume['name']}", True))
    return names


def class_name(obj: Object) -> str:
    """The storage class of a claim or volume; the old annotation has precedence."""
    return meta.annotations(obj).get(CLASS) or spec(obj).get("storageClassName") or ""


def has_class(claim: Object) -> bool:
    """Whether the claim says anything of its class; the empty name is a wish for none."""
    return CLASS in meta.annotations(claim) or spec(claim).get("storageClassName") is not None


def default_class(classes: Iterable[Object]) -> Object | None:
    """The newest of the classes marked as default; of equally new ones the first by name."""
    marked = [c for c in classes if "true" in (meta.annotations(c).get(a) for a in (DEFAULT_CLASS, BETA_DEFAULT_CLASS))]
    marked.sort(key=meta.name)
    return max(marked, key=lambda c: meta.metadata(c)["creationTimestamp"], default=None)


def waits_for_consumer(storage_class: Object | None) -> bool:
    return (storage_class or {}).get("volumeBindingMode") == "WaitForFirstConsumer"


def requested(claim: Object) -> Quantity:
    return quantity.parse(((spec(claim).get("resources") or {}).get("requests") or {}).get("storage") or "0")


def capacity(volume: Object) -> Quantity:
    return quantity.parse((spec(volume).get("capacity") or {}).get("storage") or "0")


def modes_differ(claim: Object, volume: Object) -> bool:
    return (spec(claim).get("volumeMode") or "Filesystem") != (spec(volume).get("volumeMode") or "Filesystem")


def attributes_differ(claim: Object, volume: Object) -> bool:
    field = "volumeAttributesClassName"
    return (spec(claim).get(field) or "") != (spec(volume).get(field) or "")


def has_access_modes(claim: Object, volume: Object) -> bool:
    return set(spec(claim).get("accessModes") or ()) <= set(spec(volume).get("accessModes") or ())


def is_for(volume: Object, claim: Object) -> bool:
    """Whether the volume is bound, or promised, to this claim."""
    ref = spec(volume).get("claimRef")
    if not ref or (ref.get("namespace"), ref.get("name")) != meta.key(claim):
        return False
    return ref.get("uid") in (None, "", meta.uid(claim))


def mismatch(volume: Object, claim: Object) -> str:
    """Why the volume that a claim names cannot be its own; empty when it can."""
    if meta.is_being_deleted(volume):
        return f'the volume is marked for deletion "{meta.name(volume)}"'
    if capacity(volume) < requested(claim):
        return "requested PV is too small"
    if class_name(volume) != class_name(claim):
        return "storageClassName does not match"
    if attributes_differ(claim, volume):
        return "volumeAttributesClassName does not match"
    if modes_differ(claim, volume):
        return "incompatible volumeMode"
    if not has_access_modes(claim, volume):
        return "incompatible accessMode"
    return ""


def best_match(claim: Object, volumes: Iterable[Object], *, only_promised: bool) -> Object | None:
    """A volume promised to the claim, else the one with the fewest access modes, then the least size, that will do.

    `only_promised` is for claims that wait for the scheduler to choose.
    """
    wanted = requested(claim)
    selector = from_label_selector(spec(claim)["selector"]) if spec(claim).get("selector") else None
    fitting = []
    for volume in volumes:
        if spec(volume).get("claimRef") and not is_for(volume, claim):
            continue
        if not has_access_modes(claim, volume) or meta.is_being_deleted(volume) or capacity(volume) < wanted:
            continue
        if modes_differ(claim, volume) or attributes_differ(claim, volume):
            continue
        if is_for(volume, claim):
            return volume
        if only_promised or phase(volume) != "Available" or class_name(volume) != class_name(claim):
            continue
        if selector is None or selector.matches(meta.labels(volume)):
            fitting.append(volume)
    return min(fitting, key=_preference, default=None)


def _preference(volume: Object) -> tuple[int, Quantity, str]:
    return len(spec(volume).get("accessModes") or ()), capacity(volume), meta.name(volume)


def bound_volume(volume: Object, claim: Object) -> Object | None:
    """The volume bound to the claim; None when it is already."""
    annotations = dict(meta.annotations(volume))
    if not is_for(volume, claim):
        annotations[BOUND_BY_CONTROLLER] = "yes"
    ref = spec(volume).get("claimRef") or {}
    if annotations == meta.annotations(volume) and ref.get("uid") == meta.uid(claim):
        return None
    if (ref.get("namespace"), ref.get("name"), ref.get("uid")) != (*meta.key(claim), meta.uid(claim)):
        ref = {
            "kind": "PersistentVolumeClaim",
            "namespace": meta.namespace(claim),
            "name": meta.name(claim),
            "uid": meta.uid(claim),
            "apiVersion": "v1",
            "resourceVersion": meta.resource_version(claim),
        }
    about = {**volume["metadata"], **({"annotations": annotations} if annotations else {})}
    return {**volume, "metadata": about, "spec": {**spec(volume), "claimRef": ref}}


def bound_claim(claim: Object, volume: Object) -> Object | None:
    """The claim bound to the volume; None when it is already."""
    annotations = dict(meta.annotations(claim))
    if spec(claim).get("volumeName") != meta.name(volume):
        annotations.setdefault(BOUND_BY_CONTROLLER, "yes")
    annotations.setdefault(BIND_COMPLETED, "yes")
    if annotations == meta.annotations(claim) and spec(claim).get("volumeName") == meta.name(volume):
        return None
    about = {**claim["metadata"], "annotations": annotations}
    return {**claim, "metadata": about, "spec": {**spec(claim), "volumeName": meta.name(volume)}}


def claim_status(claim: Object, new_phase: str, volume: Object | None) -> Object:
    """The claim's status in `new_phase`: what it got of the volume, nothing without one.

    A claim bound already keeps its capacity and its attributes: it may be growing, or being modified.
    """
    status = dict(claim.get("status") or {})
    if volume is None:
        for field in ("accessModes", "capacity", "currentVolumeAttributesClassName"):
            status.pop(field, None)
        return status | {"phase": new_phase}
    status["accessModes"] = spec(volume).get("accessModes")
    if phase(claim) != new_phase:
        status["capacity"] = _capacity_of(claim, volume)
    if phase(claim) == "Pending" and new_phase == "Bound":
        status.pop("currentVolumeAttributesClassName", None)
        attributes = spec(volume).get("volumeAttributesClassName")
        if attributes is not None:
            status["currentVolumeAttributesClassName"] = attributes
    return status | {"phase": new_phase}


def _capacity_of(claim: Object, volume: Object) -> Object:
    """What a claim gets with its volume: the size before a growth whose file system has not grown yet."""
    before = (claim.get("status") or {}).get("capacity") or {}
    earlier = meta.annotations(volume).get(BEFORE_RESIZE)
    if earlier is not None:
        return {**before, "storage": earlier}
    had = before.get("storage")
    if had is not None and quantity.parse(had) == capacity(volume):
        return before
    return dict(spec(volume).get("capacity") or {})


# volume types of old


def provisioner_of(storage_class: Object) -> str:
    """Who makes volumes of the class: the CSI driver, for a plugin that moved into one."""
    named = str(storage_class["provisioner"])
    return migration.driver_of_plugin(named) or named


def is_missing_plugin(provisioner: str) -> bool:
    """Whether it would have to be built in, and is not."""
    return provisioner.startswith(BUILT_IN) and not migration.driver_of_plugin(provisioner)


def _migrated(annotations: dict[str, str], plugin: str | None) -> dict[str, str]:
    """The annotations with the driver that took over from `plugin`, without it when none did."""
    if plugin is None:
        return annotations
    driver = migration.driver_of_plugin(plugin)
    others = {k: v for k, v in annotations.items() if k != MIGRATED_TO}
    return {**others, MIGRATED_TO: driver} if driver else others


def migrated_claim(claim: Object) -> Object | None:
    """The claim with the driver that its plugin moved into; None when it says so already."""
    annotations = meta.annotations(claim)
    plugin = annotations.get(STORAGE_PROVISIONER, annotations.get(BETA_STORAGE_PROVISIONER))
    wanted = _migrated(annotations, plugin)
    return None if wanted == annotations else _with(claim, wanted, finalizers=None)


def migrated_volume(volume: Object) -> Object | None:
    """The volume with the driver that its plugin moved into, and with the finalizer that its plugin needs."""
    annotations = meta.annotations(volume)
    wanted, finalizers = _migrated(annotations, annotations.get(PROVISIONED_BY)), _protected(volume)
    present = meta.metadata(volume).get("finalizers") or []
    return None if (wanted, finalizers) == (annotations, present) else _with(volume, wanted, finalizers)


def _protected(volume: Object) -> list[str]:
    """Finalizers: a volume that a built-in plugin made, and has to delete, does not go before that is done."""
    present: list[str] = meta.metadata(volume).get("finalizers") or []
    plugin = meta.annotations(volume).get(PROVISIONED_BY)
    if plugin is None or not plugin.startswith(BUILT_IN):
        return present
    if migration.driver_of_plugin(plugin):
        return [f for f in present if f != BUILT_IN_FINALIZER]
    others = [f for f in present if f != EXTERNAL_FINALIZER]
    policy = spec(volume).get("persistentVolumeReclaimPolicy")
    if policy == "Delete":
        return others if BUILT_IN_FINALIZER in others else [*others, BUILT_IN_FINALIZER]
    return [f for f in others if f != BUILT_IN_FINALIZER]


def _with(obj: Object, annotations: dict[str, str], finalizers: list[str] | None) -> Object:
    about = {**obj["metadata"], "annotations": annotations}
    if finalizers is not None:
        about["finalizers"] = finalizers
    return {**obj, "metadata": about}


def deletion_fault(volume: Object) -> str:
    """Why a released volume that is to be deleted cannot be; empty when somebody outside will do it."""
    annotations = meta.annotations(volume)
    plugin = annotations.get(PROVISIONED_BY)
    if plugin:
        return f"no volume plugin matched name: {plugin}" if is_missing_plugin(plugin) else ""
    if MIGRATED_TO in annotations or spec(volume).get("csi"):
        return ""
    found = spec(volume).get("hostPath")
    if found and not found["path"].startswith("/tmp/"):
        return f"host_path deleter only supports /tmp/.+ but received provided {found['path']}"
    why = "no deletable volume plugin matched" if found or spec(volume).get("nfs") else "no volume plugin matched"
    return f'error getting deleter volume plugin for volume "{meta.name(volume)}": {why}'
