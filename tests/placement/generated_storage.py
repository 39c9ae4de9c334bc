"""Volumes, claims and what the storage drivers say, drawn by hypothesis. Names are numbered so that pods find them."""

from generated_pods import REGION, ZONE, Draw, Object, chance, one, some

WAITS, AT_ONCE, STATIC, NARROW, OLD = "waits", "at-once", "static", "narrow", "old"
DRIVER = "disk.example.com"
MOVED = ("ebs.csi.aws.com", "pd.csi.storage.gke.io", "cinder.csi.openstack.org")
"""Drivers that took over from types that are written into pods."""
MODES = ("ReadWriteOnce", "ReadWriteOncePod", "ReadOnlyMany")


def storage_class(name: str, mode: str, provisioner: str, **more: object) -> Object:
    about = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name}}
    return {**about, "provisioner": provisioner, "volumeBindingMode": mode, "reclaimPolicy": "Delete", **more}


def classes() -> list[Object]:
    zones = [{"matchLabelExpressions": [{"key": ZONE, "values": ["a", "b"]}]}]
    return [
        storage_class(WAITS, "WaitForFirstConsumer", DRIVER),
        storage_class(AT_ONCE, "Immediate", DRIVER),
        storage_class(OLD, "WaitForFirstConsumer", "kubernetes.io/aws-ebs"),
        storage_class(STATIC, "WaitForFirstConsumer", "kubernetes.io/no-provisioner"),
        storage_class(NARROW, "WaitForFirstConsumer", DRIVER, allowedTopologies=zones),
    ]


def volume(draw: Draw, number: int, nodes: int) -> Object:
    name = f"v{number}"
    spec: Object = {
        "capacity": {"storage": one(draw, "1Gi", "5Gi", "10Gi")},
        "accessModes": ["ReadWriteOnce", *some(draw, MODES[1:], 2)],
        "volumeMode": one(draw, "Filesystem", "Filesystem", "Filesystem", "Block"),
        "storageClassName": one(draw, WAITS, STATIC, STATIC, STATIC),
        "persistentVolumeReclaimPolicy": "Retain",
    }
    about: Object = {"name": name}
    if chance(draw, 1):
        spec["gcePersistentDisk"] = {"pdName": one(draw, "one", "two")}
    elif chance(draw, 7):
        spec["csi"] = {"driver": DRIVER, "volumeHandle": f"h{number}"}
    else:
        spec["local"] = {"path": "/data"}
    kind = draw_kind(draw)
    if kind == "node":
        term = {"key": "kubernetes.io/hostname", "operator": "In", "values": [f"n{one(draw, *range(nodes))}"]}
        spec["nodeAffinity"] = {"required": {"nodeSelectorTerms": [{"matchExpressions": [term]}]}}
    elif kind == "zone":
        term = {"key": ZONE, "operator": "In", "values": some(draw, ("a", "b", "c"), 2) or ["a"]}
        spec["nodeAffinity"] = {"required": {"nodeSelectorTerms": [{"matchExpressions": [term]}]}}
    elif kind == "label":
        key = one(draw, ZONE, "failure-domain.beta.kubernetes.io/zone", REGION)
        about["labels"] = {key: "r" if key == REGION else one(draw, "a", "b", "a__b")}
    about.setdefault("labels", {})["speed"] = one(draw, "fast", "slow")
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": about,
        "spec": spec,
        "status": {"phase": "Available"},
    }


def draw_kind(draw: Draw) -> str:
    return str(one(draw, "node", "zone", "label", "free", "free", "free", "free"))


def claim(draw: Draw, number: int, namespace: str, bound: Object | None) -> Object:
    name = f"claim{number}"
    spec: Object = {
        "accessModes": [one(draw, "ReadWriteOnce", "ReadWriteOnce", *MODES)],
        "resources": {"requests": {"storage": one(draw, "1Gi", "1Gi", "4Gi", "10Gi")}},
        "volumeMode": "Filesystem",
        "storageClassName": one(draw, WAITS, WAITS, WAITS, STATIC, STATIC, STATIC, AT_ONCE, NARROW, OLD, "missing"),
    }
    about: Object = {"name": name, "namespace": namespace, "uid": f"{namespace}-{name}"}
    status: Object = {"phase": "Pending"}
    if bound is not None:
        reference = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": namespace, "name": name}
        bound["spec"]["claimRef"] = {**reference, "uid": about["uid"]}
        bound["status"]["phase"] = "Bound"
        spec |= {"volumeName": bound["metadata"]["name"], "storageClassName": bound["spec"]["storageClassName"]}
        about["annotations"] = {"pv.kubernetes.io/bind-completed": "yes"}
        status["phase"] = "Bound"
    elif chance(draw, 1):
        spec["volumeName"] = "v-none"  # bound, and the volume has gone
        about["annotations"] = {"pv.kubernetes.io/bind-completed": "yes"}
        status["phase"] = one(draw, "Bound", "Lost")
    elif chance(draw, 1):
        spec["selector"] = {"matchLabels": {"speed": "fast"}}
    elif chance(draw, 1):
        about["annotations"] = {"volume.kubernetes.io/selected-node": "n0"}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": about, "spec": spec, "status": status}


