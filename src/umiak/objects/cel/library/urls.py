"""URLs, read as Go's net/url reads them; and keys of JSON patches, which are escaped much alike."""

import re
from typing import Any
from urllib.parse import quote, unquote

from umiak.objects.cel.declarations import library
from umiak.objects.cel.errors import EvaluationError
from umiak.objects.cel.library.standard import text_cost
from umiak.objects.cel.values import Function, Opaque
from umiak.objects.go_text import quoted

OVERLOADS = """
string_to_url: url(string) -> kubernetes.URL
is_url_string: isURL(string) -> bool
url_get_scheme: kubernetes.URL getScheme() -> string
url_get_host: kubernetes.URL getHost() -> string
url_get_hostname: kubernetes.URL getHostname() -> string
url_get_port: kubernetes.URL getPort() -> string
url_get_escaped_path: kubernetes.URL getEscapedPath() -> string
url_get_query: kubernetes.URL getQuery() -> map(string,list(string))
"""
PATCH = "string_jsonpatch_escapeKey_string: jsonpatch.escapeKey(string) -> string"

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2}).{0,2}", re.S)
_BAD_HOST = re.compile(r"[^A-Za-z0-9\-_.~!$&'()*+,;=:\[\]<>\"%\x80-\U0010ffff]")
PATH_SAFE = "$&+,/:;=@!'()*~"


class URL(Opaque):
    __slots__ = ("host", "path", "query", "scheme", "text")
    type_name = "kubernetes.URL"

    def __init__(self, text: str, scheme: str, host: str, path: str, query: str) -> None:
        self.text = text
        self.scheme = scheme
        self.host = host
        self.path = path
        self.query = query

    def __eq__(self, other: object) -> bool:
        return isinstance(other, URL) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __str__(self) -> str:
        return self.text

    def hostname(self) -> str:
        if self.host.startswith("["):
            return self.host[1:].partition("]")[0]
        return self.host.rpartition(":")[0] if ":" in self.host else self.host

    def port(self) -> str:
        after = self.host.rpartition("]")[2]
        return after.rpartition(":")[2] if ":" in after else ""


class InvalidURL(ValueError):
    """Says why as Go does."""


def check(text: str) -> None:
    """What Go's ParseRequestURI takes: an absolute URL, or an absolute path. Raises InvalidURL."""
    fault = _fault(text)
    if fault:
        raise InvalidURL(f"parse {quoted(text)}: {fault}")


def _fault(text: str) -> str:
    if re.search(r"[\x00-\x1f\x7f]", text):
        return "net/url: invalid control character in URL"
    if not text:
        return "empty url"
    if text[0] == ":":
        return "missing protocol scheme"
    if text == "*":
        return ""
    scheme = _SCHEME.match(text)
    rest = text[scheme.end() :] if scheme else text
    if not rest.startswith("/"):
        if scheme:
            return ""
        segment = text.partition("/")[0]
        if ":" in segment and not re.match(r"[A-Za-z]", text):
            return "first path segment in URL cannot contain colon"
        return "invalid URI for request"
    host, path = "", rest.partition("?")[0]
    if rest.startswith("//") and (scheme or not rest.startswith("///")):
        host, slash, path = path[2:].partition("/")
        path = slash + path
    return _fault_of_host(host) or _fault_of_escapes(path)


def _fault_of_escapes(text: str) -> str:
    bad = _BAD_ESCAPE.search(text)
    return f"invalid URL escape {quoted(bad.group())}" if bad else ""


def _fault_of_host(authority: str) -> str:
    host = authority.rpartition("@")[2]
    if host.startswith("["):
        name, bracket, port = host.rpartition("]")
        if not bracket:
            return "missing ']' in host"
    else:
        name, colon, port = host.rpartition(":")
        if not colon:
            name, port = host, ""
        port = colon + port if colon else ""
    if port and not re.fullmatch(r":\d*", port, re.ASCII):
        return f"invalid port {quoted(port)} after host"
    bad = _BAD_HOST.search(name)
    if bad:
        return f"invalid character {quoted(bad.group())} in host name"
    return _fault_of_escapes(name)


def _parse(text: str) -> URL:
    try:
        check(text)
    except InvalidURL as error:
        raise EvaluationError(f"URL parse error during conversion from string: {error}") from None
    body, _, _fragment = text.partition("#")
    scheme = _SCHEME.match(body)
    rest = body[scheme.end() :] if scheme else body
    rest, _, query = rest.partition("?")
    host, path = "", rest
    if scheme and not rest.startswith("/"):
        path = ""
    elif rest.startswith("//") and (scheme or not rest.startswith("///")):
        host, slash, path = rest[2:].partition("/")
        path = slash + path
    name = scheme.group()[:-1].lower() if scheme else ""
    return URL(text, name, unquote(host.rpartition("@")[2]), path, query)


def _is_url(text: str) -> bool:
    try:
        check(text)
    except InvalidURL:
        return False
    return True


def _query(url: URL) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for part in url.query.split("&"):
        if not part or ";" in part or _BAD_ESCAPE.search(part):
            continue
        key, _, value = part.replace("+", " ").partition("=")
        found.setdefault(unquote(key), []).append(unquote(value))
    return found


def _escaped_path(url: URL) -> str:
    return quote(url.path, safe=PATH_SAFE + "%")


def _escape_key(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


_FUNCTIONS: dict[str, Function] = {
    "url": _parse,
    "isURL": _is_url,
    "getScheme": lambda url: url.scheme,
    "getHost": lambda url: url.host,
    "getHostname": lambda url: url.hostname(),
    "getPort": lambda url: url.port(),
    "getEscapedPath": _escaped_path,
    "getQuery": _query,
}
_COSTS: dict[str, Any] = {"url": text_cost()}
LIBRARY = library(OVERLOADS, _FUNCTIONS, _COSTS)
JSON_PATCH = library(PATCH, {"jsonpatch.escapeKey": _escape_key}, {"jsonpatch.escapeKey": text_cost()})
