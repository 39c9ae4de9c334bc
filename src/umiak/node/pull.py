"""Makes sure that a container's image is on the machine, by its pull policy (kubelet/images/image_manager.go)."""

import asyncio
import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from umiak.kit.clock import Clock
from umiak.node.holdoff import Holdoff
from umiak.node.runtime import Auth, Image, Runtime, RuntimeFailure, SandboxConfig
from umiak.node.status import Failure
from umiak.objects import meta
from umiak.objects.types import Object

REFERENCE = re.compile(
    r"[a-zA-Z0-9][a-zA-Z0-9.-]*(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*(:[\w][\w.-]{0,127})?(@[a-z0-9+._-]+:[0-9a-fA-F]{32,})?"
)
DOCKER_HUB = "docker.io"
OLD_HUB = "index.docker.io"
CONFIG_JSON, CONFIG = ".dockerconfigjson", ".dockercfg"
KNOWN_FAULTS = {
    "RegistryUnavailable": "image pull failed for {} because the registry is unavailable",
    "SignatureValidationFailed": "image pull failed for {} because the signature validation failed",
}
Tell = Callable[[str, str, str], None]


class NoImage(Exception):
    """The image cannot be had now; `failure` is what the container's status shows."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def with_tag(name: str) -> str:
    """The name with `:latest` when it has neither tag nor digest; ValueError when it is no image name."""
    if not REFERENCE.fullmatch(name):
        raise ValueError(f'couldn\'t parse image name "{name}": invalid reference format')
    if "@" in name or ":" in name.rpartition("/")[2]:
        return name
    return f"{name}:latest"


def registry_and_path(name: str) -> tuple[str, str]:
    """`nginx` is (docker.io, library/nginx)."""
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        host, path = first, rest
    else:
        host, path = DOCKER_HUB, name if slash else f"library/{name}"
    return host, path.partition("@")[0].partition(":")[0] if ":" in path else path.partition("@")[0]


def _entries(secret: Object) -> Mapping[str, Object]:
    data = secret.get("data") or {}
    if CONFIG_JSON in data:
        return json.loads(base64.b64decode(data[CONFIG_JSON])).get("auths") or {}
    if CONFIG in data:
        return json.loads(base64.b64decode(data[CONFIG]))
    return {}


def _auth(entry: Object) -> Auth:
    user, password = entry.get("username", ""), entry.get("password", "")
    if entry.get("auth") and not user:
        user, _, password = base64.b64decode(entry["auth"]).decode().partition(":")
    return Auth(user, password, "", entry.get("identitytoken", ""), entry.get("registrytoken", ""))


def credentials(name: str, secrets: Iterable[Object]) -> list[Auth]:
    """What to try for an image, the most exact entry first. Unreadable secrets count for nothing."""
    host, path = registry_and_path(name)
    found: list[tuple[int, Auth]] = []
    for secret in secrets:
        try:
            entries = _entries(secret)
            for where, entry in entries.items():
                if (length := _matches(where, host, path)) >= 0:
                    found.append((length, _auth(entry)))
        except (ValueError, AttributeError):
            continue
    return [auth for _, auth in sorted(found, key=lambda f: -f[0])]


def _matches(where: str, host: str, path: str) -> int:
    """How many characters of path agree; -1 for another registry. Each `*` stands for one part of a host name."""
    plain = re.sub(r"^https?://", "", where).rstrip("/")
    named, _, below = plain.partition("/")
    below = below if below not in ("v1", "v2") else ""
    if named in (OLD_HUB, "registry-1.docker.io"):
        named = DOCKER_HUB
    pattern = re.escape(named).replace(r"\*", "[^.]*")
    if not re.fullmatch(pattern, host):
        return -1
    return len(below) if path == below or path.startswith(below + "/") or not below else -1


class Puller:
    """Pulls one image at a time per name; pods that want the same one wait for the same pull."""

    def __init__(self, runtime: Runtime, clock: Clock, at_once: int = 5) -> None:
        self._runtime = runtime
        self._clock = clock
        self._holdoff = Holdoff()
        self._last_problem: dict[tuple[str, str], str] = {}
        self._slots = asyncio.Semaphore(at_once)

    async def ensure(
        self, pod: Object, container: Object, secrets: Sequence[Object], sandbox: SandboxConfig, tell: Tell
    ) -> Image:
        """The image, pulled when the policy wants it. Raises NoImage. `tell` gets each event."""
        wanted = container.get("image", "")
        try:
            name = with_tag(wanted)
        except ValueError as error:
            message = f'Failed to apply default image tag "{wanted}": {error}'
            tell("Warning", "InspectFailed", message)
            raise NoImage(Failure("InvalidImageName", message)) from error
        policy = container.get("imagePullPolicy") or "IfNotPresent"
        present = None if policy == "Always" else await self._inspect(name, tell)
        if present is not None:
            said = f'Container image "{wanted}" already present on machine and can be accessed by the pod'
            tell("Normal", "Pulled", said)
            return present
        if policy == "Never":
            message = f'Container image "{wanted}" is not present with pull policy of Never'
            tell("Warning", "ErrImageNeverPull", message)
            raise NoImage(Failure("ErrImageNeverPull", message))
        return await self._pull(meta.uid(pod), wanted, name, secrets, sandbox, tell)

    async def _inspect(self, name: str, tell: Tell) -> Image | None:
        try:
            return await self._runtime.image(name)
        except RuntimeFailure as error:
            message = f'Failed to inspect image "": {error}'
            tell("Warning", "InspectFailed", message)
            raise NoImage(Failure("ImageInspectError", message)) from error

    async def _pull(
        self, uid: str, wanted: str, name: str, secrets: Sequence[Object], sandbox: SandboxConfig, tell: Tell
    ) -> Image:
        key, now = (uid, wanted), self._clock.now().timestamp()
        if self._holdoff.left_since_try(key, now) > 0:
            message = f'Back-off pulling image "{wanted}"'
            tell("Normal", "BackOff", message)
            known = self._last_problem.get(key)
            raise NoImage(Failure("ImagePullBackOff", f"{message}: {known}" if known else message))
        tell("Normal", "Pulling", f'Pulling image "{wanted}"')
        try:
            image, waited, took = await self._fetch(name, secrets, sandbox)
        except RuntimeFailure as error:
            tell("Warning", "Failed", f'Failed to pull image "{wanted}": {error}')
            self._holdoff.next(key, now, self._clock.now().timestamp())
            failure = explained(wanted, error)
            self._last_problem[key] = f"{failure.reason}: {failure.message}"
            raise NoImage(failure) from error
        self._last_problem.pop(key, None)
        times = f"{seconds(took)} ({seconds(waited + took)} including waiting)"
        tell("Normal", "Pulled", f'Successfully pulled image "{wanted}" in {times}. Image size: {image.size} bytes.')
        return image

    async def _fetch(self, name: str, secrets: Sequence[Object], sandbox: SandboxConfig) -> tuple[Image, float, float]:
        """The image, and the seconds spent waiting and pulling. Tries each credential; raises the last failure."""
        began = self._clock.monotonic()
        async with self._slots:
            started = self._clock.monotonic()
            last: RuntimeFailure | None = None
            choices: list[Auth | None] = [*credentials(name, secrets)]
            for auth in choices or [None]:
                try:
                    reference = await self._runtime.pull(name, auth, sandbox)
                    break
                except RuntimeFailure as error:
                    last = error
            else:
                raise last or RuntimeFailure("nothing was tried")
            done = self._clock.monotonic()
        image = await self._runtime.image(reference) or Image(id=reference)
        return image, started - began, done - started

    def wait(self, uid: str, wanted: str) -> float:
        """Seconds until the next try for this pod's image is due."""
        return self._holdoff.left_since_try((uid, wanted), self._clock.now().timestamp())

    def forget(self, uid: str) -> None:
        self._holdoff.forget(uid)
        for key in [k for k in self._last_problem if k[0] == uid]:
            del self._last_problem[key]


def explained(wanted: str, error: RuntimeFailure) -> Failure:
    for reason, text in KNOWN_FAULTS.items():
        if error.message.startswith(reason):
            return Failure(reason, text.format(wanted) + error.message.removeprefix(reason))
    return Failure("ErrImagePull", str(error))


def seconds(value: float) -> str:
    """A duration as Go prints it, to the millisecond: 0s, 35ms, 1.234s, 1m5s."""
    thousandths = int(value * 1000)
    if thousandths < 1000:
        return f"{thousandths}ms" if thousandths else "0s"
    minutes, rest = divmod(thousandths, 60_000)
    hours, minutes = divmod(minutes, 60)
    shown = f"{rest / 1000:.3f}".rstrip("0").rstrip(".")
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if minutes or hours else "") + f"{shown}s"