def csi_node(draw: Draw, node: str) -> Object:
    driver: Object = {"name": DRIVER, "nodeID": node, "topologyKeys": None}
    if chance(draw, 8):
        driver["allocatable"] = {"count": one(draw, 1, 2, 3)}
    drivers = [driver] if chance(draw, 9) else []
    drivers += [{**driver, "name": name, "allocatable": {"count": 1}} for name in some(draw, MOVED, 3)]
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSINode",
        "metadata": {"name": node},
        "spec": {"drivers": drivers},
    }


def csi_driver(draw: Draw) -> Object:
    spec: Object = {"attachRequired": True, "storageCapacity": chance(draw, 7)}
    if chance(draw, 2):
        spec["preventPodSchedulingIfMissing"] = True
    return {"apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": {"name": DRIVER}, "spec": spec}


def capacity(draw: Draw, number: int, zone: str) -> Object:
    """No two for one storage class and node: the reference takes the first of several in the order of a Go map."""
    about = {"name": f"capacity{number}", "namespace": "default"}
    topology = {"matchLabels": {ZONE: zone}}
    found: Object = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSIStorageCapacity",
        "metadata": about,
        "storageClassName": WAITS,
        "nodeTopology": topology,
        "capacity": one(draw, "2Gi", "20Gi", "50Gi"),
    }
    if chance(draw, 2):
        found["maximumVolumeSize"] = one(draw, "1Gi", "5Gi")
    return found


def attachment(draw: Draw, number: int, node: str, volume_name: str) -> Object:
    spec = {"attacher": DRIVER, "nodeName": node, "source": {"persistentVolumeName": volume_name}}
    about = {"name": f"attachment{number}"}
    status = {"attached": True}
    kind = {"apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttachment"}
    return {**kind, "metadata": about, "spec": spec, "status": status}


def everything(draw: Draw, nodes: int) -> tuple[list[Object], list[Object]]:
    """The claims, and all other objects about storage."""
    volumes = [volume(draw, n, nodes) for n in range(one(draw, 2, 4, 6))]
    claims = []
    for number in range(6):
        free = [v for v in volumes if "claimRef" not in v["spec"]]
        bound = free[0] if free and chance(draw, 5) else None
        claims.append(claim(draw, number, one(draw, "default", "default", "red"), bound))
    drivers = [csi_driver(draw)] if chance(draw, 7) else []
    machines = [csi_node(draw, f"n{n}") for n in range(nodes) if chance(draw, 8)]
    rooms = [capacity(draw, number, zone) for number, zone in enumerate("abc") if chance(draw, 9)]
    attached = [
        attachment(draw, n, f"n{one(draw, *range(nodes))}", one(draw, *volumes)["metadata"]["name"])
        for n in range(one(draw, 0, 0, 1))
    ]
    return claims, [*classes(), *volumes, *drivers, *machines, *rooms, *attached]


def use(draw: Draw, pod: Object, claims: list[Object]) -> list[Object]:
    """Gives a pod one or two of the claims, seldom one that does not exist, or an ephemeral one; returns what is to be
    made for it."""
    namespace = pod["metadata"]["namespace"]
    names = [c["metadata"]["name"] for c in claims if c["metadata"]["namespace"] == namespace]
    wanted = some(draw, tuple(names), 2) if names and not chance(draw, 1) else ["absent"]
    volumes: list[Object] = [
        {"name": f"d{number}", "persistentVolumeClaim": {"claimName": name}} for number, name in enumerate(wanted)
    ]
    made = []
    if chance(draw, 1):
        volumes.append({"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"spec": {}}}})
        made = ephemeral(draw, pod)
    if chance(draw, 3):
        volumes.append({"name": "disk", **disk(draw)})
    pod["spec"].setdefault("volumes", []).extend(volumes)
    return made


def ephemeral(draw: Draw, pod: Object) -> list[Object]:
    """The claim of a pod's ephemeral volume; sometimes missing, or somebody else's. A pod on a node has its own: what
    it would mean for others if not is an error to the reference, which gives up."""
    if chance(draw, 2):
        return []
    about, runs = pod["metadata"], "nodeName" in pod["spec"]
    found = claim(draw, 0, about["namespace"], None)
    name = f"{about['name']}-scratch"
    found["metadata"] |= {"name": name, "uid": f"{about['namespace']}-{name}"}
    if runs or chance(draw, 9):
        owner = {"apiVersion": "v1", "kind": "Pod", "name": about["name"], "uid": about["uid"], "controller": True}
        found["metadata"]["ownerReferences"] = [owner]
    return [found]


def disk(draw: Draw) -> Object:
    """A volume of a kind that several pods may not always share."""
    only_read = {"readOnly": True} if chance(draw, 5) else {}
    name = one(draw, "one", "two")
    return {
        "gce": {"gcePersistentDisk": {"pdName": name, **only_read}},
        "aws": {"awsElasticBlockStore": {"volumeID": name, **only_read}},
        "iscsi": {"iscsi": {"targetPortal": "10.0.0.9", "iqn": name, "lun": 0, **only_read}},
        "cinder": {"cinder": {"volumeID": name}},
        "rbd": {"rbd": {"monitors": some(draw, ("a", "b", "c"), 2) or ["a"], "pool": "p", "image": name, **only_read}},
    }[one(draw, "gce", "aws", "iscsi", "rbd", "cinder")]
