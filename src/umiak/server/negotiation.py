"""Which form a client wants its answer in, and which forms bodies come in (apiserver's `negotiation` package)."""

from functools import lru_cache
from typing import NamedTuple

import msgspec

from umiak.objects.errors import StatusError
from umiak.server.answer import ACCEPTED_TYPES, JSON, generic
from umiak.server.contract import Request
from umiak.server.route import truth

TYPES = {"application/json": "json", "application/yaml": "yaml", "application/vnd.kubernetes.protobuf": "protobuf"}
STREAM_TYPES = ", ".join(f"{name};stream=watch" for name, form in TYPES.items() if form != "yaml")
LISTED_TYPES = f"{ACCEPTED_TYPES}, {STREAM_TYPES}"
META_GROUP = "meta.k8s.io"
CONVERTIBLE = frozenset({"Table", "PartialObjectMetadata", "PartialObjectMetadataList"})
IMPATIENT = ("curl", "Wget", "Mozilla/5.0")
"""User agents whose people look at the answer themselves."""


class Media(msgspec.Struct, frozen=True):
    """`format` is json, yaml or protobuf; `target` the kind to convert to, in `meta.k8s.io/<target_version>`, or
    empty."""

    type: str = "application/json"
    format: str = "json"
    target: str = ""
    target_version: str = ""
    pretty: bool = False

    @property
    def is_plain(self) -> bool:
        return self.format == "json" and not self.target and not self.pretty

    @property
    def is_binary(self) -> bool:
        return self.format == "protobuf"


PLAIN = Media()


class Offer(NamedTuple):
    """What an endpoint can answer. Custom resources have no message, but their metadata has."""

    has_message: bool = True
    converts: bool = True


EVERYTHING = Offer()
CUSTOM = Offer(has_message=False)
FAILURE = Offer(converts=False)
"""What a Status is answered in."""


def clauses(header: str) -> list[tuple[float, str, dict[str, str]]]:
    """(quality, type, parameters), best first; equal ones as they came, wildcards last."""
    found = []
    for part in header.split(","):
        pieces = [p.strip() for p in part.split(";")]
        parameters = dict(_parameter(p) for p in pieces[1:] if p)
        try:
            quality = float(parameters.pop("q", "1"))
        except ValueError:
            quality = 1.0
        found.append((quality, pieces[0], parameters))
    return sorted(found, key=lambda c: (-c[0], c[1] == "*/*", c[1].endswith("/*")))


def _parameter(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name.strip(), value.strip().strip('"')


def _matches(wanted: str, offered: str) -> bool:
    return wanted in ("*/*", offered) or (wanted.endswith("/*") and offered.startswith(wanted[:-1]))


def _accepted(name: str, parameters: dict[str, str], offer: Offer) -> Media | None:
    target = parameters.get("as", "")
    group, version = parameters.get("g", ""), parameters.get("v", "")
    if target or group or version:
        known = offer.converts and group == META_GROUP and version in ("v1", "v1beta1") and target in CONVERTIBLE
        if not known or (target == "Table" and name not in ("application/json", "application/yaml")):
            return None
    elif TYPES[name] == "protobuf" and not offer.has_message:
        return None
    return _parametrized(name, parameters, offer, target, version)


def _parametrized(name: str, parameters: dict[str, str], offer: Offer, target: str, version: str) -> Media | None:
    streams = ("",) if TYPES[name] == "yaml" else ("", "watch")
    if parameters.get("stream", "") not in streams:
        return None
    if parameters.get("sv", "") not in (("", "v1") if offer.converts else ("",)):
        return None
    return Media(name, TYPES[name], target, version, parameters.get("pretty") == "1")


@lru_cache(512)
def negotiate(accept: str, offer: Offer = EVERYTHING) -> Media | None:
    """The first clause of an Accept header that can be served; None when there is none."""
    if not accept:
        return PLAIN
    for _, wanted, parameters in clauses(accept):
        for name in TYPES:
            if _matches(wanted, name) and (media := _accepted(name, parameters, offer)) is not None:
                return media
    return None


def not_acceptable(types: str = ACCEPTED_TYPES) -> StatusError:
    return StatusError(406, "NotAcceptable", f"only the following media types are accepted: {types}")


@lru_cache(512)
def routable(accept: str, types: frozenset[str] = frozenset(TYPES)) -> bool:
    """The reference's router has a first, coarser look: no partial wildcards."""
    names = [part.partition(";")[0].strip() for part in accept.split(",")]
    return not accept or any(name == "*/*" or name in types for name in names)


def unroutable(types: str) -> StatusError:
    return generic(406, "NotAcceptable", f"406: Not Acceptable\n\nAvailable representations: {types}")


def json_only(request: Request) -> None:
    """Raises 406 for who wants something else."""
    if not routable(request.header("accept"), frozenset({JSON})):
        raise unroutable(JSON)


def media_of(request: Request, offer: Offer = EVERYTHING) -> Media:
    """What to answer in; raises 406. Nobody frames a stream of YAML."""
    media = negotiate(request.header("accept"), offer)
    if media is None:
        raise not_acceptable()
    if media.format == "yaml" and truth(request.option("watch")):
        raise not_acceptable(STREAM_TYPES)
    if wants_pretty(request) and not media.pretty:
        return Media(media.type, media.format, media.target, media.target_version, True)
    return media


def wants_pretty(request: Request) -> bool:
    if "pretty" in request.query and request.option("pretty"):
        return request.option("pretty") in ("1", "t", "T", "true", "TRUE", "True")
    return request.header("user-agent").startswith(IMPATIENT)


def body_format(content_type: str) -> str | None:
    """json, yaml or protobuf; None for anything else."""
    return TYPES.get(content_type.partition(";")[0].strip().lower() or "application/json")


def unsupported_media(types: str = ACCEPTED_TYPES) -> StatusError:
    message = f"the body of the request was in an unknown format - accepted media types include: {types}"
    return StatusError(415, "UnsupportedMediaType", message)


def unroutable_body() -> StatusError:
    return generic(415, "UnsupportedMediaType", "415: Unsupported Media Type")
