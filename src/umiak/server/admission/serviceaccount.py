"""Every pod runs as a service account of its namespace, and gets a token for it as a volume unless it declines."""

from collections.abc import Iterator
from zlib import crc32

from umiak.api.common.pod_secrets import container_secrets, secret_names
from umiak.api.core.serviceaccount import KIND as SERVICE_ACCOUNT
from umiak.objects.encoding import to_json
from umiak.objects.meta import annotations, name
from umiak.objects.types import Object
from umiak.server.admission._common import SUFFIX_LETTERS, containers, is_mirror, is_pod, refuse
from umiak.server.contract import Admission, Admitted, Phase, Surroundings

DEFAULT = "default"
VOLUME = "kube-api-access-"
MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
TOKEN_SECONDS = 3607
ENFORCE = "kubernetes.io/enforce-mountable-secrets"
TRUE = ("1", "t", "T", "true", "TRUE", "True")
TRIES, PAUSE = 10, 0.15
"""The default account of a new namespace is made by a controller, which may need a moment; seconds."""


def concerns(request: Admitted) -> bool:
    return is_pod(request, "CREATE") or is_pod(request, "UPDATE", subresource="ephemeralcontainers")


async def run(around: Surroundings, request: Admitted, phase: Phase) -> None:
    pod = request.new
    if pod is None or (request.operation == "UPDATE" and phase is Phase.MUTATE):
        return
    if is_mirror(pod) and request.operation == "CREATE":
        if why := mirror_fault(pod):
            raise refuse(request, why)
        return
    spec = pod["spec"]
    if phase is Phase.MUTATE and not spec.get("serviceAccountName"):
        spec["serviceAccountName"] = spec["serviceAccount"] = DEFAULT
    account = await find_account(around, request, spec.get("serviceAccountName") or "")
    if phase is Phase.MUTATE:
        fill_in(pod, account)
        return
    if annotations(account).get(ENFORCE) in TRUE:
        ephemeral_only = request.operation == "UPDATE"
        if why := next(forbidden_secrets(spec, account, ephemeral_only), ""):
            raise refuse(request, why)


async def find_account(around: Surroundings, request: Admitted, wanted: str) -> Object:
    namespace = request.attributes.namespace
    if not wanted:
        raise refuse(request, f"no service account specified for pod {namespace}/{name(request.new or {})}")
    for attempt in range(TRIES if wanted == DEFAULT else 1):
        if attempt:
            await around.clock.sleep(PAUSE)
        if account := await around.objects.look(SERVICE_ACCOUNT, namespace, wanted):
            return account
    why = f'serviceaccount "{wanted}" not found'
    raise refuse(request, f"error looking up service account {namespace}/{wanted}: {why}")


def mirror_fault(pod: Object) -> str:
    """A mirror pod must not hand its node anything of the API."""
    spec = pod.get("spec") or {}
    if spec.get("serviceAccountName"):
        return "a mirror pod may not reference service accounts"
    if any(secret_names(spec)):
        return "a mirror pod may not reference secrets"
    for volume in spec.get("volumes") or ():
        if any(source.get("serviceAccountToken") for source in (volume.get("projected") or {}).get("sources") or ()):
            return "a mirror pod may not use ServiceAccountToken volume projections"
    return ""


def fill_in(pod: Object, account: Object) -> None:
    """The token's volume and its mounts, and the account's pull secrets where the pod names none."""
    spec = pod["spec"]
    wish = spec.get("automountServiceAccountToken")
    if wish is None:
        wish = account.get("automountServiceAccountToken")
    if wish is not False:
        mount_token(spec)
    if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
        spec["imagePullSecrets"] = [{"name": secret.get("name", "")} for secret in account["imagePullSecrets"]]


def suffix(spec: Object) -> str:
    """As random as the reference's, yet the same for pods that are alike, of which all that is found out once holds."""
    number = crc32(to_json(spec["containers"]))
    return "".join(SUFFIX_LETTERS[number // len(SUFFIX_LETTERS) ** place % len(SUFFIX_LETTERS)] for place in range(5))


def mount_token(spec: Object) -> None:
    volumes = spec.get("volumes") or []
    existing = next((v["name"] for v in volumes if v.get("name", "").startswith(VOLUME)), None)
    volume = existing or VOLUME + suffix(spec)
    needed = False
    for _, container in containers(spec, ephemeral=False):
        mounts = container.get("volumeMounts") or []
        if not any(mount.get("mountPath") == MOUNT_PATH for mount in mounts):
            container["volumeMounts"] = [*mounts, {"name": volume, "readOnly": True, "mountPath": MOUNT_PATH}]
            needed = True
    if needed and existing is None:
        spec["volumes"] = [*volumes, {"name": volume, "projected": token_volume()}]


def token_volume() -> Object:
    """Token, CA and namespace, as every client library looks for them."""
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    return {
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [namespace]}},
        ],
        "defaultMode": 420,
    }


def forbidden_secrets(spec: Object, account: Object, ephemeral_only: bool) -> Iterator[str]:
    """Why the pod refers to secrets that its account does not list."""
    mountable = {secret.get("name") for secret in account.get("secrets") or ()}
    tail = f"is not allowed because service account {name(account)} does not reference that"
    fields = {"ephemeralContainers": "ephemeral container"}
    if not ephemeral_only:
        for volume in spec.get("volumes") or ():
            if volume.get("secret") and volume["secret"].get("secretName") not in mountable:
                yield f'volume with secret.secretName="{volume["secret"].get("secretName", "")}" {tail} secret'
        fields = {"initContainers": "init container", "containers": "container"}
    for field, word in fields.items():
        for container in spec.get(field) or ():
            for how, secret in container_secrets(container):
                if secret not in mountable:
                    yield f'{word} {container["name"]} with {how} secret.secretName="{secret}" {tail} secret'
    if not ephemeral_only:
        pull = {secret.get("name") for secret in account.get("imagePullSecrets") or ()}
        for i, secret in enumerate(spec.get("imagePullSecrets") or ()):
            if secret.get("name") not in pull:
                yield f'imagePullSecrets[{i}].name="{secret.get("name", "")}" {tail} imagePullSecret'


ADMISSION = Admission(
    name="ServiceAccount",
    order=6,
    phases=(Phase.MUTATE, Phase.VALIDATE),
    looks_at=("/core/serviceaccounts/",),
    run=run,
    concerns=concerns,
    operations=("CREATE", "UPDATE"),
    resources=("pods",),
)
