"""Devices of nodes, classes of them, and claims (KEP-4381), drawn by hypothesis."""

from generated_pods import ZONE, Draw, Object, chance, one, some

DRIVER = "gpu.example.com"
VERSION = "resource.k8s.io/v1"
FIRST_SOCKET = f'device.attributes["{DRIVER}"].socket == 0'
CAPACITY = f'device.capacity["{DRIVER}"]'
MUCH_MEMORY = f'"memory" in {CAPACITY} && {CAPACITY}.memory.compareTo(quantity("10Gi")) > 0'
PLAIN = {"name": "r0", "exactly": {"deviceClassName": "gpu", "allocationMode": "ExactCount", "count": 1}}


def resource(kind: str, name: str, spec: Object, **more: Object) -> Object:
    return {"apiVersion": VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec, **more}


def classes() -> list[Object]:
    return [
        resource("DeviceClass", "gpu", {"selectors": [cel(f'device.driver == "{DRIVER}"')]}),
        resource("DeviceClass", "big", {"selectors": [cel(f'device.attributes["{DRIVER}"].model == "b"')]}),
        resource("DeviceClass", "any", {}),
    ]


def cel(expression: str) -> Object:
    return {"cel": {"expression": expression}}


def device(draw: Draw, number: int) -> Object:
    found: Object = {"name": f"gpu-{number}"}
    found["attributes"] = {"model": {"string": one(draw, "a", "a", "b")}, "socket": {"int": one(draw, 0, 1)}}
    if chance(draw, 5):
        found["capacity"] = {"memory": {"value": one(draw, "8Gi", "40Gi")}}
    if chance(draw, 1):
        found["taints"] = [{"key": "broken", "effect": one(draw, "NoSchedule", "NoExecute")}]
    return found


def slice_of(draw: Draw, name: str, where: Object, pool: str) -> Object:
    spec: Object = {"driver": DRIVER, "pool": {"name": pool, "generation": 1, "resourceSliceCount": 1}, **where}
    spec["devices"] = [device(draw, n) for n in range(one(draw, 1, 2, 3))]
    return resource("ResourceSlice", name, spec)


def slices(draw: Draw, nodes: int) -> list[Object]:
    found = [slice_of(draw, f"s{n}", {"nodeName": f"n{n}"}, f"n{n}") for n in range(nodes) if chance(draw, 7)]
    if chance(draw, 3):
        term = {"matchExpressions": [{"key": ZONE, "operator": "In", "values": ["a"]}]}
        found.append(slice_of(draw, "zone", {"nodeSelector": {"nodeSelectorTerms": [term]}}, "zone"))
    if chance(draw, 2):
        found.append(slice_of(draw, "everywhere", {"allNodes": True}, "everywhere"))
    return found


def exactly(draw: Draw) -> Object:
    found: Object = {
        "deviceClassName": "none" if one(draw, *range(30)) == 29 else one(draw, "gpu", "gpu", "big", "any")
    }
    if chance(draw, 1):
        found["allocationMode"] = "All"
    else:
        found |= {"allocationMode": "ExactCount", "count": one(draw, 1, 1, 1, 2)}
    if chance(draw, 3):
        found["selectors"] = [cel(one(draw, FIRST_SOCKET, MUCH_MEMORY))]
    if chance(draw, 2):
        found["tolerations"] = [{"key": "broken", "operator": "Exists"}]
    return found


def claim(draw: Draw, number: int, namespace: str, taken: Object | None) -> Object:
    """One to be allocated, or with what it has."""
    requests: list[Object] = []
    for n in range(one(draw, 1, 1, 2)):
        if chance(draw, 2):
            choices = [{"name": f"o{i}", **exactly(draw)} for i in range(2)]
            requests.append({"name": f"r{n}", "firstAvailable": choices})
        else:
            requests.append({"name": f"r{n}", "exactly": exactly(draw)})
    devices: Object = {"requests": requests}
    if chance(draw, 2):
        devices["constraints"] = [{"matchAttribute": f"{DRIVER}/socket"}]
    name = f"device{number}"
    found = resource("ResourceClaim", name, {"devices": devices}, status={})
    found["metadata"] |= {"namespace": namespace, "uid": f"{namespace}-{name}"}
    if taken is not None:
        found["status"] = {"allocation": taken}
        found["spec"] = {"devices": {"requests": [PLAIN]}}
    return found


def allocation(found: Object, number: int) -> Object:
    spec = found["spec"]
    device_name, pool = spec["devices"][number]["name"], spec["pool"]["name"]
    result = {"request": "r0", "driver": DRIVER, "pool": pool, "device": device_name}
    told: Object = {"devices": {"results": [result]}}
    if "nodeName" in spec:
        own = {"key": "metadata.name", "operator": "In", "values": [spec["nodeName"]]}
        told["nodeSelector"] = {"nodeSelectorTerms": [{"matchFields": [own]}]}
    return told


def everything(draw: Draw, nodes: int, running: list[Object], pods: list[Object]) -> list[Object]:
    """All objects about devices; gives pods claims. Devices that are allocated are each of one claim, and some of
    these are in use by pods on nodes."""
    every = slices(draw, nodes)
    free = [(s, n) for s in every for n in range(len(s["spec"]["devices"]))]
    claims = []
    for number in range(6):
        taken = None
        if free and chance(draw, 3):
            where, n = free.pop(one(draw, *range(len(free))))
            taken = allocation(where, n)
        claims.append(claim(draw, number, "default", taken))
    for pod in pods:
        if pod["metadata"]["namespace"] == "default" and chance(draw, 7):
            wanted = some(draw, tuple(c["metadata"]["name"] for c in claims), 2)
            use(pod, wanted)
    for each in claims:
        if each["status"].get("allocation") and chance(draw, 5):
            mine = [p for p in running if p["metadata"]["namespace"] == "default"]
            if mine:
                pod = one(draw, *mine)
                use(pod, [each["metadata"]["name"]])
                about = pod["metadata"]
                each["status"]["reservedFor"] = [{"resource": "pods", "name": about["name"], "uid": about["uid"]}]
    return [*classes(), *every, *claims]


def use(pod: Object, names: list[str]) -> None:
    if names:
        pod["spec"]["resourceClaims"] = [{"name": n, "resourceClaimName": n} for n in names]
        pod["spec"]["containers"][0].setdefault("resources", {})["claims"] = [{"name": n} for n in names]
