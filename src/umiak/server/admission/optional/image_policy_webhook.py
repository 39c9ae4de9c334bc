"""Another server says which images may run: it is asked by ImageReview, and its answers are remembered.

Source: `plugin/pkg/admission/imagepolicy`.
"""

from typing import Any

import msgspec

from umiak.api.configuration import Unacceptable, shown_span
from umiak.kit.expiring import Expiring
from umiak.objects import encoding
from umiak.objects.encoding import Unreadable
from umiak.objects.meta import annotations
from umiak.objects.types import Object
from umiak.server.access.webhook_client import Unanswered, WebhookClient
from umiak.server.admission._common import is_pod, refuse
from umiak.server.contract import Admission, Admitted, Means, Phase, Surroundings

API_VERSION = "imagepolicy.k8s.io/v1alpha1"
OWN = ".image-policy.k8s.io/"
AUDIT = f"imagepolicywebhook{OWN}"
REMEMBERED, TIMEOUT = 1024, 30
ALLOW_TTL, DENY_TTL, BACKOFF = 300.0, 30.0, 0.5
"""Seconds, where the configuration says 0."""
DISABLED = -1
LONGEST = 1800.0


def concerns(request: Admitted) -> bool:
    return is_pod(request, "CREATE", "UPDATE") or is_pod(request, "CREATE", "UPDATE", subresource="ephemeralcontainers")


def question(request: Admitted) -> Object:
    """The spec of the review."""
    pod = request.new or {}
    spec = pod.get("spec") or {}
    fields = ("ephemeralContainers",) if request.attributes.subresource else ("containers", "initContainers")
    found: Object = {
        "containers": [{"image": one.get("image") or ""} for field in fields for one in spec.get(field) or ()],
        "annotations": {key: value for key, value in annotations(pod).items() if OWN in key},
        "namespace": request.attributes.namespace,
    }
    return {name: value for name, value in found.items() if value}


class ImagePolicy:
    def __init__(self, about: Object, means: Means) -> None:
        """Raises Unacceptable."""
        lifetime(about.get("retryBackoff") or 0, 0.001, 300, BACKOFF, unit=0.001)
        self._allow = lifetime(about.get("allowTTL") or 0, 1, LONGEST, ALLOW_TTL)
        self._deny = lifetime(about.get("denyTTL") or 0, 1, LONGEST, DENY_TTL)
        self._allows_by_default = bool(about.get("defaultAllow"))
        self._client = WebhookClient(about.get("kubeConfigFile") or "", TIMEOUT, means.clock, means.chance)
        self._answers: Expiring[Object] = Expiring(means.clock, REMEMBERED)

    async def run(self, around: Surroundings, request: Admitted, phase: Phase) -> None:
        spec = question(request)
        key = msgspec.json.encode(spec)
        status = self._answers.get(key)
        if status is None:
            try:
                review = {"kind": "ImageReview", "apiVersion": API_VERSION, "metadata": {}, "spec": spec}
                answer = await self._client.ask({**review, "status": {"allowed": False}})
            except Unanswered as error:
                self._failed(request, str(error))
                return
            status = answer.get("status") or {}
            self._answers.put(key, status, self._allow if status.get("allowed") else self._deny)
        for name, value in (status.get("auditAnnotations") or {}).items():
            request.annotations[AUDIT + name] = value
        if not status.get("allowed"):
            raise refuse(request, _why(status.get("reason") or ""))

    def _failed(self, request: Admitted, why: str) -> None:
        if not self._allows_by_default:
            # The reference wraps the refusal into another one.
            raise refuse(request, refuse(request, why).message)
        request.annotations[f"{AUDIT}failed-open"] = "true"
        assert request.new is not None
        request.new["metadata"].setdefault("annotations", {})[f"alpha{OWN}failed-open"] = "true"


def _why(reason: str) -> str:
    if reason:
        return f"image policy webhook backend denied one or more images: {reason}"
    return "one or more images rejected by webhook backend"


def lifetime(told: Any, shortest: float, longest: float, usual: float, unit: float = 1) -> float:
    """Seconds. Raises Unacceptable."""
    if told == DISABLED:
        return 0
    if not told:
        return usual
    length = float(told) * unit
    if not shortest <= length <= longest:
        bounds = f"valid value is between {shown_span(shortest)} and {shown_span(longest)}"
        raise Unacceptable(f"{bounds}, got {shown_span(length)}")
    return length


def configure(data: bytes, means: Means) -> Admission:
    """Raises Unacceptable."""
    if not data:
        raise Unacceptable("no config specified")
    try:
        value, _ = encoding.from_yaml(data)
    except Unreadable as error:
        raise Unacceptable(str(error)) from None
    policy = ImagePolicy((value.get("imagePolicy") if isinstance(value, dict) else None) or {}, means)
    return _plugin(policy.run)


def _plugin(run: Any) -> Admission:
    return Admission(
        name="ImagePolicyWebhook",
        order=10,
        phases=(Phase.VALIDATE,),
        run=run,
        concerns=concerns,
        configure=configure,
    )


async def _unconfigured(around: Surroundings, request: Admitted, phase: Phase) -> None:
    """Never asked: without configuration the server does not start."""


ADMISSION = _plugin(_unconfigured)
