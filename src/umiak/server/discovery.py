"""What the server serves: groups, versions and resources, one by one or all in one document (KEP-3352).

Documents are made when first asked for and kept as bytes until the set of kinds changes.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping

import msgspec

from umiak.api import registry
from umiak.api.kind import Kind, Subresource
from umiak.objects.types import Object
from umiak.server import binary
from umiak.server.answer import Answer, encode, no_such_resource, page_not_found
from umiak.server.bootstrap.objects import GROUP_PRIORITIES, VERSION_PRIORITIES
from umiak.server.contract import Request
from umiak.server.negotiation import Media, media_of, negotiate

IN_ONE = ("g=apidiscovery.k8s.io", "v=v2", "as=APIGroupDiscoveryList")
"""How a client asks for all in one document."""
AGGREGATED = ";".join(("application/json", *IN_ONE))
FORMS = ("application/json", "application/vnd.kubernetes.protobuf")
VERSION = re.compile(r"v(\d+)(?:(alpha|beta)(\d+))?")
CUSTOM_PRIORITY = 1000
"""That of groups which custom resources bring."""

Described = dict[tuple[str, str], list[Kind]]
"""Kinds by (group, version)."""


def version_rank(version: str) -> tuple[int, int, int, str]:
    """Sorts versions best first: v2, v1, v1beta2, v1beta1, v1alpha1, and what is no version at last by name."""
    match = VERSION.fullmatch(version)
    if not match:
        return 3, 0, 0, version
    stage = {None: 0, "beta": 1, "alpha": 2}[match[2]]
    return stage, -int(match[1]), -int(match[3] or 0), ""


def storage_hash(kind: Kind) -> str:
    """Tells clients which form of a custom kind lies in the store."""
    group = "" if kind.storage_group == "core" else kind.storage_group or kind.group
    text = f"{group}/{kind.storage_version or kind.version}/{kind.kind}"
    return base64.b64encode(hashlib.sha256(text.encode()).digest()[:8]).decode()


def is_stored(kind: Kind) -> bool:
    return "watch" in kind.verbs


def verbs_of(kind: Kind) -> list[str]:
    """Sorted, except those of custom kinds."""
    return list(kind.verbs) if kind.is_custom else sorted(kind.verbs)


def resource(kind: Kind) -> Object:
    """A kind as one `APIResource`."""
    about: Object = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": verbs_of(kind),
    }
    for field, words in (("shortNames", kind.short_names), ("categories", kind.categories)):
        if words:
            about[field] = list(words)
    if is_stored(kind):
        about["storageVersionHash"] = registry.storage_hash(kind) or storage_hash(kind)
    return about


def subresource(kind: Kind, part: Subresource) -> Object:
    about: Object = {"name": f"{kind.plural}/{part.name}", "singularName": "", "namespaced": kind.namespaced}
    if (part.group, part.version) not in (("", ""), (kind.group, kind.version)):
        about |= {"group": part.group, "version": part.version}
    return {**about, "kind": part.kind, "verbs": sorted(part.verbs)}


def resource_list(group: str, version: str, kinds: Iterable[Kind]) -> Object:
    found = [resource(kind) for kind in kinds if kind.verbs]
    found += [subresource(kind, part) for kind in kinds for part in kind.subresources]
    custom = {kind.plural for kind in kinds if kind.is_custom}
    about: Object = {"kind": "APIResourceList"}
    if group:
        about["apiVersion"] = "v1"
    group_version = f"{group}/{version}" if group else version
    return {**about, "groupVersion": group_version, "resources": sorted(found, key=lambda r: _place(r["name"], custom))}


def _place(name: str, custom: set[str]) -> tuple[str, str]:
    """Sorted by name; parts of custom kinds stay as they come, behind their kind."""
    plural = name.partition("/")[0]
    return (plural, "") if plural in custom else (name, "")


def api_group(group: str, versions: list[str]) -> Object:
    known = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
    return {"name": group, "versions": known, "preferredVersion": known[0]}


def _response_kind(kind: str, group: str = "", version: str = "") -> Object:
    return {"group": group, "version": version, "kind": kind}


def _own_response_kind(kind: Kind, name: str) -> Object:
    """Of built-in kinds, group and version go without saying."""
    return _response_kind(name, kind.group, kind.version) if kind.is_custom else _response_kind(name)


def aggregated_resource(kind: Kind) -> Object:
    about: Object = {
        "resource": kind.plural,
        "responseKind": _own_response_kind(kind, kind.kind),
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": verbs_of(kind),
    }
    for field, words in (("shortNames", kind.short_names), ("categories", kind.categories)):
        if words:
            about[field] = list(words)
    if kind.subresources:
        parts = kind.subresources if kind.is_custom else sorted(kind.subresources, key=lambda p: p.name)
        about["subresources"] = [_aggregated_part(kind, part) for part in parts]
    return about


def _aggregated_part(kind: Kind, part: Subresource) -> Object:
    own = (part.group, part.version) in (("", ""), (kind.group, kind.version))
    response = _own_response_kind(kind, part.kind) if own else _response_kind(part.kind, part.group, part.version)
    return {"subresource": part.name, "responseKind": response, "verbs": sorted(part.verbs)}


def aggregated_version(version: str, kinds: Iterable[Kind]) -> Object:
    resources = [aggregated_resource(kind) for kind in sorted(kinds, key=lambda k: k.plural)]
    return {"version": version, "resources": resources, "freshness": "Current"}


def aggregated_list(items: list[Object]) -> Object:
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


Priorities = Mapping[tuple[str, str], tuple[int, int]]
"""By (group, version): (the group's, the version's), as API services say."""
Entries = Mapping[tuple[str, str], Object]
"""By (group, version): entries of aggregated discovery for what other servers serve."""


class Group(msgspec.Struct, frozen=True):
    """A group and its versions, the preferred one first; each with the kinds served here, or the entry of a server
    elsewhere."""

    name: str
    versions: dict[str, list[Kind] | Object]

    @property
    def aggregated(self) -> Object:
        about = {"name": self.name} if self.name else {}
        versions = [
            aggregated_version(version, found) if isinstance(found, list) else found
            for version, found in self.versions.items()
        ]
        return {"metadata": about, "versions": versions}


def groups(kinds: Iterable[Kind], priorities: Priorities, elsewhere: Entries) -> list[Group]:
    """All groups in the order of discovery: by priority, then by name."""
    found: dict[str, dict[str, list[Kind] | Object]] = {}
    for kind in kinds:
        versions = found.setdefault(kind.group, {}).setdefault(kind.version, [])
        assert isinstance(versions, list)
        versions.append(kind)
    for (group, version), entry in elsewhere.items():
        found.setdefault(group, {})[version] = entry

    def rank(group: str) -> tuple[int, str]:
        usual = GROUP_PRIORITIES.get(group, CUSTOM_PRIORITY)
        said = [priorities[group, version][0] for version in found[group] if (group, version) in priorities]
        return -max(said, default=usual), group

    return [Group(name, _ordered(name, found[name], priorities)) for name in sorted(found, key=rank)]


def _ordered(
    group: str, versions: dict[str, list[Kind] | Object], priorities: Priorities
) -> dict[str, list[Kind] | Object]:
    def rank(version: str) -> tuple[int, tuple[int, int, int, str]]:
        usual = 0, VERSION_PRIORITIES.get((group, version), 0)
        return -priorities.get((group, version), usual)[1], version_rank(version)

    return {version: versions[version] for version in sorted(versions, key=rank)}


def form_in_one(accept: str) -> str:
    """The media type, when the first clause that can be served asks for all in one; else empty."""
    for clause in accept.split(",") if accept else ["*/*"]:
        words = {word.strip() for word in clause.split(";")}
        for form in FORMS:
            if {form, *IN_ONE} <= words:
                return form
        if negotiate(clause.strip()) is not None:
            break
    return ""


def _answer(document: bytes, media: Media) -> Answer:
    if media.is_binary:
        return Answer(200, binary.body(document), media.type)
    return Answer(200, document)


class Discovery:
    """Answers `/api`, `/apis` and what is below them down to the version."""

    def __init__(
        self,
        kinds: Callable[[], Iterable[Kind]],
        address: Callable[[], str],
        priorities: Callable[[], Priorities] = dict,
        elsewhere: Callable[[], Entries] = dict,
    ) -> None:
        """`kinds` gives those served now; `address` the host and port to advertise."""
        self._kinds = kinds
        self._address = address
        self._priorities = priorities
        self._elsewhere = elsewhere
        self._documents: dict[str, bytes] | None = None
        self._aggregated: dict[tuple[str, str], tuple[bytes, str]] = {}

    def changed(self) -> None:
        """To be called whenever a kind comes or goes."""
        self._documents = None
        self._aggregated.clear()

    def answer(self, request: Request) -> Answer:
        """Raises StatusError 404 for what is not there, 406 for a form that is not offered."""
        path = request.path.rstrip("/")
        if path in ("/api", "/apis") and (form := form_in_one(request.header("accept"))):
            return self._in_one(request, path, form)
        media = media_of(request)
        document = self._plain().get(path)
        if document is not None:
            return _answer(document, media)
        if path.startswith("/api/") or (path.count("/") > 2 and self._is_below_ours(path)):
            raise no_such_resource()
        return page_not_found()

    def _is_below_ours(self, path: str) -> bool:
        """Whether the path begins like that of a version which is served here."""
        roots = (known.rpartition("/")[0] for known in self._plain() if known.count("/") > 1)
        return any(path.startswith(f"{root}/") for root in roots if root not in ("", "/apis"))

    def _in_one(self, request: Request, path: str, form: str) -> Answer:
        key = path, form
        if key not in self._aggregated:
            found = self._groups()
            items = [group.aggregated for group in found if bool(group.name) is (path == "/apis")]
            body = encode(aggregated_list(items))
            tag = f'"{hashlib.sha512(body).hexdigest().upper()}"'
            self._aggregated[key] = body if form == FORMS[0] else binary.body(body), tag
        body, tag = self._aggregated[key]
        headers = [("ETag", tag), ("Vary", "Accept"), ("Cache-Control", "public")]
        if request.header("if-none-match") == tag:
            return Answer(304, b"", "", headers)
        return Answer(200, body, ";".join((form, *IN_ONE)), headers)

    def _groups(self) -> list[Group]:
        return groups(self._kinds(), self._priorities(), self._elsewhere())

    def _plain(self) -> dict[str, bytes]:
        if self._documents is None:
            self._documents = {path: encode(document) for path, document in self._describe().items()}
        return self._documents

    def _describe(self) -> dict[str, Object]:
        found: dict[str, Object] = {}
        listed = []
        for group in self._groups():
            root = f"/apis/{group.name}" if group.name else "/api"
            for version, kinds in group.versions.items():
                if isinstance(kinds, list):
                    found[f"{root}/{version}"] = resource_list(group.name, version, kinds)
            if group.name:
                about = api_group(group.name, list(group.versions))
                found[root] = {"kind": "APIGroup", "apiVersion": "v1", **about}
                listed.append(about)
        cidrs = [{"clientCIDR": "0.0.0.0/0", "serverAddress": self._address()}]
        found["/api"] = {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": cidrs}
        found["/apis"] = {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}
        return found
