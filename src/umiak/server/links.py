"""Links in answers that pass through a proxy: made to lead through the proxy again."""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

ATTRIBUTES = (
    b"href",
    b"src",
    b"action",
    b"formaction",
    b"cite",
    b"background",
    b"codebase",
    b"data",
    b"icon",
    b"longdesc",
    b"manifest",
    b"poster",
    b"profile",
    b"usemap",
    b"classid",
)
_TAG = re.compile(rb"<[a-zA-Z][^>]*>")
_LINK = re.compile(rb"(\s(?:%b)\s*=\s*)([\"'])(/[^/\"'][^\"']*|/)\2" % b"|".join(ATTRIBUTES), re.IGNORECASE)


def is_html(headers: Mapping[str, str]) -> bool:
    return headers.get("content-type", "").partition(";")[0].strip() == "text/html"


def rewritten(location: str, base: str, host: str) -> str:
    """A redirect that stays on the same host leads below `base`."""
    url = urlsplit(location)
    if (url.netloc and url.netloc != host) or not url.path.startswith("/"):
        return location
    return urlunsplit(("", "", base.rstrip("/") + url.path, url.query, url.fragment))


def rewritten_page(page: bytes, base: str) -> bytes:
    """Absolute paths in the links of an HTML page lead below `base`."""
    prefix = base.rstrip("/").encode()

    def in_tag(tag: re.Match[bytes]) -> bytes:
        return _LINK.sub(lambda link: link[1] + link[2] + prefix + link[3] + link[2], tag[0])

    return _TAG.sub(in_tag, page)
