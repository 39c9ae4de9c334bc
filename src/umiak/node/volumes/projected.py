"""projected: tokens, secrets, config maps, certificates and the downward API in one folder."""

from umiak.node.atomic import File
from umiak.node.fetch import FRESH
from umiak.node.projection import (
    DEFAULT_MODE,
    Files,
    from_config_map,
    from_downward,
    from_secret,
    owner_of_tokens,
    put,
)
from umiak.node.volume import CannotMount, Mounted, Request, VolumeType
from umiak.objects.types import Object

HOUR = 3600
PRIVATE = 0o600


def _secret(request: Request, text: bytes, mode: int) -> File:
    """Readable for the pod's user or group alone, when there is one."""
    owner = owner_of_tokens(request.pod)
    if request.fs_group is not None or owner is not None:
        mode = PRIVATE
    return File(text, mode, owner if request.fs_group is None else None)


async def _token(request: Request, source: Object, mode: int) -> Files:
    token = await request.tools.tokens.get(
        request.pod, source.get("audience") or "", source.get("expirationSeconds") or HOUR
    )
    return {source["path"]: _secret(request, token.text.encode(), mode)}


async def _bundle(request: Request, source: Object, mode: int) -> Files:
    """PEM certificates of trust bundles, by name or by signer."""
    from umiak.node.bundles import certificates

    text = await certificates(request.tools, source)
    if text is None:
        return {source["path"]: File(b"", mode)}
    return {source["path"]: File(text, mode)}


async def _certificate(request: Request, source: Object, mode: int, index: int) -> Files:
    """A private key and its certificate chain, in one file or two."""
    found = await request.tools.certificates.get(request.pod, request.name, index, source)
    contents = {
        "credentialBundlePath": found.key + found.chain,
        "keyPath": found.key,
        "certificateChainPath": found.chain,
    }
    return {source[field]: _secret(request, text, mode) for field, text in contents.items() if source.get(field)}


async def _files(request: Request, source: Object, mode: int, index: int) -> Files:
    if part := source.get("serviceAccountToken"):
        return await _token(request, part, mode)
    if part := source.get("secret"):
        return await from_secret(request, part, part.get("name", ""), mode)
    if part := source.get("configMap"):
        return await from_config_map(request, part, part.get("name", ""), mode)
    if part := source.get("downwardAPI"):
        return from_downward(request, part.get("items") or (), mode)
    if part := source.get("clusterTrustBundle"):
        return await _bundle(request, part, mode)
    if part := source.get("podCertificate"):
        return await _certificate(request, part, mode, index)
    raise CannotMount(f"unknown projected source: {', '.join(source) or 'none'}")


async def mount(request: Request) -> Mounted:
    own = request.source.get("defaultMode")
    mode = DEFAULT_MODE if own is None else own
    files: Files = {}
    for index, source in enumerate(request.source.get("sources") or ()):
        files |= await _files(request, source, mode, index)
    return await put(request, files, in_memory=True, refresh_after=FRESH)


VOLUME = VolumeType(field="projected", plugin="projected", mount=mount)
